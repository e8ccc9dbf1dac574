"""The first layer as training leaves it: one type for every protocol, from which overlaps and ridge errors are read.

A neuron of group g is

    w = Σ_k c_gk h_k + r,

with h_1..h_r the target's directions w*, further orthonormal directions h of noise common to all neurons, and a residual
r of its own with small components on all directions. To leading order everything that follows needs c and

    R_gh = ⟨r_i, r_j⟩             (g = h: one neuron; g ≠ h: the two neurons of a pair),
    S_gh[e, e'] = d Cov(⟨r_i, e⟩, ⟨r_j, e'⟩)   for e, e' in span(h).

M = W W*ᵀ and Q = W Wᵀ are read from c and R; the ridge fit sees spikes (an orthonormal basis of the rows of c), the
coordinates of the groups and of the target on them, and residuals of covariance S.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from asymptotics.learning.groups import Groups
from hermite.errors import InputError

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Links:
    """The pairs (g, h) of groups whose residuals are correlated: every group with itself, then the pairs."""

    left: npt.NDArray[np.intp]
    right: npt.NDArray[np.intp]
    groups: int

    @classmethod
    def of(cls, groups: Groups) -> Links:
        """Links of these groups; two neurons of one group (ã = 0) stay equal and need no link of their own."""
        size = len(groups.readout)
        pairs = [pair for pair in groups.pairs or () if pair[0] != pair[1]]
        own = np.arange(size)
        both = np.array(pairs, dtype=np.intp).reshape(-1, 2)
        return cls(np.concatenate([own, both[:, 0]]), np.concatenate([own, both[:, 1]]), size)


@dataclass(frozen=True)
class LearnedFeatures:
    """The first layer of many neurons as d → ∞, with G groups, L links and H directions.

    ``groups``      readout ã, untrained bias b, fraction of the neurons, and the pairs of symmetric initialisation
    ``links``       which residuals are correlated: G groups with themselves, then the pairs
    ``targets``     r, the number of target directions: the first r of the H axes
    ``c``           (G, H) components on the axes h_1..h_H = (w*, common noise); dimensionless like w, |w| = 1 at the start
    ``R``           (L,) ⟨r_i, r_j⟩, squared norms and pair covariances of the residuals
    ``S``           (L, H, H) d Cov of the residuals on the axes; None where the law does not say
    ``anisotropy``  sum over steps of an indicator of what an isotropic bulk of r leaves out (0: nothing)
    ``coherence``   (G, G) p ⟨r̄_g, r̄_h⟩ of the groups' mean residuals beyond that of independent units; None: not known
    ``error``       relative error of c and R by the cubature of several steps, where it was estimated
    """

    groups: Groups
    links: Links
    targets: int
    c: Array
    R: Array
    S: Array | None = None
    anisotropy: float = 0.0
    coherence: Array | None = None
    error: float = 0.0

    @property
    def readout(self) -> Array:
        """ã of each group (G,)."""
        return self.groups.readout

    @property
    def bias(self) -> Array:
        """Untrained bias b of each group (G,): its activation is x ↦ σ(x + b)."""
        return self.groups.bias

    @property
    def weight(self) -> Array:
        """Fraction of the neurons in each group (G,); sums to 1."""
        return self.groups.fraction

    @property
    def partner(self) -> npt.NDArray[np.intp] | None:
        """The group of the other neuron of a pair (G,); None for independent rows."""
        return self.groups.partner

    @property
    def M(self) -> Array:
        """⟨w, w*_m⟩ of each group (G, r)."""
        return self.c[:, : self.targets]

    @property
    def noise(self) -> Array:
        """Components on the common noise (G, H − r)."""
        return self.c[:, self.targets :]

    @property
    def gram(self) -> Array:
        """⟨w_i, w_j⟩ of two different neurons, not a pair, of groups g and h (G, G)."""
        return self.c @ self.c.T

    @property
    def residual_norm2(self) -> Array:
        """|r|² of each group (G,), a squared norm."""
        return self.R[: self.links.groups]

    @property
    def weight_norm2(self) -> Array:
        """‖w‖² of each group (G,)."""
        total: Array = np.sum(self.c**2, axis=1) + self.residual_norm2
        return total

    @property
    def correlation(self) -> Array:
        """Cosine of the residuals of each link (L,)."""
        s = np.sqrt(self.residual_norm2)
        cosine: Array = np.clip(self.R / (s[self.links.left] * s[self.links.right]), -1.0, 1.0)
        return cosine

    @property
    def pair_correlation(self) -> Array | None:
        """Cosine of the residuals of each group's pairs (G,), 1 within one group; None for independent rows."""
        if self.groups.pairs is None:
            return None
        out = np.ones(self.links.groups)
        between = slice(self.links.groups, None)
        out[self.links.left[between]] = out[self.links.right[between]] = self.correlation[between]
        return out

    def spikes(self, most: int | None = None) -> Array:
        """Orthonormal rows (k, H) that span the groups, strongest in root mean square first, at most ``most``."""
        return spike_basis(np.sqrt(self.weight)[:, None] * self.c, _SPIKE)[:most]

    def on_spikes(self, basis: Array) -> tuple[Array, Array]:
        """(coordinates (G, k) of the groups, Γ (r, k) of the target's directions) on the rows of ``basis``."""
        return self.c @ basis.T, basis[:, : self.targets].T.copy()

    @property
    def covariance(self) -> Array:
        """S; raises ``InputError`` where the law of the layer does not give it."""
        if self.S is None:
            raise InputError("the law of this training does not say the covariance of the residuals")
        return self.S

    @property
    def mean_excess(self) -> Array:
        """``coherence`` (G, G), 0 where it is not known."""
        return np.zeros((self.links.groups,) * 2) if self.coherence is None else self.coherence

    def covariance_on(self, axes: Array) -> Array:
        """d Cov of the residuals of each link on the rows of ``axes`` (n, H): (L, n, n)."""
        covariance: Array = axes @ self.covariance @ axes.T
        return covariance

    def absorbing(self, components: Array) -> LearnedFeatures:
        """The layer with ``components`` (G, m) on further directions counted as parts of the residuals."""
        shared = np.sum(components[self.links.left] * components[self.links.right], axis=1)
        return replace(self, R=self.R + shared)


#: Spikes of relative strength below this are not resolved.
_SPIKE = 1e-7


def untrained(groups: Groups, r: int, *, covariance: bool = False) -> LearnedFeatures:
    """Unit weights without components on the target's ``r`` directions; ``covariance``: with S, the identity."""
    links = Links.of(groups)
    count = len(links.left)
    S = np.tile(np.eye(r), (count, 1, 1)) if covariance else None
    return LearnedFeatures(groups, links, r, np.zeros((links.groups, r)), np.ones(count), S)


def spike_basis(components: Array, tolerance: float = 1e-10) -> Array:
    """Orthonormal rows (k, dim) that span the groups' ``components`` (G, dim) on orthonormal axes.

    k = rank: singular values below ``tolerance`` times the largest (or below 1e-12) are dropped.
    """
    _, values, axes = np.linalg.svd(components, full_matrices=False)
    basis: Array = axes[values > max(tolerance * float(values.max(initial=0.0)), 1e-12)]
    # One sign a spike, so that the same features are printed the same way.
    flip = np.array([np.sign(row[np.argmax(np.abs(row))]) for row in basis]).reshape(-1, 1)
    return basis * flip if len(basis) else basis
