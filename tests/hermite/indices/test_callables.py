"""Leap and expansion of Python functions: each coefficient by its own error; closed forms, SciPy, and the exact engines."""

from __future__ import annotations

import json
import math
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import ndtr
from scipy.stats import norm

from hermite import InputError, Target, expand, leap


def target(g, r: int) -> Target:
    return Target.from_function(g, r)


#: name: (function, r, leap, dims of the staircase at n = Θ(d), dim V*)
DECIDED = {
    "a jump": (lambda z: np.sign(z[:, 0] - 0.3), 1, 1, (0, 1), 1),
    "steps": (lambda z: np.round(z[:, 0]), 1, 1, (0, 1), 1),
    "a pole": (lambda z: np.abs(z[:, 0]) ** -0.4, 1, 2, (0,), 1),
    "a pole elsewhere": (lambda z: np.abs(z[:, 0] - 1.1) ** -0.3, 1, 1, (0, 1), 1),
    "a window": (lambda z: (z[:, 0] > 1) & (z[:, 0] < 1.05), 1, 1, (0, 1), 1),
    "a narrow even window": (lambda z: np.abs(np.abs(z[:, 0]) - 0.5) < 2e-4, 1, 2, (0,), 1),
    "four directions": (lambda z: z[:, 0] + z[:, 0] * z[:, 1] + z[:, 2] * z[:, 3], 4, 1, (0, 1, 2), 4),
    "a high order first": (lambda z: z[:, 0] ** 3 - 3 * z[:, 0] + z[:, 1] * z[:, 2] * z[:, 3], 4, 3, (0,), 4),
    "steep along a cubic": (lambda z: np.tanh(z[:, 0] + z[:, 1] ** 3 - 3 * z[:, 1]), 2, 1, (0, 1, 2), 2),
    "a disc": (lambda z: z[:, 0] ** 2 + z[:, 1] ** 2 < 1, 2, 2, (0,), 2),
    "a half plane and a product": (lambda z: np.sign(z[:, 0] + z[:, 1]) + z[:, 0] * z[:, 1], 2, 1, (0, 1), 2),
    "a rotated line": (lambda z: np.maximum(z[:, 0] - 2 * z[:, 1], 0), 2, 1, (0, 1), 1),
    "a ball": (lambda z: np.sum(z**2, axis=1) < 1, 3, 2, (0,), 3),
    "signs in five": (lambda z: np.sign(z[:, 0] * z[:, 1] * z[:, 2]) + z[:, 4], 5, 1, (0, 1), 4),
    "a product of five": (lambda z: z.prod(axis=1), 5, 5, (0,), 5),
    "a line and a product of six": (lambda z: z[:, 0] + z[:, 1:].prod(axis=1), 6, 1, (0, 1), 6),
    "signs of a product of five": (lambda z: np.sign(z.prod(axis=1)), 5, 5, (0,), 5),
    "small units": (lambda z: 1e-90 * (z[:, 0] * z[:, 1] + np.sign(z[:, 0])), 2, 1, (0, 1, 2), 2),
    "a constant": (lambda z: 0 * z[:, 0] + 3, 2, None, (0,), 0),
}  # fmt: skip


@pytest.mark.parametrize("name", DECIDED)
def test_every_coefficient_is_judged_by_its_own_error(name: str) -> None:
    g, r, index, dims, relevant = DECIDED[name]
    report = leap(target(g, r))
    assert (report.leap_index, report.staircase.dims, report.relevant_dim) == (index, dims, relevant)
    assert report.exactness == "numerical"
    json.dumps(report.to_dict(), allow_nan=False)


@pytest.mark.parametrize(
    ("g", "r", "rows", "leap_index"),
    [
        (lambda z: np.tanh(z.sum(axis=1)), 5, [[1, 1, 1, 1, 1]], 1),
        (lambda z: np.sign(z @ np.array([1.0, 2.0, 0.0, -1.0])), 4, [[1, 2, 0, -1]], 1),
        (lambda z: np.abs(z.sum(axis=1)), 5, [[1, 1, 1, 1, 1]], 2),
        (
            lambda z: np.sign(z[:, 0] + z[:, 1]) + np.tanh(z[:, 2] - z[:, 3]),
            4,
            [[1, 1, 0, 0], [0, 0, 1, -1]],
            1,
        ),
    ],
)
def test_directions_of_all_orders_are_counted_once_where_points_are_drawn(
    g, r: int, rows: list[list[int]], leap_index: int
) -> None:
    """Each order shows the same direction, off by its own sampling error."""
    report = leap(target(g, r))
    assert (report.leap_index, report.relevant_dim) == (leap_index, len(rows))
    found = np.array(report.relevant_subspace, dtype=float)
    basis = np.linalg.qr(np.array(rows, dtype=float).T)[0].T
    frame = np.linalg.qr(found.T)[0].T
    assert np.linalg.norm(frame - frame @ basis.T @ basis) < 0.02
    assert len(report.hard_directions) == len(rows) - report.staircase.dims[-1]


@pytest.mark.parametrize(
    ("g", "r", "known"),
    [
        (lambda z: np.sin(30 * z[:, 0]), 1, None),
        (lambda z: z[:, 0] + np.sin(30 * z[:, 1]), 2, 1),
        (lambda z: z[:, 0] + 0.3 * np.cos(20 * z[:, 1]) * np.sign(z[:, 3]), 4, 1),
    ],
)
def test_what_no_order_shows_is_undecided_and_not_constant(g, r: int, known: int | None) -> None:
    report = leap(target(g, r))
    assert report.leap_index == known
    assert report.exactness == "undecided"
    assert report.relevant_dim is None
    assert report.hard_directions is None
    assert "constant as far" not in repr(report)


LINES = {
    "window": (lambda x: (x > 1) & (x < 1.05), [1, 1.05]),
    "jump": (lambda x: np.sign(x - 0.3), [0.3]),
    "steep": (lambda x: np.tanh(200 * (x - 1)), [1]),
    "steps": (np.round, [k + 0.5 for k in range(-9, 9)]),
    "cusp": (lambda x: np.sqrt(np.abs(x + 0.7)), [-0.7]),
    "fast": (lambda x: np.cos(30 * x) + np.abs(x), [0]),
}


@pytest.mark.parametrize("name", LINES)
def test_stated_errors_cover_in_one_direction(name: str) -> None:
    """Against QUADPACK between the breakpoints."""
    g, breaks = LINES[name]
    e = expand(target(lambda z: g(z[:, 0]), 1), order=4)
    ends = sorted([-10, *breaks, *np.linspace(-9, 9, 19), 10])
    for k in range(5):
        he = np.polynomial.hermite_e.HermiteE.basis(k)
        pieces = [
            quad(lambda x, he=he: float(g(x)) * he(x) * norm.pdf(x), a, b, epsabs=1e-14, limit=400)
            for a, b in pairwise(ends)
            if b > a
        ]
        right, off = sum(p[0] for p in pieces), sum(p[1] for p in pieces)
        assert abs(e.value((k,)) - right) <= e.error((k,)) + off + 1e-12
        assert e.error((k,)) < 1e-9


def test_closed_forms_lie_within_the_stated_errors() -> None:
    window = expand(target(lambda z: (z[:, 0] > 1) & (z[:, 0] < 1.05), 1))
    assert window.value((0,)) == pytest.approx(ndtr(1.05) - ndtr(1), abs=1e-14)
    disc = expand(target(lambda z: z[:, 0] ** 2 + z[:, 1] ** 2 < 1, 2), order=4)
    # E 1[ρ² < 1] = 1 − e^(−1/2); E z1² 1 = 1 − 3/2 e^(−1/2).
    for alpha, right in {
        (0, 0): 1 - math.exp(-0.5),
        (1, 0): 0.0,
        (1, 1): 0.0,
        (2, 0): -0.5 * math.exp(-0.5),
        (0, 2): -0.5 * math.exp(-0.5),
    }.items():
        assert abs(disc.value(alpha) - right) <= disc.error(alpha) + 1e-12
        assert disc.error(alpha) < 1e-5


@pytest.mark.parametrize(
    ("g", "r", "right"),
    [
        (
            lambda z: np.sign(z[:, 0] * z[:, 1] * z[:, 2]),
            3,
            {(1, 1, 1): (2 / math.pi) ** 1.5, (1, 0, 0): 0.0},
        ),
        (
            lambda z: np.maximum(z[:, 0], 0) * np.sign(z[:, 3]),
            4,
            {(1, 0, 0, 1): math.sqrt(0.5 / math.pi), (2, 0, 0, 1): 1 / math.pi, (0, 1, 0, 1): 0.0},
        ),
        (lambda z: (z > 0).all(axis=1), 5, {(0,) * 5: 1 / 32, (1, 0, 0, 0, 1): 1 / (2 * math.pi) / 8}),
    ],
)
def test_standard_errors_cover_where_points_are_drawn(g, r: int, right: dict[tuple[int, ...], float]) -> None:
    e = expand(target(g, r), order=3)
    for alpha, c in right.items():
        # The stated error is four standard errors of sixteen scrambles (a dyadic box is measured exactly).
        assert e.error(alpha) < 0.02
        assert abs(e.value(alpha) - c) <= 1.5 * e.error(alpha) + 1e-12


@pytest.mark.parametrize(
    "text", ["z1 + z1*z2 + z1*z2*z3", "tanh(z1) + He3(z2)", "relu(z1) + He2(z2)*z1", "abs(z1 - 1)"]
)
def test_a_callable_agrees_with_the_exact_engine(text: str) -> None:
    f = Target(text)
    g = target(f.function, f.r)
    exact, numerical = expand(f, 4), expand(g, 4)
    for alpha in numerical.series:
        assert abs(numerical.value(alpha) - exact.value(alpha)) <= numerical.error(alpha) + 1e-11
    assert leap(g).staircase.dims == leap(f).staircase.dims
    assert numerical.energy(1) == pytest.approx(float(exact.energy(1)), abs=1e-7)
    assert float(numerical.residual_energy) == pytest.approx(float(exact.residual_energy), abs=1e-7)


def test_the_expansion_shows_its_errors() -> None:
    e = expand(target(lambda z: np.sign(z[:, 0] - 0.3), 1), order=2)
    assert "±" in repr(e)
    document = json.loads(json.dumps(e.to_dict(), allow_nan=False))
    assert document["coefficients"]["1"]["exact"] is None
    assert document["coefficients"]["1"]["value"] == pytest.approx(2 * norm.pdf(0.3), abs=1e-14)
    assert 0 < document["coefficients"]["1"]["error"] < 1e-12
    assert document["total_energy"] == pytest.approx(1, abs=1e-12)


class _Drifting:
    __name__ = "drifting"

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, x):
        self.calls += 1
        return x[:, 0] + self.calls


@pytest.mark.parametrize(
    ("g", "message"),
    [
        (lambda x: x[:, 0] * np.nan, "finite"),
        (lambda x: np.sqrt(x[:, 0]), "finite"),
        (lambda x: x[:, 0] + np.inf, "finite"),
        (lambda x: x, "shape"),
        (lambda x: 1.0, "shape"),
        (lambda x: ["a"] * len(x), "real numbers"),
        (lambda x: x[:, 0] + 1j, "real numbers"),
        (lambda x: None, "real numbers"),
        (lambda x: [[1], [1, 2]], "unequal"),
        (_Drifting(), "deterministic"),
        (lambda x: 1 / x[:, 0], "does not converge"),
        (lambda x: np.exp(x[:, 0] ** 2 / 3), "does not converge"),
        (lambda x: np.exp(np.exp(np.abs(x[:, 0]))), "finite"),
    ],
)
@pytest.mark.parametrize("question", [leap, expand])
def test_what_is_no_target_is_refused_in_one_sentence(g, message: str, question) -> None:
    with np.errstate(all="ignore"), pytest.raises(InputError, match=message) as caught:
        question(target(g, 1))
    assert "\n" not in str(caught.value)


def test_bounds_are_checked_before_any_work() -> None:
    with pytest.raises(InputError, match="too high"):
        expand(target(lambda z: z[:, 0], 5), order=60)
    assert leap(target(lambda z: z[:, 0] * z[:, 11], 12)).leap_index == 2


@pytest.mark.parametrize(
    ("g", "r"),
    [
        (lambda z: z.max(axis=-1), 4),
        (lambda z: (z.argmax(axis=-1) == 0) * 1.0, 3),
    ],
)
def test_no_index_of_an_undecided_report_reads_as_none(g, r: int) -> None:
    """An index that is not found may be there: its line says undecided, as its null in the document does."""
    report = leap(Target.from_function(g, r))
    assert report.exactness == "undecided"
    lines = dict(report.lines())
    for name, value in (
        ("isotropic leap", report.isotropic_leap),
        ("leap in these coordinates", report.leap_coordinates),
        ("leap index", report.leap_index),
    ):
        if name in lines:
            assert lines[name].split(" (")[0] == ("undecided" if value is None else str(value))


def test_the_indices_of_a_constant_read_as_none() -> None:
    assert dict(leap("3").lines())["leap index"] == "none"


def test_subspaces_have_the_digits_that_are_sure_and_pivots_above_their_errors() -> None:
    """Sampled in five directions: span{z1 + 0.7 z2, z3}, of which rounding made span{z1 − 7738.5 z3, z2 + 11051.8 z3}."""
    f = Target.from_function(
        lambda x: np.tanh(x[..., 0] + 0.7 * x[..., 1] + x[..., 2] ** 3 - 3 * x[..., 2]), 5
    )
    (first, second) = leap(f).relevant_subspace
    assert first[0] == "1"
    assert float(first[1]) == pytest.approx(0.7, abs=0.051)
    assert len(first[1]) < 6
    assert [float(x) for x in (*first[2:], *second)] == pytest.approx([0, 0, 0, 0, 0, 1, 0, 0], abs=0.051)


def test_a_quadrature_has_more_digits_than_a_sample() -> None:
    (row,) = leap(
        Target.from_function(lambda x: np.tanh(0.8 * x[..., 0] + 0.5 * x[..., 1]), 2)
    ).relevant_subspace
    assert row == ["1", "0.625"]
