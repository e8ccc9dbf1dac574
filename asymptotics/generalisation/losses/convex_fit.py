r"""Errors of min_a Σ_μ l(y_μ, f(z_μ)) + (λ/2)|a|², y = ±1, on spiked random features (conditional Gaussian equivalence).

The equations (:mod:`asymptotics.generalisation.losses.fit_equations`) are solved by mixed sweeps at nodes of κ and τ that are
moved where averages over the noise turn sharply (:mod:`asymptotics.generalisation.losses.sharp_places`), as the solution moves.
What is left of the nodes is measured: other nodes of κ, τ and ξ, from the same start, give other errors.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from asymptotics.fixed_point import Solution, Status
from asymptotics.generalisation.losses.fit_equations import FitEquations, Sizes, State
from asymptotics.generalisation.losses.label_grid import LabelGrid
from asymptotics.generalisation.losses.mixing import Mixing
from asymptotics.generalisation.losses.scalar_losses import LOSSES
from asymptotics.generalisation.losses.sharp_places import (
    Asked,
    Field,
    Layer,
    has_cuts,
    layers_along,
    same_cuts,
)
from asymptotics.generalisation.spiked.ridge_equations import Units
from hermite.errors import ConvergenceError, InputError

Array = npt.NDArray[np.float64]
#: Units and labels at nodes with these ends of panels of κ, for a field at their nodes (None: one that is smooth in τ), finer
#: or not.
Nodes = Callable[[list[float], Callable[[Units], Field] | None, bool], tuple[Units, LabelGrid]]

_SWEEPS, _TOLERANCE = 1500, 1e-9
#: As far as sweeps at other nodes go on, and with labels to fewer degrees.
_OTHER, _ROUGH = 1e-8, 1e-5
#: Sweeps without a smaller change than ever before, after which there will be none.
_PATIENCE = 250
#: Sweeps after which nodes are looked at again, and how often they are moved.
_LOOK, _MOVES = 4, 60
#: Farther away than this, and not for longer than this, few nodes of the noise will do.
_FAR, _LONG = 0.05, 80
#: How much farther than it seems the fixed point may be of sweeps that do not settle.
_DRIFT = 10.0
#: Of the errors on new samples: less than this is none.
_NOTHING = 1e-9
#: Of the readout's size: means and alignments of less than this are none.
_ROUNDING = 1e-5


@dataclass(frozen=True)
class ConvexErrors:
    """``classification`` P(sign f ≠ y), losses and E(y − f)² on new and on training samples, |a|²/p.

    ``missed``: what the nodes of κ, τ and ξ and of the labels leave out of them, relative to each, at most.
    """

    classification: float
    test_loss: float
    train_loss: float
    mse: float
    train_mse: float
    norm2: float
    solution: Solution
    missed: float = 0.0

    @property
    def told(self) -> tuple[float, ...]:
        """The errors and losses."""
        return self.classification, self.test_loss, self.train_loss, self.mse, self.train_mse

    def gap(self, other: ConvexErrors) -> float:
        """By how much the other's differ, relative to each, at most.

        A fit that separates its samples has a training loss of e^{−600}: beside that of new samples it is none.
        """
        new = (1.0, self.test_loss, self.test_loss, self.mse, self.mse)
        sizes = [max(abs(a), _NOTHING * scale) for a, scale in zip(self.told, new, strict=True)]
        gaps = [abs(a - b) / x for a, b, x in zip(self.told, other.told, sizes, strict=True) if x]
        return float(np.max(gaps, initial=0.0))


class ConvexFit:
    """One fit: units, the ``labels`` given κ and τ, and the sizes; ``nodes`` makes both elsewhere (None: they stay)."""

    def __init__(
        self,
        units: Units,
        labels: LabelGrid,
        loss: str,
        alpha: float,
        beta: float,
        lam: float,
        d: int | None,
        nodes: Nodes | None = None,
    ) -> None:
        if loss not in LOSSES:
            raise InputError(f"ridge.loss must be one of {', '.join(LOSSES)}, not {loss!r}.")
        if not lam > 0 or lam < LOSSES[loss].least:
            least = f"at least {LOSSES[loss].least:g}" if LOSSES[loss].least else "positive"
            raise InputError(f'lambda must be {least} for ridge.loss = "{loss}", not {lam:g}.')
        if units.kappa.shape[1] > 1 or not math.isfinite(beta):
            raise InputError(
                "Losses other than the square cover at most one learned direction and a finite beta."
            )
        self.loss, self.sizes, self.nodes = LOSSES[loss], Sizes(alpha, beta, lam, d), nodes
        self.equations = FitEquations(units, labels, self.loss, self.sizes)

    def solve(self, *, throw: bool = True) -> ConvexErrors:
        """Sweeps from nothing, the square loss's from its ridge equations; ``ConvergenceError`` unless ``throw`` is false."""
        start = self.equations.start
        if self.loss.name == "square":
            start = self.equations.of_ridge_equations() or start
        state, solution = self._settled(start)
        found = self._told(state, solution)
        one = np.ones(1)
        if solution.converged and found.train_loss > (1 + _ROUNDING) * float(
            self.loss.value(one, 0 * one)[0]
        ):
            # No readout at all would have a smaller objective.
            solution = replace(solution, status=Status.UNPHYSICAL)
            found = replace(found, solution=solution)
        if throw and not solution.converged:
            raise ConvergenceError(
                f'The equations of ridge.loss = "{self.loss.name}" at lambda = {self.sizes.lam:g} did not settle in '
                f"{solution.iterations} sweeps (residual {solution.residual:.1e}): take a lambda nearer to 1.",
                solution,
            )
        return replace(found, missed=self._missed(found, state))

    def _missed(self, found: ConvexErrors, state: State) -> float:
        """By how much the errors differ at other nodes, and with labels to fewer degrees."""
        missed = 0.0
        rougher = self.equations.rougher
        if rougher is not None:
            settled, solution = _sweeps(rougher, state, _ROUGH, self.loss.damping)
            missed += found.gap(_errors(rougher, rougher, settled, solution))
        if self.nodes is not None:
            other = self._at(state, Asked.PULLS, finer=True)
            settled, solution = _sweeps(other, state, _OTHER, self.loss.damping)
            missed += found.gap(self._told(settled, solution, finer=True))
        return missed

    def _told(self, state: State, solution: Solution, *, finer: bool = False) -> ConvexErrors:
        """The errors, each at nodes that see where it turns."""
        costs, sign = (self._at(state, asked, finer=finer) for asked in (Asked.COSTS, Asked.SIGN))
        return _errors(costs, sign, state, solution)

    def _layers(self, state: State, asked: Asked) -> list[Layer]:
        """Narrow places of κ."""
        now = self.equations
        if self.nodes is None or not now.spikes:
            return []
        jumps = np.broadcast_to(now.labels.jumps, (len(now.u.kappa), now.labels.jumps.shape[1]))
        field = now.local(state, now.u, asked)
        return layers_along(now.u.kappa[:, 0], field, jumps, now.labels.jump_widths)

    def _at(self, state: State, asked: Asked, *, finer: bool = False) -> FitEquations:
        """The equations at nodes for what is asked."""
        now, layers = self.equations, self._layers(state, asked)
        if self.nodes is None or not (finer or layers or has_cuts(now.local(state, now.u, asked))):
            return now
        edges = sorted({edge for layer in layers for edge in layer.edges()})
        made = self.nodes(edges, lambda units: now.local(state, units, asked), finer)
        return FitEquations(*made, self.loss, self.sizes, finer=finer)

    def _settled(self, start: State) -> tuple[State, Solution]:
        """The state after sweeps at nodes that follow it."""
        layers: list[Layer] = []
        field: Field | None = None
        moves = 0

        def follow(state: State) -> FitEquations | None:
            nonlocal layers, field, moves
            now, wanted = self.equations, self._layers(state, Asked.PULLS)
            seen = None if self.nodes is None else now.local(state, now.u, Asked.PULLS)
            if moves >= _MOVES or seen is None or not float(np.min(seen.noise)) > 0:
                return None
            known = all(any(old.covers(layer) for old in layers) for layer in wanted)
            if known and same_cuts(field, seen, now.u.weights):
                return None
            self.equations, layers, moves = self._at(state, Asked.PULLS), wanted, moves + 1
            field = self.equations.local(state, self.equations.u, Asked.PULLS)
            return self.equations

        return _sweeps(self.equations, start, _TOLERANCE, self.loss.damping, follow)


def _sweeps(
    equations: FitEquations,
    state: State,
    tolerance: float,
    damping: float,
    follow: Callable[[State], FitEquations | None] = lambda _state: None,
) -> tuple[State, Solution]:
    """The state after sweeps that change it by less than ``tolerance``.

    ``follow`` may give equations at other nodes now and then.
    """
    change, sweeps, least, since = math.inf, 0, math.inf, 0
    mixing = Mixing(damping, equations.is_physical)
    with np.errstate(over="ignore"):
        while sweeps < _SWEEPS and sweeps < since + _PATIENCE and change > tolerance:
            sweeps += 1
            new = equations.sweep(state, rough=change > _FAR and sweeps <= _LONG)
            # t and B are parts of one vector, and where both vanish rounding beside the readout.
            readout = _ROUNDING * math.sqrt(float(np.max(np.abs(new[3]))))
            size = max(float(np.max(np.abs(new[4]))), float(np.max(np.abs(new[5]))), readout, 1e-300)
            sizes = [max(float(np.max(np.abs(a))), 1e-300) for a in new[:4]] + [size, size]
            # Of Python's maximum what is no number would be no change.
            change = float(
                np.max([np.max(np.abs(a - o)) / x for a, o, x in zip(new, state, sizes, strict=True)])
            )
            if not math.isfinite(change):
                break
            if change < least:
                least, since = change, sweeps
            state = mixing.next(state, new, sizes, change) if change > tolerance else new
            if sweeps % _LOOK == 0 or change <= tolerance:
                moved = follow(state)
                if moved is not None:
                    equations, change, least, since = moved, math.inf, math.inf, sweeps
                    mixing.forget()
    status = Status.CONVERGED if change <= tolerance else Status.STALLED
    # What still moves after so many sweeps may drift without end: near λ = 0 at interpolation the readout does.
    factor = mixing.amplification * (1.0 if status is Status.CONVERGED else _DRIFT)
    return state, Solution(status, change, sweeps, "anderson", state[4], factor)


def _errors(equations: FitEquations, signs: FitEquations, state: State, solution: Solution) -> ConvexErrors:
    """What a state says: costs at the nodes of ``equations``, the sign of the output at those of ``signs``."""
    from scipy.special import ndtr

    _, q, M = signs.variances(state)
    margin = M / np.maximum(np.sqrt(q)[:, None], 1e-300)
    wrong = signs.positive * ndtr(-margin) + (1 - signs.positive) * ndtr(margin)
    classification = float(np.sum(signs.weights * wrong))
    _, q, M = equations.variances(state)
    w, positive = equations.weights, equations.positive
    square = positive * (1 - M) ** 2 + (1 - positive) * (1 + M) ** 2 + q[:, None]
    costs = equations.costs(state)
    told = (costs.test, costs.train, square, costs.train_square)
    test, train, mse, train_mse = (float(np.sum(w * x)) for x in told)
    norm2 = float(np.einsum("ubb->", state[3]))
    return ConvexErrors(classification, test, train, mse, train_mse, norm2, solution)
