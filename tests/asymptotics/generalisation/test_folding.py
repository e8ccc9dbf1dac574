"""Reflections of the learned coordinates: folded equations are those of all nodes, and neighbours are good starts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from asymptotics import Network, Ridge, Training
from asymptotics.caches import SetUps
from asymptotics.generalisation.errors import path_outcomes, risk_outcomes
from asymptotics.generalisation.finite import leap_two_units as rules
from asymptotics.generalisation.finite.conditional_errors import unit_errors
from asymptotics.generalisation.finite.folding import Folding, Orbits, folding
from asymptotics.generalisation.finite.leap_two_law import leap_two_law
from asymptotics.generalisation.finite.leap_two_units import linear_carriers
from asymptotics.generalisation.finite.unit_equations import (
    Place,
    UnitFeatures,
    solve_unit_equations,
    unit_state,
)
from asymptotics.learning.giant.one_step import one_step_law
from asymptotics.learning.groups import readout_groups
from asymptotics.results import Risk
from hermite import Target

D = 40


def everything(x, weights, coordinates, shares, *_scalars) -> Folding:
    """The group of the identity."""
    return Folding(Orbits(np.arange(len(x))[None]), Orbits(np.arange(len(shares))[None]), np.ones((1, 1)))


def few_nodes(monkeypatch) -> None:
    monkeypatch.setattr(rules, "_STARTS", {0: 1, 1: 6, 2: 4})
    monkeypatch.setattr(rules, "_FEWER_STARTS", {0: 1, 1: 4, 2: 3})
    monkeypatch.setattr(rules, "_ON_TARGET", {1: 9, 2: 7})
    monkeypatch.setattr(rules, "_ON_COMMON", {0: 9, 1: 5, 2: 5})
    monkeypatch.setattr(rules, "_FINER", (1.0, 1.0))
    monkeypatch.setattr(rules, "_MISSED", 1.0)


def units(f: Target, network: Network, monkeypatch) -> rules.LeapTwoUnits:
    """A layer after one step of 2 d² samples, on few nodes."""
    few_nodes(monkeypatch)
    sigma = network.get_activation()
    law = one_step_law(f, sigma, readout_groups(network), 1.0, 2.0, 2, removed=(0, 1), exponent=2.0)
    return rules.leap_two_units(f, sigma, leap_two_law(law, 2.0, D), D)


@pytest.mark.parametrize(
    ("text", "sigma", "rows", "order"),
    [
        ("He2(z1)", "relu", "symmetric", 2),
        ("He2(z1) + z2/2 + He3(z2)/4", "relu", "independent", 2),
        ("z1*z2", "relu", "symmetric", 4),
        ("He2(z1) - He2(z2)/2 + z1*z2*z3/2", "relu", "symmetric", 4),
        # A third order bends what is learned: only the other axis is a mirror.
        ("He2(z1) - He2(z2)/2 + He3(z1)/2", "tanh(x + 1/2)", "symmetric", 2),
        ("He2(z1) + He3(z1)/2", "tanh(x + 1/2)", "symmetric", 1),
    ],
)
def test_folded_equations_have_the_errors_of_all_nodes(text, sigma, rows, order, monkeypatch) -> None:
    f, network = Target(text, noise=0.1), Network(sigma, initialisation=rows)
    folded = units(f, network, monkeypatch)
    monkeypatch.setattr(rules, "folding", everything)
    whole = units(f, network, monkeypatch)
    assert len(folded.features.count) == order * len(whole.features.count)
    assert folded.features.T[0].size < whole.features.T[0].size / order**2 * 2.5
    assert folded.floor == pytest.approx(whole.floor, rel=1e-9, abs=1e-12)
    first, second = (
        unit_errors(one.features, (*one.carriers, *linear_carriers(one, 0.4)), one.rest, 200, 160, 0.05, 0.1)
        for one in (folded, whole)
    )
    assert (first.excess, first.train) == pytest.approx((second.excess, second.train), rel=1e-8)
    assert first.kappa.max() == pytest.approx(second.kappa.max(), rel=1e-9)


def test_reflections_that_move_the_weights_or_the_shares_are_none() -> None:
    x = np.array([[-1.0], [0.0], [1.0]])
    types = x[:, :, None]
    even, odd = np.array([0.25, 0.5, 0.25]), np.array([0.2, 0.5, 0.3])
    assert len(folding(x, even, types, even).characters) == 2
    for weights, shares, norm2 in ((odd, even, even), (even, odd, even), (even, even, odd)):
        assert len(folding(x, weights, types, shares, norm2).characters) == 1
    assert len(folding(x + 0.1, even, types, even).characters) == 1
    found = folding(x, even, types, even)
    assert found.nodes.totals(even) == pytest.approx([0.5, 0.5])


def settings(alphas) -> list[tuple[Training, Ridge]]:
    return [
        (Training(alpha=a / D, eta=1.0, batch_exponent=2, remove_orders=(0, 1)), Ridge(a, 4.0, 0.05, d=D))
        for a in alphas
    ]


def test_a_path_has_the_answers_of_its_points_in_fewer_steps(monkeypatch) -> None:
    few_nodes(monkeypatch)
    f, network = Target("z1 + He2(z1)", noise=0.1), Network("relu")
    points = settings([30.0, 34.0, 40.0, 60.0])
    along = list(path_outcomes(f, network, points, set_ups=SetUps(), accuracy=0.5))
    for place, ((training, ridge), found) in enumerate(zip(points, along, strict=True)):
        assert isinstance(found, Risk)
        assert found.solution is not None
        (alone,) = path_outcomes(f, network, [(training, ridge)], set_ups=SetUps(), accuracy=0.5)
        assert isinstance(alone, Risk)
        assert found.test_error == pytest.approx(alone.test_error, rel=1e-9)
        assert found.error.theory == pytest.approx(alone.error.theory, rel=1e-6)
        assert (found.solution.iterations < 10) is (place > 0)
    ridges = [replace(points[0][1], lam=lam) for lam in (0.05, 0.04)]
    (_, second) = risk_outcomes(f, network, points[0][0], ridges, set_ups=SetUps(), accuracy=0.5)
    assert isinstance(second, Risk)
    assert second.solution is not None
    assert second.solution.iterations < 10


def test_a_path_refuses_point_by_point(monkeypatch) -> None:
    few_nodes(monkeypatch)
    f, network = Target("He2(z1)", noise=0.1), Network("relu")
    (few, many) = path_outcomes(f, network, settings([8.0, 40.0]), set_ups=SetUps(), accuracy=0.5)
    assert "at least 10, not 8" in str(few)
    assert isinstance(many, Risk)


def test_a_start_that_is_no_neighbour_is_left() -> None:
    rng = np.random.default_rng(0)
    T = rng.normal(size=(2, 4, 3, 1)) / 4
    c = UnitFeatures(
        np.full(4, 0.25), np.full(3, 1 / 3), T, np.full((4, 3, 1, 1), 0.2), np.array([1.0, 20.0]), np.ones((2, 3, 1, 1))
    )  # fmt: skip
    cold = solve_unit_equations(c, 60, 40.0, 1e-3)
    for start in (
        Place(cold.kappa * 1e4, cold.D),
        Place(cold.kappa * 1e-6, cold.D),
        Place(cold.kappa, cold.D * 1e-5),
        Place(cold.kappa[:2], cold.D),
        Place(cold.kappa, cold.D[:2]),
    ):
        found = solve_unit_equations(c, 60, 40.0, 1e-3, start=start)
        assert found.kappa == pytest.approx(cold.kappa, rel=1e-9)
    near = solve_unit_equations(c, 60, 40.0, 1e-3, start=Place(cold.kappa * 1.1, cold.D))
    assert near.kappa == pytest.approx(cold.kappa, rel=1e-9)
    assert near.solution.iterations < cold.solution.iterations / 2
    state = unit_state(c, near.kappa, np.linalg.inv(near.D), 60, 40.0, 1e-3)
    assert np.max(np.abs(state.r1) / near.kappa) < 1e-9
