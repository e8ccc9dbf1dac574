"""Results as LaTeX tables (booktabs) for papers: what the text tables say, with formulas as formulas."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from asymptotics.documents.mathematics import expression_latex
from asymptotics.text.tables import sure
from hermite.errors import InputError

if TYPE_CHECKING:
    from hermite.indices.report import LeapReport

_HEADS = {
    "step": "$t$",
    "alpha_train": r"$\alpha_{\mathrm{train}}$",
    "eta": r"$\eta$",
    "alpha": r"$\alpha$",
    "beta": r"$\beta$",
    "lambda": r"$\lambda$",
    "d": "$d$",
}
_ERRORS = ("test_error", "train_error")
_LETTERS = {
    "Θ": r"$\Theta$",
    "→": r"$\to$",
    "∞": r"$\infty$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "±": r"$\pm$",
    "ℓ": r"$\ell$",
    "λ": r"$\lambda$",
    "κ": r"$\kappa$",
    "ã": r"$\tilde{a}$",
    "²": r"$^2$",
    "·": r"$\cdot$",
    "…": r"\dots{}",
    "√": r"$\surd$",
    "α": r"$\alpha$",
    "β": r"$\beta$",
    "η": r"$\eta$",
    "∈": r"$\in$",
    "≠": r"$\neq$",
    "–": "--",
    "−": "$-$",
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
} | {letter: f"\\{letter}" for letter in "&%$#_"}


def tabular(header: Sequence[str], rows: Iterable[Sequence[str]], columns: str | None = None) -> str:
    """A booktabs ``tabular`` of cells that are LaTeX already; ``columns``: its column types (default: all l)."""
    body = [" & ".join(row) + r" \\" for row in rows]
    head = [" & ".join(header) + r" \\", r"\midrule"] if any(header) else []
    return "\n".join(
        [
            r"% \usepackage{booktabs, amsmath}",
            rf"\begin{{tabular}}{{{columns or 'l' * len(header)}}}",
            r"\toprule",
            *head,
            *body,
            r"\bottomrule",
            r"\end{tabular}",
        ]
    )


def prose(text: str, variables: Sequence[str] = ()) -> str:
    """Words as LaTeX; span{...}, powers of d and names of directions in them are formulas."""
    pieces = re.split(r"(span\{[^{}]*\}|\{0\}|\bd\^\([^()]*\)|\bd\^-?[\d./]+|\bz\d+\b)", text)
    return "".join(
        _formula(piece, variables) if i % 2 else "".join(_LETTERS.get(letter, letter) for letter in piece)
        for i, piece in enumerate(pieces)
    )


def _formula(piece: str, variables: Sequence[str]) -> str:
    if piece == "{0}":
        return r"$\{0\}$"
    if piece.startswith("d^"):
        return f"$d^{{{piece[2:].strip('()')}}}$"
    if piece.startswith("span{"):
        vectors = [mathematics(vector, variables) for vector in piece[5:-1].split(", ")]
        return rf"$\operatorname{{span}}\{{{', '.join(vectors)}\}}$"
    return f"${mathematics(piece, variables)}$"


def mathematics(text: str, variables: Sequence[str] = ()) -> str:
    """An expression of the language as LaTeX, without dollar signs; what it cannot read stands as text."""
    names = list(variables) or [f"z{k}" for k in range(1, 21)]
    try:
        return expression_latex(text, names)
    except InputError:
        return rf"\text{{{''.join(_LETTERS.get(letter, letter) for letter in text)}}}"


def leap_latex(report: LeapReport) -> str:
    """The leap report, a question and its answer a row."""
    target = f"${mathematics(report.target, report.variables)}$"
    rows = [("target", target)]
    rows += [
        (prose(question.strip()), prose(answer, report.variables)) for question, answer in report.lines()
    ]
    return tabular(["", ""], rows, "ll")


def plateaus_latex(document: Mapping[str, Any]) -> str:
    """The stairway: steps, learned subspace, plateaus by kappa; exact numbers as formulas."""
    from hermite.indices.report import pretty
    from hermite.target import Target

    variables = Target(document["target"]).variables
    rows = []
    for row in document["rows"]:
        exact = row.get("plateaus_exact") or [None] * len(row["plateaus"])
        numbers = [
            f"${mathematics(text) if text else f'{value:.6g}'}$"
            for text, value in zip(exact, row["plateaus"], strict=True)
        ]
        rows.append([str(row["step"]), prose(pretty(row["subspace"], variables), variables), *numbers])
        if row.get("plateaus_activation"):
            student = row.get("subspace_activation")
            space = "" if student is None else prose(pretty(student, variables), variables) + " "
            name = prose(str(document["activation"]))
            rows.append(["", f"{space}with {name}", *(f"${v:.6g}$" for v in row["plateaus_activation"])])
    kappas = [rf"$\kappa = {k}$" for k in range(len(document["rows"][0]["plateaus"]))]
    return tabular(["step", "learned", *kappas], rows, "rl" + "r" * len(kappas))


def hardness_latex(document: Mapping[str, Any]) -> str:
    """Who learns it from how many samples: algorithm, exponent of d, what is learned, how that is known."""
    from hermite.indices.report import pretty

    variables = tuple(document["variables"])
    rows = []
    for row in document["rows"]:
        power = "--" if row["exponent"] is None else f"$d^{{{row['exponent']:g}}}$"
        learned = row.get("learned")
        space = "--" if learned is None else prose(pretty(learned, variables), variables)
        rows.append([prose(row["algorithm"]), power, space, prose(row["status"]), prose(row["source"] or "")])
    return tabular(["algorithm", "samples", "learns", "status", "source"], rows)


def curve_latex(rows: Sequence[Mapping[str, Any]]) -> str:
    """The errors of a curve in the digits that are sure, simulated ones with their standard error."""
    keys = [key for key in _HEADS if len({row[key] for row in rows}) > 1] or ["alpha"]
    simulated = any(row["simulation"] for row in rows)
    heads = [_HEADS[key] for key in keys] + [name.replace("_", " ") for name in _ERRORS]
    heads += ["simulated test error"] if simulated else []
    body = []
    for row in rows:
        cells = ["--" if row[key] is None else f"${_number(row[key])}$" for key in keys]
        cells += [_cell(sure(row[name], row.get("error"))) for name in _ERRORS]
        if simulated:
            s = row["simulation"]
            sem = s and s["test_error_sem"]
            cells.append("--" if not s else f"${s['test_error']:.4g}" + (rf" \pm {sem:.1g}$" if sem else "$"))
        body.append(cells)
    return tabular(heads, body, "r" * len(heads))


def _cell(text: str) -> str:
    return "--" if text == "-" else f"${_power(text)}$"


def _number(value: float) -> str:
    return r"\infty" if value == float("inf") else _power(f"{value:g}")


def _power(text: str) -> str:
    """1e-05 as 10^{-5}."""
    if "inf" in text:
        return text.replace("inf", r"\infty")
    return re.sub(r"e([+-]?)0*(\d+)", lambda m: rf" \cdot 10^{{{m[1].strip('+')}{m[2]}}}", text)
