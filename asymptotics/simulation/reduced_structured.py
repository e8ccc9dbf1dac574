r"""Exact simulation on structured inputs at a cost free of the dimension: weights on the named axes, a Gram matrix a block.

Given its cluster c a sample is z_E on the named axes and √e_cj x_j, x_j ~ N(0, I), on block j: a step touches the samples
only through z_E and the fields g_j = W_j x_j ~ N(0, Q_j). Hence (W_E, Q_1, .., Q_J) is a Markov chain. On block j the
gradients split, as for isotropic inputs (``reduced``), into a part in span(W_j) and an orthogonal one whose Gram is Wishart
with d_j − rank Q_j degrees of freedom and scale Σ_μ e_{c_μ j} s_μ s_μᵀ/n²:

    W_E' = W_E + η v_E,   Q_j' = Q_j + v_j F_jᵀ + F_j v_jᵀ + v_j v_jᵀ + L_j A Aᵀ L_jᵀ,   Q_j = F_j F_jᵀ.

It is exact for every mixture of :class:`Inputs`: bulk covariances commute, so that each block sees a multiple of the identity.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from asymptotics.experiment.inputs import Inputs
from asymptotics.simulation.reduced import bartlett
from asymptotics.simulation.seeds import block_of, generator, normal_chunks
from asymptotics.simulation.state import Fields, check_finite, output
from asymptotics.simulation.structured import Clusters, axes_of_blocks
from asymptotics.simulation.student import FIRST_BATCH, WEIGHTS, Setup, Student

Array = npt.NDArray[Any]
#: Stream key of the Wishart parts, beyond any batch.
_WISHART = 1_000_000
#: Eigenvalues of a Gram matrix of less than this, of its largest, are none.
_RANK = 1e-12


class ReducedStructured(Student):
    """(W_E, Q_1, .., Q_J) of a network of p neurons in d dimensions, and its training."""

    def __init__(self, setup: Setup, inputs: Inputs) -> None:
        super().__init__(setup)
        self.clusters = Clusters(setup, inputs)
        self.sizes = axes_of_blocks(inputs, setup.d)
        means, roots = self.clusters.named()
        self.means_of, self.roots, self.spread = means, roots, np.sqrt(inputs.bulk)
        # The axis along which clusters are far apart has a name here.
        self.sizes[-1] -= means.shape[1] - inputs.axes
        self.biases = self.all_biases(setup)
        row = self.dtype.itemsize * (len(self.sizes) + 6) * self.p + 64
        self.block = block_of(self.p + self.r)
        self.rows = max(self.block, min(int(setup.memory // row), 65536))
        self.named, self.grams = self._start(setup.symmetric)

    def _start(self, symmetric: bool) -> tuple[Array, list[Array]]:
        """Rows uniform on the sphere: Gaussian on the named axes, Wishart on the blocks, then normalised."""
        rng = generator(self.entropy, self.replicate, WEIGHTS)
        count = self.distinct
        named = rng.standard_normal((count, self.means_of.shape[1]))
        parts = [_wishart_root(rng, count, int(size)) for size in self.sizes]
        grams = [part @ part.T for part in parts]
        norms = np.sqrt(np.sum(named**2, axis=1) + sum(np.diag(gram) for gram in grams))
        named, grams = named / norms[:, None], [gram / np.outer(norms, norms) for gram in grams]
        if not symmetric:
            return named, grams
        fold = np.concatenate([np.arange(count), np.arange(count)[::-1]])
        return named[fold], [gram[np.ix_(fold, fold)] for gram in grams]

    def _draws(
        self, stream: int, n: int, factors: list[Array]
    ) -> Iterator[tuple[Array, list[Array], Fields]]:
        """(z_E, √e_cj u_j of each block, fields) of fresh samples; u_j are coordinates of x_j in span(W_j)."""
        axes = self.means_of.shape[1]
        ends = axes + np.cumsum([0, *(factor.shape[1] for factor in factors)])
        key = (self.replicate, FIRST_BATCH + 2 * stream)
        chunks = normal_chunks(self.entropy, key, n, int(ends[-1]) + 1, self.rows, self.dtype, self.block)
        for chunk in chunks:
            here = self.clusters.of(chunk[:, -1])
            z = np.empty((len(chunk), axes), self.dtype)
            for k, root in enumerate(self.roots):
                z[here == k] = self.means_of[k] + chunk[here == k][:, :axes] @ root.T
            neurons = z @ self.named.T.astype(self.dtype) + self.biases.astype(self.dtype)
            parts = []
            for j, factor in enumerate(factors):
                part = chunk[:, ends[j] : ends[j + 1]] * self.spread[here, j, None].astype(self.dtype)
                neurons += part @ factor.T.astype(self.dtype)
                parts.append(part)
            yield z, parts, Fields(self.clusters.target_fields(z), neurons)

    def fields(self, stream: int, n: int) -> Iterator[Fields]:
        """``n`` fresh samples in chunks."""
        for _, _, chunk in self._draws(stream, n, [_factor(gram) for gram in self.grams]):
            yield chunk

    def labels(self, fields: Any, noise: Any) -> Any:
        """The labels of the samples that were drawn last, each by the target of its cluster."""
        return self.clusters.labels(fields, noise)

    def low_orders(self, stream: int, n: int) -> tuple[float, Array]:
        """Nothing is removed here."""
        return 0.0, np.zeros(1)

    def giant_step(self, stream: int, n: int, rate: float) -> None:
        """One transition of (W_E, Q_1, .., Q_J), exact in law. Raises ``InputError`` if it overflows."""
        factors = [_factor(gram) for gram in self.grams]
        rng = self.noise(stream)
        along = np.zeros(self.named.shape)
        moved = [np.zeros(factor.shape) for factor in factors]
        scales = [np.zeros((self.p, self.p)) for _ in factors]
        for z, parts, chunk in self._draws(stream, n, factors):
            delta = self.labels(chunk.target, rng) - output(self, chunk.neurons)
            s = self.slope(chunk.neurons)
            s *= delta.astype(self.dtype)[:, None]
            along += s.T @ z
            here = self.clusters.here
            for j, part in enumerate(parts):
                moved[j] += s.T @ part
                spread = s * self.spread[here, j, None].astype(self.dtype)
                scales[j] += spread.T @ spread
        outer = rate * self.readout / n
        named = self.named + outer[:, None] * along
        wishart = generator(self.entropy, self.replicate, _WISHART, stream)
        grams = []
        for factor, v, scale, size in zip(factors, moved, scales, self.sizes, strict=True):
            step = outer[:, None] * v
            root = _root(np.outer(outer, outer) * scale)
            across = root @ _wishart_root(wishart, self.p, int(size) - factor.shape[1])
            whole = factor + step
            grams.append(whole @ whole.T + across @ across.T)
        check_finite(named, *(np.where(np.abs(gram).max() < 1e30, 0.0, np.nan) for gram in grams))
        self.named, self.grams = named, grams

    def overlaps(self) -> tuple[Array, Array]:
        """M = W_E W*ᵀ (p, r) and Q = W Wᵀ (p, p)."""
        gram: Array = self.named @ self.named.T + np.sum(self.grams, axis=0)
        return self.clusters.target_fields(self.named), gram


def _factor(gram: Array) -> Array:
    """F (p, rank) with F Fᵀ the Gram matrix."""
    values, vectors = np.linalg.eigh((gram + gram.T) / 2)
    keep = values > _RANK * max(float(values[-1]), 1e-300)
    found: Array = vectors[:, keep] * np.sqrt(values[keep])
    return found


def _root(scale: Array) -> Array:
    """L with L Lᵀ = ``scale``; raises ``InputError`` where it is not finite."""
    check_finite(scale)
    values, vectors = np.linalg.eigh((scale + scale.T) / 2)
    found: Array = vectors * np.sqrt(np.maximum(values, 0.0))
    return found


def _wishart_root(rng: np.random.Generator, size: int, freedom: int) -> Array:
    """A with A Aᵀ ~ Wishart(I, ``freedom``) of ``size``, also where it is singular."""
    return bartlett(rng, size, freedom) if freedom >= size else rng.standard_normal((size, max(freedom, 0)))
