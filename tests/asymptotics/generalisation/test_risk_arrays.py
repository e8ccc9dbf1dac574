"""``risk`` at arrays is ``risk`` at every point, and broadcasts as NumPy does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from asymptotics import Network, Ridge, Training, risk
from asymptotics.generalisation.errors import risk_outcomes
from asymptotics.results import Risk
from hermite.errors import InputError

TARGET = "z1 + He2(z1)/2"


@pytest.mark.parametrize("steps", [0, 1])
def test_an_array_is_risk_at_every_point(steps: int) -> None:
    training, ridge = Training(steps=steps, alpha=2.0), Ridge(beta=2.0)
    alpha, lam = np.array([[0.5], [2.0], [8.0]]), np.array([0.01, 1.0])
    found = risk(TARGET, training=training, ridge=ridge, alpha=alpha, lam=lam, accuracy=0)
    assert found.shape == (3, 2)
    for i in range(3):
        for j in range(2):
            one = Ridge(alpha=float(alpha[i, 0]), beta=2.0, lam=float(lam[j]))
            single = risk(TARGET, training=training, ridge=one, accuracy=0)
            assert found.test_error[i, j] == pytest.approx(single.test_error, rel=1e-10)
            assert found.train_error[i, j] == pytest.approx(single.train_error, rel=1e-10)
            assert found.error[i, j] == pytest.approx(single.error.total, rel=1e-6)
            assert (found.alpha[i, j], found.lam[i, j]) == (one.alpha, one.lam)
    assert found.to_frame()["test_error"].tolist() == found.test_error.ravel().tolist()


def test_one_setting_may_be_an_array_and_the_other_is_that_of_ridge() -> None:
    found = risk(TARGET, ridge=Ridge(alpha=3.0), lam=[0.1, 1.0, 10.0])
    assert found.shape == (3,)
    assert found.alpha.tolist() == [3.0] * 3
    assert risk(TARGET, ridge=Ridge(lam=0.1), alpha=3.0).test_error == pytest.approx(found.test_error[0])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"alpha": [1.0, -2.0]}, "ridge.alpha must be"),
        ({"lam": "x"}, "lam must be a number or an array"),
        ({"alpha": [1.0, 2.0], "lam": [1.0, 2.0, 3.0]}, "must broadcast to one shape"),
        ({"alpha": []}, "must hold 1 to 100,000 points, not 0"),
        ({"alpha": [np.nan]}, "ridge.alpha must be"),
    ],
)
def test_what_is_no_array_of_settings_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        risk(TARGET, **given)


CURVES = {
    "pairs at finite d": (TARGET, Network(), Training(1, 2.0, 2.0), Ridge(beta=2.0, lam=0.01, d=200)),
    "two spikes": ("z1 + z1*z2", Network(), Training(2, 2.0, 1.5), Ridge(beta=1.5, lam=1e-3, d=300)),
    "independent atoms": (
        "tanh(z1) + z2",
        Network("tanh", readout=((-2.0, 0.5), (1.0, 0.5)), initialisation="independent"),
        Training(1, 3.0, 1.0),
        Ridge(beta=1.0, lam=0.1),
    ),
    "kernel ridge": (TARGET, Network(), Training(1, 2.0, 2.0), Ridge(beta=np.inf, lam=0.1)),
    "isotropic": (TARGET, Network(), Training(1, 2.0, 2.0), Ridge(beta=2.0, level="iso")),
}


@pytest.mark.parametrize("name", CURVES)
def test_points_of_a_curve_after_steps_are_the_points_alone(name: str) -> None:
    """Side by side the equations are solved to the same tolerance, across interpolation and at every penalty."""
    target, network, training, ridge = CURVES[name]
    alpha, lam = np.array([[0.3], [min(ridge.beta, 2.0)], [7.0]]), np.array([1e-4, 0.1, 10.0])
    found = risk(target, network, training, ridge, alpha=alpha, lam=lam, accuracy=0)
    for i, j in np.ndindex(found.shape):
        one = replace(ridge, alpha=float(alpha[i, 0]), lam=float(lam[j]))
        single = risk(target, network, training, one, accuracy=0)
        assert single.error.solver is not None
        allowed = 1e-10 + single.error.solver
        assert found.test_error[i, j] == pytest.approx(single.test_error, rel=allowed)
        assert found.train_error[i, j] == pytest.approx(single.train_error, rel=allowed)
        here = found.risks[i * len(lam) + j].error
        assert (here.theory, here.quadrature) == pytest.approx(
            (single.error.theory, single.error.quadrature), rel=10 * allowed
        )


def test_a_penalty_of_zero_beside_others_is_answered_or_refused_as_alone() -> None:
    network, training = Network(), Training(1, 2.0, 2.0)
    ridges = [Ridge(alpha, 1.0, lam) for alpha, lam in ((0.5, 0.0), (2.0, 0.1), (1.0, 0.0), (2.0, 1.0))]
    found = list(risk_outcomes(TARGET, network, training, ridges, accuracy=0))
    assert isinstance(found[2], InputError)
    for ridge, one in zip(ridges, found, strict=True):
        if isinstance(one, Risk):
            alone = risk(TARGET, network, training, ridge, accuracy=0)
            assert one.test_error == pytest.approx(alone.test_error, rel=1e-9)
