"""The simulated network: draws free of the chunk size, one step against its exact mean, ridge against dense algebra."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from asymptotics import Network, Ridge, Simulation, Training, simulate
from asymptotics.expectations.activations import get_activation
from asymptotics.simulation.direct import DirectNetwork
from asymptotics.simulation.reduced import ReducedNetwork, bartlett
from asymptotics.simulation.ridge_fit import fit_and_test
from asymptotics.simulation.seeds import block_of, normal_chunks, unit_entropy
from asymptotics.simulation.student import Setup
from hermite import InputError, Target

F = Target("z1 + z1*z2", noise=0.1)
RELU = get_activation("relu")


def network(kind: Any = DirectNetwork, **changes: Any) -> Any:
    options: dict[str, Any] = {
        "symmetric": True,
        "bias": 0.0,
        "entropy": unit_entropy(1, "test"),
        "replicate": 0,
        "memory": 10**8,
        "dtype": "float64",
    }
    target = changes.pop("target", F)
    readout = changes.pop("readout", np.array([1.0, 1.0, -1.0, -1.0]))
    d = changes.pop("d", 30)
    return kind(Setup(target, RELU, readout, d, **(options | changes)))


class TestDraws:
    def test_rows_do_not_depend_on_the_chunk(self) -> None:
        def rows(size: int) -> Any:
            return np.concatenate([c.copy() for c in normal_chunks(5, (0, 2), 1500, 7, size, np.float32)])

        np.testing.assert_array_equal(rows(256), rows(1024))
        assert rows(256).shape == (1500, 7)
        assert rows(256).dtype == np.float32

    def test_the_content_is_the_key_of_a_unit(self) -> None:
        assert unit_entropy(0, {"d": 1}) != unit_entropy(0, {"d": 2})
        assert unit_entropy(0, {"d": 1}) != unit_entropy(1, {"d": 1})

    def test_steps_and_penalties_are_no_part_of_the_seed(self) -> None:
        setting = (F, Network(), Training(steps=2), Ridge(alpha=2, beta=0.5), Simulation(d=40, replicates=2))
        both = simulate(*setting, steps=[1, 2], lambdas=[0.1, 1.0]).risks
        one = simulate(*setting, steps=[2], lambdas=[1.0]).risks
        # One column or two in a product: the same up to rounding.
        assert one[0].test_error == pytest.approx(both[3].test_error, rel=1e-7)
        again = simulate(*setting, steps=[1, 2], lambdas=[0.1, 1.0]).risks
        assert [r.test_error for r in again] == [r.test_error for r in both]

    def test_callables_are_keyed_by_their_values(self) -> None:
        """Equal functions draw equal samples: a key must not hold a memory address."""

        def error(activation: Any) -> float:
            setting = Simulation(d=30, replicates=1, test_samples=500)
            return simulate(F, Network(activation), None, Ridge(2.0, 0.5, 0.1), setting).risks[0].test_error

        assert error(lambda x: np.tanh(x)) == error(lambda x: 1.0 * np.tanh(x))
        assert error(lambda x: np.tanh(x)) != error(lambda x: np.tanh(2 * x))

    def test_repeated_steps_count_once(self) -> None:
        setting = Simulation(d=30, replicates=1, test_samples=500)
        done = simulate(F, Network(), Training(), Ridge(2.0, 0.5, 0.1), setting, steps=[1, 0, 1])
        assert [r.step for r in done.risks] == [0, 1]


class TestDirectStep:
    @pytest.mark.parametrize("orders", [(), (0,), (0, 1)])
    def test_a_step_is_the_update_rule_written_out(self, orders: tuple[int, ...]) -> None:
        """w_i += rate ã_i (1/n) Σ (y − f) σ'(⟨w_i,z⟩) z, twice, with the low orders removed batch by batch."""
        n, rate = 700, 0.8
        student = network(symmetric=True, remove_orders=orders)
        w = np.concatenate([student.weights, student.weights[::-1]])
        for step in (1, 2):
            z = np.concatenate(
                [c.copy() for c in normal_chunks(student.entropy, (0, 2 + 2 * step), n, 30, 256, "f8")]
            )
            # The noise is drawn chunk by chunk from one generator: the same as all at once.
            y = student.labels(z[:, :2], student.noise(step))
            if orders:
                y = y - y.mean()
                if 1 in orders:
                    y = y - z @ (z.T @ y / n)
            h = z @ w.T
            delta = y - np.maximum(h, 0) @ student.readout / 4
            expected = w + rate * student.readout[:, None] * (((h > 0) * delta[:, None]).T @ z) / n
            student.giant_step(step, n, rate)
            np.testing.assert_allclose(student.weights, expected, atol=1e-12)
            w = expected

    def test_chunk_size_changes_rounding_only(self) -> None:
        big, small = network(memory=10**8), network()
        small.rows = 256
        for student in (big, small):
            student.giant_step(1, 3000, 1.0)
        np.testing.assert_allclose(big.weights, small.weights, atol=1e-13)

    def test_single_precision_agrees_with_double(self) -> None:
        double, single = network(), network(dtype="float32")
        single.weights = double.weights.astype(np.float32)
        h = np.random.default_rng(0).standard_normal((5, 4))
        assert RELU(h.astype(np.float32)).dtype == np.float32
        for student in (double, single):
            student.giant_step(1, 2000, 1.0)
        assert single.weights.dtype == np.float32
        # Different draws (a float32 normal is its own stream): the two agree in law only.
        gap = np.linalg.norm(double.weights - single.weights) / np.linalg.norm(double.weights)
        assert gap < 1

    def test_mean_of_one_step_is_the_exact_one(self) -> None:
        """Given W⁰, E M = m + η ã (Σ c_{k+1} C_{k+1}[m^k]/k! + m Σ c_{k+2} C_k[m^k]/k!): for 2 z1 and relu, c_3 = 0, m + η ã."""
        f = Target("2*z1")
        runs = []
        for replicate in range(200):
            student = network(target=f, replicate=replicate, d=20)
            m0 = np.concatenate([student.weights, student.weights[::-1]])[:, 0]
            student.giant_step(1, 400, 1.0)
            runs.append(student.weights[:, 0] - (m0 + student.readout))
        gaps = np.array(runs)
        z = gaps.mean(axis=0) / (gaps.std(axis=0, ddof=1) / np.sqrt(len(gaps)))
        assert np.abs(z).max() < 4

    def test_peak_memory_stays_within_the_budget(self) -> None:
        budget = 30_000_000
        student = network(d=200, readout=np.repeat([1.0, -1.0], 50), memory=budget, dtype="float32")
        tracemalloc.start()
        student.giant_step(1, 60_000, 1.0)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < budget

    def test_overflow_and_bad_sizes_are_refused(self) -> None:
        with pytest.raises(InputError, match="overflows"):
            network().giant_step(1, 500, 1e30)
        with pytest.raises(InputError, match=r"simulation.memory must be at least"):
            network(memory=1000)
        with pytest.raises(InputError, match=r"simulation.d must be at least"):
            simulate(F, Network(width=2), Training(), None, Simulation(d=1))
        with pytest.raises(InputError, match="even"):
            simulate(F, Network(), Training(), None, Simulation(width=5))


class TestRidge:
    @pytest.mark.parametrize("n2", [60, 12])
    @pytest.mark.parametrize("lam", [0.0, 0.3])
    def test_fits_are_those_of_dense_least_squares(self, n2: int, lam: float) -> None:
        """Both sides of interpolation: p = 20 neurons, λ = 0 the minimum-norm solution."""
        p, n_test = 20, 500
        rng = np.random.default_rng(0)
        student = network(symmetric=False, readout=rng.standard_normal(p))
        fit = fit_and_test(student, F, [lam], n2=n2, n_test=n_test, streams=(7, 8))
        (train,), (test,) = list(student.fields(7, n2)), list(student.fields(8, n_test))
        x, y = RELU(train.neurons) / np.sqrt(p), student.labels(train.target, student.noise(7))
        penalty = np.sqrt(lam) * np.eye(p)
        a = np.linalg.lstsq(np.concatenate([x, penalty]), np.concatenate([y, np.zeros(p)]), rcond=1e-9)[0]
        gap = student.labels(test.target, None) - RELU(test.neurons) @ a / np.sqrt(p)
        assert fit.train_error[0] == pytest.approx(np.mean((y - x @ a) ** 2), abs=1e-8)
        assert fit.test_error[0] == pytest.approx(np.mean(gap**2) + F.noise, rel=1e-5)

    def test_a_fit_needs_no_penalty_near_interpolation(self) -> None:
        """λ = 0 in single precision: directions of small singular value count, equal neurons do not."""
        p, n2 = 62, 64
        student = network(symmetric=False, readout=np.repeat([1.0, -1.0], p // 2), dtype="float32")
        fit = fit_and_test(student, F, [0.0], n2=n2, n_test=2000, streams=(500, 501))
        train, test = next(student.fields(500, n2)), next(student.fields(501, 2000))
        x = RELU(train.neurons).astype(np.float64) / np.sqrt(p)
        y = student.labels(train.target, student.noise(500))
        a = np.linalg.lstsq(x, y, rcond=None)[0]
        assert fit.train_error[0] == pytest.approx(np.mean((y - x @ a) ** 2), rel=1e-4)
        gap = student.labels(test.target, None) - RELU(test.neurons).astype(np.float64) @ a / np.sqrt(p)
        assert fit.test_error[0] == pytest.approx(np.mean(gap**2) + F.noise, rel=1e-3)

    def test_overflow_of_the_fit_is_refused(self) -> None:
        setting = Simulation(d=40, replicates=1, test_samples=500)
        with pytest.raises(InputError, match="overflows"):
            simulate(F, Network("exp(x)"), Training(1, 2.0, 50.0), Ridge(2.0, 0.5, 0.1), setting)

    def test_removed_orders_are_added_back(self) -> None:
        """A linear target is predicted by what was removed, up to its estimate: error d/n2, far below E f² = 1."""
        f = Target("z1")
        training = Training(steps=1, alpha=2.0, remove_orders=(0, 1))
        done = simulate(
            f,
            Network(),
            training,
            Ridge(alpha=40, beta=0.2, lam=1.0),
            Simulation(d=50, replicates=3),
            steps=[0],
        )
        assert done.risks[0].test_error < 0.1


class TestReduced:
    def test_bartlett_has_the_moments_of_a_wishart_matrix(self) -> None:
        rng, freedom, size, count = np.random.default_rng(3), 9, 3, 4000
        draws = np.array([(a := bartlett(rng, size, freedom)) @ a.T for _ in range(count)])
        mean_error = draws.std(axis=0, ddof=1) / np.sqrt(count)
        assert np.abs((draws.mean(axis=0) - freedom * np.eye(size)) / mean_error).max() < 4
        # Var W_ii = 2 ν, Var W_ij = ν.
        np.testing.assert_allclose(np.diag(draws.var(axis=0)), 2 * freedom, rtol=0.15)

    def test_start_is_symmetric_and_normalised(self) -> None:
        student = network(ReducedNetwork, d=500)
        m, q = student.overlaps()
        np.testing.assert_allclose(np.diag(q), 1)
        np.testing.assert_allclose(q, q[::-1, ::-1])
        np.testing.assert_array_equal(m, m[::-1])

    def test_any_dimension_at_the_same_cost(self) -> None:
        setting = Simulation(method="reduced", d=10**9, replicates=2, test_samples=2000)
        done = simulate(F, Network(width=4), Training(steps=1, alpha=2e-5), None, setting)
        assert done.overlaps is not None
        assert done.overlaps.n == 20_000

    def test_what_it_cannot_do_is_refused(self) -> None:
        setting = Simulation(method="reduced", d=100)
        with pytest.raises(InputError, match="remove_orders"):
            simulate(F, Network(width=4), Training(remove_orders=(0,)), None, setting)
        with pytest.raises(InputError, match='use method = "direct"'):
            simulate(F, Network(width=80), Training(), None, setting)


def test_interruption_keeps_finished_replicates() -> None:
    seen: list[str] = []

    def progress(message: str) -> None:
        seen.append(message)
        if len(seen) == 3:
            raise KeyboardInterrupt

    setting = Simulation(d=30, width=4, replicates=5, test_samples=500)
    done = simulate(F, Network(), Training(), None, setting, progress=progress)
    assert done.interrupted
    assert done.replicates == 2
    whole = simulate(F, Network(), Training(), None, replace(setting, replicates=2))
    assert done.overlaps is not None
    assert whole.overlaps is not None
    np.testing.assert_array_equal(done.overlaps[1].M, whole.overlaps[1].M)


def test_the_block_of_the_reduced_simulation_grows_as_the_width_shrinks() -> None:
    # Some 2^16 normals a substream, whatever the width; never fewer rows than a direct simulation has.
    for width in (1, 2, 4, 7, 64, 300, 5000):
        rows = block_of(width)
        assert rows == 256 or 2**15 <= rows * max(width, 4) <= 2**17

    def drawn(size: int) -> Any:
        rows = normal_chunks(5, (0, 2), 5000, 7, size, np.float32, block_of(7))
        return np.concatenate([chunk.copy() for chunk in rows])

    assert np.array_equal(drawn(8192), drawn(100_000))
    assert abs(drawn(8192).mean()) < 5 / np.sqrt(35_000)
