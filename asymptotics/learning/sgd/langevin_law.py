r"""``dynamics = "langevin"``: the law of the overlap of one neuron with one direction, noise of the steps and random start
included (:mod:`asymptotics.learning.sgd.one_overlap`).

The law at the steps that are told follows from the equation for the density of m on a grid as fine as the packets that the
noise makes, of width d^(−1/2). Where it is narrower than a cell (soon after a given start, or held at an end), it is a Gaussian
whose mean and variance are followed instead: μ' = b + b'' v/2, v' = 2 b' v + a.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from asymptotics.error_budget import ErrorBudget, Validity
from asymptotics.expectations.accuracy import quadrature_error
from asymptotics.expectations.quadrature import hermite_rule
from asymptotics.expectations.target_rule import energy_of
from asymptotics.fixed_point import stepped
from asymptotics.learning.entries import neuron_entries
from asymptotics.learning.giant.fixed_width import refusal_of_width
from asymptotics.learning.giant.noise_kernel import Student
from asymptotics.learning.giant.recursion import closed_means
from asymptotics.learning.given_directions import lengths_of
from asymptotics.learning.given_start import refusal_of_start, start_of
from asymptotics.learning.law import WithoutLayer
from asymptotics.learning.sgd.averages import Problem
from asymptotics.learning.sgd.cautions import warnings_of
from asymptotics.learning.sgd.escape_laws import COARSER, FEWER_POINTS, FINE, Fineness, Neuron
from asymptotics.learning.sgd.one_overlap import (
    Evolution,
    Motion,
    angles_of_packets,
    growth_of_packets,
    interpolated,
    motion,
    start_weights,
    walk_on,
)
from asymptotics.learning.sgd.rates import Rates, rates_of, reported_steps
from asymptotics.results import Overlaps, StepOverlaps
from hermite.target import Target

if TYPE_CHECKING:
    from asymptotics.experiment.settings import Network, Training

Array = npt.NDArray[np.float64]

#: Cells in a standard deviation below which a law is followed as a Gaussian.
_NARROW = 1.5
#: Share of the fastest change of the drift that the first step in s takes.
_FIRST = 0.02
#: Nodes that stand for a law in averages over it, and levels at which quantiles are told.
_STATES, _LEVELS = 16, (0.05, 0.25, 0.5, 0.75, 0.95)


def refusal_of_langevin(f: Target, network: Network, training: Training, d: int | None) -> str | None:
    """The equation is that of one neuron without bias on the sphere, one direction, and a finite d."""
    said = 'with dynamics = "langevin"'
    if network.width != 1:
        return f"network.width must be 1 {said}, not {network.width}: several neurons interact"
    if f.r != 1:
        return f"target.expression must have one direction {said}, not {f.r}"
    if network.bias:
        return f"network.bias must be 0 {said}, not {network.bias:g}"
    if training.projection == "free":
        return f'training.projection must be "projected" or "spherical" {said}, not "free"'
    if d is None:
        return f"simulation.d (or ridge.d for a ridge fit) must be given {said}: the noise of the steps is of order d^-1/2"
    if d < 3:
        return f"simulation.d must be at least 3 {said}, not {d}"
    return None


@dataclass(frozen=True)
class OneOverlap(WithoutLayer):
    """One neuron, one direction: the law of their overlap over runs."""

    name: str = "Langevin equation of one overlap"
    validity: Validity = Validity.LEADING_ORDER

    def concerns(self, network: Network, training: Training, d: int | None) -> bool:
        return training.dynamics == "langevin"

    def covers(self, f: Target, network: Network, training: Training, d: int | None) -> str | None:
        return (
            refusal_of_langevin(f, network, training, d)
            or refusal_of_width(network)
            or refusal_of_start(f, 1, training)
        )

    def overlaps(
        self, f: Target, network: Network, training: Training, *, accuracy: float, d: int | None
    ) -> Overlaps:
        assert d is not None
        rates = rates_of(f, network.get_activation(), training, d)
        steps = reported_steps(training, rates)
        found = _laws(f, network, training, rates, steps, FINE)
        moved = [_laws(f, network, training, rates, steps, fine) for fine in (FEWER_POINTS, COARSER)]
        risk_at = _risk_at(f, network)
        rows = tuple(
            _entry(f, network, rates, t, law, [other[k] for other in moved], risk_at)
            for k, (t, law) in enumerate(zip(steps, found, strict=True))
        )
        note = (
            f"law over runs at d = {d}, n_b = {rates.n_b}: M and risk are means, M_cov the variance of M; "
            f"e = {rates.e:.4g}, nu = {rates.nu:.4g}"
        )
        worst = max(row.error.at_least for row in rows)
        return Overlaps(
            regime="online SGD",
            steps=rows,
            validity=Validity.LEADING_ORDER,
            validity_note=note,
            warnings=warnings_of(network, training, rates),
            d=d,
            p=1,
            n=rates.n_b,
            online=rates.to_dict(),
            solution=stepped(steps[-1], worst, max(worst, accuracy), self.name),
        )


@dataclass(frozen=True)
class LawOfOverlap:
    """Points ``m`` (rising) of weights ``w``: the law of an overlap."""

    m: Array
    w: Array

    @property
    def mean(self) -> float:
        return float(self.w @ self.m)

    @property
    def variance(self) -> float:
        return float(self.w @ (self.m - self.mean) ** 2)

    def quantiles(self, values: Array) -> Array:
        """Of a function with the ``values`` at the points, at ``_LEVELS``."""
        order = np.argsort(values, kind="stable")
        mass = np.cumsum(self.w[order])
        found: Array = np.interp(_LEVELS, mass - self.w[order] / 2, values[order])
        return found

    def nodes(self) -> tuple[Array, Array]:
        """Gauss's nodes and weights of the law: few points with its first moments, by Lanczos's recursion."""
        heavy = self.w > 1e-16
        m, w = self.m[heavy], self.w[heavy]
        basis = [np.sqrt(w / w.sum())]
        diagonal, off = [], []
        for _ in range(_STATES):
            moved = m * basis[-1]
            diagonal.append(float(moved @ basis[-1]))
            known = np.array(basis)
            for _ in range(2):
                moved = moved - known.T @ (known @ moved)
            size = float(np.linalg.norm(moved))
            if size < 1e-10 or len(basis) == _STATES:
                break
            off.append(size)
            basis.append(moved / size)
        values, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(off, 1) + np.diag(off, -1))
        return np.clip(values, -1.0, 1.0), vectors[0] ** 2


def _laws(
    f: Target, network: Network, training: Training, rates: Rates, steps: Sequence[int], fine: Fineness
) -> list[LawOfOverlap]:
    """The law of the overlap after each of ``steps``."""
    d = rates.d
    assert d is not None
    problem = Problem(f, network.get_activation(), training.loss == "correlation", tilted=False)
    (readout,) = network.finite_readout(1)
    spherical = training.projection == "spherical"
    neuron = Neuron(problem, float(readout), rates.eta_of_the_law, fine, rates.e, spherical)
    moving = motion(neuron, rates.leap, d, np.sin(angles_of_packets(math.pi / 2, d, fine)))
    times = [t / rates.steps_per_time for t in steps]
    rate = float(np.max(np.abs(np.gradient(moving.drift, moving.m))))
    first = min(fine.first, _FIRST * (fine.first / FINE.first) / max(rate, 1e-300))
    growth = growth_of_packets(d, fine)
    if training.start == "random":
        return _on_grid(moving, start_weights(moving.m, d), 0.0, times, first, growth)
    M, _ = start_of(f, training)
    return _from_a_point(moving, float(M[0, 0]), times, first, growth)


def _on_grid(
    moving: Motion, law: Array, now: float, times: Sequence[float], first: float, growth: float
) -> list[LawOfOverlap]:
    """``law`` on the grid at s = ``now``, followed to each of ``times``."""
    evolution = _forward(moving)
    found, begin = [], now
    for time in times:
        while now < time:
            step = min(max(first, growth * (now - begin)), time - now)
            law = evolution.moved(law, step)
            now = time if step == time - now else now + step
        # What second order leaves below 0 in the tails.
        kept = np.maximum(law, 0.0)
        found.append(LawOfOverlap(moving.m, kept / kept.sum()))
    return found


def _forward(moving: Motion) -> Evolution:
    """The law's evolution; at m = ±1 there is no noise, and the drift leads inside."""
    m, drift = moving.m, moving.drift
    inner = walk_on(m, drift[1:-1], moving.diffusion[1:-1])
    down = np.concatenate([[0.0], inner.down, [max(-drift[-1], 0.0) / (m[-1] - m[-2])]])
    up = np.concatenate([[max(drift[0], 0.0) / (m[1] - m[0])], inner.up, [0.0]])
    return replace(inner, down=down, up=up).forward


def _from_a_point(
    moving: Motion, m: float, times: Sequence[float], first: float, growth: float
) -> list[LawOfOverlap]:
    """From a given start: a Gaussian until it is as wide as some cells of the grid."""
    from scipy.interpolate import CubicSpline

    drift, diffusion = (CubicSpline(moving.m, values) for values in (moving.drift, moving.diffusion))
    slope, bend = drift.derivative(1), drift.derivative(2)
    cell = np.gradient(moving.m)

    def velocity(y: Array) -> Array:
        at = min(max(float(y[0]), -1.0), 1.0)
        spread = 2 * slope(at) * y[1] + max(float(diffusion(at)), 0.0)
        return np.array([drift(at) + bend(at) * y[1] / 2, spread])

    y, now = np.array([m, 0.0]), 0.0
    found: list[LawOfOverlap] = []
    for k, time in enumerate(times):
        while now < time:
            step = min(max(first, growth * now), time - now)
            y = y + step * velocity(y + step / 2 * velocity(y))
            now = time if step == time - now else now + step
            if y[1] > (_NARROW * np.interp(y[0], moving.m, cell)) ** 2:
                law = cell * np.exp(-((moving.m - y[0]) ** 2) / (2 * y[1]))
                return found + _on_grid(moving, law / law.sum(), now, times[k:], first, growth)
        found.append(_gaussian(float(y[0]), max(float(y[1]), 0.0)))
    return found


def _gaussian(mean: float, variance: float) -> LawOfOverlap:
    """Of this mean and variance, as far as overlaps go."""
    x, w = hermite_rule(41)
    return LawOfOverlap(np.clip(mean + math.sqrt(variance) * x, -1.0, 1.0), w)


def _entry(
    f: Target,
    network: Network,
    rates: Rates,
    t: int,
    law: LawOfOverlap,
    others: Sequence[LawOfOverlap],
    risk_at: Callable[[Array], Array],
) -> StepOverlaps:
    """The step ``t``; ``others``: the law of fewer points, and of coarser equations; ``risk_at`` overlaps."""
    assert rates.n_b is not None
    assert rates.d is not None
    risk, *changed = (float(one.w @ risk_at(one.m)) for one in (law, *others))
    moved = [max(abs(law.mean - q.mean), abs(law.variance - q.variance)) for q in others]
    # Of order 1/d in the drift, which the way out of the start multiplies; as met.
    left = 1.0 / math.sqrt(rates.d) if t else 0.0
    averages = quadrature_error(f, network.get_activation()) if t else 0.0
    changed = [abs(other - risk) / risk if risk > 0 else 0.0 for other in changed]
    nodes, weights = law.nodes()
    lengths = lengths_of(f)
    size = 1.0 if lengths is None else float(lengths[0])
    return neuron_entries(
        t,
        network.finite_readout(1),
        np.array([[law.mean]]),
        np.eye(1),
        risk,
        samples=t * rates.n_b,
        time=t / rates.steps_per_time,
        M_cov=np.array([[[law.variance]]]),
        quantiles={
            "levels": np.array([_LEVELS]),
            "M": law.quantiles(size * law.m)[None, :, None],
            "norm_M": law.quantiles(np.abs(law.m))[None],
            "cosine": law.quantiles(law.m)[None, :, None],
        },
        states=(weights, nodes[:, None, None], np.ones((len(nodes), 1, 1))),
        error=ErrorBudget(moved[0] + averages, moved[1], left),
        risk_error=ErrorBudget(
            changed[0] + averages, changed[1], left * energy_of(f) / risk if risk > 0 else None
        ),
    )


def _risk_at(f: Target, network: Network) -> Callable[[Array], Array]:
    """E[(f* − f)²] at overlaps (N,)."""
    readout, sigma = network.finite_readout(1), network.get_activation()

    def risk(m: float) -> tuple[float]:
        return (closed_means(f, sigma, Student(readout, np.zeros(1), np.array([[m]]), np.eye(1))).risk,)

    angles = np.linspace(-math.pi / 2, math.pi / 2, FINE.grid)
    values = interpolated(risk, np.sin(angles), FINE)[:, 0]
    return lambda m: np.interp(np.arcsin(m), angles, values)
