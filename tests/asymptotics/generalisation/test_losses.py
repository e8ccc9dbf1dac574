"""Second layers fitted by other losses: reference values, the square loss, limits, identities, and sampled features."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from first_step_closed_form import class_labels_of, first_step_units
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit

from asymptotics import Network, Simulation, Training, risk, simulate
from asymptotics.caches import SetUps
from asymptotics.expectations.activations import get_activation
from asymptotics.expectations.label_rows import class_moments
from asymptotics.experiment.settings import RIDGE_RULES, Ridge
from asymptotics.generalisation import errors
from asymptotics.generalisation.losses import convex_fit, local_field, sharp_places
from asymptotics.generalisation.losses import label_grid as label_grids
from asymptotics.generalisation.losses.class_step import class_step_units
from asymptotics.generalisation.losses.convex_fit import ConvexFit
from asymptotics.generalisation.losses.fit_equations import FitEquations
from asymptotics.generalisation.losses.label_grid import label_grid
from asymptotics.generalisation.losses.local_field import local_fields
from asymptotics.generalisation.losses.noise_averages import LocalField, costs, normal_grid, pulls
from asymptotics.generalisation.losses.scalar_losses import LOSSES
from asymptotics.generalisation.spiked.linear_sector import solve_units
from asymptotics.generalisation.spiked.ridge_equations import Units
from asymptotics.generalisation.spiked.spiked_layer import SpikedNeurons, spiked_units
from asymptotics.learning.class_labels import as_values
from asymptotics.learning.groups import Groups, readout_groups
from hermite import Target
from hermite.errors import ConvergenceError, InputError

CASES = json.loads((Path(__file__).parents[2] / "data" / "losses.json").read_text())["losses"]

SATURATED = Network("tanh", initialisation="independent")


def classes(case) -> Target:
    return Target(case["field"], noise=case["label_noise"], labels="sign")


def positive(f: Target):
    """P(+1 | s)."""
    return lambda s: (1 + f.class_mean(s.reshape(-1, 1)).reshape(s.shape)) / 2


def units_of(case, pairs=False) -> tuple[Units, np.ndarray]:
    """Units before a step, or after one on the class labels; and the overlap of the spike."""
    f, sigma = classes(case).class_mean, get_activation(case["sigma"])
    if not case["eta"]:
        linked = {"pairs": [(0, 0)], "rho": [1.0]} if pairs else {}
        return spiked_units(f, sigma, SpikedNeurons(np.zeros((1, 0)), [1.0], **linked)), np.zeros((1, 0))
    labels = class_labels_of(f, case["alpha1"])
    groups = Groups(np.array([1.0, -1.0]), np.zeros(2), np.array([0.5, 0.5]), ((0, 1),) if pairs else None)
    return first_step_units(f, sigma, groups, case["eta"], labels), np.array([[labels.overlap]])


def fit(case, units, overlap, loss, **changed) -> ConvexFit:
    grid = label_grid(classes(case), units.kappa, overlap)
    size = {name: case[name] for name in ("alpha", "beta", "lam", "d")} | changed
    return ConvexFit(units, grid, loss, **size)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["id"])
def test_reference_values_are_met(case) -> None:
    """At initialisation and after a step on the class labels; theory and, in brackets, four standard errors of networks."""
    found = fit(case, *units_of(case), case["loss"]).solve()
    theory = case["theory"]
    values = (found.classification, found.test_loss, found.train_loss, found.norm2, found.mse)
    names = ("error", "test_loss", "train_loss", "readout_norm2", "mse")
    assert values == pytest.approx([theory[name] for name in names], rel=2e-5)
    for value, mean, sem in zip(
        values, case["monte_carlo"]["mean"], case["monte_carlo"]["sem"], strict=False
    ):
        assert abs(value - mean) < 4 * sem


def test_the_hinge_loss_has_its_reference_values_and_networks() -> None:
    """G1 with the hinge loss, to what a kink leaves of its rule; networks at d = 200."""
    found = fit(CASES[0], *units_of(CASES[0]), "hinge").solve()
    values = (found.classification, found.test_loss, found.train_loss, found.norm2)
    assert values == pytest.approx((0.373964, 0.88574, 0.26085, 7.9994), rel=5e-5)
    for value, mean, sem in zip(
        values, (0.3735, 0.882, 0.259, 8.11), (0.0034, 0.008, 0.006, 0.14), strict=True
    ):
        assert abs(value - mean) < 3 * sem


@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize("case", CASES[:3], ids=lambda c: c["id"])
def test_the_square_loss_is_ridge_regression_on_the_labels(case, pairs) -> None:
    units, overlap = units_of(case, pairs)
    grid = label_grid(classes(case), units.kappa, overlap)
    m = 2 * grid.positive - 1
    f0, f1 = np.sum(m * grid.share, axis=1), np.sum(m * grid.share * grid.tau[..., 0], axis=1)
    labelled = replace(units, f0=f0, f1=f1[:, None], fs2=1 - f0**2 - f1**2)
    ridge = solve_units(labelled, case["alpha"], case["beta"], case["lam"], d=case["d"])
    found = fit(case, units, overlap, "square").solve()
    assert (found.mse, 2 * found.train_loss) == pytest.approx((ridge.test, ridge.train), rel=1e-7)
    assert found.train_mse == pytest.approx(ridge.train, rel=1e-7)


TURNED = "3/5*z1 + 4/5*z2 + ((3/5*z1 + 4/5*z2)^2 - 1)/2"


@pytest.mark.parametrize(
    ("loss", "steps"), [("logistic", 0), ("hinge", 0), ("huber", 0), ("square", 1), ("logistic", 1)]
)
def test_a_target_of_one_direction_may_be_written_with_two(loss, steps) -> None:
    """Another grid, and after a step another law of the layer.

    The kink of the hinge loss leaves 6e-4 with 161 nodes, falling as their square: 1.5e-4 with the 321 that are used.
    """
    network, training = Network("relu", initialisation="independent"), Training(steps, 4.0, 2.0)
    ridge = Ridge(2.0, 1.0, 0.05, d=400, loss=loss)
    one, two = (
        risk(Target(text, noise=0.2, labels="sign"), network, training, ridge)
        for text in ("z1 + (z1^2 - 1)/2", TURNED)
    )
    for name in ("classification_error", "test_loss", "train_loss", "test_error", "train_error"):
        assert getattr(two, name) == pytest.approx(
            getattr(one, name), rel=1.5e-4 if loss == "hinge" else 1e-4
        )


@pytest.mark.parametrize("start", ["independent", "symmetric"])
def test_the_layer_of_class_labels_is_that_of_one_cluster_of_their_moments(start) -> None:
    f, groups = CURVED, readout_groups(Network("relu", initialisation=start))
    sigma, labels = get_activation("relu"), class_labels_of(f.class_mean, 4.0)
    ours, overlap = class_step_units(f, sigma, groups, 2.0, 4.0)
    closed = first_step_units(f.class_mean, sigma, groups, 2.0, labels)
    assert overlap[0, 0] == pytest.approx(labels.overlap, rel=1e-5)
    for name in ("v", "rho", "mu0", "mu1", "spread"):
        assert getattr(ours, name) == pytest.approx(getattr(closed, name), rel=1e-4, abs=1e-4)


def stepped(text: str, loss: str, lam: float) -> ConvexFit:
    """After a step of pairs on noiseless labels, at d = ∞."""
    f = Target(text, labels="sign")
    groups = readout_groups(Network("relu"))

    def nodes(edges, local, finer):
        units, overlap = class_step_units(f, get_activation("relu"), groups, 1.0, 4.0, edges, finer=finer)
        field = None if local is None else local(units)
        return units, label_grid(f, units.kappa, overlap, field, finer=finer)

    return ConvexFit(*nodes([], None, False), loss, 2.0, 1.0, lam, None, nodes)


def test_a_huge_penalty_of_the_hinge_loss_leaves_the_fit_of_the_mean_features() -> None:
    """At d = ∞ nothing penalises c (μ0₊(κ) − μ0₋(κ)): the loss tends to min_c E max(0, 1 − y M), by 1/λ."""
    low, high = (stepped("z1", "hinge", lam) for lam in (1e3, 1e4))
    assert low.nodes is not None
    u, labels = low.nodes(list(np.linspace(-7, 7, 701)), None, False)
    mean = u.mu0 @ np.array([1.0, -1.0])
    plus = np.sum(labels.share * labels.positive, axis=1)

    def loss(c: float) -> float:
        sides = plus * np.maximum(0, 1 - c * mean) + (1 - plus) * np.maximum(0, 1 + c * mean)
        return float(u.weights @ sides)

    limit = minimize_scalar(loss, bounds=(0.0, 50.0), method="bounded", options={"xatol": 1e-9}).fun
    first, second = low.solve(), high.solve()
    for name in ("train_loss", "test_loss"):
        ends = (10 * getattr(second, name) - getattr(first, name)) / 9
        assert ends == pytest.approx(limit, rel=2e-6)
    assert first.train_loss < second.train_loss < limit < 1


@pytest.mark.parametrize("loss", ["logistic", "huber", "hinge"])
@pytest.mark.parametrize("lam", [1e-3, 30.0, 1e3])
def test_losses_after_a_step_are_solved_at_small_and_large_penalties(loss, lam) -> None:
    """And no readout at all has a larger objective."""
    found = stepped("z1", loss, lam).solve()
    objective = found.train_loss + lam * found.norm2 / 4
    assert objective < float(LOSSES[loss].value(np.ones(1), np.zeros(1))[0])
    assert found.solution.converged


def test_noiseless_labels_of_two_directions_are_fitted_at_the_least_penalty() -> None:
    """Mixtures far from the solution ended nowhere; the objective's slope is half the squared readout."""
    low, middle, high = (stepped("z1 + z1*z2", "logistic", lam).solve() for lam in (1e-4, 1.1e-4, 1.2e-4))
    assert middle.solution.iterations < 150
    slope = (2 * (high.train_loss - low.train_loss) + (1.2e-4 * high.norm2 - 1e-4 * low.norm2) / 2) / 2e-5
    assert slope == pytest.approx(middle.norm2 / 2, rel=1e-2)


def test_fits_that_do_not_settle_are_not_blamed_on_the_interpolation_threshold(monkeypatch) -> None:
    monkeypatch.setattr(convex_fit, "_SWEEPS", 3)
    with pytest.raises(ConvergenceError, match=r'"hinge" at lambda = 30 did not settle in 3 sweeps') as told:
        stepped("z1", "hinge", 30.0).solve()
    assert "alpha = beta" not in str(told.value)


@pytest.mark.parametrize("line", [True, False])
@pytest.mark.parametrize(("q", "width"), [(1e-4, 0.01), (0.3, 2.0), (1.0, 15.0)])
def test_averages_over_the_noise_of_the_local_field_are_those_of_a_cosine(
    line, q, width, monkeypatch
) -> None:
    """E cos(M + √q ξ) = e^{−q/2} cos M; on one line of fields and on a grid."""
    monkeypatch.setattr(local_field, "_LONGEST", local_field._LONGEST if line else 0.0)
    M = np.random.default_rng(0).uniform(-width, width, (3, 400))
    xi, w = normal_grid(41)
    omega, mean = local_fields(M, np.full(3, q), xi, np.ones(3))
    assert (omega.ndim == 2) is line
    assert mean(np.cos(omega), w) == pytest.approx(np.exp(-q / 2) * np.cos(M), abs=2e-6)


CURVED = Target("z1 + (z1^2 - 1)/2", noise=0.2, labels="sign")


@pytest.mark.parametrize("loss", ["square", "logistic"])
def test_what_labels_of_two_directions_leave_out_is_stated_and_small(loss, monkeypatch) -> None:
    """Without noise, sign(z1 z2 + z1) jumps along lines: more panels and degrees change errors by less than is stated."""
    f, network, ridge = (
        Target("z1*z2 + z1", labels="sign"),
        Network("relu"),
        Ridge(20.0, 5.0, 0.01, loss=loss),
    )
    coarse = risk(f, network, None, ridge)
    monkeypatch.setattr(label_grids, "_PANEL_OF_ONE", 0.125)
    monkeypatch.setattr(label_grids, "_DEGREES", 25)
    monkeypatch.setattr(errors, "SHARED", SetUps())
    fine = risk(f, network, None, ridge)
    assert fine.classification_error != coarse.classification_error
    for name in ("classification_error", "test_loss", "test_error"):
        gap = abs(getattr(coarse, name) / getattr(fine, name) - 1)
        assert gap < coarse.error.quadrature < 5e-3


def test_networks_on_class_labels_of_two_directions_are_as_predicted() -> None:
    """One direction of the same field (a wrong theory) is not."""
    f, network, training = (
        Target("z1 + z1*z2", noise=0.05, labels="sign"),
        Network("relu"),
        Training(1, 4.0, 2.0),
    )
    ridge = Ridge(2.0, 1.0, 0.1, d=150, loss="logistic")
    theory = risk(f, network, training, ridge)
    run = Simulation(d=150, replicates=10, seed=5, test_samples=4000)
    real = simulate(f, network, training, ridge, run, steps=[1]).risks[-1]
    for name in ("classification_error", "test_loss", "train_loss"):
        gap, sem = getattr(theory, name) - getattr(real, name), getattr(real, f"{name}_sem")
        assert abs(gap) < 4 * sem + theory.error.theory * getattr(real, name)
    wrong = risk(Target("z1", noise=0.05, labels="sign"), network, training, ridge)
    assert abs(wrong.classification_error - real.classification_error) > 8 * real.classification_error_sem


@pytest.mark.parametrize("lam", [1e-3, 1e-5, 1e-6, 1e-7, 1e-8])
def test_the_square_loss_on_labels_is_solved_at_interpolation(lam) -> None:
    """As many neurons as samples: the sweeps start from ridge regression on labels of the same moments, and stay there."""
    f, network = Target("z1", noise=0.1, labels="sign"), Network("relu", initialisation="independent")
    sweeps = risk(f, network, None, Ridge(1.0, 1.0, lam, loss="square"), throw=False)
    solved = risk(as_values(f), network, None, Ridge(1.0, 1.0, lam, regime="proportional"), throw=False)
    assert sweeps.error.solver is not None
    assert abs(solved.test_error / sweeps.test_error - 1) < sweeps.error.solver + 1e-7
    assert sweeps.solution.converged
    assert sweeps.error.solver < 1e-6


@pytest.mark.parametrize("pairs", [False, True])
def test_sweeps_of_the_square_loss_from_nothing_end_where_those_from_its_ridge_equations_do(
    pairs, monkeypatch
) -> None:
    case = next(case for case in CASES if case["eta"])
    one = fit(case, *units_of(case, pairs), "square")
    started = one.solve()
    monkeypatch.setattr(FitEquations, "of_ridge_equations", lambda _self: None)
    swept = one.solve()
    assert started.solution.iterations < 3 < swept.solution.iterations
    assert (*started.told, started.norm2) == pytest.approx((*swept.told, swept.norm2), rel=1e-7)


def test_batches_of_another_order_are_refused_as_what_they_are() -> None:
    """The advice to give ridge.d and regime "finite" did not help: no theory of labels is there."""
    given = Network("relu"), Training(batch_exponent=2), Ridge(loss="logistic", lam=0.1, d=100)
    with pytest.raises(InputError, match="batch_exponent = 1, not 2: simulate"):
        risk(Target("He2(z1)", noise=0.1, labels="sign"), *given)


def test_targets_of_three_directions_are_refused() -> None:
    with pytest.raises(InputError, match="at most 2 directions, not 3: simulate"):
        risk(Target("z1*z2*z3", labels="sign"), Network("relu"), None, Ridge(loss="logistic"))


def test_pairs_before_a_step_are_half_as_many_neurons() -> None:
    case = CASES[0]
    twins = fit(case, *units_of(case, pairs=True), "logistic", d=None).solve()
    single = fit(case, *units_of(case), "logistic", d=None, beta=case["beta"] / 2).solve()
    assert twins.classification == pytest.approx(single.classification, rel=1e-7)
    assert twins.train_loss == pytest.approx(single.train_loss, rel=1e-7)
    # Of two equal neurons each has half of a readout.
    assert twins.norm2 == pytest.approx(single.norm2 / 2, rel=1e-7)


AFTER = next(case for case in CASES if case["eta"])


@pytest.mark.parametrize(
    ("case", "loss"),
    [
        (CASES[0], "logistic"),
        (CASES[0], "huber"),
        (CASES[0], "hinge"),
        pytest.param(AFTER, "logistic", marks=pytest.mark.slow),
        pytest.param(AFTER, "huber", marks=pytest.mark.slow),
    ],
    ids=["logistic", "huber", "hinge", "logistic after a step", "huber after a step"],
)
def test_the_objective_changes_with_the_penalty_by_half_the_squared_readout(case, loss) -> None:
    """d/dλ [α train_loss + λ β |a|²/(2 p)] = β |a|²/(2 p)."""
    size, h = units_of(case), 1e-3
    low, middle, high = (fit(case, *size, loss, lam=case["lam"] + x).solve() for x in (-h, 0.0, h))

    def objective(found, lam):
        return case["alpha"] * found.train_loss + lam * case["beta"] * found.norm2 / 2

    slope = (objective(high, case["lam"] + h) - objective(low, case["lam"] - h)) / (2 * h)
    assert slope == pytest.approx(case["beta"] * middle.norm2 / 2, rel=2e-3)


def test_words_of_losses_are_those_of_the_settings() -> None:
    for name in LOSSES:
        assert Ridge(loss=name).loss == name
    assert all(f'"{name}"' in RIDGE_RULES["loss"].allowed for name in LOSSES)
    assert RIDGE_RULES["loss"].allowed.count('"') == 2 * len(LOSSES)


@pytest.mark.parametrize("name", [name for name, loss in LOSSES.items() if loss.slopes is not None])
def test_slopes_are_derivatives_of_the_loss(name) -> None:
    """Away from the places where Huber's second derivative jumps."""
    loss, x, h = LOSSES[name], np.array([-3.3, -1.4, -0.2, 0.5, 1.7, 2.9]), 1e-4
    assert loss.slopes is not None
    for y in (np.array(-1.0), np.array(1.0)):
        low, here, high = (loss.value(y, x + step) for step in (-h, 0.0, h))
        first, second = loss.slopes(y, x)
        assert first == pytest.approx((high - low) / (2 * h), abs=1e-7)
        assert second == pytest.approx((high - 2 * here + low) / h**2, abs=1e-6)


@pytest.mark.parametrize(("eta", "lam"), [(3.0, 0.1), (10.0, 1.0)])
def test_hinge_fits_of_features_that_saturate_are_solved_as_networks_fit_them(eta, lam) -> None:
    """tanh far along the spike has no noise and no width: 1/V² was infinite there, and a change that is no number none."""
    f, network, training = Target("z1", noise=0.1, labels="sign"), SATURATED, Training(1, 4.0, eta)
    ridge = Ridge(2.0, 1.0, lam, d=80, loss="hinge")
    found = risk(f, network, training, ridge)
    run = Simulation(d=80, replicates=16, test_samples=1000, seed=5)
    real = simulate(f, network, training, ridge, run, steps=[1]).risks[-1]
    for name in ("classification_error", "test_loss", "train_loss"):
        value, mean, sem = getattr(found, name), getattr(real, name), getattr(real, f"{name}_sem")
        assert abs(value - mean) < found.error.total * value + 3 * sem


@pytest.mark.parametrize("field", ["0*z1", "z1 - z1", "z1 - 40"])
def test_labels_that_tell_nothing_are_fitted(field) -> None:
    """After a step: means of the output are alike to the last of all digits, 1e-310 apart."""
    found = risk(
        Target(field, labels="sign"),
        SATURATED,
        Training(1, 3.0, 1.0),
        Ridge(2.0, 1.0, 0.1, d=100, loss="logistic"),
    )
    # Odd features see a constant as they see noise.
    assert found.test_loss > math.log(2)
    assert found.classification_error == pytest.approx(0.5, abs=1e-6)


def test_a_sweep_without_a_number_is_a_change() -> None:
    """NaN in any of the arrays ends the sweeps: Python's maximum would pass over it."""
    case = CASES[0]
    equations = fit(case, *units_of(case), "hinge").equations

    class Broken:
        is_physical = equations.is_physical

        @staticmethod
        def sweep(state, *, rough):
            new = equations.sweep(state, rough=rough)
            return (*new[:3], np.full_like(new[3], np.nan), *new[4:])

    _, solution = convex_fit._sweeps(Broken, equations.start, 1e-9, 0.5)
    assert not solution.converged
    assert solution.iterations == 1
    good = fit(case, *units_of(case), "hinge").solve()
    assert math.isnan(good.gap(replace(good, train_loss=math.nan)))


@pytest.mark.parametrize("name", list(LOSSES))
def test_proximal_points_are_minima(name) -> None:
    loss = LOSSES[name]
    x = np.linspace(-12, 12, 200_001)
    for y in (-1.0, 1.0):
        for omega in (-3.0, -0.4, 0.9, 5.0):
            for V in (0.2, 1.0, 6.0):
                objective = loss.value(np.array(y), x) + (x - omega) ** 2 / (2 * V)
                found = loss.prox(np.array([y]), np.array([omega]), np.array([V]))
                assert float(found[0]) == pytest.approx(x[np.argmin(objective)], abs=2e-4)


def test_sampled_features_fitted_by_the_logistic_loss_have_the_predicted_errors() -> None:
    """d = 120, n = 240, p = 120, 25 draws; negative control: half the penalty's error bars away at another penalty."""
    case = CASES[0]
    f, d, n, p, lam = classes(case), 120, 240, 120, 0.05
    theory = fit(case, *units_of(case), "logistic", d=d).solve()
    rows = []
    for run in range(25):
        rng = np.random.default_rng([3, run])
        w = rng.standard_normal((p, d))
        w /= np.linalg.norm(w, axis=1, keepdims=True)
        z = rng.standard_normal((n + 4000, d))
        y = np.where(rng.random(len(z)) < positive(f)(z[:, 0]), 1.0, -1.0)
        F = np.maximum(z @ w.T, 0) / np.sqrt(p)

        def objective(a, F=F[:n], y=y[:n]):
            margin = y * (F @ a)
            slope = F.T @ (-y * expit(-margin)) + lam * a
            return np.sum(np.logaddexp(0, -margin)) + lam * a @ a / 2, slope

        a = minimize(objective, np.zeros(p), jac=True, method="L-BFGS-B", options={"maxiter": 2000}).x
        output = F @ a
        losses = np.logaddexp(0, -y * output)
        rows.append([np.mean(y[n:] * output[n:] < 0), losses[n:].mean(), losses[:n].mean(), a @ a / p])
    real = np.array(rows)
    mean, sem = real.mean(axis=0), real.std(axis=0, ddof=1) / 5
    expected = np.array([theory.classification, theory.test_loss, theory.train_loss, theory.norm2])
    assert np.all(np.abs(mean - expected) < 4 * sem)
    other = fit(case, *units_of(case), "logistic", d=d, lam=0.2).solve()
    assert abs(mean[3] - other.norm2) > 4 * sem[3]


def test_a_loss_of_classes_on_values_is_refused_without_an_advice_that_does_not_help() -> None:
    """Simulations of values by a loss of classes are refused as well."""
    ridge = Ridge(2.0, 1.0, 0.1, loss="logistic")
    with pytest.raises(InputError, match=r'give target\.labels = "sign"') as refused:
        risk("z1", ridge=ridge)
    assert "simulate" not in str(refused.value)
    with pytest.raises(InputError, match=r'needs class labels: give target\.labels = "sign"'):
        simulate("z1", ridge=ridge, simulation=Simulation(d=20))


def test_an_accuracy_that_let_a_rough_number_pass_is_not_called_unused(monkeypatch) -> None:
    """Labels known to 2 % are refused where 1 % is asked."""
    rough = (*class_moments(Target("z1 + z1*z2", labels="sign"))[:3], 0.02)
    monkeypatch.setattr(label_grids, "class_moments", lambda f: rough)
    monkeypatch.setattr(errors, "SHARED", SetUps())
    setting = (
        Target("z1 + z1*z2", labels="sign"),
        Network("relu"),
        None,
        Ridge(20.0, 5.0, 0.001, loss="logistic"),
    )
    reached = risk(*setting, throw=False).error.quadrature
    assert reached >= 0.02
    with pytest.raises(ConvergenceError, match=r"accuracy = \de-0[12]"):
        risk(*setting)
    assert "Not used" not in risk(*setting, accuracy=2 * reached).validity_note


@pytest.mark.parametrize(
    ("loss", "changed", "words"),
    [
        ("absolute", {}, "ridge.loss must be one of"),
        ("logistic", {"lam": 1e-5}, "at least 0.0001"),
        ("hinge", {"lam": 5e-4}, "at least 0.001"),
        ("square", {"lam": 0.0}, "positive"),
        ("logistic", {"beta": np.inf}, "finite beta"),
    ],
)
def test_what_no_equation_covers_is_refused(loss, changed, words) -> None:
    with pytest.raises(InputError, match=words):
        fit(CASES[0], *units_of(CASES[0]), loss, **changed)


@pytest.mark.parametrize("lam", [1e-3, 2e-5])
def test_networks_at_interpolation_stray_from_the_square_loss_as_stated(lam) -> None:
    """24 networks at n2 = p: their mean within the stated error and three s.e., their spread as the note says, skewed upwards."""
    f, network, training = (
        Target("z1", noise=0.3, labels="sign"),
        Network("relu", initialisation="independent"),
        Training(0),
    )
    ridge = Ridge(1.0, 1.0, lam, loss="square", d=100)
    found = risk(f, network, training, ridge)
    assert found.error.theory is not None
    assert found.error.theory == pytest.approx(max(4.0, found.test_error) / 100, rel=1e-6)
    assert ("near interpolation" in found.validity_note) is (found.test_error > 4)
    runs = [
        simulate(f, network, training, ridge, Simulation(d=100, replicates=1, test_samples=2000, seed=seed))
        for seed in range(24)
    ]
    measured = np.array([run.risks[0].test_error for run in runs])
    gap, sem = measured.mean() - found.test_error, measured.std(ddof=1) / np.sqrt(len(measured))
    assert abs(gap) < found.error.theory * found.test_error + 3 * sem
    spread = np.sqrt(found.test_error / 100)
    assert 0.4 < measured.std(ddof=1) / measured.mean() / spread < 2.0
    assert np.median(measured) < measured.mean()


# ---- nodes -----------------------------------------------------------------------------------


def overlap_of(text: str) -> float:
    """Γ of the layer of ``stepped``."""
    groups = readout_groups(Network("relu"))
    _, overlap = class_step_units(Target(text, labels="sign"), get_activation("relu"), groups, 1.0, 4.0)
    return float(overlap[0, 0])


@pytest.mark.parametrize("loss", ["logistic", "huber", pytest.param("hinge", marks=pytest.mark.slow)])
def test_at_huge_penalties_labels_are_those_of_the_sign_of_the_mean_output(loss) -> None:
    """M has the sign of κ: P(sign κ ≠ sign s) = arccos(Γ)/π, by 1/λ. Nodes that do not know where M = 0 gave 4 % less."""
    first, second = (stepped("z1", loss, lam).solve() for lam in (1e3, 1e4))
    limit = np.arccos(overlap_of("z1")) / np.pi
    assert (10 * second.classification - first.classification) / 9 == pytest.approx(limit, rel=1e-6)
    assert max(first.missed, second.missed) < 1e-7


def test_nodes_that_miss_a_layer_are_seen_in_the_stated_error(monkeypatch) -> None:
    """Negative control: the nodes of layer and target alone."""
    good = stepped("z1", "logistic", 10.0).solve()
    monkeypatch.setattr(sharp_places, "NARROW", 0.0)
    bad = stepped("z1", "logistic", 10.0).solve()
    gap = abs(bad.classification / good.classification - 1)
    assert gap > 1e-2
    assert bad.missed > gap / 3
    assert good.missed < 1e-8


@pytest.mark.parametrize("lam", [970.0, *(pytest.param(lam, marks=pytest.mark.slow) for lam in (3e3, 1e4))])
def test_the_last_bit_of_a_penalty_changes_nothing(lam) -> None:
    """Between nodes that stay, the hinge loss had a fixed point or none by the last bit of λ."""
    here, near = (stepped("z1", "hinge", lam * factor).solve() for factor in (1 - 1e-12, 1 + 1e-12))
    assert near.told == pytest.approx(here.told, rel=1e-8)


@pytest.mark.parametrize("loss", ["square", "hinge", "huber"])
@pytest.mark.parametrize(("q", "V"), [(0.3, 0.5), (1e-6, 1e-3), (4.0, 20.0)])
def test_averages_of_losses_in_pieces_are_those_of_many_nodes(loss, q, V) -> None:
    """By the proximal point and the loss at 4 million fields; E Γ = −E[ξ g]/√q."""
    M, plus = np.array([[-1.3, 0.0, 0.9993, 1.0, 2.5]]), np.array([[0.2, 0.9, 1.0, 0.0, 0.6]])
    at = LocalField(M, np.array([q]), np.array([V]), plus, np.ones(1))
    xi, w = normal_grid(800_001, 8.0)
    expected = np.zeros((6, M.size))
    for y, share in ((1.0, plus[0]), (-1.0, 1 - plus[0])):
        omega = M[0, :, None] + np.sqrt(q) * xi
        x = LOSSES[loss].prox(np.array(y), omega, np.array(V))
        g = (x - omega) / V
        value = LOSSES[loss].value
        rows = [g, g**2, -g * xi / np.sqrt(q), value(np.array(y), omega), value(np.array(y), x), (y - x) ** 2]
        expected += share * np.array([row @ w for row in rows])
    p, c = pulls(LOSSES[loss], at), costs(LOSSES[loss], at)
    found = [p.g, p.square, p.curvature, c.test, c.train, c.train_square]
    for ours, theirs in zip(found, expected, strict=True):
        assert ours[0] == pytest.approx(theirs, rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("width", [0.5, 6.0, 15.0])
def test_the_noise_of_the_logistic_loss_has_as_many_nodes_as_its_width_asks_for(width) -> None:
    """41 nodes whatever the width missed 1e-3 of E g² at 15."""
    M, ones = np.linspace(-9.0, 9.0, 7)[None], np.ones((1, 7))
    at = LocalField(M, np.array([width**2]), np.array([3.0 * width]), ones, np.ones(1))
    xi, w = normal_grid(20_001, 8.0)
    omega = M[0, :, None] + width * xi
    g = (LOSSES["logistic"].prox(np.array(1.0), omega, np.array(3.0 * width)) - omega) / (3.0 * width)
    assert pulls(LOSSES["logistic"], at).square[0] == pytest.approx(g**2 @ w, rel=1e-7)


def test_a_training_loss_that_is_none_has_no_error_of_its_own() -> None:
    """The hinge loss of separated samples is e^{−600}; by how much it is that at other nodes had refused the test error."""
    f, training = Target("z1", noise=0.05, labels="sign"), Training(1, 4.0, 2.0)
    found = risk(f, Network("relu"), training, Ridge(2.0, 1.0, 1e-3, d=150, loss="hinge"))
    assert found.train_loss is not None
    assert 0 <= found.train_loss < 1e-100
    assert found.error.quadrature < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["logistic", "hinge"])
@pytest.mark.parametrize("lam", [1e-3, 1.0, 10.0, 100.0])
def test_networks_at_small_and_large_penalties_are_as_predicted(loss, lam) -> None:
    f, network, training = Target("z1", noise=0.05, labels="sign"), Network("relu"), Training(1, 4.0, 2.0)
    ridge = Ridge(2.0, 1.0, lam, d=150, loss=loss)
    theory = risk(f, network, training, ridge)
    run = Simulation(d=150, replicates=8, seed=5, test_samples=4000)
    real = simulate(f, network, training, ridge, run, steps=[1]).risks[-1]
    for name in ("classification_error", "test_loss", "train_loss"):
        gap, sem = getattr(theory, name) - getattr(real, name), getattr(real, f"{name}_sem")
        # Separated classes: a training loss of 6e-257, and 0 in networks.
        assert abs(gap) < 3 * sem + theory.error.total * getattr(theory, name) + 1e-9 * theory.test_loss
