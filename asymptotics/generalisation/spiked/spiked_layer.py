"""Spiked random features: from coordinates of the neurons to the units whose equations are solved.

A neuron of group g is w = Σ_j c_gj u_j + √s_g f with f of unit norm, isotropic: orthogonal to the spikes
(``spike_comp`` false) or with its natural O(1/√d) components on them (true: what a real network has). The two differ
at leading order. The neurons of a pair have residuals f, f' of correlation ρ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.activations import Activation
from asymptotics.generalisation.spiked.feature_moments import (
    SHARPEST,
    coincidences,
    group_moments,
    missed_by_rule,
    product_moment,
    spike_rule,
)
from asymptotics.generalisation.spiked.ridge_equations import Units
from asymptotics.generalisation.spiked.target_moments import (
    check_energy,
    conditional_moments,
    spike_breaks,
    spike_slope,
)
from hermite.errors import InputError
from hermite.target import Target

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SpikedNeurons:
    """Groups of neurons w = Σ_j c_j u_j + √s f.

    ``coordinates`` c (A, k), ``norm2`` s (A,), ``fractions`` π (A,) (default equal), ``biases`` (A,);
    ``pairs``: groups of the two neurons of each unit (maybe the same), with correlations ``rho`` (U,); default: independent rows.
    ``v`` (U, B, B, k + r, k + r): covariance × d of the residuals along spikes and θ (default isotropic).
    """

    coordinates: npt.ArrayLike
    norm2: npt.ArrayLike
    fractions: npt.ArrayLike | None = None
    biases: npt.ArrayLike | None = None
    pairs: Sequence[tuple[int, int]] | None = None
    rho: npt.ArrayLike | None = None
    v: npt.ArrayLike | None = None

    @property
    def units(self) -> tuple[npt.NDArray[np.int_], Array]:
        """The groups of each unit (U, B), and the correlations of their residuals (U, B, B)."""
        if self.pairs is None:
            groups = np.size(self.norm2)
            return np.arange(groups)[:, None], np.ones((groups, 1, 1))
        return np.asarray(self.pairs, int), _pair_matrices(np.asarray(self.rho, float))


def spiked_units(
    f: Target,
    sigma: Activation,
    neurons: SpikedNeurons,
    overlap: npt.ArrayLike | None = None,
    *,
    spike_comp: bool = True,
    coarse: bool = False,
) -> Units:
    """The units of spiked random features.

    ``overlap`` Γ (r, k) of the target's directions with the spikes; ``coarse``: averages of the target to 1e-4.
    Raises ``InputError`` on inconsistent shapes.
    """
    gamma = _overlap_of(f.r, neurons, overlap)
    k = gamma.shape[1]
    # As far as the rule reaches; a target that is sharper than this is seen in the error of its moments.
    slope = min(spike_slope(f, gamma), SHARPEST if k == 1 else 8.0 if k == 2 else 1.0)
    units = units_of_layer(sigma, neurons, f.r, slope, spike_breaks(f, gamma), spike_comp=spike_comp)
    seen = conditional_moments(f, units.kappa, gamma, coarse)
    found = float(units.weights @ (seen.f0**2 + np.sum(seen.f1**2, axis=1) + seen.fs2))
    error = max(check_energy(f, found), units.error)
    return replace(units, f0=seen.f0, f1=seen.f1, fs2=seen.fs2, f2=seen.f2, error=error)


def units_of_layer(
    sigma: Activation,
    neurons: SpikedNeurons,
    r: int,
    slope: float = 1.0,
    breaks: Sequence[float] = (),
    *,
    spike_comp: bool = True,
    finer: bool = False,
) -> Units:
    """The units without a target (its moments are 0), for one of ``r`` directions that the rule over κ is to resolve.

    ``slope``: how sharply averages of the target turn with κ; ``breaks``: where panels end; ``finer``: at more nodes.
    """
    s = np.atleast_1d(np.asarray(neurons.norm2, float))
    groups = len(s)
    c = np.asarray(neurons.coordinates, float).reshape(groups, -1)
    k = c.shape[1]
    if not np.all(s > 0):
        raise InputError(f"norm2 must be positive for every group, not {s.tolist()}.")
    shift = np.zeros(groups) if neurons.biases is None else np.asarray(neurons.biases, float)
    share = (
        np.full(groups, 1.0 / groups) if neurons.fractions is None else np.asarray(neurons.fractions, float)
    )
    members, correlation = neurons.units
    breaks = [*breaks, *_pair_breaks(sigma, c, shift, np.sqrt(s), members, correlation)]
    slope = max(slope, float(np.max(np.linalg.norm(c, axis=1) / np.sqrt(s), initial=1.0)))
    kappa, weights = spike_rule(k, slope, breaks, finer=finer)
    mean = kappa @ c.T + shift
    mu0, mu1, rest = group_moments(sigma, mean, s)
    root = np.sqrt(s)
    return Units(
        weights=weights,
        kappa=kappa,
        mu0=mu0,
        mu1=mu1,
        spread=_spread(sigma, mean, s, mu0, mu1, rest, members, correlation),
        # A pair of two neurons of the same group uses up its fraction twice.
        count=share[members[:, 0]] / np.where((members == members[:, :1]).sum(axis=1) == 2, 2.0, 1.0),
        members=members,
        rho=correlation,
        v=isotropic(correlation, k, r, spike_comp) if neurons.v is None else np.asarray(neurons.v, float),
        f0=np.zeros(len(kappa)),
        f1=np.zeros((len(kappa), r)),
        fs2=np.zeros(len(kappa)),
        mu2=s * sigma.S2_distribution(mean, np.broadcast_to(root, mean.shape)),
        error=missed_by_rule(sigma, weights, mu0**2 + mu1**2 + rest, c, shift, s, share),
    )


def isotropic(rho: Array, k: int, r: int, spike_comp: bool) -> Array:
    """v (U, B, B, k + r, k + r) of isotropic residuals: ρ times the identity, without the spikes if told so."""
    directions = np.eye(k + r)
    if not spike_comp:
        directions[:k, :k] = 0.0
    return rho[..., None, None] * directions


def _overlap_of(r: int, neurons: SpikedNeurons, overlap: npt.ArrayLike | None) -> Array:
    """Γ (r, k), checked."""
    k = np.asarray(neurons.coordinates, float).reshape(np.size(neurons.norm2), -1).shape[1]
    gamma = np.zeros((r, 0)) if overlap is None else np.asarray(overlap, float).reshape(r, k)
    if k and float(np.linalg.norm(gamma, 2)) > 1 + 1e-9:
        raise InputError(
            "overlap must have singular values of at most 1: directions and spikes are orthonormal."
        )
    return gamma


def _pair_matrices(rho: Array) -> Array:
    out = np.ones((len(rho), 2, 2))
    out[:, 0, 1] = out[:, 1, 0] = rho
    return out


def _pair_breaks(
    sigma: Activation, c: Array, shift: Array, s: Array, members: npt.NDArray[np.int_], rho: Array
) -> list[float]:
    """Breakpoints of the spike rule: at ρ = ±1 the spread of a kinked activation is not smooth."""
    if members.shape[1] == 1 or c.shape[1] != 1:
        return []
    found: set[float] = set()
    for unit, pair in enumerate(members):
        if 1.0 - abs(rho[unit, 0, 1]) < 1e-8:
            found.update(coincidences(sigma, c[pair, 0], shift[pair], s[pair]))
    return sorted(found)


def _spread(
    sigma: Activation, mean: Array, s: Array, mu0: Array, mu1: Array, rest: Array, members: Any, rho: Array
) -> Array:
    """Ms (K, U, B, B): μ*² on the diagonal, E[F F'] − μ0 μ0' − ρ μ1 μ1' within a pair."""
    units, size = members.shape
    out = np.empty((len(mean), units, size, size))
    for unit in range(units):
        for i in range(size):
            out[:, unit, i, i] = rest[:, members[unit, i]]
        if size == 2:
            a, b = members[unit]
            r = float(rho[unit, 0, 1])
            both = product_moment(sigma, mean[:, [a, b]], s[[a, b]], r)
            cross = both - mu0[:, a] * mu0[:, b] - r * mu1[:, a] * mu1[:, b]
            bound = np.sqrt(rest[:, a] * rest[:, b])
            out[:, unit, 0, 1] = out[:, unit, 1, 0] = np.clip(cross, -bound, bound)
    return out
