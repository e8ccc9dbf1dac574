"""Rules over the fields of a layer: exact where they say so, and few nodes where neurons vary little."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np
import pytest

from asymptotics.learning.giant.fields import Resolution, field_rule, noise_rules
from hermite import Target


def moment(powers) -> float:
    """E Π x_i^k_i of standard normals."""
    doubled = {0: 1.0, 1: 0.0, 2: 1.0, 3: 0.0, 4: 3.0, 5: 0.0}
    return float(np.prod([doubled[k] for k in powers]))


@pytest.mark.parametrize("m", [1, 2, 3, 6])
@pytest.mark.parametrize(("ratio", "degree"), [(1e-4, 3), (0.05, 5)])
def test_shared_rules_are_exact_to_their_degree(m, ratio, degree) -> None:
    ((axes, x, w),) = noise_rules(np.full(m, ratio), 0.6)
    assert len(axes) == x.shape[1] == m
    for total in range(degree + 1):
        for picked in combinations_with_replacement(range(m), total):
            powers = [picked.count(i) for i in range(m)]
            assert w @ np.prod(x**powers, axis=1) == pytest.approx(moment(powers), abs=1e-12)
    # One degree more is not claimed: E|x|⁴ = m (m + 2), E|x|⁶ = m (m + 2)(m + 4).
    even = m * (m + 2) * (m + 4 if degree == 5 else 1)
    assert w @ np.sum(x**2, axis=1) ** ((degree + 1) // 2) != pytest.approx(even, rel=1e-3)


@pytest.mark.parametrize("refine", [0.4, 0.6, 1.0])
def test_nodes_are_spared_where_neurons_vary_little_and_the_average_stays(refine) -> None:
    """E f*(x) exp(c·e) over one large and five small axes has a closed form: 10^(−12 refine) times a few."""
    f, sizes = Target("z1^2"), np.array([0.5, 0.1, 0.03, 0.01, 1e-3, 2e-4])
    noise = np.array([sizes, -sizes])
    total, count = 0.0, 0
    for x, w in field_rule(f, noise, np.ones(2), Resolution(refine)):
        total += float(w @ (x[:, 0] ** 2 * np.exp(x[:, 1:] @ sizes)))
        count += len(x)
    exact = float(np.exp(sizes @ sizes / 2))
    # Gauss–Hermite on the large axis is converged: what is left is what the small axes were allowed.
    assert abs(total / exact - 1) < 6 * 10.0 ** (-12 * refine)
    assert count < 64 * refine * 28 * refine * 3000


def test_every_axis_is_integrated_by_one_rule() -> None:
    ratio = np.array([1e-4, 0.7, 0.05, 1e-3, 0.08, 0.2])
    axes = np.concatenate([axes for axes, _, _ in noise_rules(ratio, 0.6)])
    assert sorted(axes.tolist()) == list(range(6))
    assert noise_rules(np.zeros(0), 1.0) == []
