"""Which law applies: the batch exponent against the lowest Hermite order that the labels contain.

Exponent k (n = alpha d^k), information exponent ℓ of what is left of the labels: k = ℓ has a law, k < ℓ learns nothing,
k > ℓ has no limit.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING

import numpy as np

from asymptotics.learning.giant.low_orders import has_linear_part, low_orders
from asymptotics.learning.giant.one_step import OneStepLaw, hermite_tensor
from hermite.errors import InputError
from hermite.target import Target

if TYPE_CHECKING:
    from asymptotics.experiment.settings import Network, Training

_MAX_ORDER = 20
#: The rule that tells first whether labels have a linear part.
_NODES = 0.6


@lru_cache(maxsize=128)
def information_exponent(f: Target, removed: tuple[int, ...] = ()) -> int | None:
    """The first k ≥ 1 with C_k ≠ 0 that is not removed; None for a constant or above order 20.

    Exact for expressions that the engines decide; elsewhere a tensor below 1e-8 of the target's size counts as zero.
    """
    for k in range(1, _MAX_ORDER + 1):
        if k not in removed and has_order(f, k):
            return k
    return None


def has_order(f: Target, k: int) -> bool:
    if f.tree is not None:
        from hermite.expansion import expand

        indices = combinations_with_replacement(range(f.r), k)
        try:
            expansion = expand(f, order=k)
            zero = [expansion.is_zero(tuple(index.count(i) for i in range(f.r))) for index in indices]
        except InputError:
            zero = [None]
        if None not in zero:
            return False in zero
    size = np.sqrt(low_orders(f).energy)
    return bool(np.max(np.abs(hermite_tensor(f, k))) > 1e-8 * size)


def refusal_of_steps(training: Training) -> str | None:
    """Several steps on more than alpha d samples have no law: only a simulation answers."""
    exponent = training.batch_exponent
    if exponent <= 1 or training.steps <= 1:
        return None
    return (
        f"training.steps = {training.steps} with batch_exponent = {exponent:g}: no law is known for several "
        "steps on more than alpha d samples; simulation only (use simulate)"
    )


def refusal_of_removal(training: Training) -> str | None:
    """A batch of n = alpha d samples or fewer cannot remove its own linear part."""
    if 1 not in training.remove_orders or training.batch_exponent > 1:
        return None
    return (
        f"training.remove_orders = [0, 1] needs batch_exponent > 1, not {training.batch_exponent:g}: a batch of n = "
        "alpha d samples cannot remove its own linear part; give a larger batch_exponent, or use simulate"
    )


def refusal_of_orders(f: Target, training: Training) -> str | None:
    """A batch exponent above the information exponent of the labels has no limit."""
    order, exponent = information_exponent(f, tuple(training.remove_orders)), training.batch_exponent
    if order is None or exponent <= order:
        return None
    advice = f"use batch_exponent = {order}" + (" or remove_orders = [0, 1]" if order == 1 else "")
    return (
        f"training.batch_exponent = {exponent:g} is larger than the order {order} of the labels' lowest Hermite term, "
        f"so that no limit exists: {advice}; the finite-d means stay available at fixed width with d given"
    )


def order_learned(f: Target, removed: tuple[int, ...], exponent: float) -> int | None:
    """ℓ if the batch exponent equals the information exponent ℓ of the labels, else None."""
    order = information_exponent(f, removed)
    return order if order is not None and exponent == order else None


def warnings_at_exponent_one(labels: Target, network: Network) -> list[str]:
    """What a user of n = alpha d should know: no linear part, or an activation that does not see it."""
    out: list[str] = []
    if not has_linear_part(labels, _NODES):
        out.append(
            "the labels have no linear part (C_1 = 0): n = alpha d samples a step learn nothing, M is 0 in the limit "
            "and of order d^(-1/2) at finite d"
        )
    activation = network.get_activation()
    size = np.sqrt(activation.derivative_second_moment)
    if network.bias == 0 and abs(float(activation.slope_coefficients(0)[0])) <= 1e-12 * size:
        out.append("the activation has c_1 = 0: the first step has no signal, M stays 0 after it")
    return out


def warnings_of_law(law: OneStepLaw, training: Training) -> list[str]:
    """Why the one-step law learns nothing, where it does not."""
    if law.order is None:
        return [
            "the batch exponent is below the order of the labels: nothing is learned, M is 0 in the limit"
        ]
    if training.eta > 0 and not np.any(law.gain):
        return [f"the activation has c_{law.order} = 0: a step of order {law.order} has no signal, M stays 0"]
    return []
