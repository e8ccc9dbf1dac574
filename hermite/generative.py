"""Generative exponent and leap: what any function of the label could learn, not only the label itself.

U_{t+1} = U_t + span over T and x of E[T(Y) He_k(z_⊥) | z_U = x], k ≤ level; the generative leap is the least level whose
closure is the relevant space (Damian, Pillaud-Vivien, Lee, Bruna 2024, arXiv:2403.05529 for one direction; Troiani et al. 2024,
arXiv:2405.15480 for several). Upper bounds: the powers f, f², f³ of the label run jointly through the closure. Lower bounds: a
symmetry of f that fixes the learned space, for every T at once. Exact theorems: single-index polynomials (1 unless even, then
2), two-valued labels (the isotropic leap), z^(2a) exp(−a z²) (order 2 is invisible to every T).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hermite.building import power
from hermite.closure import Heat, conditional_span, tensor_span
from hermite.engines import engine_for
from hermite.errors import InputError
from hermite.report import Vectors, leap
from hermite.subspaces import Span, Undecided
from hermite.symmetry import fixed_space, symmetries
from hermite.target import Target

if TYPE_CHECKING:
    from hermite.report import LeapReport

#: Powers of the label that are run through the closure, and the largest table of coefficients of one.
_POWERS = 3
_TERMS = 60_000


@dataclass(frozen=True)
class Generative:
    """What every function of the label together can learn.

    ``exponent``   the generative leap (for one direction: the generative exponent); None if constant or undecided
    ``bounds``     proved [lower, upper] (upper None: unknown; both None: a constant target)
    ``grand_staircase_dims``, ``grand_staircase``   spaces climbed at level 1, None where they are not proved
    ``trivial_subspace``   the first of them: learned from n = Θ(d) by a spectral method or one reused batch
    ``exactness``  "exact", "certified" or "undecided", with the ``reason``
    """

    exponent: int | None
    bounds: tuple[int | None, int | None]
    grand_staircase_dims: tuple[int, ...] | None
    grand_staircase: tuple[Vectors, ...] | None
    trivial_subspace: Vectors | None
    exactness: str
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        dims = self.grand_staircase_dims
        return {
            "generative_exponent": self.exponent,
            "generative_bounds": list(self.bounds),
            "grand_staircase_dims": None if dims is None else list(dims),
            "grand_staircase": None if self.grand_staircase is None else list(self.grand_staircase),
            "trivial_subspace": self.trivial_subspace,
            "exactness": self.exactness,
            "reason": self.reason,
        }


def generative(f: Target) -> Generative:
    """Generative leap and grand staircase of ``f``: proved, or an interval with the reason.

    >>> generative(Target("He3(z1)")).exponent, generative(Target("z1*z2")).exponent
    (1, 2)
    """
    report = leap(f)
    if report.leap_index is None and report.exactness != "undecided":
        return Generative(None, (None, None), None, None, None, report.exactness, "the target is constant")
    if not f.is_symbolic or report.exactness == "undecided":
        why = report.reason or "a callable has no proof"
        return Generative(None, (1, report.isotropic_leap), None, None, None, "undecided", why)
    try:
        return _decided(f, report)
    except Undecided as doubt:
        return Generative(None, (1, report.isotropic_leap), None, None, None, "undecided", str(doubt))


def _decided(f: Target, report: LeapReport) -> Generative:
    isotropic = report.isotropic_leap
    heats = label_powers(f, max(isotropic or 2, 2))
    goal = tensor_span(heats[0]) if heats[0].truncated is False else _relevant(heats, report)
    group = symmetries(f)
    two_valued = is_two_valued(f)
    labels = heats[:1] if two_valued else heats
    spaces, proved = _grand_staircase(f, labels, goal, group, two_valued)
    upper = _upper(labels, goal, isotropic)
    lower, why = _lower(f, heats[0], spaces[-1], goal, group)
    if two_valued and isotropic is not None:
        lower = upper = isotropic
        why = "two values of the label: every function of it is affine in it"
    exact = upper is not None and lower == upper
    reason = why if exact else f"between {lower} and {upper or '?'}: {why}"
    if not proved:
        climb = " → ".join(str(space.dim) for space in spaces)
        reason += f"; powers of the label up to {len(labels)} climb {climb}, not proved to be all"
    return Generative(
        exponent=upper if exact else None,
        bounds=(lower, upper),
        grand_staircase_dims=tuple(space.dim for space in spaces) if proved else None,
        grand_staircase=tuple(space.strings() for space in spaces) if proved else None,
        trivial_subspace=spaces[min(1, len(spaces) - 1)].strings() if proved else None,
        exactness=report.exactness if exact else "undecided",
        reason=reason,
    )


def label_powers(f: Target, order: int) -> list[Heat]:
    """h of f, f², f³: complete for polynomials, to ``order`` (at least 4) else; powers that are out of reach are left out."""
    found: list[Heat] = []
    for m in range(1, _POWERS + 1):
        assert f.tree is not None
        try:
            label = f if m == 1 else Target(power(f.tree, m), variables=f.variables, gram=f.gram)
            engine = engine_for(label)
            degree = engine.degree
            if m > 1 and degree is not None and not _small(found[0], m, degree, f.r):
                break
            if not getattr(engine, "decided", True):
                raise InputError(engine.reason)
            top = degree if degree is not None else max(order, 4)
            found.append(Heat(f.r, engine.heat_series(top), top, degree is None, f.gram))
        except (InputError, Undecided):
            if m == 1:
                raise
            break
    return found


def _small(first: Heat, m: int, degree: int, r: int) -> bool:
    """Whether the table of the m-th power stays small: by all monomials of its degree, or by products of terms."""
    return bool(min(math.comb(degree + r, r), len(first.terms) ** m * 2**r) <= _TERMS)


def _relevant(heats: list[Heat], report: LeapReport) -> Span:
    """V* of an infinite expansion, as the report has found it."""
    goal = tensor_span(heats[0])
    for heat in heats[1:]:
        goal = goal + tensor_span(heat)
    if goal.dim != report.relevant_dim:
        raise Undecided("the relevant space needs higher orders than were looked at")
    return goal


def is_two_valued(f: Target) -> bool:
    """Whether f² is proved to be constant or f itself: then f takes two values at most."""
    if f.tree is None or f.is_polynomial:
        return False
    from hermite.engines.canonical import canonical
    from hermite.engines.constants import Unsupported

    try:
        square, own = canonical(power(f.tree, 2), f.r), canonical(f.tree, f.r)
        constants = canonical(power(f.tree, 0), f.r)
    except (Unsupported, InputError):
        return False
    return bool(square == own or set(square) <= set(constants))


def _joint(labels: list[Heat], learned: Span, level: int, goal: Span) -> Span:
    grown = learned
    for heat in labels:
        for k in range(1, min(level, heat.order) + 1):
            if grown.dim == goal.dim:
                return grown
            grown = grown + conditional_span(heat, learned, k, goal)
    return grown


def _closure(labels: list[Heat], level: int, goal: Span) -> list[Span]:
    spaces = [Span(goal.n)]
    while (grown := _joint(labels, spaces[-1], level, goal)).dim > spaces[-1].dim:
        spaces.append(grown)
    return spaces


def _grand_staircase(
    f: Target, labels: list[Heat], goal: Span, group: list[Any], two_valued: bool
) -> tuple[list[Span], bool]:
    """Spaces at level 1, and whether each step is proved to be all that any label adds."""
    spaces = _closure(labels, 1, goal)
    if two_valued:
        return spaces, labels[0].truncated is False or spaces[-1].dim in (0, goal.dim)
    following = [*spaces[1:], spaces[-1]]
    proved = all(
        after.dim == goal.dim or fixed_space(f, before, group).intersection(goal).dim == after.dim
        for before, after in zip(spaces, following, strict=True)
    )
    if goal.dim == 1:
        # One direction: level 1 learns all of it or nothing; evenness hides it, a polynomial theorem decides the rest.
        proved = proved or spaces[-1].dim == 1 or _is_even(labels[0])
    return spaces, proved


def _upper(labels: list[Heat], goal: Span, isotropic: int | None) -> int | None:
    if goal.dim == 1 and not labels[0].truncated:
        return 2 if _is_even(labels[0]) else 1
    for level in range(1, (isotropic or 2) + 1):
        if level == isotropic or _closure(labels, level, goal)[-1].dim == goal.dim:
            return level
    return isotropic


def _lower(f: Target, heat: Heat, top: Span, goal: Span, group: list[Any]) -> tuple[int, str]:
    if goal.dim == 1 and _is_gaussian_monomial(f):
        return (
            4,
            "evenness hides odd orders and E[Y^m He_2] = 0 for every m: order 2 is invisible to every label",
        )
    if top.dim == goal.dim:
        return 1, "powers of the label climb to the whole relevant space at level 1"
    if fixed_space(f, top, group).intersection(goal).dim == top.dim:
        return 2, "a symmetry of the target hides level 1 from every label"
    if goal.dim == 1 and not heat.truncated:
        return (2, "even") if _is_even(heat) else (1, "a polynomial that is not even")
    return 1, "no symmetry found that hides level 1 from every label"


def _is_even(heat: Heat) -> bool:
    """Whether only even orders occur: a proof for polynomials; for infinite expansions the symmetry is asked instead."""
    return bool(not heat.truncated and all(sum(alpha) % 2 == 0 for alpha in heat.terms))


def _is_gaussian_monomial(f: Target) -> bool:
    """Whether f is c z^(2a) exp(−a z²): then v = 1/(1 + 2am) gives (2am + 1) v − 1 = 0 for every power m of the label."""
    from hermite.engines.canonical import canonical
    from hermite.engines.constants import Unsupported

    if f.tree is None or f.gram is not None:
        return False
    try:
        form = canonical(f.tree, f.r)
    except Unsupported:
        return False
    if len(form) != 1:
        return False
    (key,) = form
    a = sum(key.powers)
    used = [i for i, n in enumerate(key.powers) if n]
    if len(used) != 1 or a % 2 or key.ridges or key.tilt:
        return False
    return _quadratic_part(key, used[0], f.r) == -a / 2


def _quadratic_part(key: Any, i: int, r: int) -> float | None:
    """The coefficient b of exp(b z_i²) if that is all of the quadratic form, else None."""
    entries = dict(key.quadratic)
    if list(entries) != [(i, i)]:
        return None
    return float(entries[i, i])
