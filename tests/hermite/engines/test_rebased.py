"""Irrational directions at rational angles: the same answers as in coordinates along them, and against sampling."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hermite import Target, expand, leap

TURNED = [
    # (target, the same along orthogonal axes of their own, rows of the axes)
    ("max(sqrt(2)*z1+z2,z3)", "max(sqrt(3)*z1,z2)", [[math.sqrt(2 / 3), math.sqrt(1 / 3), 0], [0, 0, 1]]),
    ("tanh(sqrt(2)*z1+z2)*z3", "tanh(sqrt(3)*z1)*z2", [[math.sqrt(2 / 3), math.sqrt(1 / 3), 0], [0, 0, 1]]),
    ("relu(z1+sqrt(2)*z2)", "relu(sqrt(3)*z1)", [[math.sqrt(1 / 3), math.sqrt(2 / 3)]]),
    (
        "sign(sqrt(2)*z1+z2)*abs(z1-sqrt(2)*z2)+z3",
        "sign(z1)*abs(sqrt(3)*z2)+z3",
        [[math.sqrt(2 / 3), math.sqrt(1 / 3), 0], [math.sqrt(1 / 3), -math.sqrt(2 / 3), 0], [0, 0, 1]],
    ),
    ("max(sqrt(2)*z1,z2)", "max(sqrt(2)*z1,z2)", [[1, 0], [0, 1]]),
]


@pytest.mark.parametrize(("text", "along", "axes"), TURNED)
def test_irrational_directions_at_rational_angles_are_those_of_their_own_axes(text, along, axes) -> None:
    """Tensors turn with the axes; leaps, staircases and energies stay."""
    e, own = expand(text, 4), expand(along, 4)
    assert e.exactness in ("exact", "certified")
    np.testing.assert_allclose(e.energies, own.energies, rtol=1e-13, atol=1e-15)
    assert float(e.total_energy) == pytest.approx(float(own.total_energy), rel=1e-12)
    rows = np.array(axes, dtype=float)
    for k, subscripts in ((1, "a,ai->i"), (2, "ab,ai,bj->ij"), (3, "abc,ai,bj,ck->ijk")):
        np.testing.assert_allclose(
            e.tensor(k), np.einsum(subscripts, own.tensor(k), *(rows,) * k), rtol=1e-12, atol=1e-14
        )
    a, b = leap(text), leap(along)
    assert a.exactness != "undecided"
    assert (a.leap_index, a.staircase.dims, a.flag_dims, a.isotropic_leap) == (
        b.leap_index,
        b.staircase.dims,
        b.flag_dims,
        b.isotropic_leap,
    )


def test_three_irrational_lines_are_those_of_sampling() -> None:
    f = Target("max(sqrt(2)*z1+z2,z3,z1-sqrt(2)*z2+1)*sqrt(5)")
    e = expand(f, 2)
    z = np.random.default_rng(2).standard_normal((200_000, 3))
    y = f(z)
    for alpha, h in [((0, 0, 0), 1.0), ((1, 0, 0), z[:, 0]), ((0, 1, 1), z[:, 1] * z[:, 2])]:
        sample = y * h
        assert abs(e.value(alpha) - sample.mean()) < 4.5 * sample.std() / math.sqrt(len(z))


def test_irrational_angles_have_that_reason() -> None:
    report = leap("max(sqrt(2)*z1+z2,z1+z3,z2)*z3")
    assert report.exactness == "undecided"
    assert "irrational angle" in report.reason


def test_irrational_lengths_along_rational_directions_stay_as_they_are() -> None:
    for text in ("max(sqrt(2)*z1,z1)", "tanh(sqrt(2)*(z1+z2))", "z1+sqrt(2)*z1*z2"):
        assert leap(text).exactness != "undecided"
    assert leap("max(sqrt(2)*z1,z1)").relevant_subspace == [["1"]]
