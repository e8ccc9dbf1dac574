"""Gaussian mixtures and covariances that are no identity, before and after one giant step, n, p = Θ(d)."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from asymptotics.error_budget import Validity
from asymptotics.experiment.inputs import Inputs
from asymptotics.experiment.ridge_words import Regime
from asymptotics.generalisation.ridge_theories.settings_used import FIT, NEURONS, STEPS
from asymptotics.generalisation.structured.mixture_fit import MixtureFeatures, MixtureFit, mixture_features
from asymptotics.generalisation.theory import Setting, Surety, Theory, result
from asymptotics.learning.groups import readout_groups
from asymptotics.learning.structured.layer import MixtureLayer, far_layer, trained_layer, untrained_layer
from asymptotics.learning.structured.moments import error_of_fields, refuse_targets
from asymptotics.learning.structured.overlap_laws import refusals_of_steps
from asymptotics.results import Risk
from hermite.errors import InputError

Array = npt.NDArray[np.float64]

#: Before a step in units of one over the smallest size; after one, what was met at d = 400 and 500.
_SIZES, _AFTER = 4.0, 0.02
#: Per share that a component/d of a neuron along the spike has of what it sees (14 % were met at 0.044); of functions of degree 2
#: of the axes (see ``_degree_two``), at most; beyond the last it grows as the root: 78 % were met at 70, a factor of 4 at 3e5.
_SPIKE, _DEGREE_TWO, _MOST, _HUGE = 1.0, 1.2, 0.5, 30.0
#: Of clusters far apart: per share by which the inputs' variance along their axis, of order 1/d, moves the error. Met: 1.25 of
#: it at n2 = p = 1.5 d = 155, at most 0.9 in thirteen others, beside ``_SIZES``.
_FAR = 1.25
#: Where these count enough to be said.
_SAID = 0.01


class StructuredInputs(Theory):
    """Conditional Gaussian equivalence given cluster and spike, norms that fluctuate by cluster included."""

    name = "conditional Gaussian equivalence, structured inputs"
    regime = Regime.PROPORTIONAL
    papers = ("loureiro2021mixtures", "cui2024asymptotics")
    uses = FIT | STEPS | NEURONS | {"network.readout"}
    inputs = frozenset({Inputs.law})

    def trained(self, steps: int) -> bool:
        """Before and after a step."""
        return True

    def refusals(self, setting: Setting) -> tuple[str, ...]:
        """Several steps, other batches, removed orders, biases, λ = 0, and targets without a rule."""
        f, network, training, ridge = setting.f, setting.network, setting.training, setting.ridge
        inputs = _inputs_of(setting)
        found = list(refusals_of_steps(network, training, inputs))
        if ridge.lam == 0 or not math.isfinite(ridge.beta):
            found.append("The theory of structured inputs covers lambda > 0 and a finite beta.")
        if training.steps and network.readout == "gaussian" and ridge.d is None:
            found.append(
                "After a giant step a gaussian readout needs ridge.d: rare neurons act through O(1/d) terms."
            )
        if np.any(inputs.far) and ridge.d is None:
            found.append("Means of norm sqrt(d) (far) need ridge.d: neurons have a density of shifts.")
        try:
            refuse_targets(f, inputs)
        except InputError as error:
            return (*found, *error.problems)
        if ridge.d is not None and ridge.d < inputs.axes + len(inputs.fractions):
            found.append(
                f"ridge.d must be at least {inputs.axes + len(inputs.fractions)}, the named axes and the blocks."
            )
        return tuple(found)

    def surety(self, setting: Setting) -> Surety:
        """Leading order before a step, approximate after one; more where axes are long."""
        d = setting.ridge.d
        after = setting.training.steps > 0
        size, notes = _AFTER if after else 0.0, ["inputs are Gaussian within these clusters"]
        if d is not None:
            size += _SIZES / min(d, setting.ridge.n2(d), setting.neurons)
            degree_two = self._degree_two(setting)
            learned = min(_DEGREE_TWO * degree_two, _MOST * max(1.0, math.sqrt(degree_two / _HUGE)))
            size += learned
            if learned > _SAID:
                notes.append(
                    f"functions of degree 2 of the named axes, learned to about {learned:.2g} at this d, are not included"
                )
            if after and (spike := self._along_spike(setting) / d) > _SAID:
                size += _SPIKE * spike
                notes.append(
                    f"neurons along the spike fluctuate by {spike:.2g}, whose O(1/d) is not included"
                )
        return Surety(Validity.APPROXIMATE if after else Validity.LEADING_ORDER, "; ".join(notes), size)

    @staticmethod
    def _degree_two(setting: Setting) -> float:
        """n2 (λ/d)² times the share of degree 2 in the features: λ the largest that an axis is in what a typical neuron sees.

        λ is an eigenvalue of Σ S_c off the spike over the variance q of the neuron's inputs off it: at any scale of the inputs or
        of the weights the same. Met: 2 % at λ = 5, 16 % at λ = 13 (d = 500, 300, q = 1).
        """
        features = _features_of(setting)
        layer, sigma = features.layer, setting.network.get_activation()
        assert setting.ridge.d is not None
        n = layer.sigma.shape[-1]
        off = np.eye(n) if layer.u is None else np.eye(n) - np.outer(layer.u, layer.u)
        own = off @ np.einsum("ubbij->ubij", layer.sigma).reshape(-1, n, n) @ off
        q = _seen_off_spike(features)
        largest = np.max(np.abs(np.linalg.eigvals(own[:, None] @ layer.covariances)), axis=2, initial=0.0) / q
        root = np.sqrt(q)
        c1, c2 = sigma.S1(np.zeros_like(root), root), sigma.S2(np.zeros_like(root), root)
        curved = q * c2**2 / 2
        share = curved / np.maximum(c1**2 + curved, 1e-300)
        sizes = np.max(largest**2, axis=1) * np.max(share, axis=1)
        return setting.ridge.n2(setting.ridge.d) * _typical(sizes, layer) / setting.ridge.d**2

    @staticmethod
    def _along_spike(setting: Setting) -> float:
        """v_uu S_uu of typical neurons over the variance of their inputs, in the cluster where it is largest.

        What a neuron sees grows with its step as its fluctuation does: 0.9/d of a step of 9 is 0.02 of it, and met as such.
        """
        features = _features_of(setting)
        layer = features.layer
        if layer.u is None:
            return 0.0
        own = np.einsum("ubbij,i,j->ub", layer.sigma, layer.u, layer.u).ravel()
        along = np.einsum("i,kij,j->k", layer.u, layer.covariances, layer.u)
        c2 = layer.c[layer.members].ravel() ** 2
        seen = _seen_off_spike(features) + c2[:, None] * along
        return _typical(np.max(own[:, None] * along / seen, axis=1), layer)

    def solve(self, setting: Setting, throw: bool) -> Risk:
        """The fixed point, and the errors by cluster."""
        alpha, beta = setting.ratios
        if setting.network.is_symmetric and not setting.training.steps:
            # The two neurons of a pair are equal: half as many features.
            beta /= 2
        lam, d = setting.ridge.lam, setting.ridge.d
        found = MixtureFit(_features_of(setting), alpha, beta, lam, d).solve(throw=throw)
        surety = self.surety(setting)
        if np.any(_inputs_of(setting).far) and found.test > 0:
            still = MixtureFit(_features_of(setting, still=True), alpha, beta, lam, d).solve(throw=throw)
            surety = _with_shifts(surety, abs(found.test - still.test) / found.test)
        return result(
            setting, self.name, surety, found.test, found.train,
            found.solution.error_of_a_response, averages=error_of_fields(setting.f, _inputs_of(setting)), plateau=None,
            solution=found.solution,
            by_cluster=tuple(found.by_cluster.tolist()),
        )  # fmt: skip


def _with_shifts(surety: Surety, moved: float) -> Surety:
    """What clusters far apart leave out: as much again as the inputs' variance along their axis ``moved`` the error."""
    note = surety.note
    if moved > _SAID:
        note += (
            f"; the inputs' variance along the axis of means of norm sqrt(d), O(1/d) by name, moves the error by {moved:.2g}: "
            "other terms of its kind are not included"
        )
    return replace(surety, note=note, theory=(surety.theory or 0.0) + _FAR * moved)


def _typical(sizes: Array, layer: MixtureLayer) -> float:
    """Σ π s²/Σ π s of ``sizes`` (U B,): the larger half of ±1, and no outermost node of a Gaussian readout."""
    share = np.repeat(layer.count, layer.members.shape[1])
    total = float(share @ sizes)
    return float(share @ sizes**2) / total if total > 0 else 0.0


def _seen_off_spike(features: MixtureFeatures) -> Array:
    """q (U B, K): the variance that the blocks give a neuron's inputs in every cluster."""
    own = np.einsum("jubb->jub", features.layer.bulk).reshape(len(features.fractions), -1)
    found: Array = np.einsum("j,ja,kj->ak", features.fractions, own, features.variances)
    return found


def _inputs_of(setting: Setting) -> Inputs:
    assert isinstance(setting.inputs, Inputs)
    return setting.inputs


def _features_of(setting: Setting, still: bool = False) -> MixtureFeatures:
    """``still``: without the inputs' variance along the axis of means of norm √d."""
    inputs, sigma = _inputs_of(setting), setting.network.get_activation()
    far = (setting.ridge.d, still) if np.any(inputs.far) else None
    key = ("mixture", setting.f, setting.network, setting.actual, inputs, far)
    return setting.set_ups.get(
        key, lambda: mixture_features(setting.f, sigma, inputs, _layer_of(setting, inputs, still))
    )


def _layer_of(setting: Setting, inputs: Inputs, still: bool) -> MixtureLayer:
    if not setting.training.steps and np.any(inputs.far):
        assert setting.ridge.d is not None
        return far_layer(setting.f, inputs, math.inf if still else setting.ridge.d)
    if not setting.training.steps:
        return untrained_layer(setting.f, inputs)
    training, network = setting.actual, setting.network
    groups = readout_groups(network)
    return trained_layer(setting.f, network.get_activation(), inputs, groups, training.eta, training.alpha)
