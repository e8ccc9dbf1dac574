"""The public ``risk``: errors of the ridge fit of the readout, in whichever regime the settings describe.

The set-up of a curve (moments of features and target) depends on target, network and training only; it is kept and
reused along alpha, beta and lambda.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from asymptotics.expectations.quadrature import tensor_rule
from asymptotics.experiment.settings import Network, Ridge, Training
from asymptotics.fixed_point import Solution
from asymptotics.generalisation.finite.conditional_features import (
    Conditional,
    conditional_features,
    solve_conditional,
)
from asymptotics.generalisation.finite.harmonics import Features, TargetHarmonics, features, target_harmonics
from asymptotics.generalisation.finite.radial import radial_equivalent
from asymptotics.generalisation.finite.random_features import Spectrum, deterministic_equivalent, spectrum
from asymptotics.generalisation.spiked.linear_sector import Errors, solve_units
from asymptotics.generalisation.spiked.ridge_equations import Units
from asymptotics.generalisation.spiked.spiked_layer import spiked_units
from asymptotics.generalisation.spiked.trained_layer import (
    most_spikes,
    spikes,
    strength_left_out,
    trained_units,
)
from asymptotics.learning.features import LearnedFeatures
from asymptotics.learning.giant.low_orders import without_orders
from asymptotics.learning.given_directions import along_given
from asymptotics.learning.groups import BIAS_NODES, bias_nodes, readout_groups
from asymptotics.learning.laws import learned_features
from asymptotics.results import Risk
from hermite.errors import InputError
from hermite.target import Target, as_target


def risk(
    f: Target | str,
    network: Network | None = None,
    training: Training | None = None,
    ridge: Ridge | None = None,
    *,
    accuracy: float | None = None,
    throw: bool = True,
) -> Risk:
    """Test and train error of ridge regression on the features of ``network`` after ``training``.

    ``training`` None or with 0 steps: random features at initialisation. After steps: n = α d samples each, at
    ``ridge.level`` "E" (default: exact covariance of the residuals on spikes and target), "iso" (isotropic residuals),
    "matrix" (their whole covariance, averaged over auxiliary batches), "E+" (E corrected by it) or "En+" (also by the
    fluctuation of the norms). With ``accuracy`` the level "auto" measures both corrections, and takes E if they are
    smaller (relative to the test error), else En+; the estimated error is in ``validity_note``.
    ``ridge.d``: the theory at this d, with the actual ratios n2/d and p/d and its finite-d terms; at 0 steps the theory
    for all (n, p, d). ``ridge.regime`` "finite" after steps: all (n, p, d) given the learned directions; "fixed-width":
    ``network.width`` neurons and d → ∞, the fit of a population.
    ``plateau`` of the result is floor(U, κ = 1) + Δ: the test error as alpha and beta grow.
    Raises ``InputError`` where no theory is available and ``ConvergenceError`` (unless ``throw`` is false) where the
    fixed point was not reached.
    """
    network, training, ridge = network or Network(), training or Training(steps=0), ridge or Ridge()
    f = as_target(f)
    _refuse(f, network, training, ridge, accuracy)
    if ridge.regime == "fixed-width":
        return _fixed_width_risk(f, network, training, ridge)
    fitted = without_orders(f, tuple(training.remove_orders))
    if training.steps == 0 and (
        ridge.regime == "finite" or (ridge.regime == "auto" and _has_spectrum(fitted, network, ridge))
    ):
        return _finite_risk(fitted, network, ridge, throw)
    alpha, beta = _ratios(network, ridge)
    if training.steps == 0:
        units = _units_at_start(fitted, network)
        # The two neurons of a pair are equal before any step: half as many features, lambda unchanged.
        distinct = beta / 2 if network.is_symmetric else beta
        errors = solve_units(units, alpha, distinct, ridge.lam, d=ridge.d, throw=throw)
        return _conditional_result(f, network, training, ridge, errors, "random features", ("exact", ""))
    if ridge.regime == "finite":
        return _conditional_finite_risk(f, network, training, ridge, throw)
    actual = _actual(training, ridge.d)
    level = "E" if ridge.level == "auto" else ridge.level
    units = _units_after(f, network, actual, "iso" if level == "iso" else "E")
    errors = solve_units(units, alpha, beta, ridge.lam, d=ridge.d, throw=throw)
    note = _note(level, _layer(f, network, actual))
    if level in ("matrix", "E+", "En+") or (accuracy is not None and ridge.level == "auto"):
        level, errors, note = _corrected(f, network, actual, ridge, level, errors, accuracy)
    solver = f"conditional Gaussian equivalence, level {level}"
    validity = "approximate" if level == "iso" else "leading order"
    return _conditional_result(f, network, training, ridge, errors, solver, (validity, note))


def _corrected(
    f: Target,
    network: Network,
    training: Training,
    ridge: Ridge,
    level: str,
    errors: Errors,
    accuracy: float | None,
) -> tuple[str, Errors, str]:
    """The level used, its errors and a note; corrections from auxiliary batches (see ``corrections``)."""
    from asymptotics.generalisation.spiked import corrections

    alpha, beta = _ratios(network, ridge)
    batches = corrections.auxiliary_layers(f, network, training, ridge.d)
    fitted, sigma = without_orders(f, tuple(training.remove_orders)), network.get_activation()
    setting = (alpha, beta, ridge.lam, ridge.d)
    bulk, own = corrections.bulk_correction(fitted, sigma, batches, *setting)
    units, layer = _units_after(f, network, training, "E"), _layer(f, network, training)
    moving = corrections.with_norm_mode(units, sigma, layer, batches)
    norm = corrections.norm_correction(units, moving, *setting)
    size = max(abs(bulk.test), abs(norm.test))
    if level == "E" and accuracy is not None:
        level = "E" if size < accuracy else "En+"
    note = (
        f"Measured on {len(batches)} auxiliary batches at d = {batches[0].d}: anisotropy of the bulk "
        f"{100 * bulk.test:+.2g} ± {100 * bulk.test_sem:.1g} % of the test error ({100 * bulk.train:+.2g} % train), "
        f"fluctuating norms {100 * norm.test:+.2g} % ({100 * norm.train:+.2g} %)"
    )
    if level == "matrix":
        test = float(np.mean([e.test for e in own])) * (1 + bulk.test)
        train = float(np.mean([e.train for e in own])) * (1 + bulk.train)
        return level, replace(errors, test=test, train=train), note + "; the norms are not included."
    steps = [bulk] if level == "E+" else [bulk, norm] if level == "En+" else []
    test, train = errors.test, errors.train
    for correction in steps:
        test, train = test * (1 + correction.test), train * (1 + correction.train)
    included = {"E": "neither is included", "E+": "the first is included", "En+": "both are included"}[level]
    return level, replace(errors, test=test, train=train), f"{note}; {included}."


@lru_cache(maxsize=32)
def _conditional_at(f: Target, network: Network, training: Training, d: int) -> Conditional:
    """The features at dimension d given the spikes of the trained layer."""
    layer = _layer(f, network, training)
    basis = spikes(layer)
    layer = layer.absorbing(layer.c - layer.c @ basis.T @ basis)
    fitted = without_orders(f, tuple(training.remove_orders))
    # Residuals have components of order d^(-1/2) on the spikes: each group is a cloud of coordinates around its mean.
    x, share = tensor_rule([{0: 1, 1: 7, 2: 5}.get(len(basis), 3)] * len(basis))
    along = layer.covariance_on(basis)[: layer.links.groups] / d
    rest = layer.residual_norm2 - np.trace(along, axis1=1, axis2=2)
    if not np.all(rest > 0.1 * layer.residual_norm2):
        raise InputError(
            f"ridge.d = {d} is too small for training.alpha = {training.alpha:g}: nearly all of the weights' noise lies "
            "in the learned directions, which the theory at finite d takes as few among many."
        )
    nodes = (layer.c @ basis.T)[:, None, :] + x @ np.swapaxes(np.linalg.cholesky(along), 1, 2)
    return conditional_features(
        fitted,
        network.get_activation(),
        nodes.reshape(-1, len(basis)),
        np.repeat(rest, len(x)),
        np.outer(layer.groups.fraction, share).ravel(),
        basis[:, : f.r].T,
        d,
        biases=np.repeat(layer.groups.bias, len(x)),
    )


def _conditional_finite_risk(
    f: Target, network: Network, training: Training, ridge: Ridge, throw: bool
) -> Risk:
    """All (n2, p, d) after giant steps: random features conditional on the learned directions."""
    assert ridge.d is not None
    d = ridge.d
    features_given = _conditional_at(f, network, _actual(training, d), d)
    p = math.inf if math.isinf(ridge.beta) else float(ridge.p(d, network.is_symmetric))
    errors = solve_conditional(features_given, ridge.n2(d), p, ridge.lam, f.noise, throw=throw)
    note = "the residuals of the weights are isotropic off the learned directions, without radial terms: 1 to 7 % at d = 80"
    if network.is_symmetric:
        note += "; pairs are counted as independent neurons: measured 0 to 5 % (tanh) and 5 to 25 % (relu) too high"
    return _result(
        f, network, training, ridge, errors.excess + f.noise, errors.train,
        "conditional random features, finite d",
        ("approximate" if network.is_symmetric else "leading order", note),
        {"kappa": errors.kappa, "D": errors.thinning}, errors.solution,
    )  # fmt: skip


def _fixed_width_risk(f: Target, network: Network, training: Training, ridge: Ridge) -> Risk:
    """p neurons, d → ∞ (or the overlaps and n2 of ``ridge.d``): the fit of a population."""
    from asymptotics.generalisation.population import population_error
    from asymptotics.learning.laws import orthonormal_overlaps

    found = orthonormal_overlaps(f, network, training, d=ridge.d)
    last = found.steps[-1]
    penalty = 0.0 if ridge.d is None else network.width * ridge.lam / ridge.n2(ridge.d)
    fitted = without_orders(f, tuple(training.remove_orders))
    excess = population_error(fitted, network.get_activation(), last.M, last.Q, penalty)
    note = f"terms of relative order p/n2 are not included; overlaps: {found.validity_note}"
    result = _result(
        f, network, training, ridge, excess + f.noise, excess + f.noise, "population least squares",
        ("leading order", note), {"M": along_given(f, last.M), "Q": last.Q}, None,
    )  # fmt: skip
    return replace(result, p=network.width)


def risk_curve(
    f: Target | str,
    network: Network,
    training: Training | None,
    ridges: Sequence[Ridge],
    *,
    throw: bool = True,
) -> list[Risk]:
    """``risk`` at every ridge of a curve; the moments are computed once."""
    return [risk(f, network, training, ridge, throw=throw) for ridge in ridges]


def _actual(training: Training, d: int | None) -> Training:
    """``training`` with the sampling ratio n/d that rounding leaves at this d."""
    return training if d is None else replace(training, alpha=training.n(d) / d)


def _refuse(f: Target, network: Network, training: Training, ridge: Ridge, accuracy: float | None) -> None:
    """``InputError``: one sentence for every reason why no theory is available here."""
    problems: list[str] = []
    steps = training.steps
    if accuracy is not None and not (math.isfinite(accuracy) and accuracy > 0):
        problems.append(f"accuracy must be a positive number, not {accuracy!r}.")
    if 1 in training.remove_orders:
        problems.append("The ridge theory covers remove_orders [] and [0], not [0, 1].")
    if ridge.regime == "fixed-width":
        if not isinstance(network.width, int):
            problems.append(
                'ridge.regime = "fixed-width" needs network.width, a whole number, not "infinite".'
            )
        if network.bias > 0:
            problems.append('ridge.regime = "fixed-width" covers network.bias = 0 only.')
        if problems:
            raise InputError(problems)
        return
    if steps >= 1:
        if ridge.regime == "finite" and ridge.d is None:
            problems.append('ridge.regime = "finite" needs ridge.d, the input dimension.')
        if training.batch_exponent != 1:
            problems.append(
                "The ridge theory after a giant step covers batch_exponent = 1, "
                f"not {training.batch_exponent:g}; simulate instead."
            )
        exact = ridge.level in ("matrix", "E+", "En+") or accuracy is not None
        groups = len(readout_groups(network).readout) if exact else 0
        if groups > _MOST_GROUPS:
            problems.append(
                f'ridge.level = "matrix", "E+", "En+" and accuracy cover at most {_MOST_GROUPS} groups of neurons '
                f"(values of the readout times nodes of the bias), not {groups}; use level E."
            )
        if ridge.d is None and (network.readout == "gaussian" or network.bias > 0):
            what = "a gaussian readout" if network.readout == "gaussian" else "random biases"
            problems.append(
                f"After a giant step {what} needs ridge.d: neurons of rare or close parameters act through O(1/d) terms."
            )
    if problems:
        raise InputError(problems)


def _ratios(network: Network, ridge: Ridge) -> tuple[float, float]:
    """alpha and beta, as rounding leaves them at ``ridge.d``."""
    if ridge.d is None:
        return ridge.alpha, ridge.beta
    beta = ridge.beta if math.isinf(ridge.beta) else ridge.p(ridge.d, network.is_symmetric) / ridge.d
    return ridge.n2(ridge.d) / ridge.d, beta


def _note(level: str, layer: LearnedFeatures) -> str:
    """What the level leaves out; the sizes are those met in a table of 41 settings at (alpha, beta, lambda) = (2, 1, 0.05)."""
    if level == "iso":
        return "The residual of the weights is taken as isotropic: 2 to 16 % off for activations with a second Hermite order."
    anisotropy, lost = layer.anisotropy, strength_left_out(layer)
    test, train = next((bounds for limit, bounds in _LEFT_OUT if anisotropy <= limit), _LEFT_OUT[-1][1])
    few = (
        ""
        if lost < 1e-4
        else f" The {most_spikes(layer)} strongest spikes count; the next has strength {lost:.1g}."
    )
    return (
        f"The bulk of the residual of the weights is taken as isotropic and of equal norm (indicator {anisotropy:.2g}): "
        f"about {test:g} % in the test error, {train:g} % in the training error, 3 to 10 times more at small lambda "
        "with beta > alpha, and up to 2 % from fluctuating norms after several steps; accuracy= measures both."
        + few
    )


#: What level E leaves out, in percent of the test and train error, by the indicator of the anisotropy of the bulk.
_LEFT_OUT = ((0.06, (0.6, 0.4)), (0.2, (0.8, 2.0)), (0.5, (1.4, 4.4)), (math.inf, (1.9, 7.3)))
#: Groups up to which whole covariances are solved for.
_MOST_GROUPS = 4


# Set-up, kept along a curve ------------------------------------------------------------------------------------


@lru_cache(maxsize=32)
def _units_at_start(f: Target, network: Network) -> Units:
    biases, weights = bias_nodes(network, BIAS_NODES)
    return spiked_units(
        f,
        network.get_activation(),
        np.zeros((len(biases), 0)),
        np.ones(len(biases)),
        fractions=weights,
        biases=biases,
    )


@lru_cache(maxsize=32)
def _layer(f: Target, network: Network, training: Training) -> LearnedFeatures:
    """The first layer after training: it sees the labels without the removed orders."""
    return learned_features(f, network, training)


@lru_cache(maxsize=32)
def _units_after(f: Target, network: Network, training: Training, level: str) -> Units:
    fitted = without_orders(f, tuple(training.remove_orders))
    return trained_units(fitted, network.get_activation(), _layer(f, network, training), level)


# Finite n, p, d ------------------------------------------------------------------------------------------------


@lru_cache(maxsize=32)
def _features_at(network: Network, d: int) -> tuple[Features, ...]:
    biases, shares = bias_nodes(network, BIAS_NODES)
    return (features(network.get_activation(), d, biases, shares),)


@lru_cache(maxsize=32)
def _spectrum_at(f: Target, network: Network, d: int) -> tuple[TargetHarmonics, Spectrum]:
    target = target_harmonics(f, d)
    return target, spectrum(_features_at(network, d)[0], target)


def _has_spectrum(f: Target, network: Network, ridge: Ridge) -> bool:
    """Whether the theory at finite d answers: ``ridge.d`` is given and the target has tensors of a manageable size."""
    if ridge.d is None or (ridge.lam == 0 and network.bias > 0):
        return False
    try:
        _spectrum_at(f, network, ridge.d)
    except InputError:
        return False
    return True


def _finite_risk(f: Target, network: Network, ridge: Ridge, throw: bool) -> Risk:
    """Random features at initialisation for all (n, p, d); at λ = 0 without the fluctuations of |z|."""
    if ridge.d is None:
        raise InputError('ridge.regime = "finite" needs ridge.d, the input dimension.')
    if ridge.lam == 0 and network.bias > 0:
        raise InputError("lambda = 0 with random biases at finite d is not covered: choose lambda > 0.")
    d, n = ridge.d, ridge.n2(ridge.d)
    p = math.inf if math.isinf(ridge.beta) else float(ridge.p(d, network.is_symmetric))
    distinct = p / 2 if network.is_symmetric else p
    target, eigen = _spectrum_at(f, network, d)
    pooled = deterministic_equivalent(eigen, n, distinct, ridge.lam, f.noise, throw=throw)
    note = "The degrees of the target above the cut count as unlearnable." if target.missing > 0 else ""
    found: dict[str, Any] = {"nu1": pooled.nu1, "nu2": pooled.nu2, "upsilon": pooled.upsilon, "D1": pooled.d1}
    if ridge.lam == 0:
        return _result(
            f, network, Training(steps=0), ridge, pooled.excess + f.noise, pooled.train,
            "random features, finite d", ("leading order", note), found, pooled.solution,
        )  # fmt: skip
    radial = radial_equivalent(
        _features_at(network, d)[0], target, n, distinct, ridge.lam, f.noise, pooled, throw=throw
    )
    found |= {"kappa": radial.kappa, "D": radial.thinning}
    return _result(
        f, network, Training(steps=0), ridge, radial.excess + f.noise, radial.train,
        "random features, finite d, by radius", ("leading order", note), found, radial.solution,
    )  # fmt: skip


# Results --------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def _plateau(f: Target, network: Network, steps: int) -> float | None:
    """floor(U_steps, κ = 1) + Δ for this activation: the test error of the fit as alpha and beta grow."""
    from asymptotics.stairway.stairs import plateaus

    try:
        row = plateaus(f, steps=steps, kappa=1, activation=None if network.bias else network.activation)[
            steps
        ]
    except InputError:
        return None
    return f.noise + (row.plateaus if row.plateaus_activation is None else row.plateaus_activation)[1]


def _conditional_result(
    f: Target,
    network: Network,
    training: Training,
    ridge: Ridge,
    errors: Errors,
    solver: str,
    validity: tuple[str, str],
) -> Risk:
    found = {
        "V1": errors.sus.W,
        "N_inverse": errors.sus.inverse,
        "t": errors.means,
        "B": errors.alignment,
        "readout_norm2_per_d": errors.norm2,
    }
    return _result(
        f, network, training, ridge, errors.test, errors.train, solver, validity, found, errors.sus.solution
    )


def _result(
    f: Target,
    network: Network,
    training: Training,
    ridge: Ridge,
    test: float,
    train: float,
    solver: str,
    validity: tuple[str, str],
    found: dict[str, Any],
    solution: Solution | None,
) -> Risk:
    d = ridge.d
    trained = training.steps > 0
    return Risk(
        test_error=test,
        train_error=train,
        excess_risk=test - f.noise,
        step=training.steps,
        alpha=ridge.alpha,
        beta=ridge.beta,
        lam=ridge.lam,
        n=None if d is None or not trained else training.n(d),
        n2=None if d is None else ridge.n2(d),
        p=None if d is None or math.isinf(ridge.beta) else ridge.p(d, network.is_symmetric),
        d=d,
        plateau=_plateau(f, network, training.steps),
        solver=solver,
        validity=validity[0],
        validity_note=validity[1],
        order_parameters=found,
        solution=solution,
    )
