"""Few values by the standard library and many by SciPy are the same function."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from scipy import special

from asymptotics.expectations.normal_law import FEW, normal_cdf, owens_t

EXTREME = np.array([0.0, 1e-300, 1e-9, 0.3, 1.0, 1 + 1e-12, 7.9, 38.0, 1e9, 1e150])


def test_the_distribution_function_has_its_far_tail() -> None:
    x = np.array([-37.0, -8.0, -1.0, 0.0, 1.0, 8.0])
    assert normal_cdf(x) == pytest.approx(special.ndtr(x), rel=1e-12, abs=0)
    assert normal_cdf(np.array([[math.inf, -math.inf]])).tolist() == [[1.0, 0.0]]


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_owens_function_of_few_values_is_that_of_scipy(sign: float) -> None:
    h, a = (grid.ravel() for grid in np.meshgrid(EXTREME, sign * EXTREME))
    assert np.abs(owens_t(h, a) - special.owens_t(h, a)).max() < 1e-15
    rng = np.random.default_rng(5)
    h, a = 4 * rng.standard_normal(FEW), np.exp(2 * rng.standard_normal(FEW))
    assert np.abs(owens_t(h, sign * a) - special.owens_t(h, sign * a)).max() < 1e-15


def test_owens_function_meets_its_closed_values() -> None:
    """T(0, a) = arctan(a)/2π; T(h, 1) = Φ(h) Φ(−h)/2; T(h, ∞) = Φ(−|h|)/2."""
    h = np.linspace(-6, 6, 25)
    assert owens_t(np.zeros(25), h) == pytest.approx(np.arctan(h) / (2 * math.pi), rel=1e-14)
    assert owens_t(h, np.ones(25)) == pytest.approx(normal_cdf(h) * normal_cdf(-h) / 2, abs=1e-16)
    assert owens_t(h, np.full(25, 1e150)) == pytest.approx(normal_cdf(-np.abs(h)) / 2, abs=1e-16)


def test_many_values_are_those_of_few() -> None:
    x = np.linspace(-9, 9, FEW + 1)
    assert normal_cdf(x)[:-1] == pytest.approx(normal_cdf(x[:-1]), rel=1e-13, abs=0)
    assert np.abs(owens_t(x, x)[:-1] - owens_t(x[:-1], x[:-1])).max() < 1e-15


def test_the_overlaps_of_ramps_need_no_scipy() -> None:
    """SciPy's special functions are the largest part of a cold start that uses them."""
    code = (
        "import sys\n"
        "from asymptotics import Network, Training, overlaps\n"
        "overlaps('z1 + z1*z2', Network(), Training(1))\n"
        "sys.exit('scipy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
