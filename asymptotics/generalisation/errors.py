"""The public ``risk``: errors of the ridge fit of the readout, in whichever regime the settings describe.

The set-up of a curve (moments of features and target) depends on target, network and training only; it is kept and
reused along alpha, beta and lambda.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from asymptotics.experiment import Network, Ridge, Training
from asymptotics.generalisation.first_step import Groups, first_step_units, labels_of
from asymptotics.generalisation.spiked import spiked_units
from asymptotics.generalisation.units import Errors, Units, solve_units
from asymptotics.results import Risk
from hermite.errors import InputError
from hermite.target import Target

#: Nodes for laws that are not atomic: biases, and a Gaussian readout.
BIAS_NODES = 16
READOUT_NODES = 24


def risk(
    f: Target,
    network: Network | None = None,
    training: Training | None = None,
    ridge: Ridge | None = None,
    *,
    throw: bool = True,
) -> Risk:
    """Test and train error of ridge regression on the features of ``network`` after ``training``.

    ``training`` None or with 0 steps: random features at initialisation. One step: one target direction, n = α d.
    ``ridge.d``: the theory at this d, with the actual ratios n2/d and p/d and its finite-d terms.
    Raises ``InputError`` where no theory is available and ``ConvergenceError`` (unless ``throw`` is false) where the
    fixed point was not reached.
    """
    network, training, ridge = network or Network(), training or Training(steps=0), ridge or Ridge()
    if ridge.regime == "finite" or (ridge.regime == "auto" and training.steps == 0 and ridge.d is not None):
        return _finite(f, network, training, ridge)
    _refuse(f, network, training, ridge)
    alpha, beta = _ratios(network, ridge)
    if training.steps == 0:
        units = _units_at_start(f, network)
        # The two neurons of a pair are equal before any step: half as many features, lambda unchanged.
        distinct = beta / 2 if network.is_symmetric else beta
        errors = solve_units(units, alpha, distinct, ridge.lam, d=ridge.d, throw=throw)
        return _result(f, network, training, ridge, errors, "random features", "exact", "")
    level = "E" if ridge.level == "auto" else ridge.level
    units = _units_after_one(f, network, replace_alpha(training, ridge.d), level)
    errors = solve_units(units, alpha, beta, ridge.lam, d=ridge.d, throw=throw)
    return _result(
        f,
        network,
        training,
        ridge,
        errors,
        f"conditional Gaussian equivalence, level {level}",
        *_validity(level),
    )


def risk_curve(
    f: Target, network: Network, training: Training | None, ridges: Sequence[Ridge], *, throw: bool = True
) -> list[Risk]:
    """``risk`` at every ridge of a curve; the moments are computed once."""
    return [risk(f, network, training, ridge, throw=throw) for ridge in ridges]


def replace_alpha(training: Training, d: int | None) -> Training:
    """``training`` with the sampling ratio n/d that rounding leaves at this d."""
    from dataclasses import replace

    return training if d is None else replace(training, alpha=training.n(d) / d)


def _refuse(f: Target, network: Network, training: Training, ridge: Ridge) -> None:
    """``InputError``: one sentence for every reason why no theory is available here."""
    problems: list[str] = []
    steps = training.steps
    if ridge.regime == "fixed-width":
        problems.append(
            'ridge.regime = "fixed-width" is not available: use "auto", "proportional" or "finite".'
        )
    if steps > 1:
        problems.append(f"The ridge theory covers 0 and 1 giant steps, not {steps}; simulate instead.")
    if steps >= 1:
        if f.r > 1:
            problems.append(
                f"The ridge theory after a giant step covers one target direction, not {f.r}; simulate instead."
            )
        if training.batch_exponent != 1:
            problems.append(
                "The ridge theory after a giant step covers batch_exponent = 1, "
                f"not {training.batch_exponent:g}; simulate instead."
            )
        if 1 in training.remove_orders:
            problems.append(
                "The ridge theory after a giant step covers remove_orders [] and [0], not [0, 1]."
            )
        if ridge.level not in ("auto", "iso", "E"):
            problems.append(f'ridge.level after one step is "auto", "E" or "iso", not {ridge.level!r}.')
        if ridge.d is None and (network.readout == "gaussian" or network.bias > 0):
            what = "a gaussian readout" if network.readout == "gaussian" else "random biases"
            problems.append(
                f"After a giant step {what} needs ridge.d: neurons of rare or close parameters act through O(1/d) terms."
            )
        if ridge.d is None and math.isinf(ridge.beta) and network.readout == "gaussian":
            problems.append("ridge.beta = inf needs a readout of finitely many values.")
    if problems:
        raise InputError(problems)


def _ratios(network: Network, ridge: Ridge) -> tuple[float, float]:
    """alpha and beta, as rounding leaves them at ``ridge.d``."""
    if ridge.d is None:
        return ridge.alpha, ridge.beta
    beta = ridge.beta if math.isinf(ridge.beta) else ridge.p(ridge.d, network.is_symmetric) / ridge.d
    return ridge.n2(ridge.d) / ridge.d, beta


def _validity(level: str) -> tuple[str, str]:
    if level == "iso":
        return "approximate", "The residual of the weights is taken as isotropic."
    return (
        "leading order",
        "The bulk of the residual of the weights is taken as isotropic (exact on the learned block).",
    )


# Set-up, kept along a curve ------------------------------------------------------------------------------------


@lru_cache(maxsize=32)
def _units_at_start(f: Target, network: Network) -> Units:
    biases, weights = _bias_nodes(network, BIAS_NODES)
    return spiked_units(
        f,
        network.get_activation(),
        np.zeros((len(biases), 0)),
        np.ones(len(biases)),
        fractions=weights,
        biases=biases,
    )


@lru_cache(maxsize=32)
def _units_after_one(f: Target, network: Network, training: Training, level: str) -> Units:
    sigma = network.get_activation()
    groups = readout_groups(network, training.eta)
    labels = labels_of(f, training.alpha)
    if 0 in training.remove_orders:
        labels = labels.shifted(float(labels.e[1, 0]))
    else:
        # A readout law with a mean gives the network a constant initial output, which the gradient subtracts.
        output = sigma.mean(groups.bias, np.ones_like(groups.bias))
        labels = labels.shifted(
            float(np.sum(_readouts(network) * output)) if not network.is_symmetric else 0.0
        )
    return first_step_units(f, sigma, groups, labels, level)


def _bias_nodes(network: Network, nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss–Hermite nodes of the biases and their weights; a single 0 without biases."""
    from asymptotics.gaussian import hermite_rule

    if network.bias == 0:
        return np.zeros(1), np.ones(1)
    x, w = hermite_rule(nodes)
    return network.bias * x, w


def _atoms(network: Network) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(ã, bias, weight) of the groups at initialisation, readout slowest."""
    gaussian = network.readout == "gaussian"
    many = gaussian and network.bias > 0
    values, shares = network.readout_atoms(8 if many else READOUT_NODES)
    biases, weights = _bias_nodes(network, 5 if many else max(5, BIAS_NODES // len(values)))
    return (
        np.repeat(values, len(biases)),
        np.tile(biases, len(values)),
        np.outer(shares, weights).ravel(),
    )


def _readouts(network: Network) -> np.ndarray:
    """ã times weight of every group: a sum against it averages over the network's readout."""
    values, _, weights = _atoms(network)
    product: np.ndarray = values * weights
    return product


def readout_groups(network: Network, eta: float) -> Groups:
    """The groups of a network before a giant step; symmetric: pairs (ã, −ã) that share their row and bias.

    The two neurons of a pair with ã = 0 stay equal: they count as one feature of amplitude √2.
    """
    values, biases, weights = _atoms(network)
    if not network.is_symmetric:
        return Groups(eta * values, biases, weights, np.ones_like(weights), None)
    if np.any(values == 0):
        raise InputError(
            "After a giant step a symmetric readout law with an atom at 0 is not covered; remove the atom or choose "
            'initialisation = "independent".'
        )
    index = {(float(a), float(b)): i for i, (a, b) in enumerate(zip(values, biases, strict=True))}
    pairs = tuple((i, index[-a, b]) for (a, b), i in index.items() if a > 0)
    return Groups(eta * values, biases, weights, np.ones_like(weights), pairs)


# Results --------------------------------------------------------------------------------------------------------


def _result(
    f: Target,
    network: Network,
    training: Training,
    ridge: Ridge,
    errors: Errors,
    solver: str,
    validity: str,
    note: str,
) -> Risk:
    d = ridge.d
    sizes = {} if d is None else {"n2": ridge.n2(d), "d": d}
    if d is not None and training.steps > 0:
        sizes["n"] = training.n(d)
    if d is not None and not math.isinf(ridge.beta):
        sizes["p"] = ridge.p(d, network.is_symmetric)
    return Risk(
        test_error=errors.test,
        train_error=errors.train,
        excess_risk=errors.test - f.noise,
        step=training.steps,
        alpha=ridge.alpha,
        beta=ridge.beta,
        lam=ridge.lam,
        solver=solver,
        validity=validity,
        validity_note=note,
        order_parameters={
            "V1": errors.sus.W,
            "N_inverse": errors.sus.inverse,
            "t": errors.means,
            "B": errors.alignment,
            "readout_norm2_per_d": errors.norm2,
        },
        solution=errors.sus.solution,
        **sizes,
    )


def _finite(f: Target, network: Network, training: Training, ridge: Ridge) -> Risk:
    raise InputError('ridge.regime = "finite" is not available yet.')
