"""Many neurons: giant steps at n = alpha d, d → ∞ and then p → ∞; the one derivation of the first layer.

Neurons fall into groups g of equal readout ã_g and bias b_g, of weight π_g: w = Σ_k c_gk h_k + r, as in
:mod:`asymptotics.learning.features`. With x ~ N(0, I) on the axes, μ_g = c_g·x + b_g, s_g² = R_gg, ζ ~ N(0, 1) and the
error δ of :mod:`asymptotics.learning.giant.fields`,

    S1_g = E_ζ σ'(μ_g + s_g ζ),   S2_g = E_ζ σ''(μ_g + s_g ζ),   J_gh = E σ'_g σ'_h (residuals of covariance R_gh),
    v_gk = E[δ S1_g x_k],   β_g = E[δ S2_g],   K_gh = E[(δ² + Δ) S1_g S1_h],   D_gh = E[(δ² + Δ) J_gh],

one step of size a_g = η ã_g on n = alpha d samples gives

    c_g ← c_g + a_g v_g,   c gains columns B/√alpha with B Bᵀ = (a aᵀ) ∘ K,
    R_gh ← R_gh (1 + a_g β_g)(1 + a_h β_h) + a_g a_h/alpha (D_gh − K_gh)          (one neuron, or the two of a pair).

The common noise is kept in reduced form: rotated so that it has no more columns than its rank. Where the layer carries the
covariance S of its residuals, :mod:`asymptotics.learning.giant.residual_covariance` moves it along, and
:mod:`asymptotics.learning.giant.mean_mode` the means of the residuals.
Source: the p → ∞ limit of the overlap recursion of the giant steps of arXiv:2305.18270.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.activations import Activation
from asymptotics.expectations.patience import Patience
from asymptotics.learning.entries import growth
from asymptotics.learning.features import LearnedFeatures, untrained
from asymptotics.learning.giant.fields import Fields, Resolution, Sums, fields_of, network_risk
from asymptotics.learning.giant.mean_mode import coherence_after
from asymptotics.learning.giant.residual_covariance import (
    CovarianceMeans,
    anisotropy_of,
    covariance_after,
    covariance_means,
)
from asymptotics.learning.giant.slope_products import pair_products
from asymptotics.learning.groups import Groups
from hermite.errors import InputError
from hermite.target import Target

Array = npt.NDArray[np.float64]

#: Common noise of relative size below this counts as a neuron's own: an effect of second order.
_NEGLIGIBLE = 1e-4
#: With more groups than this (laws with a density) the axes of the cubature are many: fewer nodes an axis and in all.
FEW_GROUPS = 8
#: Seconds of a finer cubature, in those of all before.
_MORE = 2.0
#: Averages over pairs are costly and smooth: their share of the nodes an axis.
_PAIRS = 0.55


@dataclass(frozen=True)
class Means(Sums):
    """Expectations over the fields at one state; names as in the module docstring."""

    v: Array  # (G, H)
    beta: Array  # (G,)
    K: Array  # (G, G)
    D: Array  # (L,)
    risk: float


def _means(part: Fields, S1: Array, S2: Array, product: Array, noise: float) -> Means:
    """The averages over one chunk."""
    first, power = part.w * part.delta, part.w * (part.delta**2 + noise)
    return Means(
        v=(S1 * first) @ part.x,
        beta=S2 @ first,
        K=(S1 * power) @ S1.T,
        D=product @ power,
        risk=float(part.w @ part.delta**2),
    )


def averages(f: Target, activation: Activation, layer: LearnedFeatures, resolution: Resolution) -> Means:
    """What a step of c and R needs, and the risk E[(f* − f)²] of the present network."""
    scale = np.sqrt(layer.residual_norm2)
    s = scale[:, None]
    # Pairs of erf cost no more than its neurons: they need no rule of their own.
    together = activation.gauss_error is not None and not _is_untrained(layer)
    total: Means | None = None
    for part in fields_of(f, activation, layer, resolution):
        S1, S2, product = activation.slope_averages(part.mu, s)
        if together:
            pairs = pair_products(activation, layer.links, layer.correlation, part.mu, scale)
            product = np.concatenate([product, pairs])
        found = _means(part, S1, S2, product, f.noise)
        total = found if total is None else total + found
    assert total is not None
    if together:
        return total
    return replace(total, D=np.concatenate([total.D, _pairs(f, activation, layer, total.D, resolution)]))


def _pairs(
    f: Target, activation: Activation, layer: LearnedFeatures, own: Array, resolution: Resolution
) -> Array:
    """D_gh of the pairs, (L − G,)."""
    links, scale = layer.links, np.sqrt(layer.residual_norm2)
    left = links.left[links.groups :]
    if _is_untrained(layer):
        # The two neurons of a pair are equal.
        return own[left]
    total = np.zeros(len(left))
    if len(left):
        coarse = replace(resolution, refine=_PAIRS * resolution.refine)
        for part in fields_of(f, activation, layer, coarse):
            product = pair_products(activation, links, layer.correlation, part.mu, scale)
            total += product @ (part.w * (part.delta**2 + f.noise))
    return total


def _is_untrained(layer: LearnedFeatures) -> bool:
    return not np.any(layer.c) and bool(np.all(layer.residual_norm2 == 1))


def averages_with_covariance(
    f: Target, activation: Activation, layer: LearnedFeatures, resolution: Resolution
) -> tuple[Means, CovarianceMeans]:
    """The same and what the covariance of the residuals needs, from one pass over the fields."""
    scale = np.sqrt(layer.residual_norm2)
    s = scale[:, None]
    total: tuple[Means, CovarianceMeans] | None = None
    for part in fields_of(f, activation, layer, resolution):
        S1, S2, own = activation.slope_averages(part.mu, s)
        product = np.concatenate(
            [own, pair_products(activation, layer.links, layer.correlation, part.mu, scale)]
        )
        found = _means(part, S1, S2, product, f.noise)
        more = covariance_means(layer, part, S1, S2, product, f.noise)
        total = (found, more) if total is None else (total[0] + found, total[1] + more)
    assert total is not None
    return total


def advance(
    layer: LearnedFeatures,
    mean: Means,
    eta: float,
    alpha: float,
    *,
    covariance: CovarianceMeans | None = None,
    drift: bool = True,
    rare: bool = True,
) -> LearnedFeatures:
    """The layer after one more step.

    ``drift=False`` keeps the batch noise only (n = alpha d^k with k below the leap); ``covariance`` moves S along;
    ``rare`` as in :class:`Resolution`. Raises :class:`InputError` where the weights overflow.
    """
    r, i, left, right = layer.targets, 1.0 / alpha, layer.links.left, layer.links.right
    H, G = layer.c.shape[1], layer.links.groups
    a, pull = eta * layer.readout, float(drift)
    factor = 1 + pull * a * mean.beta
    R = layer.R * (factor[left] * factor[right]) + a[left] * a[right] * i * (mean.D - mean.K[left, right])
    if not (np.all(np.isfinite(mean.v)) and np.all(np.isfinite(mean.K)) and np.all(np.isfinite(R))):
        raise overflow(eta)
    kick = i * np.outer(a, a) * mean.K
    if not np.all(np.isfinite(kick)):
        raise overflow(eta)
    values, vectors = np.linalg.eigh((kick + kick.T) / 2)
    keep = values > max(1e-12 * float(values[-1]), 1e-300)
    root = np.sqrt(values[keep])
    c = np.concatenate([layer.c + pull * a[:, None] * mean.v, vectors[:, keep] * root], axis=1)
    S, anisotropy, coherence = None, layer.anisotropy, None
    if covariance is not None:
        orthonormal = np.zeros((H + G, H + len(root)))
        orthonormal[:H, :H] = np.eye(H)
        orthonormal[H:, H:] = a[:, None] * vectors[:, keep] / root
        extended = covariance_after(layer, covariance, mean.beta, mean.K, a, i)
        S = orthonormal.T @ extended @ orthonormal
        anisotropy += anisotropy_of(layer, covariance, factor, R, a, i)
        coherence = coherence_after(
            layer, covariance.slopes, mean.beta, covariance.curvatures, covariance.rest, R, a, i
        )
    if not np.all(np.isfinite(c)):
        raise overflow(eta)
    R[:G] = np.maximum(R[:G], 0.0)
    return rotated(LearnedFeatures(layer.groups, layer.links, r, c, R, S, anisotropy, coherence), rare)


def overflow(eta: float) -> InputError:
    """The refusal of a step that makes the weights overflow."""
    return InputError(f"training.eta = {eta:g} is too large: the weights overflow; use a smaller eta")


def rotated(layer: LearnedFeatures, rare: bool) -> LearnedFeatures:
    """The same layer on the directions of noise that neurons have components on; negligible ones join the rest."""
    r, noise = layer.targets, layer.noise
    weighted = noise if rare else np.sqrt(layer.weight)[:, None] * noise
    _, values, axes = np.linalg.svd(weighted, full_matrices=False)
    size = np.max(np.abs(noise @ axes.T), axis=0, initial=0.0) if rare else values
    keep = size > _NEGLIGIBLE * max(1.0, float(size.max(initial=0.0)))
    turn = np.zeros((layer.c.shape[1], r + int(keep.sum())))
    turn[:r, :r] = np.eye(r)
    turn[r:, r:] = axes[keep].T
    S = None if layer.S is None else np.swapaxes(turn, 0, 1) @ layer.S @ turn
    return replace(layer.absorbing(noise @ axes[~keep].T), c=layer.c @ turn, S=S)


#: After several steps: how much coarser the cubature is from which the error of the layer is told.
_COARSER = 0.7


def train(
    f: Target, activation: Activation, groups: Groups, steps: int, eta: float, alpha: float
) -> LearnedFeatures:
    """The layer with the covariance of its residuals after ``steps`` giant steps on n = α d samples each.

    Its ``error`` is what a coarser cubature changes in M and R, in units of ã and ã² for groups of |ã| above its root
    mean square: the far nodes of a Gaussian law, which hardly a neuron has, move most.
    Raises :class:`InputError` if eta makes it overflow.
    """
    start = untrained(groups, f.r, covariance=True)
    few = start.links.groups <= FEW_GROUPS
    resolution = Resolution(1.0, rare=False) if few else Resolution(0.6, 400_000, rare=False)
    layer = start
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(steps):
            mean, covariance = averages_with_covariance(f, activation, layer, resolution)
            if not np.isfinite(covariance.square_11).all():
                raise overflow(eta)
            layer = advance(layer, mean, eta, alpha, covariance=covariance, rare=False)
        if steps < 2:
            # One step is averages over the target alone, whose error is known.
            return layer
        coarse, coarser = start, replace(resolution, refine=_COARSER * resolution.refine)
        for _ in range(steps):
            coarse = advance(coarse, averages(f, activation, coarse, coarser), eta, alpha, rare=False)
    units = _units_of(start)
    of_links = units[layer.links.left] * units[layer.links.right]
    pairs = ((layer.M, coarse.M, units[:, None]), (layer.R, coarse.R, of_links))
    size = max(float(np.abs(fine / unit).max()) for fine, _, unit in pairs)
    change = max(float(np.abs((fine - other) / unit).max()) for fine, other, unit in pairs)
    return replace(layer, error=change / size)


def _units_of(layer: LearnedFeatures) -> Array:
    """|ã_g| in its root mean square where it is larger: what M of a group is counted in, in any unit of the labels."""
    typical = math.sqrt(float(layer.weight @ layer.readout**2)) or 1.0
    units: Array = np.maximum(1.0, np.abs(layer.readout) / typical)
    return units


@dataclass(frozen=True)
class MeanFieldPath:
    """Layers and risks at steps 0..T; ``changes`` of M and ‖w‖² and ``risk_changes`` at each under a finer cubature (None:
    not seen)."""

    states: tuple[LearnedFeatures, ...]
    risks: tuple[float, ...]
    changes: tuple[float, ...] | None = None
    risk_changes: tuple[float, ...] | None = None

    @property
    def reached(self) -> float:
        """The largest change, of weights in the unit of an accuracy, and of risks relative to the largest."""
        if self.changes is None or self.risk_changes is None:
            return 0.0
        unit = max(1.0, growth(self.risks), *(float(np.max(layer.weight_norm2)) for layer in self.states))
        return max(max(self.changes) / unit, max(self.risk_changes) / (max(self.risks) or 1.0))


def mean_field(
    f: Target,
    activation: Activation,
    start: LearnedFeatures,
    steps: int,
    eta: float,
    alpha: float,
    *,
    refine: float = 1.0,
    drift: bool = True,
) -> MeanFieldPath:
    """Iterate ``steps`` giant steps; raises :class:`InputError` if eta is so large that the numbers overflow."""
    states, risks = [start], []
    for _ in range(steps):
        mean = _guarded(f, activation, states[-1], refine, eta)
        risks.append(mean.risk)
        with np.errstate(over="ignore", invalid="ignore"):
            states.append(advance(states[-1], mean, eta, alpha, drift=drift))
    # The last state needs no averages for a further step.
    with np.errstate(over="ignore", invalid="ignore"):
        risks.append(network_risk(f, activation, states[-1], refine))
    if not np.isfinite(risks[-1]):
        raise overflow(eta)
    return MeanFieldPath(tuple(states), tuple(risks))


def _guarded(f: Target, activation: Activation, layer: LearnedFeatures, refine: float, eta: float) -> Means:
    with np.errstate(over="ignore", invalid="ignore"):
        try:
            mean = averages(f, activation, layer, Resolution(refine))
        except OverflowError:
            mean = None
    if mean is None or not np.isfinite(mean.risk + np.sum(mean.K) + np.sum(mean.D)):
        raise overflow(eta)
    return mean


def checked_mean_field(
    f: Target,
    activation: Activation,
    start: LearnedFeatures,
    steps: int,
    eta: float,
    alpha: float,
    accuracy: float,
    *,
    drift: bool = True,
) -> MeanFieldPath:
    """:func:`mean_field` with the cubature refined until weights and risks change by less than ``accuracy``.

    M and ‖w‖² count in units of ã and ã² for groups of |ã| above its root mean square (the far nodes of a Gaussian law) and
    relative to norms above 1, risks relative to the largest: the same in every unit of the labels. The path of the finest
    cubature comes back with the last changes; the caller compares them with ``accuracy``. No finer one is begun that would
    take more than the ``SECONDS`` of a budget.
    """
    patience = Patience()
    best = mean_field(f, activation, start, steps, eta, alpha, refine=0.4, drift=drift)
    for refine in (0.6, 0.85, 1.2):
        fine = mean_field(f, activation, start, steps, eta, alpha, refine=refine, drift=drift)
        moved = tuple(abs(x - y) for x, y in zip(best.risks, fine.risks, strict=True))
        best = replace(fine, changes=_changes(best, fine, _units_of(start)), risk_changes=moved)
        if best.reached < accuracy or not patience.allows(_MORE):
            break
    return best


def _changes(one: MeanFieldPath, two: MeanFieldPath, size: Array) -> tuple[float, ...]:
    """At each step the largest difference of M and of ‖w‖², in units of ``size`` and of its square."""
    return tuple(
        max(
            float(np.max(np.abs(a.M - b.M) / size[:, None])),
            float(np.max(np.abs(a.weight_norm2 - b.weight_norm2) / size**2)),
        )
        for a, b in zip(one.states, two.states, strict=True)
    )
