"""Rows of the hardness table: for each algorithm what it learns, from how many samples, and how that is known.

n is the total number of samples up to constants, n = Θ(d^exponent); a logarithm is said in the note. ``status``:
"theorem" (proved in the source, as its abstract states it), "conjecture", "heuristic" (an argument, no proof) or
"as recalled" (a statement of the source that was not checked against its text).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from hermite.exact.exactness import Exactness
from hermite.frozen import FrozenReport
from hermite.indices.report import pretty

if TYPE_CHECKING:
    from hermite.indices.found_indices import Vectors
    from hermite.indices.report import LeapReport
    from hermite.inputs.biased import Biased
    from hermite.inputs.walsh import Walsh
    from hermite.labels.generative_leap import Generative
    from hermite.labels.recovery import RecoveryThreshold
    from hermite.labels.reuse import Reuse

GIANT = "Dandi et al. 2024, arXiv:2305.18270"
ONE_PASS = "Ben Arous, Gheissari, Jagannath 2021, arXiv:2003.10409"
LEAP = "Abbe, Boix-Adsera, Misiakiewicz 2023, arXiv:2302.11055"
STAIRCASE = "Abbe, Boix-Adsera, Misiakiewicz 2022, arXiv:2202.08658"
SMOOTHED = "Damian, Nichani, Ge, Lee 2023, arXiv:2305.10633"
REUSED = "Dandi et al. 2024, arXiv:2402.03220"
GENERATIVE = "Damian, Pillaud-Vivien, Lee, Bruna 2024, arXiv:2403.05529"
GENERATIVE_LEAP = "Damian, Lee, Bruna 2025, arXiv:2506.05500"
AMP = "Troiani et al. 2024, arXiv:2405.15480"
BIASED = "Cornacchia, Mikulincer, Mossel 2025, arXiv:2502.06443"
XOR = "Glasgow 2023, arXiv:2309.15111"


@dataclass(frozen=True, eq=False)
class Row(FrozenReport):
    """One line of the table.

    ``learned``: reduced row-echelon basis, None where only its dimension is known; ``exponent`` and ``constant`` of
    n = constant · d^exponent, None where unknown or where no number of samples of this order suffices; ``n``: that
    number at the d asked for (constant 1 where it is unknown).

    ``optimal_batch``, ``steps_at_optimal_batch`` (one-pass SGD, square loss): exponents of the largest batch n_b = d^x that
    costs no more samples, and of the steps that it needs (arXiv:2406.02157); with the correlation loss they are
    max(exponent, 1) and 0.
    """

    algorithm: str
    learned: Vectors | None
    learned_dim: int | None
    exponent: float | None
    constant: float | None
    status: str
    source: str
    note: str = ""
    n: float | None = None
    optimal_batch: float | None = None
    steps_at_optimal_batch: float | None = None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def learned_text(self, names: tuple[str, ...], relevant_dim: int | None) -> str:
        """What is learned, in the names of the directions."""
        if self.learned is None:
            return (
                "undecided" if self.learned_dim is None else f"dimension {self.learned_dim} of {relevant_dim}"
            )
        if relevant_dim and self.learned_dim == relevant_dim:
            return "everything: " + pretty(self.learned, names)
        return pretty(self.learned, names) if self.learned else "nothing"


def _space(rows: Vectors | None) -> tuple[Vectors | None, int | None]:
    return rows, None if rows is None else len(rows)


def _is_unknown(report: LeapReport) -> bool:
    """Whether nothing at all is proved of the target's expansion."""
    return report.exactness == Exactness.UNDECIDED and not report.relevant_dim


def _undecided(algorithm: str, status: str, source: str, note: str = "no exact expansion") -> Row:
    return Row(algorithm, None, None, None, None, status, source, note)


def gaussian_rows(
    one: LeapReport, two: LeapReport, reused: Reuse, generative: Generative, recovery: RecoveryThreshold
) -> tuple[Row, ...]:
    """All algorithms at Gaussian inputs; ``one``, ``two`` are the leap reports at batch exponents 1 and 2."""
    return (
        _one_step(one),
        _steps(one, 1),
        _steps(two, 2),
        _one_pass(one),
        _smoothed(one),
        _reused(reused, generative),
        _low_degree(generative),
        _amp(generative, recovery),
    )


def _one_step(report: LeapReport) -> Row:
    name = "one giant step"
    if _is_unknown(report):
        return replace(_undecided(name, "theorem", GIANT), exponent=report.leap_index)
    return Row(name, *_space(report.leap_span), report.leap_index, None, "theorem", GIANT)


def _steps(report: LeapReport, level: int) -> Row:
    stairs = report.staircase
    name = "T giant steps at n = Θ(d)" if level == 1 else "T giant steps at n = Θ(d²)"
    status = "as recalled" if level == 1 else "heuristic"
    if _is_unknown(report) or not stairs.dims or not stairs.subspaces or not stairs.leading_dims:
        return _undecided(name, status, GIANT)
    notes = []
    if len(stairs.dims) > 1:
        notes.append(f"dimensions {' → '.join(map(str, stairs.dims))}")
        if stairs.leading_dims != stairs.dims:
            notes.append(f"one step size: {' → '.join(map(str, stairs.leading_dims))}")
    if stairs.complete is None:
        notes.append("a lower bound: not proved closed")
    exponent = level if len(stairs.dims) > 1 else None
    return Row(name, *_space(stairs.subspaces[-1]), exponent, None, status, GIANT, "; ".join(notes))


def _one_pass(report: LeapReport) -> Row:
    """d^{max(IE − 1, 1)} for one direction, with the isotropic leap for several."""
    if _is_unknown(report):
        return _undecided("one-pass SGD", "conjecture", LEAP)
    single = report.relevant_dim == 1
    leap = report.isotropic_leap
    exponent = None if leap is None else max(leap - 1, 1)
    note = "" if leap is not None or not report.relevant_dim else "the isotropic leap is undecided"
    if leap == 2:
        note = "times log d"
    elif leap is not None and not single:
        note = "by the isotropic leap"
    row = Row(
        "one-pass SGD",
        *_space(report.relevant_subspace),
        exponent,
        None,
        "as recalled" if single else "conjecture",
        ONE_PASS if single else LEAP,
        note,
    )
    if leap is None:
        return row
    # Up to batches of d^max(l/2, 1), where the step size of the square loss is of order one, samples do not depend on it.
    batch = max(leap / 2, 1.0)
    return replace(row, optimal_batch=batch, steps_at_optimal_batch=max(leap - 1.0, 1.0) - batch)


def _smoothed(report: LeapReport) -> Row:
    if _is_unknown(report):
        return _undecided("smoothed SGD / CSQ-optimal", "conjecture", SMOOTHED)
    single = report.relevant_dim == 1
    leap = report.isotropic_leap
    note = "" if single or leap is None else "lower bound of the rotation class; not known to be attained"
    return Row(
        "smoothed SGD / CSQ-optimal",
        *_space(report.relevant_subspace),
        None if leap is None else max(1.0, leap / 2),
        None,
        "as recalled" if single else "conjecture",
        SMOOTHED,
        note,
    )


def _reused(reused: Reuse, generative: Generative) -> Row:
    name = "reused batches"
    if reused.dims is not None and reused.subspaces is not None:
        first, second = reused.subspaces
        notes = [f"powers up to {reused.degree} of the label"]
        if len(second) > len(first):
            notes.append(f"n = O(d) gives dimension {len(first)}, n = O(d log d) all of this")
        exponent = 1 if second else None
        return Row(name, *_space(second), exponent, None, "as recalled", REUSED, "; ".join(notes))
    k, easy = generative.exponent, generative.easy_subspace
    if generative.bounds is None:
        return Row(name, [], 0, None, None, "as recalled", REUSED)
    if k is None and not easy:
        return _undecided(name, "as recalled", REUSED, "undecided")
    learned = (generative.relevant_subspace if k is not None and k <= 2 else easy) or []
    whole = len(learned) + len(generative.hard_subspace or []) == generative.relevant_dim
    logarithm = len(learned) > generative.grand_staircase_dims[-1]
    notes = [
        "times log d" if logarithm else "",
        "" if learned and whole else "no function of the label shows more" if whole else "at least",
        "if polynomials of the label are dense" if learned else "",
    ]
    return Row(
        name,
        *_space(learned),
        1 if learned else None,
        None,
        "as recalled",
        REUSED,
        "; ".join(note for note in notes if note),
    )


def _low_degree(generative: Generative) -> Row:
    name, k = "SQ / low-degree optimal", generative.exponent
    source = GENERATIVE if generative.relevant_dim == 1 else GENERATIVE_LEAP
    if generative.bounds is None:
        return Row(name, [], 0, None, None, "theorem", source)
    if k is None:
        low, high = generative.bounds
        note = f"generative exponent between {low} and {'?' if high is None else high}"
        return _undecided(name, "theorem", source, note)
    return Row(name, *_space(generative.relevant_subspace), max(1.0, k / 2), None, "theorem", source)


def _amp(generative: Generative, recovery: RecoveryThreshold) -> Row:
    """Weak recovery: trivial directions at any α = n/d, easy ones above α_c, hard ones never."""
    name, trivial = "AMP weak recovery", generative.trivial_subspace
    if generative.bounds is None:
        return Row(name, [], 0, None, None, "theorem", AMP)
    if trivial:
        dims = generative.grand_staircase_dims
        note = "any n/d > 0" if generative.staircase_proved else "at least, at any n/d > 0"
        if dims[-1] > len(trivial):
            note += f"; dimension {dims[-1]} by the grand staircase"
        return Row(name, *_space(trivial), 1, 0.0, "theorem", AMP, note)
    alpha = recovery.alpha_c
    if alpha is None and recovery.easy_subspace and generative.exponent is not None:
        return Row(name, *_space(recovery.easy_subspace), 1, None, "theorem", AMP, f"α_c {recovery.reason}")
    if alpha is None:
        return _undecided(name, "theorem", AMP, recovery.reason or "undecided")
    if alpha == float("inf"):
        return Row(name, [], 0, None, None, "theorem", AMP, "hard: no n = Θ(d) suffices")
    note = "exact" if recovery.exact else f"α_c to ± {recovery.error:.1g}"
    easy = _space(recovery.easy_subspace)
    which = "" if easy[1] == 1 else "at least a direction of it "
    return Row(name, *easy, 1, alpha, "theorem", AMP, f"{which}above α_c; {note}")


def rademacher_rows(expansion: Walsh, r: int) -> tuple[Row, ...]:
    """Inputs uniform on {±1}^d: what is learned are coordinates."""
    if expansion.exactness != Exactness.EXACT:
        return (
            _undecided("one giant step", "heuristic", GIANT),
            _undecided("T giant steps at n = Θ(d)", "as recalled", STAIRCASE),
            _undecided("T giant steps at n = Θ(d²)", "heuristic", GIANT),
            _undecided("one-pass SGD", "as recalled", LEAP),
        )
    supports = [frozenset(s) for s in expansion.supports]
    lowest = min((len(s) for s in supports), default=None)
    first = frozenset().union(*(s for s in supports if len(s) == lowest))
    everything = frozenset().union(*supports)
    leap = expansion.leap
    rows = [
        Row("one giant step", *_axes(first, r), lowest, None, "heuristic", GIANT),
        _boolean_steps("T giant steps at n = Θ(d)", supports, 1, r, "as recalled", STAIRCASE),
        _boolean_steps("T giant steps at n = Θ(d²)", supports, 2, r, "heuristic", GIANT),
    ]
    exponent = None if leap is None else max(leap - 1, 1)
    note = "up to powers of log d" if leap == 2 else ""
    rows.append(Row("one-pass SGD", *_axes(everything, r), exponent, None, "as recalled", LEAP, note))
    if supports and everything == supports[0] and len(supports) == 1 and leap == 2:
        rows.append(
            Row(
                "minibatch SGD (XOR)", *_axes(everything, r), 1, None, "theorem", XOR, "times powers of log d"
            )
        )
    return tuple(rows)


def _boolean_steps(
    name: str, supports: Sequence[frozenset[int]], level: int, r: int, status: str, source: str
) -> Row:
    """Coordinates reached by supports with at most ``level`` new ones (level 1: the merged staircase)."""
    seen: frozenset[int] = frozenset()
    while True:
        new = seen.union(*(s for s in supports if len(s - seen) <= level))
        if new == seen:
            break
        seen = new
    return Row(name, *_axes(seen, r), level if seen else None, None, status, source)


def _axes(places: Iterable[int], r: int) -> tuple[Vectors, int]:
    rows = [["1" if i == j else "0" for j in range(r)] for i in sorted(places)]
    return rows, len(rows)


def biased_rows(report: Biased) -> tuple[Row, ...]:
    """Inputs with a random mean: the learned space depends on the mean, its dimension does not."""
    dims = report.dims
    name = "T giant steps at n = Θ(d)"
    if dims is None:
        return (Row(name, None, None, None, None, "heuristic", BIASED, report.reason),)
    if len(dims) == 1:
        return (Row(name, [], 0, None, None, "theorem", BIASED),)
    single = report.relevant_dim == 1
    status, note = ("theorem" if single else "heuristic"), f"dimensions {' → '.join(map(str, dims))}"
    return (
        Row("one giant step", None, 1, 1, None, status, BIASED, "one direction, for almost every mean"),
        Row(name, None, dims[-1], 1, None, status, BIASED, note),
    )
