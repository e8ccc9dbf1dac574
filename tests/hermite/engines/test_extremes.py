"""Maxima and minima of many orthogonal lines: known means, probabilities, sampling; leaps by symmetry and by common rise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, special

from hermite import Target, expand, leap
from hermite.engines.extremes import extreme
from hermite.engines.patches import slopes_of
from hermite.language.parsing import parse


def names(k: int) -> str:
    return ", ".join(f"z{i + 1}" for i in range(k))


@pytest.mark.parametrize("k", [6, 7, 10])
def test_means_and_probabilities_of_the_largest_of_many(k: int) -> None:
    """E max = ∫ k x φ Φ^{k−1}; each is the largest with probability 1/k; E max² by the same density."""
    e = expand(f"max({names(k)})", 2)
    density = lambda x: k * math.exp(-x * x / 2) / math.sqrt(2 * math.pi) * special.ndtr(x) ** (k - 1)  # noqa: E731
    for power, value in ((1, e.value((0,) * k)), (2, float(e.total_energy))):
        expected = integrate.quad(lambda x, p=power: x**p * density(x), -12, 12, epsabs=1e-13)[0]
        assert value == pytest.approx(expected, rel=1e-11)
    assert all(
        e.value(tuple(int(i == j) for j in range(k))) == pytest.approx(1 / k, rel=1e-15) for i in range(k)
    )


@pytest.mark.parametrize(
    "text",
    [
        "max(z1+1,z2,z3,z4)",
        "min(2*z1,z2-1,z3/3,z4,z5+1/2)",
        "max(z1+z2,z1-z2+1,z3,z4,1/3)",
        "min(z1,z2,z3,z4,z5,z6,0)*z7",
        "max(max(z1-1,z2),relu(z3),z4)^2",
    ],
)
def test_coefficients_of_extremes_are_those_of_sampling(text: str) -> None:
    f = Target(text)
    e = expand(f, 3)
    assert e.exactness == "certified"
    z = np.random.default_rng(7).standard_normal((200_000, f.r))
    y = f(z)
    places = [(0,) * f.r, (1,) + (0,) * (f.r - 1), (0, 2) + (0,) * (f.r - 2), (1, 1, 1) + (0,) * (f.r - 3)]
    for alpha in places:
        sample = y * np.prod([special.eval_hermitenorm(k, z[:, i]) for i, k in enumerate(alpha)], axis=0)
        assert abs(e.value(alpha) - sample.mean()) < 4.5 * sample.std() / math.sqrt(len(z)) + 1e-12


def test_a_tree_of_extremes_is_read_as_one() -> None:
    tree = parse("max(max(z1-1, z2), relu(z3), 1/2)")
    found = extreme(tree, slopes_of(tree, 3), None)
    assert found is not None
    assert (found.floor, sorted(found.offsets), found.power) == (1 / 2, [-1, 0, 0], 1)
    for other in ("max(z1, z1+z2, z3)", "max(z1^2, z2)", "max(z1, min(z2, z3))", "max(sqrt(2), z1)", "z1"):
        tree = parse(other)
        assert extreme(tree, slopes_of(tree, 3), None) is None


@pytest.mark.parametrize(
    ("text", "dims", "flags", "leap_index"),
    [
        ("max(z1+1,z2,z3,z4)", (0, 1, 2), (1, 4), 2),
        ("max(z1+1,z2+2,z3,z4)", (0, 1, 3), (1, 4), 2),
        (f"max({names(5)})", (0, 1), (1, 5), 2),
        (f"max({names(10)})", (0, 1), (1, 10), 2),
        (f"min({names(6)},0)", (0, 1), (1, 6), 2),
        ("max(2*z1,z2,z3,z4,z5)", (0, 1, 2), (1, 5), 2),
        ("max(z1+1,z2,z3,z4,z5)*z6", (0, 1, 2, 3), (1, 2, 6), 2),
    ],
)
def test_leaps_of_maxima_of_four_lines_and_more_are_decided(text, dims, flags, leap_index) -> None:
    """What is equal by exchange is closed together; of order 2 nothing is seen of what raises all lines alike."""
    report = leap(text)
    assert report.exactness == "certified"
    assert (report.staircase.dims, report.flag_dims, report.isotropic_leap) == (dims, flags, leap_index)


def test_order_two_and_more_do_not_see_what_raises_all_lines_alike() -> None:
    e = expand("max(z1+1,z2,z3,z4,z5)", 2)
    tensor = e.tensor(2)
    assert np.abs(tensor @ np.ones(5)).max() < 1e-15
    assert np.linalg.matrix_rank(tensor) == 4
