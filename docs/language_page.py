"""The page of the expression language, made from the parser's own tables and limits."""

from __future__ import annotations

from hermite.language import limits
from hermite.language.named import NAMED

#: What each function of the language is; its names come from the parser.
FUNCTIONS = {
    "relu": "max(u, 0)",
    "abs": "the absolute value",
    "sign": "−1, 0 or 1",
    "Heaviside": "0, ½ at 0, or 1 (also `heaviside`)",
    "max": "the largest of two or more",
    "min": "the smallest of two or more",
    "exp": "e^u; E f² must be provably finite",
    "sin": "the sine",
    "cos": "the cosine",
    "tanh": "the hyperbolic tangent",
    "erf": "the error function 2/√π ∫₀ᵘ e^(−t²) dt",
    "logistic": "1/(1 + e^(−u)) (also `sigmoid`)",
    "softplus": "log(1 + e^u)",
    "sqrt": "of a non-negative constant, or of a square: √(u²) = |u|",
    "He": "He(k, u) or Hek(u), as in He3(z1): probabilists' Hermite polynomial",
}
EXAMPLES = (
    ("z1 + z1*z2 + z1*z2*z3", "a polynomial"),
    ("He3((z1 + z2)/sqrt(2))", "along a direction that is no axis"),
    ("relu(z1) - max(z2, z3)/2", "kinks"),
    ("sign(z1*z2)", "jumps"),
    ("exp(-z1^2)*sin(pi*z2)", "waves and windows"),
    ("gelu(z1) + leaky_relu(z2, 1/5)", "activations by name, with a parameter"),
)


def language_page() -> str:
    """Markdown: grammar, functions, names, limits, examples."""
    lines = [
        "# The expression language",
        "",
        "Targets are written in `z1` … `z20` (r is the highest index named), activations in `x`. Numbers are exact: `1/3`, "
        "`0.1` and `1e-12` are rationals, `pi` and `sqrt(2)` are what they are. `+ - * /` and `^` (or `**`) with the usual "
        "precedence: `-z1^2` is `-(z1^2)`, `^` goes to the right and takes non-negative integers, only constants that are "
        "not zero divide. A text is parsed, never evaluated; an error names the column.",
        "",
        "## Functions",
        "",
        "| function | what it is |",
        "|---|---|",
    ]
    lines += [f"| `{name}` | {what} |" for name, what in FUNCTIONS.items()]
    lines += [
        "",
        "## Activations by name",
        "",
        "Shorthands, in targets and activations; parameters are rational constants, `elu(x, 2)` or, of an activation, "
        "`elu(alpha=2)`. As an activation a bare name is enough. `giantstep activations` lists their Hermite coefficients.",
        "",
        "| name | stands for | where |",
        "|---|---|---|",
    ]
    for name, one in NAMED.items():
        takes = "".join(f", {key} = {default}" for key, default in one.parameters)
        text = one.text.format(**{key: key for key, _ in one.parameters})
        where = "everywhere" if one.pair is None else "activations"
        lines.append(f"| `{name}(x{takes})` | `{text}` | {where} |")
    bounds = {
        "degree": limits.MAX_DEGREE,
        "variables": limits.MAX_VARIABLES,
        "terms after expansion": limits.MAX_TERMS,
        "parentheses inside one another": limits.MAX_NESTING,
        "numbers and variables as written": limits.MAX_OPERANDS,
        "function calls": limits.MAX_CALLS,
        "bytes of text": limits.MAX_BYTES,
    }
    lines += ["", "## Limits", "", "Refused before any work:", "", "| at most | |", "|---|---|"]
    lines += [f"| {value:,} | {what} |" for what, value in bounds.items()]
    lines += ["", "## Examples", "", "| text | |", "|---|---|"]
    lines += [f"| `{text}` | {what} |" for text, what in EXAMPLES]
    return "\n".join([*lines, ""])
