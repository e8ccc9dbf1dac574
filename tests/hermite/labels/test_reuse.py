"""Powers of the label: the reference table, the closure of one label as a special case, refusals."""

from __future__ import annotations

import pytest
from target_table import ROWS

from hermite import InputError, Target, leap
from hermite.labels.reuse import reuse_staircase, reused_steps

POLYNOMIALS = [row for row in ROWS if row["class"] == "polynomial" and row["relevant_dim"]]


@pytest.mark.parametrize("row", POLYNOMIALS, ids=[row["target"] for row in POLYNOMIALS])
def test_four_powers_see_the_stairs_of_the_table(row: dict[str, object]) -> None:
    found = reuse_staircase(Target(str(row["target"])), degree=4)
    assert found.dims is not None
    assert list(found.dims[0]) == row["grand_staircase_dims"]
    assert found.dims[1][-1] == row["relevant_dim"]
    assert (found.dims[0][-1] == row["relevant_dim"]) == (row["generative_exponent"] == 1)


def test_three_powers_take_one_stair_more_where_the_fourth_sees_all() -> None:
    found = reuse_staircase(Target("z1 + z1*z2 + z1*z2*z3"), degree=3)
    assert found.dims is not None
    assert found.dims[0] == (0, 2, 3)


@pytest.mark.parametrize(
    "text", ["z1 + z1*z2 + z1*z2*z3", "z1 + z2 + z1*z2", "z1*z2 + He3(z3)", "He4(z1) + z2"]
)
def test_the_first_power_alone_is_the_staircase(text: str) -> None:
    f = Target(text)
    found = reuse_staircase(f, degree=1)
    assert found.dims == tuple(leap(f, batch_exponent=level).staircase.dims for level in (1, 2))


@pytest.mark.parametrize("text", ["He3(z1)", "z1*z2*z3", "z1 + He4(z2)", "z1^3*z2 - z2^2"])
def test_more_powers_never_see_less(text: str) -> None:
    last = [reuse_staircase(Target(text), degree=m).dims for m in (1, 2, 3)]
    ends = [[dims[-1] for dims in found or ()] for found in last]
    assert ends == sorted(ends)


def test_a_gram_matrix_is_used() -> None:
    gram = [["1", "1/2"], ["1/2", "1"]]
    assert reuse_staircase(Target("z1*z2", gram=gram)).dims == ((0,), (0, 2))


def test_what_is_open_is_undecided_and_bad_input_refused() -> None:
    assert reuse_staircase(Target("relu(z1)")).dims is None
    assert reuse_staircase(Target.from_function(lambda x: x[:, 0], 1)).dims is None
    with pytest.raises(InputError, match="degree"):
        reuse_staircase(Target("z1"), degree=0)


@pytest.mark.parametrize(
    ("text", "dims", "two_passes"),
    [
        ("z1 + He3(z2)/sqrt(6)", ((0, 2), (0, 2)), 2),
        ("He4(z1)/sqrt(24)", ((0,), (0, 1)), 0),
        ("sqrt(2)*z1*z2*z3", ((0,), (0, 3)), 0),
        ("(z1 + z2)/sqrt(2) + He3(z2 - z1)/sqrt(6)", ((0, 2), (0, 2)), 2),
        ("exp(1)*z1 + He3(z2)*pi", ((0, 2), (0, 2)), 2),
        ("sqrt(2)*z1 - 2*z1/sqrt(2) + He2(z2)", ((0,), (0, 1)), 0),
    ],
)
def test_irrational_coefficients_of_a_polynomial_are_no_obstacle(
    text: str, dims: tuple[tuple[int, ...], ...], two_passes: int
) -> None:
    """They were "undecided", told to be no polynomials."""
    assert reuse_staircase(text).dims == dims
    spaces = reused_steps(text)
    assert spaces is not None
    assert len(spaces[-1]) == two_passes


@pytest.mark.parametrize("text", ["relu(z1) + z2", "exp(z1)", "sqrt(z1^2)"])
def test_what_is_no_polynomial_is_undecided(text: str) -> None:
    assert reuse_staircase(text).dims is None
    assert reused_steps(text) is None
