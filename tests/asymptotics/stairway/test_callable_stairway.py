"""The stairway of Python functions: closed forms, and that of the same expression, within the stated error."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from asymptotics import plateaus
from asymptotics.stairway.callable_floors import _conditional
from hermite import InputError, Target


def table(g, r: int, **options):
    return plateaus(Target.from_function(g, r), **options)


def test_a_jump_and_a_window_have_their_closed_forms() -> None:
    jump = table(lambda z: np.sign(z[:, 0] - 0.3), 1, kappa=1)
    mean, slope = 1 - 2 * norm.cdf(0.3), 2 * norm.pdf(0.3)
    assert [row.dim for row in jump] == [0, 1]
    np.testing.assert_allclose(jump[0].plateaus, [1 - mean**2, 1 - mean**2 - slope**2], atol=1e-12)
    assert list(jump[1].plateaus) == [0, 0]
    p = norm.cdf(1.05) - norm.cdf(1)
    window = table(lambda z: (z[:, 0] > 1) & (z[:, 0] < 1.05), 1, kappa=0)
    np.testing.assert_allclose(window[0].plateaus, [p - p**2], atol=1e-12)
    assert window.error < 1e-12


def test_a_disc_stays_where_it_is() -> None:
    disc = table(lambda z: z[:, 0] ** 2 + z[:, 1] ** 2 < 1, 2, kappa=2)
    p, c = 1 - math.exp(-0.5), -0.5 * math.exp(-0.5)
    assert [row.dim for row in disc] == [0]
    assert disc.error < 1e-4
    expected = [p - p**2, p - p**2, p - p**2 - c**2]
    assert np.abs(np.array(disc[0].plateaus) - expected).max() <= disc.error


def test_steep_along_a_cubic_is_climbed_in_two_steps() -> None:
    stairs = table(lambda z: np.tanh(z[:, 0] + z[:, 1] ** 3 - 3 * z[:, 1]), 2, kappa=1)
    assert [row.dim for row in stairs] == [0, 1, 2]
    assert stairs[0].plateaus[0] == pytest.approx(0.64234, abs=1e-5)


@pytest.mark.parametrize(
    "text", ["z1 + z1*z2 + z3*z4", "z1 + z1*z2 + z1*z2*z3", "relu(z1) + relu(z2)", "abs(z1)*z2 + z1"]
)
@pytest.mark.parametrize("activation", [None, "relu", "tanh"])
def test_a_callable_has_the_stairway_of_its_expression(text: str, activation: str | None) -> None:
    f = Target(text)
    own = plateaus(f, kappa=2, activation=activation)
    other = table(f.function, f.r, kappa=2, activation=activation)
    assert [(row.dim, row.dim_activation) for row in other] == [(row.dim, row.dim_activation) for row in own]
    for a, b in zip(own, other, strict=True):
        np.testing.assert_allclose(b.plateaus, a.plateaus, atol=other.error + own.error + 1e-9)
        if activation is not None:
            right = a.plateaus_activation
            np.testing.assert_allclose(b.plateaus_activation, right, atol=other.error + own.error + 1e-9)


def test_pairs_that_share_what_is_learned_cover_in_four_directions() -> None:
    """f = sign(z1 z2) + sign(z3 z4), U = span(z1, z2): the floor is 1 at κ ≤ 1, less c² = (2/π)² at κ = 2."""
    f = Target.from_function(lambda z: np.sign(z[:, 0] * z[:, 1]) + np.sign(z[:, 2] * z[:, 3]), 4)
    values, errors = _conditional(f, np.eye(4)[:2], 2)
    assert errors.max() < 0.3
    assert np.all(np.abs(values - [1, 1, 1 - (2 / math.pi) ** 2]) <= 1.5 * errors)


@pytest.mark.parametrize("activation", [None, "tanh"])
def test_plateaus_of_a_function_scale_with_its_square(activation: str | None) -> None:
    """By the power of two exactly, as far as squares are floats; beyond, one sentence."""

    def shape(z):
        return np.sign(z[:, 0]) + z[:, 0] * np.abs(z[:, 1])

    plain = table(shape, 2, kappa=1, activation=activation)
    scaled = table(lambda z: 2.0**400 * shape(z), 2, kappa=1, activation=activation)
    for one, other in zip(plain, scaled, strict=True):
        np.testing.assert_array_equal(np.array(one.plateaus) * 2.0**800, other.plateaus)
        assert one.error == other.error
        if activation:
            np.testing.assert_array_equal(
                np.array(one.plateaus_activation) * 2.0**800, other.plateaus_activation
            )
    with pytest.raises(InputError, match="which no float holds"):
        table(lambda z: 2.0**600 * shape(z), 2, kappa=1, activation=activation)
