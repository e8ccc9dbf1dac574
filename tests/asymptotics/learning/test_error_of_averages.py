"""Risks of the untrained network of sharp targets are E f², within the error that they carry."""

from __future__ import annotations

import pytest

from asymptotics import Network, Training, overlaps
from hermite import Target


@pytest.mark.parametrize(
    ("text", "energy"),
    [
        ("sin(8*z1)", 0.5),
        ("tanh(z1+He3(z2))", 0.64234),
        ("exp(-50*z1^2)", 201**-0.5),
        ("z1*exp(-20*z1^2)", 1 / 729),
        ("cos(30*z1) + z2", 1.5),
    ],
)  # fmt: skip
def test_the_first_risk_is_the_second_moment(text: str, energy: float) -> None:
    start = overlaps(Target(text), Network(), Training(steps=0, alpha=4.0))[0]
    assert start.risk == pytest.approx(energy, abs=5e-6 if "He3" in text else 1e-8 * energy)
    assert start.risk_error.quadrature is not None
    assert start.risk_error.quadrature < 1e-6


def test_orders_are_removed_from_a_wave() -> None:
    training = Training(steps=1, alpha=4.0, batch_exponent=2, remove_orders=(0, 1))
    found = overlaps(Target("cos(12*z1) + He2(z1)"), Network(), training)
    assert found[0].risk == pytest.approx(2.5, rel=1e-9)


def test_risks_at_fixed_width_carry_an_error_of_their_own() -> None:
    for steps in (0, 1):
        found = overlaps(
            Target("z1 + z1*z2"), Network("tanh", width=4), Training(steps=steps, alpha=4.0), accuracy=1e-3
        )
        for step in found.steps:
            assert step.risk_error.quadrature is not None
            assert 0 <= step.risk_error.quadrature < 1e-3
