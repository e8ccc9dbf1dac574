"""Random targets: what is proved of all functions of the label is never contradicted by moments over bins of the label."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from hermite import InputError, Target, generative

_SHAPES = (
    "relu({})", "abs({})", "tanh({})", "sin({})", "cos({})", "sign({})", "({})^2", "({})^3", "exp(-({})^2)", "He3({})",
    "heaviside({})", "({})^2*exp(-({})^2)",
)  # fmt: skip
_OUTER = ("tanh({})", "sin({})", "abs({})", "relu({})", "cos({})", "sign({})")


def expression(rng: random.Random) -> str:
    def line() -> str:
        i, j = rng.randint(1, 2), rng.randint(1, 2)
        return rng.choice([f"z{i}", f"2*z{i}", f"z{i} + z{j}", f"z{i} - 1/2", f"z{i} - z{j}"])

    def atom() -> str:
        own = line()
        return rng.choice(_SHAPES).format(own, own) if rng.random() < 0.7 else f"({own})"

    kind = rng.random()
    if kind < 0.35:
        return f"{atom()} + {atom()}"
    if kind < 0.6:
        return f"{atom()}*{atom()}"
    if kind < 0.85:
        return rng.choice(_OUTER).format(f"{atom()}*{atom()} + {line()}")
    return f"max({atom()}, {atom()}) - {line()}"


def scores(f: Target) -> tuple[int, float]:
    """The significant dimension of span E[z | Y], and how far Σ (mean of z z^T - 1)² is above its χ² mean, in deviations."""
    z = np.random.default_rng(0).standard_normal((1 << 18, f.r))
    y = f(z)
    edges = np.unique(np.sort(y)[(np.arange(1, 128) * len(y)) // 128])
    place = np.searchsorted(edges, y)
    count = np.bincount(place)
    keep = count > 50

    def binned(x: np.ndarray) -> np.ndarray:
        return np.bincount(place, x, len(count))[keep] / np.sqrt(count[keep])

    first = np.stack([binned(z[:, i]) for i in range(f.r)], axis=1)
    bins = int(keep.sum())
    noise = math.sqrt(2 * bins)
    dim = int((np.linalg.eigvalsh(first.T @ first) > bins + 8 * noise).sum())
    pairs = [z[:, i] * z[:, j] - (i == j) for i in range(f.r) for j in range(i + 1)]
    second = max((np.sum(binned(x) ** 2) / x.var() - bins) / noise for x in pairs)
    return dim, float(second)


@pytest.mark.parametrize("seed", range(40))
def test_bounds_never_contradict_each_other(seed: int) -> None:
    text = expression(random.Random(seed))
    try:
        f = Target(text)
    except InputError:
        pytest.skip("not of proved finite variance")
    found = generative(f)
    if found.bounds is None:
        assert np.ptp(f(np.random.default_rng(0).standard_normal((1000, f.r)))) < 1e-9
        return
    lower, upper = found.bounds
    assert lower is not None
    assert upper is None or lower <= upper
    dim, second = scores(f)
    if found.staircase_proved:
        assert dim <= len(found.trivial_subspace)
    if lower >= 3 and not found.trivial_subspace:
        assert second < 8
    if lower >= 2 and not found.trivial_subspace:
        assert dim == 0


def test_most_are_decided() -> None:
    """An answer that always is "from 1 to ?" would contradict nothing."""
    decided = 0
    for seed in range(18):
        try:
            found = generative(Target(expression(random.Random(seed))))
        except InputError:
            continue
        decided += found.exponent is not None or found.bounds is None
    assert decided >= 14
