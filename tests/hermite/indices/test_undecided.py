"""Undecided reads as undecided: nulls in the report, what is proved of the first order beside them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from asymptotics.commands.cli import cli
from hermite import Target, hardness, leap
from hermite.indices.partial import first_order_signs, monotone

NULL = [
    "relevant_dim", "relevant_subspace", "leap_span", "flag_dims", "hard_directions", "beyond_one_step",
    "isotropic_leap", "closure_dims_by_level", "leap_coordinates",
]  # fmt: skip
#: Targets that no engine decides, and the signs of the first-order coefficients that are proved.
OPEN = {
    "tanh(z1+He3(z2)*z3)": {0: 1},
    "sign(sin(z1*z2*z3))": {},
    "erf(relu(z1) - z2^3)": {0: 1, 1: -1},
    "exp(-z1^2)*tanh(z2 + z2^3*z3^2)": {1: 1},
    "tanh(z1 + z2^3*z3^2)*exp(z4 - relu(z2))": {0: 1},
    "-2*min(z1, z2^3, z3^5 - 2)": {0: -1, 1: -1, 2: -1},
}


@pytest.mark.parametrize("text", OPEN)
def test_nothing_reads_as_a_constant(text: str) -> None:
    report = leap(Target(text))
    if report.exactness != "undecided":
        pytest.skip("an engine decides it by now")
    document = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert all(document[name] is None for name in NULL)
    stairs = document["staircase"]
    assert all(stairs[name] is None for name in ("dims", "subspaces", "leading_dims", "complete"))
    assert document["leap_index"] == (1 if OPEN[text] else None)
    assert "constant" not in repr(report)
    assert ("leap index            1" in repr(report)) is bool(OPEN[text])


@pytest.mark.parametrize("text", OPEN)
def test_proved_signs_are_those_of_the_sampled_coefficient(text: str) -> None:
    f = Target(text)
    signs = first_order_signs(f)
    assert signs == OPEN[text]
    x = np.random.default_rng(5).standard_normal((100_000, f.r))
    for i, sign in signs.items():
        mirrored = x * np.where(np.arange(f.r) == i, -1.0, 1.0)
        terms = sign * (f(x) - f(mirrored)) * x[:, i] / 2
        assert terms.min() >= 0
        assert terms.mean() > 4 * terms.std() / len(x) ** 0.5


@pytest.mark.parametrize(
    ("text", "slope"),
    [
        ("z1^3", 1), ("z1^2", None), ("relu(z1)^2", 1), ("relu(-z1)^4", -1), ("z1*z2", None), ("z1*z2^2", 1),
        ("abs(z1)", None), ("abs(exp(z1))", 1), ("sin(z1)", None), ("max(z1, z2, -z1)", None), ("He3(z1)", None),
        ("z2^2", 0), ("logistic(-3*z1) - z1", -1), ("(sqrt(2) - 3/2)*z1", -1),
    ],
)  # fmt: skip
def test_the_chain_rule_proves_monotone_functions(text: str, slope: int | None) -> None:
    tree = Target(text, variables=("z1", "z2")).tree
    assert tree is not None
    assert monotone(tree, 0) == slope


@pytest.mark.parametrize("text", ["sign(sin(z1*z2*z3))", "tanh(z1+He3(z2)*z3)"])
@pytest.mark.parametrize("inputs", ["gaussian", "biased"])
def test_consumers_bear_what_is_open(text: str, inputs: str) -> None:
    report = hardness(Target(text), d=100, inputs=inputs)
    json.dumps(report.to_dict(), allow_nan=False)
    assert "undecided" in repr(report)
    assert leap(Target(text), activation="relu", readout="rademacher").student_staircase is None
    result = CliRunner().invoke(cli, ["leap", text, "--activation", "tanh", "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["hard_directions"] is None
