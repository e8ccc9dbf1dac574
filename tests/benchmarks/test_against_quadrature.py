"""A point of a curve against the notebook way: adaptive quadrature around Gauss–Hermite sums, damped iteration."""

from __future__ import annotations

import time

import numpy as np
import pytest

from asymptotics.expectations.activations import get_activation
from asymptotics.generalisation.spiked.linear_sector import solve_units
from asymptotics.generalisation.spiked.spiked_layer import SpikedNeurons, spiked_units
from hermite import Target

ALPHA, BETA, LAM, C, GAMMA = 2.0, 1.0, 0.1, 1.0, 0.7
F, SIGMA = Target("z1 + He2(z1)", noise=0.05), get_activation("tanh(x + 1/2)")
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(19)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


def inner(kappa: float) -> tuple[float, float, float, float, float, float]:
    """μ0, μ1, μ*², f0, f1, fs2 at one κ: sums over 19 nodes."""
    values = SIGMA(C * kappa + NODES)
    mu0, mu1 = WEIGHTS @ values, WEIGHTS @ (values * NODES)
    rest = WEIGHTS @ values**2 - mu0**2 - mu1**2
    g = F((GAMMA * kappa + np.sqrt(1 - GAMMA**2) * NODES)[:, None])
    f0, f1 = WEIGHTS @ g, WEIGHTS @ (g * NODES)
    return mu0, mu1, rest, f0, f1, WEIGHTS @ g**2 - f0**2 - f1**2 + F.noise


def by_quadrature() -> float:
    """Test error of one group with one spike, as one would write it down first."""
    from scipy.integrate import quad

    def mean(function) -> float:
        density = np.sqrt(2 * np.pi)
        return quad(lambda k: function(k, *inner(k)) * np.exp(-(k**2) / 2) / density, -8, 8, epsabs=1e-8)[0]

    r, V1, N = ALPHA / BETA, 1.0 / LAM, LAM

    def iv(mu1, rest):
        return 1 / (1 + mu1**2 * V1 + rest / N)

    for _ in range(200):
        hat = r * mean(lambda k, mu0, mu1, rest, f0, f1, fs2: mu1**2 * iv(mu1, rest))
        own = LAM + r * mean(lambda k, mu0, mu1, rest, f0, f1, fs2: rest * iv(mu1, rest))
        D = BETA / N
        L = 1 / (1 + hat * D)
        V1_new, N_new = D * L / BETA, own + L * hat
        gap = abs(V1_new / V1 - 1) + abs(N_new / N - 1)
        V1, N = (V1 + V1_new) / 2, (N + N_new) / 2
        if gap < 1e-7:
            break
    hat = r * mean(lambda k, mu0, mu1, rest, f0, f1, fs2: mu1**2 * iv(mu1, rest))
    D = BETA / N
    L, W = 1 / (1 + hat * D), D / (1 + hat * D)
    t = mean(lambda k, mu0, mu1, rest, f0, f1, fs2: iv(mu1, rest) * mu0 * f0) / mean(
        lambda k, mu0, mu1, rest, f0, f1, fs2: iv(mu1, rest) * mu0**2
    )
    B = W * r * mean(lambda k, mu0, mu1, rest, f0, f1, fs2: mu1 * iv(mu1, rest) * f1)

    Q1 = Qs = 0.0

    def eps(mu0, mu1, rest, f0, f1, fs2):
        return (f0 - mu0 * t) ** 2 + (f1 - mu1 * B) ** 2 + fs2 + mu1**2 * Q1 + rest * Qs

    T = L * hat
    for _ in range(200):
        q1 = r * mean(lambda k, *m: m[1] ** 2 * iv(m[1], m[2]) ** 2 * eps(*m))
        qs = r * mean(lambda k, *m: m[2] * iv(m[1], m[2]) ** 2 * eps(*m))
        X = (qs / BETA + L**2 * q1 / BETA + (B / D) ** 2) / (1 - T**2 * D**2 / BETA)
        new = (W**2 * q1 / BETA + L**2 * BETA * X / N**2, BETA * X / N**2)
        gap = abs(new[0] - Q1) + abs(new[1] - Qs)
        Q1, Qs = (Q1 + new[0]) / 2, (Qs + new[1]) / 2
        if gap < 1e-7:
            break
    return mean(lambda k, *m: eps(*m))


def by_giantstep(points: int = 100) -> float:
    """The same point at the end of a curve of ``points``: set-up included, once."""
    units = spiked_units(F, SIGMA, SpikedNeurons([[C]], [1.0]), [[GAMMA]], spike_comp=False)
    return [solve_units(units, alpha, BETA, LAM).test for alpha in np.linspace(0.5, ALPHA, points)][-1]


def test_a_curve_of_one_group_costs_a_few_quadratures(benchmark) -> None:
    benchmark(by_giantstep)


@pytest.mark.slow
def test_a_point_is_a_hundred_times_faster_than_by_quadrature() -> None:
    """Both in one run, processor time; and the same answer."""
    start = time.process_time()
    slow = by_quadrature()
    naive = time.process_time() - start
    by_giantstep(2)
    start = time.process_time()
    fast = by_giantstep()
    ours = (time.process_time() - start) / 100
    print(f"quadrature {naive:.2f} s a point, giantstep {1e3 * ours:.2f} ms: {naive / ours:.0f} times faster")
    assert fast == pytest.approx(slow, rel=1e-4)
    assert naive > 100 * ours
