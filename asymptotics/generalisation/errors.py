"""The public ``risk``: errors of the ridge fit of the readout, at one point, on a grid, and along a curve."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import overload

from asymptotics.caches import SetUps
from asymptotics.experiment.input_laws import InputLaw
from asymptotics.experiment.settings import Network, Ridge, Training
from asymptotics.floating import own_floating_state
from asymptotics.generalisation.law_nodes import with_error_of_nodes
from asymptotics.generalisation.meaning import NoPrediction, meant
from asymptotics.generalisation.risk_arrays import Numbers, RiskArray, broadcast, collected
from asymptotics.generalisation.theory import Setting, Theory
from asymptotics.generalisation.theory_table import SHARED, chosen, setting_of
from asymptotics.learning.natural_units import NaturalUnits, units_of_a_fit
from asymptotics.results import Risk
from hermite.errors import InputError
from hermite.target import Target


@overload
def risk(
    f: Target | str,
    network: Network | None = None,
    training: Training | None = None,
    ridge: Ridge | None = None,
    *,
    accuracy: float | None = None,
    inputs: InputLaw | None = None,
    throw: bool = True,
    alpha: None = None,
    lam: None = None,
) -> Risk: ...
@overload
def risk(
    f: Target | str,
    network: Network | None = None,
    training: Training | None = None,
    ridge: Ridge | None = None,
    *,
    accuracy: float | None = None,
    inputs: InputLaw | None = None,
    throw: bool = True,
    alpha: Numbers | None = None,
    lam: Numbers | None = None,
) -> RiskArray: ...
@own_floating_state
def risk(
    f: Target | str,
    network: Network | None = None,
    training: Training | None = None,
    ridge: Ridge | None = None,
    *,
    accuracy: float | None = None,
    inputs: InputLaw | None = None,
    throw: bool = True,
    alpha: Numbers | None = None,
    lam: Numbers | None = None,
) -> Risk | RiskArray:
    """Test and train error of ridge regression on the features of ``network`` after ``training``. Letters: docs/conventions.md.

    ``training`` None or with 0 steps: random features at initialisation. After steps: n = α d samples each, at
    ``ridge.level`` "E" (exact covariance of the residuals on spikes and target), "iso" (isotropic residuals), "matrix" and
    "E+" (their whole covariance, averaged over auxiliary batches) or "En+" (and the fluctuation of the norms). "auto", the
    default, measures these corrections where more than 1 % is expected of them, or to ``accuracy`` (relative; default:
    ``ridge.accuracy``) where it is given, and takes the level of least estimated error; ``accuracy`` = 0 turns that off. As
    d → ∞ without an ``accuracy``, what was measured below 1 % stays in the ``error``: the number is the limit at level E.
    ``ridge.d``: the theory at this d, with the actual ratios n2/d and p/d and its finite-d terms; at 0 steps the theory
    for all (n, p, d). ``ridge.regime`` "finite" after steps: all (n, p, d) given the learned directions; "fixed-width":
    ``network.width`` neurons and d → ∞, the fit of a population.
    ``inputs``: clusters and covariances in the place of z ~ N(0, I), before and after one step; also an error ``by_cluster``.
    Class labels (``Target(..., labels="sign")``) and other ``ridge.loss``: one direction, at initialisation and after one step;
    ``classification_error``, ``test_loss`` and ``train_loss`` of the result.
    ``plateau`` of the result is floor(U, κ = 1) + Δ: the test error as alpha and beta grow.
    ``alpha``, ``lam``: in place of those of ``ridge``, numbers or arrays that broadcast together; the answer is then a
    ``RiskArray`` of that shape, and what its points share is computed once.
    Raises ``InputError`` where no theory is available or its error is as large as the number (unless ``throw`` is false:
    ``validity`` is then "none"), and ``ConvergenceError`` (likewise) where the fixed point was not reached, or
    integrals and solver together are not within ``accuracy`` of the number (without one: 1 %). Where what the theory leaves
    out is more than an ``accuracy`` that was asked for, ``validity_note`` says so: no effort makes that part smaller.
    """
    if alpha is not None or lam is not None:
        base = ridge or Ridge()
        grid = broadcast(alpha=base.alpha if alpha is None else alpha, lam=base.lam if lam is None else lam)
        points = zip(grid["alpha"].flat, grid["lam"].flat, strict=True)
        ridges = [replace(base, alpha=float(a), lam=float(x)) for a, x in points]
        found = risk_outcomes(
            f, network, training, ridges, accuracy=accuracy, inputs=inputs, throw=throw, set_ups=SetUps()
        )
        return collected(grid["alpha"], grid["lam"], found)
    return _risk(setting_of(f, network, training, ridge, accuracy, SHARED, inputs), throw)


@own_floating_state
def risk_curve(
    f: Target | str,
    network: Network,
    training: Training | None,
    ridges: Sequence[Ridge],
    *,
    accuracy: float | None = None,
    throw: bool = True,
    set_ups: SetUps | None = None,
) -> list[Risk]:
    """``risk`` at every ridge of a curve; the moments are computed once (and kept in ``set_ups``, if given).

    What the level leaves out is measured on auxiliary batches where ``risk`` does so, and not at all with ``accuracy`` 0.
    """
    found = []
    kept = SetUps() if set_ups is None else set_ups
    for point in risk_outcomes(f, network, training, ridges, accuracy=accuracy, throw=throw, set_ups=kept):
        if isinstance(point, InputError):
            raise point
        found.append(point)
    return found


def risk_outcomes(
    f: Target | str,
    network: Network | None,
    training: Training | None,
    ridges: Iterable[Ridge],
    *,
    accuracy: float | None = None,
    throw: bool = True,
    set_ups: SetUps | None = None,
    inputs: InputLaw | None = None,
) -> Iterator[Risk | InputError]:
    """``risk`` at every ridge, as they are found; an ``InputError`` in the place of a point that has no answer.

    Neighbours of one theory are handed to it together. ``set_ups``: what is kept from point to point (default: what
    single calls of ``risk`` share).
    """
    training = training or Training(steps=0)
    points = ((training, ridge) for ridge in ridges)
    return path_outcomes(f, network, points, accuracy=accuracy, throw=throw, set_ups=set_ups, inputs=inputs)


def path_outcomes(
    f: Target | str,
    network: Network | None,
    points: Iterable[tuple[Training, Ridge]],
    *,
    accuracy: float | None = None,
    throw: bool = True,
    set_ups: SetUps | None = None,
    inputs: InputLaw | None = None,
) -> Iterator[Risk | InputError]:
    """:func:`risk_outcomes` at points that may differ in the training, too; a theory may start each from its neighbour."""
    kept = SHARED if set_ups is None else set_ups

    def theory_of(setting: Setting) -> tuple[Theory | InputError, Training | None]:
        try:
            theory = chosen(setting)
        except InputError as error:
            return error, None
        return theory, None if theory.follows_training else setting.training

    in_units: dict[Training, NaturalUnits] = {}

    def asked(setting: Setting) -> Setting:
        if setting.training not in in_units:
            in_units[setting.training] = units_of_a_fit(setting.f, setting.network, setting.training, inputs)
        units = in_units[setting.training]
        return replace(setting, f=units.target, network=units.network, training=units.training)

    settings = [setting_of(f, network, training, ridge, accuracy, kept, inputs) for training, ridge in points]
    for (theory, _), group in groupby(settings, key=theory_of):
        if isinstance(theory, InputError):
            yield theory
            continue
        members = list(group)
        in_order = [asked(setting) for setting in members]
        found_by = with_error_of_nodes(theory, in_order, theory.solve_many(in_order, throw))
        for setting, found in zip(members, found_by, strict=True):
            if isinstance(found, InputError):
                yield found
            else:
                whole = in_units[setting.training].restored_risk(theory.finished(asked(setting), found))
                yield _meant_or_not(whole, throw, setting.accuracy)


def _risk(setting: Setting, throw: bool) -> Risk:
    theory = chosen(setting)
    units = units_of_a_fit(setting.f, setting.network, setting.training, setting.inputs)
    if units.changes:
        setting = replace(setting, f=units.target, network=units.network, training=units.training)
    (found,) = with_error_of_nodes(theory, [setting], iter([theory.solve(setting, throw)]))
    if isinstance(found, InputError):
        raise found
    return meant(units.restored_risk(theory.finished(setting, found)), throw, setting.accuracy)


def _meant_or_not(found: Risk, throw: bool, accuracy: float | None) -> Risk | NoPrediction:
    try:
        return meant(found, throw, accuracy)
    except NoPrediction as error:
        return error
