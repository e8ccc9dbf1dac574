"""What users' functions do instead of answering: one sentence that is true, quickly; scales and far overflow are no matter."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hermite import InputError, Target, expand, leap
from hermite.callables import PointFunction, single_precision


def target(g: Callable[..., Any], r: int = 1) -> Target:
    return Target.from_function(g, r)


def lost(x):
    raise KeyError("lost")


def past_two(x):
    if (x[:, 0] > 2).any():
        raise ValueError("the table ends\nat 2")
    return x[:, 0]


def one_by_one(x):
    return 1.0 if x[:, 0] > 0 else 0.0


def endless(x):
    return endless(x)


#: (function, r, what the sentence says)
RAISING = [
    (lost, 1, r"the target lost raises KeyError \('lost'\) at z = \["),
    (past_two, 2, r"past_two raises ValueError \(the table ends at 2\) at z = \[ ?[2-9]"),
    (lambda x: x[:, 5], 2, "raises IndexError"),
    (lambda x: {}[x.shape], 3, "raises KeyError"),
    (lambda: 1.0, 1, "raises TypeError"),
    (lambda x, y: x * y, 2, r"numpy.array\(\[g\(\*z\) for z in x\]\)"),
    (lambda z: z[0] * z[1], 2, r"numpy.array\(\[g\(z\) for z in x\]\)"),
    (lambda z: math.sin(z[0]), 1, "it answers at single points"),
    (one_by_one, 1, "not at its points one by one"),
    (endless, 1, "RecursionError"),
    (lambda x: 1 // int(x.sum() * 0), 2, "ZeroDivisionError"),
]


@pytest.mark.parametrize("question", [leap, expand])
@pytest.mark.parametrize(("g", "r", "says"), RAISING)
def test_what_a_function_raises_is_one_sentence_from_the_original(g, r: int, says: str, question) -> None:
    with pytest.raises(InputError, match=says) as caught:
        question(target(g, r))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    if "raises" in str(caught.value):
        assert isinstance(caught.value.__cause__, Exception)


@pytest.mark.parametrize(
    ("g", "r", "says"),
    [
        (lambda z: np.where(np.abs(z[:, 0]) > 5, np.nan, z[:, 0]), 1, r"nan at z = \[-?5\.0"),
        (lambda z: np.where(np.abs(z[:, 0]) > 8, np.nan, z[:, 0]), 1, r"nan at z = \[-?8\.0"),
        (lambda z: np.where(np.abs(z[:, 0]) > 6, np.inf, z[:, 0]), 1, r"inf at z = \[-?6\.0"),
        (lambda z: np.where(np.abs(z[:, 0]) > 5, np.nan, z[:, 1]), 2, r"nan at z = \[ ?-?5\."),
        (lambda z: np.where(np.linalg.norm(z, axis=1) > 7, np.nan, z[:, 1] * z[:, 3]), 4, "nan at z"),
        (lambda z: np.log(z[:, 0] + 6), 1, r"nan at z = \[-6\.0"),
        (lambda z: np.ma.masked_greater(z[:, 0], 4), 1, r"nan at z = \[ ?4\.0"),
    ],
)
def test_missing_values_far_out_are_named_by_the_nearest_point(g, r: int, says: str) -> None:
    with np.errstate(all="ignore"), pytest.raises(InputError, match=says):
        leap(target(g, r))


def test_what_overflows_where_no_point_ever_falls_does_not_matter() -> None:
    def logistic_of_square(z):
        with np.errstate(all="ignore"):
            grown = np.exp(z[:, 0] ** 2)
            return grown / (1 + grown)

    found = expand(target(logistic_of_square), order=2)
    right = expand("logistic(z1^2)", order=2)
    for k in range(3):
        assert abs(found.value((k,)) - right.value((k,))) <= found.error((k,)) + 1e-14


SHAPES = [
    (lambda z: z[:, 0], 1),
    (lambda z: np.sign(z[:, 0] - 0.3), 1),
    (lambda z: z[:, 0] * z[:, 1] + np.sign(z[:, 0]), 2),
]


@pytest.mark.parametrize("c", [2.0**660, 2.0**-660])
@pytest.mark.parametrize(("g", "r"), SHAPES)
def test_the_unit_of_a_function_changes_no_answer(g, r: int, c: float) -> None:
    plain, scaled = target(g, r), target(lambda z: c * g(z), r)
    one, other = leap(plain).to_dict(), leap(scaled).to_dict()
    assert one == other
    e, s = expand(plain, 3), expand(scaled, 3)
    for alpha in e.series:
        assert (s.value(alpha), s.error(alpha)) == (c * e.value(alpha), c * e.error(alpha))
    told = s.to_dict()
    assert told["total_energy"] is None
    total = float(told["beyond_floats"]["total_energy"].split("e")[0])
    exponent = int(told["beyond_floats"]["total_energy"].split("e")[1])
    assert math.log10(total) + exponent == pytest.approx(
        math.log10(float(e.total_energy)) + 2 * math.log10(c), abs=1e-5
    )


@pytest.mark.parametrize(
    "g",
    [
        lambda z: 1 / (z[:, 0] * z[:, 1]),
        lambda z: 1 / (z[:, 0] - z[:, 1]),
        lambda z: 1 / z[:, 0] + z[:, 1],
    ],
)
def test_infinite_second_moments_of_two_directions_are_refused_within_a_million_values(g) -> None:
    counted = [0]

    def count(z):
        counted[0] += len(z)
        return g(z)

    with np.errstate(all="ignore"), pytest.raises(InputError, match="does not converge"):
        leap(target(count, 2))
    assert counted[0] < 5_000_000


def test_a_function_that_writes_into_its_points_is_that_of_the_points() -> None:
    def doubled(z):
        z *= 2
        return z[:, 0] * z[:, 1] * z[:, 2] + np.sign(z[:, 3])

    e = expand(target(doubled, 4), order=3)
    assert abs(e.value((1, 1, 1, 0)) - 8) <= e.error((1, 1, 1, 0))
    assert abs(e.value((0, 0, 0, 1)) - math.sqrt(2 / math.pi)) <= e.error((0, 0, 0, 1))


def test_single_precision_is_seen_in_the_digits_of_values() -> None:
    x = np.linspace(-6, 6, 1001)
    assert single_precision(np.tanh(x.astype(np.float32)))
    assert single_precision(np.tanh(x.astype(np.float32)).astype(float))
    for good in (np.tanh(x), np.floor(x), np.sign(x), np.maximum(x, 0), 0 * x):
        assert not single_precision(good)


def test_extended_precision_and_whole_numbers_become_floats() -> None:
    for kind in (np.longdouble, np.float16, np.int8, bool):
        f = PointFunction(lambda x, kind=kind: (x > 0).astype(kind), "the activation")
        assert f(np.linspace(-1, 1, 5)).dtype == np.float64
