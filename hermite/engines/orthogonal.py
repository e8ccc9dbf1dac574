"""Products of ridge functions as products over orthogonal directions a_1, a_2, …, so that expectations factorise.

The basis holds the directions of the ridges and the axes of the quadratic exponent; the polynomial, the linear exponent
and waves along other directions, cos(x + y) = cos x cos y − sin x sin y, are rewritten in it. Signs along directions
that are not orthogonal share a plane (:mod:`hermite.engines.polar`) or a larger space (:mod:`hermite.engines.cones`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import comb

import flint

from hermite.engines.cones import Cone, covariance
from hermite.engines.constants import Unsupported, as_fraction
from hermite.engines.correlated_products import Bundle, bundle
from hermite.engines.forms import Form, Monomial, Ridge, Vector, primitive
from hermite.engines.mehler import Pair
from hermite.engines.polar import Plane
from hermite.engines.quadratic import Metric, inner, orthogonal_to, principal_axes
from hermite.engines.terms import Flat, Term
from hermite.engines.tilted import Gaussian, Tilted
from hermite.engines.univariate import ZERO, Factor, Univariate
from hermite.engines.waves import distributed
from hermite.exact.effort import Exhausted, spend
from hermite.exact.rows import rational
from hermite.exact.scalars import Scalar
from hermite.exact.undecided import Undecided

_NOT_ORTHOGONAL = "a product of functions along directions that are not orthogonal"
#: Units of work for every direction of a product.
_A_PRODUCT = 5
_WAVES = frozenset({"sin", "cos"})
#: An order at which Mehler's sums must be short enough.
_TRIED_ORDER = 12
#: Functions for which Mehler's sum takes long: panels are as good there.
_MANY = frozenset({"sin", "cos", "logcosh"})


def orthogonal_terms(
    form: Form, r: int, gram: Metric | None, frame: Sequence[Vector] = ()
) -> tuple[Term, ...]:
    """Every product of ``form`` as a product over orthogonal directions; like terms merged.

    Directions of ``frame`` come first where a direction is free to choose.
    """
    total: dict[tuple[_Numbered, tuple[Flat, ...]], Scalar] = {}
    # Fractions are slow to hash: directions go by number until the end.
    numbers: dict[Vector, int] = {}
    for key, c in form.items():
        for factors, planes, value in _product(key, r, gram, frame, numbers):
            place, value = (factors, planes), c * value
            known = total.get(place)
            total[place] = value if known is None else known + value
    vectors = list(numbers)
    # Equal functions share the table of their coefficients.
    kinds: dict[Univariate, Univariate] = {}
    return tuple(
        Term(c, tuple((vectors[v], kinds.setdefault(u, u)) for v, u in factors), planes)
        for (factors, planes), c in total.items()
        if c.is_zero() is not True
    )


#: Functions along directions, by the number of the direction.
_Numbered = tuple[tuple[int, Univariate], ...]


@dataclass(frozen=True)
class _Coordinates:
    """Orthogonal ``basis`` u_k of squared lengths ``variances``: ⟨v, z⟩ = Σ_k m_k t_k with t_k = ⟨u_k, z⟩."""

    basis: tuple[Vector, ...]
    variances: tuple[Fraction, ...]
    gram: Metric | None

    def of(self, v: Vector) -> list[Fraction]:
        """m_k of a direction."""
        return [inner(v, a, self.gram) / s for a, s in zip(self.basis, self.variances, strict=True)]

    def inside(self, directions: Sequence[Vector], axes: Sequence[Vector]) -> tuple[Vector, ...]:
        """The coordinates of ``directions`` on ``axes`` of the basis."""
        places = [self.basis.index(a) for a in axes]
        return tuple(tuple(m[k] for k in places) for m in map(self.of, directions))


def _product(
    key: Monomial, r: int, gram: Metric | None, frame: Sequence[Vector], numbers: dict[Vector, int]
) -> list[tuple[_Numbered, tuple[Flat, ...], Scalar]]:
    """A product over orthogonal directions; where its exp has other axes, under the Gaussian of this."""
    try:
        return list(_split(key, r, gram, frame, numbers))
    except Exhausted:
        raise
    except Undecided:
        if not (key.tilt or key.quadratic):
            raise
    gaussian = Gaussian(key.tilt, key.quadratic, r, None if gram is None else tuple(map(tuple, gram)))
    inside = orthogonal_terms(gaussian.moved(key.powers, key.ridges), r, gaussian.metric)
    directions = [g.direction for g, _ in key.ridges]
    for i in range(r):
        row = [Fraction(0)] * r
        for (k, j), c in key.quadratic:
            if i in (k, j):
                row[j if i == k else k] += as_fraction(c) * (2 if k == j else 1)
        directions += [primitive(tuple(row))[0]] if any(row) else []
    axes = tuple(_complete([], key, directions, r, gram))
    return [((), (Tilted(axes, tuple(inner(a, a, gram) for a in axes), gaussian, inside),), Scalar.of(1))]


def _split(
    key: Monomial, r: int, gram: Metric | None, frame: Sequence[Vector], numbers: dict[Vector, int]
) -> Iterator[tuple[_Numbered, tuple[Flat, ...], Scalar]]:
    """Products over orthogonal directions and planes, with their weights, whose sum is the product ``key``.

    ``numbers``: those of the directions; new ones are added.
    """
    hard = [(g, k) for g, k in key.ridges if g.name not in _WAVES]
    waves = [(g, k) for g, k in key.ridges if g.name in _WAVES]
    lines, pairs = _components(hard, gram)
    if waves and any(len(axes) < 4 and not _homogeneous(hard, inside) for axes, inside in pairs):
        # A wave is one more smooth function for the sums that these take: expanded it would be many.
        together = _components(key.ridges, gram)
        if all(len(axes) < 4 for axes, _ in together[1]):
            hard, waves, (lines, pairs) = list(key.ridges), [], together
    flat = [a for axes, _ in pairs for a in axes]
    quadratic = principal_axes(key.quadratic, lines + flat, r, gram)
    basis = tuple(_complete(list(quadratic), key, [*(g.direction for g, _ in waves), *frame], r, gram))
    at = _Coordinates(basis, tuple(inner(a, a, gram) for a in basis), gram)
    spend(2 * r * r * len(basis))
    mixing = [at.of(tuple(Fraction(int(i == j)) for j in range(r))) for i in range(r)]
    tilts = _tilts(key, mixing, len(basis))
    alone = _off_planes(hard, pairs)
    split_waves = distributed([(g, k, at.of(g.direction)) for g, k in waves])
    own = [(alone.get(a, ()), quadratic.get(a, ZERO)) for a in basis]
    spaces = [([basis.index(a) for a in axes], axes, at.inside(of, axes), of) for axes, of in pairs]
    lonely = [(k, numbers.setdefault(basis[k], len(numbers))) for k in _lonely(basis, flat)]
    made: dict[tuple[int, int, tuple[Factor, ...]], Univariate] = {}

    def along(k: int, power: int, wave: tuple[Factor, ...]) -> Univariate:
        place = (k, power, wave)
        if place not in made:
            ridges, square = own[k]
            made[place] = _univariate(power, ridges, wave, tilts[k], square, at.variances[k])
        return made[place]

    apart = [
        ([tuple(f for place, f in wave if place == k) for k in range(len(basis))], value)
        for wave, value in split_waves.items()
    ]
    for powers, weight in _mixed_powers(key.powers, mixing).items():
        for wave_of, wave_weight in apart:
            spend(_A_PRODUCT * len(basis))
            factors = [(number, along(k, powers[k], wave_of[k])) for k, number in lonely]
            planes = tuple(
                _flat(axes, inside, hard, directions, [along(k, powers[k], wave_of[k]) for k in places])
                for places, axes, inside, directions in spaces
            )
            yield tuple(item for item in factors if not item[1].is_one), planes, wave_weight * weight


def _lonely(basis: Sequence[Vector], flat: Sequence[Vector]) -> list[int]:
    """The places of the directions outside the planes, in the order of the directions."""
    return sorted((k for k, a in enumerate(basis) if a not in flat), key=lambda k: basis[k])


def _tilts(key: Monomial, mixing: Sequence[Sequence[Fraction]], count: int) -> list[Scalar]:
    """The exponent's linear part in the coordinates t."""
    tilts = [ZERO] * count
    for i, c in key.tilt:
        tilts = [t + c * m for t, m in zip(tilts, mixing[i], strict=True)]
    return tilts


def _off_planes(
    hard: Sequence[tuple[Ridge, int]], pairs: Sequence[tuple[tuple[Vector, ...], tuple[Vector, ...]]]
) -> dict[Vector, list[tuple[Ridge, int]]]:
    """By direction the ridges that share no plane with another."""
    in_planes = {v for _, directions in pairs for v in directions}
    found: dict[Vector, list[tuple[Ridge, int]]] = {}
    for g, k in hard:
        if g.direction not in in_planes:
            found.setdefault(g.direction, []).append((g, k))
    return found


def _univariate(
    power: int,
    ridges: Sequence[tuple[Ridge, int]],
    waves: Sequence[Factor],
    tilt: Scalar,
    quadratic: Scalar,
    variance: Fraction,
) -> Univariate:
    factors = [(g.name, g.scale, g.offset, p) for g, p in ridges if g.name != "sign"] + _powers(waves)
    signs = sorted((g.offset for g, _ in ridges if g.name == "sign"), key=str)
    return Univariate(power, tuple(signs), tuple(sorted(factors, key=str)), tilt, quadratic, variance)


def _flat(
    axes: tuple[Vector, ...],
    inside: tuple[Vector, ...],
    hard: Sequence[tuple[Ridge, int]],
    directions: Sequence[Vector],
    along: Sequence[Univariate],
) -> Flat:
    """What does not factorise over ``axes``: signs along ``directions`` (``inside`` the axes), or two functions.

    ``along``: powers, exponents and waves along each axis.
    """
    powers, variances = tuple(u.power for u in along), tuple(u.variance for u in along)
    ridges = [[item for item in hard if item[0].direction == v] for v in directions]
    if _homogeneous(hard, directions):
        if any(u != Univariate(u.power, (), (), ZERO, ZERO, u.variance) for u in along):
            raise Unsupported(_NOT_ORTHOGONAL)
        return (Plane if len(axes) == 2 else Cone)(axes, powers, inside, variances)
    if len(directions) == 2 and not any(g.name in _MANY for own in ridges for g, _ in own):
        try:
            return _pair(axes, inside, ridges, along)
        except Exhausted:
            raise
        except Undecided:
            pass
    return _bundle(axes, inside, ridges, along)


def _homogeneous(hard: Sequence[tuple[Ridge, int]], directions: Sequence[Vector]) -> bool:
    """Whether there are only signs without offsets along ``directions``."""
    return all(g.name == "sign" and g.offset.is_zero() is True for g, _ in hard if g.direction in directions)


def _bundle(
    axes: tuple[Vector, ...],
    inside: tuple[Vector, ...],
    ridges: Sequence[Sequence[tuple[Ridge, int]]],
    along: Sequence[Univariate],
) -> Bundle:
    """Functions along any lines of a plane or a space of three dimensions, and waves along its axes."""
    if any(u.tilt.is_zero() is not True or u.quadratic.is_zero() is not True for u in along):
        raise Unsupported(_NOT_ORTHOGONAL)
    variances = tuple(u.variance for u in along)
    lines = [
        (d, _univariate(0, own, (), ZERO, ZERO, covariance(d, d, variances)))
        for d, own in zip(inside, ridges, strict=True)
    ]
    for k, u in enumerate(along):
        unit = tuple(Fraction(int(i == k)) for i in range(len(axes)))
        if u.factors:
            lines.append((unit, Univariate(0, (), u.factors, ZERO, ZERO, u.variance)))
    return bundle(axes, lines, tuple(u.power for u in along), variances)


def _pair(
    axes: tuple[Vector, ...],
    inside: tuple[Vector, ...],
    ridges: Sequence[Sequence[tuple[Ridge, int]]],
    along: Sequence[Univariate],
) -> Pair:
    """Two functions, powers, waves and an exponent along the first of the axes."""
    powers, variances = tuple(u.power for u in along), tuple(u.variance for u in along)
    first, second = along
    if second.factors or second.quadratic.is_zero() is not True:
        raise Unsupported(_NOT_ORTHOGONAL)
    # t_2 = (y − m_1 t_1)/m_2 along the second direction.
    m, n = inside[1]
    variance = m * m * variances[0] + n * n * variances[1]
    waves = list(first.factors)
    p, q = powers
    parts = tuple(
        (
            comb(q, k) * (-m) ** (q - k) / n**q,
            _univariate(
                p + q - k, ridges[0], waves, first.tilt - second.tilt * (m / n), first.quadratic, variances[0]
            ),
            _univariate(k, ridges[1], (), second.tilt * (1 / n), ZERO, variance),
        )
        for k in range(q + 1)
    )
    pair = Pair(axes, parts, inside[1], variances)
    # Whether the sums are within reach shows here, also those of higher orders, which fall more slowly.
    for k in range(2):
        pair.coefficient((k, 0)).ball()
    pair.reaches(_TRIED_ORDER)
    return pair


def _components(
    hard: Sequence[tuple[Ridge, int]], gram: Metric | None
) -> tuple[list[Vector], list[tuple[tuple[Vector, ...], tuple[Vector, ...]]]]:
    """(single directions, [(orthogonal axes, directions)] of cones) of ridges grouped by what is not orthogonal."""
    groups: list[list[Vector]] = []
    for v in dict.fromkeys(g.direction for g, _ in hard):
        near = [group for group in groups if any(inner(v, a, gram) for a in group)]
        groups = [group for group in groups if group not in near] + [
            [*(a for group in near for a in group), v]
        ]
    lines, pairs = [], []
    for group in groups:
        if len(group) == 1:
            lines.append(group[0])
            continue
        group = sorted(group)
        axes = [group[0]]
        for v in group[1:]:
            rest = orthogonal_to(v, axes, gram)
            if rest is not None:
                axes.append(rest)
        pairs.append((tuple(axes), tuple(group)))
    return lines, pairs


def _complete(
    basis: list[Vector], key: Monomial, wanted: Sequence[Vector], r: int, gram: Metric | None
) -> list[Vector]:
    """Orthogonal primitive vectors that contain ``basis`` and span ``wanted``, the tilt and the variables of ``key``."""
    candidates = list(wanted)
    tilt = [dict(key.tilt).get(i, ZERO) for i in range(r)]
    lead = next((c.inverse() for c in tilt if c.is_zero() is not True), None)
    ratios = [] if lead is None else [c * lead for c in tilt]
    # exp(⟨c, z⟩) is a ridge along c: one direction, not one for each variable in it.
    if ratios and all(x.is_rational for x in ratios):
        candidates.append(primitive(tuple(as_fraction(x) for x in ratios))[0])
    used = [i for i in range(r) if key.powers[i] or any(i == j for j, _ in key.tilt)]
    candidates += [tuple(Fraction(int(i == j)) for j in range(r)) for i in used]
    for vector in candidates:
        rest = orthogonal_to(vector, basis, gram)
        if rest is not None:
            basis.append(rest)
    return basis


def _powers(factors: Sequence[Factor]) -> list[Factor]:
    """Equal factors as one with a power."""
    total: dict[tuple[str, Scalar, Scalar], int] = {}
    for name, scale, offset, k in factors:
        total[name, scale, offset] = total.get((name, scale, offset), 0) + k
    return [(*place, k) for place, k in total.items()]


def _mixed_powers(powers: tuple[int, ...], mixing: list[list[Fraction]]) -> dict[tuple[int, ...], flint.fmpq]:
    """Π u_i^{a_i} as a polynomial in t_1, t_2, …"""
    size = len(mixing[0]) if mixing else 0
    forms = [
        (a, [(k, rational(m)) for k, m in enumerate(row) if m])
        for a, row in zip(powers, mixing, strict=True)
        if a
    ]
    if not forms:
        return {(0,) * size: rational(1)}
    axes = len({k for _, row in forms for k, _ in row})
    degree = sum(a for a, _ in forms)
    words = degree * max(m.height_bits() for _, row in forms for _, m in row) // 64
    spend(comb(degree + max(axes - 1, 0), degree) * (1 + words // 8) if axes > 1 else 1)
    ring = flint.fmpq_mpoly_ctx.get([f"t{k}" for k in range(size)], "lex")
    total = ring.constant(1)
    for a, row in forms:
        total *= ring.from_dict({tuple(int(k == j) for j in range(size)): m for k, m in row}) ** a
    return {tuple(map(int, place)): c for place, c in total.to_dict().items()}
