"""The table of h(μ) = E f(z + μ), Gaussian smoothing of the target: its derivatives and gradients, exact or in balls.

Coordinates: a polynomial in u_i = ⟨w_i,z⟩ has h(u); the vector Σ v_i w_i moves u by G v. A gradient (∂h/∂u_i)_i is
itself a vector of coefficients of the w_i, so that only evaluation points and derivative directions need G.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import prod
from typing import Any

import flint

from hermite.exact.ball_rows import ball_of
from hermite.exact.effort import spend
from hermite.exact.rows import Row, rational, vanishes
from hermite.exact.subspaces import Span

Gram = Sequence[Sequence[Fraction]]


@dataclass(frozen=True)
class Heat:
    """h as a table {α: c_α/α!}: complete, or (``truncated``) up to total degree ``order``."""

    r: int
    terms: dict[tuple[int, ...], Any]
    order: int
    truncated: bool = False
    gram: Gram | None = None

    @cached_property
    def is_rational(self) -> bool:
        """Whether all coefficients are rational numbers."""
        return all(isinstance(c, flint.fmpq) for c in self.terms.values())

    def in_balls(self) -> Heat:
        """The same table of balls."""
        balls = {alpha: ball_of(c) for alpha, c in self.terms.items()}
        return Heat(self.r, balls, self.order, self.truncated, self.gram)

    def of_order(self, order: int) -> Heat:
        """The terms of one order."""
        terms = {alpha: c for alpha, c in self.terms.items() if sum(alpha) == order}
        return Heat(self.r, terms, order, self.truncated, self.gram)

    def symmetrised(self, matrices: Iterable[Sequence[Row]]) -> Heat:
        """The same table, one constant for coefficients that signed permutations among ``matrices`` make equal.

        f(Qz) = f(z) with (Qz)_i = s_i z_{p(i)} gives c_α = Π s_i^{α'_i} c_{α'}, α'_i = α_{p(i)}.
        """
        moves = [move for q in matrices if (move := _signed_permutation(q))]
        terms: dict[tuple[int, ...], Any] = {}
        seen: set[tuple[int, ...]] = set()
        for start, c in self.terms.items():
            if start in seen:
                continue
            orbit, left, vanishing = {start: 1}, [start], False
            while left:
                alpha = left.pop()
                for places, signs in moves:
                    image = tuple(alpha[p] for p in places)
                    sign = orbit[alpha] * prod(s**a for s, a in zip(signs, image, strict=True))
                    vanishing = vanishing or orbit.get(image, sign) != sign
                    if image not in orbit:
                        orbit[image] = sign
                        left.append(image)
            if not vanishing and all(alpha in self.terms for alpha in orbit):
                terms |= {alpha: c * sign for alpha, sign in orbit.items()}
            seen |= set(orbit)
        return Heat(self.r, terms, self.order, self.truncated, self.gram)

    def derivative(self, covector: Row) -> Heat:
        """Σ_i covector_i ∂h/∂u_i."""
        out: dict[tuple[int, ...], Any] = {}
        for alpha, c in self.terms.items():
            for i, a in enumerate(alpha):
                if a and not vanishes(covector[i]):
                    key = (*alpha[:i], a - 1, *alpha[i + 1 :])
                    value = c * covector[i] * a
                    old = out.get(key)
                    out[key] = value if old is None else old + value
        return Heat(self.r, out, max(self.order - 1, 0), self.truncated, self.gram)

    @cached_property
    def known_spans(self) -> dict[Hashable, Span]:
        """What :func:`conditional_span` found: every level asks for the orders below it again."""
        return {}

    @cached_property
    def _partials(self) -> tuple[Any, ...] | None:
        """The ∂h/∂u_i as polynomials over Q; None unless all coefficients are rational."""
        if not all(isinstance(c, flint.fmpq) for c in self.terms.values()):
            return None
        ring = flint.fmpq_mpoly_ctx.get([f"u{i + 1}" for i in range(self.r)], "lex")
        h = ring.from_dict(self.terms)
        return tuple(h.derivative(i) for i in range(self.r))

    def gradient_at(self, point: Row) -> Row:
        """(∂h/∂u_i)_i at u = ``point``."""
        if self._partials is not None and all(isinstance(x, flint.fmpq) for x in point):
            words = max(int(x.height_bits()) for x in point) * self.order // 64
            # Fractions pay a common divisor for every term.
            whole = all(x.q == 1 for x in point)
            spend(self.r * len(self.terms) * (1 + (words // 32 if whole else words * words // 128)) // 4)
            return tuple(partial(*point) for partial in self._partials)
        if any(isinstance(x, flint.arb) for x in point):
            return self._gradient_in_balls(point)
        top = max((max(alpha) for alpha in self.terms), default=0)
        powers: list[list[Any]] = []
        for x in point:
            row = [rational(1)]
            for _ in range(top):
                row.append(row[-1] * x)
            powers.append(row)
        support = [not vanishes(x) for x in point]
        total: list[Any] = [rational(0)] * self.r
        for alpha, c in self.terms.items():
            # A factor u_j^a at u_j = 0 leaves only the derivative in u_j itself, and only for a = 1.
            dead = [j for j, a in enumerate(alpha) if a and not support[j]]
            if len(dead) > 1:
                continue
            for i in dead or [j for j, a in enumerate(alpha) if a]:
                if dead and alpha[i] != 1:
                    continue
                value = c * alpha[i]
                for j, a in enumerate(alpha):
                    b = a - (i == j)
                    if b:
                        value = value * powers[j][b]
                total[i] = total[i] + value
        return tuple(total)

    @cached_property
    def _monomials(self) -> tuple[list[tuple[int, int]], flint.arb_mat]:
        """([(place of a smaller monomial, the variable that it is multiplied by), …], coefficients (r × monomials) of ∇h)."""
        places: dict[tuple[int, ...], int] = {(0,) * self.r: 0}
        made: list[tuple[int, int]] = []
        entries: dict[tuple[int, int], Any] = {}
        for alpha, c in self.terms.items():
            for i, a in enumerate(alpha):
                if not a:
                    continue
                path = [(*alpha[:i], a - 1, *alpha[i + 1 :])]
                steps: list[int] = []
                while path[-1] not in places:
                    beta = path[-1]
                    j = max(k for k, b in enumerate(beta) if b)
                    path.append((*beta[:j], beta[j] - 1, *beta[j + 1 :]))
                    steps.append(j)
                for beta, below, j in zip(path[-2::-1], path[:0:-1], reversed(steps), strict=True):
                    made.append((places[below], j))
                    places[beta] = len(made)
                entries[i, places[path[0]]] = ball_of(c * a)
        matrix = flint.arb_mat(self.r, len(places))
        for at, value in entries.items():
            matrix[at] = value
        return made, matrix

    def _gradient_in_balls(self, point: Row) -> Row:
        """One multiplication a monomial, and the product of a matrix with all of them."""
        made, matrix = self._monomials
        spend(1 + len(made) // 4)
        own = [ball_of(x) for x in point]
        values = [flint.arb(1)]
        for below, j in made:
            values.append(values[below] * own[j])
        found = matrix * flint.arb_mat([[x] for x in values])
        return tuple(found[i, 0] for i in range(self.r))


def _signed_permutation(q: Sequence[Row]) -> tuple[list[int], list[int]] | None:
    """(p, s) of (Qz)_i = s_i z_{p(i)}; None for any other Q."""
    places, signs = [], []
    for row in q:
        used = [(j, x) for j, x in enumerate(row) if x != 0]
        if len(used) != 1 or used[0][1] not in (1, -1):
            return None
        places.append(used[0][0])
        signs.append(1 if used[0][1] == 1 else -1)
    return places, signs
