"""One axis: the cheapest rule for the normal law that integrates what was found on panels, at a given fineness.

Candidates, in turn: the trapezoid rule (spectrally accurate for functions analytic in a strip) or, between kinks,
Gauss rules of each interval; then finer ones; then the panels themselves, on which the functions *are* resolved. A
candidate is taken if it gives the Hermite moments of f and f² of the panels' finer rule to the tolerance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.panels import ORDER, Panels, resolve
from asymptotics.expectations.quadrature import hermite_values, split_hermite_rule

Array = npt.NDArray[np.float64]
Functions = Callable[[Array], Array]

#: Beyond this the normal density is no longer a normal float.
_FARTHEST = 37.0
_NEAREST = 8.5
_MOMENTS = 8


@dataclass(frozen=True)
class AxisRule:
    """``nodes`` (N,), ``weights`` (N,) for the normal law; ``error`` of the moments relative to √E f²."""

    nodes: Array
    weights: Array
    error: float


@dataclass(frozen=True)
class ResolvedAxis:
    """L functions along one axis, resolved once; :meth:`rule` is asked for several finenesses."""

    functions: Functions
    panels: Panels
    kinks: tuple[float, ...]
    reach: float

    @cached_property
    def reference(self) -> Array:
        """The moments on halves of the panels."""
        return _moments(self.functions, *_gaussian(_halved(self.panels), ORDER + 3))

    def rule(self, step: float, order: int, tolerance: float, panel_order: int = ORDER) -> AxisRule:
        """The first candidate within ``tolerance``: trapezoid of ``step``, or ``order`` nodes between two kinks.

        ``panel_order`` nodes on each panel if none is, and halves of the panels if that is not enough either.
        """
        most = panel_order * (len(self.panels.edges) - 1)
        for nodes, weights in self._candidates(step, order, most):
            error = self.error(nodes, weights)
            if error <= tolerance:
                return AxisRule(nodes, weights, error)
        panels = self.panels
        for _ in range(2):
            nodes, weights = _gaussian(panels, panel_order)
            error = max(self.error(nodes, weights), self.panels.unresolved**2)
            if error <= tolerance:
                break
            panels, panel_order = _halved(panels), panel_order - 2
        return AxisRule(nodes, weights, error)

    def _candidates(self, step: float, order: int, most: int) -> Iterator[tuple[Array, Array]]:
        for finer in (1.0, 1.5, 2.25, 3.4):
            if self.kinks:
                nodes, weights = split_hermite_rule(self.kinks, round(order * finer))
                if finer > 2 or len(nodes) > most:
                    return
            else:
                half = math.ceil(self.reach * finer / step)
                nodes = step / finer * np.arange(-half, half + 1, dtype=float)
                weights = np.exp(-0.5 * nodes**2)
                weights /= weights.sum()
                if len(nodes) > most:
                    return
            yield nodes, weights

    def error(self, nodes: Array, weights: Array) -> float:
        """The largest deviation of a moment from the reference."""
        return float(np.max(np.abs(_moments(self.functions, nodes, weights) - self.reference), initial=0.0))


def resolved_axis(
    functions: Functions, kinks: Sequence[float] = (), edges: Sequence[float] = (), least: float = _NEAREST
) -> ResolvedAxis:
    """Resolve ``functions`` (N,) → (N, L) for the normal law; ``kinks`` inside, ``edges`` where they may be sharp."""
    reach = reach_of(functions, least)
    inside = tuple(sorted(k for k in kinks if abs(k) < reach))

    size = _size(functions, reach)

    def amplitude(x: Array) -> Array:
        # The constant is a function of its own: where f vanishes, the density must be resolved as well.
        values = np.column_stack([np.asarray(functions(x), float) / size, np.ones(len(x))])
        return values * _root_density(x)[:, None]

    panels = resolve(amplitude, -reach, reach, [*inside, *edges])
    return ResolvedAxis(functions, panels, inside, reach)


def _halved(panels: Panels) -> Panels:
    middles = (panels.edges[:-1] + panels.edges[1:]) / 2
    return Panels(np.sort(np.concatenate([panels.edges, middles])), panels.unresolved)


def _root_density(x: Array) -> Array:
    root: Array = np.exp(-0.25 * x**2) / (2 * math.pi) ** 0.25
    return root


def _gaussian(panels: Panels, order: int) -> tuple[Array, Array]:
    x, w = panels.rule(order)
    weights = w * np.exp(-0.5 * x**2)
    return x, weights / weights.sum()


def reach_of(functions: Functions, least: float = _NEAREST) -> float:
    """|x| beyond which less than 1e-17 of E f² and of E f⁴ (if it is finite) lies, for every function; ≥ ``least``."""
    x = np.linspace(0.0, _FARTHEST, 593)
    reach = least
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        values = np.stack([np.asarray(functions(s * x), float) for s in (1.0, -1.0)])
        for power in (1, 2):
            mass = (values**power * _root_density(x)[:, None]) ** 2
            mass = np.max(np.where(np.isfinite(mass), mass, 0.0), axis=0)
            beyond = np.cumsum(mass[::-1], axis=0)[::-1]
            needed = np.flatnonzero(np.any(beyond > 1e-17 * np.maximum(beyond[0], 1e-300), axis=1))
            if len(needed) and needed[-1] < len(x) - 8 * power:
                reach = max(reach, float(x[needed[-1]]) + 0.25)
            elif power == 1:
                return _FARTHEST
    return min(_FARTHEST, reach)


def _size(functions: Functions, reach: float) -> float:
    """√E f² of the largest function, to a digit; 1 if nothing is seen."""
    x = np.linspace(-reach, reach, 1201)
    mass = np.sum((np.asarray(functions(x), float) * _root_density(x)[:, None]) ** 2, axis=0) * (x[1] - x[0])
    size = math.sqrt(float(np.max(mass, initial=0.0)))
    return size if 0 < size < math.inf else 1.0


def _moments(functions: Functions, x: Array, w: Array) -> Array:
    """E[f h_k]/√E f², k = 0.._MOMENTS, E[f² h_k]/√(E f² E f² h_k²), k = 1..4, log E f² and E[f⁴ h_k]/E f⁴, k = 0..2.

    Of every function; the fourth power is what the fluctuations of a batch ask for.

    Functions of little energy (lines through improbable points) count by the largest energy.
    """
    values = np.asarray(functions(x), float)
    # In units of the largest value squares neither underflow nor overflow.
    unit = float(np.max(np.abs(values), initial=0.0))
    unit = unit if 0 < unit < math.inf else 1.0
    values = values / unit
    basis = hermite_values(x, _MOMENTS) * w
    square = values**2
    energy = w @ square
    size = max(float(np.max(energy, initial=0.0)), 1e-300)
    first = basis @ values / math.sqrt(size)
    spread = np.max((basis[1:5] ** 2 / np.maximum(w, 1e-300)) @ square, axis=1, keepdims=True, initial=1e-300)
    second = basis[1:5] @ square / (math.sqrt(size) * np.sqrt(spread))
    with np.errstate(over="ignore", invalid="ignore"):
        fourth = basis[:3] @ (square / size) ** 2
        most = float(np.max(fourth[0], initial=0.0))
    finite = 0 < most < math.inf
    fourth = np.append(fourth.ravel() / most, math.log(most)) if finite else np.zeros(fourth.size + 1)
    return np.concatenate([first.ravel(), second.ravel(), [math.log(size) + 2 * math.log(unit)], fourth])
