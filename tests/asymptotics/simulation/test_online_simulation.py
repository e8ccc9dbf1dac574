"""Online SGD simulated: the reduced simulation against the network itself, theory against both, and what must fail."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np
import pytest

from asymptotics import Network, Ridge, Simulation, Training, escape, overlaps, simulate
from asymptotics.comparison.validation import validate
from asymptotics.experiment.grid import Experiment
from asymptotics.results import Overlaps
from asymptotics.simulation.direct import DirectNetwork
from asymptotics.simulation.escapes import simulated_escape
from asymptotics.simulation.job import Job
from asymptotics.simulation.online_reduced import OnlineReduced
from asymptotics.sweeps.sweeping import sweep
from hermite import InputError, Target

INDEPENDENT = "independent"


def measured(
    f: Target, network: Network, training: Training, method: str, d: int, replicates: int, seed: int = 1
) -> Overlaps:
    setting = Simulation(
        method=method, d=d, replicates=replicates, test_samples=256, seed=seed, dtype="float64"
    )
    found = simulate(f, network, training, None, setting).overlaps
    assert found is not None
    return found


def scores(one: Overlaps, other: Overlaps, step: int) -> np.ndarray:
    """z of every entry of M and of Q off a fixed diagonal."""
    a, b = one[step], other[step]
    p = len(a.M)
    i, j = np.triu_indices(p)
    values = [np.concatenate([x.M.ravel(), x.Q[i, j]]) for x in (a, b)]
    errors = [np.concatenate([x.M_sem.ravel(), x.Q_sem[i, j]]) for x in (a, b)]
    total = np.hypot(*errors)
    moving = total > 1e-9
    return (values[0] - values[1])[moving] / total[moving]


# Small d, where the degrees of freedom of the part outside of the frame count.
SMALL = Training(6, 1.0, protocol="sgd", batch_exponent=0.0, step=0.4, projection="free")
SHARP = Network("tanh", width=3, initialisation=INDEPENDENT)


@pytest.mark.parametrize("n_b", [1, 2, 7])
@pytest.mark.parametrize("projection", ["projected", "spherical", "free"])
def test_the_reduced_simulation_has_the_law_of_the_network(n_b: int, projection: str) -> None:
    f = Target("z1 + He2(z1)/2", noise=0.2)
    training = replace(SMALL, alpha=float(n_b), projection=projection)
    runs = [measured(f, SHARP, training, method, 12, 400) for method in ("direct", "reduced")]
    assert np.abs(scores(*runs, 6)).max() < 4


def test_wrong_degrees_of_freedom_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: d in the place of d − r − p at d = 2 (r + p)."""
    # Bounded labels: one sample a step has no heavy tails.
    f = Target("tanh(2*z1)")
    training = replace(SMALL, steps=1, step=1.5, alpha=1.0, loss="correlation")
    direct = measured(f, SHARP, training, "direct", 8, 1500)
    start = OnlineReduced.__init__

    def wrong(self: Any, students: Any, step: Any) -> None:
        start(self, students, step)
        self.draws.freedom = self.draws.freedom + self.r + self.p

    monkeypatch.setattr(OnlineReduced, "__init__", wrong)
    reduced = measured(f, SHARP, training, "reduced", 8, 1500)
    assert np.abs(scores(direct, reduced, 1)).max() > 6


SETTINGS = [
    ("z1 + z1*z2", "relu", {"alpha": 1.0, "batch_exponent": 0.5, "eta": 1.0}, 4, 0.0),
    (
        "sin(z1) + z2/2",
        "tanh",
        {"alpha": 0.5, "batch_exponent": 0.5, "eta": 0.7, "projection": "free"},
        3,
        0.1,
    ),
    (
        "z1 - He2(z2)/2",
        "erf",
        {"alpha": 2.0, "batch_exponent": 0.5, "eta": 0.8, "loss": "correlation"},
        2,
        0.0,
    ),
    ("abs(z1) + z2", "softplus", {"alpha": 0.1, "eta": 0.8, "projection": "spherical"}, 2, 0.2),
    ("He3(z1)/3 + z1/2", "He2(x)/2 + x", {"alpha": 3.0, "batch_exponent": 0.5, "eta": 0.6}, 2, 0.0),
    ("erf(z1) - erf(z2)", "erf(x)", {"alpha": 0.2, "eta": 1.0, "projection": "projected"}, 3, 0.5),
]


@pytest.mark.parametrize(("text", "activation", "keys", "p", "noise"), SETTINGS)
def test_the_recursion_is_the_mean_of_runs(
    text: str, activation: str, keys: dict[str, Any], p: int, noise: float
) -> None:
    f, network = Target(text, noise=noise), Network(activation, width=p, initialisation=INDEPENDENT)
    training = Training(30, protocol="sgd", **keys)
    d = 2000
    theory = overlaps(f, network, training, d=d, accuracy=1e-3)
    runs = measured(f, network, training, "reduced", d, 48)
    i, j = np.triu_indices(p)
    for step in (5, 30):
        a, b = theory[step], runs[step]
        gap = np.concatenate([(a.M - b.M).ravel(), (a.Q - b.Q)[i, j]])
        sem = np.concatenate([b.M_sem.ravel(), b.Q_sem[i, j]])
        # The mean of a nonlinear recursion is off by O(1/d), the integrals by what they say.
        slack = 3 / d + theory.solution.residual * max(1.0, float(a.norm2.max()))
        assert (np.abs(gap) < 4.5 * sem + slack).all()
        assert abs(a.risk - b.risk) < 4.5 * b.risk_sem + slack * 10 * theory[0].risk


def test_runs_do_not_depend_on_each_other_or_on_the_steps_looked_at() -> None:
    f, network = Target("z1 + z1*z2", noise=0.1), Network("relu", width=4)
    long = Training(1300, 1.0, 0.5, 0.0, protocol="sgd")
    setting = Simulation(method="reduced", d=50, replicates=3, test_samples=64)
    job = Job(f, network, long, None, setting, (0,), ())
    together = job.run_together([0, 1, 2])
    for k, record in enumerate(together):
        for one, other in zip(record, job.run(k), strict=True):
            np.testing.assert_array_equal(one[0], other[0])
            np.testing.assert_array_equal(one[1], other[1])
    # Sixty rows of many steps; the same steps of a shorter run are the same, and no test sample was trained on.
    last = job.reported[1]
    short = replace(job, training=replace(long, steps=last))
    np.testing.assert_array_equal(short.run(0)[-1][0], together[0][1][0])
    assert short.run(0)[-1][2] == together[0][1][2]


@pytest.mark.parametrize("method", ["direct", "reduced"])
def test_a_given_start_is_kept(method: str) -> None:
    f = Target("z1 + z1*z2", gram=[["1", "1/2"], ["1/2", "1"]])
    overlap = [[0.6, 0.1], [0.0, -0.5]]
    training = Training(1, 1.0, 0.5, 0.5, protocol="sgd", start={"overlap": overlap})
    network = Network("relu", width=2, initialisation=INDEPENDENT)
    runs = measured(f, network, training, method, 40, 2)
    theory = overlaps(f, network, training, d=40)
    for found in (runs, theory):
        np.testing.assert_allclose(found[0].M, overlap, atol=1e-12)
        np.testing.assert_allclose(found[0].norm2, 1.0)
    np.testing.assert_allclose(runs[0].Q, theory[0].Q, atol=1e-12)


def test_units_of_other_protocols_keep_their_names() -> None:
    """What seeds a unit of giant steps or of a reused batch holds nothing of online SGD."""
    f, network, simulation = Target("z1"), Network(), Simulation()
    names = {
        protocol: Job(f, network, Training(1, protocol=protocol), None, simulation, (0,), ()).content[
            "training"
        ]
        for protocol in ("giant", "reuse")
    }
    assert names == {"giant": [4.0, 1.0, 1.0, []], "reuse": [4.0, 1.0, 1.0, [], "reuse", 0.0]}
    online = Training(1, protocol="sgd")
    unit = Job(f, network, online, None, simulation, (0,), ()).content
    for change in ({"loss": "correlation"}, {"projection": "free"}, {"step": 0.1}, {"rate_exponent": 2.0}):
        assert Job(f, network, replace(online, **change), None, simulation, (0,), ()).content != unit
    # Which steps are looked at is no part of it.
    for change in ({"steps": 7}, {"threshold": 0.1}, {"time": (1.0,)}, {"dynamics": "ode"}):
        assert Job(f, network, replace(online, **change), None, simulation, (0,), ()).content == unit


ONE = Network("He2", width=1, initialisation=INDEPENDENT)


def test_simulated_escapes_follow_the_law_of_leap_two() -> None:
    f = Target("He2(z1)")
    training = Training(1, 1.0, 0.2, 0.6, protocol="sgd", loss="correlation")
    d = 10_000
    law = escape(f, ONE, training, d)
    runs = simulated_escape(f, ONE, training, Simulation(d=d, replicates=600, seed=2))
    mean, error = runs.mean_and_error()
    assert runs.escaped == 600
    assert mean is not None
    assert error is not None
    assert abs(mean - law.mean) < 4 * error
    assert abs(error * np.sqrt(600) / law.sd - 1) < 0.2
    times = runs.steps / runs.per_time
    for level, s in law.quantiles.items():
        assert abs(np.mean(times <= s) - level) < 3 * np.sqrt(level * (1 - level) / 600)
    # Negative control: a start without the noise of the steps is later by log(1 + σ²/2λ)/(2λ).
    alone = law.mean + np.log1p(law.sigma2 / (2 * law.rate)) / (2 * law.rate)
    assert abs(mean - alone) > 4 * error
    # Negative control: twice the batch at the same step size is another law.
    twice = simulated_escape(
        f, ONE, replace(training, alpha=2.0, step=law.step), Simulation(d=d, replicates=600, seed=2)
    )
    assert abs(twice.mean_and_error()[0] - mean) > 4 * error


def test_the_square_loss_erases_the_weight_where_the_correlation_loss_escapes() -> None:
    """e = 4 with division by the norm; the spherical gradient, which takes the radial pull out, escapes as well."""
    f = Target("He3(z1)/sqrt(6)")
    network = Network("He3(x)/6 + x/2", width=4, initialisation=INDEPENDENT)
    setting = Simulation(d=64, replicates=24, seed=3)
    base = Training(1, 1.0, 1.0, 2.0, protocol="sgd", step=4.0)
    escaped = {
        (loss, projection): simulated_escape(
            f, network, replace(base, loss=loss, projection=projection), setting, last=30
        ).escaped
        for loss, projection in (
            ("square", "projected"),
            ("correlation", "projected"),
            ("square", "spherical"),
        )
    }
    assert escaped["square", "projected"] < 8
    assert escaped["correlation", "projected"] > 20
    assert escaped["square", "spherical"] > 16


def test_the_train_error_of_a_reused_batch_is_simulated_and_judged() -> None:
    text = {
        "target": {"expression": "z1 + z1*z2", "noise": 0.25},
        "network": {"activation": "relu", "width": 8},
        "training": {"protocol": "reuse", "steps": 3, "alpha": 2.0, "eta": 1.0},
        "simulation": {"d": 250, "replicates": 24, "test_samples": 2000},
    }
    experiment = Experiment.from_dict(text)
    theory = overlaps(experiment.target, experiment.network, experiment.trainings[0])
    runs = simulate(
        experiment.target, experiment.network, experiment.trainings[0], None, experiment.simulations[0]
    )
    assert runs.overlaps is not None
    for step in range(4):
        a, b = theory[step], runs.overlaps[step]
        assert abs(a.train_error - b.train_error) < 4 * b.train_error_sem + 0.01 * a.train_error
        assert b.train_error_sem > 0
    # The risk after three steps is far above the train error: the batch is memorised.
    assert runs.overlaps[3].risk + 0.25 - runs.overlaps[3].train_error > 10 * runs.overlaps[3].train_error_sem
    report = validate(experiment, sizes=1)
    assert any(row["quantity"] == "train_error" for row in report.to_dict()["rows"])
    assert all(row["protocol"] == "reuse" for row in report.to_dict()["rows"])


def test_labels_that_are_drawn_anew_at_every_step_are_another_protocol(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Negative control: the train error after three steps, .636(8) with the labels kept and .804(10) without (reuse.md)."""
    f, network = Target("z1 + z1*z2", noise=0.25), Network("relu", width=8)
    training = Training(3, alpha=2.0, eta=1.0, protocol="reuse")
    setting = Simulation(d=250, replicates=12, test_samples=200)

    def train_error() -> tuple[float, float]:
        found = simulate(f, network, training, None, setting).overlaps
        assert found is not None
        return float(found[3].train_error), float(found[3].train_error_sem)

    kept, error = train_error()
    assert abs(kept - 0.636) < 4 * np.hypot(error, 0.008)
    streams = count(1000)
    noise = DirectNetwork.noise
    monkeypatch.setattr(DirectNetwork, "noise", lambda self, stream: noise(self, next(streams)))
    anew, other = train_error()
    assert abs(anew - 0.804) < 4 * np.hypot(other, 0.01)
    assert anew - kept > 6 * np.hypot(error, other)


def test_a_reused_batch_may_be_smaller_than_the_network() -> None:
    """n = 2 samples, four neurons: the batch is learned by heart."""
    training = Training(6, alpha=0.1, eta=0.15, protocol="reuse")
    setting = Simulation(d=20, replicates=8, test_samples=200)
    found = simulate(Target("z1"), Network("relu", width=4), training, None, setting).overlaps
    assert found is not None
    assert found[6].train_error < 0.7 * found[0].train_error
    assert np.isfinite(overlaps("z1", Network("relu", width=4), replace(training, steps=1))[1].Q).all()


ONLINE = {
    "target": {"expression": "z1 + z1*z2"},
    "network": {"activation": "relu", "width": 2, "initialisation": INDEPENDENT},
    "training": {"protocol": "sgd", "steps": 12, "alpha": 1.0, "batch_exponent": 0.5, "eta": 0.8},
    "simulation": {"method": "reduced", "d": 400, "replicates": 12, "test_samples": 500},
}


def test_online_sgd_is_swept_stored_and_validated(tmp_path: Any) -> None:
    experiment = Experiment.from_dict(ONLINE)
    first = sweep(experiment, tmp_path / "store.sqlite")
    again = sweep(experiment, tmp_path / "store.sqlite")
    assert first.computed == 12
    assert again.computed == 0
    assert {row["protocol"] for row in again.rows} == {"sgd"}
    assert len(first.rows) == 12 * 13
    report = validate(experiment, sizes=2)
    assert report.agrees


def test_the_ridge_fit_after_online_sgd_is_that_of_its_overlaps() -> None:
    f, network = Target("z1 + z1*z2"), Network("relu", width=4, initialisation=INDEPENDENT)
    training = Training(20, 1.0, 1.0, 0.5, protocol="sgd")
    from asymptotics import risk

    fit = Ridge(20.0, lam=1e-3, d=400, regime="fixed-width")
    theory = risk(f, network, training, fit)
    setting = Simulation(method="reduced", d=400, replicates=24, test_samples=20_000)
    runs = simulate(f, network, training, fit, setting, steps=(20,)).risks[0]
    assert abs(theory.test_error - runs.test_error) < 4 * runs.test_error_sem + 0.01 * runs.test_error
    with pytest.raises(InputError, match="fixed-width"):
        risk(f, Network("relu"), training, Ridge())
