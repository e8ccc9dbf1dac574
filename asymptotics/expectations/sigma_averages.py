"""What an activation averages to under a Gaussian: moments of σ(m + sζ), Hermite coefficients, and how sure they are.

With h = m + sζ:

    mean  E σ(h)        S1 = E σ'(h)        S2 = E σ''(h) = E[σ'(h) ζ]/s        squares  E σ(h)², E σ'(h)²

Piecewise polynomials and erf(κx + b) have closed forms; the rest is integrated by the rules of
:mod:`asymptotics.expectations.sigma_rules`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.erf_moments import erf_coefficients, erf_moment, erf_slope_averages
from asymptotics.expectations.piecewise import PiecewisePolynomial, expectations
from asymptotics.expectations.sharpness import Layer, edges_around, is_plain_tree, layers_of_tree
from asymptotics.expectations.sigma_moments import (
    TABLE_ABOVE,
    moments,
    projections,
    slope_moments,
    tabulated,
)
from asymptotics.expectations.sigma_rules import NotFinite, Resolved
from hermite.errors import InputError
from hermite.language import expressions as ex

Array = npt.NDArray[np.float64]
Function = Callable[[Any], Any]


class GaussianAverages:
    """Averages of σ and of its a.e. derivative; who derives from it holds what they are made of."""

    function: Function
    slope: Function
    tree: ex.Expression | None
    kinks: tuple[float, ...]
    pieces: PiecewisePolynomial | None
    gauss_error: tuple[float, float] | None
    note: str

    @cached_property
    def resolved(self) -> Resolved:
        """Where σ is sharp, at every reach: what its rules are made of."""
        layers: list[float] = []
        found: tuple[Layer, ...] = ()
        if self.tree is not None:
            found = layers_of_tree(self.tree, 1)
            for layer in found:
                if layer.place is not None:
                    layers += edges_around(layer.place * float(layer.normal[0]), layer.width)
        plain = self.tree is not None and is_plain_tree(self.tree, 1, found)
        return Resolved(
            self.function, self.slope, self.kinks, layers, noisy_slope=bool(self.note), plain=plain
        )

    def row_rule(self, m: Array, s: Array, finer: int = 0, panel: float = 1.5) -> tuple[Array, Array]:
        """Nodes ζ and weights (N or 1, points) that integrate functions of σ(m + sζ), σ'(m + sζ); m, s (N, 1)."""
        return self.resolved.rule(m, s, finer, panel)

    @cached_property
    def error(self) -> float:
        """Largest deviation of its moments at a few (m, s) between two rules, and from what the expansion knows.

        Relative to √E σ² and √E σ'² (squares: to these). 0 for closed forms.
        """
        if self.pieces is not None or self.gauss_error is not None:
            return 0.0
        m, s = (a.ravel() for a in np.meshgrid([-2.0, -1.0, 0.0, 0.5, 2.0], [0.1, 1.0, 3.0]))
        one, two = (self.resolved.four(m, s, finer) for finer in (0, 2))
        size = np.concatenate([np.sqrt(one[:, 2:]), one[:, 2:]], axis=1)
        worst = float(np.max(np.abs(one - two) / np.maximum(size, 1e-3 * size.max(axis=0) + 1e-300)))
        # Smooth on the trapezoid rule: that rule and an independent one have already agreed to 3e-12.
        return worst if self.resolved.step else max(worst, self._against_exact())

    def _against_exact(self) -> float:
        """The deviation of c_0, c_1, c_2 and E σ² from the expansion's, relative; 0 where it is undecided."""
        if self.tree is None:
            return 0.0
        from asymptotics.expectations.known_moments import known_curvature, known_moments
        from hermite.target import Target

        try:
            known, curvature = known_moments(Target(self.tree)), known_curvature(Target(self.tree))
        except InputError:
            return 0.0
        if known is None:
            return 0.0
        mean, linear, energy = known
        second = self.second_moment
        found = self.coefficients(2)
        size = math.sqrt(max(second, 1e-300))
        off = [abs(float(found[0]) - mean) / size, abs(float(found[1]) - float(linear[0])) / size]
        off.append(0.0 if curvature is None else abs(float(found[2]) - float(curvature[0, 0])) / size)
        return max([*off, 0.0 if not energy else abs(second / energy - 1)])

    def coefficients(self, order: int, *, bias: float = 0.0) -> Array:
        """c_0..c_order of σ(x + bias), shape (order + 1,): closed forms, or by quadrature between its panels."""
        if self.pieces is not None:
            return self.pieces.coefficients(order, bias)
        if self.gauss_error is not None:
            return erf_coefficients(order, bias, *self.gauss_error)
        return projections(self.function, self.resolved, order, bias)

    def slope_coefficients(self, order: int, *, bias: float = 0.0) -> Array:
        """E[σ'(x + bias) He_k], k = 0..order: c_{k+1} if σ is continuous; what the gradient sees if not."""
        if self.pieces is not None:
            return self._polynomial("slope").coefficients(order, bias)
        if self.gauss_error is not None:
            return erf_coefficients(order + 1, bias, *self.gauss_error)[1:]
        return projections(self.slope, self.resolved, order, bias)

    def coefficient(self, k: int) -> float:
        """c_k = E[σ(x) He_k(x)]."""
        return float(self.coefficients(k)[k])

    @cached_property
    def second_moment(self) -> float:
        """E σ(x)²."""
        return float(self.squares(np.zeros(1), np.ones(1))[0])

    @cached_property
    def derivative_second_moment(self) -> float:
        """E σ'(x)²."""
        return float(self.slope_squares(np.zeros(1), np.ones(1))[0])

    def mean(self, m: npt.ArrayLike, s: npt.ArrayLike) -> Array:
        """E σ(m + sζ) for arrays that broadcast."""
        return self._moment(m, s, "value", 0)

    def S1(self, m: npt.ArrayLike, s: npt.ArrayLike) -> Array:
        """E σ'(m + sζ)."""
        return self._moment(m, s, "slope", 0)

    def S2(self, m: npt.ArrayLike, s: npt.ArrayLike) -> Array:
        """E σ''(m + sζ) = E[σ'(m + sζ) ζ]/s; s > 0."""
        second: Array = self._moment(m, s, "slope", 1) / np.asarray(s, float)
        return second

    def squares(self, m: npt.ArrayLike, s: npt.ArrayLike) -> Array:
        """E σ(m + sζ)²."""
        return self._moment(m, s, "square", 0)

    def slope_squares(self, m: npt.ArrayLike, s: npt.ArrayLike) -> Array:
        """E σ'(m + sζ)²."""
        return self._moment(m, s, "slope square", 0)

    def slope_averages(self, m: npt.ArrayLike, s: npt.ArrayLike) -> tuple[Array, Array, Array]:
        """(:meth:`S1`, :meth:`S2`, :meth:`slope_squares`), what they share worked out once."""
        mean, scale = _finite(m, s)
        if self.gauss_error is not None:
            return erf_slope_averages(mean, scale, *self.gauss_error)
        mean, scale = np.broadcast_arrays(mean, scale)
        if self.pieces is None:
            if mean.size >= TABLE_ABOVE:
                return self.S1(m, s), self.S2(m, s), self.slope_squares(m, s)
            one, two, squares = slope_moments(self.slope, self.resolved, mean, scale)
            return one, two / scale, squares
        slope, square = self._polynomial("slope"), self._polynomial("slope square")
        first, second, *rest = expectations(
            [(slope, 0), (slope, 1), *([] if square == slope else [(square, 0)])],
            mean,
            np.maximum(scale, 1e-150),
        )
        return first, second / scale, rest[0] if rest else first

    def conditional_moments(self, m: npt.ArrayLike, s2: npt.ArrayLike) -> tuple[Array, Array, Array]:
        """(E σ(h), E[σ(h) ζ], E σ(h)²) with h = m + √s2 ζ, for arrays that broadcast."""
        s = np.sqrt(np.asarray(s2, float))
        return self.mean(m, s), s * self.S1_distribution(m, s), self.squares(m, s)

    def S1_distribution(self, m: npt.ArrayLike, s: npt.ArrayLike) -> Array:
        """E[σ(h) ζ]/s: S1 if σ is continuous, with the Dirac masses at its jumps if it is not; s > 0."""
        slope: Array = self._moment(m, s, "value", 1) / np.asarray(s, float)
        return slope

    def S2_distribution(self, m: npt.ArrayLike, s: npt.ArrayLike) -> Array:
        """E[σ(h)(ζ² − 1)]/s²: S2 if σ is continuous, with what its jumps contribute if it is not; s > 0."""
        if self.gauss_error is not None:
            return self.S2(m, s)
        bent = self._moment(m, s, "value", 2) - self._moment(m, s, "value", 0)
        curvature: Array = bent / np.square(np.asarray(s, float))
        return curvature

    def _moment(self, m: npt.ArrayLike, s: npt.ArrayLike, kind: str, power: int) -> Array:
        mean, scale = _finite(m, s)
        if self.gauss_error is not None:
            # One spread a row stays one.
            closed = erf_moment(mean, scale, kind, power, *self.gauss_error)
            if closed is not None:
                return closed
        mean, scale = np.broadcast_arrays(mean, scale)
        if self.pieces is not None:
            return self._polynomial(kind).expectation(mean, np.maximum(scale, 1e-150), power)
        integrand = self._integrand(kind)
        if mean.ndim == 2 and mean.shape[1] >= TABLE_ABOVE and np.all(scale == scale[:, :1]):
            rows = [
                tabulated(integrand, self.resolved, row, float(s), power)
                for row, s in zip(mean, scale[:, 0], strict=True)
            ]
            return np.array(rows)
        return moments(integrand, self.resolved, mean, scale, power)

    def _polynomial(self, kind: str) -> PiecewisePolynomial:
        return self._polynomials[kind]

    @cached_property
    def _polynomials(self) -> dict[str, PiecewisePolynomial]:
        assert self.pieces is not None
        slope = self.pieces.derivative()
        return {
            "value": self.pieces,
            "slope": slope,
            "square": self.pieces.square(),
            "slope square": slope.square(),
        }

    def _integrand(self, kind: str) -> Function:
        base = self.slope if kind.startswith("slope") else self.function
        return (lambda x: np.square(base(x))) if kind.endswith("square") else base


def _finite(m: npt.ArrayLike, s: npt.ArrayLike) -> tuple[Array, Array]:
    """Both as arrays that broadcast; raises ``NotFinite`` if they are not finite."""
    mean, scale = np.asarray(m, np.float64), np.asarray(s, np.float64)
    if not np.all(np.isfinite(mean)) or not np.all(np.isfinite(scale)):
        raise NotFinite(
            "The fields of the neurons overflow: use a smaller network.bias, network.readout or training.eta."
        )
    return mean, scale
