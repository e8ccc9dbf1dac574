r"""What one batch does to rows before they know a direction: the sample covariance of its inputs weighted by their labels.

From w isotropic and an output of 0, σ'(⟨w, z⟩) = c_1 + c_2 ⟨w, z⟩ + …, so that a step of size a = eta ã makes

    w ← (1 + a c_2 P) w + a c_1 β + a ε,     β = (1/n) Σ y z,     P = (1/n) Σ y z zᵀ,

ε of covariance (E σ'² − c_1² − c_2²) Q/d given the batch, Q = (d/n²) Σ y² z zᵀ. Along an eigenvector of P of eigenvalue λ
two rows that were one and have steps a and b keep the covariance

    v_ab = (1 + a c_2 λ)(1 + b c_2 λ) + a b (E σ'² − c_1² − c_2²) q

(times 1/d), q the diagonal of Q in that basis; off its diagonal Q is left out. P is far from its mean C_2 where n = α d: a bulk
about 2 (E y²/α)^½ wide to each side, with tails as long as those of the labels, and outliers near eigenvectors of C_2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hermite.target import Target

Array = npt.NDArray[np.float64]

_CHUNK = 8192
#: d of a batch that is drawn: its products cost n d² = α d³.
_LARGEST, _SMALLEST, _WORK = 300, 60, 3e8


@dataclass(frozen=True)
class LabelledBatch:
    """The eigenvalues λ of P (d,), upwards, q (d,), the components of β/|β| on its eigenvectors (d,), and |β|.

    ``on_target`` (r, d): the eigenvectors' components on the target's directions.
    """

    values: Array
    squares: Array
    along: Array
    on_target: Array
    strength: float

    @property
    def d(self) -> int:
        """The input dimension of the batch."""
        return len(self.values)


def batch_dimension(alpha: float, r: int, d: int) -> int:
    """The dimension at which batches of α d samples are drawn to stand for those at ``d``: at most 300."""
    affordable = int((_WORK / alpha) ** (1 / 3))
    return max(r + 2, min(d, _LARGEST, max(_SMALLEST, affordable)))


def labelled_batch(
    f: Target, output: float, alpha: float, d: int, *, centred: bool, seed: tuple[int, ...]
) -> LabelledBatch:
    """A batch of round(α d) samples, drawn from ``seed``; labels less the ``output`` of the network, ``centred`` if told so."""
    rng = np.random.default_rng(seed)
    n = max(1, round(alpha * d))
    z = rng.standard_normal((n, d))
    y = np.asarray(f(z[:, : f.r]), dtype=np.float64) - output + np.sqrt(f.noise) * rng.standard_normal(n)
    if centred:
        y = y - y.mean()
    P, Q = np.zeros((d, d)), np.zeros((d, d))
    for start in range(0, n, _CHUNK):
        part = slice(start, start + _CHUNK)
        weighted = z[part].T * y[part]
        P += weighted @ z[part]
        Q += weighted @ weighted.T
    beta = z.T @ y / n
    size = float(np.linalg.norm(beta))
    values, axes = np.linalg.eigh(P / n)
    squares = np.sum(axes * (Q @ axes), axis=0) * d / n**2
    return LabelledBatch(values, squares, axes.T @ beta / max(size, 1e-300), axes[: f.r], size)


def pooled(batches: tuple[LabelledBatch, ...]) -> LabelledBatch:
    """The batch whose eigenvalues are those of ``batches`` averaged rank by rank."""
    mean = {
        name: np.mean([getattr(b, name) ** power for b in batches], axis=0) ** (1 / power)
        for name, power in (("values", 1), ("squares", 1), ("along", 2), ("on_target", 2), ("strength", 2))
    }
    return LabelledBatch(
        mean["values"], mean["squares"], mean["along"], mean["on_target"], float(mean["strength"])
    )
