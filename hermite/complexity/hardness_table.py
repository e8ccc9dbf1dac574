"""hardness(): how many samples each kind of algorithm needs for a target, in one table.

The indices come from :mod:`hermite.indices.report` (correlations), :mod:`hermite.labels.generative_leap` (all functions of
the label), :mod:`hermite.labels.reuse` (powers of the label), :mod:`hermite.labels.recovery` (weak recovery),
:mod:`hermite.inputs.walsh` (Boolean inputs) and :mod:`hermite.inputs.biased` (inputs with a random mean);
:mod:`hermite.complexity.algorithms` turns them into rows.
"""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hermite.bibliography import bibtex, keys_of
from hermite.complexity.algorithms import Row, biased_rows, gaussian_rows, rademacher_rows
from hermite.errors import InputError
from hermite.exact.effort import purse
from hermite.exact.exactness import Exactness
from hermite.exact.plain import plain_table
from hermite.exact.telling import shortened
from hermite.expansion import MAX_ORDER, expand
from hermite.frozen import FrozenReport
from hermite.indices.reflective import BasisFreeStaircase, basis_free_staircase
from hermite.indices.report import COORDINATE_LEAP, ISOTROPIC_LEAP, PAPERS, leap, pretty
from hermite.inputs.biased import biased_staircase
from hermite.inputs.walsh import Walsh, walsh_expansion
from hermite.labels.generative_leap import generative
from hermite.labels.recovery import threshold_of
from hermite.labels.reuse import reuse_staircase
from hermite.language.expressions import degree_bound
from hermite.target import as_target

if TYPE_CHECKING:
    from hermite.indices.found_indices import Vectors
    from hermite.indices.report import LeapReport
    from hermite.target import Target

INPUTS = ("gaussian", "rademacher", "biased")
#: Orders of an infinite expansion beyond the leap that are compared with it at a finite d.
_LOOK_AHEAD = 4
#: Largest input dimension that sizes are given for.
MAX_D = 10**18


@dataclass(frozen=True, eq=False, repr=False)
class Hardness(FrozenReport):
    """Who learns a target with how many samples; the fields are those of ``giantstep hardness --json``.

    ``leap``: the report of :func:`hermite.leap` at n = Θ(d) a step (Gaussian inputs). ``generative_bounds``: proved
    [lower, upper] of the generative exponent. ``trivial_subspace``, ``easy_subspace``, ``hard_subspace``: shown by first and
    by second moments given the label, and proved to be shown by neither. ``alpha_c``: weak recovery needs n > alpha_c d
    (inf: hard; None: there is a trivial direction, or undecided); ``alpha_c_error`` is its error bar (0: a closed form).
    ``boolean_leap`` ("exact" or "undecided"), ``biased_d1_dims``: for inputs uniform on {±1}^d, and with a random mean.
    What functions of the label see, and the indices of other inputs, are None for inputs that do not ask for them.
    ``relevant_dim``: dim V*, as far as any of these proves it. ``basis_free_staircase``:
    whether some subspace is reflective for an activation of the degree asked for. ``rows``: one algorithm each, for the
    ``inputs`` asked for.
    """

    leap: LeapReport
    generative_exponent: int | None
    generative_bounds: tuple[int | None, int | None]
    grand_staircase_dims: tuple[int, ...] | None
    trivial_subspace: Vectors | None
    easy_subspace: Vectors | None
    hard_subspace: Vectors | None
    alpha_c: float | None
    alpha_c_error: float | None
    boolean_leap: int | None
    boolean_exactness: Exactness
    relevant_dim: int | None
    biased_d1_dims: tuple[int, ...] | None
    basis_free_staircase: BasisFreeStaircase
    inputs: str
    d: int | None
    rows: tuple[Row, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data, equal to the command's JSON: the keys of ``leap``, and those of hardness."""
        out = self.leap.to_dict()
        out["warnings"] = [*out["warnings"], *self.notes]
        return plain_table(
            out
            | {
                "generative_exponent": self.generative_exponent,
                "generative_bounds": list(self.generative_bounds),
                "grand_staircase_dims": _listed(self.grand_staircase_dims),
                "trivial_subspace": self.trivial_subspace,
                "easy_subspace": self.easy_subspace,
                "hard_subspace": self.hard_subspace,
                "alpha_c": self.alpha_c,
                "alpha_c_error": self.alpha_c_error,
                "boolean_leap": self.boolean_leap,
                "biased_d1_dims": _listed(self.biased_d1_dims),
                "basis_free_staircase": self.basis_free_staircase.to_dict(),
                "inputs": self.inputs,
                "d": self.d,
                "rows": [row.to_dict() for row in self.rows],
            }
        )

    def table(self) -> list[list[str]]:
        """The heading and one list of cells a row."""
        heading = ["algorithm", "learns", "n", "constant", "status", "source", "note"]
        if self.d is not None:
            heading.insert(3, "n at this d")
        return [heading, *(self._cells(row) for row in self.rows)]

    def _cells(self, row: Row) -> list[str]:
        cells = [
            row.algorithm,
            row.learned_text(self.leap.variables, self.relevant_dim),
            "-" if row.exponent is None else _power(row.exponent),
            "-" if row.constant is None else f"{row.constant:.4g}",
            row.status,
            row.source,
            _remark(row),
        ]
        if self.d is not None:
            cells.insert(3, "-" if row.n is None else f"{row.n:.3g}")
        return cells

    def summary(self) -> list[tuple[str, str]]:
        """(index, value) pairs that stand above the table."""
        low, high = self.generative_bounds
        k, known = self.generative_exponent, self.leap.exactness != Exactness.UNDECIDED
        bounds = "none" if low is None else f"from {low} to {'?' if high is None else high}"
        pairs = [
            ("information exponent", _text(self.leap.information_exponent, known)),
            ("leap in these coordinates", _text(self.leap.leap_coordinates, known)),
            ("isotropic leap", _text(self.leap.isotropic_leap, known)),
        ]
        if self.inputs == "gaussian":
            pairs.append(("generative exponent", bounds if k is None else str(k)))
        if self.inputs != "biased":
            boolean = _text(self.boolean_leap, self.boolean_exactness == Exactness.EXACT)
            pairs.append(("leap for Boolean inputs", boolean))
        return [*pairs, *self._basis_free()]

    def _basis_free(self) -> list[tuple[str, str]]:
        found = self.basis_free_staircase
        m = found.activation_degree
        name = "basis-free staircase" + ("" if m is None else f" for activations of degree {m}")
        if found.holds is None:
            return [(name, "undecided")]
        if found.holds:
            return [(name, "holds: no subspace is reflective")]
        rows = found.reflective_subspace or []
        return [
            (
                name,
                f"fails: reflective with respect to {pretty(rows, self.leap.variables) if rows else '{0}'}",
            )
        ]

    @property
    def citations(self) -> str:
        """BibTeX of the papers that its indices and rows are from."""
        return bibtex(dict.fromkeys((*PAPERS, *keys_of(row.source for row in self.rows))))

    def __repr__(self) -> str:
        """At most 80 columns wide: status, source and note stand below the table, a line an algorithm."""
        size = "" if self.d is None else f", d = {self.d}"
        text = _wrapped(
            f"hardness of {shortened(self.leap.target, 400)} ({self.inputs} inputs{size})", indent=""
        )
        for name, value in self.summary():
            text += _wrapped(f"{name}: {value}" + _GLOSSES.get(name, ""))
        whole = next((row.learned for row in self.rows if self._is_everything(row)), None)
        if whole:
            text += _wrapped(f"everything: {pretty(whole, self.leap.variables)}")
        text += ["", *self._drawn(), ""]
        for row in self.rows:
            text += _wrapped(
                f"{row.algorithm} ({row.status}): {row.source}" + f"; {_remark(row)}" * bool(_remark(row))
            )
        for warning in (*self.leap.warnings, *self.notes):
            text += _wrapped(f"warning: {warning}")
        return "\n".join(text)

    def _is_everything(self, row: Row) -> bool:
        return bool(row.learned and self.relevant_dim and row.learned_dim == self.relevant_dim)

    def _drawn(self) -> list[str]:
        """The table without status, source and note; a long subspace goes on in the next lines."""
        heading, *body = (cells[:-3] for cells in self.table())
        learns = heading.index("learns")
        for cells, row in zip(body, self.rows, strict=True):
            cells[learns] = "everything" if self._is_everything(row) else cells[learns]
        widths = [max(len(line[i]) for line in (heading, *body)) for i in range(len(heading))]
        rest = sum(widths) - widths[learns] + 2 * len(widths)
        widths[learns] = min(widths[learns], max(_WIDTH - rest, 12))
        lines = []
        for line in (heading, *body):
            parts = textwrap.wrap(line[learns], widths[learns]) or [""]
            for i, part in enumerate(parts):
                cells = [part if j == learns else cell * (i == 0) for j, cell in enumerate(line)]
                drawn = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
                lines.append("  " + drawn.rstrip())
        return lines

    def _repr_html_(self) -> str:
        from html import escape

        heading, *lines = self.table()
        style = " style='text-align:left'"
        head = "".join(f"<th{style}>{escape(cell)}</th>" for cell in heading)
        body = "".join(
            "<tr>" + "".join(f"<td{style}>{escape(cell)}</td>" for cell in line) + "</tr>" for line in lines
        )
        facts = "; ".join(f"{escape(name)}: {escape(value)}" for name, value in self.summary())
        warnings = "".join(f"<p>{escape(w)}</p>" for w in (*self.leap.warnings, *self.notes))
        size = "" if self.d is None else f", d = {self.d}"
        caption = f"<b>{escape(self.leap.target)}</b> ({escape(self.inputs)} inputs{size})<br>{facts}"
        return f"<p>{caption}</p><table><tr>{head}</tr>{body}</table>{warnings}"


#: Columns of the text.
_WIDTH = 80
#: What the indices mean, for those who do not know their names.
_GLOSSES = {"leap in these coordinates": f" ({COORDINATE_LEAP})", "isotropic leap": f" ({ISOTROPIC_LEAP})"}
#: Units of work that all questions of one table share.
_PURSE = 1_800_000


def hardness(
    f: Target | str, d: int | None = None, inputs: str = "gaussian", activation_degree: int | None = None
) -> Hardness:
    """Who learns ``f``, from how many samples: giant steps, one-pass SGD, reuse, SQ-optimal algorithms, AMP.

    Parameters
    ----------
    f
        The target; what cannot be proved is None, with the reason in ``notes``.
    d
        Input dimension: adds the sizes n = constant · d^exponent, and a warning where a coefficient is so small that a
        higher order is larger at this d.
    inputs
        "gaussian", "rademacher" (uniform on {±1}^d) or "biased" (Gaussian, with a random mean): the rows.
    activation_degree
        Degree of the activation that is asked for reflective subspaces; None: an activation that is no polynomial.

    Raises ``InputError`` for d outside 1 to 10^18, unknown inputs, a degree outside 1 to 40, and Boolean inputs with a
    Gram matrix or a callable.

    >>> from hermite import Target, hardness
    >>> report = hardness(Target("He3(z1)"), d=1000)
    >>> report.leap.information_exponent, report.generative_exponent, report.rows[3].exponent, report.rows[6].exponent
    (3, 1, 2, 1.0)
    """
    f = as_target(f)
    if not isinstance(inputs, str) or inputs not in INPUTS:
        raise InputError(f"inputs must be one of {', '.join(INPUTS)}, not {inputs!r}")
    if d is not None and (isinstance(d, bool) or not isinstance(d, int) or not 1 <= d <= MAX_D):
        raise InputError(f"d must be a whole number from 1 to {MAX_D}, not {d!r}")
    with purse(_PURSE):
        one = leap(f)
        free = basis_free_staircase(f, activation_degree, one)
        label = _by_label(f, one, d) if inputs == "gaussian" else _NOT_ASKED
        boolean = _walsh(f, required=inputs == "rademacher") if inputs != "biased" else None
        bias = biased_staircase(f) if inputs != "rademacher" else None
    if inputs == "gaussian":
        rows = label.rows
    else:
        rows = rademacher_rows(boolean, f.r) if boolean else biased_rows(bias) if bias else ()
    notes = [
        *label.notes,
        f"Boolean inputs: {boolean.reason}" if boolean and boolean.reason else "",
        f"inputs with a random mean: {bias.reason}" if bias and bias.reason else "",
    ]
    return Hardness(
        leap=one,
        **label.indices,
        boolean_leap=boolean.leap if boolean else None,
        boolean_exactness=boolean.exactness if boolean else Exactness.UNDECIDED,
        relevant_dim=one.relevant_dim if label.relevant_dim is None else label.relevant_dim,
        biased_d1_dims=bias.dims if bias else None,
        basis_free_staircase=free,
        inputs=inputs,
        d=d,
        rows=tuple(_sized(row, d) for row in rows),
        notes=tuple(dict.fromkeys(note for note in notes if note)),
    )


@dataclass(frozen=True)
class _Label:
    """What functions of the label see at Gaussian inputs: fields of :class:`Hardness`, rows and notes."""

    indices: dict[str, Any]
    relevant_dim: int | None = None
    rows: tuple[Row, ...] = ()
    notes: tuple[str, ...] = ()


#: These take Monte Carlo and moments of the label, and say nothing of other inputs.
_NOT_ASKED = _Label(
    {
        "generative_exponent": None,
        "generative_bounds": (None, None),
        "grand_staircase_dims": None,
        "trivial_subspace": None,
        "easy_subspace": None,
        "hard_subspace": None,
        "alpha_c": None,
        "alpha_c_error": None,
    }
)


def _walsh(f: Target, *, required: bool) -> Walsh:
    if required or (f.is_symbolic and f.gram is None):
        return walsh_expansion(f)
    return Walsh({}, None, Exactness.UNDECIDED, "no Fourier–Walsh expansion: a callable, or a Gram matrix")


def _by_label(f: Target, one: LeapReport, d: int | None) -> _Label:
    found = generative(f, one)
    threshold = threshold_of(f, found)
    known = bool(found.relevant_dim)
    bound = "the grand staircase is a lower bound: found by moments of the label, not proved to be all"
    return _Label(
        {
            "generative_exponent": found.exponent,
            "generative_bounds": (None, None) if found.bounds is None else (found.bounds[0], found.bounds[1]),
            "grand_staircase_dims": tuple(found.grand_staircase_dims) if known else None,
            "trivial_subspace": found.trivial_subspace if known else None,
            "easy_subspace": found.easy_subspace if known else None,
            "hard_subspace": found.hard_subspace if known else None,
            "alpha_c": threshold.alpha_c,
            "alpha_c_error": threshold.error,
        },
        found.relevant_dim,
        gaussian_rows(one, leap(f, batch_exponent=2), reuse_staircase(f), found, threshold),
        (
            f"generative exponent: {found.reason}" if found.exactness == Exactness.UNDECIDED else "",
            "" if found.staircase_proved or not known else bound,
            finite_size_warning(f, one.leap_index, d)
            if d is not None and one.relevant_dim is not None
            else "",
        ),
    )


def finite_size_warning(f: Target, index: int | None, d: int) -> str:
    """Whether ‖C_l‖ d^{-(l-1)/2} at the leap l is below that of a higher order at this d; "" if it is not.

    Order-k signal has norm ‖C_k‖ d^{-(k-1)/2} in one giant step, so that the leap rules only as d → ∞.
    """
    if index is None or not f.is_symbolic:
        return ""
    last = max(index, degree_bound(f.tree)) if f.tree and f.is_polynomial else index + _LOOK_AHEAD
    try:
        energies = expand(f, min(last, MAX_ORDER)).energies
    except InputError:
        # The leap is known, orders above it are out of reach: nothing can be compared with it.
        return ""
    sizes = {
        k: math.sqrt(math.factorial(k) * energies[k]) * d ** (-(k - 1) / 2)
        for k in range(index, len(energies))
    }
    larger = max(sizes, key=lambda k: sizes[k])
    if larger == index:
        return ""
    return (
        f"at d = {d} order {larger} (signal {sizes[larger]:.2g}) is larger than the leap's order {index} "
        f"(signal {sizes[index]:.2g}): the exponents are those of much larger d"
    )


def _sized(row: Row, d: int | None) -> Row:
    if d is None or row.exponent is None or row.constant == 0:
        return row
    if row.exponent * math.log10(d) > 300:
        return replace(row, note="; ".join(filter(None, (row.note, "n over 1e300"))))
    return replace(row, n=(1.0 if row.constant is None else row.constant) * float(d) ** row.exponent)


def _wrapped(text: str, indent: str = "  ") -> list[str]:
    """Indented lines that fit 80 columns."""
    return textwrap.wrap(
        text, _WIDTH, initial_indent=indent, subsequent_indent="    ", break_on_hyphens=False
    )


def _listed(dims: tuple[int, ...] | None) -> list[int] | None:
    return None if dims is None else list(dims)


def _remark(row: Row) -> str:
    """The note of a row and, of one-pass SGD, its largest batch without more samples, in how many steps."""
    if row.optimal_batch is None or row.steps_at_optimal_batch is None:
        return row.note
    few = "O(log d)" if row.note == "times log d" else "O(1)"
    steps = _power(row.steps_at_optimal_batch) if row.steps_at_optimal_batch else few
    batch = f"batches up to {_power(row.optimal_batch)}, then {steps} steps (square loss, arXiv:2406.02157)"
    return "; ".join(filter(None, (row.note, batch)))


def _power(exponent: float) -> str:
    if exponent == 1:
        return "d"
    return f"d^{exponent:g}" if float(exponent).is_integer() else f"d^({2 * exponent:g}/2)"


def _text(k: int | None, known: bool) -> str:
    """An index; "none" where it is proved that there is none."""
    if k is None:
        return "none" if known else "undecided"
    return str(k)
