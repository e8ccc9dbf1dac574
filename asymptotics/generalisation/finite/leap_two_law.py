r"""One giant step on n = alpha d² samples: the law of the layer at finite d.

With c_k = E[σ He_k], C_k = E[∇^k f*], a = η ã, y2 the second moment of the labels that the step sees (noise included) and
x ~ N(0, I_r) √d times the initial overlaps, a neuron is

    w = W*ᵀ M + common u + r,     M = x/√d + a (c_2 C_2 x + c_3 C_3[x, x]/(2 √d)) + batch noise,
    r = (1 + a H) w_0 + a (rest y2/alpha)^{1/2} ω,     rest = E σ'² − c_1² − c_2²,

u one direction for all neurons, the batch noise of covariance a_g a_h (c_2² + rest) E[y² z z*ᵀ]/(alpha d), and H = c_2
(y2/alpha)^{1/2} times one symmetric Gaussian matrix, also for all: its spectrum is a semicircle. Along an eigenvector of
value h residuals of a unit have the covariance

    v_gh(h) = (1 + a_g h)(1 + a_h h) + a_g a_h rest y2/alpha

per dimension. At finite d the noise of C_2 tilts the directions that all neurons learn, and a neuron of start x keeps
1 + a c_4 C_2[x, x]/(2 √d) of its w_0 in the place of 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.frames import sharp_places
from asymptotics.expectations.quadrature import trapezoid_rule
from asymptotics.expectations.target_rule import target_rule
from asymptotics.generalisation.finite.unit_features import MOST_DIRECTIONS
from asymptotics.learning.giant.one_step import OneStepLaw, hermite_tensor, start_slopes
from hermite.errors import InputError
from hermite.target import Target

Array = npt.NDArray[np.float64]

#: Points of the Gauss rule of the semicircle.
BLOCKS = 6
#: Step of the rule for the pull of the first output.
_OWN_STEP = 0.05
#: Directions of C_2 of less than this, relative to the largest, are not learned.
FLAT = 1e-9


@dataclass(frozen=True)
class Semicircle:
    """``places`` t (J,) and ``weights`` (J,) of the Gauss rule of the semicircle of unit variance."""

    places: Array
    weights: Array


def semicircle(blocks: int = BLOCKS) -> Semicircle:
    """t_j = 2 cos(π j/(J + 1)), w_j = 2/(J + 1) sin²(π j/(J + 1)): exact for polynomials of degree 2 J − 1."""
    angle = np.pi * np.arange(1, blocks + 1) / (blocks + 1)
    return Semicircle(2 * np.cos(angle), 2 / (blocks + 1) * np.sin(angle) ** 2)


@dataclass(frozen=True)
class LeapTwoLaw:
    """The law of the units of a layer, U units of B neurons.

    ``a`` η ã (U, B); ``shares`` (U,); ``common`` (U, B); ``norm2`` s (U, B); ``covariance`` v_gh(h_j) (J, U, B, B) with the
    ``weights`` w_j (J,); ``axes`` (r, r2) an orthonormal basis of what C_2 spans, ``overlap`` (r, r2) of the target with the
    directions that are learned in its place; ``root`` (U, B, r2, r2) from x to M on these;
    ``bend`` (U, B, r2, r2, r2) of the part that is quadratic in x; ``moved`` (J, U, B) the part of w_0 that is kept, by block,
    and ``stretch`` (U, B, r2, r2) what x adds to it.
    """

    a: Array
    shares: Array
    common: Array
    norm2: Array
    covariance: Array
    weights: Array
    axes: Array
    overlap: Array
    root: Array
    bend: Array
    moved: Array
    stretch: Array

    def covariance_at(self, unit: npt.NDArray[np.intp], more: Array) -> Array:
        """v_gh(h_j) (J, A, B, B) of types of these units (A,) that keep ``more`` (A, B) of their w_0."""
        moved = self.moved[:, unit]
        cross = moved[..., :, None] * more[:, None, :]
        found: Array = self.covariance[:, unit] + cross + np.swapaxes(cross, -1, -2)
        return found + more[:, :, None] * more[:, None, :]


def leap_two_law(
    law: OneStepLaw,
    alpha: float,
    d: int,
    *,
    p: float = math.inf,
    blocks: int = BLOCKS,
    as_limit: bool = False,
) -> LeapTwoLaw:
    """The law at dimension d and n = ``alpha`` d² of the layer whose limit is ``law``.

    ``p`` neurons: independent rows are trained with their own output of size p^{-1/2} (infinite: without it). ``as_limit``:
    directions of C_2 as they are, and the same part of w_0 kept by all, as for d → ∞.
    ``law``: of batch exponent 2, without biases; ``InputError`` where C_2 spans more than two directions.
    """
    f, sigma, groups = law.target, law.activation, law.groups
    members = np.arange(len(groups.readout))[:, None]
    if groups.pairs is not None:
        members = np.array(groups.pairs, dtype=np.intp)
    a = law.eta * groups.readout[members]
    c1, c2, c3 = (float(c) for c in sigma.slope_coefficients(2))
    y2, second = _label_moments(f, start_slopes(sigma, groups, 2)[1])
    rest = max(sigma.derivative_second_moment - c1**2 - c2**2, 0.0)
    own = _OwnOutput.of(law, y2 / alpha, d, p)
    rule = semicircle(blocks)
    h = c2 * math.sqrt(y2 / alpha) * rule.places
    kept = 1 - own.pull * a**2 / law.eta
    moved = kept + h[:, None, None] * a
    outer = a[:, :, None] * a[:, None, :]
    covariance = moved[..., :, None] * moved[..., None, :] + outer * rest * y2 / alpha
    norm2 = np.einsum("j,jubb->ub", rule.weights, covariance)
    learned = law.order == 2 and bool(np.any(law.gain))
    axes = np.zeros((f.r, 0))
    if learned:
        values, vectors = np.linalg.eigh(law.tensor)
        axes = vectors[:, np.abs(values) > FLAT * np.abs(values).max()]
        # All directions: the nodes of x lie along the target's own, or where it is sharp.
        axes = sharp_places(f)[0].T if axes.shape[1] == f.r else axes
    if axes.shape[1] + bool(np.any(law.common)) > MOST_DIRECTIONS:
        raise InputError(
            f"The ridge theory at batch_exponent = 2 covers second-order terms of at most two directions, not {axes.shape[1]}: "
            "simulate instead."
        )
    tensor = axes.T @ law.tensor @ axes if learned else np.zeros((0, 0))
    spread = (axes.T @ second @ axes) / (alpha * d)
    shares = groups.fraction[members].sum(axis=1) / groups.fraction[members].sum()
    # Of the components along the axes, what the step gave them: the start has no part in the tilt.
    gained = c2 * a[..., None, None] * tensor
    whole = np.eye(axes.shape[1]) / math.sqrt(d) + gained
    sizes = [float(shares @ np.sum(part**2, axis=(1, 2, 3))) for part in (gained, whole)]
    tilt = sizes[0] / sizes[1] if sizes[1] > 0 and not as_limit else 0.0
    overlap, strength = _tilted(tensor, tilt * spread)
    linear = kept[..., None, None] * overlap.T / math.sqrt(d) + c2 * a[..., None, None] * strength
    noise = (c2**2 + rest) * (a**2)[..., None, None] * spread
    bend = np.zeros((*a.shape, *(axes.shape[1],) * 3))
    if learned and c3:
        third = np.einsum("abc,ai,bj,ck->ijk", hermite_tensor(f, 3), axes, axes, axes)
        bend = a[..., None, None, None] * (0.5 * c3 / math.sqrt(d)) * third
    fourth = 0.5 * sigma.coefficient(4) / math.sqrt(d) if not as_limit else 0.0
    return LeapTwoLaw(
        a=a,
        shares=shares,
        common=own.common * law.common[members],
        norm2=norm2,
        covariance=covariance,
        weights=rule.weights,
        axes=axes,
        overlap=axes @ overlap,
        root=_root(linear, noise),
        bend=bend,
        moved=moved,
        stretch=fourth * a[..., None, None] * tensor,
    )


@dataclass(frozen=True)
class _OwnOutput:
    """What the first output f = (1/p) Σ ã σ of independent rows adds to their gradient at η √d.

    Its linear part c_1 w̄, w̄ = (1/p) Σ ã w of |w̄|² = m/p, m = E ã², adds −g ã w̄ to every row, g = η √d c_1²; the rows have ã/m
    of w̄ already, by chance. Beyond what chance gives, (E ã² of) the common component squared grows by g (g − 2/m) m/p, as the
    batch noise is η² c_1² y2/alpha: by the factor ``common``. Its own part in the output pulls a row back by
    a ã √d/p (E[σ σ' x] − c_0 c_2), in units of a ã: ``pull``.
    """

    common: float
    pull: float

    @classmethod
    def of(cls, law: OneStepLaw, noise: float, d: int, p: float) -> _OwnOutput:
        if law.groups.pairs is not None or math.isinf(p):
            return cls(1.0, 0.0)
        sigma, groups = law.activation, law.groups
        size = float(groups.fraction @ groups.readout**2)
        x, w = trapezoid_rule(_OWN_STEP)
        # E[σ σ' x] = E[σ² (x² − 1)]/2, less what readouts of mean 0 take off: the others' mean c_0 c_2.
        pull = float(w @ (np.asarray(sigma(x), float) ** 2 * (x**2 - 1))) / 2
        pull -= sigma.coefficient(0) * sigma.coefficient(2)
        c1 = sigma.coefficient(1)
        batch, g = (law.eta * c1) ** 2 * noise, law.eta * math.sqrt(d) * c1**2
        grown = math.sqrt(max(0.0, 1 + g * (g - 2 / size) * size / (p * batch))) if batch > 0 else 1.0
        return cls(grown, pull * math.sqrt(d) / p)


def _tilted(tensor: Array, spread: Array) -> tuple[Array, Array]:
    """Overlap (r2, r2) of the axes of C_2 with the directions that are learned, and the strength R (r2, r2) along these.

    The batch noise adds to C_2 x a part N x, N of d rows and Nᵀ N = ``spread`` = E[y² z zᵀ]/(alpha d): all neurons move in the
    span of (C_2; N) = Q R, and Q's part on the axes, turned to be symmetric, is the overlap.
    """
    if not tensor.size or not np.any(spread):
        return np.eye(len(tensor)), tensor
    values, vectors = np.linalg.eigh(tensor @ tensor + spread)
    root = (vectors * np.sqrt(values)) @ vectors.T
    left, cosines, right = np.linalg.svd(tensor @ np.linalg.inv(root))
    turn = left @ right
    return (left * cosines) @ left.T, turn @ root


def _label_moments(f: Target, output: float) -> tuple[float, Array]:
    """E (y − f_0)² and E[(y − f_0)² z zᵀ] (r, r), the noise included, f_0 the first ``output``."""
    x, w = target_rule(f)
    energy = w * ((np.asarray(f(x), float) - output) ** 2 + f.noise)
    return float(energy.sum()), (energy[:, None] * x).T @ x


def _root(linear: Array, noise: Array) -> Array:
    """R with R Rᵀ = K Kᵀ + noise that is nearest to K: the two neurons of a unit move with one x."""
    total = linear @ np.swapaxes(linear, -1, -2) + noise
    values, vectors = np.linalg.eigh(total)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :]) @ np.swapaxes(vectors, -1, -2)
    left, _, right = np.linalg.svd(root @ linear)
    turned: Array = root @ (left @ right)
    return turned
