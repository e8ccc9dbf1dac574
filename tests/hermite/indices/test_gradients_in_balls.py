"""Gradients of a table of balls are those of the exact table."""

from __future__ import annotations

from itertools import product

import flint
import pytest

from hermite.exact.ball_rows import ball_of
from hermite.indices.heat import Heat

_TABLE = {
    alpha: flint.fmpq(1 + sum(a * (i + 2) for i, a in enumerate(alpha)), 7)
    for alpha in product(range(4), repeat=3)
    if sum(alpha) <= 5
}


@pytest.mark.parametrize("point", [(1, 2, -3), (0, 2, 5), (0, 0, 4), (0, 0, 0)])
def test_the_gradient_of_balls_holds_the_exact_one(point: tuple[int, ...]) -> None:
    heat = Heat(3, _TABLE, 5)
    exact = heat.gradient_at(tuple(map(flint.fmpq, point)))
    balls = heat.in_balls().gradient_at(tuple(map(flint.arb, point)))
    for x, ball in zip(exact, balls, strict=True):
        assert ball.overlaps(ball_of(x))
        assert float(ball.rad()) <= 1e-12 * (1 + abs(float(ball.mid())))
