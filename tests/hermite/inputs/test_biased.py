"""Inputs with a random mean: the reference table, the theorem on quadratic forms, a numerical staircase, undecided."""

from __future__ import annotations

import numpy as np
import pytest
from target_table import ROWS

from hermite import Target
from hermite.inputs.biased import biased_staircase


@pytest.mark.parametrize("row", ROWS, ids=[row["target"] for row in ROWS])
def test_the_reference_table_is_met(row: dict[str, object]) -> None:
    found = biased_staircase(Target(str(row["target"])))
    assert found.dims is not None
    assert list(found.dims) == row["biased_d1_dims"]


@pytest.mark.parametrize(
    ("text", "eigenvalues"),
    [
        ("z1*z2 + z3*z4", 2),
        ("z1*z2 + z1*z3 + z2*z3", 2),
        ("z1^2 + z2^2 + z3^2", 1),
        ("z1^2 + 2*z2^2 + 3*z3^2", 3),
        ("z1^2 - z2^2 + 2*z3^2 + 2*z4^2", 3),
    ],
)
def test_quadratic_forms_stop_at_the_distinct_eigenvalues(text: str, eigenvalues: int) -> None:
    found = biased_staircase(Target(text))
    assert found.dims == tuple(range(eigenvalues + 1))
    assert found.exactness == "exact"


@pytest.mark.parametrize(
    "text",
    [
        "(z1^2 + z2^2)^3 + z3",
        "(z1^2 + z2^2 + z3^2)*z4",
        "(z1*z2 + z3*z4)^2",
        "z1*z2*z3 + z4*z5*z6",
        "z1*z2 + z2*z3*z4",
        "(z1 + z2)^3 + z1*z3",
    ],
)
def test_generic_means_see_what_random_ones_see(text: str) -> None:
    """Over Q(μ), and by floating-point singular values of ∇f at points of the learned space of a random mean."""
    f = Target(text)
    found = biased_staircase(f)
    assert found.exactness == "exact"
    nodes, weights = np.polynomial.hermite_e.hermegauss(6)
    weights = weights / weights.sum()
    z = np.stack([g.ravel() for g in np.meshgrid(*(nodes,) * f.r, indexing="ij")], axis=1)
    mass = np.prod(np.meshgrid(*(weights,) * f.r, indexing="ij"), axis=0).ravel()
    rng = np.random.default_rng(0)
    mean = rng.normal(size=f.r)
    basis = np.zeros((0, f.r))
    dims = [0]
    while True:
        points = [mean + rng.normal(size=len(basis)) @ basis for _ in range(12)]
        rows = np.array([(mass * f(z + point)) @ z for point in points])
        _, size, right = np.linalg.svd(np.concatenate([rows / np.linalg.norm(rows), basis]))
        basis = right[: int(np.sum(size > 1e-7))]
        if len(basis) == dims[-1]:
            break
        dims.append(len(basis))
    assert found.dims == tuple(dims)


def test_the_seed_does_not_matter() -> None:
    f = Target("z1*z2*(z1^2 - z2^2) + z3*z4")
    assert len({biased_staircase(f, seed=seed).dims for seed in range(5)}) == 1


def test_a_gram_matrix_changes_the_answer() -> None:
    # z1*z2 + z3*z4 with correlated directions: G A has four distinct eigenvalues.
    gram = [["1", "1/2", "0", "0"], ["1/2", "1", "0", "0"], ["0", "0", "1", "0"], ["0", "0", "0", "1"]]
    dims = biased_staircase(Target("z1*z2 + z3*z4", gram=gram)).dims
    assert dims is not None
    assert dims[-1] == 4


@pytest.mark.parametrize("text", ["relu(z1) + relu(z2)", "sign(z1*z2*z3)", "max(z1, z2)"])
def test_the_staircase_is_that_of_quadrature(text: str) -> None:
    """E f(z + μ + u) z at points u of the learned space, by Monte Carlo on one sample: singular values far from 0."""
    f = Target(text)
    z = np.random.default_rng(1).standard_normal((400_000, f.r))
    mean = np.array([0.7, -0.4, 0.5])[: f.r]
    basis = np.zeros((0, f.r))
    dims = [0]
    for _ in range(len(biased_staircase(f).dims or ()) - 1):
        points = [np.zeros(f.r), *(s * row for row in basis for s in (-1.5, 1.5, 0.7))]
        rows = np.array([z.T @ (f(z + mean + u) - f(z + mean + u).mean()) / len(z) for u in points])
        _, size, right = np.linalg.svd(rows)
        error = 1 / np.sqrt(len(z))
        basis = right[: int(np.sum(size > 8 * error * np.sqrt(len(points))))]
        dims.append(len(basis))
    assert tuple(dims) == biased_staircase(f).dims


def test_what_nobody_proves_is_undecided() -> None:
    radial = biased_staircase(Target("exp(-z1^2 - z2^2)"))
    assert radial.dims is None
    assert radial.complete is None
    assert "not seen" in radial.reason
    assert biased_staircase(Target.from_function(lambda x: x[:, 0], 1)).exactness == "undecided"


@pytest.mark.parametrize("bits", [14, 20])
def test_a_long_parity_is_read_in_three_steps(bits: int) -> None:
    """Its polynomial shifted to a mean has 2^bits terms: it is never written out."""
    parity = "*".join(f"z{i + 1}" for i in range(bits))
    assert biased_staircase(Target(parity)).dims == (0, 1, bits)


def test_a_parity_and_a_quadratic_form_climb_by_powers_of_the_form() -> None:
    """By hand: at step 2 the curve (s-coefficients) gives 3 vectors, tied to Qμ and Q²μ; at step 3 the parity's three directions
    come loose, beside Qμ … Q³μ; at step 4 Q⁴μ, the last of four eigenvalues ±1, ±1/3.
    """
    found = biased_staircase(Target("z1*z2*z3 + z4*z5 - z6*z7/3"))
    assert found.relevant_dim == 7
    assert found.dims == (0, 1, 3, 6, 7)


@pytest.mark.parametrize("text", ["(((z5-2/3))*(z20))^40", "((z3-z4)+z2)^40*z1", "z1*z2*z3*z4*z5*z6*z7*z8"])
def test_a_polynomial_of_high_degree_is_climbed_modulo_a_prime(text: str) -> None:
    result = biased_staircase(text)
    assert (result.dims, result.exactness) == ((0, 1, result.relevant_dim), "exact")
