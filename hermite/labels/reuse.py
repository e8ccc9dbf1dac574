"""Reused batches: what powers of the label see that the label itself hides.

A second pass over a batch correlates with f², f³, … (Dandi et al. 2024, arXiv:2402.03220; Arnaboldi et al. 2024,
arXiv:2405.15459). With the labels f, …, f^M used jointly, U_{t+1} = U_t + Σ_m span over x of the conditional tensors
T_k^U(x) of f^m, orders k ≤ 1 (n = O(d), O(1) steps) or k ≤ 2 (n = O(d log d)); U_0 = {0}. Independent label noise of
finite moments changes nothing: E[(f + ξ)^m | z] is a combination of the powers up to m with f^m in it.

Exact for polynomials: the closure of M labels is finite linear algebra. What the powers up to M do not see may still be
seen by a higher power or by another function of the label; :mod:`hermite.labels.generative_leap` answers for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb
from typing import TYPE_CHECKING, Any

from hermite.engines import engine_for
from hermite.errors import InputError
from hermite.exact.effort import allowance
from hermite.exact.exactness import Exactness
from hermite.exact.plain import plain_fields
from hermite.exact.subspaces import Span
from hermite.exact.undecided import Undecided
from hermite.frozen import FrozenReport
from hermite.indices.closure import conditional_span, tensor_span
from hermite.indices.heat import Heat
from hermite.language.building import power
from hermite.language.limits import degree_bound
from hermite.language.nodes import Call, Power, is_constant, postorder
from hermite.target import as_target

if TYPE_CHECKING:
    from hermite.indices.found_indices import Vectors
    from hermite.target import Target

#: Monomials of the highest power that are worth expanding.
_LARGEST = 50_000


@dataclass(frozen=True, eq=False)
class Reuse(FrozenReport):
    """Spaces learned from labels f, …, f^``degree``, jointly.

    ``dims[l - 1]``: dimensions of U_0 ⊂ U_1 ⊂ … with all orders up to l = 1, 2; ``subspaces[l - 1]``: the last space.
    Both None where undecided, with the ``reason``.
    """

    degree: int
    relevant_dim: int | None
    dims: tuple[tuple[int, ...], ...] | None
    subspaces: tuple[Vectors, ...] | None
    exactness: Exactness
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain data."""
        return plain_fields(self)


def reuse_staircase(f: Target | str, degree: int = 3) -> Reuse:
    """Staircases of the label powers up to ``degree``, for orders up to 1 and up to 2.

    Raises ``InputError`` unless 1 ≤ degree ≤ 8.

    >>> from hermite import Target
    >>> reuse_staircase(Target("He3(z1)")).dims
    ((0, 1), (0, 1))
    >>> reuse_staircase(Target("z1 + He4(z2)")).dims
    ((0, 1), (0, 2))
    """
    f = as_target(f)
    if isinstance(degree, bool) or not isinstance(degree, int) or not 1 <= degree <= 8:
        raise InputError(f"degree must be a whole number from 1 to 8, not {degree!r}")
    if _degree(f) is None:
        return Reuse(
            degree, None, None, None, Exactness.UNDECIDED, "the powers are expanded for polynomials only"
        )
    try:
        with allowance():
            return _staircases(f, degree)
    except (InputError, Undecided) as doubt:
        return Reuse(degree, None, None, None, Exactness.UNDECIDED, str(doubt))


def _staircases(f: Target, degree: int) -> Reuse:
    heats = _heats(f, degree)
    goal = tensor_span(heats[0])
    climbs = [_climb(heats, level, goal) for level in (1, 2)]
    return Reuse(
        degree,
        goal.dim,
        tuple(tuple(space.dim for space in spaces) for spaces in climbs),
        tuple(spaces[-1].strings() for spaces in climbs),
        Exactness.EXACT,
        "",
    )


def _heats(f: Target, degree: int) -> list[Heat]:
    """The labels f, …, f^degree; raises ``InputError`` where a power has too many terms."""
    heats: list[Heat] = []
    own = _degree(f)
    assert own is not None
    for m in range(1, degree + 1):
        top = m * own
        if m > 1 and comb(f.r + top, f.r) > _LARGEST and not _is_monomial(heats[0]):
            raise InputError(f"the power {m} has too many terms")
        engine = engine_for(f if m == 1 else _power(f, m))
        last = top if engine.degree is None else engine.degree
        heats.append(Heat(f.r, engine.heat_series(last), last, gram=f.gram))
    return heats


def _degree(f: Target) -> int | None:
    """The degree of a polynomial, or a bound of it where coefficients are irrational, as sqrt(6) is; None for others."""
    if f.tree is None:
        return None
    if f.is_polynomial:
        return engine_for(f).degree
    for node in postorder(f.tree):
        inverse = isinstance(node, Power) and node.exponent < 0
        if (inverse or isinstance(node, Call)) and not is_constant(node):
            return None
    return degree_bound(f.tree)


def reused_steps(f: Target | str, degree: int = 3, steps: int = 2) -> list[Vectors] | None:
    """U_0 = {0} ⊂ U_1 ⊂ … ⊂ U_steps of steps on one batch of n = O(d): the label alone at the first, then its powers.

    Each space in reduced row-echelon form; None where undecided (no polynomial, or powers with too many terms). An upper bound
    for a student that builds powers up to ``degree``.

    >>> [len(space) for space in reused_steps("He3(z1)")], [len(space) for space in reused_steps("He3(z1)", degree=2)]
    ([0, 0, 1], [0, 0, 0])
    """
    f = as_target(f)
    if _degree(f) is None:
        return None
    try:
        with allowance():
            heats = _heats(f, degree)
            goal = tensor_span(heats[0])
            spaces = [Span(goal.n)]
            for t in range(steps):
                grown = spaces[-1]
                for heat in heats[:1] if t == 0 else heats:
                    if grown.dim < goal.dim and heat.order >= 1:
                        grown = grown + conditional_span(heat, spaces[-1], 1, goal)
                spaces.append(grown)
            return [space.strings() for space in spaces]
    except (InputError, Undecided):
        return None


def _power(f: Target, m: int) -> Target:
    from hermite.target import Target

    assert f.tree is not None
    return Target(power(f.tree, m), variables=f.variables, gram=f.gram)


def _is_monomial(heat: Heat) -> bool:
    return len(heat.terms) == 1


def _climb(heats: list[Heat], level: int, goal: Span) -> list[Span]:
    """U_0 = {0} ⊂ U_1 ⊂ …: every label and every order up to ``level`` at each step, until nothing is added."""
    spaces = [Span(goal.n)]
    while spaces[-1].dim < goal.dim:
        grown = spaces[-1]
        for heat in heats:
            for k in range(1, min(level, heat.order) + 1):
                if grown.dim < goal.dim:
                    grown = grown + conditional_span(heat, spaces[-1], k, goal)
        if grown.dim == spaces[-1].dim:
            break
        spaces.append(grown)
    return spaces
