"""Optimal penalty and step size: closed form, a fine grid, edges and failures."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from asymptotics import Network, Ridge, Training, optimise, risk
from asymptotics.commands.cli import run
from hermite import Target
from hermite.errors import InputError

F = Target("z1 + z1*z2", noise=0.05)


def test_optimal_penalty_has_a_closed_form() -> None:
    """Linear target and kernel ridge (beta = inf) with σ = x: ridge regression, best at λ = Δ d/|w*|², here Δ alone."""
    f = Target("z1", noise=0.3)
    best = optimise(f, Network("x"), None, Ridge(2.0, float("inf")), over="lam")
    assert best.lam == pytest.approx(0.3, rel=5e-3)
    assert best.at_boundary == ()
    assert best.eta is None


def test_no_point_of_a_grid_is_better() -> None:
    network, training, ridge = Network("relu"), Training(2, 4.0), Ridge(2.0, 1.0)
    best = optimise(F, network, training, ridge, accuracy=0)
    grid = [
        risk(F, network, Training(2, 4.0, eta), Ridge(2.0, 1.0, lam), accuracy=0).test_error
        for eta in np.geomspace(0.5, 20, 5)
        for lam in np.geomspace(0.05, 50, 5)
    ]
    assert best.test_error <= min(grid) * (1 + 1e-6)
    assert (
        best.test_error
        == risk(F, network, Training(2, 4.0, best.eta), Ridge(2.0, 1.0, best.lam), accuracy=0).test_error
    )
    assert best.risk.step == 2


@pytest.mark.parametrize("over", [("lam",), pytest.param(("lam", "eta"), marks=pytest.mark.slow)])
def test_where_corrections_are_measured_the_optimum_is_that_of_risk(over) -> None:
    network, training, ridge = Network("relu"), Training(2, 1.0, 2.0), Ridge(1.0, 2.0)
    best = optimise(F, network, training, ridge, over=over)

    def at(eta: float, lam: float) -> float:
        return risk(
            F, network, replace(training, eta=best.eta * eta), replace(ridge, lam=best.lam * lam)
        ).test_error

    assert best.test_error == at(1.0, 1.0)
    assert best.test_error == min(row["test_error"] for row in best.curve if row["measured"])
    around = [(1.0, 1.3), (1.0, 1 / 1.3)] + [(1.3, 1.0), (1 / 1.3, 1.0)] * ("eta" in over)
    # Within the standard error of the corrections, 1 %, the draws of one eta are not those of another.
    assert min(at(*factors) for factors in around) > best.test_error * (1 - 0.01 * ("eta" in over) - 1e-3)
    unmeasured = risk(F, network, replace(training, eta=best.eta), replace(ridge, lam=best.lam), accuracy=0)
    assert abs(unmeasured.test_error / best.test_error - 1) > 0.01


def test_edge_of_the_range_is_told() -> None:
    best = optimise(F, Network(), Training(1), Ridge(), over=["eta"], etas=(0.1, 0.5))
    assert best.at_boundary == ("eta",)
    assert best.eta == pytest.approx(0.1, rel=1e-2)
    assert best.lam == Ridge().lam


def test_steps_that_overflow_are_left_out() -> None:
    linear = Network("exp(x)", initialisation="independent")
    best = optimise(Target("z1"), linear, Training(1), Ridge(lam=0.1), over="eta", etas=(0.5, 200.0))
    assert best.failures > 0
    assert np.isfinite(best.test_error)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"over": ("alpha",)}, "over must name"),
        ({"lambdas": (0.0, 1.0)}, "lambdas must be a range"),
        ({"training": None, "over": "eta"}, "at least one giant step"),
        ({"ridge": Ridge(regime="fixed-width")}, "network.width"),
    ],
)
def test_bad_input_is_refused(options, words) -> None:
    setting = {"training": Training(1), "ridge": Ridge()} | options
    with pytest.raises(InputError, match=words):
        optimise(F, Network(), **setting)


def test_the_command_prints_what_the_function_returns(tmp_path, capsys) -> None:
    file = tmp_path / "e.toml"
    file.write_text(
        '[target]\nexpression = "z1"\nnoise = 0.3\n[training]\nsteps = 0\n[ridge]\nlambda = [1, 2]\n'
    )
    assert run(["tune", str(file), "--over", "lam", "--json", "--out", str(tmp_path / "out")]) == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert row["test_error"] <= min(point["test_error"] for point in row["curve"])
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        f"tune.{kind}" for kind in ("csv", "json", "pdf", "png")
    ]
    assert run(["tune", str(file)]) == 0
    assert "lambda" in capsys.readouterr().out
    assert run(["tune", str(file), "--over", "width"]) == 2
