"""Labels 1{Y > c}: certified Hermite coefficients of the level sets of a target, by Arb.

{f > c} is enclosed by cutting [−R, R]^r into boxes until ball arithmetic tells on which side of c each lies; for r = 1 this
isolates the roots of f = c. With ∫_a^b He_k φ = He_{k−1}(a) φ(a) − He_{k−1}(b) φ(b), the boxes inside give
E[1{Y > c} He_α(z)]; those that stay undecided and the tail add at most their mass times sup |He_α| to its radius. Nothing
but values of f over boxes is asked for: kinks, jumps and heavy tails are no obstacle.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise, product
from math import erf, factorial, prod, sqrt
from random import Random
from typing import TYPE_CHECKING, Any

import flint

from hermite.exact.effort import spend
from hermite.exact.subspaces import Span
from hermite.indices.closure import conditional_rows
from hermite.indices.heat import Heat
from hermite.language.enclosure import enclosure, hermite_value
from hermite.language.nodes import operations

if TYPE_CHECKING:
    from hermite.target import Target

#: Most directions; boxes and orders looked at, and the undecided mass at which cutting stops, by their number.
MAX_DIRECTIONS = 3
_BOXES = {1: 3_000, 2: 8_000, 3: 40_000}
_ORDERS = {1: 6, 2: 4, 3: 3}
_MASS = {1: 1e-8, 2: 2e-3, 3: 2e-2}
#: Labels between 2^−this and 2^this are taken in their own unit.
_ORDINARY = 10
#: Powers of 2 in a value beyond which no threshold is looked for.
_FARTHEST = 100_000
#: Quantiles of the label that serve as thresholds, in turn.
_QUANTILES = (0.5, 0.8, 0.25, 0.95, 0.05)
_RADIUS = 8.0

Box = tuple[tuple[float, float], ...]


def threshold_heats(f: Target, effort: int = 1) -> Iterator[Heat]:
    """h of the labels 1{f > c}, truncated, its coefficients balls; those that a flip z_i → −z_i proves zero are left out.

    ``effort`` multiplies the number of boxes.
    """
    from hermite.symmetry.symmetries import symmetries

    assert f.tree is not None
    if f.gram is not None or f.r > MAX_DIRECTIONS:
        return
    group = symmetries(f)
    even = [group.flips(i) for i in range(f.r)]
    order = _ORDERS[f.r]
    orders = [
        alpha
        for alpha in product(range(order + 1), repeat=f.r)
        if sum(alpha) <= order and not any(a % 2 for a, flip in zip(alpha, even, strict=True) if flip)
    ]
    for c in thresholds(f):
        moments = level_set_moments(f, c, orders, effort)
        terms = {alpha: x / prod(factorial(a) for a in alpha) for alpha, x in moments.items()}
        yield Heat(f.r, terms, order, truncated=True)


def thresholds(f: Target) -> list[Fraction]:
    """Values between those that the label takes near its quantiles: never an atom that was seen."""
    assert f.tree is not None
    value, rng = enclosure(f.tree), Random(0)
    points = ([flint.arb(rng.gauss(0, 1)) for _ in range(f.r)] for _ in range(200))
    balls = [y.mid() for y in (value(z) for z in points) if y.is_finite()]
    parts = [tuple(map(int, y.man_exp())) for y in balls]
    if any(abs(k) > _FARTHEST for _, k in parts):
        return []
    seen = sorted({Fraction(m) * Fraction(2) ** k for m, k in parts})
    size = max(map(abs, seen), default=Fraction(0))
    if not size:
        return []
    # Labels of any size, also beyond the floats, have the thresholds of labels of ordinary size.
    power = size.numerator.bit_length() - size.denominator.bit_length()
    ordinary = Fraction(1, 2**_ORDINARY) < size < 2**_ORDINARY
    unit = Fraction(1) if ordinary else Fraction(2) ** (power - 1)
    scaled = [float(x / unit) for x in seen]
    gaps = [(x, y) for x, y in pairwise(scaled) if y - x > 1e-9 * (1 + abs(x) + abs(y))]
    if not gaps:
        return []
    middle = [gaps[min(int(q * len(gaps)), len(gaps) - 1)] for q in _QUANTILES]
    return list(dict.fromkeys(unit * Fraction((x + y) / 2).limit_denominator(1 << 20) for x, y in middle))


def level_set_moments(
    f: Target, c: Fraction, orders: Sequence[tuple[int, ...]], effort: int = 1
) -> dict[tuple[int, ...], Any]:
    """{α: a ball around E[1{f(z) > c} He_α(z)]}."""
    inside, unknown = level_set(f, c, effort)
    spend(2 * len(orders) * (len(inside) + len(unknown)))
    total = {alpha: flint.arb(0) for alpha in orders}
    spread = {alpha: _tail(alpha) for alpha in orders}
    for box in inside:
        for alpha in orders:
            total[alpha] += prod(
                (_integral(a, *side) for a, side in zip(alpha, box, strict=True)), start=flint.arb(1)
            )
    for box in unknown:
        for alpha in orders:
            spread[alpha] += prod(
                (_size(a, *side) for a, side in zip(alpha, box, strict=True)), start=flint.arb(1)
            )
    return {alpha: total[alpha] + spread[alpha] * flint.arb(0, 1) for alpha in orders}


def level_set(f: Target, c: Fraction, effort: int = 1) -> tuple[list[Box], list[Box]]:
    """Boxes on which f > c is proved, and boxes on which nothing is; on the rest of [−R, R]^r f < c is proved."""
    assert f.tree is not None
    value, level = enclosure(f.tree), flint.arb(flint.fmpq(c.numerator, c.denominator))
    inside: list[Box] = []
    cost = 2 * operations(f.tree) + 6
    start: Box = ((-_RADIUS, _RADIUS),) * f.r
    # Heaviest first, so that the undecided mass falls as fast as it can; ties by the order of arrival.
    heap: list[tuple[float, int, Box]] = [(-1.0, 0, start)]
    mass, used = 1.0, 0
    while heap and mass > _MASS[f.r] / effort and used < _BOXES[f.r] * effort:
        weight, _, box = heapq.heappop(heap)
        mass += weight
        for half in _halves(box):
            used += 1
            spend(cost)
            y = value([flint.arb((a + b) / 2, (b - a) / 2) for a, b in half])
            if y > level:
                inside.append(half)
            elif not y < level:
                own = prod((erf(b / sqrt(2)) - erf(a / sqrt(2))) / 2 for a, b in half)
                heapq.heappush(heap, (-own, used, half))
                mass += own
    return inside, [box for _, _, box in heap]


def _halves(box: Box) -> tuple[Box, Box]:
    """The two halves along the longest side; the ends stay dyadic, hence exact."""
    i = max(range(len(box)), key=lambda j: box[j][1] - box[j][0])
    a, b = box[i]
    middle = (a + b) / 2
    return (*box[:i], (a, middle), *box[i + 1 :]), (*box[:i], (middle, b), *box[i + 1 :])


@lru_cache(maxsize=1 << 16)
def _integral(k: int, a: float, b: float) -> flint.arb:
    """∫_a^b He_k φ."""
    low, high = flint.arb(a), flint.arb(b)
    if k == 0:
        root = flint.arb(2).sqrt()
        return ((high / root).erf() - (low / root).erf()) / 2
    return _edge(k, low) - _edge(k, high)


def _edge(k: int, x: flint.arb) -> flint.arb:
    return hermite_value(k - 1, x) * (-x * x / 2).exp() / (2 * flint.arb.pi()).sqrt()


@lru_cache(maxsize=1 << 16)
def _size(k: int, a: float, b: float) -> flint.arb:
    """An upper bound of ∫_a^b |He_k| φ."""
    return abs(hermite_value(k, flint.arb((a + b) / 2, (b - a) / 2))).upper() * _integral(0, a, b)


def _tail(alpha: tuple[int, ...]) -> flint.arb:
    """A bound of E[|He_α|; some |z_i| > R] ≤ √(α! P(some |z_i| > R)), by Cauchy and Schwarz."""
    outside = len(alpha) * (flint.arb(_RADIUS) / flint.arb(2).sqrt()).erfc()
    return (flint.arb(prod(factorial(a) for a in alpha)) * outside).sqrt()


def certified_step(heats: Sequence[Heat], learned: Span, level: int, within: Span) -> Span:
    """U + what the orders 1..``level`` of labels with ball coefficients are certified to add to it.

    ``within``: a space that contains whatever may be added. All of it is added where that many rows are independent; else
    those axes along which some row certainly lies. A space with irrational coordinates is left as it is.
    """
    known, whole = learned.over_rationals(), within.over_rationals()
    if known is None or whole is None:
        return learned
    learned, normals = known, known.complement().intersection(whole + known)
    rows = [
        [sum((x * y for x, y in zip(row, n, strict=True)), start=flint.arb(0)) for n in normals.rows]
        for heat in heats
        for k in range(1, min(level, heat.order) + 1)
        for row in conditional_rows(heat, learned, k)
    ]
    if certified_rank(rows) == normals.dim:
        return learned + normals
    grown = learned.copy()
    if normals.is_coordinate():
        for row in rows:
            places = [i for i, x in enumerate(row) if not (x.is_exact() and x == 0)]
            if len(places) == 1 and not row[places[0]].contains(0):
                grown.add(normals.rows[places[0]])
    return grown


def certified_rank(rows: list[list[flint.arb]]) -> int:
    """A lower bound of the rank of a matrix of balls: elimination with the pivot that is farthest from 0."""
    rank = 0
    while rows:
        size, i, j = max(
            ((x.abs_lower(), i, j) for i, row in enumerate(rows) for j, x in enumerate(row)),
            default=(flint.arb(0), 0, 0),
            key=lambda item: float(item[0]),
        )
        if not size > 0:
            return rank
        rank += 1
        own = rows[i]
        rows = [
            [x - row[j] / own[j] * y for k, (x, y) in enumerate(zip(row, own, strict=True)) if k != j]
            for m, row in enumerate(rows)
            if m != i
        ]
    return rank
