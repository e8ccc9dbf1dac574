"""Normals by whole arrays: their law, the independence of a pair, and streams that do not see each other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, kstest, norm, pearsonr

from asymptotics.simulation.normals import normals
from asymptotics.simulation.seeds import generator


def streams(count: int) -> list[np.random.Generator]:
    return [generator(5, k) for k in range(count)]


def test_normals_have_their_law_and_pairs_are_independent() -> None:
    drawn = normals(streams(4), 250_000)
    flat = drawn.ravel()
    assert kstest(flat, "norm").pvalue > 1e-3
    for far in (2.0, 3.0, 4.0):
        tail = int((np.abs(flat) > far).sum())
        assert binomtest(tail, len(flat), 2 * norm.sf(far)).pvalue > 1e-3
    x, y = drawn[:, :125_000].ravel(), drawn[:, 125_000:].ravel()
    for one, other in ((x, y), (x**2, y**2), (x, y**2), (x[1:], x[:-1])):
        assert pearsonr(one, other).pvalue > 1e-3
    # Negative control: normals that are a fiftieth too wide.
    assert kstest(1.02 * flat, "norm").pvalue < 1e-6


@pytest.mark.parametrize("shape", [(1,), (7, 3), (3, 20, 6), (9_001,)])
def test_a_stream_draws_the_same_beside_any_others(shape: tuple[int, ...]) -> None:
    several = normals(streams(5), *shape)
    assert several.shape == (5, *shape)
    for k in range(5):
        np.testing.assert_array_equal(normals(streams(5)[k : k + 1], *shape)[0], several[k])
    assert np.isfinite(several).all()


def test_the_ends_of_the_uniform_law_are_finite_normals() -> None:
    class Ends:
        def random(self, out: np.ndarray) -> None:
            out[0] = np.array([0.0, 0.0, 1 - 2**-53, 1 - 2**-53])
            out[1] = np.array([0.0, 0.5, 0.0, 0.5])

    drawn = normals([Ends()], 8)  # type: ignore[list-item]
    assert np.isfinite(drawn).all()
    # The largest radius a 53-bit uniform has.
    assert np.abs(drawn).max() == pytest.approx(np.sqrt(-2 * np.log(2.0**-53)))
