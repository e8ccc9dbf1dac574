"""recovery_threshold(): the samples per dimension, n = α d, above which first-order methods find a direction at all.

With no trivial direction (E[z | Y] = 0), G(y) = E[z zᵀ − I | Y = y] and 1/α_c is the spectral radius of M ↦ E_Y[G M G] on
symmetric matrices (Troiani, Dandi, Defilippis, Zdeborová, Loureiro, Krzakala 2024, arXiv:2405.15480). Trivial directions
need any α > 0; if G = 0, α_c is infinite ("hard"). Closed forms: 1/2 for one direction and f monotone in |z|; r/2 for |z|²;
π²/4 for sign(z1 z2). The rest: labels sorted into bins of equal probability, Gaussian inputs, and an error bar.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from hermite.generative_leap import Generative, generative
from hermite.subspaces import rational

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hermite.target import Target

Vectors = list[list[str]]


@dataclass(frozen=True)
class RecoveryThreshold:
    """α_c of n = α_c d (inf: hard; None: a trivial direction, a constant, or undecided) and three standard errors.

    ``exact`` is its closed form as text, or None. Subspaces as exact row vectors: ``trivial_subspace`` (any α > 0),
    ``easy_subspace`` (trivial, or shown by second moments given the label), ``hard_subspace`` (proved hard;
    empty where nothing is proved).
    """

    target: str
    alpha_c: float | None
    error: float | None
    exact: str | None
    trivial_subspace: Vectors
    easy_subspace: Vectors
    hard_subspace: Vectors
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain data; an infinite α_c is the text "infinity"."""
        out = {f.name: getattr(self, f.name) for f in fields(self)}
        return out | ({"alpha_c": "infinity"} if self.alpha_c == math.inf else {})


def recovery_threshold(f: Target, samples: int = 1 << 20, seed: int = 0) -> RecoveryThreshold:
    """α_c of ``f``: exact where a closed form is known, else by ``samples`` Gaussian inputs with a fixed ``seed``.

    Raises ``InputError`` if ``f`` is not a symbolic target.

    >>> from hermite import Target
    >>> recovery_threshold(Target("z1^2")).exact, recovery_threshold(Target("sign(z1*z2*z3)")).alpha_c
    ('1/2', inf)
    """
    found = generative(f)
    if found.bounds is None:
        return _answer(f, found, None, None, None, "a constant: there is nothing to recover")
    if found.trivial_subspace:
        return _answer(f, found, None, None, None, "trivial directions are found at any alpha > 0")
    lower = found.bounds[0]
    if lower is not None and lower >= 3 and not found.easy_subspace:
        return _answer(f, found, math.inf, 0.0, None, "second moments given the label are proved to vanish")
    if not found.staircase_proved:
        return _answer(f, found, None, None, None, "whether there is a trivial direction is undecided")
    if not found.easy_subspace:
        return _answer(
            f, found, None, None, None, f"whether second moments vanish is undecided: {found.reason}"
        )
    closed = _closed_form(f) if f.noise == 0 else None
    if closed is not None:
        return _answer(f, found, closed[1], 0.0, closed[0], "")
    alpha, error = _estimate(f, samples, seed)
    return _answer(
        f, found, alpha, error, None, f"{samples} Gaussian inputs, labels in bins; three standard errors"
    )


def _answer(
    f: Target, found: Generative, alpha: float | None, error: float | None, exact: str | None, reason: str
) -> RecoveryThreshold:
    from hermite.report import leap

    hard = leap(f).relevant_subspace if alpha == math.inf else []
    return RecoveryThreshold(
        f.text, alpha, error, exact, found.trivial_subspace, found.easy_subspace, hard, reason
    )


def _closed_form(f: Target) -> tuple[str, float] | None:
    """(text, value) of the cases with a closed form, recognised from the exact expansion."""
    from hermite.engines import engine_for
    from hermite.nodes import Call
    from hermite.parsing import parse

    if f.gram is not None or f.tree is None:
        return None
    if isinstance(f.tree, Call) and f.tree == parse("sign(z1*z2)") and f.r == 2:
        return "pi^2/4", math.pi**2 / 4
    if not f.is_polynomial:
        return None
    terms = {tuple(int(a) for a in k): c for k, c in engine_for(f).polynomial.to_dict().items() if any(k)}
    squares = {tuple(2 * int(i == j) for j in range(f.r)) for i in range(f.r)}
    if set(terms) == squares and len(set(terms.values())) == 1:
        return ("1/2", 0.5) if f.r == 1 else (f"{f.r}/2", f.r / 2)
    used = [i for i in range(f.r) if any(alpha[i] for alpha in terms)]
    one_way = all(c > rational(0) for c in terms.values()) or all(c < rational(0) for c in terms.values())
    if len(used) == 1 and one_way and all(alpha[used[0]] % 2 == 0 for alpha in terms):
        return "1/2", 0.5
    return None


def _estimate(f: Target, samples: int, seed: int, batches: int = 8) -> tuple[float, float]:
    """α_c and three standard errors over ``batches``, plus the change when the bins are twice as wide.

    Each batch of n inputs uses about n^(1/2) bins of equal size; products of different inputs of one bin only, so that
    the estimate of E[G ⊗ G] has no bias but that of the finite width of the bins.
    """
    import numpy as np

    n = max(samples // batches, 1 << 12)
    values = []
    for batch in range(batches):
        generator = np.random.default_rng([seed, batch])
        z = generator.standard_normal((n, f.r))
        y = f(z) + math.sqrt(f.noise) * generator.standard_normal(n)
        # Ties are broken at random: equal labels must not be sorted by anything else.
        order = np.lexsort((generator.random(n), y))
        count = 1 << (n.bit_length() // 2)
        values.append([_operator(z[order], count), _operator(z[order], count // 2)])
    fine, coarse = np.array(values).swapaxes(0, 1)
    radius, wide = _radius(fine.mean(0)), _radius(coarse.mean(0))
    # The leading eigenvalue is a smooth function of the mean: jackknife over batches.
    left = np.array([_radius((fine.sum(0) - own) / (batches - 1)) for own in fine])
    spread = math.sqrt((batches - 1) / batches * float(np.sum((left - left.mean()) ** 2)))
    error = 3 * spread + abs(radius - wide)
    return (1 / radius, error / radius**2) if radius > 0 else (math.inf, math.inf)


def _operator(z: NDArray[np.float64], bins: int) -> NDArray[np.float64]:
    """E[G ⊗ G], (r², r²), from inputs (n, r) sorted by their labels."""
    import numpy as np

    r = z.shape[1]
    size = len(z) // bins
    x = (z[:, :, None] * z[:, None, :] - np.eye(r)).reshape(-1, r * r)[: bins * size].reshape(bins, size, -1)
    sums = x.sum(1)
    total = sums.T @ sums - np.einsum("bsi,bsj->ij", x, x, optimize=True)
    g = (total / (bins * size * (size - 1))).reshape(r, r, r, r)
    return np.ascontiguousarray(g.transpose(0, 2, 1, 3)).reshape(r * r, r * r)


def _radius(operator: NDArray[np.float64]) -> float:
    """Largest eigenvalue of M ↦ E[G M G] on symmetric matrices."""
    import numpy as np

    r = math.isqrt(len(operator))
    swap = np.eye(r * r).reshape(r, r, r, r).transpose(1, 0, 2, 3).reshape(r * r, r * r)
    half = (np.eye(r * r) + swap) / 2
    matrix = half @ operator @ half
    return float(np.linalg.eigvalsh((matrix + matrix.T) / 2)[-1])
