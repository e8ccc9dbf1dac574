"""Answers outside what a theory can mean say so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from asymptotics import Network, Ridge, Training, optimise, overlaps, risk, samples_needed
from asymptotics.design.inversion import inverted
from asymptotics.experiment.grid import Experiment
from asymptotics.generalisation.meaning import within_meaning
from asymptotics.text.prediction_tables import samples_text
from hermite.errors import InputError


@pytest.mark.parametrize(
    ("alpha", "beta", "said"), [(0.1, 1.0, "n2 = 10 samples"), (2.0, 0.06, "p = 6 neurons")]
)
def test_few_samples_and_few_neurons_are_named(alpha: float, beta: float, said: str) -> None:
    found = risk("z1", Network(), Training(steps=0), Ridge(alpha, beta, 0.1, d=100))
    assert said in found.validity_note
    assert found.validity != "exact"


def test_what_is_added_to_a_note_that_ends_a_sentence_goes_on_with_it() -> None:
    found = risk("z1", Network(), Training(steps=0), Ridge(2.0, 1.0, 0.1, d=100))
    noted = within_meaning(replace(found, n2=10, validity_note="The test error is infinite."))
    assert noted.validity_note.startswith("The test error is infinite; n2 = 10 samples")


@pytest.mark.parametrize(("alpha", "beta"), [(0.5, 1.0), (4.0, 2.0)])
def test_many_samples_need_no_word(alpha: float, beta: float) -> None:
    found = risk("z1", Network(), Training(steps=0), Ridge(alpha, beta, 0.1, d=100))
    assert "too few" not in found.validity_note


def test_a_sample_size_of_one_says_that_it_means_little() -> None:
    """Its error is as large as itself: no number, but the reason."""
    found = samples_needed("z1", ridge=Ridge(d=100), test_error=5.0)
    assert found.n2 is None
    assert "No prediction" in str(found.reason)
    table = {"target": {"expression": "z1"}, "training": {"steps": 0}, "ridge": {"d": 100}}
    assert "No prediction" in samples_text(inverted(Experiment.from_dict(table), 5.0))
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


LEAP_TWO = Training(alpha=2.0, batch_exponent=2, remove_orders=(0, 1))


@pytest.mark.parametrize("width", ["infinite", 12])
@pytest.mark.parametrize("target", ["z1*z2", "He2(z1)"])
def test_the_limit_is_not_called_exact_at_a_finite_dimension(width: str | int, target: str) -> None:
    # At a width the risk is a mean over drawn starts.
    limit = overlaps(target, Network(width=width), LEAP_TWO)
    assert limit.validity == ("exact" if width == "infinite" else "approximate")
    assert limit[1].error.total < 1e-12
    here = overlaps(target, Network(width=width), LEAP_TWO, d=50)
    assert here.validity == "leading order"
    assert "d = 50" in here.validity_note


def test_at_a_given_dimension_no_refusal_asks_for_it() -> None:
    network = Network(width=12, initialisation="independent")
    for training in (LEAP_TWO, Training(steps=2, alpha=2.0, batch_exponent=2, remove_orders=(0, 1))):
        for d in (None, 60):
            with pytest.raises(InputError) as caught:
                overlaps("z1*z2", network, training, d=d)
            assert "give d" not in str(caught.value)
            assert "simulate" in str(caught.value)
    assert overlaps("z1*z2", network, Training(batch_exponent=2), d=60).d == 60
