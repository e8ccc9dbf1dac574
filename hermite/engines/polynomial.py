"""Polynomials over Q: the heat-smoothed target h(μ) = E f(z + μ) = exp(Δ/2) f, monomial by monomial.

h generates every Hermite tensor: C_k = ∇^k h(0), c_α = ∂^α h(0) (Dandi et al. 2024, arXiv:2305.18270, §2).
With a Gram matrix G of the directions, f = p(u) with u_i = ⟨w_i,z⟩ and h(u) = exp(½ Σ G_ij ∂_i ∂_j) p. No tensor
and no integral is ever formed, and every coefficient is an exact rational.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import cached_property
from math import factorial, prod
from typing import TYPE_CHECKING, TypeVar

from hermite.exact.exactness import Exactness
from hermite.language import nodes as ex

if TYPE_CHECKING:
    import flint

    from hermite.target import Target

N = TypeVar("N", "flint.fmpz", "flint.fmpq")
Index = tuple[int, ...]


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
        #: The terms of h by exponents: taken from a polynomial of FLINT each would look for common divisors again.
        self._terms: dict[Index, flint.fmpq] = (
            _smooth_terms(_plain(self.polynomial), self.r)
            if target.gram is None
            else _plain(smooth(self.polynomial, self.context, target.gram))
        )

    @cached_property
    def h(self) -> flint.fmpq_mpoly:
        """The heat-smoothed polynomial."""
        return self.context.from_dict(self._terms)

    @cached_property
    def degree(self) -> int:
        """Degree of the target; 0 for a constant."""
        return max(map(sum, self._terms), default=0)

    def heat_series(self, order: int) -> dict[tuple[int, ...], flint.fmpq]:
        """Coefficients c_α/α! of h up to total degree ``order``, exact rationals; absent means zero (a proof)."""
        if order >= self.degree:
            return dict(self._terms)
        return {alpha: c for alpha, c in self._terms.items() if sum(alpha) <= order}

    def total_energy(self) -> flint.fmpq:
        """E f², exactly: Σ c_α²/α! by Parseval; with a Gram matrix (exp(½ Σ G_ij ∂_i ∂_j) f²)(0)."""
        import flint

        if self.gram is not None:
            return smooth(self.polynomial * self.polynomial, self.context, self.gram)[(0,) * self.r]
        return sum(
            (c * c * prod(map(factorial, alpha)) for alpha, c in self._terms.items()),
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


def _plain(p: flint.fmpq_mpoly) -> dict[Index, flint.fmpq]:
    """{exponents: coefficient} with exponents of Python."""
    return {tuple(map(int, alpha)): c for alpha, c in p.to_dict().items()}


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

    below = _common_denominator(terms)
    if below is None:
        return _smoothed(terms, r)
    # Whole numbers need no common divisors, and all the weights are whole.
    whole = {alpha: flint.fmpz((c * below).p) for alpha, c in terms.items()}
    return {alpha: flint.fmpq(c, below) for alpha, c in _smoothed(whole, r).items()}


def _common_denominator(terms: dict[tuple[int, ...], flint.fmpq]) -> flint.fmpz | None:
    """The least one of all coefficients; None where it is much longer than they are."""
    import flint

    longest = max((int(c.height_bits()) for c in terms.values()), default=0)
    below = flint.fmpz(1)
    for c in terms.values():
        below = below.lcm(c.q)
        if below.height_bits() > 2 * longest + 64:
            return None
    return below


def _smoothed(terms: dict[tuple[int, ...], N], r: int) -> dict[tuple[int, ...], N]:
    """:func:`_smooth_terms` with coefficients of any kind."""
    import flint

    weights: dict[int, list[flint.fmpz]] = {}

    def row(n: int) -> list[flint.fmpz]:
        if n not in weights:
            c, out = flint.fmpz(1), []
            for j in range(n // 2 + 1):
                out.append(c)
                c = c * ((n - 2 * j) * (n - 2 * j - 1)) // (2 * (j + 1))
            weights[n] = out
        return weights[n]

    for i in range(r):
        if any(alpha[i] > 1 for alpha in terms):
            terms = _along_axis(terms, i, row)
    return terms


def _along_axis(terms: dict[Index, N], i: int, row: Callable[[int], list[flint.fmpz]]) -> dict[Index, N]:
    """One variable of :func:`_smooth_terms`; ``row(n)``: the weights of x^n."""
    smoothed: dict[Index, N] = {}
    for alpha, c in terms.items():
        before: Index = alpha[:i]
        after: Index = alpha[i + 1 :]
        n = int(alpha[i])
        for j, weight in enumerate(row(n)):
            key = (*before, n - 2 * j, *after)
            value = c * weight
            old = smoothed.get(key)
            smoothed[key] = value if old is None else old + value
    return {alpha: c for alpha, c in smoothed.items() if c != 0}
