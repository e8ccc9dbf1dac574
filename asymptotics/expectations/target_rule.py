"""Cubature over the target's directions: E_x g(x), x ~ N(0, I_r), for g = f*(x) times a smooth function.

Where f* has kinks on hyperplanes n_j·x = b_j with mutually orthogonal normals (relu(z1) + relu(z2), sign(z1
z2 z3), max(z1, z2)), the axes are turned to the normals and each axis is split at its kinks. In two
dimensions any set of lines will do: the inner axis is split where it meets them. Other kinks (several
normals that are not orthogonal in three and more dimensions, curved sets, plain callables) have no such
rule: then only many points help.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.quadrature import REACH, legendre, sobol_normal, split_hermite_rule

if TYPE_CHECKING:
    from hermite.language.expressions import Expression
    from hermite.target import Target

Array = npt.NDArray[np.float64]

#: Gauss–Hermite nodes an axis, by the number of axes.
NODES = {1: 64, 2: 40, 3: 20, 4: 14, 5: 10, 6: 8, 7: 6, 8: 5, 9: 4, 10: 3, 11: 3}
_KINKED = frozenset({"relu", "abs", "sign", "heaviside", "max", "min"})


@dataclass(frozen=True)
class KinkFrame:
    """``axes`` (r, r) orthonormal rows; ``kinks[j]`` the breakpoints on axis j; ``exact`` if all kinks are
    there.
    """

    axes: Array
    kinks: tuple[tuple[float, ...], ...]
    exact: bool


@lru_cache(maxsize=128)
def kink_frame(f: Target) -> KinkFrame:
    """Axes along the normals of the kinks of ``f`` in orthonormal coordinates."""
    plain = KinkFrame(np.eye(f.r), ((),) * f.r, True)
    if f.tree is None:
        return KinkFrame(plain.axes, plain.kinks, False)
    planes = kink_planes(f)
    if planes is None:
        return KinkFrame(plain.axes, plain.kinks, False)
    if not planes:
        return plain
    axes: list[Array] = []
    kinks: list[list[float]] = []
    for n, offset in planes:
        b = -offset
        for axis, on_axis in zip(axes, kinks, strict=True):
            if abs(abs(axis @ n) - 1) < 1e-10:
                on_axis.append(b * float(np.sign(axis @ n)))
                break
            if abs(axis @ n) > 1e-10:
                return KinkFrame(plain.axes, plain.kinks, False)
        else:
            axes.append(n)
            kinks.append([b])
    full = np.linalg.qr(np.array([*axes, *np.eye(f.r)]).T)[0].T
    full[: len(axes)] = axes
    points = [tuple(np.unique(np.round(k, 12)).tolist()) for k in kinks]
    return KinkFrame(full, (*points, *((),) * (f.r - len(axes))), True)


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
    from hermite.language.expressions import compile_numpy, degree_bound, is_polynomial

    if not is_polynomial(e) or degree_bound(e) > 1:
        return None
    function = compile_numpy(e)
    offset = float(function(np.zeros((1, r)))[0])
    return function(np.eye(r)) - offset, offset


def target_rule(f: Target, refine: float = 1.0, largest: int = 1_100_000) -> tuple[Array, Array]:
    """Nodes (N, r) and weights (N,) for averages over the target's directions.

    ``refine`` multiplies the nodes an axis (compare two values to see the error). Above 11 axes, where a
                                tensor
    rule would exceed ``largest`` nodes, and where kinks leave no rule: scrambled Sobol points, another set
    for
    every ``refine``.
    """
    frame = kink_frame(f)
    planes = None if frame.exact or f.r != 2 else kink_planes(f)
    if planes is not None:
        return _planar_rule(planes, max(6, round(20 * refine)))
    smooth = frame.exact and not any(frame.kinks)
    if f.r in NODES and (smooth or (frame.exact and f.r <= 5) or f.r <= 2):
        base = NODES[f.r] if frame.exact else {1: 2000, 2: 400}[f.r]
        order = max(2, round(base * refine))
        if not frame.exact:
            rules = [_uniform_rule(order)] * f.r
        else:
            rules = [
                split_hermite_rule(k, order if not k else max(6, round(0.6 * order))) for k in frame.kinks
            ]
        if np.prod([len(x) for x, _ in rules], dtype=float) <= largest:
            grids = np.meshgrid(*[x for x, _ in rules], indexing="ij")
            weights = np.ones(1)
            for _, w in rules:
                weights = np.multiply.outer(weights, w).ravel()
            keep = weights > 0
            nodes = np.stack([g.ravel() for g in grids], axis=1)[keep] @ frame.axes
            return nodes, weights[keep] / weights[keep].sum()
    nodes = sobol_normal(f.r, 17 + round(refine), 20260 + round(100 * refine))
    return nodes, np.full(len(nodes), 1 / len(nodes))


def splits_kinks(f: Target) -> bool:
    """Whether :func:`target_rule` has every kink of ``f`` on a panel edge (then it converges fast)."""
    return kink_frame(f).exact or (f.r == 2 and kink_planes(f) is not None)


def _planar_rule(lines: list[tuple[Array, float]], order: int) -> tuple[Array, Array]:
    """Two dimensions, any kinked lines n·x + b = 0: an outer axis along the first normal, split where lines
    are parallel to the inner axis or cross, and inner axes split at the lines.
    """
    first = lines[0][0]
    axes = np.array([first, [-first[1], first[0]]])
    turned = [(axes @ n, b) for n, b in lines]
    upright = [-b / n[0] for n, b in turned if abs(n[1]) < 1e-9]
    sloped = np.array([(-n[0] / n[1], -b / n[1]) for n, b in turned if abs(n[1]) >= 1e-9]).reshape(-1, 2)
    crossings = [
        float((q[1] - p[1]) / (p[0] - q[0]))
        for i, p in enumerate(sloped)
        for q in sloped[:i]
        if abs(p[0] - q[0]) > 1e-12
    ]
    cuts = np.unique(np.round([*upright, *crossings], 12))
    outer, weight = split_hermite_rule(tuple(c for c in cuts.tolist() if abs(c) < REACH), order)
    edge = np.full((len(outer), 1), 9.0)
    inner = np.clip(sloped[:, 0] * outer[:, None] + sloped[:, 1], -9.0, 9.0)
    panels = np.sort(
        np.concatenate([-edge, inner, edge, np.tile([-4.0, -1.5, 0.0, 1.5, 4.0], (len(outer), 1))], axis=1)
    )
    t, u = legendre(max(5, round(0.55 * order)))
    width = np.diff(panels, axis=1)[:, :, None]
    y = (panels[:, :-1, None] + width * t).reshape(len(outer), -1)
    w = weight[:, None] * (width * u).reshape(len(outer), -1) * np.exp(-0.5 * y**2)
    nodes = np.stack([np.repeat(outer, y.shape[1]), y.ravel()], axis=1) @ axes
    keep = w.ravel() > 1e-18
    return nodes[keep], w.ravel()[keep] / w.sum()


def _uniform_rule(points: int) -> tuple[Array, Array]:
    """Midpoint rule on [−8, 8]: the best that can be said for a function with kinks at unknown places."""
    x = (np.arange(points) + 0.5) / points * 16 - 8
    w = np.exp(-0.5 * x**2)
    return x, w / w.sum()
