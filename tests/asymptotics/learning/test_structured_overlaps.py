"""Overlaps on Gaussian mixtures: the isotropic law as a limit, invariances, the network, the commands, and refusals."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from asymptotics import (
    Cluster,
    Inputs,
    Network,
    Ridge,
    Simulation,
    Training,
    overlaps,
    risk,
    samples_needed,
    simulate,
    singular_values,
)
from asymptotics.commands.cli import run
from asymptotics.learning.structured.moments import error_of_fields, fields_rule
from asymptotics.learning.structured.overlap_laws import left_out_at
from hermite import Target
from hermite.errors import InputError

F = Target("z1 + z1*z2/2", noise=0.05)
TWO = [
    Cluster(0.3, [0.7, 0.0, 0.2], np.diag([1.5, 0.5, 1.0]), [0.5, 1.0]),
    Cluster(0.7, [-0.3, 0.2, 0.0], np.eye(3), [1.0, 1.2]),
]
INPUTS = Inputs(TWO, [0.4, 0.6])
STEP = Training(1, 4.0, 1.5)


@pytest.mark.parametrize("start", ["symmetric", "independent"])
@pytest.mark.parametrize("sigma", ["relu", "tanh(x + 1/2)"])
def test_one_isotropic_cluster_has_the_overlaps_of_isotropic_inputs(sigma, start) -> None:
    network, isotropic = Network(sigma, initialisation=start), Inputs([Cluster(1.0, [0, 0], np.eye(2))])
    ours, theirs = overlaps(F, network, STEP, inputs=isotropic), overlaps(F, network, STEP)
    for a, b in zip(ours.steps, theirs.steps, strict=True):
        assert a.readout == pytest.approx(b.readout)
        for one, other in ((a.M, b.M), (a.norm2, b.norm2), (a.risk, b.risk)):
            assert one == pytest.approx(other, rel=1e-6, abs=1e-9)


def test_overlaps_do_not_depend_on_how_clusters_are_split_or_axes_turned() -> None:
    turn = np.array([[0.6, 0.8, 0], [-0.8, 0.6, 0], [0, 0, 1]])
    halves = [replace(c, weight=c.weight / 2) for c in TWO for _ in range(2)]
    turned = [replace(c, mean=turn @ c.mean, covariance=turn @ np.array(c.covariance) @ turn.T) for c in TWO]
    expected = overlaps(F, Network("relu"), STEP, inputs=INPUTS).steps[1]
    for other in (
        Inputs(halves, INPUTS.fractions),
        Inputs(turned, INPUTS.fractions, np.eye(2, 3) @ turn.T),
    ):
        found = overlaps(F, Network("relu"), STEP, inputs=other).steps[1]
        for name in ("M", "Q", "norm2", "risk"):
            assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-9)


def test_overlaps_scale_with_the_target() -> None:
    one = overlaps(F, Network("relu"), STEP, inputs=INPUTS).steps[1]
    large = Target(f"1e5*({F.text})", noise=0.05e10)
    other = overlaps(
        large, Network("relu", readout=[(1e5, 0.5), (-1e5, 0.5)]), replace(STEP, eta=1.5e-10), inputs=INPUTS
    ).steps[1]
    assert pytest.approx(one.M, rel=1e-9) == other.M
    assert other.risk == pytest.approx(1e10 * one.risk, rel=1e-9)


@pytest.mark.parametrize(
    ("inputs", "text", "sigma"),
    [
        (INPUTS, "z1 + z1*z2/2", "relu"),
        (Inputs.power_law(0.8, 6), "z1 + sin(z1)", "tanh"),
        (Inputs([Cluster(0.5, [m], [[1.0]], [1.0], y) for m, y in ((1, "1"), (-1, "-1"))]), "z1", "relu"),
    ],
)
def test_a_network_on_a_mixture_has_the_predicted_overlaps(inputs, text, sigma) -> None:
    """And with the means left out (a wrong theory) it has not, where there are any."""
    f, network = Target(text, noise=0.05), Network(sigma)
    theory = overlaps(f, network, STEP, inputs=inputs, d=150)
    run = Simulation(d=150, width=40, replicates=10, seed=11, test_samples=4000)
    real = simulate(f, network, STEP, None, run, inputs=inputs).overlaps
    at, seen = theory.steps[1], real.steps[1]
    size = float(np.sqrt(at.norm2.max()))
    assert np.all(np.abs(at.M - seen.M) < 4 * seen.M_sem + at.error.theory * size)
    assert np.all(np.abs(at.norm2 - seen.norm2) < 4 * seen.norm2_sem + at.error.theory * at.norm2)
    assert abs(at.risk - seen.risk) < 4 * seen.risk_sem + at.risk_error.theory * at.risk
    assert seen.lengths == pytest.approx(np.linalg.norm(inputs.teacher_of(f), axis=1))
    if len(inputs.clusters) > 1:
        centred = Inputs(
            [replace(c, mean=np.zeros(inputs.axes)) for c in inputs.clusters],
            inputs.fractions,
            inputs.teacher,
        )
        wrong = overlaps(f, network, STEP, inputs=centred).steps[1]
        assert np.any(np.abs(wrong.M - seen.M) > 4 * seen.M_sem + at.error.theory * size)


def test_long_axes_and_small_dimensions_leave_out_more() -> None:
    spiked = Inputs([Cluster(1.0, [0.0], [[5.0]])])
    assert left_out_at(INPUTS, None) == 0.0
    assert left_out_at(spiked, 100) == pytest.approx(0.1)
    assert left_out_at(spiked, 200) == pytest.approx(0.05)
    note = overlaps(F, Network("relu"), STEP, inputs=INPUTS).validity_note
    assert "a mean acts as a linear term" in note
    assert "mean" not in overlaps("z1", Network("relu"), STEP, inputs=spiked).validity_note


def test_samples_of_a_mixture_reach_the_error_that_was_asked_for() -> None:
    ridge = Ridge(beta=1.0, lam=0.1)
    found = samples_needed("z1", Network("relu"), Training(steps=0), ridge, test_error=1.0, inputs=INPUTS_1)
    there = risk("z1", Network("relu"), None, replace(ridge, alpha=found.alpha), inputs=INPUTS_1)
    assert there.test_error == pytest.approx(1.0, rel=1e-3)
    isotropic = samples_needed("z1", Network("relu"), Training(steps=0), ridge, test_error=1.0)
    assert abs(found.alpha / isotropic.alpha - 1) > 0.02


INPUTS_1 = Inputs([Cluster(0.5, [1.0], [[1.0]]), Cluster(0.5, [-1.0], [[0.5]], [0.5])])


def test_singular_values_of_a_mixture_are_simulated() -> None:
    given = (Target("z1"), Network("relu"), Training(), Ridge(1.0, 1.0, d=40), Simulation(d=40, seed=1))
    clusters, plain = singular_values(*given, inputs=INPUTS_1), singular_values(*given)
    assert clusters.shape == plain.shape == (40,)
    assert clusters[0] > 1.2 * plain[0]


FILE = """
target = {expression = "z1", noise = 0.1}
simulation = {d = 40, replicates = 4, width = 8, test_samples = 500}
[inputs]
clusters = [{weight = 0.5, mean = {z1 = 1.0}}, {weight = 0.5, mean = {z1 = -1.0}, bulk = 0.5}]
"""


def test_the_commands_of_overlaps_know_the_inputs(tmp_path, capsys) -> None:
    path = tmp_path / "mixture.toml"
    path.write_text(FILE)
    assert run(["overlaps", str(path), "--simulate", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    step = found["steps"][1]
    isotropic = overlaps("z1", Network("relu"), Training()).steps[1]
    assert step["neurons"][0]["M"][0] > 1.5 * isotropic.M[0, 0]
    assert abs(step["neurons"][0]["M"][0] - step["simulation"]["neurons"][0]["M"][0]) < 1.0
    page = tmp_path / "page.html"
    assert run(["report", str(path), "-o", str(page), "--no-simulation"]) == 0
    text = page.read_text(encoding="utf-8")
    assert "The answers below are those of isotropic inputs" in text
    assert "stairway" not in text
    assert run(["spectrum", str(path)]) == 2
    assert "singular_values(..., inputs=...)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("f", "network", "training", "said"),
    [
        ("z1", {"width": 4}, {}, 'network.width = "infinite", not 4'),
        ("z1", {}, {"steps": 2}, "one giant step, not 2"),
        ("z1", {}, {"protocol": "reuse"}, "giant steps, not protocol"),
        ("z1", {}, {"batch_exponent": 2}, "batch_exponent = 1, not 2"),
        ("z1", {}, {"remove_orders": (0,)}, "remove_orders"),
        ("z1", {"bias": 0.5}, {}, "network.bias = 0"),
        (
            "z1",
            {"readout": [(1.0, 0.5), (2.0, 0.5)], "initialisation": "independent"},
            {},
            "readout of mean 0",
        ),
        ("relu(z1^2 + z2 - 1)", {}, {}, "of two with kinks on lines"),
        ("relu(z1)*z2*z3", {}, {}, "smooth ones of three"),
        ("z1*z2*z3*z4", {}, {}, "a named axis for each"),
        (Target("z1", labels="sign"), {}, {}, "classes are labels of clusters"),
    ],
)
def test_what_the_law_of_mixtures_does_not_cover_is_refused(f, network, training, said) -> None:
    with pytest.raises(InputError, match=said):
        overlaps(f, Network(**network), Training(**training), inputs=INPUTS)


@pytest.mark.parametrize(
    "text", ["relu(z1) - relu(z2)/2 + z1*z2", "abs(z1 + z2)*z1", "tanh(20*z1)*z2", "z1*z2^2"]
)
def test_kinks_along_lines_are_met_at_any_covariance(text) -> None:
    """Against a million samples."""
    f, covariance, centre = Target(text), np.array([[2.0, 0.6], [0.6, 0.5]]), np.array([[0.3, -1.0]])
    s, weights = fields_rule(f, centre, covariance)
    values = f(s.reshape(-1, 2)).reshape(s.shape[:2])
    rng = np.random.default_rng(0)
    drawn = f(centre[0] + rng.standard_normal((1_000_000, 2)) @ np.linalg.cholesky(covariance).T)
    for power in (1, 2):
        sampled = drawn**power
        gap = float(np.sum(weights * values**power)) - sampled.mean()
        assert abs(gap) < 4 * sampled.std() / 1000


def test_a_kinked_target_on_fields_of_one_dimension_is_averaged_along_their_line() -> None:
    """z2 = 2 z1 here: E max(z1, 0) z2 = 2 E max(z1, 0) z1 = 1."""
    s, weights = fields_rule(Target("relu(z1)*z2"), np.zeros((1, 2)), np.array([[1.0, 2.0], [2.0, 4.0]]))
    values = Target("relu(z1)*z2")(s.reshape(-1, 2)).reshape(s.shape[:2])
    assert float(np.sum(weights * values)) == pytest.approx(1.0, rel=1e-9)


def test_fewer_nodes_say_the_error_of_a_smooth_target_of_several_directions() -> None:
    isotropic = Inputs([Cluster(1.0, np.zeros(3), np.eye(3))])
    assert error_of_fields(Target("z1*z2*z3 + z1"), isotropic) < 1e-12
    sharp = error_of_fields(Target("tanh(3*z1*z2*z3)"), isotropic)
    assert sharp > 0.01
    assert error_of_fields(Target("tanh(3*z1)"), isotropic) == 0.0


def test_fields_of_two_directions_have_their_mean_and_covariance() -> None:
    covariance, centre = np.array([[2.0, 0.6], [0.6, 0.5]]), np.array([[0.3, -1.0], [0.0, 0.2]])
    s, weights = fields_rule(Target("tanh(z1*z2)"), centre, covariance)
    w = np.broadcast_to(weights, s.shape[:2])
    np.testing.assert_allclose(np.einsum("np,npi->ni", w, s), centre, atol=1e-12)
    off = s - centre[:, None]
    for found in np.einsum("np,npi,npj->nij", w, off, off):
        np.testing.assert_allclose(found, covariance, rtol=1e-9)
