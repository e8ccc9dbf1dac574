"""Rules over ζ ~ N(0, 1) for a function of m + sζ that know where the function is sharp.

A function of one variable is *resolved* once: panels of x on which it and its derivative are polynomials to 3e-7
(:mod:`asymptotics.expectations.panels`), and, where it has no kinks, the step at which the trapezoid rule agrees with
them at unit spread. A rule for (m, s) is then the trapezoid rule, where its nodes are few, or Gauss–Legendre between
the panels' edges as seen from (m, s): at any spread and any shift of the mean the layers are where they belong.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.panels import resolve
from asymptotics.expectations.quadrature import legendre
from hermite.errors import InputError

Array = npt.NDArray[np.float64]
Function = Callable[[Any], Any]

_REACH = 9.0
#: Panels of ζ at least: the normal density, and moderate powers, are resolved by _ORDER nodes on each.
_PANEL = 1.5
_ORDER = 12
#: Steps of the trapezoid rule that are tried at unit spread.
_STEPS = (0.35, 0.25, 0.18, 0.13, 0.09, 0.065, 0.045, 0.032)
#: The trapezoid rule is exact to 1e-13 for the normal law itself at step 1/_OWN.
_OWN = 1.25
_AGREES = 3e-12
#: How much finer the trapezoid rule is with which that of a plain function is compared.
_FINER = 1.6
#: Means up to which steps are tried, and degrees for which a finer step serves as well.
_SEEN, _LOW = 6.0, 12
#: Nodes of a plain function's rule up to which panels are not looked for.
_MANY = 260
#: Spreads at which the trapezoid rule has to agree with the panels.
_SPREADS = (1.0, 0.5, 0.2, 0.07)


#: |x| is 2 to this at most where panels are looked for, and of a function that is simple far out so many lie beyond the half.
_FARTHEST, _FEW = 12, 100


class NotFinite(InputError, OverflowError):
    """Moments of an activation were asked for at an argument that is not finite, or too large for a function that waves."""


class Resolved:
    """σ (and σ') resolved on as much of the line as is asked for.

    ``plain``: analytic in a strip of known width (:func:`asymptotics.expectations.sharpness.is_plain`). There is nothing for
    panels to find: the trapezoid rule is compared with a finer one.
    """

    def __init__(
        self,
        value: Function,
        slope: Function,
        kinks: tuple[float, ...],
        layers: Sequence[float] = (),
        *,
        noisy_slope: bool = False,
        plain: bool = False,
    ) -> None:
        self.value, self.slope, self.kinks, self.layers = value, slope, kinks, tuple(layers)
        self.noisy_slope, self.plain = noisy_slope, plain
        self._edges: dict[int, Array] = {}
        self._growth: dict[float, float] = {}

    def edges(self, reach: float) -> Array:
        """Edges (P + 1,) of the panels that resolve σ and σ' on [−R, R], R ≥ ``reach`` a power of two.

        Raises :class:`NotFinite` where that is too far for a function that oscillates.
        """
        level = max(4, math.ceil(math.log2(max(reach, 1.0))))
        too_far, level = level > _FARTHEST, min(level, _FARTHEST)
        if level not in self._edges:
            size = float(2**level)

            def both(x: Array) -> Array:
                value = np.asarray(self.value(x), float)
                # The rounding errors of a numerical derivative are resolved by no panel.
                return np.column_stack(
                    [value] if self.noisy_slope else [value, np.asarray(self.slope(x), float)]
                )

            scan = 0.06 if level <= 6 else size / 800
            with np.errstate(all="ignore"):
                panels = resolve(both, -size, size, [*self.kinks, *self.layers], scan=scan, local=True)
            self._edges[level] = panels.edges
        found = self._edges[level]
        if too_far and np.count_nonzero(np.abs(found) > 2.0 ** (level - 1)) > _FEW:
            raise NotFinite(
                "The fields of the neurons are too large for an activation that oscillates: use a smaller network.bias, "
                "network.readout or training.eta."
            )
        return found

    @cached_property
    def step(self) -> float:
        """The largest trapezoid step at unit spread that agrees with the panels for σ, σ' and squares; 0: none.

        Smaller spreads are tried as well: at one alone a wave faster than the step may be folded out of sight.
        """
        if self.kinks:
            return 0.0
        places = [c for c in self.layers if abs(c) < _SEEN]
        m = np.concatenate([np.linspace(-_SEEN, _SEEN, 17), places[:16]])[:, None]
        if not self.plain:
            panels = {s: self._four(m, s, *self.panel_rule(m, np.full_like(m, s))) for s in _SPREADS}
        for step in _STEPS:
            for s in _SPREADS:
                expected = self._four(m, s, *self._trapezoid(step / _FINER, s)) if self.plain else panels[s]
                if not _agree(self._four(m, s, *self._trapezoid(step, s)), expected):
                    break
            else:
                return step
        return 0.0

    def line(self, mean: float, most: int) -> tuple[Array, Array] | None:
        """Nodes and weights for x ~ N(0, 1) and σ(mean + x) times polynomials of degree up to ``most``, without the panels.

        None where the trapezoid rule has not been seen to serve.
        """
        if not self.step or abs(mean) > _SEEN or most > _LOW:
            return None
        x, w = trapezoid(self.step / _FINER, self._window(np.array([mean]), 1.0) + 1.0)
        return x[0], w[0]

    @staticmethod
    def _trapezoid(step: float, spread: float) -> tuple[Array, Array]:
        return trapezoid(trapezoid_step(step, spread))

    def four(self, m: Array, s: Array, finer: int = 0) -> Array:
        """E of σ, σ', σ², σ'² at means and spreads m and s (N,), (N, 4); ``finer`` as in :meth:`rule`."""
        return self._four(m[:, None], s[:, None], *self.rule(m[:, None], s[:, None], finer))

    def _four(self, m: Array, s: Array | float, nodes: Array, weights: Array) -> Array:
        x = m + s * nodes
        value = np.asarray(self.value(x), float)
        slope = value if self.slope is self.value else np.asarray(self.slope(x), float)
        if len(weights) == 1:
            return np.stack([g @ weights[0] for g in (value, slope, value**2, slope**2)], axis=1)
        return np.stack([np.sum(weights * g, axis=1) for g in (value, slope, value**2, slope**2)], axis=1)

    def rule(
        self, m: Array, s: Array, finer: int = 0, panel: float = _PANEL, cuts: Array | None = None
    ) -> tuple[Array, Array]:
        """Nodes ζ and weights, (N or 1, points), for means m (N, 1) and spreads s (N, 1).

        ``finer`` adds nodes to a panel; no ``panel`` of ζ is longer than this; ``cuts`` (N, C) are ends of panels, too.
        """
        spread = float(np.max(s, initial=0.0))
        reach = self._window(m, spread)
        if self.step and cuts is None:
            step = trapezoid_step(self.step, spread)
            points = 2 * (reach - 0.4) / step
            if points < (_MANY if self.plain else 130) or points < 0.75 * _ORDER * (
                13 + self._seen(m, spread)
            ):
                return trapezoid(step / (1 + 0.15 * finer), reach - 0.4)
        return self.panel_rule(m, s, _ORDER + 2 * finer, panel, cuts)

    def _window(self, m: Array, spread: float) -> float:
        """|ζ| beyond which nothing lies: 9, and twice the rate of an exponential growth of σ more."""
        # In quarters: asked for again and again.
        far = math.ceil(4 * (float(np.max(np.abs(m), initial=0.0)) + _REACH * spread)) / 4
        if far not in self._growth:
            self._growth[far] = self._rate(far)
        more = 2 * self._growth[far] * spread
        return _REACH if more < 0.5 else min(_REACH + more, 37.0)

    def _rate(self, far: float) -> float:
        """How fast log |σ| grows there: largest values on two stretches two units apart, on either side, as waves don't grow."""
        stretch = far + np.concatenate([np.linspace(-2, -1, 24), np.linspace(0, 1, 24)])
        with np.errstate(all="ignore"):
            sizes = (
                np.abs(np.asarray(self.value(np.stack([stretch, -stretch]).ravel()), float))
                .reshape(2, 2, 24)
                .max(axis=2)
            )
            rates = np.log(sizes[:, 1] / sizes[:, 0]) / 2
        return float(np.max(rates[np.isfinite(rates)], initial=0.0))

    def _seen(self, m: Array, spread: float) -> int:
        """How many panels of x lie in the widest window."""
        low, high = float(m.min()) - _REACH * spread, float(m.max()) + _REACH * spread
        edges = self.edges(max(abs(low), abs(high)))
        return int(np.count_nonzero((edges > low) & (edges < high)))

    def panel_rule(
        self,
        m: Array,
        s: Array,
        order: int = _ORDER,
        panel: float = _PANEL,
        cuts: Array | None = None,
    ) -> tuple[Array, Array]:
        """Gauss–Legendre between the panels' edges, ``cuts`` and a coarse grid of ζ, row by row."""
        safe = np.maximum(s, 1e-150)
        spread = float(np.max(s, initial=0.0))
        window = self._window(m, spread)
        edges = self.edges(float(np.max(np.abs(m), initial=0.0)) + window * spread)
        low, high = float(np.min(m - window * s)), float(np.max(m + window * s))
        edges = edges[(edges > low) & (edges < high)]
        more = [] if cuts is None else [cuts]
        return composite([(edges - m) / safe, *more], len(m), order, window, panel)


def trapezoid_step(step: float, spread: float) -> float:
    """The step of the trapezoid rule over ζ at this spread, for a function whose ``step`` at unit spread is known."""
    return step / spread if spread >= 1 else 1 / (spread * (1 / step - _OWN) + _OWN)


def _agree(found: Array, expected: Array) -> bool:
    """Whether E of σ, σ', σ², σ'² agree, relative to the largest of the squares."""
    scale = np.maximum(np.abs(expected[:, 2:]).max(axis=0), 1e-300)
    return bool(np.all(np.abs(found - expected) <= _AGREES * np.concatenate([np.sqrt(scale), scale])))


def composite(
    cuts: Sequence[Array], rows: int, order: int = _ORDER, reach: float = _REACH, panel: float = _PANEL
) -> tuple[Array, Array]:
    """Gauss–Legendre nodes and normal weights (rows, points), between a coarse grid and ``cuts`` (rows, C) each."""
    grid = np.linspace(-reach, reach, round(2 * reach / panel) + 1)
    edges = np.concatenate([np.broadcast_to(grid, (rows, len(grid))), *cuts], axis=1)
    edges = np.sort(np.clip(edges, -reach, reach), axis=1)
    used = np.any(np.diff(edges, axis=1) > 0, axis=0)
    x, w = legendre(order)
    width = np.diff(edges, axis=1)[:, used, None]
    nodes = (edges[:, :-1][:, used, None] + width * x).reshape(rows, -1)
    weights = (width * w).reshape(rows, -1) * np.exp(-0.5 * nodes**2) / math.sqrt(2 * math.pi)
    return nodes, weights


def trapezoid(step: float, reach: float = _REACH - 0.4) -> tuple[Array, Array]:
    """The trapezoid rule as one row, (1, points)."""
    half = math.ceil(reach / step)
    nodes = step * np.arange(-half, half + 1, dtype=np.float64)
    weights = np.exp(-0.5 * nodes**2)
    return nodes[None], (weights / weights.sum())[None]
