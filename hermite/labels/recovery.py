"""recovery_threshold(): the samples per dimension, n = α d, above which first-order methods find a direction at all.

With no trivial direction (E[z | Y] = 0), G(y) = E[z zᵀ − I | Y = y] and 1/α_c is the spectral radius of M ↦ E_Y[G M G] on
symmetric matrices (Troiani, Dandi, Defilippis, Zdeborová, Loureiro, Krzakala 2024, arXiv:2405.15480). Trivial directions
need any α > 0; if G = 0, α_c is infinite ("hard"). Closed forms: 1/2 for one direction and f injective in |z|; r/2 for |z|²;
π²/4 for sign(z1 z2); z1 z2 by one integral. The rest: :mod:`hermite.labels.second_moments`, with an error bar.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hermite.errors import InputError, check_whole
from hermite.exact.plain import plain_fields
from hermite.frozen import FrozenReport
from hermite.labels.generative_leap import Generative, generative
from hermite.labels.recovery_closed_forms import closed_form
from hermite.symmetry.frames import single_index
from hermite.target import as_target

if TYPE_CHECKING:
    from hermite.indices.found_indices import Vectors
    from hermite.target import Target

LEAST_SAMPLES = 1 << 18


@dataclass(frozen=True, eq=False)
class RecoveryThreshold(FrozenReport):
    """α_c of n = α_c d (inf: hard; None: a trivial direction, a constant, or undecided) and its error bar.

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
        """The fields as plain data; an infinite α_c is the text "inf"."""
        return plain_fields(self)


def recovery_threshold(f: Target | str, samples: int = 1 << 20, seed: int = 0) -> RecoveryThreshold:
    """α_c of ``f``: exact where a closed form is known, else by ``samples`` Gaussian inputs with a fixed ``seed``.

    Raises ``InputError`` if ``f`` is not a symbolic target, and for fewer than 2^18 samples (bins would be too wide).

    >>> from hermite import Target
    >>> recovery_threshold(Target("z1^2")).exact, recovery_threshold(Target("sign(z1*z2*z3)")).alpha_c
    ('1/2', inf)
    """
    if isinstance(samples, bool) or not isinstance(samples, int) or samples < LEAST_SAMPLES:
        raise InputError(f"samples must be a whole number of at least {LEAST_SAMPLES}, not {samples!r}")
    f = as_target(f)
    check_whole("seed", seed)
    return threshold_of(f, generative(f), samples, seed)


def threshold_of(f: Target, found: Generative, samples: int = 1 << 20, seed: int = 0) -> RecoveryThreshold:
    """α_c from what is known of the generative leap of ``f``."""
    if found.bounds is None:
        return _answer(f, found, None, None, None, "a constant: there is nothing to recover")
    if found.trivial_subspace:
        return _answer(f, found, None, None, None, "trivial directions are found at any alpha > 0")
    if found.relevant_dim and len(found.hard_subspace) == found.relevant_dim:
        return _answer(f, found, math.inf, 0.0, None, "second moments given the label are proved to vanish")
    if not found.staircase_proved:
        return _answer(f, found, None, None, None, "whether there is a trivial direction is undecided")
    if not found.easy_subspace:
        return _answer(
            f, found, None, None, None, f"whether second moments vanish is undecided: {found.reason}"
        )
    closed = closed_form(f)
    if closed is not None:
        return _answer(f, found, closed[1], 0.0, closed[0], "")
    from hermite.labels.second_moments import Unresolved, weak_recovery_alpha

    line = single_index(f)
    try:
        alpha, error = weak_recovery_alpha(f if line is None else line, samples, seed)
    except Unresolved as doubt:
        reason = f"more than about {doubt.least:.2g}: not resolved by {samples} inputs"
        return _answer(f, found, None, None, None, reason)
    return _answer(
        f,
        found,
        alpha,
        error,
        None,
        f"{samples} inputs, labels in bins: three standard errors, and the width of the bins",
    )


def _answer(
    f: Target, found: Generative, alpha: float | None, error: float | None, exact: str | None, reason: str
) -> RecoveryThreshold:
    return RecoveryThreshold(
        f.text,
        alpha,
        error,
        exact,
        found.trivial_subspace,
        found.easy_subspace,
        found.hard_subspace,
        reason,
    )
