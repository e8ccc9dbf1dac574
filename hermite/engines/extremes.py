"""Powers of maxima and minima of any number of orthogonal lines, by one integral over the level.

For x_i independent, P(max_i (b_i + s_i x_i + τ_i) ≤ t) = Π_i Φ((t − b_i − τ_i)/s_i), so that with u_i = (t − b_i)/s_i, for any L,

    E max^p = L^p + ∫_L^∞ p t^{p−1} (1 − Π Φ(u_i)) dt − ∫_{−∞}^L p t^{p−1} Π Φ(u_i) dt,
    ∂_τ^α E max^p = −∫ p t^{p−1} Π_{α_i = 0} Φ(u_i) Π_{α_i > 0} (−s_i^{−α_i} He_{α_i − 1}(u_i) φ(u_i)) dt.

A constant c among the arguments is a lower end L = c of both. A minimum is the negative maximum of the negatives. Where all
arguments vary, max(x + s) = max(x) + s: of p = 1 the orders beyond 1 see nothing of the direction along which all rise alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import flint

from hermite.engines.constants import Unsupported
from hermite.engines.forms import Vector
from hermite.engines.integration import TooManyEvaluations, integrated
from hermite.engines.quadratic import Metric, inner
from hermite.engines.series import Index
from hermite.exact.atoms import Atom
from hermite.exact.effort import Memo, spend
from hermite.exact.scalars import Scalar
from hermite.language import nodes as ex

if TYPE_CHECKING:
    import sympy

#: Working precision, most values of an integrand, the cost of one for every line in units of :mod:`hermite.exact.effort`.
_BITS, _MOST, _COST = 80, 4_000, 10
#: Standard deviations beyond which the tails are bounded: e^{−X²/4} is far below the working precision.
_REACH = 22
#: (s², b, k) of a line, sorted; the constant among the arguments.
Lines = tuple[tuple[Fraction, Fraction, int], ...]


@dataclass(frozen=True)
class Extreme:
    """(side · max_i side (slope_i t_i + offset_i))^power, t_i = ⟨a_i, z⟩ ~ N(0, variances_i); side 1: maximum, −1: minimum.

    ``axes`` a_i orthogonal, slopes not 0. ``floor``: a constant among the arguments, or None.
    """

    axes: tuple[Vector, ...]
    variances: tuple[Fraction, ...]
    slopes: tuple[Fraction, ...]
    offsets: tuple[Fraction, ...]
    floor: Fraction | None
    side: int
    power: int = 1

    def coefficient(self, index: Index) -> Scalar:
        """E[f Π He_{k_i}(t_i/√v_i)], k = ``index``: Π (side slope_i √v_i)^{k_i} times the derivatives above."""
        lines = tuple(
            sorted(
                (m * m * v, self.side * b, k)
                for m, v, b, k in zip(self.slopes, self.variances, self.offsets, index, strict=True)
            )
        )
        floor = None if self.floor is None else self.side * self.floor
        value = _constant(lines, floor, self.power)
        for m, v, k in zip(self.slopes, self.variances, index, strict=True):
            value = value * Scalar.sqrt(v) ** k * (self.side * m) ** k if k else value
        return -value if self.side < 0 and self.power % 2 else value

    def directions_of_order(self, order: int) -> tuple[Vector, ...]:
        """Directions that span all that orders from ``order`` on may see."""
        if order < 2 or self.floor is not None or self.power > 1:
            return self.axes
        first, *others = (tuple(m * x for x in a) for m, a in zip(self.slopes, self.axes, strict=True))
        return tuple(tuple(x - y for x, y in zip(own, first, strict=True)) for own in others)


def extreme(
    tree: ex.Expression, slopes: dict[ex.Expression, Vector | None], gram: Metric | None
) -> Extreme | None:
    """``tree`` as a power of a maximum or minimum of orthogonal lines and a constant at most; None for any other.

    ``slopes``: the rational gradients of its sub-expressions.
    """
    base, power = (tree.base, tree.exponent) if isinstance(tree, ex.Power) else (tree, 1)
    if not isinstance(base, ex.Call) or base.name not in ("max", "min") or power < 1:
        return None
    left, arguments = list(base.arguments), []
    while left:
        e = left.pop()
        if isinstance(e, ex.Call) and e.name == base.name:
            left += e.arguments
        elif isinstance(e, ex.Call) and e.name == "relu" and base.name == "max":
            left += [e.arguments[0], ex.Number(Fraction(0))]
        else:
            arguments.append(e)
    side = 1 if base.name == "max" else -1
    axes, offsets, floors = [], [], []
    for e in arguments:
        slope, offset = slopes.get(e), rational_offset(e)
        if offset is None or (slope is None and not ex.is_constant(e)):
            return None
        if slope is None or not any(slope):
            floors.append(side * offset)
        else:
            axes.append(slope)
            offsets.append(offset)
    apart = all(inner(a, b, gram) == 0 for i, a in enumerate(axes) for b in axes[:i])
    if not axes or not apart:
        return None
    order = sorted(range(len(axes)), key=lambda i: axes[i])
    return Extreme(
        tuple(axes[i] for i in order),
        tuple(inner(axes[i], axes[i], gram) for i in order),
        (Fraction(1),) * len(axes),
        tuple(offsets[i] for i in order),
        side * max(floors) if floors else None,
        side,
        power,
    )


def rational_offset(e: ex.Expression) -> Fraction | None:
    """The value of an affine expression at 0, where it is written with rational numbers."""
    values: dict[ex.Expression, Fraction | None] = {}
    for node in ex.postorder(e):
        below = [values[child] for child in ex.children(node)]
        known = [x for x in below if x is not None]
        value: Fraction | None = None
        if isinstance(node, ex.Number):
            value = node.value
        elif isinstance(node, ex.Variable):
            value = Fraction(0)
        elif len(known) == len(below) and isinstance(node, ex.Sum):
            value = sum(known, Fraction(0))
        elif len(known) == len(below) and isinstance(node, ex.Product):
            value = math.prod(known, start=Fraction(1))
        values[node] = value
    return values[e]


#: Integrals that are known.
_INTEGRALS: Memo[flint.arb] = Memo(1024)


def _constant(lines: Lines, floor: Fraction | None, power: int) -> Scalar:
    """∂_τ^k E max^p as an opaque constant."""
    name = f"E[max{lines} {floor} power {power}]"

    def enclose() -> flint.arb:
        return _INTEGRALS.get(("extreme", lines, floor, power), lambda: _integral(lines, floor, power))

    def symbol() -> sympy.Expr:
        import sympy

        return sympy.Float(enclose().str(30, radius=False))

    return Scalar.atom(Atom(name, enclose, symbol))


def _integral(lines: Lines, floor: Fraction | None, power: int) -> flint.arb:
    with flint.ctx.workprec(_BITS):
        own = [(flint.arb(_fmpq(v)).sqrt(), flint.arb(_fmpq(b)), k) for v, b, k in lines]
        low, high = _ends(own)
        if floor is not None:
            start = flint.arb(_fmpq(floor))
            low, high = start, high if high > start else start
        whole = not any(k for _, _, k in own)

        def integrand(t: flint.acb, analytic: bool) -> flint.acb:
            value = flint.acb(1 if whole else -1)
            product = flint.acb(1)
            for s, b, k in own:
                u = (t - b) / s
                if k:
                    product *= -flint.acb(flint.arb(1) / s**k) * _hermite(k - 1, u) * _density(u)
                else:
                    product *= (1 + (u / flint.arb(2).sqrt()).erf()) / 2
            value = 1 - product if whole else -product
            return value * t ** (power - 1) * power

        try:
            total, _ = integrated(integrand, low, high, _MOST, lambda: spend(_COST * len(own)))
        except TooManyEvaluations as why:
            raise Unsupported(f"a maximum of {len(own)} lines ({why})") from None
        value = total.real + (low**power if whole else 0)
        return value + flint.arb(0, _tail(own, power))


def _ends(own: list[tuple[flint.arb, flint.arb, int]]) -> tuple[flint.arb, flint.arb]:
    """Beyond which the tails are bounded: all Φ are 0 or 1 there, or a derivative of one has died out."""
    derived = [(s, b) for s, b, k in own if k] or [(s, b) for s, b, _ in own]
    ends = [(b - _REACH * s, b + _REACH * s) for s, b in derived]
    if any(k for *_, k in own):
        low, high = max((e[0] for e in ends), key=float), min((e[1] for e in ends), key=float)
        return low, high if high > low else low
    return max((e[0] for e in ends), key=float), max((e[1] for e in ends), key=float)


def _tail(own: list[tuple[flint.arb, flint.arb, int]], power: int) -> flint.arb:
    """A bound of both tails.

    |He_n(u)| φ(u) ≤ √n! e^{−u²/4}/2 (Cramér), 1 − Φ(u) ≤ e^{−u²/2}, and |t|^{p−1} ≤ (|b| + s |u|)^{p−1}: beyond X = 22 standard
    deviations every tail is below (|b| + s X)^{p−1} s · 4^p Π √k_i! s_i^{−k_i} e^{−X²/4}, for p ≤ 20 and k ≤ 200.
    """
    total = flint.arb(0)
    for s, b, k in own:
        if k or not any(order for *_, order in own):
            total += (abs(b) + s * _REACH) ** (power - 1) * s * power
    for s, _, k in own:
        if k:
            total *= flint.arb.fac_ui(k).sqrt() / s**k
    bound: flint.arb = total * 4**power * (flint.arb(-(_REACH**2)) / 4).exp()
    return bound.upper()


def _density(u: flint.acb) -> flint.acb:
    return (-u * u / 2).exp() / (2 * flint.arb.pi()).sqrt()


def _hermite(k: int, u: flint.acb) -> flint.acb:
    low, high = flint.acb(1), u
    if k == 0:
        return low
    for j in range(1, k):
        low, high = high, u * high - j * low
    return high


def _fmpq(x: Fraction) -> flint.fmpq:
    return flint.fmpq(x.numerator, x.denominator)
