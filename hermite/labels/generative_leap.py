"""generative(): what any function of the label could reveal, against what correlation alone does.

The generative leap is min{ℓ : the closure at level ℓ of f replaced by all T(f) is the relevant space V*}; for one direction
it is the generative exponent min{k ≥ 1 : E[He_k(Z) | Y] ≠ 0} (arXiv:2403.05529, arXiv:2506.05500). SQ and low-degree
methods need n = Θ(d^max(1, k*/2)). Upper bounds: labels Y, Y², … and level sets 1{Y > c}, jointly. Lower bounds: symmetry,
complete label families of finite-valued targets, the classification of polynomials in one direction, and z² e^{−z²}.

Polynomials in one direction: k* = 1 iff p is not even, else 2. Of odd degree, large |y| has one preimage; of even degree, two
preimages t > 0 > −s, and E[Z | y] = 0 for all large y forces t = s, hence p even; if even, E[Z² − 1 | y] = t² − 1 > 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hermite.errors import InputError
from hermite.exact.effort import Exhausted, allowance
from hermite.exact.exactness import Exactness
from hermite.exact.plain import plain_fields
from hermite.exact.rows import vanishes
from hermite.exact.subspaces import Span, full
from hermite.exact.undecided import Undecided
from hermite.frozen import FrozenReport
from hermite.indices.analysis import proved_closed
from hermite.indices.report import LeapReport, leap, report_of
from hermite.labels.label_moments import finite_values, joint_step, joint_steps, label_heat
from hermite.labels.label_transforms import plainest_label
from hermite.labels.level_sets import certified_step, threshold_heats
from hermite.symmetry.frames import frame, hides_order_two, linear_directions
from hermite.symmetry.symmetries import is_even, symmetries
from hermite.target import as_target

if TYPE_CHECKING:
    from hermite.engines.engine import Engine
    from hermite.indices.found_indices import Vectors
    from hermite.indices.heat import Heat
    from hermite.target import Target

#: Powers of the label that are tried: without, and with polynomial targets (z1 + z1 z2 + z1 z2 z3 needs the fourth).
MAX_POWERS = (3, 6)
#: Levels below this are looked at where correlation alone gives no bound.
_LEVELS = 7
#: Boxes of level sets, as multiples of the least.
_EFFORTS = (1, 6)
#: Units of work that level sets may cost.
_ALLOWANCE = 2_000_000


@dataclass(frozen=True, eq=False)
class Generative(FrozenReport):
    """The generative leap of a target (its generative exponent if one direction matters) and the grand staircase.

    ``exponent``: the value if proved, else None (also of a constant, whose ``bounds`` are None). ``bounds``: [lower, upper],
    upper None if unknown. ``grand_staircase``: bases (exact row vectors) of U_0 ⊂ U_1 ⊂ …, each step adding span
    E[z_⊥ | Y, z_U]; ``trivial_subspace`` its first step (arXiv:2405.15480). Where ``staircase_proved`` is false these are
    lower bounds of the spaces. ``isotropic_leap``: what correlation needs. ``relevant_subspace``: V*, as far as proved.
    ``exactness``: "exact", "certified" (ball arithmetic decided a sign) or "undecided", with ``reason``.
    """

    target: str
    exponent: int | None
    bounds: list[int | None] | None
    grand_staircase_dims: list[int]
    grand_staircase: list[Vectors]
    staircase_proved: bool
    trivial_subspace: Vectors
    easy_subspace: Vectors
    hard_subspace: Vectors
    isotropic_leap: int | None
    relevant_dim: int | None
    relevant_subspace: Vectors | None
    exactness: Exactness
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain data."""
        return plain_fields(self)


def generative(f: Target | str, report: LeapReport | None = None) -> Generative:
    """The generative leap of ``f``, proved or as an interval with the reason; noise (Gaussian) does not change it.

    ``easy_subspace`` holds the trivial directions and those that second moments given the label are seen to show (a lower
    bound unless it fills the relevant space together with the hard one); ``hard_subspace`` directions of which first and
    second moments given the label, and given all that they do show, are proved to vanish.
    ``report``: that of ``leap(f)`` where it is known. Raises ``InputError`` if ``f`` is not a symbolic target.

    >>> from hermite import Target
    >>> generative(Target("z1^3 - 3*z1")).exponent, generative(Target("z1^2*exp(-z1^2)")).exponent
    (1, 4)
    """
    f = as_target(f)
    if not f.is_symbolic:
        raise InputError("the generative leap needs a target given as an expression, not a function")
    report = report_of(f, report)
    try:
        with allowance():
            return _generative(f, report)
    except Undecided as doubt:
        return _result(f, report, 1, None, [Span(f.r)], Span(f.r), False, str(doubt))


def _generative(f: Target, report: LeapReport) -> Generative:
    if report.relevant_dim == 0 and report.exactness != Exactness.UNDECIDED:
        return _result(f, report, None, None, [Span(f.r)], Span(f.r), True, "a constant")
    plain = plainest_label(f)
    own = report if plain is f else leap(plain)
    framed = None if plain.is_polynomial else frame(plain)
    if framed is None or (len(framed.axes) > 1 and own.exactness != Exactness.UNDECIDED):
        return _Search(plain, own).run(f, report, lambda space: space)
    return _Search(framed.u, leap(framed.u)).run(f, report, framed.lift)


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
        hard_subspace=[],
        isotropic_leap=report.isotropic_leap,
        relevant_dim=report.relevant_dim,
        relevant_subspace=report.relevant_subspace,
        exactness=report.exactness if decided else Exactness.UNDECIDED,
        reason=reason,
    )


class _Search:
    """Bounds of one target, sharpened label by label: powers of the label first, then its level sets."""

    def __init__(self, f: Target, report: LeapReport) -> None:
        from hermite.engines import engine_for
        from hermite.engines.analytic import AnalyticEngine
        from hermite.indices.closure import tensor_span

        self.f, self.report = f, report
        engine = engine_for(f)
        if engine.degree is not None:
            own = label_heat(f, 1)
            assert own is not None
            self.goal = tensor_span(own[0])
        else:
            assert isinstance(engine, AnalyticEngine)
            try:
                self.goal = engine.direction_span() if engine.decided else linear_directions(f)
            except Undecided:
                self.goal = linear_directions(f)
        #: Whether V* is the goal; else it is known to lie in it.
        self.reached = self.goal.dim == report.relevant_dim
        self._exactness = report.exactness if report.exactness != Exactness.UNDECIDED else Exactness.EXACT
        self.group = symmetries(f)
        assert f.tree is not None
        values = finite_values(f.tree)
        self.values = None if values is None else len(values)
        self.heats: list[Heat] = []
        self.engines: list[Engine] = []
        self.sets: list[Heat] = []
        self.lower, self.why = 1, "orders start at 1"
        self.upper = report.isotropic_leap if self.reached else None
        self.stairs = [Span(f.r)]
        self.complete = False
        self.tried = 0

    def run(self, f: Target, report: LeapReport, lift: Callable[[Span], Span]) -> Generative:
        """What is found, told of ``f``, whose spaces are those that ``lift`` makes of them."""
        seen, easy = self._decide()
        proved = self._stairs_proved()
        decided = self.lower == self.upper
        reasons = []
        if not decided:
            top = "?" if self.upper is None else self.upper
            reasons.append(f"at least {self.lower} ({self.why}); at most {top}: {seen}")
        if not proved:
            reasons.append("the spaces of the grand staircase are lower bounds")
        stairs = [lift(space) for space in self.stairs]
        found = _result(f, report, self.lower, self.upper, stairs, lift(easy), proved, "; ".join(reasons))
        proof = Exactness.CERTIFIED if self.sets else self._exactness
        return replace(
            found,
            hard_subspace=lift(self._hard()).strings(),
            relevant_dim=self.goal.dim if self.reached else report.relevant_dim,
            relevant_subspace=lift(self.goal).strings() if self.reached else report.relevant_subspace,
            exactness=proof if decided else found.exactness,
        )

    def _decide(self) -> tuple[str, Span]:
        if self.goal.dim == 1 and self.f.is_polynomial:
            even = is_even(self.f)
            self.lower = self.upper = 2 if even else 1
            self.stairs = [Span(self.f.r)] if even else [Span(self.f.r), self.goal]
            return "", self.goal
        try:
            seen = self._powers()
        except Undecided as doubt:
            self.heats, self.engines, seen = [], [], f"no power of Y ({doubt})"
            self.complete = False
            self._bound(final=False)
        if not self._settled():
            seen += self._level_sets()
        if not self.reached:
            # What is not known to matter cannot be hard to find.
            self.lower, self.why = 1, self.report.reason or "the relevant space is not known"
        return seen, self._easy()

    def _easy(self) -> Span:
        """What orders 1 and 2 of the labels show, with more labels while it and what is hard do not fill V*."""
        easy = Span(self.f.r)
        try:
            most = self.goal.dim - self._hard().dim
            easy = self._first_two()
        except Undecided:
            return easy
        for m in range(self.tried + 1, MAX_POWERS[self.f.is_polynomial] + 1):
            if easy.dim >= most:
                break
            try:
                label = label_heat(self.f, m)
                if label is not None:
                    self.heats.append(label[0])
                    easy = easy + self._first_two()
            except Undecided:
                break
        return easy

    def _first_two(self) -> Span:
        """Orders 1 and 2 of the labels so far, nothing learned before."""
        nothing = Span(self.f.r)
        seen = joint_step(self.heats, nothing, 2, self.goal)
        if self.sets and seen.dim < self.goal.dim:
            seen = seen + certified_step(self.sets, nothing, 1, self._most(nothing))
            seen = seen + certified_step(self.sets, nothing, 2, self.goal)
        return seen

    def _powers(self) -> str:
        """Labels Y, Y², …: as many as are needed, or as span all functions of a label with few values."""
        wanted = MAX_POWERS[self.f.is_polynomial] if self.values is None else max(self.values - 1, 1)
        whole = self.values is not None
        for m in range(1, wanted + 1):
            self.tried = m
            label = label_heat(self.f, m)
            if label is None:
                whole = False
                continue
            self.heats.append(label[0])
            self.engines.append(label[1])
            self._bound(final=whole and m == wanted)
            if self.values is None and self._settled():
                break
        if not self.heats:
            self._bound(final=False)
            return "no power of Y"
        return f"labels up to Y^{m} jointly"

    def _level_sets(self) -> str:
        """Labels 1{Y > c}: a few, and the same more precisely if they do not settle it."""
        try:
            with allowance(_ALLOWANCE):
                if self._by_level_sets():
                    return ""
        except Exhausted:
            # What was seen until then stands.
            pass
        return f" and {len(self.sets)} level sets of Y" if self.sets else ""

    def _by_level_sets(self) -> bool:
        """Whether level sets settle it."""
        for effort in _EFFORTS[: 1 if self.f.r > 2 else None]:
            self.sets = []
            for heat in threshold_heats(self.f, effort):
                self.sets.append(heat)
                self._bound(final=False)
                if self._settled():
                    return True
        return False

    def _bound(self, *, final: bool) -> None:
        """The bounds and the stairs from the labels so far; ``final``: they span all functions of the label."""
        self.complete = self.complete or final
        self.stairs = self._climb(1)
        self.lower, self.why = self._lowest(self.stairs[-1], self.complete)
        for level in range(self.lower, self.upper or _LEVELS):
            if self._climb(level)[-1].dim == self.goal.dim:
                self.upper, self.reached = level, True
                break

    def _climb(self, level: int) -> list[Span]:
        spaces = [Span(self.f.r)]
        while spaces[-1].dim < self.goal.dim:
            learned = spaces[-1]
            grown = joint_step(self.heats, learned, level, self.goal)
            if self.sets and grown.dim < self.goal.dim:
                grown = grown + certified_step(self.sets, learned, 1, self._most(learned))
            if self.sets and grown.dim < self.goal.dim and level > 1:
                # The end does not depend on the order: from the space that first moments give, more is certain.
                grown = grown + certified_step(self.sets, grown, level, self.goal)
            if grown.dim == learned.dim:
                break
            spaces.append(grown)
        return spaces

    def _settled(self) -> bool:
        return self.lower == self.upper and self._stairs_proved()

    def _stairs_proved(self) -> bool:
        """Each step reaches the upper bound given by symmetry (or V*), and the last space is closed."""
        if self.complete and len(self.stairs) == 1:
            return True
        ends = [*self.stairs[1:], self.stairs[-1]]
        return all(end.dim >= self._most(space).dim for space, end in zip(self.stairs, ends, strict=True))

    def _most(self, learned: Span) -> Span:
        """A space that contains whatever a level-1 step from ``learned`` can reach."""
        if self.f.gram is not None and learned.dim:
            return self.goal
        return self.goal.intersection(self.group.fixed(learned) + learned)

    @cached_property
    def hidden(self) -> Span:
        """The axes along which orders 1 to 3 vanish for every label, all other coordinates given."""
        axes = [i for i in range(self.f.r) if any(not vanishes(row[i]) for row in self.goal.rows)]
        if self.f.is_polynomial:
            return Span(self.f.r)
        return Span(self.f.r, [full(self.f.r).rows[i] for i in axes if hides_order_two(self.f, i)])

    def _hard(self) -> Span:
        """What levels 1 and 2 are proved never to show: hidden axes, or all outside a space proved closed."""
        if not self.reached or self.lower < 3:
            return Span(self.f.r)
        if self.hidden.dim:
            return self.hidden
        learned = self._climb(2)[-1]
        return self.goal.intersection(learned.complement(self.f.gram)) if learned.dim else self.goal

    def _lowest(self, last: Span, complete: bool) -> tuple[int, str]:
        """The first level that is not proved closed for every label at once, and why."""
        if last.dim == self.goal.dim:
            return 1, "orders start at 1"
        lower, why = 1, "no symmetry excludes order 1"
        if self._most(last).dim == last.dim:
            lower, why = 2, "symmetry excludes order 1"
        if self.hidden.dim:
            return 4, "parity, and E[T(z² exp(−z²)) He_2] = 0 for all T"
        if complete:
            seen = min((heat.order for heat in self.heats if heat.truncated), default=24)
            for level in range(1, min(self.report.isotropic_leap or 1, seen) + 1):
                space = joint_steps(self.heats, level, self.goal)[-1]
                if space.dim == self.goal.dim:
                    break
                if space.dim and not all(proved_closed(engine, space, level) for engine in self.engines):
                    break
                if level + 1 > lower:
                    lower, why = level + 1, "every function of the label is a polynomial in it"
        return lower, why
