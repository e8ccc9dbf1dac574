"""The coefficients of He_n in powers of x."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=512)
def _hermite_coefficients(n: int) -> tuple[int, ...]:
    low: tuple[int, ...] = (1,)
    high: tuple[int, ...] = (0, 1)
    if n == 0:
        return low
    for k in range(1, n):
        new = [0, *high]
        for q, c in enumerate(low):
            new[q] -= k * c
        low, high = high, tuple(new)
    return high


def hermite_row(n: int) -> list[int]:
    """Coefficients of He_n(x) in 1, x, x², …"""
    return list(_hermite_coefficients(n))
