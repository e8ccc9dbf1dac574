"""Polynomials over Q: the heat-smoothed target h(μ) = E f(z + μ) = exp(Δ/2) f, monomial by monomial.

h generates every Hermite tensor: C_k = ∇^k h(0), c_α = ∂^α h(0) (Dandi et al. 2024, arXiv:2305.18270, §2).
With a Gram matrix G of the directions, f = p(u) with u_i = ⟨w_i,z⟩ and h(u) = exp(½ Σ G_ij ∂_i ∂_j) p. No tensor
and no integral is ever formed, and every coefficient is an exact rational.
"""

from __future__ import annotations

from fractions import Fraction
from math import factorial, prod
from typing import TYPE_CHECKING

from hermite.exact.exactness import Exactness
from hermite.language import nodes as ex

if TYPE_CHECKING:
    import flint

    from hermite.target import Target


class PolynomialEngine:
    """Exact engine for a polynomial target with rational coefficients."""

    exactness = Exactness.EXACT
    reason = ""
    decided = True

    def __init__(self, target: Target) -> None:
        import flint

        assert target.tree is not None
        self.r, self.gram = target.r, target.gram
        self.context = flint.fmpq_mpoly_ctx.get([f"u{i + 1}" for i in range(target.r)], "lex")
        self.polynomial = to_mpoly(target.tree, self.context)
        self.h = smooth(self.polynomial, self.context, target.gram)

    @property
    def degree(self) -> int:
        """Degree of the target; 0 for a constant."""
        return max(int(self.h.total_degree()), 0)

    def heat_series(self, order: int) -> dict[tuple[int, ...], flint.fmpq]:
        """Coefficients c_α/α! of h up to total degree ``order``, exact rationals; absent means zero (a proof)."""
        return {
            tuple(int(a) for a in alpha): c for alpha, c in self.h.to_dict().items() if sum(alpha) <= order
        }

    def total_energy(self) -> flint.fmpq:
        """E f², exactly: Σ c_α²/α! by Parseval; with a Gram matrix (exp(½ Σ G_ij ∂_i ∂_j) f²)(0)."""
        import flint

        if self.gram is not None:
            return smooth(self.polynomial * self.polynomial, self.context, self.gram)[(0,) * self.r]
        return sum(
            (c * c * prod(factorial(int(a)) for a in alpha) for alpha, c in self.h.to_dict().items()),
            flint.fmpq(0),
        )


def to_mpoly(tree: ex.Expression, context: flint.fmpq_mpoly_ctx) -> flint.fmpq_mpoly:
    """``tree`` expanded as a sparse polynomial over Q in the generators of ``context``."""
    gens = context.gens()
    done: dict[ex.Expression, flint.fmpq_mpoly] = {}
    for node in ex.postorder(tree):
        below = [done[child] for child in ex.children(node)]
        match node:
            case ex.Number():
                done[node] = context.constant(_rational(node.value))
            case ex.Variable():
                done[node] = gens[node.index]
            case ex.Sum():
                done[node] = _balanced_sum(below)
            case ex.Product():
                result = below[0]
                for factor in below[1:]:
                    result = result * factor
                done[node] = result
            case ex.Power():
                done[node] = below[0] ** node.exponent
            case ex.Hermite():
                done[node] = hermite_polynomial(node.order, below[0], context)
            case _:
                raise TypeError(f"not a polynomial node: {type(node).__name__}")
    return done[tree]


def _rational(value: Fraction) -> flint.fmpq:
    import flint

    return flint.fmpq(value.numerator, value.denominator)


def _balanced_sum(terms: list[flint.fmpq_mpoly]) -> flint.fmpq_mpoly:
    """A sum by pairs: adding 10,000 monomials one by one would copy a long polynomial 10,000 times."""
    while len(terms) > 1:
        terms = [terms[i] + terms[i + 1] if i + 1 < len(terms) else terms[i] for i in range(0, len(terms), 2)]
    return terms[0]


def hermite_polynomial(k: int, x: flint.fmpq_mpoly, context: flint.fmpq_mpoly_ctx) -> flint.fmpq_mpoly:
    """He_k(x) by He_{k+1} = x He_k − k He_{k−1}."""
    previous, current = context.constant(1), x
    if k == 0:
        return previous
    for j in range(1, k):
        previous, current = current, x * current - j * previous
    return current


def smooth(
    p: flint.fmpq_mpoly, context: flint.fmpq_mpoly_ctx, gram: tuple[tuple[Fraction, ...], ...] | None
) -> flint.fmpq_mpoly:
    """exp(½ Σ G_ij ∂_i ∂_j) p; without a Gram matrix variable by variable on the exponents."""
    if gram is None:
        return context.from_dict(_smooth_terms(dict(p.to_dict()), context.nvars()))
    total, term, k = p, p, 0
    while not term.is_constant():
        k += 1
        term = _metric_laplacian(term, gram) * _rational(Fraction(1, 2 * k))
        total = total + term
    return total


def _metric_laplacian(p: flint.fmpq_mpoly, gram: tuple[tuple[Fraction, ...], ...]) -> flint.fmpq_mpoly:
    """Σ G_ij ∂_i ∂_j p."""
    total = p - p
    for i, row in enumerate(gram):
        first = p.derivative(i)
        for j, g in enumerate(row):
            if g:
                total = total + _rational(g) * first.derivative(j)
    return total


def _smooth_terms(terms: dict[tuple[int, ...], flint.fmpq], r: int) -> dict[tuple[int, ...], flint.fmpq]:
    """x^n → Σ_j n!/(j! (n−2j)! 2^j) x^(n−2j) in each variable in turn."""
    import flint

    weights: dict[int, list[flint.fmpq]] = {}

    def row(n: int) -> list[flint.fmpq]:
        if n not in weights:
            c, out = flint.fmpq(1), []
            for j in range(n // 2 + 1):
                out.append(c)
                c = c * flint.fmpq((n - 2 * j) * (n - 2 * j - 1), 2 * (j + 1))
            weights[n] = out
        return weights[n]

    for i in range(r):
        if all(alpha[i] < 2 for alpha in terms):
            continue
        smoothed: dict[tuple[int, ...], flint.fmpq] = {}
        for alpha, c in terms.items():
            n = int(alpha[i])
            for j, weight in enumerate(row(n)):
                key = (*alpha[:i], n - 2 * j, *alpha[i + 1 :])
                value = c * weight
                old = smoothed.get(key)
                smoothed[key] = value if old is None else old + value
        terms = {alpha: c for alpha, c in smoothed.items() if c != 0}
    return terms
