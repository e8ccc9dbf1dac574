"""erf of arrays against the C library, element by element; arrays that come out of an expression belong to the caller."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hermite.language import expressions as ex
from hermite.language.error_function import erf
from hermite.language.parsing import parse

RNG = np.random.default_rng(3)


@pytest.mark.parametrize(
    "x",
    [
        RNG.standard_normal(20_000) * 2,
        np.linspace(-7, 7, 9_998),
        np.exp(RNG.uniform(-700, 2, 5_000)),
        # On both sides of the nodes' midpoints, where the nearest node changes.
        np.nextafter((np.arange(2_000) + 0.5) / 512, 10),
    ],
)
def test_erf_is_right_to_two_units_in_the_last_place(x: np.ndarray) -> None:
    exact = np.array([math.erf(v) for v in x])
    assert np.abs(erf(x) / exact - 1).max() < 5e-16


def test_erf_of_what_is_no_ordinary_number() -> None:
    x = np.array([np.nan, np.inf, -np.inf, 0.0, 5e-324, -1e300])
    np.testing.assert_array_equal(erf(x), [np.nan, 1.0, -1.0, 0.0, 5e-324, -1.0])
    single = erf(np.array([[0.5, -0.25]], np.float32))
    assert single.dtype == np.float32
    assert single.shape == (1, 2)
    assert erf(np.empty((0, 3))).shape == (0, 3)
    assert float(erf(np.array(0.5))) == pytest.approx(math.erf(0.5), rel=1e-15)


@pytest.mark.parametrize("texts", [("x", "exp(x)", "x"), ("exp(x)", "exp(x)"), ("relu(x)", "2", "x")])
@pytest.mark.parametrize("rows", [7, 200_000])
def test_values_that_are_written_into_change_neither_the_points_nor_each_other(
    texts: tuple[str, ...], rows: int
) -> None:
    together = ex.compile_together(*(parse(text, activation=True) for text in texts))
    z = RNG.standard_normal((rows, 1))
    kept = z.copy()
    expected = [part.copy() for part in together(z)]
    found = together(z)
    for part in found:
        part += 1.0
    np.testing.assert_array_equal(z, kept)
    for part, before in zip(found, expected, strict=True):
        np.testing.assert_array_equal(part, before + 1.0)
