"""Products of sin and cos of sums as sums of products of sin and cos of single coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from hermite.engines.constants import Unsupported, sign_of
from hermite.engines.forms import Ridge
from hermite.engines.univariate import ZERO, Factor
from hermite.exact.effort import spend
from hermite.exact.scalars import Scalar

#: Most terms into which a product of sin and cos along directions that are not orthogonal is expanded.
MAX_WAVES = 500
#: Cost of one product of two terms, in units of :mod:`hermite.exact.effort`.
_A_PRODUCT = 5
#: sin or cos along one coordinate, by its place.
Wave = tuple[int, Factor]


def distributed(
    waves: Sequence[tuple[Ridge, int, list[Fraction]]],
) -> dict[tuple[Wave, ...], Scalar]:
    """Products of sin and cos of sums as sums of products of (place, sin or cos of one coordinate)."""
    # Waves go by number: products of forty are sorted and hashed a thousand times.
    numbers: dict[Wave, int] = {}
    total: dict[tuple[int, ...], Scalar] = {(): Scalar.of(1)}
    for g, k, coordinates in waves:
        single = [
            (tuple(numbers.setdefault(wave, len(numbers)) for wave in own), d)
            for own, d in _one_wave(g, coordinates).items()
        ]
        for _ in range(k):
            spend(_A_PRODUCT * len(total) * len(single))
            grown: dict[tuple[int, ...], Scalar] = {}
            for left, c in total.items():
                for right, d in single:
                    place = tuple(sorted(left + right))
                    grown[place] = grown[place] + c * d if place in grown else c * d
            total = {place: c for place, c in grown.items() if c.is_zero() is not True}
            if len(total) > MAX_WAVES:
                raise Unsupported(f"a product of waves that expands to more than {MAX_WAVES} terms")
    named = list(numbers)
    texts = [str(wave) for wave in named]
    return {
        tuple(named[number] for number in sorted(place, key=texts.__getitem__)): c
        for place, c in total.items()
    }


def _one_wave(g: Ridge, coordinates: list[Fraction]) -> dict[tuple[Wave, ...], Scalar]:
    """cos or sin of Σ_k c m_k t_k + e; the offset stays with the first coordinate."""
    used = [k for k, m in enumerate(coordinates) if m]
    total: dict[str, dict[tuple[Wave, ...], Scalar]] = {}
    for number, k in enumerate(used):
        offset = g.offset if number == 0 else ZERO
        here = {name: _wave_factor(name, g.scale * coordinates[k], offset) for name in ("cos", "sin")}
        if number == 0:
            total = {name: {((k, factor),): c} for name, (factor, c) in here.items()}
            continue
        total = {
            "cos": _joined(k, (total["cos"], here["cos"], 1), (total["sin"], here["sin"], -1)),
            "sin": _joined(k, (total["sin"], here["cos"], 1), (total["cos"], here["sin"], 1)),
        }
    return total[g.name]


def _joined(
    k: int, *parts: tuple[dict[tuple[Wave, ...], Scalar], tuple[Factor, Scalar], int]
) -> dict[tuple[Wave, ...], Scalar]:
    return {
        (*waves, (k, factor)): c * value * sign
        for before, (factor, value), sign in parts
        for waves, c in before.items()
    }


def _wave_factor(name: str, scale: Scalar, offset: Scalar) -> tuple[Factor, Scalar]:
    """name(scale·t + offset) as (factor of positive scale, ±1)."""
    if sign_of(scale) > 0:
        return (name, scale, offset, 1), Scalar.of(1)
    return (name, -scale, -offset, 1), Scalar.of(-1 if name == "sin" else 1)
