"""Weak recovery: from how many samples a spectral method or AMP finds a target's subspace, n > alpha_c d.

With G(y) = E[z zᵀ − 1 | Y = y] on the relevant variables, 1/alpha_c is the largest eigenvalue of M ↦ E_Y[G(Y) M G(Y)] on
symmetric matrices (Troiani, Dandi, Defilippis, Zdeborová, Loureiro, Krzakala 2024, arXiv:2405.15480; for one direction
1/alpha_c = E_Y (E[z² − 1|Y])², Mondelli & Montanari 2018, arXiv:1708.05932). It is meaningful where no direction is trivial
(learned at order one), and infinite where the generative leap is 3 or more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from hermite.generative import generative
from hermite.target import Target

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Monte Carlo: batches, samples a batch, and samples a bin of the label.
_BATCHES, _SAMPLES, _BIN = 8, 400_000, 500


@dataclass(frozen=True)
class RecoveryThreshold:
    """``alpha_c`` (inf: hard; None: not meaningful or undecided), its ``error`` (0 if ``exact``), and the ``reason``.

    ``trivial``, ``easy``, ``hard`` are dimensions of the relevant space: learned at order one, at order two (with
    n > alpha_c d), and beyond; None where they are not proved.
    """

    alpha_c: float | None
    error: float | None
    exact: bool
    reason: str
    trivial: int | None = None
    easy: int | None = None
    hard: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data; an infinite threshold is the text "infinity"."""
        return {
            "alpha_c": "infinity" if self.alpha_c == math.inf else self.alpha_c,
            "alpha_c_error": self.error,
            "exact": self.exact,
            "reason": self.reason,
            "dimensions": {"trivial": self.trivial, "easy": self.easy, "hard": self.hard},
        }


def recovery_threshold(f: Target) -> RecoveryThreshold:
    """alpha_c of ``f``: exact for r z_i² sums and sign(z1 z2), else by Monte Carlo with one standard error.

    >>> recovery_threshold(Target("z1^2")).alpha_c
    0.5
    """
    found = generative(f)
    if found.bounds == (None, None):
        return RecoveryThreshold(None, None, True, "the target is constant")
    if found.trivial_subspace is None:
        return RecoveryThreshold(None, None, False, f"the trivial subspace is not proved: {found.reason}")
    trivial = len(found.trivial_subspace)
    if trivial:
        reason = "a direction is trivial: any n = Θ(d) finds it"
        return RecoveryThreshold(None, None, True, reason, trivial=trivial)
    dim = _relevant_dim(f)
    low = found.bounds[0]
    if low is not None and low >= 3:
        reason = "no label transform shows order two: n = Θ(d) is not enough"
        return RecoveryThreshold(math.inf, 0.0, True, reason, 0, 0, dim)
    closed = _closed_form(f)
    if closed is not None:
        return RecoveryThreshold(float(closed[0]), 0.0, True, closed[1], 0, dim, 0)
    if f.noise > 0 or f.r > 6:
        why = "label noise" if f.noise > 0 else "more than six variables"
        return RecoveryThreshold(None, None, False, f"no closed form, and no Monte Carlo with {why}")
    value, error = monte_carlo(f)
    return RecoveryThreshold(value, error, False, "Monte Carlo", 0)


def _relevant_dim(f: Target) -> int:
    from hermite.report import leap

    return leap(f).relevant_dim


def _closed_form(f: Target) -> tuple[Fraction | float, str] | None:
    """A quadratic a + b |z_S|² (S of size m: m/2), or a sign of two variables (π²/4); without label noise."""
    if f.noise > 0 or f.gram is not None or f.tree is None:
        return None
    if f.is_polynomial:
        from hermite.engines import engine_for

        engine = engine_for(f)
        if engine.degree != 2:
            return None
        terms = {alpha: c for alpha, c in engine.heat_series(2).items() if any(alpha)}
        if all(sorted(alpha)[-1] == 2 for alpha in terms) and len(set(map(str, terms.values()))) == 1:
            return Fraction(len(terms), 2), "the label is |z|² of the relevant variables: m/2"
        return None
    from hermite.generative import is_two_valued
    from hermite.report import leap

    if f.text.replace(" ", "") in ("sign(z1*z2)", "sign(z1)*sign(z2)") and is_two_valued(f):
        assert leap(f).relevant_dim == 2
        return math.pi**2 / 4, "E[z z'|sign] = ± 2/π off the diagonal: π²/4"
    return None


def monte_carlo(f: Target, seed: int = 0) -> tuple[float, float]:
    """(alpha_c, standard error over batches): G in bins of neighbouring labels, each cut in two independent halves."""
    import numpy as np

    operators = []
    for batch in range(_BATCHES):
        rng = np.random.default_rng([seed, batch])
        z = rng.standard_normal((_SAMPLES, f.r))
        operators.append(_operator(z[np.argsort(f(z), kind="stable")]))
    single = [1.0 / _largest(operator) for operator in operators]
    # The mean operator has less noise for the largest eigenvalue to pick from than any batch.
    return 1.0 / _largest(np.mean(operators, axis=0)), float(np.std(single, ddof=1) / np.sqrt(_BATCHES))


def _largest(operator: NDArray[np.float64]) -> float:
    import numpy as np

    return float(np.linalg.eigvalsh((operator + operator.T) / 2)[-1])


def _operator(ordered: NDArray[np.float64]) -> NDArray[np.float64]:
    """E[G₁ ⊗ G₂] (r², r²), G₁ and G₂ from the even and the odd samples of each bin of ``ordered`` z."""
    import numpy as np

    r = ordered.shape[1]
    bins = ordered.reshape(-1, _BIN, r)
    halves = [
        np.einsum("bni,bnj->bij", part, part) / part.shape[1] - np.eye(r)
        for part in (bins[:, ::2], bins[:, 1::2])
    ]
    out: NDArray[np.float64] = np.einsum("bik,bjl->ijkl", *halves).reshape(r * r, r * r) / len(bins)
    return out
