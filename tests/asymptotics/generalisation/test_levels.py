"""What level E leaves out: whole covariances, fluctuating norms, and the level that ``risk`` takes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from asymptotics import Network, Ridge, Training, risk
from asymptotics.experiment.ridge_words import Level
from asymptotics.generalisation.ridge_theories.left_out import _BULK, expected_correction
from asymptotics.generalisation.ridge_theories.measured_levels import MeasuredLevel, _corrected, _sizes
from asymptotics.generalisation.ridge_theories.measured_lines import Measured
from asymptotics.generalisation.ridge_theories.trained_levels import layer_of, solve_level
from asymptotics.generalisation.spiked.batch_rounds import BatchErrors, batch_errors
from asymptotics.generalisation.spiked.corrections import (
    Correction,
    at_dimension,
    auxiliary_dimension,
    auxiliary_layer,
    batch_units,
    bulk_correction,
    norm_correction,
    sampled_layers,
    with_norm_mode,
)
from asymptotics.generalisation.spiked.linear_sector import Errors, solve_units
from asymptotics.generalisation.spiked.matrix_sectors import solve_matrix
from asymptotics.generalisation.spiked.trained_layer import axes_of, on_units, trained_units, unit_members
from asymptotics.generalisation.theory import Setting
from asymptotics.learning.giant.batches import norm_covariances, train_on_batches
from asymptotics.learning.giant.mean_field import train
from asymptotics.learning.groups import readout_groups
from hermite import Target
from hermite.errors import InputError

TARGETS = {
    "stair2": "z1 + z1*z2",
    "pm": "(z1+z1^2+z2-z2^2)/2",
    "tanhab": "tanh(z1) + z1*z2",
    "stair3": "z1 + z1*z2 + z1*z2*z3",
    "mix": "sin(3*z1/2) + cos(3*z1/2) - exp(-9/8)",
}
STAIR = Target(TARGETS["stair2"], noise=0.05)


def batch(initialisation="symmetric", steps=2, alpha=6.0, d=80, neurons=4, eta=1.0, seed=(3, 0)):
    network = Network("relu", initialisation=initialisation)
    groups = readout_groups(network)
    return network.get_activation(), train_on_batches(
        STAIR, network.get_activation(), groups, steps, eta, alpha, d=d, neurons=neurons, seed=seed
    )


def whole(units, layer, alpha, beta, lam, d=None):
    covariance = on_units(layer, unit_members(layer), layer.covariance)
    return solve_matrix(units, covariance, axes_of(layer), alpha, beta, lam, d=d)


@pytest.mark.parametrize("initialisation", ["symmetric", "independent"])
@pytest.mark.parametrize(("alpha", "beta", "lam"), [(2.0, 1.0, 0.05), (1.0, 2.0, 0.1)])
def test_isotropic_covariance_is_level_iso(initialisation, alpha, beta, lam) -> None:
    """The traces then only differ by the k + r directions among d: the gap halves when d doubles."""
    gaps = []
    for d in (100, 200):
        sigma, layer = batch(initialisation, d=d)
        flat = replace(layer, S=layer.R[:, None, None] * np.eye(d))
        units = trained_units(STAIR, sigma, flat, "iso")
        gaps.append(whole(units, flat, alpha, beta, lam).test / solve_units(units, alpha, beta, lam).test - 1)
    assert abs(gaps[1]) < 0.02
    assert 0.25 < gaps[1] / gaps[0] < 0.8


#: Errors of which only test and train are read.
_SOME = Errors(1.0, 1.0, 0.0, np.zeros(1), np.zeros((1, 1)), None)  # type: ignore[arg-type]


def envelope_gap(solver, alpha=2.0, lam=0.05, step=1e-4) -> float:
    """Relative violation of ∂/∂λ [alpha train + λ‖a‖²/d] = ‖a‖²/d, which holds at the minimum."""
    low, mid, high = solver(lam - step), solver(lam), solver(lam + step)
    slope = (alpha * (high.train - low.train) + (lam + step) * high.norm2 - (lam - step) * low.norm2) / (
        2 * step
    )
    return float(slope / mid.norm2 - 1)


@pytest.mark.parametrize("initialisation", ["symmetric", "independent"])
@pytest.mark.parametrize("d", [None, 300])
def test_slopes_with_fluctuating_norms_obey_the_envelope_theorem(initialisation, d) -> None:
    sigma, layer = batch(initialisation, d=50, neurons=60)
    moving = with_norm_mode(trained_units(STAIR, sigma, layer, "E"), sigma, layer, (layer,))
    assert abs(envelope_gap(lambda lam: solve_units(moving, 2.0, 1.0, lam, d=d))) < 1e-6


@pytest.mark.parametrize("initialisation", ["symmetric", "independent"])
def test_slopes_with_whole_covariances_obey_the_envelope_theorem(initialisation) -> None:
    """Holds up to the few directions among d that the traces treat like the others: the gap falls as 1/d."""
    gaps = []
    for size in (60, 180):
        sigma, layer = batch(initialisation, d=size)
        units = trained_units(STAIR, sigma, layer, "E")
        gaps.append(envelope_gap(lambda lam, u=units, x=layer: whole(u, x, 2.0, 1.0, lam)))
    assert abs(gaps[0]) < 0.01
    assert 0.15 < gaps[1] / gaps[0] < 0.6


@pytest.mark.parametrize("initialisation", ["symmetric", "independent"])
def test_covariance_on_batches_is_that_of_neurons(initialisation) -> None:
    """Sampled neurons of one batch: their covariances on 4 axes against Σ, 3000 neurons a group, |z| < 4.5."""
    _, layer = batch(initialisation, d=120, neurons=3000)
    axes = np.concatenate([np.eye(2, 120), layer.c])
    r = layer.neurons - layer.neurons.mean(axis=1, keepdims=True)
    along = r @ axes.T
    for link, (g, h) in enumerate(zip(layer.links.left, layer.links.right, strict=True)):
        products = 120 * along[g][:, :, None] * along[h][:, None, :]
        mean, sem = products.mean(axis=0), products.std(axis=0) / np.sqrt(len(products))
        z = (mean - axes @ layer.covariance[link] @ axes.T) / sem
        # The means of the fields of one batch deviate from the state by O(1/√d) of their size: 3 % allowed.
        slack = 0.03 * np.abs(mean) / sem
        assert np.all(np.abs(z) < 4.5 + slack)


def test_equal_norms_do_not_fluctuate() -> None:
    """No step: |w|² = 1 for every neuron, and the two neurons of a pair are one."""
    _, layer = batch(steps=0, d=60, neurons=500)
    found = norm_covariances(layer, np.eye(2, 60))
    # |r|² differs from |w|² = 1 by the sample mean that r has lost: 1/500 of it.
    assert np.abs(found[:, 2]).max() < 0.05
    np.testing.assert_allclose(found[0], found[2], atol=1e-12)


# relu, noise 0.05, d = 600; independent values: E (test, train), norms and bulk in percent (test, train).
TABLE = [
    ("pm", 1, 10, 1, "independent", (2, 1, 0.05), (1.6033, 0.5180), (0.0, 0.0), (0.24, 0.55)),
    ("stair2", 1, 10, 2, "independent", (1, 2, 0.01), (1.2781, 0.0052), (-0.56, -0.58), (2.66, 10.03)),
    ("stair2", 1, 10, 2, "independent", (2, 1, 0.05), (1.1373, 0.3463), (-0.40, -0.41), (0.38, 1.59)),
    ("pm", 1, 2, 2, "symmetric", (2, 1, 0.05), (1.4764, 0.4467), (-0.10, -0.10), (1.10, 3.66)),
    ("stair2", 2, 10, 2, "independent", (2, 1, 0.05), (0.8934, 0.2583), (-0.99, -1.09), (0.53, 3.91)),
]


@pytest.mark.parametrize(
    ("target", "eta", "alpha", "steps", "initialisation", "setting", "level_e", "norms", "bulk"), TABLE
)
def test_corrections_are_those_of_the_table(
    target, eta, alpha, steps, initialisation, setting, level_e, norms, bulk
) -> None:
    """Bulk within 4 combined standard errors (0.15 % of theirs allowed), norms within 0.1 % of the error."""
    f, network = Target(TARGETS[target], noise=0.05), Network("relu", initialisation=initialisation)
    training, sigma = Training(steps, alpha, eta), network.get_activation()
    layer = train(f, sigma, readout_groups(network), steps, eta, alpha)
    units = trained_units(f, sigma, layer, "E")
    # The table is that of independent neurons, without the coherence of their means.
    alone = solve_units(replace(units, coherence=None), *setting, d=600)
    assert (alone.test, alone.train) == pytest.approx(level_e, abs=1e-4)
    errors = solve_units(units, *setting, d=600)
    layers = layers_of(f, network, training, 600, 4)
    found = [batch_errors(batch_units(f, sigma, one, layer.coherence), one, *setting, 600) for one in layers]
    ratio = np.array([one.whole for one in found]) / np.array([one.isotropic for one in found]) - 1
    mean, sem = ratio.mean(axis=0), ratio.std(axis=0, ddof=1) / np.sqrt(len(ratio))
    for place in (0, 1):
        assert abs(100 * mean[place] - bulk[place]) < 4 * np.hypot(100 * sem[place], 0.15)
    sampled = sampled_layers(f, network, training, 600)
    moved = norm_correction(with_norm_mode(units, sigma, layer, sampled), errors, *setting, 600)
    assert (100 * moved.test, 100 * moved.train) == pytest.approx(norms, abs=0.1)
    # Level E of the batches scatters around that of the limit.
    scatter = np.array([one.isotropic[0] for one in found])
    assert abs(scatter.mean() / errors.test - 1) < 0.03


def layers_of(f, network, training, d, count):
    size = auxiliary_dimension(network, f.r, d)
    return [auxiliary_layer(f, network, training, size, index) for index in range(count)]


def test_a_batch_that_errs_upwards_has_a_ratio_that_errs_downwards() -> None:
    """Why the ratio is read off at the level E of infinitely many samples: at small batches the two fluctuate together."""
    f, network = Target("z1 + He2(z1)/sqrt(2)", noise=0.05), Network("relu", initialisation="independent")
    training, sigma, setting = Training(1, 2.0, 2.0), network.get_activation(), (2.0, 1.0, 0.05)
    layer = train(f, sigma, readout_groups(network), 1, 2.0, 2.0)
    reference = solve_units(trained_units(f, sigma, layer, "E"), *setting, d=60)
    layers = layers_of(f, network, training, 60, 24)
    found = [batch_errors(batch_units(f, sigma, one, layer.coherence), one, *setting, 60) for one in layers]
    whole, own = (np.array([getattr(one, which)[0] for one in found]) for which in ("whole", "isotropic"))
    # Two standard deviations of 24 uncorrelated pairs.
    assert np.corrcoef(own, whole / own)[0, 1] < -0.4
    # At the dimension of the batches their mean counts; at larger ones it scatters less.
    here, there = bulk_correction(found, reference), bulk_correction(found, reference, 0.2)
    assert here.test == pytest.approx(whole.mean() / reference.test - 1, rel=1e-12)
    assert there.test_sem < here.test_sem


def test_what_batches_of_finite_size_change_falls_as_1_over_d() -> None:
    """Made-up batches: ratio 1.1 − 0.5 x at a level E of 1 + x, x = (1.7 ± scatter)/d'; right answers by hand."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=400)
    x = (x - x.mean()) / x.std()
    for size in (50, 100):
        own = 1 + 1.7 / size + x / np.sqrt(10 * size)
        whole = own * (1.1 - 0.5 * (own - 1))
        for d in (100, 400):
            # Mean of own, and of the square of its deviation, as they are at d.
            right = 1.1 + (1.1 - 0.5) * 1.7 / d - 0.5 * 0.1 / d
            found = at_dimension(whole, own, size / d)
            assert found == pytest.approx(right, abs=0.5 * 1.7**2 / (size * d) + 1e-12)


def test_the_standard_error_of_a_correction_is_that_of_repetitions() -> None:
    """The jackknife of 12 batches against the scatter of 300 dozens; 20 % for the bias of a jackknife."""
    rng = np.random.default_rng(6)
    reference = replace(_SOME, test=1.0, train=1.0)

    def dozen() -> Correction:
        own = 1 + 0.02 + 0.03 * rng.normal(size=12)
        whole = own * (1.05 - 0.5 * (own - 1) + 0.01 * rng.normal(size=12))
        return bulk_correction(
            [BatchErrors((w, w), (o, o)) for w, o in zip(whole, own, strict=True)], reference, 0.3
        )

    found = [dozen() for _ in range(300)]
    stated = np.sqrt(np.mean([one.test_sem**2 for one in found]))
    assert stated == pytest.approx(np.std([one.test for one in found]), rel=0.2)


@pytest.mark.parametrize(
    ("target", "activation", "eta", "alpha"),
    [("z1 + He2(z1)", "x + He2(x)/2", 4.0, 1.2), ("z1 - He2(z1)", "x - He2(x)/2", 4.0, 1.2)],
)
def test_a_correction_that_is_none_is_not_multiplied(target, activation, eta, alpha) -> None:
    """Training that diverges: no prediction, for level E with an error of its size is none; by name a level refuses, too."""
    network, training = Network(activation, initialisation="independent"), Training(3, alpha, eta)
    ridge = Ridge(0.4, 0.5, 0.1, d=250)
    with pytest.raises(InputError, match=r"no prediction at step 3.*no correction"):
        risk(Target(target), network, training, ridge, accuracy=0.01)
    found = risk(Target(target), network, training, ridge, accuracy=0.01, throw=False)
    assert found.test_error > 0
    assert found.validity == "none"
    assert found.error.theory > 1
    with pytest.raises(InputError, match="no correction"):
        risk(Target(target), network, training, replace(ridge, level="En+"))


def test_what_is_expected_to_count_is_measured_by_default() -> None:
    """Unless accuracy = 0, in the call or in the settings of the fit, or a level by name turns it off."""
    f, network, training = Target("z1 + z1*z2"), Network(), Training(2, 1.0, 2.0)
    ridge = Ridge(1.0, 2.0, 0.01)
    measured = risk(f, network, training, ridge)
    plain = risk(f, network, training, ridge, accuracy=0.0)
    assert "auxiliary batches" in measured.validity_note
    assert "level E" in plain.solver
    assert "auxiliary batches" not in plain.validity_note
    assert risk(f, network, training, replace(ridge, accuracy=0.0)).test_error == plain.test_error
    assert risk(f, network, training, replace(ridge, level="E")).test_error == plain.test_error
    # A simulation of the real network gave 2.405 +- 0.052 (d = 250) and 2.395 +- 0.079 (d = 500).
    assert abs(measured.test_error - 2.402) < 2 * 0.044 + measured.error.theory * measured.test_error
    assert abs(plain.test_error - 2.402) > 5 * 0.044
    # The training error is judged too: here level E is wrong by a factor of two.
    assert measured.train_error > 1.5 * plain.train_error


def test_risk_knows_every_level() -> None:
    network, training, setting = Network("relu"), Training(2, 4.0, 1.0), (2.0, 1.0, 0.05)
    found = {
        level: risk(STAIR, network, training, Ridge(*setting, level=level))
        for level in ("E", "E+", "En+", "matrix")
    }
    assert found["E+"].test_error != found["E"].test_error != found["En+"].test_error
    assert "level En+" in found["En+"].solver
    assert found["matrix"].test_error == found["E+"].test_error
    assert all("auxiliary batches" in found[level].validity_note for level in ("E+", "En+", "matrix"))
    # Level "auto" is the one of least stated error, each on the same batches.
    best = risk(STAIR, network, training, Ridge(*setting))
    assert best.test_error in [found[level].test_error for level in ("E", "E+", "En+")]
    with pytest.raises(InputError, match="accuracy"):
        risk(STAIR, network, training, Ridge(*setting), accuracy=-0.1)


# What level E leaves out: the sizes that it states, against those that a second implementation measured.
MEASURED = json.loads((Path(__file__).parents[2] / "data" / "multistep_table.json").read_text())
USUAL = [row for row in MEASURED if row["ridge"] == [2.0, 1.0, 0.05]]


def test_the_table_of_expected_corrections_bounds_what_was_measured_and_is_of_its_size() -> None:
    """Test error, by the indicator; the table rests on 41 settings, of which these are a half."""
    below = 0.0
    for limit, bound in _BULK:
        rows = [row for row in USUAL if below < row["chi"] <= limit]
        assert len(rows) >= 2
        largest = max(abs(row["bulk"][0]) for row in rows) / 100
        assert 0.95 * largest < bound < 3 * largest
        below = limit


@pytest.mark.parametrize(("place", "counts"), [(0, False), (7, True)])
def test_what_was_measured_to_count_is_expected_to(place: int, counts: bool) -> None:
    """A usual setting, and one at small lambda with beta > alpha (3 % in all)."""
    row = MEASURED[place]
    f = Target(TARGETS[row["target"]], noise=0.05)
    network = Network(row["activation"], initialisation=row["initialisation"])
    training = Training(row["steps"], row["alpha1"], row["eta"])
    setting = Setting(f, network, training, Ridge(*row["ridge"]), None)
    measured = (abs(row["bulk"][0]) + abs(row["norms"][0])) / 100
    assert (measured > 0.01) == counts
    assert (expected_correction(setting, layer_of(setting)) > 0.01) == counts


@pytest.mark.parametrize(("level", "factor"), [("E", 1.0), ("E+", 1.1), ("En+", 1.1 * 1.3), ("matrix", 1.1)])
def test_corrections_multiply_the_errors_of_level_e(level: str, factor: float) -> None:
    """With corrections of 10 and 30 %: factors, not summands."""
    setting = Setting(STAIR, Network("relu"), Training(1), Ridge(2.0, 1.0, 0.05, level=level), None)
    own = solve_level(setting, Level.E, True)
    both = Measured(Correction(0.1, -0.2), Correction(0.3, 0.5))
    found = _corrected(MeasuredLevel(Level(level)), setting, own, Level(level), both)
    assert found.test_error == pytest.approx(factor * own.test, rel=1e-12)
    train = {"E": 1.0, "E+": 0.8, "En+": 0.8 * 1.5, "matrix": 0.8}[level]
    assert found.train_error == pytest.approx(train * own.train, rel=1e-12)
    # Half of what is included is unsure, and all of what is not left out.
    left = {"E": 0.4, "E+": 0.3 + 0.05, "En+": 0.03 + 0.2, "matrix": 0.3 + 0.05}[level]
    assert _sizes(Level(level), both)[0] == pytest.approx(left, rel=1e-12)


@pytest.mark.parametrize("steps", [1, 2])
def test_a_fit_that_interpolates_has_a_measured_error_too(steps: int) -> None:
    """Without a penalty and with fewer samples than features the train error is 0, of which nothing is a share."""
    change = []
    for lam in (0.0, 1e-9):
        found, plain = (
            risk(
                "z1 + z1*z2",
                Network("tanh"),
                Training(steps, alpha=4.0),
                Ridge(alpha=0.3, lam=lam, level=level),
            )
            for level in ("En+", "E")
        )
        assert "Measured on" in found.validity_note
        assert (found.train_error == 0.0) == (lam == 0.0)
        change.append(found.test_error / plain.test_error)
    assert change[0] == pytest.approx(change[1], rel=1e-4)


def test_a_ratio_that_is_linear_in_the_error_is_read_off_at_infinitely_many_samples() -> None:
    """whole/own = a + b (own − 1), own in units of level E at d → ∞: a there, the mean of the batches at their own d."""
    own = np.array([0.7, 0.9, 1.0, 1.05, 1.3, 1.4])
    whole = own * (1.2 - 0.4 * (own - 1))
    assert at_dimension(whole, own, 0.0) == pytest.approx(1.2, rel=1e-12)
    assert at_dimension(whole, own, 0.25) == pytest.approx(0.75 * 1.2 + 0.25 * whole.mean(), rel=1e-12)
    for larger in (1.0, 3.0):
        assert at_dimension(whole, own, larger) == pytest.approx(whole.mean(), rel=1e-12)


def test_the_jackknife_of_a_mean_is_its_standard_error() -> None:
    """At the dimension of the batches the correction is a mean."""
    f, network = Target("z1"), Network("tanh", initialisation="independent")
    layer = train(f, network.get_activation(), readout_groups(network), 1, 1.0, 4.0)
    reference = solve_units(trained_units(f, network.get_activation(), layer, "E"), 2.0, 1.0, 0.1)
    whole = reference.test * np.array([1.1, 0.9, 1.3, 1.0, 1.2])
    found = [BatchErrors((w, reference.train), (reference.test, reference.train)) for w in whole]
    sem = np.std(whole / reference.test, ddof=1) / np.sqrt(5)
    assert bulk_correction(found, reference).test_sem == pytest.approx(sem, rel=1e-9)
