r"""Products of smooth functions along any directions of a plane: certified sums over a lattice.

With u standard normal in the plane and x = ⟨p, u⟩, y = ⟨q, u⟩ along two unit vectors, F(x, y) = Π_j g_j(κ_j⟨n_j, u⟩ + e_j)
P(u) φ(u) is analytic in |Im x| ≤ α, |Im y| ≤ β where tanh stays below its pole: κ_j(|a_j| α + |b_j| β) < π/2,
n_j = a_j p* + b_j q*. By Poisson's formula the lattice sum of steps h_x, h_y misses the integral by at most

    N [(1 + 2a)(1 + 2b) − 1],   a = 1/(e^{2πα/h_x} − 1),   b = 1/(e^{2πβ/h_y} − 1),

N a bound of ∫|F| on the shifted planes: with τ the largest shift of u, N ≤ Π_j sup|g_j| e^{τ²/2} (E|P_1|² E|P_2|²)^{1/2} there,
E|He_k(x + iτ)|² = k! L_k(−τ²) ≤ k! e^{2τ√k}. Nodes beyond |u| = R are left out, by |He_k(x)| ≤ 1.09 √k! e^{x²/4} (Cramér). The
axes p, q are the directions that make the fewest nodes: functions along them are tabulated, also where they are nearly
parallel.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from itertools import combinations, product
from typing import Any

import flint

from hermite.engines.cones import covariance, raised
from hermite.engines.constants import Unsupported
from hermite.engines.forms import Vector
from hermite.engines.univariate import Factor
from hermite.exact.atoms import Atom, ball_power
from hermite.exact.effort import Memo, spend
from hermite.exact.scalars import Scalar

#: Heights of the strips of functions with poles at iπ/2, and of entire ones, whose bounds grow with them.
_STRIPS = {"tanh": 1.3, "erf": 1.5, "sin": 4.0, "cos": 4.0}
#: Sums are accurate to about 2^−this; working precision; orders that are found together.
_TARGET_BITS, _BITS, _BLOCK = 54, 192, 12
#: Most nodes, and places of the box that holds them; ratios of the strips that are tried.
_MOST, _BOX, _RATIOS = 250_000, 2_000_000, 61


@dataclass(frozen=True)
class Sheet:
    """Π_i t_i^{p_i} Π_j g_j(scale ⟨d_j, t⟩ + offset)^{k}, t_i = ⟨a_i, u⟩ ~ N(0, variances_i) independent, two of them.

    ``factors``: (d_j, (name, scale, offset, k)) with tanh, erf, sin or cos.
    """

    axes: tuple[Vector, ...]
    powers: tuple[int, ...]
    factors: tuple[tuple[Vector, Factor], ...]
    variances: tuple[Fraction, ...]

    def coefficient(self, index: tuple[int, ...]) -> Scalar:
        """E[f He_k(t_1/s_1) He_m(t_2/s_2)], (k, m) = ``index``; one constant for all that reflections and exchanges of the
        axes make of it, and zero where it is its own negative.
        """
        found: dict[tuple[str, tuple[int, ...]], tuple[Sheet, int]] = {}
        for image, exchanged, flips, sign in self._images:
            turned = index[::-1] if exchanged else index
            own = sign * math.prod(f**k for f, k in zip(flips, index, strict=True))
            key = (image._text, turned)
            if found.setdefault(key, (image, own))[1] != own:
                return Scalar.of(0)
        (_, place), (image, sign) = min(found.items(), key=lambda item: item[0])

        def symbol() -> Any:
            import sympy

            return sympy.Float(image.value(place).str(16, radius=False))

        name = f"E[{image._text} He{place[0]} He{place[1]}]"
        return Scalar.atom(Atom(name, lambda: image.value(place), symbol)) * sign

    @cached_property
    def _images(self) -> list[tuple[Sheet, bool, tuple[int, int], int]]:
        """(image, whether the axes are exchanged, signs of t, σ) with f(t) = σ image(t'), t' the reflected t."""
        out = []
        exchanges = (False, True) if self.variances[0] == self.variances[1] else (False,)
        for exchanged, first, second in product(exchanges, (1, -1), (1, -1)):
            sign, factors = first ** self.powers[0] * second ** self.powers[1], []
            for d, (name, c, e, k) in self.factors:
                turned: Vector = (first * d[0], second * d[1])
                turned = turned[::-1] if exchanged else turned
                if next(x for x in turned if x) < 0:
                    turned, e = tuple(-x for x in turned), -e
                    sign *= 1 if name == "cos" else (-1) ** k
                factors.append((turned, (name, c, e, k)))
            step = -1 if exchanged else 1
            image = Sheet(self.axes, self.powers[::step], tuple(sorted(factors, key=str)), self.variances)
            out.append((image, exchanged, (first, second), sign))
        return out

    @cached_property
    def _text(self) -> str:
        parts = [f"t{i + 1}^{p}" for i, p in enumerate(self.powers) if p]
        for d, (name, c, e, k) in self.factors:
            parts.append(f"{name}({c}*({d[0]}*t1 + {d[1]}*t2) + {e})^{k}")
        return f"{' '.join(parts)}; var {self.variances[0]}, {self.variances[1]};"

    def value(self, index: tuple[int, ...]) -> flint.arb:
        """The ball; raises :class:`Unsupported` where it would take too many nodes."""
        order = max(index) + max(self.powers)
        return _value(self, index, _BLOCK * math.ceil(max(order, 1) / _BLOCK))


@dataclass(frozen=True)
class _Lattice:
    """Directions ``p``, ``q`` of t that x and y follow, strips α, β, steps and the radius of the nodes."""

    p: Vector
    q: Vector
    #: u = S (x, y): the rows of S, about.
    shape: tuple[tuple[float, float], tuple[float, float]]
    strips: tuple[float, float]
    steps: tuple[float, float]
    radius: float

    @cached_property
    def box(self) -> tuple[int, int]:
        """Most steps along x and y."""
        return math.floor(self.radius / self.steps[0]), math.floor(self.radius / self.steps[1])


def _direction(d: Vector, variances: Sequence[Fraction]) -> tuple[float, float, float]:
    """(unit vector in the plane of u, standard deviation) of ⟨d, t⟩."""
    m = [float(x) * math.sqrt(v) for x, v in zip(d, variances, strict=True)]
    size = math.hypot(*m)
    return m[0] / size, m[1] / size, size


def _candidates(sheet: Sheet) -> Iterator[_Lattice]:
    one, none = Fraction(1), Fraction(0)
    axes = dict.fromkeys([d for d, _ in sheet.factors] + [(one, none), (none, one)])
    for p, q in combinations(axes, 2):
        (a, b, _), (c, d, _) = (_direction(v, sheet.variances) for v in (p, q))
        det = a * d - b * c
        shape = ((d / det, -b / det), (-c / det, a / det))
        lines = [_slopes(v, scale, sheet.variances, shape) for v, (_, scale, _, _) in sheet.factors]
        heights = [_STRIPS[name] for _, (name, _, _, _) in sheet.factors]
        for r in range(_RATIOS):
            ratio = 10 ** (4 * r / (_RATIOS - 1) - 2)
            widest = min(v / (x * ratio + y) for (x, y), v in zip(lines, heights, strict=True))
            for share in (1.0, 0.6, 0.35):
                beta = min(widest, 2.0, 2.0 / ratio) * share
                strips = (beta * ratio, beta)
                tau, growth = _shift(shape, *strips), _growths(sheet, lines, strips)
                exponent = _TARGET_BITS * math.log(2) + growth + tau * tau / 2 + tau * math.sqrt(_BLOCK) + 3
                x, y = (2 * math.pi * strip / exponent for strip in strips)
                near = sum(s * h for s, h in zip(_sizes(shape), (x, y), strict=True))
                yield _Lattice(
                    p, q, shape, strips, (x, y), 2 * math.sqrt(_TARGET_BITS * math.log(2) + 3) + near
                )


def _slopes(
    d: Vector, scale: Scalar, variances: Sequence[Fraction], shape: Sequence[tuple[float, float]]
) -> tuple[float, float]:
    """|a|, |b| of a factor's argument a x + b y + e."""
    first, second, size = _direction(d, variances)
    size *= abs(float(scale))
    a, b = (abs(first * shape[0][i] + second * shape[1][i]) * size for i in (0, 1))
    return a, b


def _growths(sheet: Sheet, lines: Sequence[tuple[float, float]], strips: tuple[float, float]) -> float:
    """log of a bound of the product of all factors on the strips."""
    return sum(
        k * _growth(name, a * strips[0] + b * strips[1])
        for (a, b), (_, (name, _, _, k)) in zip(lines, sheet.factors, strict=True)
    )


def _sizes(shape: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return math.hypot(shape[0][0], shape[1][0]), math.hypot(shape[0][1], shape[1][1])


def _shift(shape: Sequence[tuple[float, float]], alpha: float, beta: float) -> float:
    """The largest |S (±α, ±β)|."""
    return max(math.hypot(*(row[0] * alpha + sign * row[1] * beta for row in shape)) for sign in (1, -1))


def _growth(name: str, v: float) -> float:
    """log of a bound of |g(x + iv')| for |v'| ≤ v."""
    if name == "tanh":
        return max(0.0, math.log(math.tan(v)))
    if name == "erf":
        return math.log1p(2 * v / math.sqrt(math.pi) * math.exp(v * v))
    return v


@lru_cache(maxsize=64)
def _lattice(sheet: Sheet) -> _Lattice:
    """The lattice of fewest nodes; raises :class:`Unsupported` if these are too many."""

    best = min(_candidates(sheet), key=_nodes)
    if _nodes(best) > _MOST or math.prod(2 * n + 1 for n in best.box) > _BOX:
        raise Unsupported(
            "a product of functions along directions that are nearly parallel, or too steep for a lattice"
        )
    return best


def _nodes(x: _Lattice) -> float:
    """About how many nodes lie within the radius."""
    det = abs(x.shape[0][0] * x.shape[1][1] - x.shape[0][1] * x.shape[1][0])
    return math.pi * x.radius**2 * 1.0 / (x.steps[0] * x.steps[1] * det)


def _value(sheet: Sheet, index: tuple[int, ...], order: int) -> flint.arb:
    lattice = _lattice(sheet)
    with flint.ctx.workprec(_BITS):
        moments = _MOMENTS.get(("lattice", sheet, order), lambda: _moments(sheet, order))
        rows = _exact_shape(sheet, lattice)
        polynomials = [
            _composed(row, raised(p, k)) for row, p, k in zip(rows, sheet.powers, index, strict=True)
        ]
        total = flint.arb(0)
        for (a, b), c in _multiplied(*polynomials).items():
            total += c * moments[a, b]
        total += flint.arb(0, _error(sheet, lattice, index).upper())
        for v, p in zip(sheet.variances, sheet.powers, strict=True):
            total *= ball_power(_ball(v).sqrt(), p)
        return total


Row = tuple[flint.arb, flint.arb]


def _sizes_of(d: Vector, sheet: Sheet) -> tuple[flint.arb, flint.arb, flint.arb]:
    """The ball of :func:`_direction`."""
    m = [_ball(x) * _ball(v).sqrt() for x, v in zip(d, sheet.variances, strict=True)]
    size = (m[0] ** 2 + m[1] ** 2).sqrt()
    return m[0] / size, m[1] / size, size


def _ball(x: Fraction) -> flint.arb:
    return flint.arb(flint.fmpq(x.numerator, x.denominator))


def _exact_shape(sheet: Sheet, lattice: _Lattice) -> tuple[Row, Row]:
    """S in balls."""
    (a, b, _), (c, d, _) = (_sizes_of(v, sheet) for v in (lattice.p, lattice.q))
    det = a * d - b * c
    return (d / det, -b / det), (-c / det, a / det)


def _composed(row: Row, hermite: dict[int, int]) -> dict[tuple[int, int], flint.arb]:
    """Σ_m a_m He_m(s_1 x + s_2 y) as a polynomial in x, y."""
    powers: list[dict[tuple[int, int], flint.arb]] = [{(0, 0): flint.arb(1)}]
    line = {(1, 0): row[0], (0, 1): row[1]}
    for m in range(max(hermite)):
        new = _multiplied(powers[-1], line)
        for place, c in powers[-2].items() if m else ():
            new[place] = new.get(place, flint.arb(0)) - m * c
        powers.append(new)
    total: dict[tuple[int, int], flint.arb] = {}
    for m, a in hermite.items():
        for place, c in powers[m].items():
            total[place] = total.get(place, flint.arb(0)) + a * c
    return total


def _multiplied(
    f: dict[tuple[int, int], flint.arb], g: dict[tuple[int, int], flint.arb]
) -> dict[tuple[int, int], flint.arb]:
    out: dict[tuple[int, int], flint.arb] = {}
    for (a, b), x in f.items():
        for (c, d), y in g.items():
            out[a + c, b + d] = out.get((a + c, b + d), flint.arb(0)) + x * y
    return out


def _error(sheet: Sheet, lattice: _Lattice, index: tuple[int, ...]) -> flint.arb:
    """What the sum over the nodes misses of the integral (see the module)."""
    shape, strips = lattice.shape, lattice.strips
    tau = flint.arb(_shift(shape, *strips) * (1 + 1e-9))
    lines = [_slopes(v, scale, sheet.variances, shape) for v, (_, scale, _, _) in sheet.factors]
    norm = (tau * tau / 2 + _growths(sheet, lines, (1.000001 * strips[0], 1.000001 * strips[1]))).exp()
    cramer = flint.arb(1)
    for p, k in zip(sheet.powers, index, strict=True):
        row = raised(p, k)
        roots = {m: abs(a) * flint.arb.fac_ui(m).sqrt() for m, a in row.items()}
        norm *= sum((c * (tau * flint.arb(m).sqrt()).exp() for m, c in roots.items()), start=flint.arb(0))
        cramer *= flint.arb(1.09) * sum(roots.values(), start=flint.arb(0))
    missed = flint.arb(1)
    for strip, h in zip(strips, lattice.steps, strict=True):
        missed *= 1 + 2 / ((2 * flint.arb.pi() * strip / h).exp() - 1)
    near = sum(s * h for s, h in zip(_sizes(shape), lattice.steps, strict=True)) / 2 * (1 + 1e-9)
    edge = flint.arb(lattice.radius - 2 * near)
    outside = cramer * (2 + 1.8 * flint.arb(near)) * (-edge * edge / 4).exp()
    return norm * (missed - 1) + outside


#: Sums that are known.
_MOMENTS: Memo[Any] = Memo(16)


def _moments(sheet: Sheet, order: int) -> Any:
    """∫∫ x^a y^b Π g φ over the nodes, a, b ≤ 2·order, as a matrix of balls."""
    lattice = _lattice(sheet)
    spend(int(_nodes(lattice) * (2 + len(sheet.factors))))
    hx, hy = lattice.steps
    nx, ny = lattice.box
    rows = _exact_shape(sheet, lattice)
    # |u|² = A x² + 2 B x y + C y².
    A, C = (rows[0][i] ** 2 + rows[1][i] ** 2 for i in (0, 1))
    B = rows[0][0] * rows[0][1] + rows[1][0] * rows[1][1]
    xs, ys = ([flint.arb(h) * i for i in range(-n, n + 1)] for h, n in ((hx, nx), (hy, ny)))
    lines = _lines(sheet, lattice, rows)
    along = [_product(lines, 0, x) * (-A * x * x / 2).exp() for x in xs]
    across = [_product(lines, 1, y) * (-C * y * y / 2).exp() for y in ys]
    mixed = [(a, b, name, e, k) for a, b, name, e, k in lines if a is not None and b is not None]
    straight = covariance(lattice.p, lattice.q, sheet.variances) == 0
    square = lattice.radius**2
    a_, b_, c_ = (float(z) for z in (A, B, C))
    zero = flint.arb(0)
    table = []
    for i, x in enumerate(xs):
        row = [zero] * len(ys)
        # Nodes of this x within the radius.
        centre = -b_ * (i - nx) * hx / c_
        reach = square / c_ - (a_ / c_ - (b_ / c_) ** 2) * ((i - nx) * hx) ** 2
        half = math.sqrt(max(reach, 0.0)) * (1 + 1e-9)
        low, high = math.ceil((centre - half) / hy) + ny, math.floor((centre + half) / hy) + ny
        for j in range(max(low, 0), min(high, 2 * ny) + 1):
            y = ys[j]
            value = along[i] * across[j]
            if not straight:
                value *= (-B * x * y).exp()
            for first, second, name, e, k in mixed:
                value *= ball_power(getattr(first * x + second * y + e, name)(), k)
            row[j] = value
        table.append(row)
    top = 2 * order
    left = flint.arb_mat(_powers(xs, top)).transpose()
    right = flint.arb_mat(_powers(ys, top))
    det = abs(rows[0][0] * rows[1][1] - rows[0][1] * rows[1][0])
    return left * flint.arb_mat(table) * right * (flint.arb(hx) * hy * det / (2 * flint.arb.pi()))


Line = tuple[flint.arb | None, flint.arb | None, str, flint.arb, int]


def _lines(sheet: Sheet, lattice: _Lattice, rows: tuple[Row, Row]) -> list[Line]:
    """g(a x + b y + e)^k as (a, b, name, e, k); None for an a or b that is 0."""
    out: list[Line] = []
    for d, (name, scale, offset, k) in sheet.factors:
        first, second, size = _sizes_of(d, sheet)
        c, e = scale.ball(_BITS) * size, offset.ball(_BITS)
        a, b = (c * (first * rows[0][i] + second * rows[1][i]) for i in (0, 1))
        if d == lattice.p:
            out.append((c, None, name, e, k))
        elif d == lattice.q:
            out.append((None, c, name, e, k))
        else:
            out.append((a, b, name, e, k))
    return out


def _powers(xs: Sequence[flint.arb], top: int) -> list[list[flint.arb]]:
    """1, x, …, x^top of every x."""
    out = [[flint.arb(1)] for _ in xs]
    for own, x in zip(out, xs, strict=True):
        for _ in range(top):
            own.append(own[-1] * x)
    return out


def _product(lines: Sequence[Line], place: int, x: flint.arb) -> flint.arb:
    """The factors that depend on x (``place`` 0) or y (1) alone."""
    value = flint.arb(1)
    for first, second, name, e, k in lines:
        slope, other = (first, second) if place == 0 else (second, first)
        if slope is not None and other is None:
            value *= ball_power(getattr(slope * x + e, name)(), k)
    return value
