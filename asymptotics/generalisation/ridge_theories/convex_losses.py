"""Logistic, hinge, Huber and square loss on class labels, before and after one giant step, n, p = Θ(d)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt

from asymptotics.error_budget import Validity
from asymptotics.experiment.ridge_words import Regime
from asymptotics.generalisation.losses.class_step import class_step_units
from asymptotics.generalisation.losses.convex_fit import ConvexErrors, ConvexFit
from asymptotics.generalisation.losses.label_grid import MOST_DIRECTIONS, LabelGrid, label_grid
from asymptotics.generalisation.losses.scalar_losses import LOSSES
from asymptotics.generalisation.losses.sharp_places import Field, has_cuts
from asymptotics.generalisation.ridge_theories.settings_used import FIT, NEURONS, STEPS
from asymptotics.generalisation.spiked.ridge_equations import Units
from asymptotics.generalisation.spiked.spiked_layer import SpikedNeurons, units_of_layer
from asymptotics.generalisation.theory import Setting, Surety, Theory, result
from asymptotics.learning.class_labels import irreducible
from asymptotics.learning.groups import BIAS_NODES, bias_nodes, readout_groups
from asymptotics.results import Risk

Array = npt.NDArray[np.float64]

#: What was met at d = 300 to 600, before and after a step; the former falls as one over the smallest size.
_SIZES, _AFTER = 4.0, 0.03


class ConvexLosses(Theory):
    """Conditional Gaussian equivalence with the proximal map of the loss in the place of 1/(1 + V); level E after a step."""

    name = "conditional Gaussian equivalence, convex losses"
    regime = Regime.PROPORTIONAL
    papers = ("gerace2020generalisation", "cui2024asymptotics")
    uses = FIT | NEURONS | STEPS | {"network.readout", "ridge.loss", "target.labels"}

    def trained(self, steps: int) -> bool:
        """Before and after a step."""
        return True

    def asked(self, setting: Setting) -> bool:
        """Class labels, or another loss than the square."""
        return super().asked(setting) and (setting.f.has_classes or setting.ridge.loss != "square")

    def refusals(self, setting: Setting) -> tuple[str, ...]:
        """Values as labels, many directions, several steps, removed orders, penalties that are too small."""
        f, network, training, ridge = setting.f, setting.network, setting.training, setting.ridge
        found = []
        if not f.has_classes:
            found.append(
                f'The theory of ridge.loss = "{ridge.loss}" covers class labels: give target.labels = "sign".'
            )
        if f.r > MOST_DIRECTIONS:
            found.append(
                f"The theory of class labels and their losses covers targets of at most {MOST_DIRECTIONS} directions, not {f.r}: "
                "simulate instead."
            )
        if training.remove_orders:
            found.append("The theory of class labels covers remove_orders = [] only.")
        if not np.isfinite(ridge.beta):
            found.append("The theory of class labels and their losses covers finite beta only.")
        least = LOSSES[ridge.loss].least
        if ridge.lam == 0 or ridge.lam < least:
            bound = f"at least {least:g}" if least else "positive"
            found.append(
                f'lambda must be {bound} for ridge.loss = "{ridge.loss}" on class labels, not {ridge.lam:g}: the readout '
                "of samples that a plane separates grows without bound."
            )
        if training.steps:
            if training.batch_exponent != 1:
                found.append(
                    f"The theory of class labels covers batch_exponent = 1, not {training.batch_exponent:g}: simulate instead."
                )
            if training.steps > 1:
                found.append(f"The theory of class labels covers one giant step, not {training.steps}.")
            if network.bias > 0 or network.readout == "gaussian":
                what = "random biases" if network.bias > 0 else "a gaussian readout"
                found.append(
                    f"After a giant step the theory of class labels does not cover {what}: simulate instead."
                )
        return tuple(found)

    def surety(self, setting: Setting) -> Surety:
        """Leading order; as level E after a step."""
        ridge = setting.ridge
        small = 0.0 if ridge.d is None else _SIZES / min(ridge.d, ridge.n2(ridge.d), setting.neurons)
        note = "convex losses: the error is of relative order 1/d"
        if setting.training.steps:
            note += "; the bulk of the residual of the weights is taken as isotropic"
        return Surety(Validity.LEADING_ORDER, note, small + (_AFTER if setting.training.steps else 0.0))

    def solve(self, setting: Setting, throw: bool) -> Risk:
        """The fixed point."""
        found = self.errors(setting, throw)
        return result(
            setting, f"{self.name}: {setting.ridge.loss}", self._near_interpolation(setting, found), found.mse, found.train_mse,
            found.solution.residual * (found.solution.amplification or 1.0), averages=_set_up(setting)[1].error + found.missed,
            excess_risk=found.mse - irreducible(setting.f), plateau=None,
            classification_error=found.classification, test_loss=found.test_loss, train_loss=found.train_loss,
            solution=found.solution,
        )  # fmt: skip

    def _near_interpolation(self, setting: Setting, found: ConvexErrors) -> Surety:
        """Beside n = p at a small λ the square loss errs by as much as its smallest singular values say, which stray.

        Single networks have E(y − f)² with a relative spread of about (E(y − f)²/n)^½ and their mean is off by the square of it.
        """
        surety, ridge = self.surety(setting), setting.ridge
        if ridge.loss != "square" or ridge.d is None or found.mse <= _SIZES:
            return surety
        least = min(ridge.d, ridge.n2(ridge.d), setting.neurons)
        note = (
            f"{surety.note}; near interpolation: one network strays from the mean by about "
            f"{100 * (found.mse / least) ** 0.5:.0f} %, most of them to below"
        )
        return replace(surety, note=note, theory=(surety.theory or 0.0) + (found.mse - _SIZES) / least)

    def errors(self, setting: Setting, throw: bool) -> ConvexErrors:
        """What the equations give."""
        ridge = setting.ridge
        alpha, beta = setting.ratios
        if setting.network.is_symmetric and not setting.training.steps:
            # The two neurons of a pair are equal: half as many features.
            beta /= 2
        units, grid = _set_up(setting)
        sizes = alpha, beta, ridge.lam, ridge.d
        return ConvexFit(units, grid, ridge.loss, *sizes, nodes=partial(_at_nodes, setting)).solve(
            throw=throw
        )


def _set_up(setting: Setting) -> tuple[Units, LabelGrid]:
    """Units of the layer, and the labels that it sees."""
    return _at_nodes(setting, [], None, finer=False)


def _at_nodes(
    setting: Setting, edges: list[float], local: Callable[[Units], Field] | None, finer: bool
) -> tuple[Units, LabelGrid]:
    """Units and labels at nodes of κ with these ends of panels, and of τ for the local field there; the plain ones are kept."""
    key = ("class units", setting.f, setting.network, setting.actual, finer)

    def units() -> tuple[Units, Array]:
        return _units(setting, edges, finer)

    u, overlap = units() if edges else setting.set_ups.get(key, units)
    field = None if local is None else local(u)

    def labels() -> LabelGrid:
        return label_grid(setting.f, u.kappa, overlap, field, finer=finer)

    plain = not edges and (field is None or not has_cuts(field))
    return u, setting.set_ups.get((*key, "labels"), labels) if plain else labels()


def _units(setting: Setting, edges: list[float], finer: bool) -> tuple[Units, Array]:
    """Units of the layer, and the overlap (r, k) of its spike with the target."""
    f, network, training = setting.f, setting.network, setting.actual
    sigma = network.get_activation()
    if not training.steps:
        biases, weights = bias_nodes(network, BIAS_NODES)
        nothing = np.zeros((len(biases), 0))
        units = units_of_layer(sigma, SpikedNeurons(nothing, np.ones(len(biases)), weights, biases), f.r)
        return units, np.zeros((f.r, 0))
    groups = readout_groups(network)
    return class_step_units(f, sigma, groups, training.eta, training.alpha, edges, finer=finer)
