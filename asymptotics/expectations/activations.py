"""Activations and their Gaussian moments.

Conventions: c_k = E[σ(x) He_k(x)] with x ~ N(0, 1) and probabilists' He_k, no 1/k!. With h = m + sζ:

    mean  E σ(h)        S1 = E σ'(h)        S2 = E σ''(h) = E[σ'(h) ζ]/s        squares  E σ(h)², E σ'(h)²

σ' is the derivative almost everywhere, the one that gradient descent uses; S2 includes its jumps.
Piecewise polynomials (relu, |x|, relu(x − 7/10), He_k, …) and erf(κx + b) have closed forms; other smooth
functions use the trapezoid rule, which is spectrally accurate where Gauss–Hermite is not (tanh at a large
variance); other kinked functions are integrated piece by piece.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.piecewise import PiecewisePolynomial, from_tree, kinks_of, normal_density
from asymptotics.expectations.quadrature import hermite_values, legendre, piecewise_rule, trapezoid_rule
from hermite.errors import InputError
from hermite.language.expressions import (
    Call,
    Expression,
    Number,
    Sum,
    Variable,
    compile_array,
    compile_numpy,
    differentiate,
    substitute,
)
from hermite.language.parsing import parse

Array = npt.NDArray[np.float64]
Function = Callable[[Any], Any]

#: Quadrature points in one chunk: 2^22 doubles are 32 MB.
_CHUNK = 1 << 22
_REACH = 9.0
_PANELS = 8
#: From this many means on, at one standard deviation, a moment is tabulated once and interpolated.
_TABLE_ABOVE = 4000


@dataclass(frozen=True, eq=False)
class Activation:
    """σ with its a.e. derivative; compare and hash by ``key``. Build it with :func:`get_activation`."""

    name: str
    function: Function = field(repr=False)
    slope: Function = field(repr=False)
    tree: Expression | None = field(default=None, repr=False)
    kinks: tuple[float, ...] = ()
    pieces: PiecewisePolynomial | None = field(default=None, repr=False)
    gauss_error: tuple[float, float] | None = field(default=None, repr=False)
    note: str = ""

    @property
    def key(self) -> object:
        return self.tree if self.tree is not None else (self.function, self.slope)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Activation) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __call__(self, x: Any) -> Any:
        """σ(x), any shape, precision kept."""
        return self.function(x)

    def derivative(self, x: Any) -> Any:
        """σ'(x) almost everywhere, any shape, precision kept."""
        return self.slope(x)

    def for_namespace(self, xp: Any) -> tuple[Function, Function]:
        """(σ, σ') for arrays of the array-API namespace ``xp``; a plain callable goes through NumPy."""
        if self.tree is not None:
            value, slope = compile_array(self.tree, xp), compile_array(differentiate(self.tree, 0), xp)
            return (lambda x: value(x[..., None])), (lambda x: slope(x[..., None]))
        if xp is np:
            return self.function, self.slope
        return (lambda x: xp.asarray(self.function(np.asarray(x)))), (
            lambda x: xp.asarray(self.slope(np.asarray(x)))
        )

    def with_bias(self, bias: float) -> Activation:
        """x ↦ σ(x + bias)."""
        if bias == 0:
            return self
        if self.tree is not None:
            from fractions import Fraction

            shifted = substitute(self.tree, {0: Sum((Variable(0), Number(Fraction(bias))))})
            return from_expression(shifted, name=f"{self.name} at x + {bias:.6g}")
        value, slope = self.function, self.slope
        return Activation(
            name=f"{self.name} at x + {bias:.6g}",
            function=lambda x: value(x + bias),
            slope=lambda x: slope(x + bias),
            kinks=tuple(k - bias for k in self.kinks),
            note=self.note,
        )

    # ---- Hermite coefficients ------------------------------------------------------------

    @cached_property
    def parity(self) -> Literal["even", "odd"] | None:
        """Symmetry of σ, decided by its values at 64 points."""
        x = np.linspace(0.05, 6.3, 64)
        plus, minus = np.asarray(self(x), float), np.asarray(self(-x), float)
        size = 1e-13 * (1 + np.abs(plus))
        if np.all(np.abs(plus - minus) < size):
            return "even"
        return "odd" if np.all(np.abs(plus + minus) < size) else None

    def coefficients(self, order: int, *, bias: float = 0.0) -> Array:
        """c_0..c_order of σ(x + bias), shape (order + 1,), by quadrature between the kinks (1e-13)."""
        return _projections(self.function, self.kinks, order, bias)

    def slope_coefficients(self, order: int, *, bias: float = 0.0) -> Array:
        """E[σ'(x + bias) He_k], k = 0..order: c_{k+1} if σ is continuous; what the gradient sees if not."""
        return _projections(self.slope, self.kinks, order, bias)

    def coefficient(self, k: int) -> float:
        """c_k = E[σ(x) He_k(x)]."""
        return float(self.coefficients(k)[k])

    def coefficient_is_zero(self, k: int) -> bool | None:
        """Whether c_k = 0: proved from the expression where possible, else None for a value below 1e-10."""
        if self.tree is not None:
            from hermite.expansion import expand
            from hermite.target import Target

            zero: bool | None = expand(Target(self.tree), order=k).is_zero((k,))
            return zero
        value = abs(self.coefficient(k)) / math.sqrt(math.factorial(k))
        return False if value > 1e-10 else None

    @cached_property
    def second_moment(self) -> float:
        """E σ(x)²."""
        return float(self.squares(np.zeros(1), np.ones(1))[0])

    @cached_property
    def derivative_second_moment(self) -> float:
        """E σ'(x)²."""
        return float(self.slope_squares(np.zeros(1), np.ones(1))[0])

    # ---- moments of σ(m + sζ) ------------------------------------------------------------

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

    def conditional_moments(self, m: npt.ArrayLike, s2: npt.ArrayLike) -> tuple[Array, Array, Array]:
        """(E σ(h), E[σ(h) ζ], E σ(h)²) with h = m + √s2 ζ, for arrays that broadcast."""
        s = np.sqrt(np.asarray(s2, float))
        return self.mean(m, s), s * self.S1_distribution(m, s), self.squares(m, s)

    def S1_distribution(self, m: npt.ArrayLike, s: npt.ArrayLike) -> Array:
        """E[σ(h) ζ]/s: S1 if σ is continuous, with the Dirac masses at its jumps if it is not; s > 0."""
        slope: Array = self._moment(m, s, "value", 1) / np.asarray(s, float)
        return slope

    def _moment(self, m: npt.ArrayLike, s: npt.ArrayLike, kind: str, power: int) -> Array:
        mean, scale = np.broadcast_arrays(np.asarray(m, float), np.asarray(s, float))
        if not np.all(np.isfinite(mean)) or not np.all(np.isfinite(scale)):
            raise OverflowError("moments of an activation at an argument that is not finite")
        if self.gauss_error is not None:
            closed = _erf_moment(mean, scale, kind, power, *self.gauss_error)
            if closed is not None:
                return closed
        if self.pieces is not None:
            return self._polynomial(kind).expectation(mean, np.maximum(scale, 1e-150), power)
        integrand = self._integrand(kind)
        if mean.ndim == 2 and mean.shape[1] >= _TABLE_ABOVE and np.all(scale == scale[:, :1]):
            rows = [
                _tabulated(integrand, self.kinks, row, float(s), power)
                for row, s in zip(mean, scale[:, 0], strict=True)
            ]
            return np.array(rows)
        return _quadrature(integrand, self.kinks, mean, scale, power)

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


def _projections(function: Function, kinks: tuple[float, ...], order: int, bias: float) -> Array:
    x, w = piecewise_rule([k - bias for k in kinks])
    basis = hermite_values(x, order)
    factors = np.array([math.sqrt(math.factorial(k)) for k in range(order + 1)])
    result: Array = factors * (basis @ (w * np.asarray(function(x + bias), float)))
    return result


def _erf_moment(m: Array, s: Array, kind: str, power: int, kappa: float, shift: float) -> Array | None:
    """Closed moments of erf(κx + b); None where there is none (E σ²)."""
    from scipy.special import erf

    u = kappa * m + shift
    width = 1 + 2 * (kappa * s) ** 2
    if kind == "value" and power == 0:
        value: Array = erf(u / np.sqrt(width))
        return value
    slope: Array = 2 * kappa / np.sqrt(np.pi * width) * np.exp(-(u**2) / width)
    if kind == "value":
        return s * slope
    if kind == "slope" and power == 0:
        return slope
    if kind == "slope":
        return -2 * kappa * u / width * slope * s
    if kind == "slope square":
        wide = 1 + 4 * (kappa * s) ** 2
        squared: Array = 4 * kappa**2 / (np.pi * np.sqrt(wide)) * np.exp(-2 * u**2 / wide)
        return squared
    return None


def _tabulated(function: Function, kinks: tuple[float, ...], m: Array, s: float, power: int) -> Array:
    """:func:`_quadrature` at many means ``m`` (N,): quintic splines through a table, accurate to 1e-10."""
    from scipy.interpolate import make_interp_spline

    low, high = float(m.min()), float(m.max())
    if high - low < 1e-9:
        value = _quadrature(function, kinks, np.array([(low + high) / 2]), np.array([s]), power)
        return np.full(m.shape, value[0])
    step = min(max(s, 0.3) if not kinks else s, 1.0) / 16
    points = max(12, math.ceil((high - low) / step) + 1)
    if points >= len(m) // 2:
        return _quadrature(function, kinks, m, np.full_like(m, s), power)
    grid = np.linspace(low, high, points)
    table = _quadrature(function, kinks, grid, np.full_like(grid, s), power)
    values: Array = make_interp_spline(grid, table, k=5)(m)
    return values


def _quadrature(function: Function, kinks: tuple[float, ...], m: Array, s: Array, power: int) -> Array:
    """E[g(m + sζ) ζ^power] element by element."""
    flat_m, flat_s = m.ravel(), s.ravel()
    out = np.empty(flat_m.shape)
    if kinks:
        points = 16 * _PANELS * (len(kinks) + 1)
    else:
        # The strip of analyticity shrinks like 1/s: tanh keeps 1e-12 at any s.
        nodes, weights = trapezoid_rule(max(0.15 / max(1.0, float(flat_s.max(initial=0.0)) / 1.5), 2e-3))
        weights = weights * nodes**power
        points = len(nodes)
    rows = max(1, _CHUNK // points)
    for start in range(0, len(flat_m), rows):
        a, b = flat_m[start : start + rows, None], flat_s[start : start + rows, None]
        if kinks:
            nodes, weights = split_rule(kinks, a, b)
            out[start : start + rows] = np.sum(function(a + b * nodes) * weights * nodes**power, axis=1)
        else:
            out[start : start + rows] = function(a + b * nodes) @ weights
    return out.reshape(m.shape)


def split_rule(
    kinks: tuple[float, ...], m: Array, s: Array, panels: int = _PANELS, order: int = 16
) -> tuple[Array, Array]:
    """Gauss–Legendre nodes and weights (N, points) for ζ, split at the kinks of m + sζ row by row; m, s (N,
    1).
    """
    x, w = legendre(order)
    cuts = np.clip((np.asarray(kinks) - m) / np.maximum(s, 1e-150), -_REACH, _REACH)
    edge = np.full_like(m, _REACH)
    cuts = np.concatenate([-edge, cuts, edge], axis=1)
    fine = cuts[:, :-1, None] + np.diff(cuts, axis=1)[:, :, None] * (np.arange(panels) / panels)
    width = np.repeat(np.diff(cuts, axis=1)[:, :, None] / panels, panels, axis=2)
    nodes = (fine[..., None] + width[..., None] * x).reshape(len(m), -1)
    weights = (width[..., None] * w).reshape(len(m), -1) * normal_density(nodes)
    return nodes, weights


# ---- construction ------------------------------------------------------------


def get_activation(spec: str | Function | Activation, derivative: Function | None = None) -> Activation:
    """The activation named or written in ``spec``: "relu", "He2(x) + x", a callable, or an Activation.

    A bare name stands for the function of x: "tanh" is tanh(x), "He3" is He3(x), "relu" is relu(x).
    A callable takes NumPy arrays; without ``derivative`` it is differentiated numerically (``note`` says so).
    Raises :class:`InputError` for text that is not an expression in x, or of another type.
    """
    if isinstance(spec, Activation):
        return spec
    if isinstance(spec, str):
        return _from_text(spec)
    if callable(spec):
        return _from_callable(spec, derivative)
    raise InputError(
        f"activation must be a name or expression in x such as 'relu' or 'tanh(x + 1/2)', or a function; "
        f"got {type(spec).__name__}"
    )


@lru_cache(maxsize=256)
def _from_text(text: str) -> Activation:
    bare = text.strip()
    source = f"{bare}(x)" if bare.isalnum() and bare not in ("x", "pi") and not bare.isdigit() else bare
    return from_expression(parse(source, activation=True), name=bare)


def from_expression(tree: Expression, name: str) -> Activation:
    """The activation of an expression in one variable."""
    function, slope = (
        (_relu, _step) if tree == _RELU else (_compiled(tree), _compiled(differentiate(tree, 0)))
    )
    kinks = kinks_of(tree)
    return Activation(
        name=name,
        function=function,
        slope=slope,
        tree=tree,
        kinks=kinks,
        pieces=from_tree(tree, kinks),
        gauss_error=erf_argument(tree),
    )


#: The default activation has a kernel of its own: one pass over the fields is a large part of a simulated step.
_RELU = Call("relu", (Variable(0),))


def _floating(x: Any) -> Array:
    array: Array = np.asarray(x)
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def _relu(x: Any) -> Array:
    x = _floating(x)
    largest: Array = np.maximum(x, x.dtype.type(0))
    return largest


def _step(x: Any) -> Array:
    """relu' almost everywhere (0 at 0)."""
    x = _floating(x)
    positive: Array = (x > 0).astype(x.dtype)
    return positive


def _compiled(tree: Expression) -> Function:
    value = compile_numpy(tree)
    return lambda x: value(np.asarray(x)[..., None])


def erf_argument(tree: Expression) -> tuple[float, float] | None:
    """(κ, b) if the tree is erf(κx + b), else None."""
    if not (isinstance(tree, Call) and tree.name == "erf"):
        return None
    argument = from_tree(tree.arguments[0], ())
    if argument is None or argument.degree != 1 or kinks_of(tree.arguments[0]):
        return None
    shift, kappa = argument.pieces[0]
    return kappa, shift


def _from_callable(function: Function, derivative: Function | None) -> Activation:
    note = ""
    slope = derivative
    if slope is None:
        note = "the activation is a function without a derivative: differentiated numerically"

        def slope(x: Any) -> Any:
            x = np.asarray(x)
            step = 1e-5 if x.dtype != np.float32 else 1e-2
            return (function(x + step) - function(x - step)) / (2 * step)

    probe = np.linspace(-3, 3, 7)
    for label, g in (("activation", function), ("derivative", slope)):
        values = np.asarray(g(probe), float)
        if values.shape != probe.shape or not np.all(np.isfinite(values)):
            raise InputError(f"{label} must map a NumPy array to finite values of the same shape")
    name = getattr(function, "__name__", type(function).__name__)
    return Activation(name=name, function=function, slope=slope, kinks=_jumps(slope), note=note)


def _jumps(function: Function, reach: float = _REACH) -> tuple[float, ...]:
    """Jumps of ``function`` in [−reach, reach]: cells of 1e-4 over which it changes by more than 1 %.

    A numerical derivative smears a jump over 2e-5; the jump is where the function passes half its height.
    """
    low = np.linspace(-reach, reach, 4001)[:-1] - 1e-4 * math.pi
    high = low + 2 * reach / 4000
    values = np.asarray(function(low), float)
    scale = 1.0 + float(np.max(np.abs(values)))
    for _ in range(5):
        middle = (low + high) / 2
        left, centre, right = (np.asarray(function(x), float) for x in (low, middle, high))
        first = np.abs(centre - left) > np.abs(right - centre)
        low, high = np.where(first, low, middle), np.where(first, middle, high)
    left, right = np.asarray(function(low), float), np.asarray(function(high), float)
    jump = np.abs(right - left) > 1e-2 * scale
    # A little wider: the whole of a smeared jump lies inside, also where two cells share it.
    low, high = low[jump] - 4e-5, high[jump] + 4e-5
    left, right = np.asarray(function(low), float), np.asarray(function(high), float)
    half = (left + right) / 2
    for _ in range(50):
        middle = (low + high) / 2
        below = np.sign(np.asarray(function(middle), float) - half) == np.sign(left - half)
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    kinks: list[float] = []
    for kink in ((low + high) / 2).tolist():
        if not kinks or kink - kinks[-1] > 1e-3:
            kinks.append(0.0 if abs(kink) < 1e-9 else kink)
    return tuple(kinks)
