"""samples_needed against the curve it inverts, and what it says where nothing reaches the error."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from asymptotics import Cluster, Inputs, Network, Ridge, Training, risk, samples_needed
from asymptotics.commands.cli import run
from asymptotics.design.inversion import _BELOW, _PRECISION, _Curve
from asymptotics.error_budget import ErrorBudget
from hermite import Target
from hermite.errors import InputError

F = Target("z1 + He2(z1)/2", noise=0.1)


@pytest.mark.parametrize(
    ("steps", "ridge", "error"),
    [
        (0, Ridge(beta=1.0, lam=0.1), 1.4),
        (0, Ridge(beta=4.0, lam=1.0), 1.3),
        (1, Ridge(beta=1.0, lam=0.1), 0.7),
        (1, Ridge(beta=4.0, lam=1.0), 0.6),
    ],
)
def test_the_curve_passes_through_the_answer(steps: int, ridge: Ridge, error: float) -> None:
    found = samples_needed(F, training=Training(steps=steps), ridge=ridge, test_error=error, accuracy=0)
    assert found.alpha is not None
    at = [
        risk(
            F, None, Training(steps=steps), replace(ridge, alpha=found.alpha * factor), accuracy=0
        ).test_error
        for factor in (1 - 1e-4, 1.0, 1 + 1e-4)
    ]
    assert at[0] > error >= at[1] > at[2]
    assert found.reached == pytest.approx(error, rel=1e-5)


@pytest.mark.parametrize(
    ("network", "training", "ridge", "error"),
    [
        (Network(), Training(2, 1.0, 2.0), Ridge(beta=2.0, lam=0.01), 1.3),
        pytest.param(
            Network("tanh"), Training(2, 2.0, 2.0), Ridge(beta=3.0, lam=0.1), 1.3, marks=pytest.mark.slow
        ),
        pytest.param(
            Network(),
            Training(2, 1.0, 2.0),
            Ridge(beta=2.0, lam=0.01, accuracy=0.05),
            1.3,
            marks=pytest.mark.slow,
        ),
        pytest.param(
            Network(),
            Training(2, 1.0, 2.0),
            Ridge(beta=2.0, lam=0.01, level="En+"),
            1.3,
            marks=pytest.mark.slow,
        ),
        (Network(), Training(1, 2.0, 2.0), Ridge(beta=2.0, lam=0.1, d=200), 1.2),
    ],
)
def test_where_corrections_are_measured_the_answer_is_the_one_of_risk(
    network, training, ridge, error
) -> None:
    """They are 10 to 20 % here; without them the curve is elsewhere."""
    f = Target("z1 + z1*z2", noise=0.05)
    found = samples_needed(f, network, training, ridge, test_error=error)
    assert found.alpha is not None
    here = risk(f, network, training, replace(ridge, alpha=found.alpha))
    assert found.reached == here.test_error
    step = 2e-4 if ridge.d is None else 1.5 / (found.alpha * ridge.d)
    before = risk(f, network, training, replace(ridge, alpha=found.alpha * (1 - step)))
    assert before.test_error > error >= here.test_error
    assert found.error.total > 0.5 * here.error.total
    unmeasured = samples_needed(f, network, training, ridge, test_error=error, accuracy=0)
    if ridge.level == "auto":
        assert unmeasured.alpha != pytest.approx(found.alpha, rel=1e-3)


def test_at_finite_d_the_answer_is_a_number_of_samples() -> None:
    ridge = Ridge(beta=1.0, lam=0.1, d=100)
    found = samples_needed(F, ridge=ridge, test_error=1.5)
    assert found.n2 is not None
    errors = [risk(F, ridge=replace(ridge, alpha=n / 100)).test_error for n in (found.n2 - 1, found.n2)]
    assert errors[0] > 1.5 >= errors[1]


def test_an_error_that_rises_again_is_said_to() -> None:
    """Near interpolation a small penalty makes the error peak: what few samples reach, more samples lose."""
    ridge = Ridge(beta=2.0, lam=1e-4)
    low, peak = (risk(F, ridge=replace(ridge, alpha=alpha)).test_error for alpha in (0.4, 1.0))
    assert peak > 1.5 * low
    found = samples_needed(F, ridge=ridge, test_error=1.001 * low)
    assert found.alpha is not None
    assert found.alpha <= 0.4 * (1 + 1e-5)
    assert not found.stays


class PowerLaw(_Curve):
    """E = alpha^(−slope) with a given budget, where it was measured as it is, or not."""

    def __init__(self, slope: float, plain: bool = True, d: int | None = None) -> None:
        self._ridge, self._slope, self._plain = Ridge(d=d), slope, plain

    def __call__(self, alpha: float) -> float:
        return alpha**-self._slope

    @property
    def is_plain(self) -> bool:
        return self._plain

    def budget(self, alpha: float) -> ErrorBudget:
        return ErrorBudget(quadrature=1e-3, solver=1e-5, theory=0.02)


@pytest.mark.parametrize("alpha", [0.02, 3.0, 500.0])
@pytest.mark.parametrize("d", [None, 40])
@pytest.mark.parametrize("slope", [0.5, 2.0, -0.25])
def test_the_error_of_alpha_is_that_of_the_test_error_over_the_slope_of_the_curve(
    slope: float, d: int | None, alpha: float
) -> None:
    """ln E falls by |slope| times ln alpha: an error of 2 % of E moves alpha by 2 %/|slope|; the bisection adds its own."""
    found = PowerLaw(slope, d=d).error_of(alpha)
    assert found.quadrature == pytest.approx(1e-3 / abs(slope), rel=1e-9)
    assert found.theory == pytest.approx(0.02 / abs(slope), rel=1e-9)
    assert found.solver == pytest.approx(1e-5 / abs(slope) + _PRECISION, rel=1e-9)
    stopped = PowerLaw(slope, plain=False, d=d).error_of(alpha)
    assert stopped.solver == pytest.approx(found.solver + 2 * _BELOW / abs(slope), rel=1e-9)
    assert stopped.theory == found.theory


class Steps(PowerLaw):
    """The same at n2 = round(alpha d) samples: flat between whole numbers."""

    def __call__(self, alpha: float) -> float:
        assert self._ridge.d is not None
        return super().__call__(round(alpha * self._ridge.d) / self._ridge.d)


@pytest.mark.parametrize("alpha", [0.5, 2.0, 2.5])
def test_between_whole_numbers_of_samples_the_curve_is_not_taken_for_flat(alpha: float) -> None:
    smooth, steps = PowerLaw(1.0, d=40).error_of(alpha), Steps(1.0, d=40).error_of(alpha)
    assert steps.theory == pytest.approx(smooth.theory, rel=0.3)


def test_where_the_curve_is_flat_the_error_of_alpha_is_not_known() -> None:
    found = PowerLaw(0.0).error_of(2.0)
    assert found.quadrature is found.solver is found.theory is found.total is None


def test_what_the_fewest_samples_reach_is_said_to_be() -> None:
    found = samples_needed(F, training=Training(steps=1), ridge=Ridge(beta=1.0, lam=0.1), test_error=1.2)
    assert found.alpha == pytest.approx(0.01)
    assert "fewest samples" in found.reason


def test_below_the_noise_the_plateau_or_the_limit_it_says_which() -> None:
    ridge = Ridge(beta=1.0, lam=0.1)
    cases = {0.05: "label noise", 0.5: "plateau of 0.6", 0.7: "larger beta"}
    for error, part in cases.items():
        found = samples_needed(F, ridge=ridge, test_error=error)
        assert not found.reachable
        assert part in found.reason
        assert found.limit > error
    wider = samples_needed(F, ridge=Ridge(beta=40.0, lam=0.1), test_error=0.7)
    assert wider.reachable


def test_after_a_step_the_plateau_is_lower() -> None:
    network = Network()
    assert not samples_needed(F, network, ridge=Ridge(beta=40.0), test_error=0.5).reachable
    assert samples_needed(F, network, Training(steps=1), Ridge(beta=40.0), test_error=0.5).reachable


LONG = Inputs(
    [Cluster(0.6, [0.8, 0], [[1, 0], [0, 0.5]], [1.2]), Cluster(0.4, [-0.4, 0], [[1, 0], [0, 1]], [0.7])]
)


@pytest.mark.parametrize("wanted", [0.55, 0.1])
def test_where_the_theory_has_no_number_the_error_is_not_called_infinite(wanted: float) -> None:
    """Functions of degree two of the axes are learned by 10⁴ samples a dimension: no prediction there is no rise."""
    f, given = Target("z1 + z1*z2/2", noise=0.05), (Network("relu"), Training(steps=1, alpha=3.0, eta=1.2))
    ridge = Ridge(beta=1.0, lam=0.2, d=60)
    with pytest.raises(InputError, match="no prediction"):
        risk(f, *given, replace(ridge, alpha=1e4), inputs=LONG)
    found = samples_needed(f, *given, ridge, test_error=wanted, inputs=LONG)
    assert found.limit is None
    assert found.reachable == (wanted > 0.5)
    if found.reachable:
        assert found.stays
        assert any("no number" in warning for warning in found.warnings)
    else:
        assert "inf" not in found.reason
        assert "has a number for" in found.reason


@pytest.mark.parametrize("error", [0.0, -1.0, float("nan"), float("inf"), "1"])
def test_errors_that_are_no_positive_numbers_are_refused(error: float) -> None:
    with pytest.raises(InputError, match="test_error"):
        samples_needed(F, test_error=error)


def test_the_command_prints_what_the_function_returns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "experiment.toml"
    path.write_text(
        '[target]\nexpression = "z1 + He2(z1)/2"\nnoise = 0.1\n[training]\nsteps = [0, 1]\n[ridge]\nlambda = 0.1\n'
    )
    assert run(["samples", str(path), "--test-error", "1.2", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [(row["step"], row["reachable"]) for row in rows] == [(0, False), (1, True)]
    assert run(["samples", str(path), "--test-error", "0"]) == 2
    assert "test_error" in capsys.readouterr().err
    assert run(["samples", str(path), "--test-error", "1.2"]) == 0
    assert "larger beta" in capsys.readouterr().out
