"""All Hermite coefficients of one function at once: ĉ_n = E[u(s x) He_n(x)]/√n!, n < N, as balls.

For u analytic in |Im x| ≤ b the trapezoid sum of step h misses the integral by at most 2M/(e^{2πb/h} − 1) (Trefethen and
Weideman 2014, theorem 5.1), M bounding ∫|u He_n φ|/√n! on the lines of the strip. There |φ| = e^{y²/2} φ(x) and
E|He_n(x + iy)|²/n! = L_n(−y²) ≤ e^{2|y|√n}, so that M ≤ e^{b²/2 + b√n} (E|u(s(x + ib))|²)^{1/2}. Beyond |x| = X the sum is
bounded by |He_n(x)| ≤ 1.09 √n! e^{x²/4} (Cramér). A single sign has a recursion instead.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import flint

from hermite.engines.constants import Unsupported
from hermite.exact.atoms import ball_power
from hermite.exact.effort import Memo, spend

if TYPE_CHECKING:
    from hermite.engines.univariate import Univariate

#: Working precision; sums are accurate to about 2^−80 of the root mean square.
BITS = 160
_TARGET_BITS = 84
#: Coefficients are computed in blocks.
_BLOCK = 96
#: Grid points reach |x| = X: e^{−X²/4} is then 2^−104.
_REACH = 17
_WHY = "a product of functions along directions that are not orthogonal"


def normalised_coefficients(u: Univariate, count: int) -> Sequence[flint.arb]:
    """ĉ_0..ĉ_{count−1} at least; raises :class:`Unsupported` for functions with neither a strip nor a recursion.

    Those of t u(t) come from those of u: x He_n = He_{n+1} + n He_{n−1}.
    """
    values: Sequence[flint.arb] = _coefficients(
        replace(u, power=0), _BLOCK * math.ceil((count + u.power + 8) / _BLOCK)
    )
    with flint.ctx.workprec(BITS):
        s = u.s.ball(BITS)
        roots = [flint.arb(n).sqrt() for n in range(len(values) if u.power else 0)]
        for _ in range(u.power):
            values = [
                s * (roots[n + 1] * values[n + 1] + (roots[n] * values[n - 1] if n else 0))
                for n in range(len(values) - 1)
            ]
    return values


_KEPT: Memo[tuple[flint.arb, ...]] = Memo(128)


def _coefficients(u: Univariate, count: int) -> tuple[flint.arb, ...]:
    return _KEPT.get(("coefficients", u, count), lambda: _computed(u, count))


def _computed(u: Univariate, count: int) -> tuple[flint.arb, ...]:
    # Balls in the recursion of He_n widen by up to e^{2|x|√n} at |x| = X.
    bits = BITS + math.ceil(2 * _REACH * math.sqrt(count) / math.log(2))
    with flint.ctx.workprec(bits):
        values = _one_sign(u, count) if u.thresholds else _trapezoid(u, count)
    with flint.ctx.workprec(BITS):
        return tuple(+value for value in values)


def root_mean_square(u: Univariate) -> flint.arb:
    """An upper bound of (E u²)^{1/2} as a ball."""
    with flint.ctx.workprec(BITS):
        return flint.arb(_bound(u, 0.0))


def _one_sign(u: Univariate, count: int) -> list[flint.arb]:
    """sign(t + θ): E[sign(x − x0) He_n] = 2 φ(x0) He_{n−1}(x0)."""
    plain = not u.factors and u.tilt.is_zero() is True and u.quadratic.is_zero() is True
    if not plain or len(u.thresholds) > 1:
        raise Unsupported(f"{_WHY}, one of them with kinks of its own")
    bits = int(flint.ctx.prec)
    x0 = -u.thresholds[0].ball(bits) / u.s.ball(bits)
    front = 2 * (-x0 * x0 / 2).exp() / (2 * flint.arb.pi()).sqrt()
    values = [-(x0 / flint.arb(2).sqrt()).erf()]
    # ĥ_n = He_n/√n!: ĥ_{n+1} = (x ĥ_n − √n ĥ_{n−1})/√(n + 1).
    low, high = flint.arb(0), flint.arb(1)
    for n in range(count - 1):
        root = flint.arb(n + 1).sqrt()
        values.append(front * high / root)
        low, high = high, (x0 * high - flint.arb(n).sqrt() * low) / root
    return values


def _trapezoid(u: Univariate, count: int) -> list[flint.arb]:
    b = _strip(u)
    try:
        top = _bound(u, b) * math.exp(b * b / 2 + b * math.sqrt(count))
    except OverflowError:
        raise Unsupported(f"{_WHY}, one of them too steep") from None
    step = 2 * math.pi * b / (_TARGET_BITS * math.log(2) + math.log(top) + 1)
    h = flint.arb(flint.fmpq(1, math.ceil(1 / step)))
    decay = math.exp(-2 * math.pi * b / float(h.upper()))
    error = (1 + 1e-9) * 2 * top * decay / (1 - decay) + _beyond(u)
    s, points = u.s.ball(flint.ctx.prec), math.ceil(_REACH / float(h.lower()))
    # An inner step is four operations on balls of that many bits.
    spend((2 * points + 1) * count * (1024 + int(flint.ctx.prec)) // 2048)
    totals = [flint.arb(0)] * count
    roots = [flint.arb(n).sqrt() for n in range(count + 1)]
    value_of = _evaluated(u)
    for k in range(-points, points + 1):
        x = h * k
        value = value_of(s * x) * (-x * x / 2).exp()
        low, high = flint.arb(0), value
        for n in range(count):
            totals[n] += high
            low, high = high, (x * high - roots[n] * low) / roots[n + 1]
    front = h / (2 * flint.arb.pi()).sqrt()
    return [total * front + flint.arb(0, error) for total in totals]


def _evaluated(u: Univariate) -> Callable[[flint.arb], flint.arb]:
    bits = int(flint.ctx.prec)
    factors = [(name, c.ball(bits), e.ball(bits), k) for name, c, e, k in u.factors]
    tilt, quadratic = u.tilt.ball(bits), u.quadratic.ball(bits)

    def value(t: flint.arb) -> flint.arb:
        out = ball_power(t, u.power) * (tilt * t + quadratic * t * t).exp()
        for name, c, e, k in factors:
            w = c * t + e
            out *= ball_power((2 * (w / 2).cosh()).log() if name == "logcosh" else getattr(w, name)(), k)
        return out

    return value


def _strip(u: Univariate) -> float:
    """Half the width b of a strip in x: |Im| of the arguments of tanh below 0.8·π/2, of log 2cosh below 0.8·π."""
    if any(name not in ("tanh", "erf", "sin", "cos", "logcosh") for name, *_ in u.factors):
        raise Unsupported(f"{_WHY}, one of them composite")
    if not u.quadratic.is_zero() and u.quadratic.sign() != -1:
        raise Unsupported(_WHY)
    s, b = math.sqrt(u.variance), 2.0
    if not u.quadratic.is_zero():
        # |e^{q t²}| grows to e^{|q| s² b²} across the strip.
        b = min(b, 2 / (s * math.sqrt(-float(u.quadratic))))
    for name, c, _, _ in u.factors:
        limit = {"tanh": 0.8 * math.pi / 2, "logcosh": 0.8 * math.pi}.get(name, 1.5)
        b = min(b, limit / (abs(float(c)) * s * (1 + 1e-9)))
    return b


def _bound(u: Univariate, b: float) -> float:
    """An upper bound of (E|u(s(x + iy))|²)^{1/2} for |y| ≤ b.

    |u| ≤ C (1 + |x|)^d e^{α|x|}, and E (1 + |x|)^{2d} e^{2α|x|} ≤ (E (1 + |x|)^{4d} · 2 e^{8α²})^{1/2}.
    """
    constant, degree, rate = _growth(u, b)
    moment = 1.0 if not degree else 2.0 ** (4 * degree - 1) * (1 + _odd_product(4 * degree))
    return float(constant * (2 * moment) ** 0.25 * math.exp(2 * rate * rate) * (1 + 1e-9))


def _growth(u: Univariate, b: float) -> tuple[float, int, float]:
    """(C, d, α) with |u(s(x + iy))| ≤ C (1 + |x|)^d e^{α|x|} for |y| ≤ b."""
    s = math.sqrt(u.variance) * (1 + 1e-9)
    constant = (s * max(1.0, b)) ** u.power * math.exp(max(0.0, -float(u.quadratic)) * (s * b) ** 2)
    degree = u.power
    for name, c, e, k in u.factors:
        v = abs(float(c)) * s * b
        if name == "tanh":
            size = max(1.0, math.tan(v))
        elif name == "erf":
            size = 1 + 2 / math.sqrt(math.pi) * v * math.exp(v * v)
        elif name == "logcosh":
            slope = abs(float(c)) * s
            size = max(
                slope / 2, abs(float(e)) / 2 + math.log(2) + abs(math.log(2 * math.cos(v / 2))) + math.pi / 2
            )
            degree += k
        else:
            size = math.cosh(v)
        constant *= size**k
    return constant * (1 + 1e-9), degree, abs(float(u.tilt)) * s


def _odd_product(n: int) -> float:
    """(n − 1)!! = E x^n for even n."""
    return float(math.prod(range(1, n, 2)))


def _beyond(u: Univariate) -> float:
    """A bound of what grid points beyond X add: the terms fall by more than e^{−4} a unit of x."""
    constant, degree, rate = _growth(u, 0.0)
    x = float(_REACH)
    if x / 2 - rate - degree / (1 + x) < 4:
        raise Unsupported(_WHY)
    exponent = -x * x / 4 + rate * x + degree * math.log1p(x)
    return 2 * 1.09 * constant * math.exp(exponent)
