"""Structured inputs: clusters of Gaussian inputs with means, named axes and a bulk of blocks.

R^d = E + blocks. E holds every axis that has a name (means, teacher, spiked axes), in n_E dimensions; block j is a fraction
w_j of the other axes. In cluster c

    z_E ~ N(m_c, S_c),   z ~ N(0, e_cj) on every axis of block j,      y = f(W* z_E) + noise,  or the cluster's own label.

A direction with a profile over the blocks is one axis a block: axis j has variance e_cj and the coefficient √w_j
(:meth:`Inputs.power_law` with ``teacher="generic"`` makes such a teacher).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hermite.errors import InputError
from hermite.target import Target

Array = npt.NDArray[np.float64]

#: What the equations are solved for.
MOST_CLUSTERS, MOST_AXES = 8, 60
#: Σ_j w_j e_cj, the variance that a row sees: beyond, its powers leave the floats beside axes of variance 1.
SMALLEST_BULK, LARGEST_BULK = 1e-30, 1e30
#: Means of norm √d, in that unit: beyond, nodes of the neurons' shifts do not resolve an activation.
FARTHEST = 3.0


def _numbers(name: str, values: object, dimensions: int) -> Array:
    try:
        found = np.asarray(values, dtype=float)
    except (TypeError, ValueError, OverflowError):
        found = np.zeros((0,) * (dimensions + 1))
    if name == "bulk" and found.ndim == 2 and found.size:
        raise InputError(
            "bulk must be one variance a block, not a matrix: covariances that do not commute off the named axes are not covered."
        )
    if found.ndim != dimensions or not np.all(np.isfinite(found)):
        what = "a list of finite numbers" if dimensions == 1 else "rows of finite numbers"
        raise InputError(f"{name} must be {what}.")
    return found


@dataclass(frozen=True)
class Cluster:
    """A cluster: probability ``weight``, ``mean`` (n_E,), ``covariance`` (n_E, n_E) on the named axes, ``bulk`` (J,) variances.

    ``label``: an expression in z1.. that replaces the target in this cluster ("1" and "-1": classes).
    ``far``: its mean along one further axis, in units of √d (of the size of the inputs themselves).
    """

    weight: float = 1.0
    mean: Any = (0.0,)
    covariance: Any = ((1.0,),)
    bulk: Any = (1.0,)
    label: str | None = None
    far: float = 0.0

    def __post_init__(self) -> None:
        mean = _numbers("mean", self.mean, 1)
        covariance = _numbers("covariance", self.covariance, 2)
        bulk = _numbers("bulk", self.bulk, 1)
        n = len(mean)
        problems = []
        if covariance.shape != (n, n) or not np.allclose(covariance, covariance.T, rtol=1e-9, atol=0):
            problems.append(f"the covariance of a cluster must be a symmetric matrix of its {n} named axes.")
        elif n and float(np.linalg.eigvalsh(covariance)[0]) < -1e-9 * float(np.abs(covariance).max()):
            problems.append("the covariance of a cluster must have no negative eigenvalue.")
        if not (bulk.size and np.all(bulk >= 0) and np.any(bulk > 0)):
            problems.append("the bulk of a cluster must be variances of at least 0, one of them positive.")
        if not (isinstance(self.weight, (int, float)) and 0 < self.weight <= 1):
            problems.append(f"the weight of a cluster must be a probability above 0, not {self.weight!r}.")
        if (
            isinstance(self.far, bool)
            or not isinstance(self.far, (int, float))
            or not abs(self.far) <= FARTHEST
        ):
            problems.append(
                f"far of a cluster must be a number from {-FARTHEST:g} to {FARTHEST:g}, not {self.far!r}."
            )
        if problems:
            raise InputError(problems)
        object.__setattr__(self, "mean", tuple(mean.tolist()))
        object.__setattr__(self, "covariance", tuple(tuple(row) for row in covariance.tolist()))
        object.__setattr__(self, "bulk", tuple(bulk.tolist()))


@dataclass(frozen=True)
class Inputs:
    """``clusters``, ``fractions`` w (J,) of the blocks, ``teacher`` W* (r, n_E), y = f(W* z_E); default: the first r named axes.

    Raises :class:`InputError` with every problem at once.

    >>> two = [Cluster(0.5, [m], [[1.0]], [1.0], label=y) for m, y in ((1.0, "1"), (-1.0, "-1"))]
    >>> Inputs(two).q.tolist()
    [1.0, 1.0]
    """

    law: ClassVar[str] = "structured"

    clusters: Any = (Cluster(),)
    fractions: Any = (1.0,)
    teacher: Any = None

    def __post_init__(self) -> None:
        clusters = tuple(self.clusters) if isinstance(self.clusters, Sequence) else (self.clusters,)
        problems = []
        if not clusters or not all(isinstance(c, Cluster) for c in clusters):
            raise InputError("Inputs.clusters must hold at least one Cluster.")
        fractions = _numbers("fractions", self.fractions, 1)
        total = math.fsum(c.weight for c in clusters)
        if not math.isclose(total, 1.0, rel_tol=1e-9):
            problems.append(f"the weights of the clusters must sum to 1, not {total:g}.")
        if not np.all(fractions > 0) or not math.isclose(float(fractions.sum()), 1.0, rel_tol=1e-9):
            problems.append(
                f"Inputs.fractions must be positive and sum to 1, not to {float(fractions.sum()):g}."
                if np.all(fractions > 0)
                else f"Inputs.fractions must be positive and sum to 1, not {fractions.tolist()}."
            )
        axes = {len(c.mean) for c in clusters}
        if len(axes) > 1:
            problems.append("all clusters must have the same named axes.")
        if any(len(c.bulk) != len(fractions) for c in clusters):
            problems.append(f"the bulk of every cluster must have one variance a block, {len(fractions)}.")
        else:
            seen = [float(np.dot(c.bulk, fractions)) for c in clusters]
            problems += [
                f"the bulk of cluster {k + 1} must have a mean variance from {SMALLEST_BULK:g} to {LARGEST_BULK:g}, not {q:g}."
                for k, q in enumerate(seen)
                if not SMALLEST_BULK <= q <= LARGEST_BULK
            ]
        if len(clusters) > MOST_CLUSTERS or max(axes) + len(fractions) > MOST_AXES:
            problems.append(
                f"Inputs cover at most {MOST_CLUSTERS} clusters and {MOST_AXES} named axes and blocks together, not "
                f"{len(clusters)} and {max(axes) + len(fractions)}."
            )
        teacher = None if self.teacher is None else _numbers("teacher", self.teacher, 2)
        if teacher is not None and teacher.shape[1] != max(axes):
            problems.append(
                f"Inputs.teacher must have one column a named axis, {max(axes)}, not {teacher.shape[1]}."
            )
        if problems:
            raise InputError(problems)
        object.__setattr__(self, "clusters", clusters)
        object.__setattr__(self, "fractions", tuple(fractions.tolist()))
        object.__setattr__(
            self, "teacher", None if teacher is None else tuple(tuple(row) for row in teacher.tolist())
        )

    @classmethod
    def power_law(cls, exponent: float, blocks: int = 12, teacher: str | int = "generic") -> Inputs:
        """Variances ∝ (rank)^(−exponent) of mean 1, in ``blocks`` equal parts by rank; ``teacher`` as in :meth:`spectrum`."""
        if not (0 <= exponent < 1) or blocks < 1:
            raise InputError(
                f"a power law needs an exponent from 0 to below 1 and at least one block, not {exponent}, {blocks}."
            )
        edges = np.linspace(0, 1, blocks + 1)
        return cls.spectrum(np.diff(edges ** (1 - exponent)) * blocks, np.full(blocks, 1 / blocks), teacher)

    @classmethod
    def spectrum(cls, variances: Any, fractions: Any, teacher: str | int = "generic", r: int = 1) -> Inputs:
        """One cluster with blocks of these ``variances`` and ``fractions``, and ``r`` directions of variance 1 as target.

        ``teacher``: "generic" (a profile over all blocks) or the number of a block, from 1.
        """
        e, w = _numbers("variances", variances, 1), _numbers("fractions", fractions, 1)
        if teacher == "generic":
            row = np.sqrt(w)
        elif isinstance(teacher, int) and 1 <= teacher <= len(e):
            row = np.eye(len(e))[teacher - 1]
        else:
            raise InputError(f'teacher must be "generic" or a block from 1 to {len(e)}, not {teacher!r}.')
        used = row > 0
        seen = float(row[used] ** 2 @ e[used])
        if not seen > 0:
            raise InputError("the target must lie where inputs vary: its block has a variance of 0.")
        row = row[used] / math.sqrt(seen)
        named = np.tile(e[used], r)
        return cls((Cluster(1.0, np.zeros(len(named)), np.diag(named), e),), w, np.kron(np.eye(r), row))

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as the table [inputs] of an experiment file takes it."""
        clusters = [
            {
                "weight": c.weight,
                "mean": list(c.mean),
                "covariance": [list(row) for row in c.covariance],
                "bulk": list(c.bulk),
                **({} if c.label is None else {"label": c.label}),
                **({"far": c.far} if c.far else {}),
            }
            for c in self.clusters
        ]
        teacher = {} if self.teacher is None else {"teacher": [list(row) for row in self.teacher]}
        return {"clusters": clusters, "fractions": list(self.fractions), **teacher}

    @property
    def axes(self) -> int:
        """n_E, the number of named axes."""
        return len(self.clusters[0].mean)

    @property
    def weights(self) -> Array:
        """p_c (K,)."""
        return np.array([c.weight for c in self.clusters])

    @property
    def means(self) -> Array:
        """m_c (K, n_E); components that are nothing beside any bulk, and whose squares may be no floats, are 0."""
        means = np.array([c.mean for c in self.clusters], float)
        means[np.abs(means) < SMALLEST_BULK] = 0.0
        return means

    @property
    def covariances(self) -> Array:
        """S_c (K, n_E, n_E)."""
        return np.array([c.covariance for c in self.clusters]).reshape(
            len(self.clusters), self.axes, self.axes
        )

    @property
    def bulk(self) -> Array:
        """e_cj (K, J)."""
        return np.array([c.bulk for c in self.clusters])

    @property
    def far(self) -> Array:
        """Means along the further axis in units of √d (K,)."""
        return np.array([c.far for c in self.clusters], float)

    @property
    def q(self) -> Array:
        """Σ_j w_j e_cj (K,): the variance that a row of unit norm sees."""
        seen: Array = self.bulk @ np.array(self.fractions)
        return seen

    def lengths(self, f: Target) -> Array:
        """Lengths of the rows of W* (r,)."""
        found: Array = np.linalg.norm(self.teacher_of(f), axis=1)
        return found

    def teacher_of(self, f: Target) -> Array:
        """W* (r, n_E); raises :class:`InputError` where it does not fit the target."""
        if f.gram is not None:
            raise InputError("target.gram goes with isotropic inputs: give the directions as Inputs.teacher.")
        if self.teacher is None:
            if self.axes < f.r:
                raise InputError(
                    f"Inputs need a named axis for each of the target's {f.r} variables, not {self.axes}."
                )
            return np.eye(f.r, self.axes)
        rows: Array = np.array(self.teacher)
        if len(rows) != f.r:
            raise InputError(
                f"Inputs.teacher must have a row for each of the target's {f.r} variables, not {len(rows)}."
            )
        return rows

    def targets_of(self, f: Target) -> tuple[Target, ...]:
        """The target of every cluster: f, or its own label as a function of the same variables.

        Raises :class:`InputError`, which names the cluster.
        """
        return tuple(f if c.label is None else _labelled(c.label, f, k) for k, c in enumerate(self.clusters))


def _labelled(label: object, f: Target, k: int) -> Target:
    try:
        return Target(label, f.variables, noise=f.noise)  # type: ignore[arg-type]
    except InputError as error:
        raise InputError([f"label of cluster {k + 1}: {problem}" for problem in error.problems]) from None
