"""Exact simulation at a cost free of the dimension: only the Gram matrix of (W*, W) is ever drawn.

A giant step touches the data only through the fields h = (W*z, Wz) ~ N(0, Ω), Ω = [[I, Mᵀ], [M, Q]], so that (M, Q) is a
Markov chain. Given the fields, the gradients split into their part in span(W*, W), with Gram v Ω⁺ vᵀ, and an orthogonal
part whose Gram is Wishart with d − rank Ω degrees of freedom and scale B = S Sᵀ/n², drawn by Bartlett's decomposition:

    M' = M + η v*,   Q' = Q + η (v_W + v_Wᵀ) + η² (v Ω⁺ vᵀ + L A Aᵀ Lᵀ),   L Lᵀ = B.

Ω is singular under symmetric initialisation: it is factored by eigenvalues, never by Cholesky.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from asymptotics.simulation.backends import NUMPY
from asymptotics.simulation.seeds import block_of, generator, normal_chunks
from asymptotics.simulation.state import Fields, check_finite, output
from asymptotics.simulation.student import FIRST_BATCH, WEIGHTS, Setup, Student
from hermite.errors import InputError

Array = npt.NDArray[Any]
#: Stream key of the Wishart parts, beyond any batch.
_WISHART = 1_000_000


class ReducedNetwork(Student):
    """(M, Q) of a network of p neurons in d dimensions, and its training; d − (p + r) ≥ p is asked for."""

    def __init__(self, setup: Setup) -> None:
        if setup.backend is not NUMPY:
            raise InputError('simulation.method = "reduced" runs on backend = "numpy" only.')
        if setup.remove_orders:
            raise InputError('remove_orders needs the samples themselves: use method = "direct".')
        super().__init__(setup)
        if self.d < 2 * self.p + self.r:
            raise InputError(
                f"the reduced simulation needs d of at least 2 p + r = {2 * self.p + self.r}, not {self.d}: "
                'use method = "direct".'
            )
        row = self.dtype.itemsize * (6 * self.p + 2 * self.r) + 64
        # Part of what the draws are: from the sizes alone, never from the memory or the rank of a factor.
        self.block = block_of(self.p + self.r)
        self.rows = max(self.block, min(int(setup.memory // row), 65536))
        self.M, self.Q = self._start(setup.symmetric)
        self.biases = self.all_biases(setup)

    def _start(self, symmetric: bool) -> tuple[Array, Array]:
        """Overlaps of rows uniform on the sphere: a Gaussian (p, r) part and a Bartlett factor, then normalised."""
        rng = generator(self.entropy, self.replicate, WEIGHTS)
        count = self.p // 2 if symmetric else self.p
        along = rng.standard_normal((count, self.r))
        across = bartlett(rng, count, self.d - self.r)
        gram = along @ along.T + across @ across.T
        norms = np.sqrt(np.diag(gram))
        m, q = along / norms[:, None], gram / np.outer(norms, norms)
        if symmetric:
            fold = np.concatenate([np.arange(count), np.arange(count)[::-1]])
            return m[fold], q[np.ix_(fold, fold)]
        return m, q

    def begin_at(self, M: Array, Q: Array) -> None:
        """Take these overlaps as the start."""
        self.M, self.Q = M.copy(), Q.copy()

    def _factor(self) -> Array:
        """F (r + p, rank) with F Fᵀ = Ω."""
        residual = self.Q - self.M @ self.M.T
        values, vectors = np.linalg.eigh((residual + residual.T) / 2)
        keep = values > 1e-12 * max(float(values[-1]), 1e-300)
        lower = vectors[:, keep] * np.sqrt(values[keep])
        top = np.concatenate([np.eye(self.r), np.zeros((self.r, lower.shape[1]))], axis=1)
        return np.concatenate([top, np.concatenate([self.M, lower], axis=1)])

    def _draws(self, stream: int, n: int) -> Iterator[tuple[Array, Fields]]:
        """(u, fields) with fields h = F u of fresh samples."""
        factor = self._factor().astype(self.dtype)
        for u in normal_chunks(
            self.entropy,
            (self.replicate, FIRST_BATCH + 2 * stream),
            n,
            factor.shape[1],
            self.rows,
            self.dtype,
            self.block,
        ):
            h = u @ factor.T
            neurons = h[:, self.r :]
            if self.biases.any():
                neurons = neurons + self.biases.astype(self.dtype)
            yield u, Fields(h[:, : self.r], neurons)

    def fields(self, stream: int, n: int) -> Iterator[Fields]:
        """``n`` fresh samples in chunks."""
        for _, chunk in self._draws(stream, n):
            yield chunk

    def low_orders(self, stream: int, n: int) -> tuple[float, Array]:
        """Nothing is removed here."""
        return 0.0, np.zeros(1)

    def giant_step(self, stream: int, n: int, rate: float) -> None:
        """One transition of (M, Q), exact in law. Raises ``InputError`` if it overflows."""
        factor = self._factor()
        rng = self.noise(stream)
        vu = np.zeros((self.p, factor.shape[1]))
        scale = np.zeros((self.p, self.p))
        for u, chunk in self._draws(stream, n):
            delta = self.labels(chunk.target, rng) - output(self, chunk.neurons)
            s = self.slope(chunk.neurons)
            s *= delta.astype(self.dtype)[:, None]
            vu += s.T @ u
            scale += s.T @ s
        outer = rate * self.readout
        vu *= outer[:, None] / n
        scale *= np.outer(outer, outer) / n**2
        v = vu @ factor.T
        check_finite(vu, scale)
        values, vectors = np.linalg.eigh((scale + scale.T) / 2)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        wishart = generator(self.entropy, self.replicate, _WISHART, stream)
        across = root @ self._orthogonal_part(wishart, factor.shape[1])
        m = self.M + v[:, : self.r]
        q = self.Q + v[:, self.r :] + v[:, self.r :].T + vu @ vu.T + across @ across.T
        check_finite(np.where(np.abs(q).max() < 1e30, 0.0, np.nan))
        self.M, self.Q = m, q

    def _orthogonal_part(self, rng: np.random.Generator, rank: int) -> Array:
        """A with A Aᵀ Wishart of d − rank degrees of freedom."""
        return bartlett(rng, self.p, self.d - rank)

    def overlaps(self) -> tuple[Array, Array]:
        """M (p, r) and Q (p, p)."""
        return self.M.copy(), self.Q.copy()


def bartlett(rng: np.random.Generator, size: int, freedom: int) -> Array:
    """Lower triangular A (size, size) with A Aᵀ ~ Wishart(I, freedom): χ on the diagonal, normals below."""
    a = np.tril(rng.standard_normal((size, size)), -1)
    a[np.diag_indices(size)] = np.sqrt(rng.chisquare(freedom - np.arange(size)))
    return a
