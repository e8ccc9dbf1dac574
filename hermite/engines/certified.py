"""Certified integrals: E[u(t) He_n(t/s)] as a ball, by acb.integral on analytic pieces and a proved tail bound.

Beyond |x| = X every factor is bounded (tanh, erf, sin, cos, sign by 1; a composite one by its own bound; log 2cosh(w/2) by
|w| + 1; |He_n(x)| by I_n (1 + |x|)^n with I_n the sum of its coefficients' moduli), so that the integrand is below
C (1 + x)^N e^{Ax − κx²}. Once N/(1 + x) + A ≤ κ x holds at X, the exponent N log(1 + x) + Ax − κx²/2 decreases and the tail
is at most C e^{N log(1+X) + AX − κX²} / (κ X).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cmp_to_key
from itertools import pairwise
from typing import TYPE_CHECKING

import flint

from hermite.engines.composite import bound, complex_value, is_composite
from hermite.engines.constants import Unsupported
from hermite.engines.hermite_rows import hermite_row
from hermite.engines.integration import integrated
from hermite.exact.atoms import Atom
from hermite.exact.effort import Memo, spend
from hermite.exact.scalars import Scalar
from hermite.exact.telling import shortened

if TYPE_CHECKING:
    import sympy

    from hermite.engines.univariate import Univariate

#: Working precision: one integral serves the lowest precisions, and thousands of bits would take minutes. Functions of a
#: composite argument oscillate fast where the Gaussian weight is small: they get one precision only.
LEAST_BITS, MAX_BITS, COMPOSITE_BITS = 128, 512, 64
#: Most values of one integrand, and the cost of one in units of :mod:`hermite.exact.effort`, by its factors (composite
#: ones: by the length of their text; what needs more of them is a patch, :mod:`hermite.engines.patches`).
_MOST, _MOST_COMPOSITE = 25_000, 10_000
_COSTS = {"tanh": 4, "logcosh": 6, "erf": 8, "sin": 3, "cos": 3}
#: A radius over √n!, the root mean square of He_n, that says nothing of a coefficient.
_WORST = 1e-3
#: Relative accuracy below which a ball is no float.
_FLOAT_BITS = 53
#: Standard deviations beyond which no tail bound is looked for.
_FARTHEST = 100_000


def integral(u: Univariate, n: int) -> Scalar:
    """E[u(t) He_n(t/s)] as an opaque constant that knows its ball; one constant for u and its mirror image."""
    mirror, sign = u.mirrored()
    if describe(mirror, n) < describe(u, n):
        sign = -sign if n % 2 else sign
        return integral(mirror, n) * sign
    name = describe(u, n)

    def symbol() -> sympy.Expr:
        import sympy

        # As many digits as the ball is sure of.
        return sympy.Float(enclosure(u, n, _bits(u, 256)).str(50, radius=False))

    return Scalar.atom(Atom(name, lambda: _sharp_enough(u, n, int(flint.ctx.prec)), symbol))


def _sharp_enough(u: Univariate, n: int, wanted: int) -> flint.arb:
    """The ball at the precision that is wanted; of a composite function a sharper one where its values are tiny."""
    bits = _bits(u, wanted)
    ball = enclosure(u, n, bits)
    if bits == COMPOSITE_BITS and wanted > LEAST_BITS and ball.rel_accuracy_bits() < _FLOAT_BITS:
        try:
            return enclosure(u, n, LEAST_BITS)
        except Unsupported:
            return ball
    return ball


def _bits(u: Univariate, wanted: int) -> int:
    if any(is_composite(factor[0]) for factor in u.factors):
        return COMPOSITE_BITS
    return min(max(wanted, LEAST_BITS), MAX_BITS)


def enclosure(u: Univariate, n: int, bits: int) -> flint.arb:
    """A ball around E[u(t) He_n(t/s)] at ``bits`` bits; raises :class:`Unsupported` where it would say nothing."""
    value = _BALLS.get(("integral", u, n, bits), lambda: _tried(u, n, bits))
    if isinstance(value, Unsupported):
        raise value
    if not value.is_finite() or value.rad() > _WORST * flint.arb.fac_ui(n).sqrt():
        raise Unsupported(f"the integral {shortened(describe(u, n))} could not be enclosed")
    return value


#: Integrals that are known, and what is known to be out of reach.
_BALLS: Memo[flint.arb | Unsupported] = Memo(4096)


def _tried(u: Univariate, n: int, bits: int) -> flint.arb | Unsupported:
    try:
        return _ball(u, n, bits)
    except (ArithmeticError, ValueError) as why:
        # Numbers too large for the floats of the tail bound, or more evaluations than are allowed.
        return Unsupported(f"the integral {shortened(describe(u, n))} could not be enclosed ({why})")


def _ball(u: Univariate, n: int, bits: int) -> flint.arb:
    """The ball, its evaluations counted."""
    cost = 4 + sum(_COSTS.get(name, 0) or len(name) * 2 // 3 for name, *_ in u.factors)
    most = _MOST_COMPOSITE if any(is_composite(name) for name, *_ in u.factors) else _MOST
    with flint.ctx.workprec(bits + 32):
        s = u.s.ball(bits + 32)
        cut, tail = _tail(u, n, bits)
        points = [flint.arb(-cut), flint.arb(0), flint.arb(cut)]
        points += [-theta.ball(bits + 32) / s for theta in u.thresholds]
        # Where u He_n is even: twice its right half.
        even = u.parity == ("odd" if n % 2 else "even")
        halved = even and all(point == 0 or not point.contains(0) for point in points)
        if halved:
            points = [point for point in points if point >= 0]
        points.sort(key=cmp_to_key(_order))
        total, count = flint.acb(0), 0
        for left, right in pairwise(points):
            f = _integrand(u, n, s, (left + right) / 2)
            value, more = integrated(f, left, right, most - count, lambda: spend(cost))
            total, count = total + value, count + more
        return (1 + halved) * total.real / (2 * flint.arb.pi()).sqrt() + flint.arb(0, tail)


def _order(a: flint.arb, b: flint.arb) -> int:
    """Order of two balls; those that overlap may stand either way."""
    return int(bool(a > b)) - int(bool(a < b))


def _integrand(
    u: Univariate, n: int, s: flint.arb, middle: flint.arb
) -> Callable[[flint.acb, bool], flint.acb]:
    """x ↦ u(s x) He_n(x) e^{−x²/2} on a piece on which every sign is constant."""
    bits = int(flint.ctx.prec)
    sign = flint.arb(1)
    for theta in u.thresholds:
        place = s * middle + theta.ball(bits)
        # A piece too short to tell on which side of a breakpoint it lies has either sign.
        sign *= flint.arb(0, 1) if place.contains(0) else place.sgn()
    factors = [(name, c.ball(bits), e.ball(bits), k) for name, c, e, k in u.factors]
    tilt, quadratic = u.tilt.ball(bits), u.quadratic.ball(bits)
    row = hermite_row(n)

    def integrand(x: flint.acb, analytic: bool) -> flint.acb:
        t = x * s
        value = flint.acb(sign) * (-x * x / 2 + tilt * t + quadratic * t * t).exp()
        if u.power:
            value *= t**u.power
        poly = flint.acb(0)
        for coefficient in reversed(row):
            poly = poly * x + coefficient
        value *= poly
        for name, c, e, k in factors:
            w = c * t + e
            if name == "logcosh":
                part = (2 * (w / 2).cosh()).log(analytic=analytic)
            elif is_composite(name):
                part = complex_value(name, w, analytic)
            else:
                part = getattr(w, name)()
            value *= part**k
        return value

    return integrand


def _tail(u: Univariate, n: int, bits: int) -> tuple[int, float]:
    """(X, bound of both tails beyond |x| = X), the bound below 2^−(bits + 16)."""
    s = math.sqrt(u.variance) * (1 + 1e-9)
    kappa = 0.5 - float(u.quadratic) * float(u.variance) - 1e-9
    if kappa <= 0:
        raise Unsupported("an expectation is not proved finite")
    rate = abs(float(u.tilt)) * s + 1e-9
    log_constant = math.log(sum(abs(c) for c in hermite_row(n))) + u.power * math.log(max(s, 1.0)) + 1.0
    degree = n + u.power
    for name, c, e, k in u.factors:
        if name == "logcosh":
            log_constant += k * math.log(abs(float(c)) * s + abs(float(e)) + 1.0)
            degree += k
        elif is_composite(name):
            log_constant += k * math.log(bound(name) or math.inf)
    if not math.isfinite(log_constant):
        raise Unsupported("a factor has no bound in floating point")
    for cut in range(12, _FARTHEST, 4):
        exponent = log_constant + degree * math.log1p(cut) + rate * cut - kappa * cut * cut
        if degree / (1 + cut) + rate <= kappa * cut and exponent < -(bits + 20) * math.log(2):
            return cut, 2.0 ** -(bits + 16) if bits + 16 < 1070 else 5e-324
    raise Unsupported("an expectation has its weight too far out")


def describe(u: Univariate, n: int) -> str:
    """The name under which E[u He_n] is known: equal names are equal constants."""
    parts: list[str] = [f"t^{u.power}"] if u.power else []
    parts += [f"sign(t + {theta})" for theta in u.thresholds]
    parts += [f"{name}({c}*t + {e})^{k}" for name, c, e, k in u.factors]
    if u.tilt.is_zero() is not True or u.quadratic.is_zero() is not True:
        parts.append(f"exp({u.tilt}*t + {u.quadratic}*t^2)")
    return f"E[{' '.join(parts)} He{n}; var {u.variance}]"
