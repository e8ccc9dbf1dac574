r"""One neuron and one direction: the Langevin equation of their overlap m at finite d, and the time at which it leaves a start.

In the clock s = N/d^max(l−1, 1) of N samples, with e = eta n_b d^(−max(l/2, 1)) and l the leap seen by the student,

    dm = b(m) ds + √a(m) dB,   b = eta d^max(l/2−1, 0) ã D(m) − (eta ã)² K(m) m/2,   a = (eta ã)² V(m)/d,
    D = E[δ σ' (z − m l)],   K = E[(δ² + Δ) σ'²],   V = Var(y σ' (z − m l) − (ν ã m/2) y² σ'²) ,

y = δ + √Δ ξ the residual with its noise, ν = e d/n_b: the second term is the noise of the square norm that a step adds, of
order one for l ≤ 2 (V is E[y² σ'² (z − m l)²] near m = 0, where neurons wait). Of steps that are not small the whole move is
counted, projection included, and turned into the velocity and the noise that make it (both derived here, checked against
simulated runs). The equation is put on a grid as a walk to neighbours with the drift and the variance of m; implicit steps of
second order (TR-BDF2) follow either functions of the start or the law of m. Source of the equation: arXiv:2406.02157 and its
scaling; heuristic.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.target_rule import target_rule
from asymptotics.learning.sgd.escape_laws import FINE, LEVELS, EscapeTimes, Fineness, Neuron
from hermite.errors import InputError

Array = npt.NDArray[np.float64]

#: Probability below which nothing is left to escape; time, in those of a cell, by which it has or is held for ever.
_LEFT, _ENDLESS = 1e-5, 1e10
#: Cells in a packet of width d^(−1/2), and of a grid at most; those at its ends that are taken upwind.
_CELLS, _MOST_CELLS, _ENDS = 5.0, 8_000, 4


@dataclass(frozen=True)
class Motion:
    """Drift b and diffusion a at the points ``m`` (rising)."""

    m: Array
    drift: Array
    diffusion: Array


def motion(neuron: Neuron, leap: int, d: int, m: Array) -> Motion:
    """Drift and diffusion of the overlap at the points ``m``, of which the ends are opposite.

    Raises ``InputError`` where a step erases the weight.
    """
    values = interpolated(lambda x: _averages(neuron, x), m, neuron.fine)
    signal, kernel, own, cross, norm, eta = values.T
    a = neuron.readout
    gain = float(d) ** max(leap / 2 - 1, 0.0)
    learned, noise = eta * gain * a * signal, (eta * a) ** 2 * np.maximum(kernel, 0.0)
    # Beyond leap 2 of a lower order in d, and of moments that too few samples see.
    pull = eta * a * m if leap <= 2 else 0.0
    variance = np.maximum(own - pull * cross + pull**2 / 4 * norm, 0.0)
    diffusion = (eta * a) ** 2 * variance / d
    if neuron.step == 0:
        return Motion(m, learned - noise * m / 2, diffusion)
    steps = neuron.eta * gain / neuron.step
    x, room = learned / steps, np.maximum(1 - m**2, 1e-12)
    # The square norm after a step: of its noise, and of what it learns, which lies across the weight.
    norm2 = 1 + noise / steps + x**2 / room
    moved = (m + x) / np.sqrt(norm2) - m
    # d(moved)/dx: what the noise of x does.
    seen = (norm2 - (m + x) * x / room) / norm2**1.5
    return Motion(m, steps * _smoothed(m, moved), diffusion * seen**2 * _gathered(m, moved))


def interpolated(function: Callable[[float], tuple[float, ...]], m: Array, fine: Fineness) -> Array:
    """``function`` of an overlap at the points ``m``, (N, values), by splines in arcsin m: roots of 1 − m² are smooth in it."""
    from scipy.interpolate import CubicSpline

    angles = np.linspace(-1.0, 1.0, 2 * fine.nodes - 7) * math.asin(m[-1])
    found: Array = CubicSpline(angles, [function(x) for x in np.sin(angles).tolist()])(np.arcsin(m))
    return found


def _log_growth(m: Array, moved: Array) -> Array:
    """L = log(1 + b') of the step m → m + ``moved``, not 0."""
    slope = np.maximum(np.gradient(moved, m), -0.9)
    return np.log1p(np.where(np.abs(slope) < 1e-8, 1e-8, slope))


def _smoothed(m: Array, moved: Array) -> Array:
    """The velocity whose flow by one unit of time is the step m → m + ``moved``, to second order and for any linear step.

    A flow grows at every moment by what it has become, a step by what was there before it: L/(e^L − 1) of b.
    """
    growth = _log_growth(m, moved)
    velocity: Array = moved * growth / np.expm1(growth)
    return velocity


def _gathered(m: Array, moved: Array) -> Array:
    """By what the noise of a step that comes at its end exceeds that of a flow, which grows with it: 2 L/(e^2L − 1)."""
    growth = 2 * _log_growth(m, moved)
    factor: Array = growth / np.expm1(growth)
    return factor


def _averages(neuron: Neuron, m: float) -> tuple[float, ...]:
    """D(m), K(m), the variances and (second) the covariance of y σ' (z − m l) and y² σ'², and eta/g."""
    f, sigma, noise = neuron.problem.target, neuron.problem.activation, neuron.problem.target.noise
    x, w = target_rule(f, neuron.fine.refine)
    rest = math.sqrt(max(0.0, (1 - m) * (1 + m)))
    # Between the kinks, as the kernels of one neuron (giant.noise_kernel).
    u, within = sigma.row_rule(
        m * x, np.full_like(x, max(rest, 1e-8)), round(2 + 2 * neuron.fine.refine), 4.5
    )
    weight, own = w[:, None] * within, m * x + rest * u
    output = 0.0 if neuron.problem.correlation else neuron.readout * sigma(own)
    delta, slope = f(x)[:, None] - output, sigma.derivative(own)
    across = slope * (x - m * own)
    square = delta**2 + noise
    cube, fourth = delta * (square + 2 * noise), delta**4 + 6 * noise * delta**2 + 3 * noise**2
    signal, kernel = float(np.sum(weight * delta * across)), float(np.sum(weight * square * slope**2))
    return (
        signal,
        kernel,
        float(np.sum(weight * square * across**2)) - signal**2,
        float(np.sum(weight * cube * slope**2 * across)) - signal * kernel,
        float(np.sum(weight * fourth * slope**4)) - kernel**2,
        neuron.rate_beside(m, float(np.sum(weight * delta * slope * own))),
    )


@dataclass(frozen=True)
class Walk:
    """Rates ``down`` and ``up`` (N,) from each point of a grid to its neighbours."""

    down: Array
    up: Array

    @property
    def backward(self) -> Evolution:
        """Of functions of the start: u_s = b u' + (a/2) u''; what leaves the grid counts as 0."""
        return Evolution(self.down, -(self.down + self.up), self.up)

    @property
    def forward(self) -> Evolution:
        """Of the law of m."""
        below, above = np.roll(self.up, 1), np.roll(self.down, -1)
        return Evolution(below, -(self.down + self.up), above)


def walk_on(m: Array, drift: Array, diffusion: Array, *, ends: int = 0) -> Walk:
    """Rates at the inner points of the grid ``m`` (N + 2,) with the drift and the variance there.

    Where a cell has more drift than noise a rate is below 0, which harms no law that is smooth from cell to cell; what leaves the
    grid has a corner there, and the last ``ends`` cells are taken upwind.
    """
    left, right = m[1:-1] - m[:-2], m[2:] - m[1:-1]
    whole = left + right
    down = (diffusion - drift * right) / (left * whole)
    up = (diffusion + drift * left) / (right * whole)
    last = np.arange(len(drift))
    steep = ((down < 0) | (up < 0)) & (np.minimum(last, last[::-1]) < ends)
    down = np.where(steep, diffusion / (left * whole) + np.maximum(-drift, 0) / left, down)
    up = np.where(steep, diffusion / (right * whole) + np.maximum(drift, 0) / right, up)
    return Walk(down, up)


@dataclass(frozen=True)
class Evolution:
    """u_s = A u with A of three diagonals: entries (i, i − 1), (i, i), (i, i + 1); corners outside of the grid are not read."""

    below: Array
    middle: Array
    above: Array

    def moved(self, u: Array, step: float) -> Array:
        """``u`` after ``step``, by TR-BDF2: second order, and damps the corners of the start."""
        from scipy.linalg import solve_banded

        gamma = 2 - math.sqrt(2)
        share = gamma * step / 2
        banded = np.zeros((3, len(u)))
        banded[0, 1:], banded[1], banded[2, :-1] = (
            -share * self.above[:-1],
            1 - share * self.middle,
            -share * self.below[1:],
        )
        first = u + share * self.middle * u
        first[:-1] += share * self.above[:-1] * u[1:]
        first[1:] += share * self.below[1:] * u[:-1]
        stage = solve_banded((1, 1), banded, first, check_finite=False)
        found: Array = solve_banded(
            (1, 1), banded, (stage - (1 - gamma) ** 2 * u) / (gamma * (2 - gamma)), check_finite=False
        )
        return found


def start_weights(m: Array, d: int) -> Array:
    """Weights of the grid's points under the exact law of m_0, density ∝ (1 − m²)^((d − 3)/2)."""
    log = (d - 3) / 2 * np.log1p(-np.minimum(m**2, 1 - 1e-12))
    density = np.exp(log - log.max())
    weights = density * np.gradient(m)
    weights[[0, -1]] = 0.0
    start: Array = weights / weights.sum()
    return start


def langevin(neuron: Neuron, leap: int, d: int, threshold: float) -> EscapeTimes:
    """The escape time of one neuron from the exact law of its start; raises ``InputError`` beyond one direction, and where
    the overlap is held below the threshold."""
    f = neuron.problem.target
    if f.r != 1:
        raise InputError(
            f"the target must have one direction for a law at leap {leap}, not {f.r}; use --simulate"
        )
    m = _grid(threshold, leap, d, neuron.fine)
    found = motion(neuron, leap, d, m)
    fine = neuron.fine
    growth = growth_of_packets(d, fine) if leap == 1 else fine.growth
    times, survival = _survival(found, start_weights(m, d), fine.first, growth)
    if survival[-1] > _LEFT:
        raise InputError(
            f"training.threshold = {threshold:g} is not reached: the overlap is held below it; use a smaller threshold or eta, "
            "or simulate (--simulate)"
        )
    return _times_of(times, survival)


def _grid(threshold: float, leap: int, d: int, fine: Fineness) -> Array:
    """Points in [−m_c, m_c]: a driven packet keeps the width d^(−1/2) of the start, else what grows is as wide as it is high."""
    width = 1 / math.sqrt(d)
    if leap == 1:
        return np.sin(angles_of_packets(math.asin(threshold), d, fine))
    y = np.linspace(-1, 1, fine.grid) * math.asinh(threshold / width)
    grid: Array = width * np.sinh(y)
    grid[[0, -1]] = -threshold, threshold
    return grid


def angles_of_packets(end: float, d: int, fine: Fineness) -> Array:
    """Even angles arcsin m in [−end, end] that resolve packets of width d^(−1/2), or as many as are worth it."""
    cells = min(_MOST_CELLS, math.ceil(2 * end * _CELLS * math.sqrt(d)))
    return np.linspace(-end, end, max(fine.grid, cells * fine.grid // FINE.grid) | 1)


def growth_of_packets(d: int, fine: Fineness) -> float:
    """Growth of the steps in s that resolves packets of width d^(−1/2) on their way, as far as it is worth it."""
    return fine.growth * min(1.0, max(125.0 / math.sqrt(d), 0.1))


def _survival(found: Motion, start: Array, first: float, growth: float) -> tuple[Array, Array]:
    """P(not escaped by s) on growing steps of s: 1 inside, 0 at both ends."""
    backward = walk_on(found.m, found.drift[1:-1], found.diffusion[1:-1], ends=_ENDS).backward
    inner = start[1:-1]
    S, s, step = np.ones(len(inner)), 0.0, first
    times, survival = [0.0], [1.0]
    # Where a step is so much longer than what happens in a cell, rounding decides.
    endless = _ENDLESS / float(np.max(np.abs(backward.middle)))
    while survival[-1] > _LEFT and s < endless:
        S = backward.moved(S, step)
        s += step
        times.append(s)
        survival.append(float(inner @ S))
        step = max(first, growth * s)
    return np.array(times), np.array(survival)


def _times_of(times: Array, survival: Array) -> EscapeTimes:
    """Mean, standard deviation and quantiles from P(not escaped by s)."""
    quantiles = tuple(float(np.interp(1 - level, survival[::-1], times[::-1])) for level in LEVELS)
    mean = float(np.trapezoid(survival, times))
    second = 2 * float(np.trapezoid(survival * times, times))
    return EscapeTimes("Langevin equation of one overlap", mean, math.sqrt(second - mean**2), quantiles)
