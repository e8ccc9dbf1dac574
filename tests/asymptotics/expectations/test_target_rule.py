"""Cubature over the target's directions: exact for polynomials, and fast where kinks can be split."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr

from asymptotics.expectations.accuracy import quadrature_error
from asymptotics.expectations.activations import get_activation
from asymptotics.expectations.frames import kink_frame, splits_kinks
from asymptotics.expectations.known_moments import against_exact
from asymptotics.expectations.sharpness import is_plain
from asymptotics.expectations.target_rule import default_accuracy, rule_of, target_rule
from hermite import Target, expand


@pytest.mark.parametrize("text", ["z1 + z1*z2", "z1*z2*z3", "He4(z1)*z2", "z1*z2*z3*z4*z5*z6*z7"])
def test_polynomials_are_integrated_exactly(text: str) -> None:
    f = Target(text)
    x, w = target_rule(f)
    assert w @ f(x) == pytest.approx(0.0, abs=1e-12)
    assert w @ f(x) ** 2 == pytest.approx(float(expand(f).total_energy), rel=1e-11)


@pytest.mark.parametrize(
    "text",
    [
        "relu(z1) + relu(z2)",
        "sign(z1*z2*z3)",
        "max(z1, z2)",
        "relu(z1 - 1/2)",
        "relu(z1) + max(z1, z2)",
        "relu(z1) + relu(z1 + z2) + relu(z2 - 1/2)",
    ],
)
def test_kinks_are_split(text: str) -> None:
    f = Target(text)
    assert splits_kinks(f)
    x, w = target_rule(f)
    assert w @ f(x) == pytest.approx(float(expand(f, order=0).tensor(0)), abs=1e-11)
    # A smooth factor, as in the averages of training: two refinements agree.
    values = []
    for refine in (1.0, 1.5):
        x, w = target_rule(f, refine)
        values.append(w @ (f(x) ** 2 * ndtr(1.3 * x[:, 0])))
    assert values[0] == pytest.approx(values[1], abs=1e-9)


def test_other_kinks_are_admitted() -> None:
    assert not splits_kinks(Target("abs(z1^2 - 1)"))
    assert not splits_kinks(Target("relu(z1) + relu(z1 + z2) + relu(z3)"))
    assert not splits_kinks(Target.from_function(lambda x: np.abs(x[:, 0]), 1))
    for f in (Target("abs(z1^2 - 1)"), Target.from_function(lambda x: np.abs(x[:, 0]), 1)):
        _, w = target_rule(f)
        assert w.sum() == pytest.approx(1)


def test_frame_follows_the_gram_matrix() -> None:
    f = Target("relu(z2)", gram=[["1", "1/2"], ["1/2", "1"]])
    np.testing.assert_allclose(kink_frame(f).axes[0], [0.5, np.sqrt(0.75)], atol=1e-12)
    x, w = target_rule(f)
    assert w @ f(x) == pytest.approx(1 / np.sqrt(2 * np.pi), abs=1e-12)


def test_the_error_of_averages_is_the_larger_of_target_and_activation() -> None:
    exact, rough = Target("z1 + z1*z2"), Target("exp(sin(3*z1 + z2*z3))")
    plain, kinked = get_activation("x + He2(x)"), get_activation("tanh(x + 1/2)")
    assert rule_of(rough).error > max(rule_of(exact).error, kinked.error)
    for f in (exact, rough):
        for activation in (plain, kinked):
            larger = max(rule_of(f).error, activation.error)
            assert quadrature_error(f, activation) == larger


@pytest.mark.parametrize(
    "expression",
    ["exp(-z1^2)", "exp(-z1^2/2)*z2+z3", "exp(-(z1-z2)^2/2)+z3", "exp(z2-2*z1^2)", "z1^3*exp(-2*(z1-5)^2)"],
)
def test_a_wide_bump_needs_no_scan(expression: str) -> None:
    """It is entire: two plain rules that agree have converged, to what is known exactly."""
    f = Target(expression)
    rule = rule_of(f)
    assert rule.method == "tensor of plain rules"
    assert against_exact(f, rule.nodes, rule.weights) <= max(rule.error, 1e-15)
    assert rule.error <= default_accuracy(f.r)


@pytest.mark.parametrize("expression", ["exp(-40*z1^2)", "exp(z1^2/8)", "exp(-z1*z2/4)"])
def test_a_narrow_or_growing_exponential_is_no_plain_bump(expression: str) -> None:
    f = Target(expression)
    assert not is_plain(f)
