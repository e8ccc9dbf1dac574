"""Reflective subspaces: the definition by quadrature, agreement with leap and with the student's staircase, refusals."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from target_table import ROWS

from hermite import InputError, Target, basis_free_staircase, leap

SMALL = [row["target"] for row in ROWS if row["class"] == "polynomial" and row["r"] <= 3]


def largest_test(f: Target, basis: np.ndarray, degree: int) -> float:
    """max |E[f z_v q(z_S)]| over v in an orthonormal basis of S⊥ and products q of Hermite polynomials up to degree − 1."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(24)
    weights = weights / weights.sum()
    grids = np.meshgrid(*(nodes,) * f.r, indexing="ij")
    z = np.stack([g.ravel() for g in grids], axis=1)
    mass = np.prod(np.meshgrid(*(weights,) * f.r, indexing="ij"), axis=0).ravel()
    full = np.linalg.qr(np.concatenate([basis.T, np.eye(f.r)], axis=1))[0]
    inside, outside = z @ full[:, : len(basis)], z @ full[:, len(basis) :]
    values = f(z) * mass / np.sqrt(np.sum(f(z) ** 2 * mass))
    largest = 0.0
    for powers in product(range(degree), repeat=len(basis)):
        if sum(powers) < degree:
            q = np.prod(
                [np.polynomial.hermite_e.hermeval(inside[:, i], [0] * a + [1]) for i, a in enumerate(powers)],
                axis=0,
            )
            largest = max(largest, float(np.abs((values * q) @ outside).max(initial=0.0)))
    return largest


@pytest.mark.parametrize("degree", [1, 2, 3, 6])
@pytest.mark.parametrize("text", SMALL)
def test_the_closed_form_is_the_definition_by_quadrature(text: str, degree: int) -> None:
    """The subspace named is reflective; those on the way to it are not."""
    f = Target(text)
    found = basis_free_staircase(f, degree)
    assert found.dims is not None
    if found.reflective_subspace is not None:
        rows = np.array([[float(Fraction(x)) for x in row] for row in found.reflective_subspace])
        basis = np.linalg.qr(rows.T)[0].T if len(rows) else np.zeros((0, f.r))
        assert largest_test(f, basis, degree) < 1e-9
    if len(found.dims) > 1:
        assert largest_test(f, np.zeros((0, f.r)), degree) > 1e-13


@pytest.mark.parametrize("row", ROWS, ids=[row["target"] for row in ROWS])
def test_an_expressive_activation_needs_isotropic_leap_one(row: dict[str, object]) -> None:
    found = basis_free_staircase(Target(str(row["target"])))
    assert found.holds is (row["isotropic_leap"] in (1, None))
    assert list(found.dims or ()) == row["staircase_d1"]["dims"]  # type: ignore[index]


@pytest.mark.parametrize("text", [*SMALL, "relu(z1) + relu(z2)", "z1 + tanh(z1)*z2"])
def test_a_high_degree_sees_what_every_activation_sees(text: str) -> None:
    many, every = basis_free_staircase(Target(text), 12), basis_free_staircase(Target(text))
    assert (many.dims, many.holds) == (every.dims, every.holds)


@pytest.mark.parametrize("text", SMALL)
def test_more_degrees_never_see_less(text: str) -> None:
    ends = [(basis_free_staircase(Target(text), m).dims or (0,))[-1] for m in (1, 2, 3, 4, 6)]
    assert ends == sorted(ends)


@pytest.mark.parametrize(("activation", "degree"), [("x + He2(x)", 2), ("x + He2(x) + He3(x)", 3)])
@pytest.mark.parametrize(
    "text", ["z1 + z1*z2", "z1 + z1*z2 + He2(z1)*z3", "z1 + z1*z2 + z1*z2*z3", "z1 + z2 + z1*z2"]
)
def test_the_students_staircase_with_biases_is_the_same(text: str, activation: str, degree: int) -> None:
    student = leap(Target(text), activation=activation, bias=1.0).student_staircase
    assert student is not None
    assert student.dims == basis_free_staircase(Target(text), degree).dims


def test_a_degree_too_low_is_reflective_where_the_target_is_not() -> None:
    found = basis_free_staircase(Target("z1 + z1*z2 + He2(z1)*z3"), 2)
    assert found.holds is False
    assert found.reflective_subspace == [["1", "0", "0"], ["0", "1", "0"]]
    turned = basis_free_staircase(Target("z1 + z2 + z1*z2"))
    assert turned.reflective_subspace == [["1", "1"]]


def test_what_is_open_is_undecided_and_bad_input_refused() -> None:
    assert basis_free_staircase(Target.from_function(lambda x: x[:, 0], 1), 2).holds is None
    assert basis_free_staircase(Target("sign(sin(z1*z2*z3))")).holds is None
    for degree in (0, -1, 2.0, True, 41):
        with pytest.raises(InputError, match="activation_degree"):
            basis_free_staircase(Target("z1"), degree)  # type: ignore[arg-type]
