r"""Overlaps and risk of many neurons on a Gaussian mixture, before and after one giant step, as d → ∞.

With the layer of :mod:`asymptotics.learning.structured.layer`, coordinates c_g along the spike u, directions w*_m the rows of W*,

    M_g = c_g W* u,   Q_gh = c_g c_h,   ‖w‖² = c_g² + Σ_j w_j vB_gg,j,
    risk = Σ_c p_c E[(f_c(s) − Σ_g π_g ã_g E σ(c_g κ + √q_gc x))²],   q_gc = Σ_j w_j vB_gg,j e_cj,   κ = ⟨u, z⟩.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from asymptotics.error_budget import ErrorBudget, Validity
from asymptotics.expectations.accuracy import quadrature_error
from asymptotics.expectations.activations import Activation
from asymptotics.experiment.inputs import Inputs
from asymptotics.learning.groups import Groups, readout_groups
from asymptotics.learning.natural_units import units_of_a_fit
from asymptotics.learning.structured.layer import MixtureLayer, trained_layer
from asymptotics.learning.structured.moments import conditional, refuse_targets, spike_places
from asymptotics.results import Overlaps, StepOverlaps
from hermite.errors import InputError
from hermite.target import Target

if TYPE_CHECKING:
    from asymptotics.experiment.settings import Network, Training

Array = npt.NDArray[np.float64]

#: At a finite d, in units of 1/d, and of (S − 1)/d more for the largest variance S > 1 of a named axis.
_LEFT_OUT, _LONG = 4.0, 1.5
NOTE = (
    "inputs are Gaussian within these clusters; a mean acts as a linear term of the target: its leap in these clusters is that "
    'of biased inputs (hardness --inputs biased), not of "leap"'
)


def refusals(f: Target, network: Network, training: Training, inputs: Inputs) -> tuple[str, ...]:
    """One sentence for everything that keeps the law of structured inputs from answering; it is that of many neurons."""
    here = "The law of structured inputs covers"
    found = []
    if network.width != "infinite":
        found.append(f'{here} network.width = "infinite", not {network.width}: simulate instead.')
    found += refusals_of_steps(network, training, inputs)
    if f.has_classes:
        found.append(
            f'{here} target.labels = "value": classes are labels of clusters ("1", "-1"); simulate instead.'
        )
    try:
        refuse_targets(f, inputs)
    except InputError as error:
        found += error.problems
    return tuple(found)


def refusals_of_steps(network: Network, training: Training, inputs: Inputs) -> tuple[str, ...]:
    """What the layer after training does not cover."""
    here = "The theory of structured inputs covers"
    found = []
    if not training.traits.fresh and training.steps:
        found.append(f'{here} giant steps, not protocol = "{training.protocol}".')
    if training.steps > 1:
        found.append(f"{here} one giant step, not {training.steps}: simulate instead.")
    if training.steps and training.batch_exponent != 1:
        found.append(f"{here} batch_exponent = 1, not {training.batch_exponent:g}: simulate instead.")
    if training.steps and np.any(inputs.far):
        found.append(
            f"{here} means of norm sqrt(d) (far) before a step only: the step itself grows with d; simulate instead."
        )
    if training.remove_orders:
        found.append(f"{here} remove_orders = [] only: simulate instead.")
    if network.bias > 0:
        found.append(f"{here} network.bias = 0 only: simulate instead.")
    if training.steps and abs(network.readout_moment(1)) > 1e-12 * math.sqrt(network.readout_moment(2)):
        found.append(f"{here} a first output of 0: a readout of mean 0.")
    return tuple(found)


def overlaps_on_inputs(
    f: Target, network: Network, training: Training, inputs: Inputs, d: int | None = None
) -> Overlaps:
    """Overlaps at steps 0..T with the rows of W*; ``d``: what the limit leaves out there is said.

    Raises ``InputError`` for what the law does not cover.
    """
    problems = refusals(f, network, training, inputs)
    if problems:
        raise InputError(problems)
    sigma, groups = network.get_activation(), readout_groups(network)
    lengths = inputs.lengths(f)
    steps = [_start(f, inputs, groups, lengths)]
    if training.steps:
        # The weights know eta ã y alone, whose powers hold in units of their own.
        units = units_of_a_fit(f, network, training, inputs)
        own = readout_groups(units.network)
        layer = trained_layer(units.target, sigma, inputs, own, units.training.eta, training.alpha)
        steps.append(_after(f, sigma, inputs, groups, layer, lengths))
    budget = ErrorBudget(quadrature_error(f, sigma), 0.0, left_out_at(inputs, d))
    told = [
        replace(step, error=budget if step.step else ErrorBudget(0.0, 0.0, 0.0), risk_error=budget)
        for step in steps
    ]
    return Overlaps(
        regime="one step, structured inputs" if training.steps else "structured inputs",
        steps=tuple(told),
        validity=Validity.LEADING_ORDER,
        validity_note=NOTE if np.any(inputs.means) else NOTE.partition(";")[0],
    )


def left_out_at(inputs: Inputs, d: int | None) -> float:
    """Relative to the largest entry: neurons see long named axes at this d."""
    if d is None:
        return 0.0
    largest = float(np.max(np.linalg.eigvalsh(inputs.covariances), initial=1.0)) if inputs.axes else 1.0
    return (_LEFT_OUT + _LONG * (largest - 1.0)) / d


def _start(f: Target, inputs: Inputs, groups: Groups, lengths: Array) -> StepOverlaps:
    G = len(groups.readout)
    teacher = inputs.teacher_of(f)
    risk = 0.0
    for share, target, m, S in zip(
        inputs.weights, inputs.targets_of(f), inputs.means, inputs.covariances, strict=True
    ):
        risk += share * float(conditional(target, teacher, m[None], S).f2[0] - target.noise)
    return StepOverlaps(
        step=0,
        readout=groups.readout,
        weight=groups.fraction,
        M=np.zeros((G, f.r)),
        Q=np.zeros((G, G)),
        norm2=np.ones(G),
        risk=risk,
        lengths=lengths,
    )


def _after(
    f: Target, sigma: Activation, inputs: Inputs, groups: Groups, layer: MixtureLayer, lengths: Array
) -> StepOverlaps:
    assert layer.u is not None
    w = np.array(inputs.fractions)
    own = np.empty((len(inputs.clusters), len(layer.c)))
    norm2 = np.empty(len(layer.c))
    own[:, layer.members] = np.einsum("j,jubb,kj->kub", w, layer.bulk, inputs.bulk)
    norm2[layer.members] = np.einsum("j,jubb->ub", w, layer.bulk)
    risk = 0.0
    for k, (share, target) in enumerate(zip(inputs.weights, inputs.targets_of(f), strict=True)):
        at = spike_places(layer.u, layer.means[k], layer.covariances[k])
        seen = conditional(target, layer.teacher, at.centre, at.within)
        h = np.outer(at.kappa, layer.c)
        means = sigma.conditional_moments(h, np.broadcast_to(own[k], h.shape))[0]
        output = means @ (groups.fraction * groups.readout)
        rest = seen.f2 - target.noise - seen.f0**2
        risk += share * float(at.weights @ ((seen.f0 - output) ** 2 + rest))
    return StepOverlaps(
        step=1,
        readout=groups.readout,
        weight=groups.fraction,
        M=np.outer(layer.c, layer.teacher @ layer.u),
        Q=np.outer(layer.c, layer.c),
        norm2=layer.c**2 + norm2,
        risk=risk,
        lengths=lengths,
    )
