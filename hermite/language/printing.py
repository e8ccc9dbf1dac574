"""An expression as text that parses back to an equal expression."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hermite.language import nodes as ex

_SUM, _PRODUCT, _POWER, _ATOM = range(4)


def to_text(e: ex.Expression, variables: Sequence[str] | None = None) -> str:
    """``e`` in the expression language; ``variables`` are the names to print (default z1, z2, ...)."""
    texts: dict[ex.Expression, tuple[str, int]] = {}
    for node in ex.postorder(e):
        texts[node] = _print(node, [texts[child] for child in ex.children(node)], variables)
    return texts[e][0]


def _print(
    e: ex.Expression, below: list[tuple[str, int]], variables: Sequence[str] | None
) -> tuple[str, int]:
    """Text of one node and how tightly it binds."""
    match e:
        case ex.Number():
            return str(e.value), _ATOM if e.value >= 0 and e.value.denominator == 1 else _PRODUCT
        case ex.Pi():
            return "pi", _ATOM
        case ex.Variable():
            return (variables[e.index] if variables else f"z{e.index + 1}"), _ATOM
        case ex.Sum():
            return _join_terms([_wrap(part, _PRODUCT) for part in below]), _SUM
        case ex.Product():
            return _print_product(e, below)
        case ex.Power():
            base = _wrap(below[0], _ATOM)
            if e.exponent < 0:
                power = base if e.exponent == -1 else f"{base}^{-e.exponent}"
                return f"1/{power}", _PRODUCT
            return f"{base}^{e.exponent}", _POWER
        case ex.Hermite():
            return f"He{e.order}({below[0][0]})", _ATOM
        case ex.Call():
            return f"{_SPELLING.get(e.name, e.name)}({', '.join(text for text, _ in below)})", _ATOM
        case _:
            raise TypeError(f"not an expression node: {type(e).__name__}")


_SPELLING = {"heaviside": "Heaviside"}


def _wrap(part: tuple[str, int], tightness: int) -> str:
    """Parentheses where a part binds less tightly than its place asks."""
    text, level = part
    return text if level >= tightness else f"({text})"


def _join_terms(terms: list[str]) -> str:
    """Terms with + and -; a term that starts with a minus sign lends it to the sum."""
    first, *rest = terms
    return first + "".join(f" - {text[1:]}" if text.startswith("-") else f" + {text}" for text in rest)


def _print_product(e: ex.Product, below: list[tuple[str, int]]) -> tuple[str, int]:
    """Factors with * and /; a leading -1 is a minus sign."""
    sign, parts = "", list(zip(e.factors, below, strict=True))
    first = e.factors[0]
    if isinstance(first, ex.Number) and first.value < 0 and len(parts) > 1:
        sign = "-"
        parts = parts[1:] if first.value == -1 else [(first, (str(-first.value), _PRODUCT)), *parts[1:]]
    out = ""
    for factor, part in parts:
        if isinstance(factor, ex.Power) and factor.exponent < 0:
            text = part[0] if not out else part[0][1:]
        else:
            text = _wrap(part, _POWER if out else _PRODUCT)
            text = f"*{text}" if out else text
        out += text
    return sign + out, _PRODUCT


def to_latex(e: ex.Expression, variables: Sequence[str]) -> str:
    """``e`` as LaTeX (without dollar signs)."""
    done: dict[ex.Expression, tuple[str, int]] = {}
    names = [re.sub(r"^([A-Za-z]+)([0-9]+)$", r"\1_{\2}", name) for name in variables]
    for node in ex.postorder(e):
        done[node] = _latex(node, [done[child] for child in ex.children(node)], names)
    return done[e][0]


_LATEX_NAMES = {
    "relu": r"\mathrm{relu}", "sign": r"\mathrm{sign}", "heaviside": r"\Theta", "max": r"\max", "min": r"\min",
    "sin": r"\sin", "cos": r"\cos", "tanh": r"\tanh", "erf": r"\mathrm{erf}", "exp": r"\exp",
    "logistic": r"\mathrm{logistic}", "softplus": r"\mathrm{softplus}",
}  # fmt: skip


def _latex(e: ex.Expression, below: list[tuple[str, int]], names: list[str]) -> tuple[str, int]:
    """LaTeX of one node and how tightly it binds."""
    match e:
        case ex.Number():
            top, bottom = abs(e.value.numerator), e.value.denominator
            text = str(top) if bottom == 1 else rf"\frac{{{top}}}{{{bottom}}}"
            return (text, _ATOM if bottom == 1 else _POWER) if e.value >= 0 else (f"-{text}", _PRODUCT)
        case ex.Pi():
            return r"\pi", _ATOM
        case ex.Variable():
            return names[e.index], _ATOM
        case ex.Sum():
            return _join_terms([_wrap(part, _PRODUCT) for part in below]), _SUM
        case ex.Product():
            return _latex_product(e, below)
        case ex.Power():
            base = _wrap(below[0], _ATOM)
            if e.exponent < 0:
                bottom_text = below[0][0] if e.exponent == -1 else f"{base}^{{{-e.exponent}}}"
                return rf"\frac{{1}}{{{bottom_text}}}", _POWER
            return f"{base}^{{{e.exponent}}}", _POWER
        case ex.Hermite():
            return rf"\mathrm{{He}}_{{{e.order}}}({below[0][0]})", _ATOM
        case ex.Call(name="sqrt"):
            return rf"\sqrt{{{below[0][0]}}}", _ATOM
        case ex.Call(name="abs"):
            return rf"\left|{below[0][0]}\right|", _ATOM
        case ex.Call():
            return f"{_LATEX_NAMES[e.name]}({', '.join(text for text, _ in below)})", _ATOM
        case _:
            raise TypeError(f"not an expression node: {type(e).__name__}")


def _latex_product(e: ex.Product, below: list[tuple[str, int]]) -> tuple[str, int]:
    """Factors side by side; a dot between two that start with a digit, a leading -1 as a minus sign."""
    first = e.factors[0]
    texts = [_wrap(below[0], _PRODUCT), *(_wrap(part, _POWER) for part in below[1:])]
    if isinstance(first, ex.Number) and first.value == -1 and len(texts) > 1:
        texts = (
            ["-" + texts[1], *texts[2:]] if not texts[1].startswith("-") else [f"-({texts[1]})", *texts[2:]]
        )
    out = texts[0]
    for text in texts[1:]:
        out += rf" \cdot {text}" if text[0].isdigit() else f" {text}"
    return out, _PRODUCT
