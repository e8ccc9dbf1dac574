"""Functions of the distance from the origin in any number of directions, by one integral along a line.

With F(x) = g(|x|), x standard in k directions, and monomials of even powers m,

    E[F Π x_i^{m_i}] = E[Π u_i^{m_i}] E[g(r) r^{|m|}],   E[Π u_i^{m_i}] = Π (m_i − 1)!!/(k (k + 2) … (k + |m| − 2)),
    E[g(r) r^M] = C_k E[|t|^{k−1} t^M g(t)],             C_k = √(2π)/(2^{k/2} Γ(k/2)),

u uniform on the sphere, r of the law χ_k, t standard normal: the engine of functions along one line has the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import product
from math import factorial, prod

import flint

from hermite.engines.canonical import canonical
from hermite.engines.constants import Unsupported
from hermite.engines.forms import Vector
from hermite.engines.hermite_rows import hermite_row
from hermite.engines.orthogonal import orthogonal_terms
from hermite.engines.polynomial import to_mpoly
from hermite.engines.series import Index
from hermite.engines.terms import try_integrals
from hermite.exact.rows import rational
from hermite.exact.scalars import Scalar
from hermite.language import building
from hermite.language import nodes as ex

_X = ex.Variable(0)


@dataclass(frozen=True)
class RadialPatch:
    """g(|x|), x_i = ⟨a_i, z⟩/√v_i along orthogonal ``axes``; ``tree`` is g in its one variable, even."""

    axes: tuple[Vector, ...]
    variances: tuple[Fraction, ...]
    tree: ex.Expression

    def coefficient(self, index: Index) -> Scalar:
        """E[F Π He_{k_i}(x_i)], k = ``index``."""
        if any(k % 2 for k in index):
            return Scalar.of(0)
        return _coefficient(self.tree, tuple(sorted(index)))


@lru_cache(maxsize=1024)
def _coefficient(tree: ex.Expression, index: Index) -> Scalar:
    k = len(index)
    rows = [[(m, c) for m, c in enumerate(hermite_row(n)) if c] for n in index]
    parts = []
    for monomial in product(*rows):
        powers = [m for m, _ in monomial]
        sphere = Fraction(
            prod(_double_factorial(m - 1) for m in powers), prod(k + 2 * j for j in range(sum(powers) // 2))
        )
        weight = prod((int(c) for _, c in monomial), start=1) * sphere
        parts.append(_radial_moment(tree, k, sum(powers)) * weight)
    return Scalar.total(parts)


@lru_cache(maxsize=1024)
def _radial_moment(tree: ex.Expression, k: int, power: int) -> Scalar:
    """E[g(r) r^M]; raises :class:`Unsupported` or what else the engine of one line raises."""
    factors = [tree, building.power(_X, power + k - 1)]
    if k % 2 == 0:
        factors.append(building.call("sign", (_X,)))
    terms = orthogonal_terms(canonical(building.multiply(factors), 1), 1, None)
    try_integrals(terms)
    value = Scalar.total(term.mean() for term in terms)
    if k % 2:
        return value * Fraction(1, _double_factorial(k - 2))
    return value * Scalar.sqrt(2) * Scalar.sqrt_pi(1) * Fraction(1, 2 ** (k // 2) * factorial(k // 2 - 1))


def _double_factorial(n: int) -> int:
    return prod(range(n, 0, -2))


def radial(tree: ex.Expression, variances: Sequence[Fraction]) -> ex.Expression | None:
    """The function of t_1 alone, where every largest polynomial in ``tree`` is one of Σ t_i²/v_i; None otherwise."""
    k = len(variances)
    context = flint.fmpq_mpoly_ctx.get([f"x{i + 1}" for i in range(k)], "lex")
    square = context.from_dict(
        {
            tuple(2 * int(i == j) for j in range(k)): rational(variances[0] / v)
            for i, v in enumerate(variances)
        }
    )
    left, seen = [tree], set()
    while left:
        e = left.pop()
        if e in seen or ex.is_constant(e):
            continue
        seen.add(e)
        if not ex.is_polynomial(e):
            own = [term for term in ex.children(e) if ex.is_polynomial(term)] if isinstance(e, ex.Sum) else []
            # Irrational constants beside a polynomial are no part of it.
            left += [building.add(own)] if own else []
            left += [child for child in ex.children(e) if child not in own]
            continue
        try:
            found = to_mpoly(e, context)
        except Unsupported:
            return None
        along = {p[0]: c for p, c in found.to_dict().items() if not any(p[1:])}
        whole = context.constant(0)
        for power, c in along.items():
            if power % 2:
                return None
            whole += square ** (int(power) // 2) * c
        if whole != found:
            return None
    return building.substitute(tree, {i: ex.Number(Fraction(0)) for i in range(1, k)})
