"""leap(): information exponent, leap index, staircase and hard directions of a target, each with how it is known.

Definitions (orders start at 1; C_k(f) = E[∇^k f]; V* = the span of all C_k, the relevant space):

* information exponent = leap index = min{k ≥ 1 : C_k ≠ 0} (arXiv:2003.10409; arXiv:2305.18270);
* the leap of a coordinate i is min{k : C_k(e_i, ·, …, ·) ≠ 0}; the flag is dim span(C_1, …, C_k);
* staircase at n = Θ(d^ℓ) a step: U_{t+1} = U_t + span over x of the conditional tensors of orders 1..ℓ; ``leading_dims``
  adds only the smallest order present (one step size);
* the isotropic leap is min{ℓ : the closure at level ℓ is V*}: the leap in the worst orthonormal basis (arXiv:2302.11055).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property, partial
from numbers import Real
from typing import TYPE_CHECKING, Any, TypeVar

from hermite.bibliography import bibtex
from hermite.errors import InputError
from hermite.exact.exactness import Exactness
from hermite.exact.plain import plain_table
from hermite.exact.telling import shortened
from hermite.frozen import FrozenReport
from hermite.indices.found_indices import Found, Vectors
from hermite.target import as_target

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from hermite.target import Target

#: What two indices mean, in words.
ISOTROPIC_LEAP = "least ℓ: n = Θ(d^ℓ) a step learns all"
COORDINATE_LEAP = "orders found at once along z1, z2, …"
#: Of giant steps and their staircase, of the information exponent, and of the leap in coordinates.
PAPERS = ("dandi2024giant", "benarous2021online", "abbe2023sgd")


T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Staircase(FrozenReport):
    """Learned spaces over steps of n = Θ(d^ℓ): ``dims[t]`` = dim U_t, ``subspaces[t]`` its reduced row-echelon basis.

    ``leading_dims``: dimensions if each step adds only the lowest order present. ``complete``: whether the last
    space is the relevant space; null where that is undecided, as are all of these where nothing is proved of the target.
    """

    batch_exponent: float
    dims: tuple[int, ...] | None
    subspaces: tuple[Vectors, ...] | None
    leading_dims: tuple[int, ...] | None
    complete: bool | None
    r: int = 1
    coordinates: tuple[list[list[float]], ...] = ()
    cholesky: Callable[[], NDArray[np.float64]] | None = None

    @cached_property
    def bases(self) -> tuple[NDArray[np.float64], ...]:
        """Orthonormal rows (dim U_t, r) of each space in the orthonormal coordinates of the target."""
        return tuple(
            orthonormal_rows(rows, self.r, None if self.cholesky is None else self.cholesky())
            for rows in self.coordinates
        )

    def to_dict(self) -> dict[str, Any]:
        return {
            "batch_exponent": self.batch_exponent,
            "dims": _listed(self.dims),
            "subspaces": _listed(self.subspaces),
            "leading_dims": _listed(self.leading_dims),
            "complete": self.complete,
        }


def orthonormal_rows(
    coordinates: Sequence[Sequence[float]], r: int, frame: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Orthonormal rows (k, r) of the space of k vectors Σ_i x_i w_i; ``frame``: rows w_i, None: the axes."""
    import numpy as np

    matrix = np.asarray(coordinates, dtype=float).reshape(len(coordinates), r)
    if not np.isfinite(matrix).all():
        raise InputError("a learned space has coordinates that floats do not hold; scale the target")
    rows: NDArray[np.float64] = np.linalg.qr((matrix if frame is None else matrix @ frame).T)[0].T
    return rows


@dataclass(frozen=True, eq=False, repr=False)
class LeapReport(FrozenReport):
    """What a learner of correlations can find in a target, and when; every field as in ``giantstep leap --json``.

    Subspaces are lists of rows, exact strings in reduced row-echelon form (coefficients of the named directions, also
    with a Gram matrix, which changes only what is orthogonal). ``None`` where an index does not exist (a constant), or is
    undecided; ``known`` says in sentences what is proved where no engine decides the target.
    ``exactness``: "exact", "certified" (ball arithmetic), "numerical" (a callable) or "undecided" (see ``reason``).
    """

    target: str
    variables: tuple[str, ...]
    relevant_dim: int | None
    relevant_subspace: Vectors | None
    information_exponent: int | None
    leap_index: int | None
    leap_span: Vectors | None
    per_coordinate_leap: tuple[int | None, ...] | None
    flag_dims: tuple[int, ...] | None
    staircase: Staircase
    hard_directions: Vectors | None
    beyond_one_step: Vectors | None
    isotropic_leap: int | None
    closure_dims_by_level: tuple[int, ...] | None
    leap_coordinates: int | None
    exactness: Exactness
    reason: str
    warnings: tuple[str, ...]
    student_staircase: Staircase | None = None
    known: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data, equal to the command's JSON."""
        out: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, Staircase):
                value = value.to_dict()
            out[f.name] = value
        return plain_table(out)

    def lines(self) -> list[tuple[str, str]]:
        """(question, answer) pairs for a reader."""
        names = self.variables
        stairs = self.staircase
        if stairs.dims is None or stairs.subspaces is None:
            return self._open_lines()
        climb = " → ".join(str(dim) for dim in stairs.dims)
        complete = {True: "complete", False: "stops short", None: "undecided whether complete"}[
            stairs.complete
        ]
        spaces = [pretty(space, names) for space in stairs.subspaces[1:]]
        level = f"n = Θ(d^{stairs.batch_exponent:g})" if stairs.batch_exponent != 1 else "n = Θ(d)"
        pairs = [
            ("relevant space", f"{pretty(self.relevant_subspace, names)} (dimension {self.relevant_dim})"),
            ("information exponent", self._index(self.information_exponent)),
            ("leap index", self._index(self.leap_index)),
            ("one giant step at the leap learns", pretty(self.leap_span, names)),
            ("beyond one step", pretty(self.beyond_one_step, names)),
            (
                "leap of each coordinate",
                ", ".join(
                    f"{n}: {_index(k)}" for n, k in zip(names, self.per_coordinate_leap or (), strict=True)
                ),
            ),
            (f"staircase at {level} a step", f"dimensions {climb} ({complete})"),
        ]
        pairs += [(f"  after step {t}", space) for t, space in enumerate(spaces, start=1)]
        pairs += [
            *self._student_lines(),
            (f"hard directions at {level}", pretty(self.hard_directions, names)),
            ("isotropic leap", f"{self._index(self.isotropic_leap)} ({ISOTROPIC_LEAP})"),
            ("leap in these coordinates", f"{self._index(self.leap_coordinates)} ({COORDINATE_LEAP})"),
            ("how this is known", self.exactness + (f": {self.reason}" if self.reason else "")),
        ]
        return pairs

    def _index(self, k: int | None) -> str:
        """An index; where it is not known, that it is none or that it is undecided."""
        return "undecided" if k is None and self.exactness == Exactness.UNDECIDED else _index(k)

    def _open_lines(self) -> list[tuple[str, str]]:
        """What is left of the lines where no engine decides the target: the leap, if it is proved, and why."""
        first = "undecided" if self.leap_index is None else str(self.leap_index)
        pairs = [("information exponent", first), ("leap index", first)]
        pairs += [("known", sentence) for sentence in self.known]
        pairs.append(("all other indices", "undecided"))
        return [*pairs, *self._student_lines(), ("how this is known", f"undecided: {self.reason}")]

    def _student_lines(self) -> list[tuple[str, str]]:
        if self.student_staircase is None or not self.student_staircase.dims:
            return []
        assert self.student_staircase.subspaces is not None
        climb = " → ".join(map(str, self.student_staircase.dims))
        last = pretty(self.student_staircase.subspaces[-1], self.variables)
        return [("this student climbs", f"dimensions {climb}: {last}")]

    @property
    def citations(self) -> str:
        """BibTeX of the papers that its indices are from."""
        return bibtex(PAPERS)

    def __repr__(self) -> str:
        pairs = self.lines()
        width = max(len(name) for name, _ in pairs)
        text = [f"leap report of {shortened(self.target, 400)}"]
        text += [f"  {name:<{width}}  {value}" for name, value in pairs]
        text += [f"  warning: {warning}" for warning in self.warnings]
        return "\n".join(text)

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(
            f"<tr><th style='text-align:left'>{escape(name)}</th><td style='text-align:left'>{escape(value)}</td></tr>"
            for name, value in self.lines() + [("warning", w) for w in self.warnings]
        )
        return f"<table><caption>{escape(self.target)}</caption>{rows}</table>"


def leap(
    f: Target | str,
    batch_exponent: float = 1,
    activation: Any = None,
    readout: object = None,
    bias: float = 0.0,
) -> LeapReport:
    """Leap index, staircase and hard directions of ``f``: exact for polynomials, proved or undecided otherwise.

    Parameters
    ----------
    f
        The target; a callable target is answered numerically and says so.
    batch_exponent
        ℓ of n = Θ(d^ℓ) samples a giant step; a real number is read as its integer part, which decides what is learned.
    activation, readout, bias
        Optional student: ``student_staircase`` holds the spaces that it climbs (None where undecided), and warnings
        say where its vanishing c_k, its parity or its few readout values stop the climb.

    Raises ``InputError`` for a negative or non-finite batch exponent, an unreadable activation, or a readout without one.

    >>> from hermite import Target, leap
    >>> report = leap(Target("z1 + z1*z2 + z1*z2*z3"))
    >>> report.leap_index, report.staircase.dims, report.isotropic_leap
    (1, (0, 1, 2, 3), 1)
    >>> leap(Target("z1 + z2 + z1*z2")).hard_directions
    [['1', '-1']]
    """
    f = as_target(f)
    level = _level(batch_exponent)
    if isinstance(bias, bool) or not isinstance(bias, Real) or not 0 <= bias < float("inf"):
        raise InputError(f"bias must be a finite number of at least 0, not {bias!r}")
    if activation is None and (readout is not None or bias):
        raise InputError("readout and bias describe a student: activation must be given as well, not None")
    found = _analysed(f, level)
    warnings = list(found.warnings)
    if level != batch_exponent:
        warnings.insert(0, f"batch exponent {batch_exponent:g} learns what its integer part {level} learns")
    stairs = found.staircase
    report = LeapReport(
        target=f.text,
        variables=f.variables,
        relevant_dim=found.relevant_dim,
        relevant_subspace=found.relevant_subspace,
        information_exponent=found.information_exponent,
        leap_index=found.leap_index,
        leap_span=found.leap_span,
        per_coordinate_leap=found.per_coordinate_leap,
        flag_dims=found.flag_dims,
        staircase=Staircase(
            batch_exponent=batch_exponent,
            dims=stairs.dims,
            subspaces=stairs.subspaces,
            leading_dims=stairs.leading_dims,
            complete=stairs.complete,
            r=f.r,
            coordinates=stairs.coordinates,
            cholesky=None if f.gram is None else partial(getattr, f, "cholesky"),
        ),
        hard_directions=found.hard_directions,
        beyond_one_step=found.beyond_one_step,
        isotropic_leap=found.isotropic_leap,
        closure_dims_by_level=found.closure_dims_by_level,
        leap_coordinates=found.leap_coordinates,
        exactness=found.exactness,
        reason=found.reason,
        warnings=(),
        known=found.known,
    )
    climbs: Staircase | None = None
    if activation is not None:
        from hermite.indices.student import student_steps, student_warnings

        warnings += student_warnings(f, report, activation, readout, bias)
        climbed = student_steps(f, report, activation, bias, level)
        if climbed is not None:
            dims = tuple(space.dim for space in climbed)
            climbs = replace(
                report.staircase,
                dims=dims,
                subspaces=tuple(space.strings() for space in climbed),
                leading_dims=dims,
                complete=dims[-1] == report.relevant_dim,
                coordinates=tuple(space.floats() for space in climbed),
            )
    return replace(report, student_staircase=climbs, warnings=tuple(warnings))


def _analysed(f: Target, level: int) -> Found:
    """What is found of the target: proved of an expression, judged by errors of a callable."""
    if f.is_symbolic:
        from hermite.indices.analysis import analyse
    else:
        from hermite.indices.numerical import analyse
    return analyse(f, level)


def report_of(f: Target, report: LeapReport | None) -> LeapReport:
    """``report``, or that of ``f`` where there is none; raises ``InputError`` for anything else."""
    if report is None:
        return leap(f)
    if not isinstance(report, LeapReport):
        raise InputError(f"report must be what leap(f) returns, or None, not {type(report).__name__}")
    return report


def _level(batch_exponent: Any) -> int:
    good = isinstance(batch_exponent, (int, float)) and not isinstance(batch_exponent, bool)
    if not good or not 0 <= batch_exponent <= 200:
        raise InputError(f"batch_exponent must be a number from 0 to 200, not {batch_exponent!r}")
    return int(batch_exponent)


def _index(k: int | None) -> str:
    return "none" if k is None else str(k)


def _listed(values: tuple[T, ...] | None) -> list[T] | None:
    return None if values is None else list(values)


#: Characters of the longest entry that is written whole; documents have them all.
_LONGEST = 60


def pretty(rows: Vectors | None, names: tuple[str, ...]) -> str:
    """A subspace as span{…} of its basis vectors, written with the names of the directions."""
    if rows is None:
        return "undecided"
    if not rows:
        return "{0}"
    return "span{" + ", ".join(_vector(row, names) for row in rows) + "}"


def _vector(row: list[str], names: tuple[str, ...]) -> str:
    parts: list[str] = []
    for x, name in zip(row, names, strict=True):
        if x == "0":
            continue
        # The sign of a sum stays inside its brackets.
        several = any(c in x.lstrip("-") for c in "+- ") and "e-" not in x
        size = shortened(x if several else x.lstrip("-"), _LONGEST)
        term = name if size == "1" else (f"({size})*{name}" if several else f"{size}*{name}")
        sign = "-" if x.startswith("-") and not several else "+"
        parts.append(f" {sign} {term}" if parts else (f"-{term}" if sign == "-" else term))
    return "".join(parts)
