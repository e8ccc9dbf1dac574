"""Every method on a table of problems: what is checked is the undamped residual, and that nothing loops for ever."""

from __future__ import annotations

import numpy as np
import pytest

from asymptotics.fixed_point import Status, amplification, amplifications, continuation, solve, solve_many
from hermite.errors import ConvergenceError, InputError


def _cosine(x):
    return np.cos(x)


def _babylon(x):
    """Newton's map for √2."""
    return (x + 2 / x) / 2


def _concave(x):
    """A monotone concave map in two variables, contraction rate close to 1."""
    a, b = x
    return np.array([np.sqrt(1 + 0.9 * b), np.sqrt(2 + 0.95 * a)])


def _linear(x):
    matrix = np.array([[0.5, 0.3, 0.0], [0.1, 0.6, 0.2], [0.0, 0.2, 0.7]])
    return matrix @ x + np.array([1.0, -2.0, 3.0])


PROBLEMS = {
    "cosine": (_cosine, [1.0]),
    "square root": (_babylon, [3.0]),
    "concave": (_concave, [9.0, 9.0]),
    "linear": (_linear, [0.0, 0.0, 0.0]),
}


@pytest.mark.parametrize("method", ["auto", "plain", "anderson", "newton"])
@pytest.mark.parametrize("name", PROBLEMS)
def test_every_method_solves_every_problem(method: str, name: str) -> None:
    g, start = PROBLEMS[name]
    solution = solve(g, start, method=method, tol=1e-11)
    assert solution.converged
    assert np.max(np.abs(g(solution.value) - solution.value)) <= 1e-10
    assert solution.residual <= 1e-11


def test_anderson_is_faster_than_plain_iteration() -> None:
    plain, anderson = (solve(_linear, [0.0, 0.0, 0.0], method=m).iterations for m in ("plain", "anderson"))
    assert anderson < plain / 5


def test_newton_decreases_monotonically_from_above() -> None:
    seen = []

    def g(x):
        seen.append(x.copy())
        return _concave(x)

    root = solve(g, [50.0, 50.0], method="newton").value
    assert all(np.all(x >= root - 1e-6) for x in seen)


def test_the_residual_is_undamped() -> None:
    """A diverging iteration is not called converged, however it is counted."""
    slow = solve(lambda x: 2.0 * x - 0.5, [3.0], method="plain", max_evaluations=20, throw=False)
    assert not slow.converged
    assert slow.residual > 0.1


def test_blocks_are_scaled_apart() -> None:
    """A small order parameter that still moves is not hidden by a large one."""

    def g(x):
        return np.array([1e8, 0.999 * x[1] + 1e-9])

    together = solve(g, [1e8, 0.0], method="plain", tol=1e-12)
    apart = solve(
        g, [1e8, 0.0], method="plain", tol=1e-12, blocks=[slice(0, 1), slice(1, 2)], max_evaluations=60_000
    )
    assert abs(together.value[1] - 1e-6) > 1e-7
    assert apart.value[1] == pytest.approx(1e-6, rel=1e-8)


def test_failure_raises_with_its_solution() -> None:
    with pytest.raises(ConvergenceError, match="choose a larger regularisation") as caught:
        solve(lambda x: x + 1.0, [0.0], method="plain", max_evaluations=50)
    solution = caught.value.solution
    assert solution.status is Status.BUDGET
    assert solution.iterations == 50


@pytest.mark.parametrize("method", ["auto", "plain", "anderson", "newton"])
@pytest.mark.parametrize(
    "g",
    [
        lambda x: x + 1.0,
        lambda x: -x + 1e-3,
        lambda x: x * np.nan,
        lambda x: np.exp(x),
        lambda x: 4 * x * (1 - x),
    ],
)
def test_nothing_loops_for_ever(method: str, g) -> None:
    with np.errstate(over="ignore"):
        solution = solve(g, [0.3, 0.4], method=method, max_evaluations=500, throw=False)
    assert solution.iterations <= 600


def test_unphysical_point_is_reported() -> None:
    solution = solve(lambda x: 0.5 * x - 1.0, [0.0], physical=lambda x: bool(x[0] > 0), throw=False)
    assert not solution.converged
    assert solution.status is Status.UNPHYSICAL
    assert "regularisation" in solution.message


def test_newton_follows_anderson() -> None:
    """Anderson gets one step only: the monotone Newton phase answers."""
    solution = solve(_concave, [0.1, 0.1], anderson_steps=1, newton_start=[40.0, 40.0])
    assert solution.method == "newton"
    assert solution.converged


def test_continuation_carries_the_solution() -> None:
    def family(t):
        return lambda x: np.sqrt(t + x)

    end = continuation(family, [4.0, 2.0, 1.0], [10.0])
    assert end[0] == pytest.approx((1 + np.sqrt(5)) / 2, rel=1e-6)


def test_unknown_method_is_refused() -> None:
    with pytest.raises(InputError, match="anderson"):
        solve(_cosine, [1.0], method="picard")


def test_an_unknown_that_is_a_multiple_of_others_does_not_look_like_a_map_that_hardly_contracts() -> None:
    """x_0 = x_1/2 keeps |(g'x)_0| = |x_0| at the first probe, to rounding; the spectral radius is 1/3."""

    def g(x):
        return np.array([0.5 * x[1], 1.0 + x[1] / 3.0])

    solution = solve(g, np.ones(2))
    assert amplification(g, solution, (slice(0, 2),)) == pytest.approx(1.5, rel=1e-3)


def test_points_side_by_side_are_points_alone() -> None:
    """x ↦ (√(1 + s x_2), √(2 + s x_1)): slopes s of very different numbers of steps; and a map without a fixed point."""
    slopes = np.array([0.0, 0.3, 0.9, 0.99, 40.0])

    def at(slope, x):
        up = x[..., 0] + 1.0
        own = np.where(slope > 10, up, np.sqrt(1 + slope * x[..., 1])), np.sqrt(2 + slope * x[..., 0])
        return np.stack(own, axis=-1)

    start, blocks = np.full((5, 2), 9.0), (slice(0, 1), slice(1, 2))
    found = solve_many(
        lambda x, which: at(slopes[which], x), start, lambda x, _: (x > 0).all(axis=1), blocks, evaluations=40
    )
    assert [one.status for one in found] == [Status.CONVERGED] * 4 + [Status.BUDGET]
    assert found[4].iterations == 40
    for slope, one in zip(slopes[:4], found, strict=False):
        alone = solve(lambda x, s=slope: at(s, x), [9.0, 9.0], method="anderson", blocks=blocks)
        assert np.max(np.abs(one.value - alone.value)) < 1e-11
        assert one.iterations == alone.iterations
        assert np.max(np.abs(at(slope, one.value) - one.value)) < 1e-11
    values = np.array([one.value for one in found[:4]])
    grown = amplifications(lambda x, which: at(slopes[which], x), values, blocks)
    for slope, one, size in zip(slopes, found, grown, strict=False):
        alone = amplification(lambda x, s=slope: at(s, x), one, blocks)
        assert size == pytest.approx(alone, rel=1e-6)


def test_a_point_that_leaves_the_numbers_does_not_take_the_others_along() -> None:
    def g(x, which):
        with np.errstate(invalid="ignore"):
            return np.where(which[:, None] == 1, np.sqrt(x - 20.0), np.cos(x))

    found = solve_many(g, np.ones((3, 1)), lambda x, _: np.isfinite(x).all(axis=1), (slice(None),))
    assert [one.converged for one in found] == [True, False, True]
    assert found[0].value[0] == found[2].value[0] == pytest.approx(0.7390851332151607, abs=1e-12)
