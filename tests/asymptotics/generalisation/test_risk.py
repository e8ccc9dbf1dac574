"""The public ``risk``: which theory answers, what is refused, and that the regimes meet where they should."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from first_step_closed_form import labels_of

from asymptotics import Network, Ridge, Training, risk
from asymptotics.experiment.ridge_words import Level
from asymptotics.generalisation.errors import risk_curve
from asymptotics.generalisation.ridge_theories.trained_levels import units_of
from asymptotics.generalisation.theory import Setting
from hermite import Target
from hermite.errors import ConvergenceError, InputError

ONE_STEP = json.loads((Path(__file__).parents[2] / "data" / "one_step.json").read_text())
MIX = Target("sin(3*z1/2) + cos(3*z1/2) - exp(-9/8)", noise=0.05)
QUADRATIC = Target("z1 + He2(z1)", noise=0.1)


@pytest.mark.parametrize(
    "case", ONE_STEP, ids=[f"{c['activation']}-{c['target']}-{c['initialisation']}" for c in ONE_STEP]
)
def test_reference_values_after_one_step_are_met(case) -> None:
    f = Target(case["target"], noise=case["noise"])
    network = Network(case["activation"], case["readout"], initialisation=case["initialisation"])
    found = risk(
        f,
        network,
        Training(1, case["training_alpha"], case["eta"]),
        Ridge(case["alpha"], case["beta"], case["lam"], level="E"),
    )
    assert found.test_error == pytest.approx(case["test_error"], rel=1e-7)
    assert found.train_error == pytest.approx(case["train_error"], rel=1e-7)
    assert found.excess_risk == pytest.approx(case["test_error"] - case["noise"], rel=1e-7)
    assert found.step == 1
    assert found.validity == "leading order"
    assert labels_of(f, case["training_alpha"]).overlap == pytest.approx(
        case["spike_target_overlap"], rel=1e-9
    )


# Independent values (test at levels iso and E, train at E): relu or tanh, eta 2, alpha 10, noise 0.05, (2, 1, 0.05).
LEVELS = [
    ("relu", "z1 + He2(z1)/sqrt(2)", "independent", 1.5055699, 1.3475007, 0.4060972),
    ("relu", "z1 + He2(z1)/sqrt(2)", "symmetric", 1.4680213, 1.3441266, 0.4016584),
    ("relu", "sin(3*z1/2) + cos(3*z1/2) - exp(-9/8)", "independent", 1.1093549, 1.0645828, 0.3400844),
    ("tanh", "z1 + He2(z1)/sqrt(2)", "symmetric", 1.4397467, 1.4353698, 0.9023579),
    ("tanh", "sin(3*z1/2)", "independent", 0.4091547, 0.4092721, 0.1637061),
]


@pytest.mark.parametrize(("sigma", "target", "initialisation", "iso", "exact", "train"), LEVELS)
def test_levels_differ_as_in_the_reference(sigma, target, initialisation, iso, exact, train) -> None:
    f, network = Target(target, noise=0.05), Network(sigma, initialisation=initialisation)
    training = Training(1, 10.0, 2.0)
    approximate = risk(f, network, training, Ridge(2.0, 1.0, 0.05, level="iso"))
    best = risk(f, network, training, Ridge(2.0, 1.0, 0.05, level="E"))
    assert approximate.test_error == pytest.approx(iso, abs=1.1e-6)
    assert approximate.validity == "approximate"
    assert best.test_error == pytest.approx(exact, abs=1.1e-6)
    assert best.train_error == pytest.approx(train, abs=1.1e-6)


def test_symmetric_is_half_as_wide_before_any_step() -> None:
    ridge = Ridge(2.0, 1.4, 0.1)
    half = risk(QUADRATIC, Network(initialisation="independent"), None, Ridge(2.0, 0.7, 0.1))
    assert risk(QUADRATIC, Network(), None, ridge).test_error == pytest.approx(half.test_error, rel=1e-12)
    whole = risk(QUADRATIC, Network(initialisation="independent"), None, ridge)
    assert abs(whole.train_error - half.train_error) > 0.05


def test_readout_law_is_irrelevant_before_any_step() -> None:
    ridge = Ridge(2.0, 1.4, 0.1)
    laws = ["rademacher", "gaussian", ((2.0, 0.25), (0.0, 0.5), (-2.0, 0.25))]
    found = {risk(QUADRATIC, Network(readout=law), None, ridge).test_error for law in laws}
    assert len(found) == 1


@pytest.mark.parametrize("network", [Network(), Network("tanh", initialisation="independent")])
def test_no_learning_rate_is_no_step(network) -> None:
    """eta → 0 leaves the network as it was: spiked theory = plain theory, also for pairs."""
    ridge = Ridge(2.0, 1.4, 0.1)
    idle = risk(QUADRATIC, network, Training(1, 3.0, 1e-12), ridge)
    plain = risk(QUADRATIC, network, Training(0), ridge)
    assert idle.test_error == pytest.approx(plain.test_error, rel=1e-9)
    assert idle.train_error == pytest.approx(plain.train_error, rel=1e-9)


@pytest.mark.parametrize("ridge", [Ridge(2.0, 1.0, 0.1), Ridge(1.0, 3.0, 0.01), Ridge(1.5, math.inf, 0.1)])
@pytest.mark.parametrize(
    "network", [Network(), Network("tanh"), Network(bias=0.5), Network("relu", initialisation="independent")]
)
def test_finite_d_tends_to_the_proportional_limit(network, ridge) -> None:
    """Two derivations meet: harmonics with the radius observed at d = 10^6, and the limit."""
    limit = risk(QUADRATIC, network, None, ridge)
    large = risk(QUADRATIC, network, None, Ridge(ridge.alpha, ridge.beta, ridge.lam, d=1_000_000))
    assert large.test_error == pytest.approx(limit.test_error, rel=2e-5)
    assert large.train_error == pytest.approx(limit.train_error, rel=2e-5)
    assert "finite d" in large.solver
    assert limit.solver == "random features"


def test_finite_regime_uses_actual_sizes() -> None:
    found = risk(QUADRATIC, Network(), None, Ridge(2.003, 1.003, 0.1, d=300, regime="finite"))
    assert (found.n2, found.p, found.d) == (601, 302, 300)
    with pytest.raises(InputError, match=r"ridge\.d"):
        risk(QUADRATIC, Network(), None, Ridge(regime="finite"))


def test_the_proportional_theory_takes_the_actual_ratios() -> None:
    rounded = risk(QUADRATIC, Network(), None, Ridge(2.003, 1.003, 0.1, d=300, regime="proportional"))
    exact = risk(QUADRATIC, Network(), None, Ridge(601 / 300, 302 / 300, 0.1))
    assert rounded.test_error == pytest.approx(exact.test_error, rel=1e-2)
    assert (rounded.n2, rounded.p) == (601, 302)


@pytest.mark.parametrize("lam", [0.0, 1e-9])
def test_ridgeless_errors_are_finite_on_both_sides_of_interpolation(lam) -> None:
    for alpha, beta in ((2.0, 1.0), (0.4, 1.0)):
        found = risk(QUADRATIC, Network(), None, Ridge(alpha, beta, lam))
        assert math.isfinite(found.test_error)
        assert found.train_error == pytest.approx(0.0, abs=1e-12) or alpha > beta / 2
    with pytest.raises(InputError, match="interpolation"):
        risk(QUADRATIC, Network(), None, Ridge(0.5, 1.0, 0.0))


def test_a_gaussian_readout_has_an_error_after_a_step() -> None:
    network, training = Network(readout="gaussian"), Training(1, 10.0, 1.0)
    with pytest.raises(InputError, match=r"ridge\.d"):
        risk(MIX, network, training, Ridge(2.0, 1.0, 0.05))
    finite = risk(MIX, network, training, Ridge(2.0, 1.0, 0.05, d=700))
    assert finite.solution.converged
    two_values = risk(MIX, Network(), training, Ridge(2.0, 1.0, 0.05, d=700))
    assert finite.test_error < two_values.test_error


def test_pairs_without_a_readout_are_pairs_of_equal_neurons() -> None:
    """An atom of vanishing readout and the atom at 0 itself are the same network."""
    training, ridge = Training(1, 5.0, 1.0), Ridge(2.0, 1.0, 0.05)
    zero = risk(MIX, Network(readout=((1.0, 0.25), (0.0, 0.5), (-1.0, 0.25))), training, ridge)
    tiny = risk(
        MIX, Network(readout=((1.0, 0.25), (1e-7, 0.25), (-1e-7, 0.25), (-1.0, 0.25))), training, ridge
    )
    assert zero.test_error == pytest.approx(tiny.test_error, rel=1e-4)


def test_a_removed_mean_makes_constants_irrelevant() -> None:
    """Removing order 0 of the labels makes any constant irrelevant, also to a network whose first output is not 0."""
    law = ((1.5, 0.6), (0.5, 0.4))
    network = Network("tanh", readout=law, initialisation="independent")
    relu = Network("relu", readout=law, initialisation="independent")
    training, ridge = Training(1, 5.0, 1.0, remove_orders=(0,)), Ridge(2.0, 1.0, 0.05)
    shifted = Target("z1 + He2(z1) + 7", noise=0.1)
    for one in (network, relu):
        a, b = (labelled(f, one, training, ridge) for f in (QUADRATIC, shifted))
        np.testing.assert_allclose(a, b, rtol=1e-9)
    kept = Training(1, 5.0, 1.0)
    for one in (network, relu):  # E y = 0: there is nothing to remove
        np.testing.assert_allclose(*(labelled(QUADRATIC, one, t, ridge) for t in (training, kept)), rtol=1e-9)
    even = [labelled(shifted, relu, t, ridge) for t in (training, kept)]
    assert abs(even[0][0] / even[1][0] - 1) > 1e-3


def labelled(f, network, training, ridge):
    """What a constant label would move in the trained features."""
    units = units_of(Setting(f, network, training, ridge), Level.E)
    return np.concatenate([units.mu0[40], units.mu1[40], units.v.ravel()[:4]])


@pytest.mark.parametrize(
    ("f", "network", "training", "ridge", "words"),
    [
        (MIX, Network(), Training(1, batch_exponent=1.5), Ridge(), "batch_exponent = 1"),
        (MIX, Network(), Training(1, remove_orders=(0, 1)), Ridge(), "remove_orders"),
        (MIX, Network(readout="gaussian"), Training(1), Ridge(level="matrix", d=200), "level"),
        (MIX, Network(bias=0.5), Training(1), Ridge(), "random biases"),
        (MIX, Network(), None, Ridge(regime="fixed-width"), "network.width"),
        (MIX, Network(width=4, bias=0.5), None, Ridge(regime="fixed-width"), "network.bias"),
    ],
)
def test_refusals_are_one_sentence(f, network, training, ridge, words) -> None:
    with pytest.raises(InputError, match=words) as caught:
        risk(f, network, training, ridge)
    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].endswith(".")


@pytest.mark.parametrize(
    "text", ["relu(z1 + z2) + z1*z2", "tanh(z1*z2) + z3", "abs(z1 + z2 + z3)", "z1^3*z2"]
)
def test_any_target_has_an_error_at_initialisation(text) -> None:
    found = risk(Target(text, noise=0.02), Network(), None, Ridge(3.0, 2.0, 0.1))
    assert 0.02 < found.test_error < 100
    assert found.excess_risk == pytest.approx(found.test_error - 0.02)


def test_callable_target_agrees_with_its_expression() -> None:
    g = Target.from_function(lambda z: z[..., 0] + z[..., 0] ** 2 - 1, 1, noise=0.1)
    ridge = Ridge(2.0, 1.0, 0.1)
    for training in (None, Training(1, 4.0)):
        a, b = (risk(f, Network(), training, ridge).test_error for f in (g, QUADRATIC))
        assert a == pytest.approx(b, rel=1e-8)


def test_plateau_is_the_floor_of_the_activation() -> None:
    """relu misses nothing of z1 + He2 but He2 at κ = 1; after a step nothing. The noise is on top."""
    assert risk(QUADRATIC, Network(), None, Ridge()).plateau == pytest.approx(2.1)
    assert risk(QUADRATIC, Network(), Training(1), Ridge()).plateau == pytest.approx(0.1)
    cubic = Target("z1 + He3(z1)")
    assert risk(cubic, Network(), Training(1), Ridge()).plateau == pytest.approx(6.0)


def test_the_plateau_does_not_depend_on_what_was_asked_before() -> None:
    """It is that of giant steps on fresh batches; what single calls keep was named by the number of steps alone."""
    f, network, ridge = Target("z1 + z1*z2", noise=0.25), Network("erf"), Ridge(level="iso")
    for protocol in ("giant", "reuse", "giant"):
        found = risk(f, network, Training(1, protocol=protocol), ridge).plateau
        assert found == (pytest.approx(1.25) if protocol == "giant" else None)


def test_results_carry_their_solver() -> None:
    found = risk(MIX, Network(), Training(1), Ridge())
    assert found.solution.converged
    assert found.solution.residual < 1e-11
    assert set(found.order_parameters) == {"V1", "N_inverse", "t", "B", "readout_norm2_per_d"}
    assert found.to_dict()["lambda"] == 0.01


def test_failure_is_loud_and_can_be_silenced(monkeypatch) -> None:
    import asymptotics.generalisation.spiked.nonlinear_sector as units
    from asymptotics.fixed_point import solve

    monkeypatch.setattr(
        units, "solve", lambda *a, **k: solve(*a, **{**k, "max_evaluations": 2, "method": "plain"})
    )
    with pytest.raises(ConvergenceError, match="were not solved"):
        risk(MIX, Network(), Training(1), Ridge())
    assert not risk(MIX, Network(), Training(1), Ridge(), throw=False).solution.converged


def test_order_of_a_curve_does_not_matter() -> None:
    ridges = [Ridge(a, 1.0, 0.05) for a in (0.5, 1.0, 2.0)]
    forward = risk_curve(MIX, Network(), Training(1), ridges)
    backward = risk_curve(MIX, Network(), Training(1), ridges[::-1])[::-1]
    assert [r.test_error for r in forward] == [r.test_error for r in backward]


def test_a_target_whose_energy_no_engine_knows_is_integrated() -> None:
    """Coefficients are known, E f² is not: cubature, also where the theory at finite d is tried first."""
    from hermite import expand

    f = Target("tanh(z1)*tanh(z2 + z1/2) + tanh(z3)*tanh(z1 + z3) + tanh(z4 + z1 + z2)*erf(z4)")
    assert expand(f, order=1).total_energy is None
    found = risk(f, Network(), Training(steps=0), Ridge(alpha=2.0, lam=0.1, d=48))
    assert 0 < found.test_error < 10
    with pytest.raises(InputError, match="energy"):
        risk(f, Network(), Training(steps=0), Ridge(alpha=2.0, lam=0.1, d=48, regime="finite"))


@pytest.mark.parametrize("bias", [0.0, 0.5])
def test_points_of_a_curve_before_training_are_those_alone(bias) -> None:
    """Neurons of one type are solved together, others one by one; both have what a mean output costs at finite d."""
    network, f = Network("relu", bias=bias, initialisation="independent"), Target("2 + z1", noise=0.1)
    ridges = [Ridge(a, 1.0, 0.05, d=d, regime="proportional") for d in (None, 40) for a in (0.5, 2.0)]
    curve = risk_curve(f, network, None, ridges)
    for ridge, point in zip(ridges, curve, strict=True):
        alone = risk(f, network, None, ridge)
        assert (point.test_error, point.train_error) == pytest.approx(
            (alone.test_error, alone.train_error), rel=1e-10
        )
        assert point.error.solver < 1e-6
    assert curve[2].test_error > 1.1 * curve[0].test_error


def test_failure_before_training_is_loud_and_can_be_silenced(monkeypatch) -> None:
    import asymptotics.generalisation.spiked.nonlinear_sector as units
    from asymptotics.fixed_point import solve

    monkeypatch.setattr(
        units, "solve", lambda *a, **k: solve(*a, **{**k, "max_evaluations": 2, "method": "plain"})
    )
    network, ridge = Network("tanh", bias=0.5), Ridge(regime="proportional")
    for f in (
        lambda **k: risk(MIX, network, None, ridge, **k),
        lambda **k: risk_curve(MIX, network, None, [ridge], **k)[0],
    ):
        with pytest.raises(ConvergenceError, match="were not solved"):
            f()
        assert not f(throw=False).solution.converged


@pytest.mark.parametrize("accuracy", [math.inf, math.nan, -0.1])
def test_an_accuracy_is_a_finite_number_of_at_least_zero(accuracy) -> None:
    with pytest.raises(InputError, match="accuracy must be"):
        risk(MIX, Network(), Training(1), Ridge(), accuracy=accuracy)


@pytest.mark.parametrize("regime", ["auto", "finite", "proportional"])
def test_an_answer_names_its_sizes_and_no_batch_where_there_was_no_step(regime) -> None:
    ridge = Ridge(2.0, 1.0, 0.1, d=31, regime=regime)
    before, after = (
        risk(QUADRATIC, Network("tanh"), training, ridge, accuracy=0)
        for training in (None, Training(1, alpha=3.0))
    )
    assert (before.n, after.n) == (None, 93)
    assert (before.n2, after.n2) == (62, 62)
    assert before.p == after.p == 32  # pairs: an even number
    assert (before.step, after.step) == (0, 1)
