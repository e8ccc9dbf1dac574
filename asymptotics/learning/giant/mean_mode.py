r"""The mean of the residuals of a group, one giant step further: a common vector that no neuron sees and the readout does.

With r̄_g the mean of r_i over the p_g = π_g p neurons of group g, X_gh = p ⟨r̄_g, r̄_h⟩ is of order one. Independent units have

    X0_gh = Σ_u ν_u R_bb' at the groups of b and b' / (π_g π_h)        (independent rows: δ_gh s_g / π_g).

A step of size a_g = eta ã_g moves r̄ otherwise than r: of the output p^{-1} Σ_j ã_j σ(w_j·z) the part linear in the means,
negligible for one neuron, pulls all of them along Σ_h π_h ã_h r̄_h. With i = 1/alpha, D2 = δ² + Δ and β_g = E[δ S2_g],

    J = diag(1 + a_g β_g) − (a_g E[S1_g S1_h] π_h ã_h),
    X ← J X Jᵀ + a aᵀ i ∘ E[D2 S2_g S2_h] ∘ X + Σ_u ν_u a a' i E[D2 rest] at the groups of b and b' / (π π).

The layer carries the excess X − X0, its *coherence*.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from asymptotics.learning.features import LearnedFeatures
from asymptotics.learning.groups import Groups

Array = npt.NDArray[np.float64]


def on_means(layer: LearnedFeatures, values: Array) -> Array:
    """Σ_u ν_u values_bb' scattered to groups, over π_g π_h: (G, G) from ``values`` of the links (L,)."""
    links, groups = layer.links, layer.groups
    share = groups.fraction
    out = np.zeros((links.groups, links.groups))
    own = np.arange(links.groups)
    # Two neurons of one group in a unit: half as many units, each counted with all its four blocks.
    out[own, own] = values[: links.groups] * share * np.where(_alone(groups), 2.0, 1.0)
    for left, right, value in zip(
        links.left[links.groups :], links.right[links.groups :], values[links.groups :], strict=True
    ):
        out[left, right] = out[right, left] = share[left] * value
    result: Array = out / np.outer(share, share)
    return result


def _alone(groups: Groups) -> npt.NDArray[np.bool_]:
    """Groups whose pairs lie within them (G,)."""
    found = np.zeros(len(groups.readout), bool)
    for left, right in groups.pairs or ():
        found[left] |= left == right
    return found


def coherence_after(
    layer: LearnedFeatures,
    slopes: Array,
    pulled: Array,
    curvatures: Array,
    rest: Array,
    R: Array,
    a: Array,
    i: float,
) -> Array:
    """X − X0 after one more step, (G, G).

    ``slopes`` E[S1_g S1_h] (G, G), ``pulled`` E[δ S2_g] (G,), ``curvatures`` E[D2 S2_g S2_h] (G, G), ``rest`` E[D2 rest]
    (L,), ``R`` the new covariances of the residuals (L,), ``a`` = eta ã (G,), ``i`` = 1/alpha.
    """
    links = layer.links
    X = layer.mean_excess + on_means(layer, layer.R)
    J = np.diag(1 + a * pulled) - a[:, None] * slopes * (layer.weight * layer.readout)
    noise = a[links.left] * a[links.right] * i * rest
    fresh = on_means(layer, noise)
    kick = i * np.outer(a, a) * curvatures
    excess: Array = J @ X @ J.T + kick * X + fresh - on_means(layer, R)
    # What is left of the cancellation of equal terms is rounding, not coherence: entry by entry, for X is large as
    # 1/π where a group is rare.
    terms = np.abs(J) @ np.abs(X) @ np.abs(J).T + np.abs(kick * X) + np.abs(fresh)
    excess[np.abs(excess) < 1e-12 * terms] = 0.0
    return excess
