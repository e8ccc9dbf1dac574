"""Activations and their Gaussian moments.

Conventions: c_k = E[σ(x) He_k(x)] with x ~ N(0, 1) and probabilists' He_k, no 1/k!. With h = m + sζ:

    mean  E σ(h)        S1 = E σ'(h)        S2 = E σ''(h) = E[σ'(h) ζ]/s        squares  E σ(h)², E σ'(h)²

σ' is the derivative almost everywhere, the one that gradient descent uses; S2 includes its jumps.
Piecewise polynomials (relu, |x|, relu(x − 7/10), He_k, …) and erf(κx + b) have closed forms; other smooth
functions are integrated by rules that resolve them at every (m, s): :mod:`asymptotics.expectations.sigma_rules`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.callables import jumps_of, numerical_slope
from asymptotics.expectations.piecewise import PiecewisePolynomial, from_tree, kinks_of
from asymptotics.expectations.sharpness import edges_around, layers_of_tree
from asymptotics.expectations.sigma_moments import TABLE_ABOVE, erf_moment, moments, projections, tabulated
from asymptotics.expectations.sigma_rules import Resolved
from hermite.errors import InputError
from hermite.language import expressions as ex
from hermite.language.named import activation_text, beyond_language
from hermite.language.parsing import parse

Array = npt.NDArray[np.float64]
Function = Callable[[Any], Any]


@dataclass(frozen=True, eq=False)
class Activation:
    """σ with its a.e. derivative; compare and hash by ``key``. Build it with :func:`get_activation`."""

    name: str
    function: Function = field(repr=False)
    slope: Function = field(repr=False)
    tree: ex.Expression | None = field(default=None, repr=False)
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
            value, slope = (
                ex.compile_array(self.tree, xp),
                ex.compile_array(ex.differentiate(self.tree, 0), xp),
            )
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

            shifted = ex.substitute(self.tree, {0: ex.Sum((ex.Variable(0), ex.Number(Fraction(bias))))})
            return from_expression(shifted, name=f"{self.name} at x + {bias:.6g}")
        value, slope = self.function, self.slope
        return Activation(
            name=f"{self.name} at x + {bias:.6g}",
            function=lambda x: value(x + bias),
            slope=lambda x: slope(x + bias),
            kinks=tuple(k - bias for k in self.kinks),
            note=self.note,
        )

    # ---- quadrature ----------------------------------------------------------------------

    @cached_property
    def resolved(self) -> Resolved:
        """Where σ is sharp, at every reach: what its rules are made of."""
        layers: list[float] = []
        if self.tree is not None:
            found = layers_of_tree(self.tree, 1)
            for layer in found:
                if layer.place is not None:
                    layers += edges_around(layer.place * float(layer.normal[0]), layer.width)
        return Resolved(self.function, self.slope, self.kinks, layers, noisy_slope=bool(self.note))

    def row_rule(self, m: Array, s: Array, finer: int = 0, panel: float = 1.5) -> tuple[Array, Array]:
        """Nodes ζ and weights (N or 1, points) that integrate functions of σ(m + sζ), σ'(m + sζ); m, s (N, 1)."""
        return self.resolved.rule(m, s, finer, panel)

    @cached_property
    def error(self) -> float:
        """Largest deviation of its moments at a few (m, s) between two rules, and from what the expansion knows.

        Relative to √E σ² and √E σ'² (squares: to these). 0 for closed forms.
        """
        if self.pieces is not None:
            return 0.0
        m, s = (a.ravel() for a in np.meshgrid([-2.0, -1.0, 0.0, 0.5, 2.0], [0.1, 1.0, 3.0]))
        worst = 0.0
        for kind in ("value", "slope"):
            size = moments(self._integrand(f"{kind} square"), self.resolved, m, s, 0)
            for name, scale in ((kind, np.sqrt(size)), (f"{kind} square", size)):
                g = self._integrand(name)
                one, two = (moments(g, self.resolved, m, s, 0, finer) for finer in (0, 2))
                worst = max(
                    worst, float(np.max(np.abs(one - two) / np.maximum(scale, 1e-3 * scale.max() + 1e-300)))
                )
        # Smooth on the trapezoid rule: that rule and the panels, two independent ones, have already agreed to 3e-12.
        return worst if self.resolved.step else max(worst, self._against_exact())

    def _against_exact(self) -> float:
        """The deviation of c_0, c_1 and E σ² from the expansion's, relative; 0 where it is undecided."""
        if self.tree is None:
            return 0.0
        from asymptotics.expectations.known_moments import known_moments
        from hermite.target import Target

        try:
            known = known_moments(Target(self.tree))
        except InputError:
            return 0.0
        if known is None:
            return 0.0
        mean, linear, energy = known
        second = self.second_moment
        found = self.coefficients(1)
        size = math.sqrt(max(second, 1e-300))
        off = [abs(float(found[0]) - mean) / size, abs(float(found[1]) - float(linear[0])) / size]
        return max([*off, 0.0 if not energy else abs(second / energy - 1)])

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
        """c_0..c_order of σ(x + bias), shape (order + 1,), by quadrature between its panels."""
        return projections(self.function, self.resolved, order, bias)

    def slope_coefficients(self, order: int, *, bias: float = 0.0) -> Array:
        """E[σ'(x + bias) He_k], k = 0..order: c_{k+1} if σ is continuous; what the gradient sees if not."""
        return projections(self.slope, self.resolved, order, bias)

    def coefficient(self, k: int) -> float:
        """c_k = E[σ(x) He_k(x)]."""
        return float(self.coefficients(k)[k])

    def coefficient_is_zero(self, k: int) -> bool | None:
        """Whether c_k = 0: proved from the expression where possible, else None for a value below 1e-10 of (E σ²)^½."""
        if self.tree is not None:
            from hermite.expansion import expand
            from hermite.target import Target

            zero: bool | None = expand(Target(self.tree), order=k).is_zero((k,))
            return zero
        value = abs(self.coefficient(k)) / math.sqrt(math.factorial(k))
        return False if value > 1e-10 * math.sqrt(self.second_moment) else None

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
            closed = erf_moment(mean, scale, kind, power, *self.gauss_error)
            if closed is not None:
                return closed
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
    foreign = beyond_language(bare)
    if foreign is not None and foreign.pair is not None:
        return Activation(name=bare, function=foreign.pair[0], slope=foreign.pair[1], kinks=foreign.kinks)
    return from_expression(parse(activation_text(bare), activation=True), name=bare)


def from_expression(tree: ex.Expression, name: str) -> Activation:
    """The activation of an expression in one variable."""
    function, slope = (
        (_relu, _step) if tree == _RELU else (_compiled(tree), _compiled(ex.differentiate(tree, 0)))
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
_RELU = ex.Call("relu", (ex.Variable(0),))


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


def _compiled(tree: ex.Expression) -> Function:
    value = ex.compile_numpy(tree)
    return lambda x: value(np.asarray(x)[..., None])


def erf_argument(tree: ex.Expression) -> tuple[float, float] | None:
    """(κ, b) if the tree is erf(κx + b), else None."""
    if not (isinstance(tree, ex.Call) and tree.name == "erf"):
        return None
    argument = from_tree(tree.arguments[0], ())
    if argument is None or argument.degree != 1 or kinks_of(tree.arguments[0]):
        return None
    shift, kappa = argument.pieces[0]
    return kappa, shift


def _from_callable(function: Function, derivative: Function | None) -> Activation:
    note = ""
    if derivative is None:
        note = "the activation is a function without a derivative: differentiated numerically"
    slope = derivative if derivative is not None else numerical_slope(function)

    probe = np.linspace(-3, 3, 7)
    for label, g in (("activation", function), ("derivative", slope)):
        values = np.asarray(g(probe), float)
        if values.shape != probe.shape or not np.all(np.isfinite(values)):
            raise InputError(f"{label} must map a NumPy array to finite values of the same shape")
    name = getattr(function, "__name__", type(function).__name__)
    jumps = jumps_of(function)
    if derivative is None and jumps:
        slope = numerical_slope(function, jumps)
    kinks = _joined([*jumps, *jumps_of(slope)])
    return Activation(name=name, function=function, slope=slope, kinks=kinks, note=note)


def _joined(places: list[float]) -> tuple[float, ...]:
    """The places in order, those within the smear of a numerical derivative once (the first, sharpest, is kept)."""
    out: list[float] = []
    for place in places:
        if all(abs(place - other) > 1e-4 for other in out):
            out.append(place)
    return tuple(sorted(out))
