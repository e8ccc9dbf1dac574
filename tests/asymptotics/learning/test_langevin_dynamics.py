"""``dynamics = "langevin"``: the law of one overlap against runs, a closed law, and through the common interface."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asymptotics import Experiment, Network, Ridge, Simulation, Training, escape, overlaps, risk, simulate
from asymptotics.commands.cli import run
from asymptotics.learning.sgd import one_overlap
from asymptotics.learning.sgd.langevin_law import LawOfOverlap
from asymptotics.simulation.escapes import simulated_escape
from hermite import InputError

HE2 = Network("He2(x)", [[1.0, 1.0]], width=1, initialisation="independent")
ERF = replace(HE2, activation="erf(x/sqrt(2))")
ONLINE = Training(20, protocol="sgd", alpha=1.0, eta=0.5, batch_exponent=0.5, dynamics="langevin")


def z_of_law(text: str, network: Network, training: Training, d: int, replicates: int) -> tuple[Any, Any]:
    """z of mean and variance of the overlap over runs, (steps, 2), and what is told."""
    told = overlaps(text, network, training, d=d)
    size = Simulation(d=d, method="reduced", replicates=replicates, test_samples=10, seed=5)
    runs = simulate(text, network, training, None, size).overlaps
    assert runs is not None
    rows = []
    for law, step in zip(told.steps[1:], runs.steps[1:], strict=True):
        assert step.runs is not None
        assert law.M_cov is not None
        m = step.runs["M"][:, 0, 0]
        square = (m - m.mean()) ** 2
        rows.append(
            [
                (m.mean() - law.M[0, 0]) / (m.std() / len(m) ** 0.5),
                (square.mean() - law.M_cov[0, 0, 0]) / (square.std() / len(m) ** 0.5),
            ]
        )
    return np.array(rows), told


@pytest.mark.parametrize(
    ("text", "network", "change", "d"),
    [
        ("He2(z1)", HE2, {"eta": 0.1, "batch_exponent": 1.0}, 400),
        ("z1", ERF, {"eta": 1.0}, 1000),
        ("He2(z1)", HE2, {"eta": 0.1, "loss": "correlation", "start": {"overlap": [[0.1]]}}, 400),
        ("z1", ERF, {"projection": "spherical"}, 400),
    ],
)
def test_the_law_of_an_overlap_is_that_of_runs(
    text: str, network: Network, change: dict[str, Any], d: int
) -> None:
    """Means and variances over 300 runs; steps share their runs, so that no more than |z| is bounded."""
    z, told = z_of_law(text, network, replace(ONLINE, **change), d, 300)
    assert np.abs(z).max() < 3.5
    assert [step.norm2.tolist() for step in told.steps] == [[1.0]] * 21
    assert told.validity == "leading order"


def test_the_noise_of_the_norm_belongs_to_the_law(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: with V = E[y² σ'² (z − m l)²], right at m = 0 alone, the variance is twice that of runs."""
    averages = one_overlap._averages

    def at_the_start(neuron: Any, m: float) -> tuple[float, ...]:
        signal, kernel, own, _, _, eta = averages(neuron, m)
        return signal, kernel, own + signal**2, 0.0, 0.0, eta

    monkeypatch.setattr(one_overlap, "_averages", at_the_start)
    z, _ = z_of_law("z1", ERF, replace(ONLINE, eta=1.0, steps=60), 1000, 300)
    assert z[-1, 1] < -5


def test_the_equation_has_the_closed_law_of_leap_two() -> None:
    """d = 10^5, small steps: two derivations of one law."""
    training = Training(protocol="sgd", alpha=1.0, eta=0.05, batch_exponent=0.0)
    closed = escape("He2(z1)", HE2, training, 100_000)
    solved = escape("He2(z1)", HE2, replace(training, dynamics="langevin"), 100_000)
    assert solved.law == "Langevin equation of one overlap"
    assert solved.mean == pytest.approx(closed.mean, rel=5e-4)
    assert solved.sd == pytest.approx(closed.sd, rel=5e-4)
    np.testing.assert_allclose(list(solved.quantiles.values()), list(closed.quantiles.values()), rtol=5e-4)


def test_the_equation_has_driven_escapes_and_their_scatter() -> None:
    training = replace(ONLINE, eta=1.0, steps=0)
    law, flow = (escape("z1", ERF, replace(training, dynamics=name), 1000) for name in ("langevin", "auto"))
    assert flow.sd is None
    assert law.mean == pytest.approx(flow.mean, rel=0.03)
    runs = simulated_escape(
        "z1", ERF, training, Simulation(d=1000, width=1, replicates=200, seed=3), last=500
    )
    mean, error = runs.mean_and_error()
    assert mean is not None
    assert error is not None
    # Runs are seen at the ends of steps.
    assert abs(mean - 0.5 / runs.per_time - law.mean) < 3.5 * error
    assert law.sd == pytest.approx(error * 200**0.5, rel=0.2)


def test_spherical_steps_that_are_not_small_are_counted_as_they_are() -> None:
    """e = 0.1 at leap 2: the limit of small steps said 16.4 where runs take 19.6 ± 0.4."""
    training = Training(protocol="sgd", alpha=1.0, eta=0.1, batch_exponent=1.0, projection="spherical")
    runs = simulated_escape(
        "He2(z1)", HE2, training, Simulation(d=400, width=1, replicates=400, seed=1), last=200
    )
    mean, error = runs.mean_and_error()
    assert mean is not None
    assert error is not None
    for dynamics in ("auto", "langevin"):
        law = escape("He2(z1)", HE2, replace(training, dynamics=dynamics), 400)
        assert abs(mean - 0.5 / runs.per_time - law.mean) < 3.5 * error


def test_a_fit_after_a_law_is_the_mean_of_fits() -> None:
    """The mean overlap with He2 is 0 by symmetry: the fit there, 2, learns nothing; runs do."""
    training = replace(ONLINE, steps=40, eta=0.1, batch_exponent=1.0)
    ridge = Ridge(regime="fixed-width", d=400, alpha=20.0)
    told = risk("He2(z1)", HE2, training, ridge)
    size = Simulation(d=400, method="reduced", replicates=200, seed=2, test_samples=2_000)
    found = simulate("He2(z1)", HE2, training, ridge, size).risks[-1]
    assert found.test_error_sem is not None
    assert abs(told.test_error - found.test_error) < 3.5 * found.test_error_sem
    assert told.test_error < 1.5


def test_few_nodes_have_the_moments_of_a_law() -> None:
    rng = np.random.default_rng(0)
    m, w = np.sort(rng.uniform(-1, 1, 400)), rng.dirichlet(np.ones(400))
    nodes, weights = LawOfOverlap(m, w).nodes()
    for k in range(31):
        assert weights @ nodes**k == pytest.approx(w @ m**k, abs=1e-12)
    one, whole = LawOfOverlap(np.array([0.3]), np.ones(1)).nodes()
    assert one.tolist() == [0.3]
    assert whole.tolist() == [1.0]


@pytest.mark.parametrize(
    ("network", "change", "text", "d", "word"),
    [
        (replace(HE2, width=2), {}, "He2(z1)", 100, "network.width must be 1"),
        (replace(HE2, width="infinite"), {}, "He2(z1)", 100, "network.width must be 1"),
        (replace(HE2, bias=0.5), {}, "He2(z1)", 100, "network.bias must be 0"),
        (HE2, {}, "He2(z1) + z2", 100, "one direction"),
        (HE2, {"projection": "free"}, "He2(z1)", 100, "training.projection"),
        (HE2, {"batch_exponent": 1.0}, "He2(z1)", None, "simulation.d"),
        (HE2, {"start": {"overlap": [[0.1], [0.2]]}}, "He2(z1)", 100, "training.start.overlap"),
    ],
)
def test_settings_without_a_law_of_one_overlap_are_refused(
    network: Network, change: dict[str, Any], text: str, d: int | None, word: str
) -> None:
    with pytest.raises(InputError, match=word) as refused:
        overlaps(text, network, replace(ONLINE, **change), d=d)
    assert len(refused.value.problems) == 1
    if d is not None and "start" not in change and network.width != "infinite":
        with pytest.raises(InputError):
            escape(text, network, replace(ONLINE, **change), d)


def test_an_overlap_that_is_held_below_the_threshold_never_escapes() -> None:
    with pytest.raises(InputError, match="held below"):
        escape("z1", ERF, replace(ONLINE, eta=8.0, threshold=0.99), 1000)


FILE = """
[target]
expression = "He2(z1)"
[network]
activation = "He2"
width = 1
initialisation = "independent"
readout = [[1.0, 1.0]]
[training]
protocol = "sgd"
alpha = 1.0
batch_exponent = 1.0
eta = 0.1
dynamics = "langevin"
steps = [0, 20]
[simulation]
d = 100
method = "reduced"
replicates = 20
test_samples = 200
"""


def test_the_word_goes_through_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "one.toml"
    file.write_text(FILE)
    assert run(["overlaps", str(file), "--simulate", "--json"]) == 0
    last = json.loads(capsys.readouterr().out)["steps"][-1]
    (entry,) = last["neurons"]
    assert entry["M_cov"][0][0] > 0
    assert {"M", "norm_M", "cosine", "levels"} == set(entry["quantiles"])
    assert last["time"] == pytest.approx(20.0)
    assert run(["validate", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == "agrees"
    assert run(["escape", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["escape"]["law"] == "Langevin equation of one overlap"
    assert run(["overlaps", str(file), "--set", "training.dynamics=langevine"]) == 2
    assert "langevin" in capsys.readouterr().err


@pytest.mark.parametrize("threshold", [1, 2.0, "2", -0.1, 0])
@pytest.mark.parametrize("command", ["overlaps", "escape", "simulate"])
def test_a_threshold_that_no_overlap_reaches_is_refused_at_every_door(
    command: str, threshold: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "one.toml"
    file.write_text(FILE.replace("[simulation]", f"threshold = {json.dumps(threshold)}\n[simulation]"))
    assert run([command, str(file)]) == 2
    assert "training.threshold must be a number above 0 and below 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("keys", "word"),
    [
        ({"protocol": "sgd", "step": 0.1, "rate_exponent": 2.0}, "leave one out"),
        (
            {"protocol": "reuse", "eta": 2.0, "weight_decay": 1.0},
            "eta . training.weight_decay must be below 2",
        ),
        ({"protocol": "reuse", "eta": 1.0, "weight_decay": 3}, "not 3 "),
    ],
)
def test_keys_that_do_not_go_together_are_refused_whoever_reads_them(keys: dict[str, Any], word: str) -> None:
    """A simulation took weight decays of no law, and a rate exponent beside a step was read by nobody."""
    with pytest.raises(InputError, match=word):
        Training(**keys)


def test_several_rates_beside_a_step_are_refused() -> None:
    table = {"protocol": "sgd", "step": 0.1, "eta": [1.0, 2.0]}
    with pytest.raises(InputError, match="takes the place"):
        Experiment.from_dict({"target": {"expression": "z1"}, "training": table})
    table["eta"] = [1.0]
    assert len(Experiment.from_dict({"target": {"expression": "z1"}, "training": table}).trainings) == 1


@pytest.mark.parametrize("ridge", ["", '[ridge]\nregime = "fixed-width"\n'])
def test_a_method_that_no_network_has_is_refused_before_anything_is_simulated(
    ridge: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "reuse.toml"
    file.write_text(
        'target.expression = "z1"\nnetwork.activation = "erf"\nnetwork.width = 2\n'
        'training.protocol = "reuse"\ntraining.steps = 1\n'
        f'[simulation]\nmethod = "reduced"\nd = 40\n{ridge}'
    )
    assert run(["validate", str(file)]) == 2
    said = capsys.readouterr().err
    assert "simulation.method" in said
    assert "simulating" not in said


def test_online_sgd_tells_its_batch_step_and_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "one.toml"
    file.write_text(FILE.replace('dynamics = "langevin"', "start = {overlap = [[0.3]]}"))
    for command in ("overlaps", "escape"):
        given = ["--set", 'training.start="random"'] if command == "escape" else []
        assert run([command, str(file), *given, "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["n_b"], told["step"], told["nu"]) == (100, pytest.approx(0.1), pytest.approx(0.1))
        assert told["kind"] in ("population", "saad-solla")
