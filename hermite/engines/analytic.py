"""Infinite expansions: h(μ) = Σ c Π_j H_j(⟨a_j, μ⟩/|a_j|), H_j(x) = Σ_k E[u_j(t_j) He_k(t_j/|a_j|)] x^k/k!, exactly.

Each product of the canonical form is written in an orthogonal basis a_1, a_2, … (Gram–Schmidt over Q, in the metric of
the Gram matrix) that contains its ridge directions, so that its expectation factorises.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import permutations, product
from math import factorial
from typing import TYPE_CHECKING, Any

from hermite.engines.canonical import (
    Form,
    Monomial,
    Unsupported,
    Vector,
    as_fraction,
    canonical,
    multiply,
    primitive,
)
from hermite.engines.univariate import ZERO, Univariate
from hermite.nodes import Expression, Variable, children, postorder
from hermite.scalars import Scalar
from hermite.subspaces import Span, full, lower, rational

if TYPE_CHECKING:
    from hermite.target import Target

Metric = Sequence[Sequence[Fraction]]


@dataclass(frozen=True)
class Term:
    """coefficient · Π_j u_j(⟨a_j, z⟩) with orthogonal directions a_j (coefficients of the named directions)."""

    coefficient: Scalar
    factors: tuple[tuple[Vector, Univariate], ...]


class AnalyticEngine:
    """Closed forms where they exist, certified integrals elsewhere, "undecided" where neither applies."""

    degree = None

    def __init__(self, target: Target) -> None:
        assert target.tree is not None
        self.target, self.r, self.gram = target, target.r, target.gram
        self.reason = ""
        self._series: dict[int, dict[tuple[int, ...], Scalar]] = {}
        try:
            self.form: Form | None = canonical(target.tree, target.r)
            self.terms: tuple[Term, ...] = orthogonal_terms(self.form, target.r, target.gram)
        except Unsupported as why:
            self.form, self.terms, self.reason = None, (), str(why)

    @property
    def decided(self) -> bool:
        return self.form is not None

    @cached_property
    def exactness(self) -> str:
        if not self.decided:
            return "undecided"
        names = {name for term in self.terms for _, u in term.factors for name, *_ in u.factors}
        return "certified" if names & {"tanh", "logcosh"} or self._mixed() else "exact"

    def _mixed(self) -> bool:
        """Whether some coefficient is known by an integral only."""
        return any(
            "E[" in str(u.coefficient(k)) for term in self.terms for _, u in term.factors for k in range(4)
        )

    def heat_series(self, order: int) -> dict[tuple[int, ...], Any]:
        """{α: c_α/α!} up to total degree ``order``; entries that cancel formally (a proof of zero) are left out."""
        if order not in self._series:
            total: dict[tuple[int, ...], Scalar] = {}
            for term in self.terms:
                for alpha, c in _expand_term(term, order, self.r).items():
                    total[alpha] = total[alpha] + c if alpha in total else c
            self._series[order] = {alpha: c for alpha, c in total.items() if c.is_zero() is not True}
        return self._series[order]

    def direction_span(self) -> Span:
        """The span of the directions that occur: an upper bound of the relevant space."""
        if not self.decided:
            assert self.target.tree is not None
            used = {node.index for node in postorder(self.target.tree) if isinstance(node, Variable)}
            return Span(self.r, [row for i, row in enumerate(full(self.r).rows) if i in used])
        rows = (v for term in self.terms for v, u in term.factors if not _is_trivial(u))
        return Span(self.r, [tuple(rational(x) for x in v) for v in rows])

    def proves_closed(self, space: Span, level: int) -> bool:
        """Whether U = ``space`` is *proved* closed at ``level``: terms that split over U and U⊥, or a symmetry.

        Split: every direction of a term lies in U or in U⊥, and the U⊥ factor has no order 1..level. Symmetry (level 1): a
        signed permutation of the variables that leaves f invariant and has no fixed vector outside U.
        """
        if not self.decided:
            return False
        if all(self._term_splits(term, space, level) for term in self.terms):
            return True
        return level == 1 and self.gram is None and self._symmetry_fixes(space)

    def _term_splits(self, term: Term, space: Span, level: int) -> bool:
        outside: list[Univariate] = []
        for v, u in term.factors:
            row = tuple(rational(x) for x in v)
            if space.contains(row):
                continue
            covector = row if self.gram is None else lower(row, self.gram)
            if any(
                sum((x * y for x, y in zip(covector, own, strict=True)), ZERO).is_zero() is not True
                for own in space.rows
            ):
                return False
            outside.append(u)
        orders = range(level + 1)
        return all(
            any(u.coefficient(k).is_zero() is True for u, k in zip(outside, ks, strict=True))
            for ks in product(orders, repeat=len(outside))
            if 1 <= sum(ks) <= level
        )

    def _symmetry_fixes(self, space: Span) -> bool:
        """Fixed vectors of the signed permutations g with f∘g = f that fix U pointwise: are they U itself?"""
        if self.r > 5 or self.target.tree is None:
            return False
        form = self.form
        moved = Span(self.r)
        for g in signed_permutations(self.r):
            if any(_apply(g, row) != tuple(row) for row in space.rows):
                continue
            if canonical(_substituted(self.target.tree, g), self.r) == form:
                for i in range(self.r):
                    unit = [rational(int(i == j)) for j in range(self.r)]
                    moved.add(tuple(a - b for a, b in zip(_apply(g, unit), unit, strict=True)))
        return moved.dim + space.dim >= self.r

    def total_energy(self) -> Scalar | None:
        """E f² by the same machinery; None where it has no closed form."""
        if self.form is None:
            return None
        try:
            square = orthogonal_terms(multiply(self.form, self.form), self.r, self.gram)
            total = ZERO
            for term in square:
                value = term.coefficient
                for _, u in term.factors:
                    value = value * u.coefficient(0)
                total = total + value
            return total
        except Unsupported:
            return None


def _is_trivial(u: Univariate) -> bool:
    return (
        u.power == 0
        and not u.thresholds
        and not u.factors
        and u.tilt.is_zero() is True
        and u.quadratic.is_zero() is True
    )


def _expand_term(term: Term, order: int, r: int) -> dict[tuple[int, ...], Scalar]:
    """The series of c Π_j H_j(⟨a_j, μ⟩/|a_j|) up to total degree ``order``."""
    total: dict[tuple[int, ...], Scalar] = {(0,) * r: term.coefficient}
    for v, u in term.factors:
        inverse = Scalar.sqrt(1 / u.variance)
        table: dict[tuple[int, ...], Scalar] = {}
        scale = Scalar.of(1)
        for k in range(order + 1):
            c = u.coefficient(k)
            if c.is_zero() is not True:
                weight = c * scale
                for alpha, q in _linear_power(v, k):
                    table[alpha] = weight * q
            scale = scale * inverse
        merged: dict[tuple[int, ...], Scalar] = {}
        for alpha, a in total.items():
            for beta, b in table.items():
                if sum(alpha) + sum(beta) <= order:
                    key = tuple(i + j for i, j in zip(alpha, beta, strict=True))
                    value = a * b
                    merged[key] = merged[key] + value if key in merged else value
        total = merged
    return total


def _linear_power(v: Vector, k: int) -> Iterator[tuple[tuple[int, ...], Fraction]]:
    """⟨v, μ⟩^k/k! = Σ_α Π v_i^{α_i}/α_i!, the non-zero terms."""
    support = [i for i, x in enumerate(v) if x]

    def walk(
        places: list[int], left: int, alpha: list[int], value: Fraction
    ) -> Iterator[tuple[tuple[int, ...], Fraction]]:
        i = places[0]
        if len(places) == 1:
            alpha[i] = left
            yield tuple(alpha), value * v[i] ** left / factorial(left)
            alpha[i] = 0
            return
        for a in range(left + 1):
            alpha[i] = a
            yield from walk(places[1:], left - a, alpha, value * v[i] ** a / factorial(a))
        alpha[i] = 0

    yield from walk(support, k, [0] * len(v), Fraction(1))


def inner(a: Vector, b: Vector, gram: Metric | None) -> Fraction:
    """⟨Σ a_i w_i, Σ b_j w_j⟩."""
    if gram is None:
        return sum((x * y for x, y in zip(a, b, strict=True)), Fraction(0))
    return sum(
        (x * g * y for x, row in zip(a, gram, strict=True) for g, y in zip(row, b, strict=True)), Fraction(0)
    )


def orthogonal_terms(form: Form, r: int, gram: Metric | None) -> tuple[Term, ...]:
    """Every product of ``form`` as products of univariate functions of independent Gaussians; like terms merged."""
    total: dict[tuple[tuple[Vector, Univariate], ...], Scalar] = {}
    for key, c in form.items():
        for factors, value in _split(key, r, gram):
            total[factors] = total[factors] + c * value if factors in total else c * value
    return tuple(Term(c, factors) for factors, c in total.items() if c.is_zero() is not True)


def _split(
    key: Monomial, r: int, gram: Metric | None
) -> Iterator[tuple[tuple[tuple[Vector, Univariate], ...], Scalar]]:
    directions = list(dict.fromkeys([g.direction for g, _ in key.ridges] + [v for v, _ in key.quadratic]))
    for i, a in enumerate(directions):
        for b in directions[:i]:
            if inner(a, b, gram) != 0:
                raise Unsupported("a product of functions along directions that are not orthogonal")
    basis = _complete(directions, key, r, gram)
    variances = [inner(a, a, gram) for a in basis]
    units = [tuple(Fraction(int(i == j)) for j in range(r)) for i in range(r)]
    # u_i = Σ_k ⟨w_i, a_k⟩ t_k / |a_k|²
    mixing = [[inner(e, a, gram) / s for a, s in zip(basis, variances, strict=True)] for e in units]
    tilts = [ZERO] * len(basis)
    for i, c in key.tilt:
        tilts = [t + c * m for t, m in zip(tilts, mixing[i], strict=True)]
    quadratics = dict(key.quadratic)
    for powers, weight in _mixed_powers(key.powers, mixing).items():
        factors = []
        for k, a in enumerate(basis):
            ridges = [(g, p) for g, p in key.ridges if g.direction == a]
            u = Univariate(
                powers[k],
                tuple(sorted((g.offset for g, _ in ridges if g.name == "sign"), key=str)),
                tuple((g.name, g.scale, g.offset, p) for g, p in ridges if g.name != "sign"),
                tilts[k],
                quadratics.get(a, ZERO),
                variances[k],
            )
            if not _is_trivial(u):
                factors.append((a, u))
        yield tuple(sorted(factors, key=lambda item: item[0])), Scalar.of(weight)


def _complete(directions: list[Vector], key: Monomial, r: int, gram: Metric | None) -> list[Vector]:
    """Orthogonal primitive vectors that contain ``directions`` and span the variables of ``key``."""
    basis = list(directions)
    tilt = [dict(key.tilt).get(i, ZERO) for i in range(r)]
    lead = next((c.inverse() for c in tilt if c.is_zero() is not True), None)
    ratios = [] if lead is None else [c * lead for c in tilt]
    candidates: list[Vector] = []
    # exp(⟨c, z⟩) is a ridge along c: one direction, not one for each variable in it.
    if ratios and all(x.is_rational for x in ratios):
        candidates.append(tuple(as_fraction(x) for x in ratios))
    wanted = [i for i in range(r) if key.powers[i] or any(i == j for j, _ in key.tilt)]
    candidates += [tuple(Fraction(int(i == j)) for j in range(r)) for i in wanted]
    for rest in candidates:
        for a in basis:
            share = inner(rest, a, gram) / inner(a, a, gram)
            rest = tuple(x - share * y for x, y in zip(rest, a, strict=True))
        if any(rest):
            basis.append(primitive(rest)[0])
    return basis


def _mixed_powers(powers: tuple[int, ...], mixing: list[list[Fraction]]) -> dict[tuple[int, ...], Fraction]:
    """Π u_i^{a_i} as a polynomial in t_1, t_2, …"""
    size = len(mixing[0]) if mixing else 0
    total: dict[tuple[int, ...], Fraction] = {(0,) * size: Fraction(1)}
    for i, a in enumerate(powers):
        for _ in range(a):
            grown: dict[tuple[int, ...], Fraction] = {}
            for exponents, c in total.items():
                for k, m in enumerate(mixing[i]):
                    if m:
                        place = (*exponents[:k], exponents[k] + 1, *exponents[k + 1 :])
                        grown[place] = grown.get(place, Fraction(0)) + c * m
            total = {place: c for place, c in grown.items() if c}
    return total


SignedPermutation = tuple[tuple[int, int], ...]


def signed_permutations(r: int) -> Iterator[SignedPermutation]:
    """g with (g z)_i = sign_i z_{place_i}."""
    for places in permutations(range(r)):
        for signs in product((1, -1), repeat=r):
            yield tuple(zip(places, signs, strict=True))


def _apply(g: SignedPermutation, row: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(row[place] * sign for place, sign in g)


def _substituted(tree: Expression, g: SignedPermutation) -> Expression:
    """f∘g as an expression."""
    from hermite.building import substitute
    from hermite.nodes import Number, Product

    swaps: dict[int, Expression] = {}
    for i, (place, sign) in enumerate(g):
        variable = Variable(place)
        swaps[i] = variable if sign == 1 else Product((Number(Fraction(-1)), variable))
    return substitute(tree, swaps) if children(tree) or isinstance(tree, Variable) else tree
