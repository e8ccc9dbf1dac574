"""What two kinds of simulated networks are compared by: the entries of a run, and how far two samples of runs are apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from scipy.stats import ks_2samp

from asymptotics.simulation.ridge_fit import fit_and_test
from asymptotics.simulation.student import Setup


def entries_of(kind: Callable[[Setup], Any], setups: Iterable[Setup], steps: int, n: int) -> Any:
    """(runs, entries): M, the upper half of Q after every step, and the test error of a fit."""
    rows = []
    for setup in setups:
        student = kind(setup)
        row: list[float] = []
        for step in range(1, steps + 1):
            student.giant_step(step, n, 1.2)
            m, q = student.overlaps()
            row += [*m.ravel(), *q[np.triu_indices(4)]]
        fit = fit_and_test(student, setup.target, [0.1], n2=80, n_test=400, streams=(2001, 2002))
        rows.append([*row, float(fit.test_error[0])])
    return np.array(rows)


def worst(a: Any, b: Any) -> tuple[float, float]:
    """(largest |z| of the means, smallest Kolmogorov–Smirnov p-value times the number of entries)."""
    error = np.sqrt(a.var(axis=0, ddof=1) / len(a) + b.var(axis=0, ddof=1) / len(b))
    z = (a.mean(axis=0) - b.mean(axis=0)) / error
    p = min(ks_2samp(x, y).pvalue for x, y in zip(a.T, b.T, strict=True))
    return float(np.abs(z).max()), float(p * a.shape[1])
