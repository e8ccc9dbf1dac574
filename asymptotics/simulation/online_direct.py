"""Online SGD of the real network: n_b fresh samples a step, w_i ← P(w_i + e ã_i (1/n_b) Σ δ σ'(⟨w_i,z⟩) z), all i at once.

The samples of a trajectory are one stream, read in order, and so is their label noise: what is drawn depends neither on the
steps that are looked at nor on the memory.
"""

from __future__ import annotations

import numpy as np

from asymptotics.simulation.direct import DirectNetwork
from asymptotics.simulation.online_reduced import FIELDS, NOISE, OnlineStep
from asymptotics.simulation.state import check_finite
from asymptotics.simulation.student import WEIGHTS


class OnlineDirect:
    """The trajectory of one network."""

    def __init__(self, student: DirectNetwork, step: OnlineStep) -> None:
        self.student, self.step = student, step
        normals = student.backend.normals
        self.samples = normals(student.entropy, student.replicate, WEIGHTS, FIELDS)
        self.noise = normals(student.entropy, student.replicate, WEIGHTS, NOISE)

    def advance(self, steps: int) -> None:
        """So many steps; raises ``InputError`` if one overflows."""
        self.student.unfold()
        for _ in range(steps):
            self._move()

    def _move(self) -> None:
        student, step = self.student, self.step
        xp, send = student.backend.xp, student.backend.send
        readout = send((student.readout / student.p).astype(student.dtype))
        gradient = student.backend.zeros(*student.weights.shape)
        for first in range(0, step.n_b, student.rows):
            rows = min(student.rows, step.n_b - first)
            z = xp.astype(self.samples(rows, student.d), student.kind)
            fields = z @ student.weights.T
            if student.biases is not None:
                fields += student.biases
            error = xp.astype(student.labels(z[:, : student.r], self.noise), student.kind)
            if not step.correlation:
                error = error - student.sigma(fields) @ readout
            slopes = student.slope(fields)
            slopes *= error[:, None]
            gradient += slopes.T @ z
        gradient *= send((step.size / step.n_b) * student.readout[:, None])
        weights = student.backend.double(student.weights)
        if step.projection == "spherical":
            radial = xp.sum(gradient * weights, axis=1) / xp.sum(weights * weights, axis=1)
            gradient -= radial[:, None] * weights
        weights = weights + gradient
        # Squares of fields must fit single precision (1e38).
        check_finite(np.where(float(xp.max(xp.abs(weights))) < 1e15, 0.0, np.nan))
        if step.projection != "free":
            weights = weights / xp.sqrt(xp.sum(weights * weights, axis=1))[:, None]
        student.weights = xp.astype(weights, student.weights.dtype)
