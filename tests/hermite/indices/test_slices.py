"""Targets that are polynomials in some coordinates: what is added to spaces within these is known exactly."""

from __future__ import annotations

import numpy as np
import pytest

from hermite import Target, leap


@pytest.mark.parametrize(
    ("text", "dims", "hard"),
    [
        # U_1 = (1, 0, E relu): E[f z2 | x] is x/2 times a constant, and z3 off U_1 waits for z2.
        ("z1 + relu(z2)*z3", (0, 1, 2, 3), 0),
        ("relu(z1)*z2 + z3", (0, 1, 2, 3), 0),
        ("z1 + exp(z2)*z3", (0, 1, 2, 3), 0),
        ("z1 + (1/3 + z2/2 + z2^2/5)*z3", (0, 1, 2, 3), 0),
        # An even factor shows neither itself nor z3 off U_1.
        ("z1 + abs(z2)*z3", (0, 1), 2),
        ("z1 + exp(-z2^2)*z3", (0, 1), 2),
        ("z1 + (1/3 + z2^2/5)*z3", (0, 1), 2),
        ("z1 - 2*z3 + abs(z2)*(z3 + z4)", (0, 1), 2),
    ],
)
def test_what_a_linear_slice_adds_is_decided(text: str, dims: tuple[int, ...], hard: int) -> None:
    report = leap(Target(text))
    assert report.exactness != "undecided"
    assert report.staircase.dims == dims
    assert report.hard_directions is not None
    assert len(report.hard_directions) == hard
    assert report.isotropic_leap == (2 if hard else 1)


def test_the_closed_slice_is_closed_in_samples() -> None:
    z = np.random.default_rng(20).standard_normal((400_000, 3))
    f = z[:, 0] + np.abs(z[:, 1]) * z[:, 2]
    u = np.array([1.0, 0.0, np.sqrt(2 / np.pi)])
    u /= np.linalg.norm(u)
    v = np.array([-u[2], 0.0, u[0]])
    x = z @ u
    for seen in (np.ones_like(x), x, x**2 - 1, x**3 - 3 * x):
        for off in (z[:, 1], z @ v):
            terms = f * off * seen
            assert abs(terms.mean()) < 4 * terms.std() / len(x) ** 0.5
    # The control: the space that one step learns.
    terms = f * x
    assert abs(terms.mean()) > 50 * terms.std() / len(x) ** 0.5
