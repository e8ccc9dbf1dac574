"""With a Gram matrix everything that leaves the library speaks of the directions as they were given."""

from __future__ import annotations

import numpy as np
import pytest

from asymptotics import Experiment, Network, Ridge, Simulation, Training, overlaps, risk, simulate
from asymptotics.commands.cli import run
from asymptotics.comparison.joined import measure_all
from asymptotics.comparison.measurements import measured_in
from asymptotics.comparison.trajectories import Run, to_csv
from asymptotics.learning.given_directions import lengths_of
from asymptotics.sweeps.store import Store
from asymptotics.sweeps.sweeping import sweep
from hermite import Target

HALF = [[1, "1/2"], ["1/2", 1]]
SKEW = [[4, "-3/2"], ["-3/2", 1]]
SMALL = Simulation(d=48, width=8, replicates=4, test_samples=500, dtype="float64")


def test_a_target_that_is_symmetric_in_its_directions_has_equal_overlaps() -> None:
    found = overlaps(Target("z1+z2", gram=HALF), Network(), Training(alpha=4))
    np.testing.assert_allclose(found[1].M, [[0.75, 0.75], [-0.75, -0.75]], rtol=1e-12)


LEAP_TWO = Training(alpha=2.0, batch_exponent=2, remove_orders=(0,))


@pytest.mark.parametrize(
    ("text", "width", "training"),
    [
        ("z1 + z2 + z1*z2/2", "infinite", Training(steps=2, alpha=3.0)),
        ("z1 + z2 + z1*z2/2", 6, Training(steps=2, alpha=3.0)),
        ("z1*z2", "infinite", LEAP_TWO),
    ],
)
def test_exchanging_the_directions_exchanges_the_overlaps(
    text: str, width: str | int, training: Training
) -> None:
    found = overlaps(Target(text, gram=HALF), Network(width=width), training)
    for step in found.steps:
        np.testing.assert_allclose(step.M, step.M[:, ::-1], rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(step.cosines, step.cosines[:, ::-1], rtol=1e-6, atol=1e-6)
        if step.M_cov is not None:
            np.testing.assert_allclose(step.M_cov, step.M_cov[:, ::-1, ::-1], rtol=1e-6, atol=1e-9)
        if step.quantiles is not None:
            for key in ("M", "cosine"):
                both = step.quantiles[key]
                np.testing.assert_allclose(both, both[..., ::-1], atol=0.02 * np.abs(both).max())


def test_a_direction_of_any_length_has_cosines_of_one_at_most() -> None:
    long, unit = Target("z1", gram=[[4]]), Target("2*z1")
    training = Training(alpha=50.0, eta=20.0)
    found, plain = overlaps(long, Network(), training)[1], overlaps(unit, Network(), training)[1]
    np.testing.assert_allclose(found.M, 2 * plain.M, rtol=1e-12)
    np.testing.assert_allclose(found.cosines, plain.cosines, rtol=1e-12)
    assert 0.9 < found.cosines.max() < 1
    clouds = simulate(long, Network(), training, simulation=SMALL).overlaps
    assert clouds is not None
    assert clouds.samples is not None
    assert np.abs(clouds.samples[1]).max() <= 1


def network_of_a_theorist(
    gram: np.ndarray, d: int, n: int, readout: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """M after one step on y = u1 + u1 u2, u = W* z: the directions are made here, by an eigenbasis of the Gram matrix.

    Symmetric initialisation, relu, eta = 1.
    """
    values, vectors = np.linalg.eigh(gram)
    frame = np.linalg.qr(rng.standard_normal((d, len(gram))))[0]
    directions = vectors @ np.diag(np.sqrt(values)) @ frame.T
    half = rng.standard_normal((len(readout) // 2, d))
    w = np.concatenate([half, half[::-1]])
    w /= np.linalg.norm(w, axis=1, keepdims=True)
    z = rng.standard_normal((n, d))
    u = z @ directions.T
    y = u[:, 0] + u[:, 0] * u[:, 1]
    fields = z @ w.T
    gap = y - np.maximum(fields, 0) @ readout / len(readout)
    w = w + readout[:, None] * ((gap[:, None] * (fields > 0)).T @ z) / n
    return w @ directions.T


@pytest.mark.parametrize("gram", [HALF, SKEW])
def test_theory_and_simulation_agree_with_a_network_that_builds_the_directions_itself(gram: list) -> None:
    target, d, runs = Target("z1 + z1*z2", gram=gram), 60, 400
    network, training = Network(width=6), Training(alpha=4.0)
    rng = np.random.default_rng(20)
    exact = np.array([[float(x) for x in row] for row in target.gram or ()])
    readout = network.finite_readout(6)
    own = np.array([network_of_a_theorist(exact, d, 4 * d, readout, rng) for _ in range(runs)])
    mean, error = own.mean(axis=0), own.std(axis=0, ddof=1) / np.sqrt(runs)
    theory = overlaps(target, network, training, d=d)[1].M
    assert np.abs((theory - mean) / error).max() < 4
    other = Simulation(d=d, replicates=runs, test_samples=10, dtype="float64")
    ours = simulate(target, network, training, simulation=other).overlaps
    assert ours is not None
    assert ours[1].M_sem is not None
    assert np.abs((ours[1].M - mean) / np.hypot(error, ours[1].M_sem)).max() < 4
    # And the basis of the library would be seen: it is far from the given directions.
    assert np.abs((np.linalg.solve(target.cholesky, theory.T).T - mean) / error).max() > 20


def test_stores_and_tables_hold_the_same_overlaps_as_the_simulation() -> None:
    table = {
        "target": {"expression": "z1 + z2", "gram": HALF},
        "simulation": {"d": 48, "width": 8, "replicates": 3, "test_samples": 200},
    }
    experiment = Experiment.from_dict(table)
    with Store.open(None) as store:
        result = sweep(experiment, store)
        (stored,) = measured_in(store, experiment)
    (direct,) = measure_all(experiment)
    np.testing.assert_allclose(stored.overlaps[1].M, direct.overlaps[1].M)  # type: ignore[union-attr]
    neurons = [row["neurons"][0]["M"] for row in result.rows if row["step"] == 1]
    np.testing.assert_allclose(np.mean(neurons, axis=0), direct.overlaps[1].M[0])  # type: ignore[union-attr]
    one = Run(experiment.longest[0], direct.overlaps)  # type: ignore[union-attr]
    assert f"{direct.overlaps[1].M[0, 1]}" in to_csv([one.to_dict()])  # type: ignore[union-attr]


def test_errors_of_the_fit_do_not_depend_on_how_the_directions_are_given() -> None:
    turned = Target("z1 + z2", gram=HALF)
    plain = Target("z1 + (z1 + sqrt(3)*z2)/2")
    network, ridge = Network(width=6), Ridge(2.0, 1.0, 0.1, regime="fixed-width")
    first = risk(turned, network, Training(steps=2), ridge).test_error
    assert first == pytest.approx(risk(plain, network, Training(steps=2), ridge).test_error, rel=1e-6)


def test_the_command_prints_the_given_directions(tmp_path, capsys) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "gram.toml"
    path.write_text('[target]\nexpression = "z1+z2"\ngram = [["1", "1/2"], ["1/2", "1"]]\n')
    assert run(["overlaps", str(path)]) == 0
    assert "(0.7500, 0.7500)" in capsys.readouterr().out


def test_lengths_are_roots_of_the_diagonal_and_none_where_all_are_one() -> None:
    mixed = Target("z1 + z2", gram=[["1", "1/2"], ["1/2", "4"]])
    assert lengths_of(mixed) == pytest.approx([1.0, 2.0])
    assert lengths_of(Target("z1 + z2", gram=[["1", "1/2"], ["1/2", "1"]])) is None
    assert lengths_of(Target("z1 + z2")) is None


def test_cosines_are_of_unit_directions_whatever_their_length() -> None:
    """A network on z1 with ‖w*‖ = 2 has the cosines of one on 2 z1."""
    network, training = Network("tanh"), Training(alpha=4.0, eta=1.0)
    long = overlaps(Target("z1", gram=[["4"]]), network, training).steps[1]
    unit = overlaps(Target("2*z1"), network, training).steps[1]
    np.testing.assert_allclose(long.cosines, unit.cosines, rtol=1e-9)
    assert np.all(np.abs(long.cosines) <= 1)
    assert np.max(np.abs(long.cosines)) > 0.3
