"""Answers outside what a theory can mean say so."""

from __future__ import annotations

import pytest

from asymptotics import Network, Ridge, Training, optimise, overlaps, risk, samples_needed
from asymptotics.design.inversion import inverted
from asymptotics.experiment.grid import Experiment
from asymptotics.text.printing import samples_text


@pytest.mark.parametrize(
    ("alpha", "beta", "said"), [(0.1, 1.0, "n2 = 10 samples"), (2.0, 0.06, "p = 6 neurons")]
)
def test_few_samples_and_few_neurons_are_named(alpha: float, beta: float, said: str) -> None:
    found = risk("z1", Network(), Training(steps=0), Ridge(alpha, beta, 0.1, d=100))
    assert said in found.validity_note
    assert found.validity != "exact"


@pytest.mark.parametrize(("alpha", "beta"), [(0.5, 1.0), (4.0, 2.0)])
def test_many_samples_need_no_word(alpha: float, beta: float) -> None:
    found = risk("z1", Network(), Training(steps=0), Ridge(alpha, beta, 0.1, d=100))
    assert "too few" not in found.validity_note


def test_a_sample_size_of_one_says_that_it_means_little() -> None:
    found = samples_needed("z1", ridge=Ridge(d=100), test_error=5.0)
    assert found.n2 is not None
    assert found.n2 < 30
    assert "too few" in found.warnings[0]
    table = {"target": {"expression": "z1"}, "training": {"steps": 0}, "ridge": {"d": 100}}
    assert "too few" in samples_text(inverted(Experiment.from_dict(table), 5.0))
    assert not samples_needed("z1", ridge=Ridge(d=2000, lam=0.1), test_error=0.5).warnings


def test_a_flat_optimum_is_called_flat() -> None:
    # The plateau of He3 is out of reach: neither setting matters.
    flat = optimise("He3(z1)", Network(), Training(), Ridge(2.0, 1.0))
    assert any("eta" in said and "flat" in said for said in flat.warnings)
    sharp = optimise("z1 + He2(z1)", Network(), None, Ridge(1.0, 1.0), over=["lam"])
    assert "warnings" in sharp.to_dict()


@pytest.mark.parametrize(
    ("target", "activation", "training"),
    [
        ("He2(z1) + z1", "He2(x) + x", Training(steps=2, alpha=1.0, eta=4.0)),
        ("z1", "relu", Training(steps=3, alpha=1.0, eta=40.0)),
    ],
)
def test_a_risk_that_explodes_is_said_to_diverge(target: str, activation: str, training: Training) -> None:
    found = overlaps(target, Network(activation), training)
    assert any("training diverges" in said and "step" in said for said in found.warnings)
    calm = overlaps(target, Network(activation), Training(steps=1, alpha=8.0, eta=0.2))
    assert not any("diverges" in said for said in calm.warnings)
