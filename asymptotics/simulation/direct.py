"""The real network in full: p neurons in d dimensions, batches streamed in chunks.

The target's directions are the first r coordinate axes (the law of everything measured does not depend on them).
Products run in ``dtype`` (float32 unless asked otherwise), their sums over chunks in double precision; the batch never
exists as a whole, so that peak memory is the budget, whatever n.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from asymptotics.simulation.seeds import BLOCK
from asymptotics.simulation.state import Fields, check_finite, output, root_of
from asymptotics.simulation.student import FIRST_BATCH, WEIGHTS, Setup, Student
from hermite.errors import InputError

Array = npt.NDArray[Any]


class DirectNetwork(Student):
    """A first layer W (p, d), rows uniform on the unit sphere at the start, and its training."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.rows = chunk_rows(self.d, self.p, setup.memory, self.dtype.itemsize, self.backend.most_rows)
        xp = self.backend.xp
        self.kind = getattr(xp, self.dtype.name)
        weights = self.backend.normals(self.entropy, self.replicate, WEIGHTS)(self.distinct, self.d)
        weights /= xp.linalg.vector_norm(weights, axis=1, keepdims=True)
        biases = self.drawn_biases(setup.bias)
        self.mirrored = setup.symmetric
        self.weights = xp.astype(weights, self.kind)
        self.biases = None if biases is None else xp.astype(biases, self.kind)

    def _twice(self, x: Any, axis: int = 0) -> Any:
        """``x`` followed by its mirror image along an axis: all neurons from the first half."""
        xp = self.backend.xp
        return xp.concat([x, xp.flip(x, axis=axis)], axis=axis)

    def unfold(self) -> None:
        """Leave the mirrored form: after a step partners differ."""
        if self.mirrored:
            self.weights = self._twice(self.weights)
            self.biases = None if self.biases is None else self._twice(self.biases)
            self.mirrored = False

    def begin_at(self, M: Array, Q: Array) -> None:
        """Weights with these overlaps, W W*ᵀ = ``M`` and W Wᵀ = ``Q``: rows on the first r + p axes."""
        residual = root_of(Q - M @ M.T)
        if self.d < self.r + self.p:
            raise InputError(
                f"simulation.d must be at least {self.r + self.p} (directions and neurons) with a given start, not {self.d}."
            )
        weights = np.zeros((self.p, self.d), dtype=self.dtype)
        weights[:, : self.r], weights[:, self.r : self.r + self.p] = M, residual
        self.unfold()
        self.weights = self.backend.send(weights)

    def _batch(self, stream: int, n: int) -> Iterator[Any]:
        """``n`` samples z (m, d) in chunks, on the backend."""
        key = (self.replicate, FIRST_BATCH + 2 * stream)
        return self.backend.normal_chunks(self.entropy, key, n, self.d, self.rows, self.dtype)

    def target_fields(self, z: Any) -> Any:
        """⟨w*_k, z⟩ (m, r)."""
        return z[:, : self.target.r]

    def _samples(self, stream: int, n: int) -> Iterator[tuple[object, object]]:
        """(z, neuron fields); while partners are equal, the fields of the first half only."""
        for z in self._batch(stream, n):
            neurons = z @ self.weights.T
            if self.biases is not None:
                neurons += self.biases
            yield z, neurons

    def fields(self, stream: int, n: int) -> Iterator[Fields]:
        """``n`` fresh samples in chunks, with the fields of all p neurons."""
        for z, neurons in self._samples(stream, n):
            full = self._twice(neurons, axis=1) if self.mirrored else neurons
            yield Fields(self.target_fields(z), full, z)

    def low_orders(self, stream: int, n: int) -> tuple[Any, Any]:
        """m = mean(y) and B = (1/n) Zᵀ(y − m) of the batch, as far as ``remove_orders`` asks; else zeros."""
        xp, zeros = self.backend.xp, self.backend.zeros
        if not self.remove_orders:
            return 0.0, zeros(self.d)
        rng = self.noise(stream)
        total, weighted, first = zeros(), zeros(self.d), zeros(self.d)
        for z in self._batch(stream, n):
            y = self.labels(self.target_fields(z), rng)
            total = total + xp.sum(y)
            weighted += xp.astype(y, self.kind) @ z
            first += xp.sum(z, axis=0, dtype=xp.float64)
        mean = total / n
        slope = (weighted - mean * first) / n if 1 in self.remove_orders else zeros(self.d)
        return mean, slope

    def giant_step(self, stream: int, n: int, rate: float, keep: float = 1.0) -> None:
        """w_i ← keep w_i + rate ã_i (1/n) Σ (y − f) σ'(⟨w_i,z⟩) z, all neurons at once.

        Raises ``InputError`` if the step overflows.
        """
        mean, slope = self.low_orders(stream, n)
        rng = self.noise(stream)
        xp, send = self.backend.xp, self.backend.send
        readout = send((self.readout / self.p).astype(self.dtype))
        gradient = self.backend.zeros(*self.weights.shape)
        for z, neurons in self._samples(stream, n):
            delta = self.labels(self.target_fields(z), rng) - mean
            if 1 in self.remove_orders:
                delta = delta - z @ xp.astype(slope, self.kind)
            error = xp.astype(delta, self.kind)
            if not self.mirrored:
                error = error - self.sigma(neurons) @ readout
            slopes = self.slope(neurons)
            slopes *= error[:, None]
            gradient += slopes.T @ z
        if self.mirrored:
            gradient = self._twice(gradient)
            self.unfold()
        moved = keep * self.backend.double(self.weights) + send((rate / n) * self.readout[:, None]) * gradient
        # Squares of fields must fit single precision (1e38).
        check_finite(np.where(float(xp.max(xp.abs(moved))) < 1e15, 0.0, np.nan))
        self.weights = xp.astype(moved, self.weights.dtype)

    def batch_error(self, stream: int, n: int) -> float:
        """(1/n) Σ (y − f)² of the network as it stands, on the batch of a stream with its label noise."""
        rng, total = self.noise(stream), self.backend.zeros()
        for chunk in self.fields(stream, n):
            gap = self.labels(chunk.target, rng) - output(self, chunk.neurons)
            total = total + gap @ gap
        found = float(total)
        check_finite(found)
        return found / n

    def overlaps(self) -> tuple[Array, Array]:
        """M = W W*ᵀ (p, r) and Q = W Wᵀ (p, p)."""
        w = self.backend.double(self._twice(self.weights) if self.mirrored else self.weights)
        return self.backend.fetch(w[:, : self.target.r]).copy(), self.backend.fetch(w @ w.T)


def chunk_rows(d: int, p: int, memory: int, itemsize: int, most: int = 4096) -> int:
    """Rows of a chunk, at most ``most``, so that weights, gradient and four arrays a chunk fit the memory budget.

    Raises ``InputError`` if not even one block of rows fits.
    """
    fixed = p * d * (2 * itemsize + 16) + p * p * 16
    row = itemsize * (d + 4 * p) + 64
    rows = int((memory - fixed) // row)
    if rows < BLOCK:
        needed = (fixed + BLOCK * row) / 1e9
        raise InputError(f"simulation.memory must be at least {needed:.2g} GB for d = {d} and p = {p}.")
    return min(rows, most)
