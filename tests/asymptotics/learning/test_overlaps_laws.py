"""overlaps(): which law answers, what is refused, and what the result says about itself."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import t

from asymptotics import Network, Training, overlaps
from asymptotics.learning.entries import left_out_at
from asymptotics.learning.giant import recursion as giant_recursion
from asymptotics.learning.giant.exponents import information_exponent
from asymptotics.learning.giant.fixed_width import scatter
from asymptotics.learning.giant.fixed_width_leap import _refusal_of_limit as refusal_of_limit
from asymptotics.learning.sgd.escape_times import optimal_batch
from hermite import Target
from hermite.errors import ConvergenceError, InputError

STAIR = Target("z1 + z1*z2")
LEAP2 = Target("z1*z2 + He2(z1)/2")


def test_many_neurons_and_fixed_width_agree_on_shape() -> None:
    many = overlaps(STAIR, Network(), Training(steps=2, alpha=4.0, eta=1.5))
    few = overlaps(STAIR, Network(width=2), Training(steps=2, alpha=4.0, eta=1.5))
    assert len(many.steps) == len(few.steps) == 3
    assert many.regime == "many neurons"
    assert few.regime == "fixed width"
    assert many[1].M.shape == few[1].M.shape == (2, 2)
    np.testing.assert_allclose(many[1].M, few[1].M, atol=1e-10)
    assert many[2].risk == pytest.approx(1.085189113, abs=1e-4)
    assert few[2].risk == pytest.approx(1.250889406, abs=1e-6)
    assert json.loads(json.dumps(few.to_dict()))["steps"][2]["neurons"][0]["readout"] == 1.0


def test_nothing_is_learned_at_step_zero() -> None:
    for width in ("infinite", 4):
        result = overlaps(STAIR, Network(width=width), Training(steps=0))
        assert len(result.steps) == 1
        assert result[0].risk == pytest.approx(2.0)
        np.testing.assert_array_equal(result[0].M, 0.0)


@pytest.mark.parametrize("text", ["3*He1(z1)/5", "z1*z2", "z1*z2*z3", "z1^2 - 1 + z1*z2*z3", "7", "relu(z1)"])
def test_the_information_exponent_is_the_first_order_present(text: str) -> None:
    expected = {
        "3*He1(z1)/5": 1,
        "z1*z2": 2,
        "z1*z2*z3": 3,
        "z1^2 - 1 + z1*z2*z3": 2,
        "7": None,
        "relu(z1)": 1,
    }
    assert information_exponent(Target(text)) == expected[text]


def test_callables_and_removed_orders_have_an_information_exponent() -> None:
    assert information_exponent(Target.from_function(lambda x: x[:, 0] ** 2, 1)) == 2
    assert information_exponent(Target("z1 + z1^3"), (0, 1)) == 3
    assert information_exponent(Target("z1^2 + z1"), (0,)) == 1


def test_the_second_order_is_learned_at_infinite_and_fixed_width() -> None:
    training = Training(steps=1, alpha=2.0, eta=1.0, batch_exponent=2)
    many = overlaps(LEAP2, Network(), training)
    few = overlaps(LEAP2, Network(width=8), training)
    np.testing.assert_allclose(many[1].M_cov[0], few[1].M_cov[0], atol=1e-12)
    np.testing.assert_allclose(many[1].norm2[0], few[1].norm2[0], atol=1e-12)
    assert many[1].quantiles is not None
    assert "quantiles" in many.to_dict()["steps"][1]["neurons"][0]
    # Different neurons share the batch noise, twins their start as well.
    assert few[1].Q[0, 1] == pytest.approx(many[1].Q[0, 0])
    assert few[1].Q[0, 7] != pytest.approx(many[1].Q[0, 1])


def test_removed_linear_part_specialises() -> None:
    training = Training(steps=1, alpha=2.0, eta=1.0, batch_exponent=2, remove_orders=(0, 1))
    result = overlaps(Target("z1 + z1*z2"), Network(), training)
    assert np.trace(result[1].M_cov[0]) > 0.1
    # The risk is that of the whole target, the linear part included.
    assert result[0].risk == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("target", "network", "training", "words"),
    [
        ("z1 + z1^2", {}, {"batch_exponent": 2}, ["remove_orders", "batch_exponent = 1"]),
        ("z1^2", {}, {"batch_exponent": 2}, ["remove_orders = [0]"]),
        ("z1*z2", {}, {"batch_exponent": 2, "steps": 2}, ["simulat"]),
        ("z1*z2", {"width": 4}, {"batch_exponent": 2.5, "steps": 3}, ["simulat"]),
        ("z1 + z1*z2", {}, {"remove_orders": (0, 1)}, ["batch_exponent"]),
        ("z1*z2", {"width": 4, "initialisation": "independent"}, {"batch_exponent": 2}, ["symmetric"]),
        ("z1", {}, {"eta": 1e200}, ["eta"]),
        ("z1", {"width": 4}, {"eta": 1e200}, ["eta"]),
    ],
)
def test_what_has_no_law_is_refused_with_advice(target, network, training, words) -> None:
    with pytest.raises(InputError) as error:
        overlaps(Target(target), Network(**network), Training(**training))
    for word in words:
        assert word in str(error.value)


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(InputError, match="accuracy"):
        overlaps(STAIR, Network(), Training(), accuracy=0.0)
    with pytest.raises(InputError, match="d must be"):
        overlaps(STAIR, Network(), Training(), d=1)
    with pytest.raises(InputError):
        Network(width=3)
    with pytest.raises(InputError):
        Network(width=0)


def test_exponent_below_the_leap_learns_nothing() -> None:
    for exponent in (1.0, 1.5):
        result = overlaps(LEAP2, Network(), Training(steps=1, alpha=2.0, batch_exponent=exponent), d=512)
        np.testing.assert_allclose(result[1].M, 0, atol=1e-12)
        assert result.warnings
    assert "cosine" in result.validity_note


def test_a_blind_activation_is_warned_of() -> None:
    result = overlaps(Target("z1"), Network(activation="He2"), Training(steps=1))
    assert any("c_1" in warning for warning in result.warnings)
    np.testing.assert_allclose(result[1].M, 0, atol=1e-12)
    result = overlaps(Target("z1*z2*z3"), Network(), Training(steps=1, batch_exponent=3))
    assert any("c_3" in warning for warning in result.warnings)


def test_a_finite_dimension_is_taken_into_account() -> None:
    training = Training(steps=1, alpha=4.0, eta=1.5)
    limit = overlaps(STAIR, Network(width=2), training)
    finite = overlaps(STAIR, Network(width=2), training, d=1000)
    assert finite.n == 4000
    assert finite.d == 1000
    assert 1e-5 < np.abs(finite[1].Q - limit[1].Q).max() < 5e-3
    # Above the leap no limit exists, but the mean at finite d does.
    beyond = overlaps(Target("z1 + z1^2"), Network(width=2), Training(steps=1, batch_exponent=2), d=100)
    assert beyond[1].M[0, 0] > 3


def test_random_biases_are_averaged_over() -> None:
    network, training = Network(bias=0.5), Training(steps=1, alpha=4.0, eta=1.0)
    many = overlaps(STAIR, network, training)
    assert many[1].M.shape == (2, 2)  # one entry a readout, averaged over biases
    # relu: E over b of Φ(b) is 1/2.
    assert many[1].M[0, 0] == pytest.approx(0.5, abs=1e-9)
    assert many[1].M_cov[0, 0, 0] > 0.01
    few = overlaps(STAIR, Network(bias=0.5, width=4), training)
    assert "biases" in few.validity_note
    assert few[1].M[0, 0] == pytest.approx(0.5, abs=0.1)


def test_unmet_accuracy_is_an_error_or_a_number_with_its_error() -> None:
    network, training = Network(width=4), Training(steps=2, alpha=1.0, eta=2.0)
    with pytest.raises(ConvergenceError, match=r"ask for less \(accuracy = ") as refused:
        overlaps(STAIR, network, training, accuracy=1e-9)
    result = overlaps(STAIR, network, training, accuracy=1e-9, throw=False)
    assert result.validity == "approximate"
    assert "not the accuracy" in result.validity_note
    # Without an accuracy, what comes near is told with what it reached.
    near = overlaps(STAIR, network, training, d=60)
    assert 1e-4 < near.solution.residual < 1e-3
    assert not near.solution.converged
    assert "not the accuracy" in near.validity_note
    # What the message proposes is met.
    proposed = float(str(refused.value).split("accuracy = ")[1].split(")")[0])
    assert overlaps(STAIR, network, training, accuracy=proposed).solution.residual <= proposed
    met = overlaps(STAIR, network, Training(steps=2, alpha=4.0), accuracy=1e-3)
    assert met.solution.residual < 1e-3
    # An exact law whose integrals are known to 5e-6: "exact" asks for 1e-6.
    assert max(step.error.total for step in met.steps) > 1e-6
    assert met.validity == "approximate"


def test_the_first_direction_is_learned_in_a_gram_metric() -> None:
    """The neuron moves by w*_2/2, which overlaps 1/4 with w*_1 and 1/2 with w*_2."""
    f = Target("z2", gram=[["1", "1/2"], ["1/2", "1"]])
    result = overlaps(f, Network(), Training(steps=1))
    np.testing.assert_allclose(result[1].M[0], [0.25, 0.5], atol=1e-12)


def test_what_a_limit_leaves_out_falls_with_d() -> None:
    """As 1/d, and as d^-1/2 for steps on more samples than d."""
    assert left_out_at(None) == left_out_at(None, 2.0) == 0.0
    assert left_out_at(400) == pytest.approx(left_out_at(100) / 4)
    assert left_out_at(400, 2.0) == pytest.approx(left_out_at(100, 2.0) / 2)
    assert 0 < left_out_at(100) < left_out_at(100, 2.0) < 1


@pytest.mark.parametrize("count", [4, 8, 16])
def test_half_widths_are_those_of_t(count: int) -> None:
    draws = list(np.random.default_rng(1).standard_normal(count))
    expected = t.isf(0.025, count - 1) * np.std(draws, ddof=1) / np.sqrt(count)
    assert scatter(draws) == pytest.approx(expected, rel=0.1)
    assert scatter(draws[:1]) == 0.0


def test_a_d_is_the_way_out_of_a_missing_limit_unless_the_linear_part_is_removed() -> None:
    network = Network("relu", width=2)
    for orders, helps in (((), True), ((0,), True), ((0, 1), False)):
        said = refusal_of_limit(network, Training(2, batch_exponent=2, remove_orders=orders))
        assert said is not None
        assert ("give d" in said) == helps


def test_batches_grow_to_half_the_leap_or_to_one_less() -> None:
    """Steps no longer fall beyond n_b = d^(l/2) with the square loss, d^(l − 1) with the correlation loss."""
    for leap in (1, 2, 3, 5):
        assert optimal_batch(leap, "square") == max(1.0, leap / 2)
        assert optimal_batch(leap, "correlation") == (1.0 if leap == 1 else leap - 1)


def test_sampled_kernels_of_many_neurons_are_told_with_what_they_reached(monkeypatch) -> None:
    """By default, up to 1e-2; asked for an accuracy, what does not reach it is refused."""
    monkeypatch.setattr(giant_recursion, "_LAST_SIZE", 16)
    network = Network("relu", width=40, bias=1.0)
    training = Training(steps=1, alpha=4.0, eta=1.5)
    found = overlaps("He2(z1) + z1*z2", network, training)
    reached = found.solution.residual
    assert 1e-3 < reached < 1e-2
    assert found.steps[-1].error.quadrature > 0
    assert found.validity == "approximate"
    with pytest.raises(ConvergenceError, match="not the accuracy 1e-03"):
        overlaps("He2(z1) + z1*z2", network, training, accuracy=1e-3)
