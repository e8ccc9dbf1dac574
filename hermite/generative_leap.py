"""generative(): what any function of the label could reveal, against what correlation alone does.

The generative leap is min{ℓ : the closure at level ℓ of f replaced by all T(f) is the relevant space V*}; for one direction
it is the generative exponent min{k ≥ 1 : E[He_k(Z) | Y] ≠ 0} (arXiv:2403.05529, arXiv:2506.05500). SQ and low-degree
methods need n = Θ(d^max(1, k*/2)). Upper bounds: labels Y, Y², … jointly. Lower bounds: symmetry, complete label families
of finite-valued targets, the classification of polynomials in one direction, and labels Y = S(z² e^{−z²}).

Polynomials in one direction: k* = 1 iff p is not even, else 2. Of odd degree, large |y| has one preimage; of even degree, two
preimages t > 0 > −s, and E[Z | y] = 0 for all large y forces t = s, hence p even; if even, E[Z² − 1 | y] = t² − 1 > 0.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from hermite.errors import InputError
from hermite.label_moments import finite_values, joint_steps, label_heat
from hermite.report import LeapReport, leap
from hermite.subspaces import Span, Undecided
from hermite.symmetries import fixed_space, is_even, symmetries

if TYPE_CHECKING:
    from hermite.closure import Heat
    from hermite.target import Target

Vectors = list[list[str]]
#: Powers of the label that are tried: without, and with polynomial targets (z1 + z1 z2 + z1 z2 z3 needs the fourth).
MAX_POWERS = (3, 6)


@dataclass(frozen=True)
class Generative:
    """The generative leap of a target (its generative exponent if one direction matters) and the grand staircase.

    ``exponent``: the value if proved, else None (also of a constant, whose ``bounds`` are None). ``bounds``: [lower, upper],
    upper None if unknown. ``grand_staircase``: bases (exact row vectors) of U_0 ⊂ U_1 ⊂ …, each step adding span
    E[z_⊥ | Y, z_U]; ``trivial_subspace`` its first step (arXiv:2405.15480). Where ``staircase_proved`` is false these are
    lower bounds of the spaces. ``isotropic_leap``: what correlation needs. ``exactness``: "exact", "certified" (ball
    arithmetic decided a sign) or "undecided", with ``reason``.
    """

    target: str
    exponent: int | None
    bounds: list[int | None] | None
    grand_staircase_dims: list[int]
    grand_staircase: list[Vectors]
    staircase_proved: bool
    trivial_subspace: Vectors
    easy_subspace: Vectors
    isotropic_leap: int | None
    relevant_dim: int
    exactness: str
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain data."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


def generative(f: Target) -> Generative:
    """The generative leap of ``f``, proved or as an interval with the reason; noise (Gaussian) does not change it.

    ``easy_subspace`` holds the trivial directions and those that second moments given the label show.
    Raises ``InputError`` if ``f`` is not a symbolic target.

    >>> from hermite import Target
    >>> generative(Target("z1^3 - 3*z1")).exponent, generative(Target("z1^2*exp(-z1^2)")).exponent
    (1, 4)
    """
    if not f.is_symbolic:
        raise InputError("the generative leap needs a target given as an expression, not a function")
    report = leap(f)
    if report.exactness == "undecided":
        return _unknown(f, report, report.reason)
    if report.relevant_dim == 0:
        return _result(f, report, None, None, [Span(f.r)], Span(f.r), True, "a constant")
    try:
        return _Search(f, report).run()
    except Undecided as doubt:
        return _unknown(f, report, str(doubt))


def _unknown(f: Target, report: LeapReport, reason: str) -> Generative:
    upper = None if report.exactness == "undecided" else report.isotropic_leap
    return _result(f, report, 1, upper, [Span(f.r)], Span(f.r), False, reason)


def _result(
    f: Target,
    report: LeapReport,
    lower: int | None,
    upper: int | None,
    stairs: list[Span],
    easy: Span,
    proved: bool,
    reason: str,
) -> Generative:
    decided = lower == upper
    return Generative(
        target=f.text,
        exponent=lower if decided else None,
        bounds=None if lower is None else [lower, upper],
        grand_staircase_dims=[space.dim for space in stairs],
        grand_staircase=[space.strings() for space in stairs],
        staircase_proved=proved,
        trivial_subspace=stairs[1].strings() if len(stairs) > 1 else [],
        easy_subspace=easy.strings(),
        isotropic_leap=report.isotropic_leap,
        relevant_dim=report.relevant_dim,
        exactness=report.exactness if decided else "undecided",
        reason=reason,
    )


class _Search:
    """Bounds of one target, sharpened label by label."""

    def __init__(self, f: Target, report: LeapReport) -> None:
        from hermite.closure import tensor_span
        from hermite.engines import engine_for

        self.f, self.report = f, report
        engine = engine_for(f)
        if engine.degree is None:
            self.goal: Span = engine.direction_span()
            if self.goal.dim != report.relevant_dim:
                raise Undecided("some direction of the expression has no effect that was found")
        else:
            own = label_heat(f, 1)
            assert own is not None
            self.goal = tensor_span(own[0])
        self.group = symmetries(f)
        assert f.tree is not None
        values = finite_values(f.tree)
        self.values = None if values is None else len(values)
        self.heats: list[Heat] = []
        self.engines: list[Any] = []

    def run(self) -> Generative:
        if self.goal.dim == 1 and self.f.is_polynomial:
            return self._one_polynomial()
        wanted = MAX_POWERS[self.f.is_polynomial] if self.values is None else max(self.values - 1, 1)
        complete = self.values is not None
        stairs = [Span(self.f.r)]
        lower, upper, why = 1, self.report.isotropic_leap, "orders start at 1"
        for m in range(1, wanted + 1):
            label = label_heat(self.f, m)
            if label is None:
                complete = False
                continue
            self.heats.append(label[0])
            self.engines.append(label[1])
            stairs = joint_steps(self.heats, 1, self.goal)
            lower, why = self._lower(stairs[-1], complete and m == wanted)
            upper = self._upper(lower)
            if self.values is None and lower == upper and self._stairs_proved(stairs):
                break
        proved = self._stairs_proved(stairs) or (complete and len(stairs) == 1)
        reason = (
            "" if lower == upper else f"at least {lower} ({why}); at most {upper}: labels up to Y^{m} jointly"
        )
        if not proved:
            reason += ("; " if reason else "") + "the spaces of the grand staircase are lower bounds"
        easy = joint_steps(self.heats, 2, self.goal)
        return _result(self.f, self.report, lower, upper, stairs, easy[min(1, len(easy) - 1)], proved, reason)

    def _one_polynomial(self) -> Generative:
        even = is_even(self.f)
        stairs = [Span(self.f.r)] if even else [Span(self.f.r), self.goal]
        value = 2 if even else 1
        return _result(self.f, self.report, value, value, stairs, self.goal, True, "")

    def _stairs_proved(self, stairs: list[Span]) -> bool:
        """Each step reaches the upper bound given by symmetry (or V*), and the last space is closed."""
        for i, space in enumerate(stairs):
            following = stairs[i + 1] if i + 1 < len(stairs) else space
            if following.dim < self._most(space):
                return False
        return True

    def _most(self, learned: Span) -> int:
        """An upper bound of the dimension after a level-1 step from ``learned``."""
        if self.f.gram is not None and learned.dim:
            return self.goal.dim
        return self.goal.intersection(fixed_space(self.group, learned) + learned).dim

    def _lower(self, last: Span, complete: bool) -> tuple[int, str]:
        """The first level that is not proved closed for every label at once, and why."""
        if last.dim == self.goal.dim:
            return 1, "orders start at 1"
        lower, why = 1, "no symmetry excludes order 1"
        if self._most(last) == last.dim:
            lower, why = 2, "symmetry excludes order 1"
        if self.goal.dim == 1 and lower == 2 and _gaussian_square(self.f):
            return 4, "parity, and E[T(z² exp(−z²)) He_2] = 0 for all T"
        if complete:
            seen = min((heat.order for heat in self.heats if heat.truncated), default=24)
            for level in range(1, min(self.report.isotropic_leap or 1, seen) + 1):
                space = joint_steps(self.heats, level, self.goal)[-1]
                if space.dim == self.goal.dim:
                    break
                if space.dim and not all(engine.proves_closed(space, level) for engine in self.engines):
                    break
                if level + 1 > lower:
                    lower, why = level + 1, "every function of the label is a polynomial in it"
        return lower, why

    def _upper(self, lower: int) -> int | None:
        top = self.report.isotropic_leap
        for level in range(lower, top or 4):
            if joint_steps(self.heats, level, self.goal)[-1].dim == self.goal.dim:
                return level
        return top


def _gaussian_square(f: Target) -> bool:
    """Whether f = P(z² e^{−z²}) for a polynomial P, z one standard Gaussian coordinate.

    Then z φ(z) = ±√(Y'/2π), Y' = z² e^{−z²}, and E[T(Y) He_2] = −∫ T d(zφ) = 0 for all T, as Y' vanishes at 0 and ∞.
    """
    from fractions import Fraction

    from hermite.engines.canonical import canonical
    from hermite.engines.constants import Unsupported

    assert f.tree is not None
    if f.gram is not None or f.is_polynomial:
        return False
    try:
        form = canonical(f.tree, f.r)
    except Unsupported:
        return False
    for key in form:
        used = [i for i, a in enumerate(key.powers) if a]
        if not used and not key.quadratic and not key.ridges and not key.tilt:
            continue
        if key.ridges or key.tilt or len(used) != 1 or key.powers[used[0]] % 2:
            return False
        m = Fraction(key.powers[used[0]] // 2)
        if len(key.quadratic) != 1 or key.quadratic[0][0] != (used[0], used[0]) or key.quadratic[0][1] != -m:
            return False
    return True
