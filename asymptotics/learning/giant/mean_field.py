"""Many neurons: giant steps at n = alpha d, d → ∞ and then p → ∞.

Neurons fall into groups g of equal readout ã_g (and bias b_g), of weight π_g. A neuron of group g is

    w = Σ_m M_gm w*_m + Σ_k N_gk e_k + s_g ω,

e_k a few orthonormal directions of batch noise common to all neurons, ω its own direction, uniform and
orthogonal to everything else. With x ~ N(0, I) on the axes (w*, e), μ_g = (M_g, N_g)·x + b_g and ζ ~ N(0, 1),

    f(x) = Σ_g π_g ã_g E_ζ σ(μ_g + s_g ζ),   δ = f*(x) − f(x),
    S1_g = E_ζ σ'(μ_g + s_g ζ),   S2_g = E_ζ σ''(μ_g + s_g ζ),
    v_gk = E[δ S1_g x_k],   β_g = E[δ S2_g],
    K_gh = E[(δ² + Δ) S1_g S1_h],   D_g = E[(δ² + Δ) E_ζ σ'(μ_g + s_g ζ)²],

one step of rate η on n = alpha d samples gives

    (M, N)_g ← (M, N)_g + η ã_g v_g,   N gains columns B η/√alpha with B Bᵀ = (ã ãᵀ) ∘ K,
    s_g² ← s_g² (1 + η ã_g β_g)² + (η ã_g)²/alpha (D_g − K_gg).

Twins (symmetric initialisation) have correlated ω: their covariance ρ = s_g s_h ⟨ω_g, ω_h⟩ starts at 1 and
follows

    ρ ← ρ (1 + η ã_g β_g)(1 + η ã_h β_h) + η² ã_g ã_h/alpha (E[(δ² + Δ) E σ'_g σ'_h] − K_gh).

The common noise is kept in reduced form: rotated so that it has no more columns than its rank.
Source: the p → ∞ limit of the overlap recursion of the giant steps of arXiv:2305.18270.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.activations import Activation
from asymptotics.expectations.pairs import gram_moments, slope_product
from asymptotics.expectations.quadrature import sobol_normal, tensor_rule
from asymptotics.expectations.target_rule import target_rule
from asymptotics.learning.features import LearnedFeatures, spikes_of
from hermite.errors import InputError
from hermite.target import Target

Array = npt.NDArray[np.float64]

#: Amplitudes of common noise below this are counted as a neuron's own noise; the effect is of second order.
_NEGLIGIBLE = 2e-4
_MAX_NODES = 4_000_000
#: Groups up to which the risk is summed over pairs of groups.
_MAX_PAIRED = 60
_CHUNK = 1 << 21


@dataclass(frozen=True)
class MeanField:
    """State of the groups: ``M`` (G, r), ``noise`` (G, m), ``scale`` s (G,), twins' covariance ``rho``
    (G,).
    """

    readout: Array
    bias: Array
    weight: Array
    M: Array
    noise: Array
    scale: Array
    partner: npt.NDArray[np.intp] | None = None
    rho: Array | None = None

    @property
    def components(self) -> Array:
        """Components on the axes (w*, e), shape (G, r + m)."""
        return np.concatenate([self.M, self.noise], axis=1)

    @property
    def norm2(self) -> Array:
        """‖w‖², shape (G,)."""
        total: Array = np.sum(self.components**2, axis=1) + self.scale**2
        return total

    @property
    def gram(self) -> Array:
        """⟨w_i, w_j⟩ of two different neurons (not twins) of groups g and h, shape (G, G)."""
        return self.components @ self.components.T

    def features(self, step: int) -> LearnedFeatures:
        """The same state for the ridge fit: orthonormal spikes, squared residual norms, correlations of
        twins.
        """
        coordinates, gamma = spikes_of(self.components, self.M.shape[1])
        correlation = None
        if self.rho is not None and self.partner is not None:
            correlation = np.clip(self.rho / (self.scale * self.scale[self.partner]), -1.0, 1.0)
        return LearnedFeatures(
            step=step,
            readout=self.readout,
            bias=self.bias,
            weight=self.weight,
            coordinates=coordinates,
            gamma=gamma,
            residual_norm2=self.scale**2,
            partner=self.partner,
            pair_correlation=correlation,
        )


@dataclass(frozen=True)
class Averages:
    """Expectations over the fields at one state; names as in the module docstring."""

    v: Array  # (G, r + m)
    beta: Array  # (G,)
    K: Array  # (G, G)
    D: Array  # (G,)
    twins: Array | None  # (G,)
    risk: float


def initial_groups(
    readout: Array, weight: Array, bias: Array, bias_weight: Array, r: int, *, symmetric: bool
) -> MeanField:
    """The start M = 0, ‖w‖ = 1 with groups (ã, b): atoms of ã, each with every node of b.

    With ``symmetric`` the twin of (ã, b) is (−ã, b); raises :class:`InputError` if −ã is no atom.
    """
    a = np.repeat(readout, len(bias))
    b = np.tile(bias, len(readout))
    w = np.repeat(weight, len(bias)) * np.tile(bias_weight, len(readout))
    G = len(a)
    partner = None
    if symmetric:
        distance = np.abs(a[:, None] + a[None, :]) + np.where(b[:, None] == b[None, :], 0.0, np.inf)
        partner = np.argmin(distance, axis=1)
        if np.any(distance[np.arange(G), partner] > 1e-9):
            raise InputError("readout must be a symmetric law for symmetric initialisation: -a with every a")
    return MeanField(
        readout=a,
        bias=b,
        weight=w,
        M=np.zeros((G, r)),
        noise=np.zeros((G, 0)),
        scale=np.ones(G),
        partner=partner,
        rho=None if partner is None else np.ones(G),
    )


def field_rule(
    f: Target, noise: Array, scale: Array, refine: float, most: int = _MAX_NODES
) -> Iterator[tuple[Array, Array]]:
    """Chunks of nodes (N, r + m) and weights (N,) for the axes (w*, e).

    ``noise`` (G, m) and ``scale`` (G,): components of the neurons on the axes e, and their own noise. A tensor rule of
    more than ``most`` nodes gives way to Sobol points.
    """
    r, m = f.r, noise.shape[1]
    x, w = target_rule(f, refine)
    # An axis on which all neurons vary little compared with their own noise needs few nodes.
    ratio = np.max(np.abs(noise) / scale[:, None], axis=0, initial=0.0)
    orders = [max(3, round(refine * min(28, 4 + 22 * q**0.75))) for q in ratio]
    rows = max(1, _CHUNK // len(scale))
    if len(x) * np.prod(orders, dtype=float) <= most * refine:
        e, u = tensor_rule(orders)
        per = max(1, rows // len(e))
        for start in range(0, len(x), per):
            a, b = x[start : start + per], w[start : start + per]
            yield (
                np.concatenate([np.repeat(a, len(e), axis=0), np.tile(e, (len(a), 1))], axis=1),
                np.repeat(b, len(e)) * np.tile(u, len(b)),
            )
        return
    points = sobol_normal(r + m, 18 + round(refine), 20261 + round(100 * refine))
    for start in range(0, len(points), rows):
        part = points[start : start + rows]
        yield part, np.full(len(part), 1 / len(points))


def network_risk(f: Target, activation: Activation, state: MeanField, refine: float = 1.0) -> float:
    """E[(f* − f)²] of the network in ``state``, without label noise.

    E f*² − 2 Σ_g π_g ã_g E[f* σ_g] + Σ_gh π_g π_h ã_g ã_h E[σ_g σ_h], the last over different neurons: only
    the target's coordinates are integrated. Many groups (leap laws) are averaged over the fields instead.
    """
    G = len(state.readout)
    output = state.weight * state.readout
    if G > _MAX_PAIRED:
        return sum(float(w @ delta**2) for _, w, _, delta in _errors(f, activation, state, refine))
    x, w = target_rule(f, refine)
    values = f(x)
    own = np.sqrt(state.norm2 - np.sum(state.M**2, axis=1))[:, None]
    cross = activation.mean(state.M @ x.T + state.bias[:, None], own) @ (w * values)
    # Two neurons of every group: the blocks off the diagonal hold pairs of different neurons.
    gram, variance = state.gram, np.diag(state.scale**2)
    Q = np.block([[gram + variance, gram], [gram, gram + variance]])
    second = gram_moments(activation, np.tile(state.bias, 2), Q).second[:G, G:]
    return float(w @ values**2 - 2 * output @ cross + output @ second @ output)


def averages(f: Target, activation: Activation, state: MeanField, refine: float = 1.0) -> Averages:
    """All expectations that a step needs, and the risk E[(f* − f)²] of the present network."""
    G = len(state.readout)
    c = state.components
    v, beta = np.zeros((G, c.shape[1])), np.zeros(G)
    K, D = np.zeros((G, G)), np.zeros(G)
    risk = 0.0
    s = state.scale[:, None]
    for x, w, mu, delta in _errors(f, activation, state, refine):
        S1 = activation.S1(mu, s)
        first = w * delta
        power = w * (delta**2 + f.noise)
        risk += float(w @ delta**2)
        v += (S1 * first) @ x
        beta += activation.S2(mu, s) @ first
        K += (S1 * power) @ S1.T
        D += activation.slope_squares(mu, s) @ power
    return Averages(v=v, beta=beta, K=K, D=D, twins=_twins(f, activation, state, D, refine), risk=risk)


def _errors(
    f: Target, activation: Activation, state: MeanField, refine: float
) -> Iterator[tuple[Array, Array, Array, Array]]:
    """Chunks of nodes (N, r + m), weights (N,), means μ_g + b_g (G, N) and δ = f* − f (N,)."""
    output = state.weight * state.readout
    for x, w in field_rule(f, state.noise, state.scale, refine):
        mu = state.components @ x.T + state.bias[:, None]
        yield x, w, mu, f(x[:, : f.r]) - output @ activation.mean(mu, state.scale[:, None])


def _twins(f: Target, activation: Activation, state: MeanField, D: Array, refine: float) -> Array | None:
    """E[(δ² + Δ) E σ'_g σ'_h] over twins g, h: costly, smooth, and only for the correlation of twins."""
    if state.partner is None or state.rho is None:
        return None
    if not np.any(state.components) and np.all(state.scale == 1):
        return D
    G, other, s = len(D), state.partner, state.scale[:, None]
    half = np.flatnonzero(np.arange(G) <= other)
    rho = np.clip(state.rho / (state.scale * state.scale[other]), -1, 1)[half, None]
    found = np.zeros(len(half))
    for _, w, mu, delta in _errors(f, activation, state, 0.55 * refine):
        product = slope_product(activation, mu[half], s[half], mu[other[half]], s[other[half]], rho)
        found += product @ (w * (delta**2 + f.noise))
    twins = np.empty(G)
    twins[half] = found
    twins[other[half]] = found
    return twins


def advance(state: MeanField, mean: Averages, eta: float, alpha: float, *, drift: bool = True) -> MeanField:
    """The state after one step. ``drift=False`` keeps the batch noise only (n = alpha d^k with k below the
    leap).
    """
    r = state.M.shape[1]
    a, old = state.readout, state.components
    pull = float(drift)
    moved = old + pull * eta * a[:, None] * mean.v
    spread = eta / np.sqrt(alpha) * _root(np.outer(a, a) * mean.K)
    if not np.all(np.isfinite(spread)):
        raise _overflow(eta)
    noise, own = reduced(np.concatenate([moved[:, r:], spread], axis=1))
    factor = 1 + pull * eta * a * mean.beta
    variance = state.scale**2 * factor**2 + (eta * a) ** 2 / alpha * (mean.D - np.diag(mean.K)) + own
    rho = state.rho
    if rho is not None and state.partner is not None and mean.twins is not None:
        h = state.partner
        pairs = np.arange(len(h))
        rho = rho * factor * factor[h] + eta**2 / alpha * a * a[h] * (mean.twins - mean.K[pairs, h])
    if not (np.all(np.isfinite(moved)) and np.all(np.isfinite(variance)) and np.all(np.isfinite(noise))):
        raise _overflow(eta)
    return replace(state, M=moved[:, :r], noise=noise, scale=np.sqrt(np.maximum(variance, 0.0)), rho=rho)


def _overflow(eta: float) -> InputError:
    return InputError(f"training.eta = {eta:g} is too large: the overlaps overflow; use a smaller eta")


def _root(matrix: Array, tolerance: float = 1e-9) -> Array:
    """B with B Bᵀ = matrix (positive semidefinite), columns of relative weight below ``tolerance`` dropped."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    keep = values > max(tolerance * float(values.max(initial=0.0)), 1e-300)
    root: Array = vectors[:, keep] * np.sqrt(values[keep])
    return root


def reduced(noise: Array) -> tuple[Array, Array]:
    """``noise`` (G, m) rotated to as few columns as its rank, and the (negligible) variance left out, (G,)."""
    if not noise.shape[1]:
        return noise, np.zeros(len(noise))
    left, values, _ = np.linalg.svd(noise, full_matrices=False)
    columns = left * values
    keep = np.max(np.abs(columns), axis=0) > _NEGLIGIBLE * max(1.0, float(np.max(np.abs(columns))))
    return columns[:, keep], np.sum(columns[:, ~keep] ** 2, axis=1)


@dataclass(frozen=True)
class MeanFieldPath:
    """States and risks at steps 0..T; ``change`` is the largest change of M and ‖w‖² under a finer
    cubature.
    """

    states: tuple[MeanField, ...]
    risks: tuple[float, ...]
    change: float | None = None


def mean_field(
    f: Target,
    activation: Activation,
    start: MeanField,
    steps: int,
    eta: float,
    alpha: float,
    *,
    refine: float = 1.0,
    drift: bool = True,
) -> MeanFieldPath:
    """Iterate ``steps`` giant steps; raises :class:`InputError` if eta is so large that the numbers
    overflow.
    """
    states, risks = [start], []
    for _ in range(steps):
        mean = _guarded(f, activation, states[-1], refine, eta)
        risks.append(mean.risk)
        with np.errstate(over="ignore", invalid="ignore"):
            states.append(advance(states[-1], mean, np.float64(eta), alpha, drift=drift))
    # The last state needs no averages for a further step.
    with np.errstate(over="ignore", invalid="ignore"):
        risks.append(network_risk(f, activation, states[-1], refine))
    if not np.isfinite(risks[-1]):
        raise _overflow(eta)
    return MeanFieldPath(tuple(states), tuple(risks))


def _guarded(f: Target, activation: Activation, state: MeanField, refine: float, eta: float) -> Averages:
    with np.errstate(over="ignore", invalid="ignore"):
        try:
            mean = averages(f, activation, state, refine)
        except OverflowError:
            mean = None
    if mean is None or not np.isfinite(mean.risk + np.sum(mean.K) + np.sum(mean.D)):
        raise _overflow(eta)
    return mean


def checked_mean_field(
    f: Target,
    activation: Activation,
    start: MeanField,
    steps: int,
    eta: float,
    alpha: float,
    accuracy: float,
    *,
    drift: bool = True,
) -> MeanFieldPath:
    """:func:`mean_field` with the cubature refined until M and ‖w‖² change by less than ``accuracy``.

    The change counts in units of ã and ã² for groups of |ã| > 1 (the far nodes of a Gaussian law).
    The path of the finest cubature comes back with the last change; the caller compares it with ``accuracy``.
    """
    best = mean_field(f, activation, start, steps, eta, alpha, refine=0.4, drift=drift)
    for refine in (0.6, 0.85, 1.2):
        fine = mean_field(f, activation, start, steps, eta, alpha, refine=refine, drift=drift)
        size = np.maximum(1.0, np.abs(start.readout))
        change = max(
            max(
                float(np.max(np.abs(a.M - b.M) / size[:, None])),
                float(np.max(np.abs(a.norm2 - b.norm2) / size**2)),
                abs(x - y),
            )
            for a, b, x, y in zip(best.states, fine.states, best.risks, fine.risks, strict=True)
        )
        best = replace(fine, change=change)
        if change < accuracy:
            break
    return best
