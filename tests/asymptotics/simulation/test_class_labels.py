"""Class labels and their losses: fits beside scikit-learn's, theory beside the network, tables, files, and refusals."""

from __future__ import annotations

import csv
import io
import json
import math
import warnings

import numpy as np
import pytest

from asymptotics import (
    Experiment,
    Network,
    Ridge,
    Simulation,
    Training,
    optimise,
    overlaps,
    plateaus,
    risk,
    simulate,
    theories,
)
from asymptotics.commands.cli import run
from asymptotics.comparison.curves import CLASSES, curve_rows, to_csv
from asymptotics.generalisation.losses.scalar_losses import LOSSES
from asymptotics.learning.class_labels import as_values, irreducible
from asymptotics.simulation.loss_fit import fit_readout
from hermite import Target, leap
from hermite.errors import InputError

FIELD = Target("z1 + (z1^2 - 1)/2", noise=0.2, labels="sign")
MEASURED = (*CLASSES, "test_error", "train_error")


def features(n: int, p: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng([n, p])
    X = rng.standard_normal((n, p)) / math.sqrt(p)
    return X, np.where(X[:, 0] * math.sqrt(p) + rng.standard_normal(n) < 0, -1.0, 1.0)


def objective(loss: str, X, y, lam, a) -> float:
    return float(np.sum(LOSSES[loss].value(y, X @ a)) + lam * a @ a / 2)


@pytest.mark.parametrize(("n", "p"), [(120, 40), (40, 90)])
@pytest.mark.parametrize("loss", LOSSES)
def test_fitted_readouts_are_minima(loss, n, p) -> None:
    (X, y), lam = features(n, p), 0.05
    a = fit_readout(loss, X, y, lam)
    least, rng = objective(loss, X, y, lam, a), np.random.default_rng(1)
    for size in (1e-3, 0.1, 1.0):
        for _ in range(10):
            other = a + size * rng.standard_normal(p)
            assert objective(loss, X, y, lam, other) > least * (1 - 1e-6)


def test_logistic_and_hinge_fits_are_those_of_scikit_learn() -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    svm = pytest.importorskip("sklearn.svm")
    for n, p in ((200, 60), (60, 100)):
        (X, y), lam = features(n, p), 0.05
        oracle = linear.LogisticRegression(C=1 / lam, fit_intercept=False, tol=1e-12, max_iter=5000).fit(X, y)
        assert fit_readout("logistic", X, y, lam) == pytest.approx(oracle.coef_[0], rel=1e-5, abs=1e-6)
        machine = svm.LinearSVC(
            C=1 / lam, loss="hinge", fit_intercept=False, tol=1e-10, max_iter=1_000_000
        ).fit(X, y)
        assert fit_readout("hinge", X, y, lam) == pytest.approx(machine.coef_[0], rel=1e-3, abs=1e-3)


@pytest.mark.parametrize(
    ("n", "p", "lam", "scale"),
    [(600, 300, 1e-2, 30.0), (200, 400, 1e-3, 1.0), (300, 100, 1e-3, 1e3), (300, 100, 1.0, 1e-3)],
)
def test_hinge_fits_of_separated_samples_and_of_any_scale_are_minima(n, p, lam, scale) -> None:
    """No direction goes down, and scikit-learn's machine is not lower."""
    rng = np.random.default_rng(0)
    X = scale * rng.standard_normal((n, p)) / np.sqrt(p)
    y = np.sign(5 * X[:, 0] / scale + rng.standard_normal(n))

    def energy(a):
        return np.sum(np.maximum(0.0, 1.0 - y * (X @ a))) + lam * a @ a / 2

    a = fit_readout("hinge", X, y, lam)
    steps = 1e-3 * np.linalg.norm(a) * rng.standard_normal((200, p)) / np.sqrt(p)
    assert all(energy(a + step) >= energy(a) for step in steps)
    svm = pytest.importorskip("sklearn.svm")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        machine = svm.LinearSVC(C=1 / lam, loss="hinge", fit_intercept=False, tol=1e-8, max_iter=20_000).fit(
            X, y
        )
    assert energy(a) <= (1 + 1e-7) * energy(machine.coef_[0])


def test_the_square_fit_is_ridge_regression() -> None:
    X, y = features(80, 30)
    exact = np.linalg.solve(X.T @ X + 0.1 * np.eye(30), X.T @ y)
    assert fit_readout("square", X, y, 0.1) == pytest.approx(exact, rel=1e-9, abs=1e-12)


#: Settings that no reference has: (field, Δ, σ, initialisation, steps, loss, α, β, λ).
NETWORKS = [
    ("z1", 0.1, "tanh", "symmetric", 0, "logistic", 2.0, 1.0, 0.02),
    ("z1 + (z1^2 - 1)/2", 0.2, "relu", "symmetric", 1, "logistic", 2.0, 1.0, 0.05),
    ("z1 + (z1^2 - 1)/2", 0.2, "relu", "symmetric", 1, "hinge", 2.0, 1.0, 0.05),
    ("z1 + (z1^2 - 1)/2", 0.2, "relu", "independent", 1, "square", 3.0, 1.0, 0.1),
    ("sin(2*z1)", 0.05, "tanh(x + 1/2)", "symmetric", 1, "huber", 3.0, 1.5, 0.05),
    ("z1^3 - z1", 0.3, "relu(x - 1/2)", "independent", 0, "huber", 1.5, 2.0, 0.1),
    ("z1 + 1/2", 0.1, "erf", "symmetric", 1, "logistic", 1.0, 1.0, 0.1),
    ("z1", 0.0, "relu", "symmetric", 1, "logistic", 2.0, 1.0, 0.05),
    ("relu(z1) - 1/3", 0.1, "relu", "independent", 0, "hinge", 2.0, 1.0, 0.1),
]


def deviations(row, d: int, replicates: int) -> np.ndarray:
    """(simulation − theory)/s.e. of every measured number, the error that the theory states taken off."""
    field, noise, sigma, start, steps, loss, alpha, beta, lam = row
    f, network = Target(field, noise=noise, labels="sign"), Network(sigma, initialisation=start)
    training, ridge = Training(steps=steps, alpha=4.0, eta=1.5), Ridge(alpha, beta, lam, d=d, loss=loss)
    theory = risk(f, network, training, ridge)
    run = Simulation(d=d, replicates=replicates, seed=5, test_samples=8000)
    measured = simulate(f, network, training, ridge, run, steps=[steps]).risks[-1]
    out = []
    for name in MEASURED:
        expected, found, sem = (
            getattr(x, key) for x, key in ((theory, name), (measured, name), (measured, f"{name}_sem"))
        )
        left = max(0.0, abs(found - expected) - theory.error.theory * abs(expected))
        out.append(left / sem)
    return np.array(out)


@pytest.mark.slow
@pytest.mark.parametrize("row", NETWORKS, ids=lambda row: f"{row[0]}, {row[5]} after {row[4]}")
def test_theory_agrees_with_networks(row) -> None:
    assert np.max(deviations(row, 200, 24)) < 4


def test_theory_agrees_with_a_small_network() -> None:
    assert np.max(deviations(NETWORKS[0], 100, 10)) < 4


def test_a_wrong_loss_disagrees_with_the_network() -> None:
    network, ridge = Network("relu"), Ridge(2.0, 1.0, 0.05, d=100, loss="huber")
    found = simulate(FIELD, network, None, ridge, Simulation(d=100, replicates=8, test_samples=5000)).risks[
        -1
    ]
    other = risk(FIELD, network, None, Ridge(2.0, 1.0, 0.05, d=100, loss="logistic"))
    assert abs(found.test_error - other.test_error) > 8 * found.test_error_sem


def test_the_square_loss_on_classes_before_a_step_is_that_on_values_of_equal_moments() -> None:
    ridge, network = Ridge(2.0, 1.0, 0.1, d=300), Network("relu")
    classes = risk(FIELD, network, None, ridge)
    values = risk(as_values(FIELD), network, None, Ridge(2.0, 1.0, 0.1, d=300, regime="proportional"))
    assert classes.test_error == pytest.approx(values.test_error, rel=1e-6)
    assert classes.train_error == pytest.approx(values.train_error, rel=1e-6)
    assert classes.excess_risk == pytest.approx(values.excess_risk, rel=1e-6)


def test_errors_do_not_depend_on_the_unit_of_the_field() -> None:
    tiny = Target("1e-90*(z1 + (z1^2 - 1)/2)", noise=0.2e-180, labels="sign")
    ridge = Ridge(2.0, 1.0, 0.05, loss="logistic")
    one, other = (risk(f, Network("relu"), None, ridge) for f in (FIELD, tiny))
    assert other.classification_error == pytest.approx(one.classification_error, rel=1e-6)


def test_labels_without_noise_are_signs_of_the_field() -> None:
    f = Target("z1", labels="sign")
    assert f.class_mean.text == "sign(z1)"
    assert irreducible(f) == pytest.approx(0.0, abs=1e-12)
    assert leap(f.class_mean).leap_index == 1


def test_a_field_of_zero_is_a_fair_coin() -> None:
    f, ridge = Target("relu(z1)", labels="sign"), Ridge(1.0, 1.0, 1.0, d=60, loss="square")
    run = Simulation(d=60, replicates=6, test_samples=4000)
    found = simulate(f, Network("tanh"), None, ridge, run).risks[0]
    assert irreducible(f) == pytest.approx(0.5, abs=1e-9)
    assert (
        abs(found.test_error - risk(f, Network("tanh"), None, ridge).test_error)
        < 4 * found.test_error_sem + 0.05
    )


def test_means_and_alignments_that_vanish_do_not_keep_the_solver() -> None:
    """An odd activation sees nothing of an even field."""
    f = Target("z1^2 - 1", noise=0.5, labels="sign")
    found = risk(f, Network("tanh"), None, Ridge(loss="logistic"))
    assert found.solution.iterations < 100
    assert found.classification_error == pytest.approx(0.5, abs=1e-9)


@pytest.mark.slow
def test_a_large_step_is_answered_as_networks_are() -> None:
    """Logits of hundreds: the fit separates nearly all classes."""
    network, training, ridge = Network("relu"), Training(eta=50.0), Ridge(loss="logistic")
    theory = risk(FIELD, network, training, ridge)
    run = Simulation(d=200, replicates=6, seed=1, test_samples=4000)
    found = simulate(FIELD, network, training, ridge, run, steps=[1]).risks[-1]
    for name in ("test_error", "train_error", *CLASSES):
        mean, sem = getattr(found, name), getattr(found, f"{name}_sem")
        assert abs(getattr(theory, name) - mean) < 4 * sem + theory.error.theory * mean


def test_a_step_on_classes_follows_the_law() -> None:
    network, training = Network("relu"), Training(steps=1, alpha=4.0, eta=1.5)
    theory = overlaps(FIELD, network, training).steps[1]
    run = Simulation(d=200, width=200, replicates=8, test_samples=2000)
    found = simulate(FIELD, network, training, None, run).overlaps.steps[1]
    assert np.all(np.abs(found.M - theory.M) < 4 * found.M_sem + 0.02)
    assert found.norm2 == pytest.approx(theory.norm2, rel=0.03)


FILE = """
target = {expression = "z1", noise = 0.1, labels = "sign"}
training.steps = 0
ridge = {alpha = 2.0, lambda = 0.1, loss = "logistic"}
simulation = {d = 40, replicates = 2, test_samples = 500}
"""


def test_rows_tables_and_sweeps_have_the_errors_of_classes(tmp_path, capsys) -> None:
    (row,) = curve_rows(Experiment.from_toml(FILE), True)
    assert all(row[key] > 0 and row["simulation"][key] > 0 for key in CLASSES)
    (read,) = csv.DictReader(io.StringIO(to_csv([row])))
    assert float(read["classification_error"]) == row["classification_error"]
    assert float(read["simulation_test_loss_sem"]) == row["simulation"]["test_loss_sem"]
    path = tmp_path / "classes.toml"
    path.write_text(FILE)
    assert run(["simulate", str(path), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    mean = np.mean([row["classification_error"] for row in rows])
    assert mean == pytest.approx(row["simulation"]["classification_error"])
    assert run(["simulate", str(path)]) == 0
    assert "classification_error" in capsys.readouterr().out


def test_a_sweep_of_another_loss_is_another_unit(tmp_path) -> None:
    from asymptotics.sweeps.tasks import tasks_of

    keys = {
        task.key
        for loss in ("logistic", "hinge")
        for task in tasks_of(Experiment.from_toml(FILE.replace("logistic", loss)))
    }
    assert len(keys) == 4


def test_tuning_makes_the_loss_least() -> None:
    ridge = Ridge(2.0, 1.0, 0.1, loss="logistic")
    best = optimise(
        Target("z1", noise=0.1, labels="sign"), Network("tanh"), None, ridge, over=["lam"], lambdas=(0.01, 10)
    )
    assert best.goal == "loss"
    assert best.risk.test_loss <= min(row["test_loss"] for row in best.curve) * (1 + 1e-9)
    assert "test_loss" in best.to_dict()


def test_tuning_class_labels_asks_for_few_points_and_tells_the_least_loss_to_a_thousandth() -> None:
    f, network = Target("z1 + z1^2/2", noise=0.2, labels="sign"), Network("relu")
    best = optimise(f, network, None, Ridge(2.0, 1.0, 0.1, loss="logistic"), over=["lam"])
    assert len(best.curve) + best.failures < 25
    around = np.geomspace(best.lam / 4, best.lam * 4, 9)
    fits = [risk(f, network, None, Ridge(2.0, 1.0, lam, loss="logistic")).test_loss for lam in around]
    assert best.risk.test_loss <= min(fits) * 1.001
    # Far below the least, where a plane all but separates the samples, no point is tried.
    assert min(row["lambda"] for row in best.curve) >= 1e-4


@pytest.mark.parametrize("regime", ["finite", "fixed-width"])
@pytest.mark.parametrize("steps", [0, 1])
@pytest.mark.parametrize("loss", ["logistic", "hinge", "huber", "square"])
def test_theories_of_values_refuse_class_labels_in_one_sentence(regime: str, steps: int, loss: str) -> None:
    ridge = Ridge(2.0, 1.0, 0.1, d=60, loss=loss, regime=regime)
    with pytest.raises(InputError) as caught:
        risk(Target("z1", labels="sign"), Network("tanh"), Training(steps=steps), ridge)
    assert len(caught.value.problems) == 1
    assert 'target.labels = "sign"' in str(caught.value)


@pytest.mark.parametrize(
    ("f", "settings", "said"),
    [
        (Target("z1", noise=0.1), {"ridge": Ridge(loss="hinge")}, "give target.labels"),
        (Target("z1*z2*z3", labels="sign"), {}, "at most 2 directions, not 3"),
        (FIELD, {"training": Training(steps=2)}, "one giant step, not 2"),
        (FIELD, {"training": Training(steps=1, batch_exponent=2)}, "batch_exponent = 1, not 2"),
        (FIELD, {"training": Training(steps=1, remove_orders=(0,))}, "remove_orders"),
        (FIELD, {"training": Training(steps=1), "network": Network(bias=0.5)}, "random biases"),
        (FIELD, {"training": Training(steps=1), "network": Network(readout="gaussian")}, "gaussian readout"),
        (FIELD, {"ridge": Ridge(lam=5e-5, loss="logistic")}, "at least 0.0001"),
        (FIELD, {"ridge": Ridge(lam=5e-4, loss="hinge")}, "at least 0.001"),
        (FIELD, {"ridge": Ridge(lam=0.0)}, "lambda must be positive"),
        (FIELD, {"ridge": Ridge(beta=math.inf)}, "finite beta"),
        (FIELD, {"ridge": Ridge(regime="finite", d=50)}, "does not cover target.labels"),
        (FIELD, {"ridge": Ridge(loss="logistic", level="matrix")}, "ridge.level"),
        (
            FIELD,
            {"ridge": Ridge(loss="logistic", level="E+", d=50), "training": Training(steps=1)},
            "ridge.level",
        ),
        (
            FIELD,
            {"ridge": Ridge(loss="hinge", regime="fixed-width"), "network": Network(width=4)},
            "does not cover",
        ),
    ],
)
def test_what_no_theory_of_losses_covers_is_refused(f, settings, said) -> None:
    given = {"network": Network("relu"), "training": None, "ridge": Ridge(lam=0.1)} | settings
    with pytest.raises(InputError, match=said):
        risk(f, **given)


@pytest.mark.parametrize(
    ("f", "training", "ridge", "said"),
    [
        (Target("z1"), None, Ridge(loss="logistic"), "needs class labels"),
        (FIELD, Training(protocol="sgd"), Ridge(), "not simulated"),
        (FIELD, Training(remove_orders=(0,)), Ridge(), "remove_orders"),
        (FIELD, None, Ridge(lam=0.0, loss="logistic"), "at least 0.0001"),
    ],
)
def test_what_is_not_simulated_is_refused(f, training, ridge, said) -> None:
    with pytest.raises(InputError, match=said):
        simulate(f, Network("relu"), training, ridge, Simulation(d=20, replicates=1))


def test_questions_about_values_refuse_class_labels() -> None:
    for question in (leap, plateaus):
        with pytest.raises(InputError, match="class_mean"):
            question(FIELD)
    with pytest.raises(InputError, match="one giant step"):
        overlaps(FIELD, Network("relu"), Training(steps=2))
    with pytest.raises(InputError, match='labels must be "value" or "sign"'):
        Target("z1", labels="classes")
    with pytest.raises(InputError, match=r"target\.labels must be"):
        Experiment.from_toml('target = {expression = "z1", labels = "signs"}')


def test_theories_name_the_one_of_losses() -> None:
    (row,) = [row for row in theories(FIELD, Network("relu"), Training(steps=1)) if row.answers]
    assert row.name == "conditional Gaussian equivalence, convex losses"
    assert row.validity == "leading order"
