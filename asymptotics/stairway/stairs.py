"""The stairway: the test error that no second layer gets below, by giant steps and by batch size.

After learning a subspace U the ridge fit with n, p of order d^{κ + δ} (0 < δ < 1) resolves every function of z_U and
polynomials of degree up to κ outside it; what is left is the plateau

    floor(U, κ) = Σ_{α : |α_⊥| > κ} f_α²,       f_α orthonormal Hermite coefficients, α = (α_U, α_⊥),

(arXiv:2305.18270 for U, arXiv:2006.13409 and 2101.10588 for the staircase in κ). Each giant step at n = O(d) adds
to U the span over x of E[f z_⊥ | z_U = x]. Without biases an activation may miss degrees altogether (relu: the odd ones
from 3 on): ``plateaus_activation`` restricts both the floor and the recursion to what it sees.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asymptotics.error_budget import UNKNOWN, ErrorBudget
from asymptotics.floating import own_floating_state
from asymptotics.json_values import plain_table
from asymptotics.stairway.exact_floors import PolynomialFloors
from asymptotics.stairway.expansion_floors import check_size
from asymptotics.stairway.visibility import Visible, visible_degrees
from asymptotics.text.fitting import aligned, blocks, terminal_width
from hermite.errors import InputError
from hermite.exact.effort import purse
from hermite.exact.exactness import Exactness
from hermite.exact.magnitudes import decimal, json_value
from hermite.exact.rows import rational, to_float
from hermite.frozen import Frozen
from hermite.target import Target, as_target

if TYPE_CHECKING:
    import flint
    import pandas as pd

_STEPS = 50
#: Units of work that all exact questions of one table share.
_PURSE = 1_500_000
#: Exact values of more characters are shown as decimals in the table.
_LONGEST = 40


@dataclass(frozen=True, eq=False)
class Plateaus(Frozen):
    """One step of the stairway: the learned subspace and the floors at κ = 0, 1, … (``exact``: as fractions).

    A floor beyond the floats is infinite, or 0, as the nearest float; ``exact`` has it, JSON has null and tables its decimal.
    ``error`` of the floors is relative to the largest of the row.
    """

    step: int
    dim: int
    subspace: tuple[tuple[str, ...], ...]
    plateaus: tuple[float, ...]
    exact: tuple[str, ...] | None = None
    dim_activation: int | None = None
    subspace_activation: tuple[tuple[str, ...], ...] | None = None
    plateaus_activation: tuple[float, ...] | None = None
    error: ErrorBudget = UNKNOWN

    @property
    def _known(self) -> Sequence[flint.fmpq | float]:
        return self.plateaus if self.exact is None else [_read(text) for text in self.exact]

    def to_dict(self) -> dict[str, Any]:
        """The row as JSON, with the activation's own subspace."""
        row: dict[str, Any] = {
            "step": self.step,
            "dim": self.dim,
            "subspace": self.subspace,
            "plateaus": [json_value(exact) for exact in self._known],
            "plateaus_exact": self.exact,
            "plateaus_activation": self.plateaus_activation,
            "dim_activation": self.dim_activation,
            "subspace_activation": self.subspace_activation,
            "error": self.error.to_dict(),
        }
        return plain_table(row)


def _read(text: str) -> flint.fmpq:
    """The fraction that ``text`` writes; FLINT reads integers of any length, Python refuses beyond 4300 digits."""
    import flint

    top, _, bottom = text.partition("/")
    return flint.fmpq(flint.fmpz(top), flint.fmpz(bottom or "1"))


@dataclass(frozen=True, eq=False)
class PlateauTable(Frozen):
    """The stairway of a target: ``rows`` by step, ``error`` the estimated error of numerical values (0: exact)."""

    target: str
    activation: str | None
    rows: tuple[Plateaus, ...]
    exactness: Exactness
    error: float
    variables: tuple[str, ...] = ()

    def __getitem__(self, step: int) -> Plateaus:
        return self.rows[step]

    def __iter__(self) -> Iterator[Plateaus]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def to_dict(self) -> dict[str, Any]:
        """The table as the JSON of ``giantstep plateaus``."""
        return plain_table(
            {
                "target": self.target,
                "activation": self.activation,
                "exactness": self.exactness,
                "error": self.error,
                "rows": [row.to_dict() for row in self.rows],
            }
        )

    def to_frame(self) -> pd.DataFrame:
        """One row a step and κ: step, dim, kappa, plateau (and plateau_activation)."""
        import pandas as pd

        records = []
        for row in self.rows:
            for kappa, value in enumerate(row.plateaus):
                record = {"step": row.step, "dim": row.dim, "kappa": kappa, "plateau": value}
                if row.plateaus_activation is not None:
                    record["plateau_activation"] = row.plateaus_activation[kappa]
                records.append(record)
        return pd.DataFrame(records)

    def _lines(self) -> list[list[str]]:
        from hermite.indices.report import pretty

        kappas = len(self.rows[0].plateaus)
        header = ["step", "learned subspace", *(f"κ = {k}" for k in range(kappas))]
        lines = [header]
        for row in self.rows:
            subspace = pretty([list(vector) for vector in row.subspace], self.variables)
            values = [
                exact if exact and len(exact) <= _LONGEST else decimal(value)
                for exact, value in zip(row.exact or [""] * len(row.plateaus), row._known, strict=True)
            ]
            lines.append([str(row.step), subspace, *values])
            if row.plateaus_activation is not None:
                dim = f"dim {row.dim_activation} with {self.activation}"
                lines.append(["", dim, *(f"{v:.6g}" for v in row.plateaus_activation)])
        return lines

    def __repr__(self) -> str:
        head, *body = self._lines()
        return "\n\n".join(aligned([top, *rows]) for top, rows in blocks(head, body, terminal_width(), 2))

    def _repr_html_(self) -> str:
        from html import escape

        head, *body = self._lines()
        cells = "".join(f"<th>{escape(c)}</th>" for c in head)
        rows = "".join("<tr>" + "".join(f"<td>{escape(c)}</td>" for c in line) + "</tr>" for line in body)
        return f"<table><tr>{cells}</tr>{rows}</table>"


@own_floating_state
def plateaus(
    f: Target | str, steps: int | None = None, kappa: int | None = None, activation: Any = None
) -> PlateauTable:
    """The stairway of ``f`` for ``steps`` 0..steps (default: until nothing changes) and κ = 0..``kappa``.

    ``kappa`` defaults to min(degree, 4). ``activation`` (a name, expression or callable; no biases) adds the floors
    that it can reach. Polynomials are exact, other targets numerical with a stated error.
    Raises ``InputError`` for negative settings or a target too large to rotate.

    >>> print(plateaus("z1 + z1*z2"))
    step  learned subspace  κ = 0  κ = 1  κ = 2
    0     {0}               2      1      0
    1     span{z1}          1      0      0
    2     span{z1, z2}      0      0      0
    """
    target = as_target(f)
    problems = [
        f"{name} must be a whole number of at least 0, not {value!r}."
        for name, value in (("steps", steps), ("kappa", kappa))
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0)
    ]
    if problems:
        raise InputError(problems)
    with purse(_PURSE):
        return _table(target, steps, kappa, activation)


@own_floating_state
def floor_after(f: Target, steps: int, kappa: int, activation: Any = None) -> float:
    """The last floor of the last row of :func:`plateaus`, that which ``activation`` can reach if it is given, alone.

    E f² is a float: who asks for this has it.

    >>> floor_after(as_target("z1 + z1*z2"), 1, 1)
    0.0
    """
    seen = Visible()
    if activation is not None:
        from asymptotics.expectations.activations import get_activation

        seen = visible_degrees(get_activation(activation))
    with purse(_PURSE):
        floors = _floors_of(f)
        spaces = _climb(floors, seen, steps)
        return to_float(floors.floors(spaces[-1], kappa, seen)[kappa])


def _table(target: Target, steps: int | None, kappa: int | None, activation: Any) -> PlateauTable:
    floors = _floors_of(target)
    if floors.exactness == Exactness.NUMERICAL:
        check_size(target)
    top = kappa if kappa is not None else (4 if floors.degree is None else min(floors.degree, 4))
    generic = _climb(floors, Visible(), steps)
    name, seen, restricted = None, None, None
    if activation is not None:
        from asymptotics.expectations.activations import get_activation

        sigma = get_activation(activation)
        name, seen = sigma.name, visible_degrees(sigma)
        restricted = _climb(floors, seen, steps)
    length = max(len(generic), len(restricted or ()))
    rows = [_row(floors, step, generic, restricted, seen, top) for step in range(length)]
    return PlateauTable(target.text, name, tuple(rows), floors.exactness, floors.error, target.variables)


def _budget(error: float, largest: float) -> ErrorBudget:
    """Floors have no solver and, as d → ∞, no theory that leaves anything out."""
    if error == 0.0:
        return ErrorBudget(0.0, 0.0, 0.0)
    return ErrorBudget(error / largest if largest > 0 else None, 0.0, 0.0)


def _floors_of(f: Target) -> Any:
    if f.is_polynomial:
        return PolynomialFloors(f)
    if not f.is_symbolic:
        from asymptotics.stairway.callable_floors import CallableFloors

        return CallableFloors(f)
    from asymptotics.stairway.numerical_floors import NumericalFloors

    return NumericalFloors(f)


def _climb(floors: Any, visible: Visible, steps: int | None) -> list[Any]:
    """U_0, U_1, … until ``steps``, or until nothing changes."""
    spaces = [floors.start()]
    for _ in range(_STEPS if steps is None else steps):
        grown = floors.next(spaces[-1], visible)
        if floors.dim(grown) == floors.dim(spaces[-1]):
            if steps is None:
                break
            grown = spaces[-1]
        spaces.append(grown)
    return spaces


def _row(
    floors: Any, step: int, generic: list[Any], restricted: list[Any] | None, seen: Visible | None, kappa: int
) -> Plateaus:
    space = generic[min(step, len(generic) - 1)]
    values = floors.floors(space, kappa, Visible())
    row: dict[str, Any] = {
        "step": step,
        "dim": floors.dim(space),
        "subspace": floors.strings(space),
        "plateaus": [to_float(v) for v in values],
        "exact": [str(rational(v)) for v in values] if floors.exactness == Exactness.EXACT else None,
        "error": _budget(floors.error, max(map(to_float, values))),
    }
    if restricted is not None and seen is not None:
        reached = restricted[min(step, len(restricted) - 1)]
        row["dim_activation"] = floors.dim(reached)
        row["subspace_activation"] = floors.strings(reached)
        row["plateaus_activation"] = [to_float(v) for v in floors.floors(reached, kappa, seen)]
    return Plateaus(**row)
