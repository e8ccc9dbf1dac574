"""The directions in which a target is sharp: the planes of its kinks and layers, and axes along their normals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from asymptotics.caches import remembered
from asymptotics.expectations.sharpness import KINKED, Layer, around, degree_of, layers_of

if TYPE_CHECKING:
    from hermite.language.expressions import Expression
    from hermite.target import Target

Array = npt.NDArray[np.float64]

#: A layer wider than this needs no axis of its own.
MILD = 0.4


@dataclass(frozen=True)
class KinkFrame:
    """``axes`` (r, r) orthonormal rows; ``kinks[j]`` the breakpoints on axis j; ``exact`` if all kinks are there."""

    axes: Array
    kinks: tuple[tuple[float, ...], ...]
    exact: bool


@remembered
def kink_frame(f: Target) -> KinkFrame:
    """Axes along the normals of the kinks of ``f`` in orthonormal coordinates."""
    plain = KinkFrame(np.eye(f.r), ((),) * f.r, True)
    planes = kink_planes(f)
    if planes is None:
        return KinkFrame(plain.axes, plain.kinks, False)
    if not planes:
        return plain
    frame = frame_of([Layer(n, -b, 0.0) for n, b in planes], f.r)
    if frame is None:
        return KinkFrame(plain.axes, plain.kinks, False)
    axes, on_axis = frame
    kinks = tuple(
        tuple(np.unique(np.round([x.place for x in found if x.place is not None], 12)).tolist())
        for found in on_axis
    )
    return KinkFrame(axes, kinks, True)


def frame_of(layers: Sequence[Layer], r: int) -> tuple[Array, list[list[Layer]]] | None:
    """Orthonormal axes that start with the layers' normals, and the layers along each; None if two are oblique."""
    axes: list[Array] = []
    found: list[list[Layer]] = []
    for layer in layers:
        for axis, here in zip(axes, found, strict=True):
            # Normals are unit vectors: a cosine has no unit, and rounds to 1e-16.
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
    # Squares of huge normals are no floats: math.hypot needs none.
    return [(n / math.hypot(*n), float(b / math.hypot(*n))) for n, b in turned if np.any(n)]


def _kink_planes(tree: Expression, r: int) -> list[tuple[Array, float]] | None:
    """(n, b) of every hyperplane n·u + b = 0 on which ``tree`` may have a kink; None if one is not a plane."""
    from hermite.language.expressions import Power, Product, is_constant

    arguments = _kink_arguments(tree)
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


def _kink_arguments(tree: Expression) -> list[Expression]:
    """Expressions on whose zeros ``tree`` may have a kink."""
    from hermite.language.building import add, negate
    from hermite.language.expressions import Call, is_constant, postorder

    arguments: list[Expression] = []
    for node in postorder(tree):
        if isinstance(node, Call) and node.name in KINKED and not is_constant(node):
            a = node.arguments
            if node.name in ("max", "min"):
                arguments += [add((a[i], negate(a[j]))) for i in range(len(a)) for j in range(i)]
            else:
                arguments.append(a[0])
    return arguments


def kink_functions(f: Target) -> list[Callable[[Array], Array]]:
    """Functions of x (N, r), orthonormal coordinates, on whose zeros ``f`` may have a kink; none of a callable."""
    from hermite.language.evaluation import compile_numpy

    if f.tree is None:
        return []
    turn = f.cholesky.T

    def seen(argument: Expression) -> Callable[[Array], Array]:
        evaluate = compile_numpy(argument)
        return lambda x: np.broadcast_to(np.asarray(evaluate(x @ turn), float), x.shape[:-1])

    return [seen(argument) for argument in _kink_arguments(f.tree)]


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


@remembered
def sharp_places(f: Target) -> tuple[Array, tuple[tuple[float, ...], ...]]:
    """Axes (r, r) along which f is sharp, and on each the places where panels must end: kinks, flanks of layers.

    None on an axis along which f is smooth; where sharp directions are oblique, the sharpest that are orthogonal.
    """
    kept: list[Layer] = []
    for layer in sharp_layers(f):
        # One direction scans the line itself; waves need cuts of their own only where there is no scan.
        counts = layer.width < MILD and (layer.place is not None or f.r > 1)
        if counts and frame_of([*kept, layer], f.r) is not None:
            kept.append(layer)
    frame = frame_of(kept, f.r)
    assert frame is not None
    places = []
    for found in frame[1]:
        cuts = [e for x in found if x.place is not None for e in around(x.place, x.width)]
        waves = [x.width for x in found if x.place is None]
        # A panel of 12 nodes holds the square of a wave for a period.
        cuts += np.arange(-9.0, 9.0, 6 * min(waves)).tolist() if waves else []
        places.append(tuple(sorted(cuts)))
    return frame[0], tuple(places)


def sharp_layers(f: Target) -> list[Layer]:
    """Kinks and layers of ``f`` that lie on planes, sharpest first."""
    kinks = [Layer(n, -b, 0.0) for n, b in kink_planes(f) or ()]
    return sorted([*kinks, *layers_of(f)], key=lambda layer: layer.width)


def breaking_planes(f: Target) -> list[tuple[Array, float]] | None:
    """(n, place), |n| = 1, of every plane n·x = place where panels must end: kinks, flanks of layers, in any directions.

    () of them for a callable; None if a kink lies on no plane.
    """
    if f.tree is not None and kink_planes(f) is None:
        return None
    sharp = [layer for layer in sharp_layers(f) if layer.width < MILD and layer.place is not None]
    return [(x.normal, e) for x in sharp if x.place is not None for e in around(x.place, x.width)]
