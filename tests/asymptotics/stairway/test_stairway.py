"""The stairway: tables derived by hand, closed forms, rotations, and what an activation without biases misses."""

from __future__ import annotations

import math

import numpy as np
import pytest

from asymptotics import plateaus
from asymptotics.stairway.exact_floors import PolynomialFloors
from asymptotics.stairway.numerical_floors import NumericalFloors
from asymptotics.stairway.visibility import Visible, visible_degrees
from hermite import Target
from hermite.errors import InputError
from hermite.exact.rows import rational
from hermite.exact.subspaces import Span

STAIRS = "z1 + z1*z2 + z1*z2*z3"
DIAGONAL = "(z1 + z1^2 + z2 - z2^2)/2"

EXACT = {
    STAIRS: [(0, [3, 2, 1, 0]), (1, [2, 1, 0, 0]), (2, [1, 0, 0, 0]), (3, [0, 0, 0, 0])],
    DIAGONAL: [(0, [1.5, 1, 0]), (1, [1, 0, 0]), (2, [0, 0, 0])],
    "He3(z1)": [(0, [6, 6, 6, 0])],
    "z1*z2*z3": [(0, [1, 1, 1, 0])],
    "7": [(0, [0])],
}


@pytest.mark.parametrize("text", EXACT)
def test_polynomials_are_exact(text) -> None:
    table = plateaus(text)
    assert table.exactness == "exact"
    assert table.error == 0
    assert [(row.dim, list(row.plateaus)) for row in table] == EXACT[text]


def test_plateaus_and_subspaces_are_exact_strings() -> None:
    table = plateaus(DIAGONAL)
    assert [row.subspace for row in table] == [(), (("1", "1"),), (("1", "0"), ("0", "1"))]
    assert table[0].exact == ("3/2", "1", "0")
    third = plateaus("z1/3 + z1*z2/7")
    assert third[0].exact == ("58/441", "1/49", "0")


RELU_PAIR = 0.1003143241
NUMERICAL = {
    "relu(z1) + relu(z2)": [
        (0, [1 - 1 / math.pi, 0.5 - 1 / math.pi, 0.5 - 3 / (2 * math.pi), 0.5 - 3 / (2 * math.pi)]),
        (1, [RELU_PAIR, RELU_PAIR, 0.0084261749, 0.0084261749]),
    ],
    "sign(z1*z2)": [(0, [1, 1, 1 - (2 / math.pi) ** 2, 1 - (2 / math.pi) ** 2])],
    "tanh(z1) + He2(z2)*z1": [
        (0, [2.3942944904, 2.0274153260, 2.0274153260, 0.0053817264]),
        (1, [2, 2, 0, 0]),
    ],
}


@pytest.mark.parametrize("text", NUMERICAL)
def test_other_targets_are_numerical(text) -> None:
    table = plateaus(text, kappa=3)
    assert table.exactness == "numerical"
    assert table.error < 1e-9
    assert [row.dim for row in table] == [dim for dim, _ in NUMERICAL[text]]
    for row, (_, values) in zip(table, NUMERICAL[text], strict=True):
        np.testing.assert_allclose(row.plateaus, values, atol=1e-10)


def test_two_relus_have_their_closed_plateau() -> None:
    """Given u = (z1 + z2)/√2: E f² − 4 K(1/2), K(ρ) = E[relu relu] of correlated Gaussians; minus 1/(2π√3) for κ ≥ 2."""

    def K(rho):
        return (math.sqrt(1 - rho**2) + rho * (math.pi - math.acos(rho))) / (2 * math.pi)

    first = 1 + 1 / math.pi - 4 * K(0.5)
    row = plateaus("relu(z1) + relu(z2)", kappa=3)[1]
    np.testing.assert_allclose(
        row.plateaus, [first, first] + [first - 1 / (2 * math.pi * math.sqrt(3))] * 2, atol=1e-11
    )
    assert row.subspace == (("1", "1"),)


def test_a_kink_along_an_oblique_direction_has_its_known_plateau() -> None:
    """A kink along a general direction in three dimensions: E|z1 + z2 + z3| is known."""
    table = plateaus("abs(z1 + z2 + z3) + z1", kappa=1)
    assert table[0].plateaus[0] == pytest.approx(4 - 6 / math.pi, abs=1e-9)
    assert [row.dim for row in table] == [0, 1, 2]
    assert table[2].subspace == (("1", "0", "0"), ("0", "1", "1"))


def test_general_subspaces_have_their_plateaus() -> None:
    """General subspaces, exactly: values by tensor rotation and by direct quadrature elsewhere."""
    floors = PolynomialFloors(Target(STAIRS))
    learned = Span(3, [[rational(1), rational(0), rational(0)], [rational(0), rational(3), rational(4)]])
    np.testing.assert_allclose(
        [float(x) for x in floors.floors(learned, 3, Visible())], [1.1792, 0.4608, 0, 0], atol=1e-15
    )
    row = np.array([[-0.09566759, -0.07981805, -0.99220804]])
    numerical = NumericalFloors(Target(STAIRS)).floors(row / np.linalg.norm(row), 3, Visible())
    np.testing.assert_allclose(numerical, [2.99038668, 1.95460116, 0.03033667, 0], atol=2e-8)


@pytest.mark.parametrize("text", [STAIRS, DIAGONAL, "z1*z2 + He3(z2) + z1*z2*z3"])
def test_the_two_engines_agree(text) -> None:
    f = Target(text)
    exact, numerical = PolynomialFloors(f), NumericalFloors(f)
    rows = np.linalg.qr(np.random.default_rng(3).normal(size=(f.r, 1)))[0].T
    near = Span(f.r, [[rational(round(float(x) * 2**40)) for x in rows[0]]])
    for visible in (Visible(), Visible(odd=1), Visible(even=-1)):
        np.testing.assert_allclose(
            numerical.floors(rows, 3, visible), [float(x) for x in exact.floors(near, 3, visible)], atol=1e-9
        )
        space, other = exact.start(), numerical.start()
        for _ in range(3):
            space, other = exact.next(space, visible), numerical.next(other, visible)
            assert exact.strings(space) == numerical.strings(other)


RESTRICTED = [
    ("relu", STAIRS, [(0, [3, 2, 1, 1]), (1, [2, 1, 1, 1]), (2, [1, 1, 1, 1])]),
    ("tanh", STAIRS, [(0, [3, 2, 2, 1]), (1, [2, 2, 1, 1])]),
    ("relu", "He3(z1)", [(0, [6, 6, 6, 6])]),
    ("relu", "z1*z2*z3", [(0, [1, 1, 1, 1])]),
    ("relu", "tanh(z1) + He2(z2)*z1", [(0, [2.3942944904, *[2.0274153260] * 3]), (1, [2.0274153260] * 4)]),
]


@pytest.mark.parametrize(("activation", "text", "expected"), RESTRICTED)
def test_an_activation_misses_the_stated_stairs(activation, text, expected) -> None:
    table = plateaus(text, kappa=3, activation=activation)
    for row, (dim, values) in zip(table, expected, strict=False):
        assert row.dim_activation == dim
        np.testing.assert_allclose(row.plateaus_activation, values, atol=1e-9)
    # Stuck: the last row of the shorter stairway stays.
    assert table.rows[-1].dim_activation == expected[-1][0]


@pytest.mark.parametrize(
    ("sigma", "even", "odd"),
    [
        (lambda x: np.maximum(x, 0), math.inf, 1),
        (np.tanh, -1, math.inf),
        (np.abs, math.inf, -1),
        (lambda x: np.maximum(x - 0.7, 0), math.inf, math.inf),
        (lambda x: x**3 - 3 * x + x**2, 2, 3),
        (lambda x: np.tanh(x) + 0.5, 0, math.inf),
    ],
)
def test_visible_degrees_are_those_of_the_activation(sigma, even, odd) -> None:
    assert visible_degrees(sigma) == Visible(even, odd)


def test_plateaus_are_taken_in_the_metric_of_a_gram_matrix() -> None:
    """Variables that are not orthogonal: z1 + z1 z2 with ⟨w1, w2⟩ = 1/2 has E f = 1/2 and E z1² z2² = 1 + 2/4."""
    table = plateaus(Target("z1 + z1*z2", gram=[["1", "1/2"], ["1/2", "1"]]))
    assert table[0].exact == ("9/4", "5/4", "0")
    # Given u = w1: z2 = u/2 + √3/2 v, and only the part with v is left.
    assert table[1].exact == ("3/4", "0", "0")
    assert [row.dim for row in table] == [0, 1, 2]


def test_steps_and_kappa_bound_the_table() -> None:
    table = plateaus(STAIRS, steps=5, kappa=1)
    assert [row.step for row in table] == list(range(6))
    assert table[5].plateaus == (0, 0)
    assert len(plateaus("He3(z1)", steps=0)) == 1
    for bad in ({"steps": -1}, {"kappa": -1}, {"kappa": 1.5}, {"steps": True}):
        with pytest.raises(InputError):
            plateaus(STAIRS, **bad)


def test_the_table_has_a_json_document_and_a_frame() -> None:
    document = plateaus(STAIRS, activation="relu").to_dict()
    assert list(document) == ["target", "activation", "exactness", "error", "rows"]
    assert {"step", "dim", "subspace", "plateaus", "plateaus_activation"} <= set(document["rows"][0])
    assert plateaus(STAIRS).to_dict()["rows"][0]["plateaus_activation"] is None
    frame = plateaus(STAIRS, activation="relu").to_frame()
    assert list(frame.columns) == ["step", "dim", "kappa", "plateau", "plateau_activation"]
    assert "<table>" in plateaus(STAIRS)._repr_html_()


def test_a_callable_target_has_plateaus() -> None:
    f = Target.from_function(lambda z: z[..., 0] + z[..., 0] * z[..., 1], 2)
    table = plateaus(f, kappa=2)
    assert [row.dim for row in table] == [0, 1, 2]
    np.testing.assert_allclose(table[0].plateaus, [2, 1, 0], atol=1e-6)


def test_high_degree_and_many_variables_stay_fast() -> None:
    assert plateaus("z1^40*z2 + z1")[0].plateaus[0] > 0
    chain = " + ".join("*".join(f"z{i + 1}" for i in range(k)) for k in range(1, 13))
    table = plateaus(chain)
    assert [row.dim for row in table] == list(range(13))
