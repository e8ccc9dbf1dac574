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
from asymptotics.expectations.sigma_averages import GaussianAverages
from hermite.callables import PointFunction, name_of, single_precision
from hermite.engines import sampled_engine
from hermite.errors import InputError
from hermite.exact.telling import shortened
from hermite.language import expressions as ex
from hermite.language.named import activation_text, beyond_language
from hermite.language.parsing import parse
from hermite.target import Target

Array = npt.NDArray[np.float64]
Function = Callable[[Any], Any]


@dataclass(frozen=True, eq=False)
class Activation(GaussianAverages):
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

    @cached_property
    def pair(self) -> Callable[[Array], tuple[Array, Array]]:
        """x ↦ (σ(x), σ'(x)), what the two expressions share evaluated once."""
        if self.tree is None or self.tree == _RELU:
            return lambda x: (self.function(x), self.slope(x))
        together = ex.compile_together(self.tree, ex.differentiate(self.tree, 0))

        def both(x: Array) -> tuple[Array, Array]:
            value, slope = together(np.asarray(x)[..., None])
            return value, slope

        return both

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

    @cached_property
    def parity(self) -> Literal["even", "odd"] | None:
        """Symmetry of σ, decided by its values at 64 points."""
        x = np.linspace(0.05, 6.3, 64)
        plus, minus = np.asarray(self(x), float), np.asarray(self(-x), float)
        # Rounding is relative to the value and to those near the origin, in whatever unit σ is given.
        size = 1e-13 * (np.abs(plus) + float(np.max(np.abs([plus, minus])[:, x < 2])))
        if np.all(np.abs(plus - minus) <= size):
            return "even"
        return "odd" if np.all(np.abs(plus + minus) <= size) else None

    def coefficient_is_zero(self, k: int) -> bool | None:
        """Whether c_k = 0: proved from the expression where possible, else None for a value below 1e-10 of (E σ²)^½."""
        if self.tree is not None:
            from hermite.expansion import expand
            from hermite.target import Target

            zero: bool | None = expand(Target(self.tree), order=k).is_zero((k,))
            return zero
        value = abs(self.coefficient(k)) / math.sqrt(math.factorial(k))
        return False if value > 1e-10 * math.sqrt(self.second_moment) else None


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
        try:
            return _kept(spec, derivative)
        except TypeError:
            # No hash: studied anew each time.
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
    try:
        tree = parse(activation_text(bare), activation=True)
    except InputError as error:
        raise InputError(f"activation {shortened(text)!r} cannot be read: {error}") from None
    return from_expression(tree, name=bare)


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


def _floating(x: object) -> Array:
    array: Array = np.asarray(x)
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def _relu(x: object) -> Array:
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


@lru_cache(maxsize=32)
def _kept(function: Function, derivative: Function | None) -> Activation:
    """That of the same function: jumps are looked for once, and what is remembered of an activation is found again."""
    return _from_callable(function, derivative)


def _from_callable(function: Function, derivative: Function | None) -> Activation:
    note, name = "", name_of(function)
    own = _checked(function, "the activation")
    if derivative is None:
        note = "the activation is a function without a derivative: differentiated numerically"
        slope: Function = numerical_slope(own)
    else:
        slope = _checked(derivative, "the derivative")
    _check_energy(own)
    _check_energy(own)
    jumps = jumps_of(own)
    if derivative is None and jumps:
        slope = numerical_slope(own, jumps)
    kinks = _joined([*jumps, *jumps_of(slope, slope_of=own)])
    return Activation(name=name, function=own, slope=slope, kinks=kinks, note=note)


def _check_energy(own: PointFunction) -> None:
    """Raises :class:`InputError` unless E σ² is finite, as far as its integral shows."""

    def on_points(z: Array) -> Array:
        return np.asarray(own(z[:, 0]))

    on_points.__name__ = own.named
    sampled_engine(Target.from_function(on_points, 1)).check_values()


#: Where fields of order one lie; each is looked at twice.
_PROBE = np.linspace(-6.2, 6.3, 1024)


def _checked(function: Function, role: str) -> PointFunction:
    """``function`` as one of arrays; raises :class:`InputError` unless it is finite near 0 and gives the same values again."""
    x = _PROBE.copy()
    with np.errstate(all="ignore"):
        PointFunction(function, role, copies=False)(x)
        checked = PointFunction(function, role, copies=not np.array_equal(x, _PROBE))
        values, again = checked(_PROBE), checked(_PROBE[:512])
    if not np.array_equal(again, values[:512]):
        raise InputError(
            f"{checked.named} must be deterministic: it gave different values at the same points"
        )
    if not np.isfinite(values).all():
        endless = _PROBE[~np.isfinite(values)]
        nearest = endless[np.argmin(np.abs(endless))]
        raise InputError(f"{checked.named} must be finite: it is infinite at x = {nearest:.4g}")
    if single_precision(values):
        raise InputError(
            f"{checked.named} must compute in the precision of its argument: its values are rounded to that of float32"
        )
    return checked


def _joined(places: list[float]) -> tuple[float, ...]:
    """The places in order, those within the smear of a numerical derivative once (the first, sharpest, is kept).

    Places are in units of the standard normal argument.
    """
    out: list[float] = []
    for place in places:
        if all(abs(place - other) > 1e-4 for other in out):
            out.append(place)
    return tuple(sorted(out))
