"""Labels and readouts in units in which they are of order one, so that no power of them underflows or overflows.

Every prediction is covariant: f → c f, Δ → c² Δ, ã → c ã, eta → eta/c² leaves the weights as they are and multiplies errors
by c². A network whose first output is 0 and which takes one step has a second freedom, for its weights know eta ã y alone:
f → c f, Δ → c² Δ, ã → k ã, eta → eta/(c k); so have errors after a ridge fit, which replaces the readout. Cubes and fourth
powers of labels of size 1e-90 underflow, so far labels and readouts are counted in a power of two near their size, at the
doors where targets come in; dividing by it is exact. Sizes within 1/16 and 16 stay as they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from asymptotics.expectations.target_rule import energy_of
from asymptotics.experiment.input_laws import traits_of
from asymptotics.results import Overlaps, Risk
from hermite.engines import sampled_engine
from hermite.errors import InputError
from hermite.target import Target

if TYPE_CHECKING:
    from asymptotics.expectations.activations import Activation
    from asymptotics.experiment.input_laws import InputLaw
    from asymptotics.experiment.settings import Network, Training

#: Binary orders of magnitude that are left alone, and those at which the integral of f² is safe.
_PLAIN, _SAFE = 4, 40
#: Sizes of labels whose squares are floats with all their digits.
_SQUARES = 508
#: An integral of f² above 2^-_SURE has all its digits.
_SURE = 600
#: The rule that tells how large labels are: any; this one is the first of a path.
_COARSE = 0.4


@dataclass(frozen=True)
class NaturalUnits:
    """A setting in units ``label`` of f and ``readout`` of ã (powers of two)."""

    target: Target
    network: Network
    training: Training
    label: float = 1.0
    readout: float = 1.0

    @property
    def changes(self) -> bool:
        """Whether the units are others than those of the user."""
        return self.label != 1.0 or self.readout != 1.0

    def errors(self, value: float) -> float:
        """An error, in the user's units; step by step, for the square of the unit may overflow."""
        return value * self.label * self.label

    def restored_risk(self, found: Risk) -> Risk:
        """Errors of a ridge fit in the user's units (``order_parameters`` stay in these)."""
        if not self.changes:
            return found
        return replace(
            found,
            test_error=self.errors(found.test_error),
            train_error=self.errors(found.train_error),
            excess_risk=self.errors(found.excess_risk),
            plateau=None if found.plateau is None else self.errors(found.plateau),
            by_cluster=None if found.by_cluster is None else tuple(map(self.errors, found.by_cluster)),
        )

    def restored_overlaps(self, found: Overlaps) -> Overlaps:
        """Readouts and risks in the user's units; overlaps have none."""
        if not self.changes:
            return found
        steps = tuple(
            replace(
                step,
                readout=step.readout * self.readout,
                risk=self.errors(step.risk),
                train_error=None if step.train_error is None else self.errors(step.train_error),
            )
            for step in found.steps
        )
        return replace(found, steps=steps)


def natural_units(
    f: Target,
    network: Network,
    training: Training,
    *,
    readout_is_replaced: bool = False,
    refine: float = _COARSE,
) -> NaturalUnits:
    """The setting in natural units; ``refine``: the rule of the target that is made anyway.

    One unit for labels and readouts, the larger of their sizes; or one for each where ``readout_is_replaced`` (a ridge
    fit) and the weights do not know the output (no step, or one from an output of 0). The user's own where both are
    ordinary, or where the law of ã has no other unit (Gaussian).
    """
    if f.has_classes:
        # Labels are of order one whatever the unit of f.
        return NaturalUnits(f, network, training)
    # The first step on a batch that is used again is one on a fresh batch.
    free = training.steps == 0 or (
        training.steps == 1 and not training.traits.online and network.is_symmetric
    )
    label = _label_size(f, refine)
    if abs(label) > _SQUARES:
        raise InputError(
            f"the labels are of size 2^{label}, whose square no float holds: divide the target by it, the noise by its square "
            "(and multiply training.eta by that square, divide network.readout by it): errors are those of the target times "
            "the square"
        )
    readout = _size(_readout_size(network))
    if training.steps and _underflows(network.get_activation()):
        raise InputError("the features underflow: use an activation of order 1.")
    if not (readout_is_replaced and free):
        label = readout = max(label, readout)
    plain = NaturalUnits(f, network, training)
    if label is None or readout is None or max(abs(label), abs(readout)) <= _PLAIN:
        return plain
    if network.readout == "gaussian" and readout:
        return plain
    eta = math.ldexp(training.eta, label + readout)
    if not 0 < eta < math.inf:
        return plain
    return NaturalUnits(
        scaled_target(f, -label),
        replace(network, readout=_scaled_readout(network, -readout)) if readout else network,
        in_unit_of_rate(training, eta, label + readout),
        math.ldexp(1.0, label),
        math.ldexp(1.0, readout),
    )


def units_of_a_fit(f: Target, network: Network, training: Training, inputs: InputLaw | None) -> NaturalUnits:
    """The setting of a ridge fit in natural units; its own where ``inputs`` have none."""
    if not traits_of(inputs).natural_units(inputs):
        return NaturalUnits(f, network, training)
    return natural_units(f, network, training, readout_is_replaced=True, refine=1.0)


def in_unit_of_rate(training: Training, eta: float, exponent: int) -> Training:
    """Steps of online SGD have the unit of eta, weight decay that of 1/eta."""
    step = None if training.step is None else math.ldexp(training.step, exponent)
    decay = math.ldexp(training.weight_decay, -exponent)
    return replace(training, eta=eta, step=step, weight_decay=decay)


@lru_cache(maxsize=256)
def _label_size(f: Target, refine: float) -> int:
    """The binary order of magnitude of √E y².

    Values at a few points say in which unit the integral is safe; where they miss a narrow target it is still right.
    """
    if f.tree is None:
        sampled_engine(f).check_values()
    values = np.abs(np.asarray(f(np.random.default_rng(0).standard_normal((64, f.r))), dtype=np.float64))
    first = _size(float(np.max(values)))
    if abs(first) <= _SAFE or (first < 0 and energy_of(f, refine) > math.ldexp(1.0, -_SURE)):
        # The second: the points miss a narrow target, whose own size is sure.
        first = 0
    seen = scaled_target(f, -first) if first else f
    return first + _size(math.sqrt(energy_of(seen, refine) + seen.noise))


def _size(value: float) -> int:
    """The binary order of magnitude; 0 for what has none."""
    return round(math.log2(value)) if 0 < value < math.inf else 0


def _readout_size(network: Network) -> float:
    values, weights = network.readout_atoms(2)
    largest = float(np.max(np.abs(values)))
    return largest * math.sqrt(float(weights @ (values / largest) ** 2)) if largest > 0 else 0.0


def _underflows(activation: Activation) -> bool:
    """Whether E σ² is below what floats hold with all their digits, though σ is not 0."""
    with np.errstate(all="ignore"):
        square = activation.second_moment
    return square < math.ldexp(1.0, -2 * _SQUARES) and bool(np.any(activation(np.linspace(-3.1, 3.0, 50))))


def _scaled_readout(network: Network, exponent: int) -> tuple[tuple[float, float], ...]:
    values, weights = network.readout_atoms()
    return tuple((math.ldexp(float(a), exponent), float(w)) for a, w in zip(values, weights, strict=True))


@lru_cache(maxsize=256)
def scaled_target(f: Target, exponent: int) -> Target:
    """2^exponent f, with the noise that belongs to it."""
    noise = math.ldexp(f.noise, 2 * exponent)
    if f.tree is None:
        unit = math.ldexp(1.0, exponent)
        return Target.from_function(lambda x: unit * f(x), f.r, noise=noise)
    from hermite.language.building import multiply
    from hermite.language.expressions import Number

    tree = multiply((Number(Fraction(2) ** exponent), f.tree))
    return Target(tree, variables=f.variables, gram=f.gram, noise=noise)
