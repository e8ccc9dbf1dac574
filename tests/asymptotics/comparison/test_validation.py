"""The verdict: right theories agree, wrong ones do not, and the error rates are those that are stated."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from asymptotics import Experiment
from asymptotics.comparison.joined import with_sizes
from asymptotics.comparison.judging import holm, judge
from asymptotics.comparison.validation import validate
from asymptotics.comparison.verdict import LEVEL
from hermite.errors import InputError


def rows(gaps: Any, replicates: int = 10, sem: float = 1.0, **extra: Any) -> list[dict[str, Any]]:
    return [
        {"quantity": "test_error", "theory": 5.0, "simulation": 5.0 + g, "sem": sem, "replicates": replicates}
        | extra
        for g in gaps
    ]


def test_holm_rejects_as_in_a_worked_example() -> None:
    p = np.array([0.01, 0.04, 0.03, 0.005])
    assert holm(p, 0.05).tolist() == [True, False, False, True]
    assert not holm(np.array([0.5]), 0.05).any()
    assert holm(np.array([0.0, 0.0]), 0.05).all()


def test_small_gaps_agree_and_large_ones_do_not() -> None:
    report = judge(rows([0.5, -1.0, 1.5]))
    assert report.agrees
    assert report.points == 3
    assert report.max_abs_z == 1.5
    assert report.rms_z == pytest.approx(np.sqrt(3.5 / 3))
    report = judge(rows([0.5, -1.0, 9.0]))
    assert report.verdict == "disagrees"
    assert [row["rejected"] for row in report.rows] == [False, False, True]


def test_few_replicates_have_heavier_tails() -> None:
    assert judge(rows([4.0], replicates=100)).verdict == "disagrees"
    assert judge(rows([4.0], replicates=3)).verdict == "agrees"


def test_the_theorys_own_error_counts() -> None:
    assert judge(rows([9.0])).verdict == "disagrees"
    assert judge(rows([9.0], theory_error=8.0)).max_abs_z == pytest.approx(9 / np.hypot(1, 8))


def test_what_is_fixed_by_construction_does_not_vary_but_may_be_wrong() -> None:
    assert judge(rows([1e-7], sem=0.0)).agrees
    assert not judge(rows([0.1], sem=0.0)).agrees


def test_a_true_theory_is_refused_at_most_at_the_stated_rate() -> None:
    """Over 2000 experiments of 20 points and 5 replicates, half of them with fully correlated points."""
    rng = np.random.default_rng(1)
    samples = rng.standard_normal((2000, 20, 5))
    samples[1000:] = samples[1000:, :1]
    gaps, sems = samples.mean(axis=2), samples.std(axis=2, ddof=1) / np.sqrt(5)
    refused = []
    for gap, sem in zip(gaps, sems, strict=True):
        made = [r | {"sem": float(s)} for r, s in zip(rows(gap, replicates=5), sem, strict=True)]
        refused.append(not judge(made).agrees)
    for half in (refused[:1000], refused[1000:]):
        assert np.mean(half) <= LEVEL + 3 * np.sqrt(LEVEL / 1000)


def test_the_p_value_of_independent_points_is_uniform() -> None:
    rng = np.random.default_rng(2)
    samples = rng.standard_normal((600, 12, 4))
    gaps, sems = samples.mean(axis=2), samples.std(axis=2, ddof=1) / 2
    found = [
        judge([r | {"sem": float(s)} for r, s in zip(rows(g, 4), sem, strict=True)]).p_value
        for g, sem in zip(gaps, sems, strict=True)
    ]
    from scipy.stats import kstest

    assert kstest(found, "uniform").pvalue > 1e-4


def test_nothing_to_compare_is_an_error() -> None:
    with pytest.raises(InputError, match="no point"):
        judge([])
    with pytest.raises(InputError, match="no finite"):
        judge(rows([float("nan")]))


def test_a_verdict_needs_three_replicates() -> None:
    text = '[target]\nexpression = "z1"\n[simulation]\nd = 16\nreplicates = 2\n'
    with pytest.raises(InputError, match="at least 3"):
        validate(Experiment.from_toml(text))


def test_a_report_is_a_table() -> None:
    report = judge(rows([0.5, 1.0]))
    keys = {"verdict", "points", "rms_z", "max_abs_z", "p_value", "rows"}
    more = {"statement", "finite_size", "controls", "conclusive", "effective_points", "left_out"}
    assert keys | more == set(report.to_dict())
    assert len(report.to_frame()) == 2
    assert "agrees" in repr(report)
    from matplotlib.figure import Figure

    ax = Figure().add_subplot()
    assert report.plot(ax) is ax


CURVE = """
[target]
expression = "z1 + He2(z1)/2"
noise = 0.1
[training]
steps = 0
[ridge]
alpha = [1.0, 2.0]
lambda = 0.1
[simulation]
d = 96
replicates = 40
test_samples = 4000
"""


def test_the_ridge_theory_agrees_with_the_network() -> None:
    report = validate(Experiment.from_toml(CURVE))
    assert report.agrees, report.rows
    assert report.points == 4
    assert {row["quantity"] for row in report.rows} == {"test_error", "train_error"}
    assert all(
        row["theory_limit"] is not None and row["theory_limit"] != row["theory"] for row in report.rows
    )


def test_a_wrong_theory_disagrees(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control: the theory of twice the samples."""
    from dataclasses import replace

    from asymptotics.comparison import joined as comparisons
    from asymptotics.comparison.curves import theory

    monkeypatch.setattr(
        comparisons,
        "theory",
        lambda e, training, ridge: theory(e, training, replace(ridge, alpha=2 * ridge.alpha)),
    )
    assert validate(Experiment.from_toml(CURVE)).verdict == "disagrees"


def sized(a: float, b: float, rate: float = 1.0, **extra: Any) -> list[dict[str, Any]]:
    """Rows of one point at three sizes whose gap is a + b d^(-rate), exactly."""
    return [rows([a + b * d**-rate], sem=2.0 / d**0.5)[0] | {"d": d} | extra for d in (100, 400, 1600)]


def test_a_gap_that_falls_with_d_is_allowed_and_one_that_does_not_is_not() -> None:
    falling = [row for k in range(6) for row in sized(0.0, 200.0, alpha=k)]
    report = judge(falling)
    assert report.agrees
    assert report.points == 6
    assert report.finite_size == "1/d"
    assert all(abs(row["z_raw"]) > 2 * abs(row["z"]) for row in report.rows)
    assert all(row["d"] == 1600 and len(row["sizes"]) == 3 for row in report.rows)
    assert [row["allowance"] for row in report.rows] == pytest.approx([200 / 1600] * 6, rel=0.2)
    assert judge([row for k in range(6) for row in sized(0.0, 40.0, 0.5, alpha=k)]).finite_size == "1/sqrt(d)"
    constant = judge([row for k in range(6) for row in sized(0.5, 0.0, alpha=k)])
    assert not constant.agrees
    assert "disagrees at test_error at alpha = 0, d = 1600" in constant.statement
    assert "and 3 more" in constant.statement


@pytest.mark.parametrize(("rate", "size"), [(1.0, 8.0), (0.5, 0.8)])
def test_the_verdict_with_an_allowance_seldom_refuses_a_true_theory(rate: float, size: float) -> None:
    """300 experiments of 8 points at three sizes, 10 replicates, with finite-size terms of random slopes.

    The rate is found; ignoring the terms refuses far too often; a constant gap is still refused.
    """
    rng = np.random.default_rng(4)
    sizes = np.array([50, 100, 200])
    refused, naive, wrong = [], [], []
    for _ in range(300):
        made = []
        for k in range(8):
            bias = size * rng.standard_normal() / sizes**rate
            draws = bias + np.sqrt(10) / np.sqrt(sizes) * rng.standard_normal((10, 3)) / 2
            sems = draws.std(axis=0, ddof=1) / np.sqrt(10)
            for d, gap, sem in zip(sizes, draws.mean(axis=0), sems, strict=True):
                made.append(rows([gap], replicates=10, sem=float(sem))[0] | {"d": int(d), "alpha": k})
        refused.append(not judge(made).agrees)
        naive.append(not judge([row for row in made if row["d"] == 200]).agrees)
        # 0.3, eight standard errors of the largest size, would be refused in nine of ten: a line a point has its price.
        wrong.append(not judge([row | {"theory": 5.4} for row in made]).agrees)
    assert np.mean(refused) <= LEVEL + 3 * np.sqrt(LEVEL / 300)
    assert np.mean(naive) > 5 * LEVEL
    assert np.mean(wrong) > 0.95


def test_negative_controls_are_refused_and_weak_experiments_say_so() -> None:
    report = validate(
        Experiment.from_toml(OVERLAPS.replace("replicates = 6", "replicates = 12")), controls=0.25
    )
    assert [control.setting for control in report.controls] == ["training.alpha", "training.eta"]
    assert report.agrees, report.statement
    assert report.conclusive
    weak = OVERLAPS.replace("replicates = 6", "replicates = 3").replace("d = 400", "d = 40")
    assert not validate(Experiment.from_toml(weak), controls=1.01).conclusive


def test_sizes_are_added_unless_the_file_has_several() -> None:

    experiment = Experiment.from_toml(OVERLAPS)
    made = with_sizes(experiment, 3).simulations
    assert [(s.d, s.width) for s in made] == [(100, 24), (200, 50), (400, 100)]
    assert [s.d for s in with_sizes(experiment, 1).simulations] == [400]
    several = Experiment.from_toml(OVERLAPS.replace("d = 400", "d = [64, 400]"))
    assert [s.d for s in with_sizes(several, 3).simulations] == [64, 400]


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"sizes": 0}, "sizes"),
        ({"sizes": 6}, "sizes must be 1 to 5"),
        ({"rate": "1/n"}, "rate"),
        ({"controls": 1.0}, "factor"),
        ({"controls": -2.0}, "factor"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], part: str) -> None:
    with pytest.raises(InputError, match=part):
        validate(Experiment.from_toml(OVERLAPS), **options)


OVERLAPS = """
[target]
expression = "z1 + He2(z1)/2"
[training]
steps = 1
[simulation]
d = 400
width = 100
replicates = 6
test_samples = 5000
"""


def test_without_a_ridge_table_overlaps_are_compared() -> None:
    report = validate(Experiment.from_toml(OVERLAPS))
    assert {row["quantity"] for row in report.rows} >= {"risk", "M_1[ã=1]", "norm2[ã=-1]"}
    assert all(row["step"] == 1 for row in report.rows)


def test_without_a_theory_nothing_is_simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    from asymptotics.comparison import validation

    monkeypatch.setattr(validation, "measure_all", lambda *_: pytest.fail("simulated"))
    for text in (
        CURVE.replace("steps = 0", "steps = 1\nbatch_exponent = 3"),
        OVERLAPS.replace("steps = 1", "steps = 2\nbatch_exponent = 2"),
    ):
        with pytest.raises(InputError, match="simulat"):
            validate(Experiment.from_toml(text))


def test_the_text_says_what_was_allowed_and_what_is_not_exact() -> None:
    from asymptotics.text.simulation_tables import validation_text

    text = validation_text(judge([row for k in range(6) for row in sized(0.5, 0.0, alpha=k)]).to_dict())
    assert "from d = 100, 400, 1600" in text
    assert "refused" in text
    assert "not exact" in text
    fine = validation_text(judge(rows([0.5], validity="exact")).to_dict())
    assert "one size only" in fine
    assert "not exact" not in fine


@pytest.mark.parametrize("own", [400, 1000, None])
def test_a_ridge_of_the_simulation_stands_beside_every_size_at_its_own(own: int | None) -> None:
    """Online SGD whose batch is √d: the theory at d = 400 beside runs at d = 100 was taken for a finite size."""
    ridge = {"alpha": 20.0, "regime": "fixed-width"} | ({} if own is None else {"d": own})
    experiment = Experiment.from_dict(
        {
            "target": {"expression": "z1 + z1*z2"},
            "network": {"activation": "tanh", "width": 2, "initialisation": "independent"},
            "training": {"protocol": "sgd", "steps": 3, "alpha": 1.0, "batch_exponent": 0.5},
            "simulation": {"method": "reduced", "d": 400},
            "ridge": ridge,
        }
    )
    sized = with_sizes(experiment, 3)
    assert [s.d for s in sized.simulations] == [100, 200, 400]
    assert [q.d for q in sized.ridges] == [own if own == 1000 else None]
