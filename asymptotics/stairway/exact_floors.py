r"""Plateaus of polynomial targets, as exact fractions for any rational subspace.

In an orthogonal but *not normalised* basis b_1..b_r whose first vectors span U, the heat-smoothed target
h(μ) = E f(z + μ), μ = Σ t_i b_i, is h = Σ_α (d_α/α!) t^α, and the energy of α is d_α² / (α! Π |b_i|^{2 α_i}): rational.
Nothing is rotated by a square root.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import comb, factorial
from typing import TYPE_CHECKING, Any

from asymptotics.stairway.visibility import Visible
from hermite.engines.polynomial import PolynomialEngine
from hermite.errors import InputError
from hermite.exact.exactness import Exactness
from hermite.exact.rows import Row, lower, rational
from hermite.exact.subspaces import Span
from hermite.target import Target

if TYPE_CHECKING:
    import flint

    from hermite.exact.scalars import Exact

#: Most terms of a rotated polynomial, where their numbers are of usual length; longer ones count as several.
_TERMS, _BITS = 500_000, 2048


@dataclass(frozen=True)
class Adapted:
    """f in a basis adapted to U: ``terms`` α → d_α/α!, ``basis`` rows b_i, ``norms`` |b_i|², ``dim`` of U."""

    terms: dict[tuple[int, ...], Any]
    basis: tuple[Row, ...]
    norms: tuple[Any, ...]
    dim: int

    def energies(self) -> tuple[list[tuple[int, int, flint.fmpz]], flint.fmpz]:
        """([(degree, degree outside U, energy × denominator) of every term], denominator)."""
        import flint

        tops, below = _whole(self.terms.values())
        norms, norms_below = _whole(self.norms)
        degree = max(map(sum, self.terms), default=0)
        # Σ of fractions would look for common divisors at every term. Energies are Π a_i! (top/below)² / Π (norm_i/below')^a_i.
        powers = [_powers(norm, degree) for norm in norms]
        up = _powers(norms_below, degree)
        total = flint.fmpz(1)
        for power in powers:
            total *= power[degree]
        found = []
        for (alpha, _), top in zip(self.terms.items(), tops, strict=True):
            energy = top * top * up[sum(alpha)]
            for a, power in zip(alpha, powers, strict=True):
                energy *= factorial(a) * power[degree - a]
            found.append((sum(alpha), sum(alpha[self.dim :]), energy))
        return found, below * below * total


def _whole(values: Iterable[Any]) -> tuple[list[flint.fmpz], flint.fmpz]:
    """Rationals as whole numbers over one denominator."""
    import flint

    rows = list(values)
    below = flint.fmpz(1)
    for x in rows:
        below = below.lcm(x.q)
    return [(x * below).p for x in rows], below


def _powers(x: flint.fmpz, top: int) -> list[flint.fmpz]:
    """x^0, …, x^top."""
    out = [x**0]
    for _ in range(top):
        out.append(out[-1] * x)
    return out


class PolynomialFloors:
    """The stairway of a polynomial target: what each subspace leaves, and which subspace comes next."""

    exactness = Exactness.EXACT
    error = 0.0

    def __init__(self, f: Target) -> None:
        self.f = f
        self.engine = PolynomialEngine(f)
        self.degree = self.engine.degree

    def start(self) -> Span:
        """U_0 = {0}."""
        return Span(self.f.r)

    def strings(self, learned: Span) -> list[list[str]]:
        """The subspace as exact strings."""
        return learned.strings()

    def dim(self, learned: Span) -> int:
        """Its dimension."""
        return learned.dim

    def floors(self, learned: Span, kappa: int, visible: Visible) -> list[Fraction]:
        """For κ = 0..``kappa``: Σ f_α² over |α_⊥| > κ or |α| out of reach of the activation."""
        import flint

        energies, below = adapt(self.f, self.engine, learned).energies()
        out = [flint.fmpz(0)] * (kappa + 1)
        for degree, outside, energy in energies:
            reached = outside if visible(degree) else kappa + 1
            for k in range(min(reached, kappa + 1)):
                out[k] += energy
        shares = [flint.fmpq(top, below) for top in out]
        return [Fraction(int(x.p), int(x.q)) for x in shares]

    def next(self, learned: Span, visible: Visible) -> Span:
        """U + span over x of E[f z_⊥ | z_U = x], restricted to what the activation sees."""
        parts = adapt(self.f, self.engine, learned)
        rows: dict[tuple[int, ...], dict[int, Any]] = {}
        for alpha, c in parts.terms.items():
            if sum(alpha[parts.dim :]) == 1 and visible(sum(alpha)):
                i = alpha.index(1, parts.dim)
                rows.setdefault(alpha[: parts.dim], {})[i] = c / parts.norms[i]
        grown = learned.copy()
        for row in rows.values():
            if grown.dim == self.f.r:
                break
            vector = [rational(0)] * self.f.r
            for i, c in row.items():
                vector = [x + c * b for x, b in zip(vector, parts.basis[i], strict=True)]
            grown.add(vector)
        return grown


def adapt(f: Target, engine: PolynomialEngine, learned: Span) -> Adapted:
    """The target in an orthogonal basis whose first vectors span ``learned``.

    Raises ``InputError`` where the rotated polynomial would have more than 500,000 terms.
    """
    basis, norms = orthogonal_basis(f, learned)
    if f.gram is None and learned.is_coordinate():
        order = [*learned.pivots, *(i for i in range(f.r) if i not in learned.pivots)]
        series = engine.heat_series(engine.degree)
        terms = {tuple(alpha[i] for i in order): c for alpha, c in series.items()}
        unit = tuple(tuple(rational(int(i == j)) for j in range(f.r)) for i in order)
        return Adapted(terms, unit, (rational(1),) * f.r, learned.dim)
    longest = max(int(c.height_bits()) for c in engine.heat_series(engine.degree).values())
    slope = max(int(x.height_bits()) for b in basis for x in b)
    words = 1 + (longest + engine.degree * slope) // _BITS
    if comb(engine.degree + f.r, f.r) * words > _TERMS:
        length = f" of {words * _BITS:,} bits" if words > 1 else ""
        raise InputError(
            f"The stairway of a polynomial of degree {engine.degree} in {f.r} variables along general directions would need "
            f"more than {_TERMS // words:,} terms{length}; choose coordinates along the learned directions."
        )
    covectors = [b if f.gram is None else lower(b, f.gram) for b in basis]
    gens = engine.context.gens()
    images = []
    for i in range(f.r):
        image = engine.context.constant(0)
        for t, covector in zip(gens, covectors, strict=True):
            image = image + t * covector[i]
        images.append(image)
    turned = engine.h.compose(*images)
    terms = {tuple(int(a) for a in alpha): c for alpha, c in turned.to_dict().items()}
    return Adapted(terms, tuple(basis), tuple(norms), learned.dim)


def orthogonal_basis(f: Target, learned: Span) -> tuple[list[Row], list[Any]]:
    """Gram–Schmidt without square roots: rows b_i (first those of ``learned``) and |b_i|²."""
    candidates = [*learned.rows, *(tuple(rational(int(i == j)) for j in range(f.r)) for i in range(f.r))]
    basis: list[Row] = []
    norms: list[Any] = []
    for row in candidates:
        current = row
        for b, norm in zip(basis, norms, strict=True):
            factor = _inner(f, current, b) / norm
            if factor != 0:
                current = tuple(x - factor * y for x, y in zip(current, b, strict=True))
        norm = _inner(f, current, current)
        if norm != 0:
            basis.append(current)
            norms.append(norm)
    return basis, norms


def _inner(f: Target, a: Row, b: Row) -> Exact:
    other = b if f.gram is None else lower(b, f.gram)
    total: Exact = rational(0)
    for x, y in zip(a, other, strict=True):
        total = total + x * y
    return total
