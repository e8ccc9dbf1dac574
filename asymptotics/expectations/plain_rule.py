"""The product of trapezoid or split Gauss rules of a plain target: analytic in a strip of known width, between known kinks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from asymptotics.caches import remembered
from asymptotics.expectations.axis_rule import reach_of
from asymptotics.expectations.frames import kink_frame
from asymptotics.expectations.products import MARGIN, NODES, STEP, along, distance, moments_of, valued_product
from asymptotics.expectations.quadrature import REACH, hermite_rule, split_hermite_rule, trapezoid_rule
from asymptotics.expectations.sharpness import degree_along, is_plain, layers_of

if TYPE_CHECKING:
    from hermite.target import Target

Array = npt.NDArray[np.float64]

#: A function that needs nodes beyond this grows too fast to be called plain.
_FAR = 16.0
#: How much finer the rules are that are tried one after the other.
_FINER = (1.4, 2.0, 2.8, 4.0, 5.6, 8.0, 11.2, 16.0)


def plain_rule(f: Target, refine: float, largest: int, tolerance: float) -> tuple[Array, Array, float] | None:
    """(nodes, weights, error): the first product within ``tolerance`` of a finer one; None where f is not plain, or none is.

    A polynomial in smooth functions of mild affine forms is analytic in a strip whose width is known, between kinks that
    are known: there is nothing for a scan to find, and two rules that agree have converged. Along an axis on which f is a
    polynomial of known degree the nodes for this degree are exact: rules are compared with these, and what comes back, with
    nodes for the smooth factor that f is averaged with, is compared with the finest of them.
    """
    frame = kink_frame(f)
    if f.tree is None or not frame.exact or not is_plain(f):
        return None
    r, reach = f.r, _reach(f)
    if reach > (REACH if any(frame.kinks) else _FAR):
        return None
    # An axis across which no layer lies sees a polynomial, for which Gauss–Hermite is exact.
    curved = [any(abs(float(layer.normal @ axis)) > 1e-12 for layer in layers_of(f)) for axis in frame.axes]
    degrees = [degree_along(f, axis) for axis in frame.axes]

    def axis_rule(j: int, finer: float, few: bool) -> tuple[Array, Array]:
        if curved[j] and not frame.kinks[j]:
            return trapezoid_rule(STEP[r] / (refine * finer), reach + 0.3 * finer)
        degree = degrees[j]
        if degree is not None:
            return hermite_rule(degree + 2 if few else max(6, degree + 1, round(refine * NODES[r])))
        share = (0.6 if frame.kinks[j] else 1.0) * min(finer, 1.4) * refine
        return split_hermite_rule(frame.kinks[j], max(6, round(share * NODES[r])))

    def product(finer: float, few: bool) -> tuple[Array, Array, Array] | None:
        rules = [axis_rule(j, finer, few) for j in range(r)]
        return None if math.prod(len(w) for _, w in rules) > largest else valued_product(f, rules, frame.axes)

    some = any(degree is not None for degree in degrees)
    before, rule = 1.0, product(1.0, few=some)
    seen = None if rule is None else moments_of(*rule)
    for finer in _FINER:
        other = product(finer, few=some)
        if rule is None or seen is None or other is None:
            return None
        expected = moments_of(*other)
        error = MARGIN * distance(seen, expected)
        if error <= tolerance:
            if some:
                rule = product(before, few=False)
                if rule is None:
                    return None
                error = max(error, MARGIN * distance(moments_of(*rule), expected))
            return (*rule[:2], error) if error <= tolerance else None
        before, rule, seen = finer, other, expected
    return None


@remembered
def _reach(f: Target) -> float:
    """How far out f matters, along the axes of its kinks through two points."""
    base = np.concatenate([np.zeros((1, f.r)), np.ones((1, f.r))])
    return max(reach_of(along(f, base, axis)) for axis in kink_frame(f).axes)
