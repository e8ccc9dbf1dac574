"""The training protocols: their names, the keys of [training] that only some of them have, and what else sets them apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from asymptotics.experiment.schema import choices


@dataclass(frozen=True)
class ProtocolTraits:
    """What the house asks of a protocol before it opens its room; the defaults are the cautious answers.

    ``keys``       keys of [training] that only some protocols have; elsewhere they must be absent
    ``fresh``      giant steps on a fresh batch each: what the stairway and the theories of one step are about
    ``online``     steps are small and many: counted by a clock, at the d of the file where there is one
    ``isotropic``  its law of many neurons has a layer whose residuals are known by their size, not by their covariance
    ``classes``    whether it is simulated on class labels
    ``papers``     keys of the papers that its theory is from, beside that of giant steps
    """

    keys: tuple[str, ...] = ()
    fresh: bool = False
    online: bool = False
    isotropic: bool = False
    classes: bool = False
    papers: tuple[str, ...] = ()


#: The protocols by name; a new one is one entry here, one of the table of laws and one of the simulated steps.
PROTOCOLS: dict[str, ProtocolTraits] = {
    "giant": ProtocolTraits(("batch_exponent", "remove_orders"), fresh=True, classes=True),
    "sgd": ProtocolTraits(
        (
            "batch_exponent",
            "rate_exponent",
            "step",
            "loss",
            "projection",
            "start",
            "time",
            "dynamics",
            "threshold",
        ),
        online=True,
        papers=("arnaboldi2024online", "saad1995online"),
    ),
    "reuse": ProtocolTraits(
        ("weight_decay", "start"), isotropic=True, classes=True, papers=("dandi2024benefits",)
    ),
}


def owners(key: str) -> tuple[str, ...]:
    """The protocols that have a key of [training] which not all have; none for the others."""
    return tuple(name for name, traits in PROTOCOLS.items() if key in traits.keys)


def protocol_problems(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> list[str]:
    """Keys of [training] that the protocol does not have, set to something else than their ``defaults``, and keys that do
    not go together."""
    protocol = values.get("protocol", "giant")
    special = {key: owners(key) for traits in PROTOCOLS.values() for key in traits.keys}
    problems = []
    if values.get("step") is not None and values.get("rate_exponent", "auto") != "auto":
        problems.append(
            "training.step is the step itself, and training.rate_exponent has no part in it: leave one out."
        )
    if values.get("eta", 1.0) * values.get("weight_decay", 0.0) >= 2:
        problems.append(
            f"training.eta * training.weight_decay must be below 2, not {values['eta'] * values['weight_decay']:g} (the weights "
            "would grow without a gradient)."
        )
    return problems + [
        f'training.{key} is a key of protocol = {choices(special[key])}, not of "{protocol}"; leave it out.'
        for key, value in values.items()
        if key in special and key not in PROTOCOLS[protocol].keys and value != defaults[key]
    ]
