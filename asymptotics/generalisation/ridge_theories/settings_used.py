"""Names of settings, as they are written in files, by what they decide."""

from __future__ import annotations

from dataclasses import fields

from asymptotics.experiment.settings import Training

#: What every theory of the ridge fit depends on.
FIT = frozenset({"ridge.alpha", "ridge.beta", "ridge.lambda", "ridge.d", "ridge.regime"})
NEURONS = frozenset({"network.activation", "network.bias", "network.initialisation"})
STEPS = frozenset(
    {"training.steps", "training.alpha", "training.eta", "training.batch_exponent", "training.remove_orders"}
)
#: Training by any protocol, whose law of the overlaps knows its keys.
ANY_PROTOCOL = frozenset(f"training.{key.name}" for key in fields(Training))
#: What cannot matter before the first giant step: the first layer is what it was, its readout is fitted anew.
BEFORE_TRAINING = frozenset({"network.readout", "ridge.level"}) | (
    ANY_PROTOCOL - {"training.steps", "training.remove_orders", "training.start"}
)


def removed_orders(orders: tuple[int, ...]) -> tuple[str, ...]:
    """The refusal of labels whose linear part was removed."""
    return ("The ridge theory covers remove_orders [] and [0], not [0, 1].",) if 1 in orders else ()


def after_one_exponent(exponent: float) -> tuple[str, ...]:
    """The refusal of batches of another order than d."""
    if exponent == 1:
        return ()
    if exponent == 2:
        return (
            "The ridge theory after a giant step of batch_exponent = 2 is that of "
            'ridge.regime "finite" (or "auto") with ridge.d.',
        )
    return (
        f"The ridge theory after a giant step covers batch_exponent = 1 and 2, not {exponent:g}; simulate instead.",
    )
