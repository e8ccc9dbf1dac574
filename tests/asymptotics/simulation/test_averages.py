"""Averages within a replicate (groups of neurons, pairs of different ones) and over replicates, beside plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from asymptotics.simulation.averages import group_gram, mean_and_error, readout_groups, step_overlaps

READOUT = np.array([2.0, 2.0, 1.0, -1.0, -2.0, -2.0])


def run(seed: int, train: float | None = None) -> tuple[np.ndarray, np.ndarray, float, float | None]:
    """M (p, r), Q (p, p), risk and train error of one replicate."""
    rng = np.random.default_rng(seed)
    w = rng.standard_normal((len(READOUT), 5))
    return w[:, :2], w @ w.T, float(rng.uniform(1, 2)), train


def test_neurons_of_equal_readout_are_a_group_values_downwards() -> None:
    assert [group.tolist() for group in readout_groups(READOUT)] == [[0, 1], [2], [3], [4, 5]]


def test_the_gram_of_groups_is_the_mean_over_different_neurons_that_are_no_partners() -> None:
    gram = run(0)[1]
    groups = readout_groups(READOUT)
    found = group_gram(gram, groups)
    for a, first in enumerate(groups):
        for b, second in enumerate(groups):
            pairs = [gram[i, j] for i in first for j in second if i != j and j != len(READOUT) - 1 - i]
            if pairs:
                assert found[a, b] == pytest.approx(np.mean(pairs), rel=1e-12)
            else:
                assert np.isnan(found[a, b])


def test_a_step_holds_means_over_replicates_of_means_over_groups() -> None:
    runs, groups = [run(seed, train=0.1 * seed) for seed in range(1, 5)], readout_groups(READOUT)
    found = step_overlaps(3, runs, READOUT, groups, True)
    means = np.array([[one[0][group].mean(axis=0) for group in groups] for one in runs])
    norms = np.array([[np.mean([one[1][i, i] for i in group]) for group in groups] for one in runs])
    np.testing.assert_allclose(found.M, means.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.M_sem, means.std(axis=0, ddof=1) / 2, rtol=1e-12)
    np.testing.assert_allclose(found.norm2, norms.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.norm2_sem, norms.std(axis=0, ddof=1) / 2, rtol=1e-12)
    np.testing.assert_allclose(
        found.Q, np.mean([group_gram(one[1], groups) for one in runs], axis=0), rtol=1e-12
    )
    assert found.step == 3
    assert found.readout.tolist() == [2.0, 1.0, -1.0, -2.0]
    assert found.weight == pytest.approx([1 / 3, 1 / 6, 1 / 6, 1 / 3])
    risks = np.array([one[2] for one in runs])
    assert found.risk == pytest.approx(risks.mean(), rel=1e-12)
    assert found.risk_sem == pytest.approx(risks.std(ddof=1) / 2, rel=1e-12)
    assert found.train_error == pytest.approx(0.25, rel=1e-12)
    assert found.train_error_sem == pytest.approx(np.std([0.1, 0.2, 0.3, 0.4], ddof=1) / 2, rel=1e-12)
    # The spread is that of the neurons of a group: none for one neuron alone.
    assert found.M_cov is not None
    spread = np.mean([np.cov(one[0][groups[0]].T) for one in runs], axis=0)
    np.testing.assert_allclose(found.M_cov[0], spread, rtol=1e-12)
    assert not np.any(found.M_cov[1])
    assert found.runs is not None
    assert found.runs["risk"].tolist() == risks.tolist()


def test_single_neurons_keep_their_own_entries() -> None:
    one = run(7)
    found = step_overlaps(0, [one], READOUT, [np.array([i]) for i in range(6)], False)
    np.testing.assert_allclose(found.M, one[0], rtol=1e-15)
    np.testing.assert_allclose(found.Q, one[1], rtol=1e-15)
    assert found.M_cov is None
    assert found.M_sem is found.risk_sem is found.train_error is found.train_error_sem is None


@pytest.mark.parametrize("unit", [1e-300, 1e-160, 1e160, 1e300])
def test_error_bars_of_any_size_are_finite_and_scale(unit: float) -> None:
    values = np.array([1.0, 2.5, 4.0, 8.0])
    mean, error = mean_and_error(unit * values)
    assert mean / unit == pytest.approx(values.mean(), rel=1e-12)
    assert error is not None
    assert error / unit == pytest.approx(values.std(ddof=1) / 2, rel=1e-12)
