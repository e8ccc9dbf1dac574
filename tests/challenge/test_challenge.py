"""A dozen settings of the challenge in every run of the suite; ``-m slow``: 200 of a seed that nobody has seen."""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from .drawing import BEYOND, FINITE, FIRST_BEYOND, FIRST_FINITE, Setting, draw
from .measuring import measure, measured
from .running import Outcome, indices, predict, run
from .summary import COVERAGE, WITHIN_OR_STATED, answered, draw_figure, lines, page, share

SEED, COUNT, COUNT_BEYOND = 20261126, 12, 4
#: Setting 0 of that seed.
FIRST = (
    "(4/5)*z1 + (7/5)*He3(z1)/3, noise 0.05; erf, rademacher, symmetric, width 2; 2 steps, alpha 2.21, eta 0.77; "
    "ridge 1.11, 1, 0.0128; d = 100000"
)
#: Multiplications of one network, and networks of a setting.
_CHEAP, _NETWORKS = 4e8, 16


def cheap(seed: int, count: int, first: int = 0) -> list[int]:
    """The first settings from ``first`` on that are quick to simulate and to predict, whatever comes out."""
    found: list[int] = []
    index = first
    while len(found) < count:
        setting = draw(seed, index)
        many_groups = setting.network.readout == "gaussian" and setting.training.steps > 1
        kinks_in_a_plane = "relu" in setting.target.text and setting.target.r > 1
        unknown = setting.kind == "leap 2" and setting.network.width == "infinite"
        slow_labels = setting.target.has_classes and (setting.target.r > 1 or setting.training.steps > 0)
        slow = many_groups or kinks_in_a_plane or unknown or slow_labels
        if setting.work < _CHEAP and not slow:
            found.append(index)
        index += 1
    return found


@pytest.mark.parametrize("index", [*cheap(SEED, COUNT), *cheap(SEED, COUNT_BEYOND, FIRST_BEYOND)])
def test_a_prediction_is_right_within_the_error_that_it_states(index: int) -> None:
    """1 % and four standard errors of the simulation allowed beside it."""
    setting = draw(SEED, index)
    prediction = predict(setting)
    assert prediction.test_error is not None, prediction.refusal
    assert prediction.stated is not None, "an answer without an error estimate"
    found = Outcome(setting, prediction, measure(setting, None, _NETWORKS, enough=1.0))
    assert abs(found.deviation) <= 0.01 + 4 * found.sem + prediction.stated, setting.sentence


def test_a_setting_depends_on_its_seed_and_index_alone() -> None:
    assert draw(5, 7) == draw(5, 7)
    assert draw(5, 7) != draw(5, 8)
    assert draw(5, 7) != draw(6, 7)


def test_the_challenge_draws_all_that_a_user_might_ask() -> None:
    settings = [draw(3, index) for index in range(400)]
    assert {s.stage for s in settings} >= {
        *(f"{steps} steps" for steps in range(4)),
        "leap 2",
        "fixed width",
        "online",
        "reused",
    }
    assert {s.training.protocol for s in settings} == {"giant", "sgd", "reuse"}
    assert {s.target.r for s in settings} == {1, 2, 3}
    assert {s.network.initialisation for s in settings} == {"symmetric", "independent"}
    assert len({s.network.activation for s in settings}) >= 10
    assert len({str(s.network.readout) for s in settings}) == 3
    assert len({s.target.noise for s in settings}) == 3
    beyond = [draw(3, index) for index in range(FIRST_BEYOND, FIRST_BEYOND + 200)]
    assert {s.stage for s in beyond} == {f"{kind}, {steps} steps" for kind, _ in BEYOND for steps in (0, 1)}
    assert {s.ridge.loss for s in beyond} == {"square", "logistic", "hinge", "huber"}
    assert {s.quantity for s in beyond} == {"test_error", "test_loss", "classification_error"}
    mixtures = [s.inputs for s in beyond if s.inputs is not None]
    assert {len(inputs.clusters) for inputs in mixtures} == {1, 2, 3}
    assert any(np.any(inputs.far) for inputs in mixtures)
    finite = [draw(3, index) for index in range(FIRST_FINITE, FIRST_FINITE + 60)]
    assert {s.stage for s in finite} == dict(FINITE).keys()
    assert all(s.ridge.regime == "finite" for s in finite if s.kind == "pairs")
    assert {s.training.remove_orders for s in finite} == {(), (0, 1)}
    assert any(cluster.label for inputs in mixtures for cluster in inputs.clusters)


def test_settings_of_isotropic_inputs_are_what_they_were_before_others_came() -> None:
    assert draw(20261126, 0).sentence == FIRST
    assert indices(2, 3, 2) == [2, 3, 4, FIRST_BEYOND + 2, FIRST_BEYOND + 3]
    assert indices(2, 0, 0, 2) == [FIRST_FINITE + 2, FIRST_FINITE + 3]


def test_what_was_measured_is_not_measured_again_when_predictions_are_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("challenge.measuring.SECONDS", 0.0)
    index = next(i for i in range(100) if draw(1, i).kind == "leap 2")
    (first,) = run(1, 1, tmp_path, start=index, replicates=4)
    before = (tmp_path / "1.measured.jsonl").read_text(encoding="utf-8")
    (second,) = run(1, 1, tmp_path, start=index, replicates=4, again=True)
    assert (tmp_path / "1.measured.jsonl").read_text(encoding="utf-8") == before
    assert second.simulation == first.simulation
    assert len((tmp_path / "1.predicted.jsonl").read_text(encoding="utf-8").splitlines()) == 1
    (known,) = measured([draw(1, index)], tmp_path)
    assert known == first.simulation


def test_a_page_tells_the_shares_and_what_is_outside() -> None:
    """Of four made-up outcomes one is refused, one is within 1 %, one inside what it states, one outside."""
    setting = draw(1, 0)
    outcomes = [_outcome(setting, *values) for values in ((None, None), (1.005, 0.0), (1.2, 0.3), (1.3, 0.1))]
    text = "\n".join(lines(outcomes))
    assert "4 settings, 3 answered (75%)" in text
    assert "Within 1 % + 2 s.e.: 33.3%" in text
    assert "inside the stated error: 66.7%" in text
    assert "Coverage of the stated error: 33.3% of 3" in text
    whole = page(outcomes, 1, "figure.png")
    assert "- +30.0 % ± 0.0 % (stated 10.0 %" in whole
    assert "- 1 × no theory" in whole
    assert draw_figure(outcomes).axes


def _outcome(setting: Setting, predicted: float | None, stated: float | None) -> Outcome:
    from .measuring import Measured
    from .running import Predicted

    told = Predicted(setting.index, predicted, stated, "E", "" if predicted else "no theory")
    return Outcome(replace(setting), told, Measured(setting.index, 1.0, 1e-6, 16))


@pytest.mark.slow
def test_the_marks_are_reached_on_settings_that_nobody_has_seen(tmp_path: Path) -> None:
    seed = secrets.randbelow(10**6)
    outcomes = list(run(seed, 200, tmp_path, beyond=40))
    told = answered(outcomes)
    report = "\n".join([f"seed {seed}", *lines(outcomes)])
    assert all(o.prediction.stated is not None for o in told), report
    assert share([o.within or o.covered for o in told]) >= WITHIN_OR_STATED, report
    assert share([o.covered for o in told]) >= COVERAGE, report
