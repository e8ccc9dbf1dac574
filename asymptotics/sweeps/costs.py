"""What a sweep will cost before it starts: seconds and bytes a unit, from a count of its work and a short calibration.

A unit is counted in five kinds of work: normals drawn, floating point operations of matrix products, activations,
values of the target, operations of eigendecompositions. ``calibrate`` times each kind on this machine (about 0.2 s, one
BLAS thread), so that an estimate needs no trial unit. To these come what every unit costs whatever its size, its commit,
and the start of the workers. The estimate is a range: the machine may be busy, and caches are not counted.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from asymptotics.simulation.direct import chunk_rows
from asymptotics.simulation.seeds import block_of
from asymptotics.text.durations import duration, size
from hermite.errors import InputError

if TYPE_CHECKING:
    from asymptotics.simulation.job import Job

#: Bytes of a worker that does nothing: the interpreter and its libraries.
_BASE = 60e6
#: Seconds that every unit costs whatever its size, and that its commit costs the driver.
UNIT, COMMIT = 2e-3, 3e-3
#: Seconds before the first unit: a store that is opened and functions that run for the first time; workers that start.
OPEN, START = 0.1, 2.0
#: The range that is announced, as shares of the estimate: before a unit has run, and from the pace of those that have.
BEFORE, AFTER = (0.4, 2.5), (0.7, 1.5)
#: Operations of a symmetric eigendecomposition with vectors, over its size cubed.
_EIGEN = 9.0


@dataclass(frozen=True)
class Work:
    """Amounts of each kind of work, or seconds for one of each."""

    normals: float = 0.0
    products: float = 0.0
    activations: float = 0.0
    targets: float = 0.0
    eigen: float = 0.0

    @property
    def amounts(self) -> tuple[float, ...]:
        """The five numbers, in order."""
        return self.normals, self.products, self.activations, self.targets, self.eigen

    def __add__(self, other: Work) -> Work:
        return Work(*(a + b for a, b in zip(self.amounts, other.amounts, strict=True)))

    def times(self, count: float) -> Work:
        """So many times this work."""
        return Work(*(count * amount for amount in self.amounts))

    def seconds(self, rates: Work) -> float:
        """The time that this work takes at ``rates`` seconds a piece."""
        return math.fsum(a * b for a, b in zip(self.amounts, rates.amounts, strict=True))


#: Seconds a piece on an ordinary core: for shares of the progress, and to see whether a calibration is worth its time.
NOMINAL = Work(5e-9, 3e-11, 2e-9, 5e-8, 2e-10)


@dataclass(frozen=True)
class Estimate:
    """``seconds`` in all, the start of ``workers`` included, ``memory`` in bytes at once; ``unit_seconds`` of the
    longest unit.

    ``start``: seconds before the first unit; a store and warm functions other sweeps of the process may have seen to already.
    ``crowd``: programs that share a core; the calibration finds the pace between them, and they may stay or go.
    """

    seconds: float
    memory: float
    unit_seconds: float
    start: float = 0.0
    crowd: float = 1.0

    @property
    def range(self) -> tuple[float, float]:
        """Seconds between which the sweep should end."""
        return BEFORE[0] * (self.seconds - min(self.start, OPEN)), BEFORE[1] * self.seconds * self.crowd

    def repeated(self, count: float) -> Estimate:
        """So many such sweeps, one after the other in the same processes."""
        return replace(self, seconds=self.start + count * (self.seconds - self.start))

    def __str__(self) -> str:
        return (
            f"{between(*self.range)} (longest unit about {duration(self.unit_seconds)}), {size(self.memory)}"
        )


def between(low: float, high: float) -> str:
    """A range of times for people."""
    first, last = duration(low), duration(high)
    return f"about {first}" if first == last else f"{first} to {last}"


def crowd() -> float:
    """Programs that want a core of this machine now, on each of them; at least 1."""
    if not hasattr(os, "getloadavg"):
        return 1.0
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def estimate(
    units: Iterable[tuple[Job, int]], workers: int, rates: Work | None = None, crowd: float = 1.0
) -> Estimate:
    """Time and memory of so many replicates of each of these cells on ``workers`` processes like this one."""
    rates = rates or NOMINAL
    total, longest, memory, count = 0.0, 0.0, 0.0, 0
    for job, replicates in units:
        seconds = work_of(job).seconds(rates) + UNIT
        total += replicates * seconds
        longest, memory, count = max(longest, seconds), max(memory, memory_of(job)), count + replicates
    if not count:
        return Estimate(0.0, 0.0, 0.0)
    busy = min(workers, count)
    # The driver of several workers commits while they work; alone it does one after the other.
    start = OPEN if workers == 1 else START
    work = total + COMMIT * count if workers == 1 else max(total / busy, longest, COMMIT * count)
    return Estimate(start + work, busy * memory, longest, start, crowd)


def work_of(job: Job) -> Work:
    """The work of one replicate."""
    s, t = job.simulation, job.training
    last = job.reported[-1]
    direct = s.method == "direct"
    d, p, r, n = s.d, job.width, job.f.r, t.n(s.d)
    wide = d if direct else p + r
    draw = Work(normals=p * wide / (2 if job.network.is_symmetric else 1))
    total = draw if direct else Work(normals=float(p * p), eigen=_EIGEN * p**3)

    def samples(count: float, products: float, activations: float) -> Work:
        passes = 2 if direct and t.remove_orders else 1
        return Work(passes * count * wide, count * products, count * activations * p, passes * count)

    def at(step: int) -> Work:
        """The work of one step: the draw of its batch and what is measured after it."""
        found = Work()
        # While partners are equal a direct simulation works on one half of them.
        half = 0.5 if direct and step == 0 and job.network.is_symmetric else 1.0
        forward = 2.0 * wide * p * half
        if step:
            first = 0.5 if direct and step == 1 and job.network.is_symmetric else 1.0
            backward = 2.0 * wide * p + (0.0 if direct else 2.0 * p * p)
            found += samples(n, first * (2.0 * wide * p + backward), 2.0)
            found += Work() if direct else Work(eigen=3 * _EIGEN * p**3)
        if job.ridge is None:
            found += samples(s.test_samples, forward, 1.0).times(seen)
        elif step in job.steps:
            n2 = job.ridge.n2(s.d)
            small = min(n2, p)
            gram = 2.0 * p * p if n2 >= p else 2.0 * n2 * p
            found += samples(n2, forward + gram, 1.0) + Work(eigen=_EIGEN * small**3)
            found += samples(s.test_samples, forward + 4.0 * p * len(job.lambdas), 1.0)
        return found

    # Of many online steps only some are looked at.
    seen = len(job.reported) / (last + 1) if job.ridge is None else 1.0
    # Steps are told apart where a fit is made and while partners may be equal; all others cost the same.
    special = {step for step in (0, 1, *(job.steps if job.ridge is not None else ())) if step <= last}
    for step in sorted(special):
        total += at(step)
    plain = next((step for step in range(2, last + 1) if step not in special), None)
    return total if plain is None else total + at(plain).times(last + 1 - len(special))


def memory_of(job: Job) -> float:
    """Bytes that one replicate holds at its peak, about: the largest of its phases and an idle worker."""
    s, t, p = job.simulation, job.training, job.width
    item = np.dtype(s.dtype).itemsize
    if s.method == "direct":
        # Six arrays of neurons: the fields, σ, σ' and what an activation needs on its way.
        state, row = p * s.d * item, item * (s.d + 6 * p) + 64
        moving = p * s.d * (item + 16)
        try:
            rows = chunk_rows(s.d, p, s.memory, item)
        except InputError:
            rows = 256
    else:
        state, row = 4 * p * p * 8, item * (6 * p + 2 * job.f.r) + 64
        moving = 6 * p * p * 8
        rows = max(block_of(p + job.f.r), min(int(s.memory // row), 65536))

    def chunk(samples: int) -> int:
        return min(rows, samples) * row

    last = job.reported[-1]
    phases = [chunk(s.test_samples)]
    if last:
        phases.append(moving + chunk(t.n(s.d)))
    if job.ridge is None:
        # (M, Q) of every step is kept until the replicate is done.
        phases.append((len(job.reported) + 2) * p * p * 8)
    else:
        n2 = job.ridge.n2(s.d)
        held = n2 * p * 8 if n2 < p else 2 * p * p * 8
        phases += [held + chunk(n2), 2 * held + 3 * min(n2, p) ** 2 * 8]
    return float(_BASE + state + max(phases))


def calibrate(job: Job) -> Work:
    """Seconds a piece of each kind of work here, with the activation and the target of ``job``."""
    from asymptotics.blas import blas_threads
    from asymptotics.simulation.seeds import generator

    dtype = np.dtype(job.simulation.dtype)
    rng = generator(0)
    normals = np.empty(200_000, dtype)
    a = rng.standard_normal((1024, 384), dtype.type)
    b = rng.standard_normal((384, 512), dtype.type)
    symmetric = rng.standard_normal((160, 160))
    symmetric += symmetric.T
    fields_ = rng.standard_normal((20_000, job.f.r))
    activation = job.network.get_activation()
    with blas_threads(job.simulation.threads):
        return Work(
            normals=_time(lambda: rng.standard_normal(out=normals, dtype=dtype.type)) / normals.size,
            products=_time(lambda: a @ b) / (2.0 * a.size * b.shape[1]),
            activations=_time(lambda: (activation.function(a), activation.slope(a))) / (2 * a.size),
            targets=_time(lambda: job.f(fields_)) / len(fields_),
            eigen=_time(lambda: np.linalg.eigh(symmetric)) / (_EIGEN * len(symmetric) ** 3),
        )


def _time(work: Callable[[], object], patience: float = 0.04) -> float:
    """Seconds of a call at its fastest, over as many calls as ``patience`` allows; the first warms up."""
    work()
    times: list[float] = []
    while not times or (math.fsum(times) < patience and len(times) < 25):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)
