"""Cubature over the target's directions: E_x g(x), x ~ N(0, I_r), for g = f*(x) times a smooth function.

:func:`rule_of` builds the rule *for the target* and measures its error: the axes are turned to the normals of the
planes on which f* is sharp (kinks; layers, bumps and waves read off the expression), every axis gets the cheapest rule
that integrates f* along many lines (:mod:`asymptotics.expectations.axis_rule`), and the product is compared with a
finer one and with what the expansion knows exactly: E f*, E ∇f*, E f*². Where a product does not do (planes that are
not orthogonal, curved layers) come split rows, then boxes, then Sobol points: :mod:`asymptotics.expectations.cubature`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from asymptotics.caches import remembered
from asymptotics.expectations.axis_rule import ResolvedAxis, resolved_axis
from asymptotics.expectations.cubature import box_rule, planar_rule, sobol_rule
from asymptotics.expectations.frames import MILD, frame_of, sharp_layers
from asymptotics.expectations.known_moments import against_exact, known_moments
from asymptotics.expectations.panels import ORDER
from asymptotics.expectations.patience import Patience
from asymptotics.expectations.plain_rule import plain_rule
from asymptotics.expectations.products import (
    MARGIN,
    NODES,
    STEP,
    along,
    difference,
    product_rule,
    rule_moments,
)
from asymptotics.expectations.quadrature import tensor_rule
from asymptotics.expectations.sharpness import Layer, degree_of, edges_around
from hermite.engines import sampled_engine
from hermite.errors import ConvergenceError

if TYPE_CHECKING:
    from hermite.target import Target

Array = npt.NDArray[np.float64]

_LINES = 14
#: Of 95 %, in standard errors of four scrambles: Student's quantile at three degrees of freedom.
_HALF_WIDTH = 3.182
#: Waves shorter than this would need more rows than there is memory for.
_FINEST_WAVE = 0.02
#: What is left of sums over nodes by rounding, where two rules agree.
_ROUNDING = 1e-14
#: Above this relative error no number is given.
_REFUSED = 0.05
#: Power of ``refine`` with which the order on a row's panels grows: they are short already.
_GROWS = 0.3
#: Seconds of the next candidate, in those of all before.
_MORE = 2.0
#: Of rules that miss the accuracy, the smallest within this factor of the best is taken.
_NEARLY = 4.0


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


def target_rule(f: Target, refine: float = 1.0) -> tuple[Array, Array]:
    """Nodes (N, r) and weights (N,) of :func:`rule_of`; raises :class:`ConvergenceError` if there is no usable rule."""
    rule = rule_of(f, refine).checked(_REFUSED)
    return rule.nodes, rule.weights


@remembered
def rule_of(f: Target, refine: float = 1.0, largest: int = 1_100_000) -> TargetRule:
    """The rule of ``f``: the first within :func:`default_accuracy`, or the smallest of the best that ``largest`` nodes allow.

    That is the budget: nodes, so that the same question has the same answer on any machine, and only where a target itself is
    slow the ``SECONDS`` of :mod:`asymptotics.expectations.patience`.

    ``refine`` multiplies the nodes an axis, for the smooth factor that f* is averaged with (compare two values to see
    that error; the one of f* alone is ``error``).
    """
    accuracy = default_accuracy(f.r)
    if f.tree is None:
        # What has no values somewhere is told as such, not as an integral that does not converge.
        sampled_engine(f).check_values()
    best: TargetRule | None = None
    tried: list[TargetRule] = []
    patience = Patience()
    with np.errstate(under="ignore", over="ignore", invalid="ignore"):
        for rule in _candidates(f, refine, largest, accuracy):
            if not np.isfinite(rule.error):
                continue
            tried.append(rule)
            if best is None or rule.error < best.error:
                best = rule
            if best.error <= accuracy or not patience.allows(_MORE):
                break
    if best is None:
        raise ConvergenceError(f"the averages over {f.text!r} are not finite on any rule")
    if best.error > accuracy:
        # Where nothing does, many nodes are not worth a little: all averages are paid for by the node.
        most = _NEARLY * best.error if best.error > _REFUSED else min(_NEARLY * best.error, _REFUSED)
        good = [rule for rule in tried if rule.error <= most]
        best = min(good, key=lambda rule: len(rule.weights))
    best.nodes.flags.writeable = best.weights.flags.writeable = False
    return best


def _candidates(f: Target, refine: float, largest: int, accuracy: float) -> Iterator[TargetRule]:
    """Rules in the order in which they are tried; the last takes every target."""
    if f.tree is None or degree_of(f.tree) is None:
        if f.r in STEP:
            rule = plain_rule(f, refine, largest, accuracy / 30)
            if rule is not None:
                yield TargetRule(*rule, "tensor of plain rules")
    else:
        yield from _gauss_hermite(f, refine, largest)
    if f.r in STEP:
        yield from _along_axes(f, refine, largest, accuracy)
    if f.r == 2:
        yield from _split_rows(f, refine)
    if f.r in (2, 3):
        yield from _boxes(f, largest)
    yield _sobol_points(f, refine)


def _gauss_hermite(f: Target, refine: float, largest: int) -> Iterator[TargetRule]:
    """The product of Gauss–Hermite rules of a polynomial: as usual, and with the nodes for its degree.

    Those are exact for f and f² by theorem; two of different orders, which share hardly a node, agree to rounding.
    """
    degree = None if f.tree is None else degree_of(f.tree)
    if degree is None or f.r not in NODES:
        return
    base = round(NODES[f.r] * refine)
    for order in sorted({base, max(base, degree + 1)}):
        if order <= 150 and order**f.r <= largest:
            x, w = tensor_rule([max(2, order)] * f.r)
            keep = w > 0
            other = max(2, degree + 1 + (order == degree + 1))
            if other <= 150 and other**f.r <= largest:
                error = max(MARGIN * difference(f, (x, w), tensor_rule([other] * f.r)), _ROUNDING)
            else:
                error = against_exact(f, x, w)
            yield TargetRule(x[keep], w[keep] / w[keep].sum(), error, "Gauss–Hermite")


def _along_axes(f: Target, refine: float, largest: int, accuracy: float) -> Iterator[TargetRule]:
    """Products of rules along the axes across which f is sharp, where these are orthogonal."""
    resolved = _resolved_frame(f)
    if resolved is None:
        return
    for finer in (1.0, 1.3):
        rule = _tensor(f, *resolved, refine * finer, largest, accuracy)
        if rule is not None:
            yield rule


def _split_rows(f: Target, refine: float) -> Iterator[TargetRule]:
    """Rows of a plane, split where they cross the sharp layers."""
    oblique = [x for x in sharp_layers(f) if x.width < 2 * MILD]
    if any(x.place is None and x.width < _FINEST_WAVE for x in oblique):
        return
    for finer in (1.0, 1.5) if oblique else ():
        # Every refinement that is compared with another has an order of its own: two equal rules would agree.
        order = round(10 * refine**_GROWS * finer)
        yield _compared(
            f, planar_rule(oblique, order), planar_rule(oblique, order + 4), "rows split at layers"
        )


def _boxes(f: Target, largest: int) -> Iterator[TargetRule]:
    """Boxes that are halved where f is rough, cut at layers across an axis from the start."""
    sharp = sharp_layers(f)
    edges = [[edge for layer in sharp for edge in _edges_across(layer, j)] for j in range(f.r)]
    order = 8 if f.r == 2 else 6
    for most in (largest // 32, largest // 6, largest):
        fine, coarse = (box_rule(f, f.r, edges, n, most) for n in (order, order - 2))
        yield _compared(f, fine, coarse, "boxes")


def _edges_across(layer: Layer, j: int) -> Sequence[float]:
    """Where boxes are cut along axis j for a layer across it."""
    if layer.place is None or abs(layer.normal[j]) <= 1 - 1e-9:
        return ()
    return edges_around(float(layer.place * layer.normal[j]), layer.width)


def _sobol_points(f: Target, refine: float) -> TargetRule:
    """Scrambled points, and the spread of their parts."""
    parts = sobol_rule(f.r, 15 + max(0, round(refine)), 20260 + round(100 * refine))
    moments = np.array([rule_moments(f, x, w) for x, w in parts])
    nodes = np.concatenate([x for x, _ in parts])
    weights = np.full(len(nodes), 1 / len(nodes))
    spread = float(np.max(moments.std(axis=0, ddof=1))) / math.sqrt(len(parts))
    error = max(_HALF_WIDTH * spread, against_exact(f, nodes, weights))
    return TargetRule(nodes, weights, error, "Sobol points")


@remembered
def _resolved_frame(f: Target) -> tuple[Array, list[ResolvedAxis]] | None:
    """The axes along which f is sharp, each resolved; None where two sharp directions are oblique, or one is too rough."""
    sharp = sharp_layers(f)
    frame = frame_of(sharp, f.r) or frame_of([x for x in sharp if x.width < MILD], f.r)
    if frame is None:
        return None
    resolved: list[ResolvedAxis] = []
    for axis in _resolved_axes(f, *frame):
        # A product of rules is no better than its worst; a single axis has no other rule.
        if f.r > 1 and axis.panels.unresolved**2 > _REFUSED:
            return None
        resolved.append(axis)
    return frame[0], resolved


def _resolved_axes(f: Target, axes: Array, layers: Sequence[Sequence[Layer]]) -> Iterator[ResolvedAxis]:
    """Every axis of the frame, resolved along lines through typical points and through the places of the layers."""
    r = f.r
    base = np.zeros((1, r))
    if r > 1:
        places = [[x.place for x in found if x.place is not None and abs(x.place) < 5] for found in layers]
        corner = np.array([p[0] if p else 0.0 for p in places])
        base = np.concatenate([base, corner[None], np.random.default_rng(1).standard_normal((_LINES, r))])
    for j in range(r):
        lines = base.copy()
        lines[:, j] = 0.0
        yield resolved_axis(
            along(f, lines @ axes, axes[j]),
            [x.place for x in layers[j] if x.place is not None and x.width == 0],
            [
                e
                for x in layers[j]
                if x.place is not None and x.width > 0
                for e in edges_around(x.place, x.width)
            ],
        )


def _tensor(
    f: Target, axes: Array, resolved: Sequence[ResolvedAxis], refine: float, largest: int, accuracy: float
) -> TargetRule | None:
    """The product of the axes' rules, its error from a finer product and the exact moments; None if too large."""
    r = f.r
    step, order = STEP[r] / refine, max(6, round(0.6 * NODES[r] * refine))
    fine = accuracy / 30
    rules = [axis.rule(step, order, fine) for axis in resolved]
    size = np.prod([float(len(rule.weights)) for rule in rules])
    if size > largest:
        return None
    product = product_rule(f, [(rule.nodes, rule.weights) for rule in rules], axes)
    if r == 1:
        error = MARGIN * max(rules[0].error, against_exact(f, *product))
        return TargetRule(*product, error, "panels of one axis")
    finer = [axis.rule(step / 1.37, round(1.3 * order) + 1, fine / 10, ORDER + 4) for axis in resolved]
    if np.prod([float(len(rule.weights)) for rule in finer]) > 3 * largest:
        return None
    return _compared(
        f, product, product_rule(f, [(q.nodes, q.weights) for q in finer], axes), "tensor of axis rules"
    )


def _compared(f: Target, rule: tuple[Array, Array], other: tuple[Array, Array], method: str) -> TargetRule:
    error = MARGIN * max(difference(f, rule, other), against_exact(f, *rule))
    return TargetRule(*rule, error, method)


@remembered
def energy_of(f: Target, refine: float = 1.0) -> float:
    """E f², without noise: by the rule where that is sure, else as the expansion knows it, else by the rule."""
    rule: TargetRule | None
    try:
        rule = rule_of(f, refine)
    except ConvergenceError:
        rule = None
    if rule is None or rule.error > default_accuracy(f.r) / 10:
        known = known_moments(f)
        if known is not None and known[2] is not None:
            return known[2]
    rule = (rule or rule_of(f, refine)).checked(_REFUSED)
    return float(rule.weights @ np.asarray(f(rule.nodes), float) ** 2)
