"""The labels that training sees after Hermite orders 0 and 1 have been removed batch by batch.

The rule (that of the published single-step experiments of arXiv:2305.18270): on the batch itself m = mean(y),
B = (1/n) Zᵀ (y − m), y ← y − m − Z B for orders (0, 1); y ← y − m for (0,). With n ≫ d samples m → C_0 and B → C_1, so
that in the limit the network learns from f* − C_0 − ⟨C_1, z⟩. B is not a least-squares fit: the linear part is removed up
to (I − Zᵀ Z/n) B, of the same order √(d/n) as the batch noise, which changes the common noise of the neurons (see
:mod:`asymptotics.learning.giant.one_step`). With n = alpha d the linear part cannot be removed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from asymptotics.caches import remembered
from asymptotics.expectations.frames import splits_kinks
from asymptotics.expectations.target_rule import rule_of, target_rule
from hermite.errors import InputError
from hermite.target import Target

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LowOrders:
    """``constant`` C_0 = E f*, ``linear`` C_1 = E ∇f* (r,) in orthonormal coordinates, ``energy`` E f*²."""

    constant: float
    linear: Array
    energy: float


@remembered
def low_orders(f: Target) -> LowOrders:
    """C_0, C_1 and E f*² by cubature; values that are rounding errors are returned as 0."""
    x, w = target_rule(f)
    seen = _seen(f, x, w)
    constant, linear, energy = seen.constant, seen.linear, seen.energy
    size = 1e-12 * np.sqrt(energy) if len(w) < 2**17 else 0.0
    if not splits_kinks(f):
        constant = float(symbolic_tensor(f, 0, np.asarray(constant)))
        linear = symbolic_tensor(f, 1, linear)
    linear = np.where(np.abs(linear) > size, linear, 0.0)
    return LowOrders(constant if abs(constant) > size else 0.0, linear, energy)


def _seen(f: Target, x: Array, w: Array) -> LowOrders:
    values = f(x)
    return LowOrders(float(w @ values), (w * values) @ x, float(w @ values**2))


#: A linear part above this share of √E f*² is seen by the coarsest rule; below, the expansion decides.
_PLAINLY = 1e-4


def has_linear_part(f: Target, refine: float) -> bool:
    """Whether C_1 is above 1e-9 √E f*²; asks the expansion only where the rule with ``refine`` does not say."""
    rule = rule_of(f, refine)
    seen = _seen(f, rule.nodes, rule.weights)
    if np.any(np.abs(seen.linear) > max(_PLAINLY, 100 * rule.error) * np.sqrt(seen.energy)):
        return True
    low = low_orders(f)
    return bool(np.any(np.abs(low.linear) > 1e-9 * np.sqrt(low.energy)))


def symbolic_tensor(f: Target, order: int, otherwise: Array) -> Array:
    """C_order from the symbolic expansion; ``otherwise`` for a callable or where the expansion is undecided."""
    if f.tree is None:
        return otherwise
    from hermite.expansion import expand

    try:
        return np.asarray(expand(f, order=order).tensor(order), float)
    except InputError:
        return otherwise


@lru_cache(maxsize=128)
def without_orders(f: Target, orders: tuple[int, ...]) -> Target:
    """f* − C_0 (``orders`` = (0,)) or f* − C_0 − ⟨C_1, z⟩ (``orders`` = (0, 1)), with the same noise."""
    check_orders(orders)
    if not orders:
        return f
    low = low_orders(f)
    linear = low.linear if 1 in orders else np.zeros(f.r)
    if f.tree is None:
        return Target.from_function(lambda x: f(x) - low.constant - x @ linear, f.r, noise=f.noise)
    from hermite.language.building import add, multiply, negate
    from hermite.language.expressions import Number, Variable

    # x = L^-1 u in the named variables u, so that ⟨C_1, x⟩ = ⟨L^-T C_1, u⟩.
    named = np.linalg.solve(f.cholesky.T, linear)
    tree = add(
        (
            f.tree,
            negate(Number(Fraction(low.constant))),
            *(negate(multiply((Number(Fraction(float(c))), Variable(i)))) for i, c in enumerate(named) if c),
        )
    )
    return Target(tree, variables=f.variables, gram=f.gram, noise=f.noise)


def refusal_of_removed(orders: Sequence[int]) -> str | None:
    """Orders other than (), (0,) and (0, 1) cannot be removed."""
    if tuple(orders) in ((), (0,), (0, 1)):
        return None
    return (
        f"training.remove_orders must be [], [0] or [0, 1], not {list(orders)}: order 1 is removed after order 0, "
        "and orders of 2 and more cannot be removed from a batch by this rule"
    )


def check_orders(orders: Sequence[int]) -> None:
    """Raise :class:`InputError` with :func:`refusal_of_removed`."""
    refusal = refusal_of_removed(orders)
    if refusal is not None:
        raise InputError(refusal)
