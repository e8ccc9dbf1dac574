"""Class labels of two directions, row by row: closed forms, other rows, and samples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import ndtr

from asymptotics import Network, Training, risk
from asymptotics.expectations.label_rows import class_moments, label_rows, legendre_values
from asymptotics.expectations.quadrature import hermite_values, legendre
from asymptotics.experiment.settings import Ridge
from hermite import Target

AXES = ((1.0, 0.0), (0.0, 1.0))


def labels(expression: str, noise: float = 0.0) -> Target:
    return Target(expression, noise=noise, labels="sign")


#: What sets of every kind are: lines, curves, discs, crossings, jumps, kinks, nothing on a half plane; with and without noise.
TARGETS = [
    ("z1 + z1*z2", 0.0), ("z1*z2", 0.05), ("z1 + z2", 0.0), ("abs(z1) - abs(z2)", 0.0), ("z1^2 + z2^2 - 1", 0.0),
    ("z1^2 - z2", 1e-3), ("sin(3*z1) + z1*z2", 0.0), ("z1 + tanh(z1*z2)", 0.0), ("He3(z1) + z2", 1e-6),
    ("relu(z1)*z2", 0.0), ("z1^2*z2^2 - 1/10", 0.0), ("sign(z1) + z2", 0.01), ("abs(z1*z2 - 1) - 1/2", 0.01),
    ("exp(z1) - exp(z2)/2", 1e-12), ("max(z1, z2) - 1/3", 2.0), ("1000000*z1*z2 + z1", 0.3),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "noise"), TARGETS)
def test_moments_of_labels_of_two_directions_are_those_of_samples(expression, noise) -> None:
    """To four standard errors; and what is stated, from rows in two directions, is below 1e-4."""
    f = labels(expression, noise)
    mean, first, second, error = class_moments(f)
    assert error < 1e-4
    s = np.random.default_rng(1).standard_normal((400_000, 2))
    m = np.asarray(f.class_mean(s))
    sem = 4 / math.sqrt(len(s)) + error
    assert abs(mean - m.mean()) < sem
    assert np.all(np.abs(first - m @ s / len(s)) < sem)
    assert np.all(np.abs(second - (s.T * m) @ s / len(s)) < 2 * sem)


def test_a_disc_a_wedge_and_a_half_plane_have_their_closed_forms() -> None:
    """P(|s| < 1) = 1 − e^{−1/2}; E[s_1 s_2 sign(s_1 s_2)] = 2/π; E[s sign(⟨n, s⟩)] = √(2/π) n."""
    assert class_moments(labels("1 - z1^2 - z2^2"))[0] == pytest.approx(1 - 2 * math.exp(-0.5), abs=1e-7)
    assert class_moments(labels("z1*z2"))[2][0, 1] == pytest.approx(2 / math.pi, abs=1e-9)
    first = class_moments(labels("3*z1 - 4*z2"))[1]
    assert first == pytest.approx(math.sqrt(2 / math.pi) * np.array([0.6, -0.8]), abs=1e-9)


@pytest.mark.parametrize("noise", [0.0, 0.04])
@pytest.mark.parametrize("width", [1.0, 0.1, 0.003])
def test_labels_of_a_half_plane_across_panels_are_its_normal_law(noise, width) -> None:
    """E[P(+1) | x] on a line that the labels' edge crosses obliquely: E over a panel of Φ((c + w τ)/√(1 + Δ))."""
    rows = label_rows(labels("z1 + z2", noise), AXES, 4)
    panels = np.linspace(-3.0, 3.0, 7)
    found = rows.on_panels(0.2, width, panels, 3)[:, :, 0]
    u, w = legendre(40)
    for low, high, ours in zip(panels, panels[1:], found, strict=False):
        x = 0.2 + width * (low + (high - low) * u)
        values = 2 * ndtr(x / math.sqrt(1 + noise)) - 1
        assert ours == pytest.approx(legendre_values(u, 3) @ (w * values), abs=1e-7)


def test_rows_of_any_direction_have_the_same_degrees() -> None:
    """The sum of squares of the coefficients of one degree does not change under rotation."""
    f = labels("z1 + z1*z2 - 1/5")
    angle = 0.4
    turned = ((math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle)))
    ours, other = (label_rows(f, frame, 9).coefficients() for frame in (AXES, turned))
    for n in range(9):
        own = [sum(c[i, n - i] ** 2 for i in range(n + 1)) for c in (ours, other)]
        assert own[0] == pytest.approx(own[1], abs=1e-6)
    x = np.linspace(-1, 1, 5)
    assert hermite_values(x, 2)[2] == pytest.approx((x**2 - 1) / math.sqrt(2))


@pytest.mark.parametrize(
    ("expression", "noise"),
    [("z1 + z1*z2", 0.0), ("z1*z2", 0.05), ("abs(z1) - abs(z2)", 0.0), ("z1^2 + z2^2 - 1", 1e-9)],
)
def test_class_labels_of_two_directions_answer_at_the_default_accuracy(expression, noise) -> None:
    """However sharp they are, before and after a step."""
    for training in (None, Training(1, 4.0, 2.0)):
        found = risk(
            labels(expression, noise), Network("relu"), training, Ridge(2.0, 1.0, 0.05, loss="huber")
        )
        assert 0 < found.error.quadrature < 1e-3
        assert 0 < found.classification_error <= 0.5 + 1e-6
