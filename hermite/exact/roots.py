"""Complex roots of polynomials with exact coefficients, as certified balls."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import flint


def complex_roots(p: flint.fmpz_poly | flint.fmpq_poly) -> list[tuple[flint.acb, int]]:
    """The roots of ``p`` with their multiplicities, each in a ball that holds no other.

    python-flint's stub gives the method the type of a single root.
    """
    return cast("list[tuple[flint.acb, int]]", p.complex_roots())
