"""Cubature over the target's directions: E_x g(x), x ~ N(0, I_r), for g = f*(x) times a smooth function.

:func:`rule_of` builds the rule *for the target* and measures its error: the axes are turned to the normals of the
planes on which f* is sharp (kinks; layers, bumps and waves read off the expression), every axis gets the cheapest rule
that integrates f* along many lines (:mod:`asymptotics.expectations.axis_rule`), and the product is compared with a
finer one and with what the expansion knows exactly: E f*, E ∇f*, E f*². Where a product does not do (planes that are
not orthogonal, curved layers) come split rows, then boxes, then Sobol points: :mod:`asymptotics.expectations.cubature`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.axis_rule import AxisRule, ResolvedAxis, resolved_axis
from asymptotics.expectations.cubature import box_rule, planar_rule, sobol_rule
from asymptotics.expectations.panels import ORDER
from asymptotics.expectations.quadrature import tensor_rule
from asymptotics.expectations.sharpness import Layer, around, degree_of, edges_around, layers_of
from hermite.errors import ConvergenceError, InputError

if TYPE_CHECKING:
    from hermite.language.expressions import Expression
    from hermite.target import Target

Array = npt.NDArray[np.float64]

#: Nodes an axis, by the number of axes: Gauss–Hermite for polynomials, between two kinks 0.6 times as many.
NODES = {1: 64, 2: 40, 3: 20, 4: 14, 5: 10, 6: 8, 7: 6, 8: 5, 9: 4, 10: 3, 11: 3}
#: Steps of the trapezoid rule of a smooth axis.
_STEP = {1: 0.25, 2: 0.4, 3: 0.7, 4: 0.9, 5: 1.1, 6: 1.2}
_KINKED = frozenset({"relu", "abs", "sign", "heaviside", "max", "min"})
_LINES = 14
#: A layer wider than this needs no axis of its own.
_MILD = 0.4
#: Above this relative error no number is given.
_REFUSED = 0.05


def default_accuracy(r: int) -> float:
    """The relative error that a rule in r directions is refined to: 1e-8, 1e-6 (two or three), 1e-4."""
    return 1e-8 if r == 1 else 1e-6 if r <= 3 else 1e-4


@dataclass(frozen=True)
class TargetRule:
    """``nodes`` (N, r) and ``weights`` (N,) that sum to 1, for one target.

    ``error``: the largest deviation found of a moment of f* or f*², relative to √E f*² or E f*²; from a finer or
    shifted rule and from the exact moments. ``method`` says what was built.
    """

    nodes: Array
    weights: Array
    error: float
    method: str

    def checked(self, accuracy: float) -> TargetRule:
        """The rule itself; raises :class:`ConvergenceError` if its error is above ``accuracy``."""
        if not self.error <= accuracy:
            raise ConvergenceError(
                f"the averages over the target are known to {self.error:.1e} only (relative; {self.method}, "
                f"{len(self.weights)} nodes), not to {accuracy:.1e}: ask for less accuracy"
            )
        return self


@dataclass(frozen=True)
class KinkFrame:
    """``axes`` (r, r) orthonormal rows; ``kinks[j]`` the breakpoints on axis j; ``exact`` if all kinks are there."""

    axes: Array
    kinks: tuple[tuple[float, ...], ...]
    exact: bool


@lru_cache(maxsize=128)
def kink_frame(f: Target) -> KinkFrame:
    """Axes along the normals of the kinks of ``f`` in orthonormal coordinates."""
    plain = KinkFrame(np.eye(f.r), ((),) * f.r, True)
    planes = kink_planes(f)
    if planes is None:
        return KinkFrame(plain.axes, plain.kinks, False)
    if not planes:
        return plain
    frame = _frame([Layer(n, -b, 0.0) for n, b in planes], f.r)
    if frame is None:
        return KinkFrame(plain.axes, plain.kinks, False)
    axes, on_axis = frame
    kinks = tuple(
        tuple(np.unique(np.round([x.place for x in found if x.place is not None], 12)).tolist())
        for found in on_axis
    )
    return KinkFrame(axes, kinks, True)


def _frame(layers: Sequence[Layer], r: int) -> tuple[Array, list[list[Layer]]] | None:
    """Orthonormal axes that start with the layers' normals, and the layers along each; None if two are oblique."""
    axes: list[Array] = []
    found: list[list[Layer]] = []
    for layer in layers:
        for axis, here in zip(axes, found, strict=True):
            cosine = float(axis @ layer.normal)
            if abs(abs(cosine) - 1) < 1e-10:
                place = None if layer.place is None else layer.place * float(np.sign(cosine))
                here.append(Layer(axis, place, layer.width))
                break
            if abs(cosine) > 1e-10:
                return None
        else:
            axes.append(layer.normal)
            found.append([layer])
    full = np.linalg.qr(np.array([*axes, *np.eye(r)]).T)[0].T
    if axes:
        full[: len(axes)] = axes
    return full, [*found, *([] for _ in range(r - len(axes)))]


def kink_planes(f: Target) -> list[tuple[Array, float]] | None:
    """(n, b), |n| = 1, of every hyperplane n·x + b = 0 (orthonormal coordinates) where ``f`` may have a kink.

    None if a kink lies on no plane, or for a plain callable.
    """
    planes = None if f.tree is None else _kink_planes(f.tree, f.r)
    if planes is None:
        return None
    turned = [(f.cholesky.T @ normal, offset) for normal, offset in planes]
    return [(n / np.linalg.norm(n), float(b / np.linalg.norm(n))) for n, b in turned if np.linalg.norm(n) > 0]


def _kink_planes(tree: Expression, r: int) -> list[tuple[Array, float]] | None:
    """(n, b) of every hyperplane n·u + b = 0 on which ``tree`` may have a kink; None if one is not a plane."""
    from hermite.language.building import add, negate
    from hermite.language.expressions import Call, Power, Product, is_constant, postorder

    arguments: list[Expression] = []
    for node in postorder(tree):
        if isinstance(node, Call) and node.name in _KINKED and not is_constant(node):
            a = node.arguments
            if node.name in ("max", "min"):
                arguments += [add((a[i], negate(a[j]))) for i in range(len(a)) for j in range(i)]
            else:
                arguments.append(a[0])
    planes: list[tuple[Array, float]] = []
    while arguments:
        argument = arguments.pop()
        if is_constant(argument):
            continue
        if isinstance(argument, Product):
            arguments += argument.factors
        elif isinstance(argument, Power):
            arguments.append(argument.base)
        else:
            plane = _affine(argument, r)
            if plane is None:
                return None
            planes.append(plane)
    return planes


def _affine(e: Expression, r: int) -> tuple[Array, float] | None:
    """(n, b) if e(u) = n·u + b, tested on polynomials of degree one only."""
    from hermite.language.expressions import compile_numpy

    degree = degree_of(e)
    if degree is None or degree > 1:
        return None
    function = compile_numpy(e)
    offset = float(function(np.zeros((1, r)))[0])
    return function(np.eye(r)) - offset, offset


def splits_kinks(f: Target) -> bool:
    """Whether :func:`target_rule` has every kink of ``f`` on a panel edge (then it converges fast)."""
    return kink_frame(f).exact or (f.r == 2 and kink_planes(f) is not None)


def target_rule(f: Target, refine: float = 1.0) -> tuple[Array, Array]:
    """Nodes (N, r) and weights (N,) of :func:`rule_of`; raises :class:`ConvergenceError` if there is no usable rule."""
    rule = rule_of(f, refine).checked(_REFUSED)
    return rule.nodes, rule.weights


@lru_cache(maxsize=48)
def rule_of(f: Target, refine: float = 1.0, largest: int = 1_100_000) -> TargetRule:
    """The rule of ``f``: the first within :func:`default_accuracy`, or the best of those that ``largest`` nodes allow.

    ``refine`` multiplies the nodes an axis, for the smooth factor that f* is averaged with (compare two values to see
    that error; the one of f* alone is ``error``).
    """
    accuracy = default_accuracy(f.r)
    best: TargetRule | None = None
    with np.errstate(under="ignore", over="ignore", invalid="ignore"):
        for rule in _candidates(f, refine, largest, accuracy):
            if not np.isfinite(rule.error):
                continue
            if best is None or rule.error < best.error:
                best = rule
            if best.error <= accuracy:
                break
    if best is None:
        raise ConvergenceError(f"the averages over {f.text!r} are not finite on any rule")
    best.nodes.flags.writeable = best.weights.flags.writeable = False
    return best


def _candidates(f: Target, refine: float, largest: int, accuracy: float) -> Iterator[TargetRule]:
    r = f.r
    degree = None if f.tree is None else degree_of(f.tree)
    if degree is not None and r in NODES:
        base = round(NODES[r] * refine)
        for order in sorted({base, max(base, degree + 1)}):
            if order <= 150 and order**r <= largest:
                x, w = tensor_rule([max(2, order)] * r)
                keep = w > 0
                yield TargetRule(x[keep], w[keep] / w[keep].sum(), _against_exact(f, x, w), "Gauss–Hermite")
    sharp = sharp_layers(f)
    resolved = _resolved_frame(f) if r in _STEP else None
    if resolved is not None:
        for finer in (1.0, 1.3):
            rule = _tensor(f, *resolved, refine * finer, largest, accuracy)
            if rule is not None:
                yield rule
    oblique = [x for x in sharp if x.width < 2 * _MILD]
    if r == 2 and oblique:
        for finer in (1.0, 1.5):
            order = max(8, round(10 * math.sqrt(refine) * finer))
            yield _compared(
                f, planar_rule(oblique, order), planar_rule(oblique, order + 4), "rows split at layers"
            )
    if r in (2, 3):
        edges = [
            [
                e
                for x in sharp
                if x.place is not None and abs(x.normal[j]) > 1 - 1e-9
                for e in edges_around(float(x.place * x.normal[j]), x.width)
            ]
            for j in range(r)
        ]
        order = 8 if r == 2 else 6
        for most in (largest // 32, largest // 6, largest):
            fine, coarse = (box_rule(f, r, edges, n, most) for n in (order, order - 2))
            yield _compared(f, fine, coarse, "boxes")
    parts = sobol_rule(r, 15 + max(0, round(refine)), 20260 + round(100 * refine))
    moments = np.array([_moments(f, x, w) for x, w in parts])
    nodes = np.concatenate([x for x, _ in parts])
    weights = np.full(len(nodes), 1 / len(nodes))
    spread = float(np.max(moments.std(axis=0, ddof=1))) / math.sqrt(len(parts))
    yield TargetRule(nodes, weights, max(2 * spread, _against_exact(f, nodes, weights)), "Sobol points")


@lru_cache(maxsize=128)
def sharp_places(f: Target) -> tuple[Array, tuple[tuple[float, ...], ...]]:
    """Axes (r, r) along which f is sharp, and on each the places where panels must end: kinks, flanks of layers.

    None on an axis along which f is smooth; where sharp directions are oblique, the sharpest that are orthogonal.
    """
    kept: list[Layer] = []
    for layer in sharp_layers(f):
        # One direction scans the line itself; waves need cuts of their own only where there is no scan.
        counts = layer.width < _MILD and (layer.place is not None or f.r > 1)
        if counts and _frame([*kept, layer], f.r) is not None:
            kept.append(layer)
    frame = _frame(kept, f.r)
    assert frame is not None
    places = []
    for found in frame[1]:
        cuts = [e for x in found if x.place is not None for e in around(x.place, x.width)]
        waves = [x.width for x in found if x.place is None]
        # A panel of 12 nodes holds the square of a wave for a period.
        cuts += np.arange(-9.0, 9.0, 6 * min(waves)).tolist() if waves else []
        places.append(tuple(sorted(cuts)))
    return frame[0], tuple(places)


def breaking_planes(f: Target) -> list[tuple[Array, float]] | None:
    """(n, place), |n| = 1, of every plane n·x = place where panels must end: kinks, flanks of layers, in any directions.

    () of them for a callable; None if a kink lies on no plane.
    """
    if f.tree is not None and kink_planes(f) is None:
        return None
    sharp = [layer for layer in sharp_layers(f) if layer.width < _MILD and layer.place is not None]
    return [(x.normal, e) for x in sharp if x.place is not None for e in around(x.place, x.width)]


def sharp_layers(f: Target) -> list[Layer]:
    """Kinks and layers of ``f`` that lie on planes, sharpest first."""
    kinks = [Layer(n, -b, 0.0) for n, b in kink_planes(f) or ()]
    return sorted([*kinks, *layers_of(f)], key=lambda layer: layer.width)


@lru_cache(maxsize=64)
def _resolved_frame(f: Target) -> tuple[Array, list[ResolvedAxis]] | None:
    """The axes along which f is sharp, each resolved; None where two sharp directions are oblique."""
    sharp = sharp_layers(f)
    frame = _frame(sharp, f.r) or _frame([x for x in sharp if x.width < _MILD], f.r)
    return None if frame is None else (frame[0], resolved_axes(f, *frame))


def resolved_axes(f: Target, axes: Array, layers: Sequence[Sequence[Layer]]) -> list[ResolvedAxis]:
    """Every axis of the frame, resolved along lines through typical points and through the places of the layers."""
    r = f.r
    base = np.zeros((1, r))
    if r > 1:
        places = [[x.place for x in found if x.place is not None and abs(x.place) < 5] for found in layers]
        corner = np.array([p[0] if p else 0.0 for p in places])
        base = np.concatenate([base, corner[None], np.random.default_rng(1).standard_normal((_LINES, r))])
    out = []
    for j in range(r):
        lines = base.copy()
        lines[:, j] = 0.0
        out.append(
            resolved_axis(
                _along(f, lines @ axes, axes[j]),
                [x.place for x in layers[j] if x.place is not None and x.width == 0],
                [
                    e
                    for x in layers[j]
                    if x.place is not None and x.width > 0
                    for e in edges_around(x.place, x.width)
                ],
            )
        )
    return out


def _along(f: Target, base: Array, axis: Array) -> Callable[[Array], Array]:
    """f on lines base_l + t axis: (N,) → (N, L)."""

    def functions(t: Array) -> Array:
        points = base[None] + t[:, None, None] * axis
        values: Array = np.asarray(f(points.reshape(-1, f.r)), float).reshape(len(t), len(base))
        return values

    return functions


def _tensor(
    f: Target, axes: Array, resolved: Sequence[ResolvedAxis], refine: float, largest: int, accuracy: float
) -> TargetRule | None:
    """The product of the axes' rules, its error from a finer product and the exact moments; None if too large."""
    r = f.r
    step, order = _STEP[r] / refine, max(6, round(0.6 * NODES[r] * refine))
    fine = accuracy / 30
    rules = [axis.rule(step, order, fine) for axis in resolved]
    size = np.prod([float(len(rule.weights)) for rule in rules])
    if size > largest:
        return None
    product = _product(f, rules, axes)
    if r == 1:
        error = max(rules[0].error, _against_exact(f, *product))
        return TargetRule(*product, error, "panels of one axis")
    finer = [axis.rule(step / 1.37, round(1.3 * order) + 1, fine / 10, ORDER + 4) for axis in resolved]
    if np.prod([float(len(rule.weights)) for rule in finer]) > 3 * largest:
        return None
    return _compared(f, product, _product(f, finer, axes), "tensor of axis rules")


def _product(f: Target, rules: Sequence[AxisRule], axes: Array) -> tuple[Array, Array]:
    """The tensor product, turned, without the nodes that matter neither to the law nor to E f²."""
    grids = np.meshgrid(*[rule.nodes for rule in rules], indexing="ij")
    weights = np.ones(1)
    for rule in rules:
        weights = np.multiply.outer(weights, rule.weights).ravel()
    nodes = np.stack([g.ravel() for g in grids], axis=1) @ axes
    energy = weights * np.asarray(f(nodes), float) ** 2
    fourth = energy * (energy / np.maximum(weights, 1e-300))
    keep = (weights > 1e-19) | (energy > 1e-19 * energy.sum()) | (fourth > 1e-19 * fourth.sum())
    return nodes[keep], weights[keep] / weights[keep].sum()


def _compared(f: Target, rule: tuple[Array, Array], other: tuple[Array, Array], method: str) -> TargetRule:
    difference = float(np.max(np.abs(_moments(f, *rule) - _moments(f, *other))))
    return TargetRule(*rule, max(difference, _against_exact(f, *rule)), method)


def _moments(f: Target, x: Array, w: Array) -> Array:
    """E f, E[f x_i], E[f (x_i² − 1)] by √E f²; E[f² x_i]/E f² and log E f²."""
    values = np.asarray(f(x), float)
    square = w * values**2
    size = max(float(square.sum()), 1e-300)
    first = w * values / math.sqrt(size)
    return np.concatenate([[first.sum()], first @ x, first @ (x**2 - 1), [math.log(size)], square @ x / size])


@lru_cache(maxsize=128)
def known_moments(f: Target) -> tuple[float, Array, float | None] | None:
    """C_0, C_1 (r,) in orthonormal coordinates and E f² (None if it has no closed form) as the expansion knows them.

    None for a callable and where the expansion is undecided.
    """
    if f.tree is None:
        return None
    from hermite.engines.constants import Unsupported
    from hermite.exact.subspaces import to_float
    from hermite.expansion import expand

    try:
        expansion = expand(f, order=1)
        mean, linear = float(expansion.tensor(0)), np.asarray(expansion.tensor(1), float)
    except (InputError, Unsupported):
        return None
    try:
        energy = None if expansion.total_scalar is None else to_float(expansion.total_scalar)
    except Unsupported:
        # A certified integral that says nothing at its bits.
        energy = None
    return mean, linear, energy


def energy_of(f: Target) -> float:
    """E f², without noise: exact where the expansion knows it, else by the rule."""
    known = known_moments(f)
    if known is not None and known[2] is not None:
        return known[2]
    x, w = target_rule(f)
    return float(w @ np.asarray(f(x), float) ** 2)


def _against_exact(f: Target, x: Array, w: Array) -> float:
    """The largest deviation from :func:`known_moments`, relative; 0 where nothing is known."""
    known = known_moments(f)
    if known is None:
        return 0.0
    mean, linear, energy = known
    values = np.asarray(f(x), float)
    weighted = w * values
    second = float(weighted @ values)
    size = math.sqrt(max(energy if energy is not None else second, 1e-300))
    off = [abs(float(weighted.sum()) - mean) / size, *(np.abs(weighted @ x - linear) / size)]
    if energy is not None:
        off.append(abs(second / max(energy, 1e-300) - 1) if energy > 0 else second)
    return float(max(off))
