r"""Online SGD at a cost free of the dimension, many replicates in one array, exact in law for every batch size.

The rows of W are carried in an orthonormal frame of r + p axes, the first r of them the target's directions:
W = [M, R], so that the fields of a sample are l = W u with u ~ N(0, I_{r+p}). With S_μi = e ã_i δ_μ σ'(l_μi)/n_b a step is

    W ← P(W + Sᵀ (u, Z)),   Z (n_b, d − r − p) the part of the samples outside of the frame, independent of the fields.

Given the fields only the Gram matrix of SᵀZ matters. With n_b < p, Z = A O with A (n_b, n_b) Bartlett's factor and O
orthonormal rows; else SᵀZ = L A O with L Lᵀ = SᵀS and A (p, p). The rows [R, SᵀA] (or [R, L A]) are turned back to p axes by a
triangular factor of their Gram matrix, a sum of squares: differences Q − M Mᵀ, which lose positive definiteness where neurons
have collapsed, never occur. d ≥ r + 2p is asked for.

Every replicate has its own streams, each read in order: what one draws depends neither on the others nor on how the work is
cut into blocks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from asymptotics.simulation.normals import normals
from asymptotics.simulation.reduced import ReducedNetwork
from asymptotics.simulation.seeds import generator
from asymptotics.simulation.state import check_finite, root_of
from asymptotics.simulation.student import WEIGHTS
from hermite.errors import InputError
from hermite.target import Target

Array = npt.NDArray[np.float64]

#: Streams of a trajectory of one replicate, beyond those of its start: fields, label noise, normals and χ² of Bartlett's factor.
FIELDS, NOISE, NORMALS, SQUARES = 1, 2, 3, 4
#: Numbers of a block of draws of one replicate, and rows of a batch that are worked on at once.
_BLOCK, _ROWS = 2**13, 2**14
_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class OnlineStep:
    """One step of online SGD: its size e, the batch n_b, whether the student predicts zero, and the projection."""

    size: float
    n_b: int
    correlation: bool = False
    projection: str = "projected"


def refusal_of_dimension(r: int, p: int, d: int) -> str | None:
    """What is wrong with a dimension in which no p neurons have parts outside of their frame."""
    least = 2 * p + r
    if d >= least:
        return None
    return (
        f"simulation.d must be at least 2 p + r = {least} for the reduced simulation of online SGD, not {d}"
    )


class OnlineReduced:
    """The trajectories of several replicates of one setting; ``students`` give the starts and take the overlaps."""

    def __init__(self, students: Sequence[ReducedNetwork], step: OnlineStep) -> None:
        first = students[0]
        self.activation = first.activation
        self.p, self.r, self.step = first.p, first.r, step
        self.freedom = first.d - self.r - self.p
        if (small := refusal_of_dimension(self.r, self.p, first.d)) is not None:
            raise InputError(small)
        self.students = list(students)
        self.rows = np.stack([np.hstack([q.M, root_of(q.Q - q.M @ q.M.T)]) for q in students])
        biases = np.stack([q.biases for q in students])
        self.biases = biases[:, :, None] if biases.any() else None
        self.output = np.zeros(self.p) if step.correlation else first.readout / self.p
        self.pull = step.size * first.readout / step.n_b
        self.draws = _Draws(self.students, step.n_b, self.r, self.p, self.freedom, first.target)

    @np.errstate(over="ignore", invalid="ignore")
    def advance(self, steps: int) -> None:
        """So many steps of every replicate; raises ``InputError`` if one overflows."""
        for _ in range(steps):
            self._move()

    def settle(self) -> None:
        """Hand the overlaps to the students."""
        Q = self.rows @ self.rows.transpose(0, 2, 1)
        check_finite(np.where(np.abs(Q).max() < 1e30, 0.0, np.nan))
        for student, rows, gram in zip(self.students, self.rows, Q, strict=True):
            student.M, student.Q = rows[:, : self.r].copy(), (gram + gram.T) / 2

    @np.errstate(over="ignore", invalid="ignore")
    def first_above(self, threshold: float, steps: int) -> npt.NDArray[np.int64]:
        """The first step at which the largest ‖M_i‖ of a replicate exceeds ``threshold`` (−1: not within ``steps``).

        Replicates that are through are left out of the work.
        """
        found = np.full(len(self.students), -1, dtype=np.int64)
        active = np.arange(len(self.students))
        for t in range(steps + 1):
            if t:
                self.advance(1)
            along = self.rows[:, :, : self.r]
            through = np.einsum("apk,apk->ap", along, along).max(axis=1) > threshold**2
            if through.any():
                found[active[through]] = t
                active = active[~through]
                if not len(active):
                    break
                self._keep(~through)
        return found

    def _keep(self, kept: npt.NDArray[np.bool_]) -> None:
        self.rows = self.rows[kept]
        self.biases = None if self.biases is None else self.biases[kept]
        self.students = [student for student, keep in zip(self.students, kept, strict=True) if keep]
        self.draws.keep(kept)

    def _move(self) -> None:
        step, r, activation = self.step, self.r, self.activation
        move: Any = None
        scale: Any = None
        narrow = step.n_b < self.p
        for u, labels in self.draws.samples():
            fields = self.rows @ u.transpose(0, 2, 1)
            if self.biases is not None:
                fields += self.biases
            if step.correlation:
                delta, weighted = labels, activation.derivative(fields)
            else:
                output, weighted = activation.pair(fields)
                delta = labels - self.output @ output
            weighted *= delta[:, None]
            move = _added(move, weighted @ u)
            if not narrow:
                scale = _added(scale, weighted @ weighted.transpose(0, 2, 1))
        move *= self.pull[:, None]
        outside = (weighted if narrow else _factor(scale)) @ self.draws.bartlett()
        outside *= self.pull[:, None]
        if step.projection == "spherical":
            radial = np.einsum("apk,apk->ap", move, self.rows) / np.einsum(
                "apk,apk->ap", self.rows, self.rows
            )
            move -= radial[:, :, None] * self.rows
        moved = np.add(move, self.rows, out=move)
        across = np.concatenate([moved[:, :, r:], outside], axis=2)
        moved[:, :, r:] = _factor(across @ across.transpose(0, 2, 1))
        if step.projection != "free":
            moved /= np.sqrt(np.einsum("apk,apk->ap", moved, moved))[:, :, None]
        self.rows = moved


def _added(total: Array | None, part: Array) -> Array:
    """``total`` + ``part``, in place; ``part`` itself if nothing was there."""
    if total is None:
        return part
    total += part
    return total


class _Draws:
    """The random numbers of all replicates, each from its own streams, step by step."""

    def __init__(
        self,
        students: Sequence[ReducedNetwork],
        n_b: int,
        r: int,
        p: int,
        freedom: int,
        target: Target,
    ) -> None:
        self.n_b, self.r, self.wide = n_b, r, r + p
        self.target, self.deviation = target, math.sqrt(target.noise)
        self.size = min(n_b, p)
        self.freedom = freedom - np.arange(self.size)
        self.lower = np.tril_indices(self.size, -1)
        self.streams = {
            name: [generator(q.entropy, q.replicate, WEIGHTS, name) for q in students]
            for name in (FIELDS, NOISE, NORMALS, SQUARES)
        }
        self.whole = n_b <= _ROWS
        per_step = n_b * self.wide if self.whole else self.size**2
        self.length = max(1, _BLOCK // per_step)
        self.at = self.length
        self.held: dict[int, Array] = {}

    def keep(self, kept: npt.NDArray[np.bool_]) -> None:
        """Leave replicates out."""
        self.streams = {
            name: [rng for rng, keep in zip(streams, kept, strict=True) if keep]
            for name, streams in self.streams.items()
        }
        self.held = {name: drawn[kept] for name, drawn in self.held.items()}

    def _normals(self, name: int, *shape: int) -> Array:
        """(replicates, …): normals of one stream."""
        return normals(self.streams[name], *shape)

    def _refill(self) -> None:
        self.at = 0
        self.held = {SQUARES: self._bartlett()}
        if self.whole:
            u = self._normals(FIELDS, self.length, self.n_b, self.wide)
            self.held |= {FIELDS: u, NOISE: self._labels(u)}

    def _bartlett(self) -> Array:
        """A of so many steps, (replicates, steps, size, size): square roots of χ² and, below them, normals."""
        streams, shape = self.streams[SQUARES], (self.length, self.size)
        factor = np.zeros((len(streams), *shape, self.size))
        diagonal = np.einsum("atii->ati", factor)
        for rng, part in zip(streams, diagonal, strict=True):
            part[:] = rng.chisquare(self.freedom, shape)
        np.sqrt(diagonal, out=diagonal)
        if self.size > 1:
            below = self._normals(NORMALS, self.length, len(self.lower[0]))
            factor[:, :, self.lower[0], self.lower[1]] = below
        return factor

    def _labels(self, u: Array) -> Array:
        """y of the samples ``u``, with their noise."""
        y = np.asarray(self.target.function(u[..., : self.r].reshape(-1, self.r)), dtype=np.float64)
        y = y.reshape(u.shape[:-1])
        return y + self.deviation * self._normals(NOISE, *y.shape[1:]) if self.deviation > 0 else y

    def samples(self) -> Iterator[tuple[Array, Array]]:
        """(u, labels) of the next batch, (replicates, rows, r + p) and (replicates, rows), in chunks of rows."""
        if self.at == self.length:
            self._refill()
        if self.whole:
            yield self.held[FIELDS][:, self.at], self.held[NOISE][:, self.at]
            return
        for first in range(0, self.n_b, _ROWS):
            u = self._normals(FIELDS, min(_ROWS, self.n_b - first), self.wide)
            yield u, self._labels(u)

    def bartlett(self) -> Array:
        """A (replicates, size, size) of this step; the next step is then at hand."""
        factor = self.held[SQUARES][:, self.at]
        self.at += 1
        return factor


def _factor(gram: Array) -> Array:
    """Triangular factors of sums of squares (R, p, p), lifted by their rounding so that singular ones have one, too."""
    p = gram.shape[-1]
    diagonal = gram.reshape(len(gram), p * p)[:, :: p + 1]
    # An entry is known to p ε of the norms of its two rows.
    diagonal *= 1 + 16 * p * _EPS
    diagonal += 1e-300
    try:
        factors = np.asarray(np.linalg.cholesky(gram), dtype=np.float64)
    except np.linalg.LinAlgError:
        check_finite(np.nan)
        raise
    return factors
