"""Activations by the names that people use, as shorthands of the expression language.

``gelu(u)`` stands for u (1 + erf(u/sqrt(2)))/2, ``leaky_relu(u, 1/5)`` for relu(u) − relu(−u)/5: a name, parameters with
defaults, and a text in x. Names and defaults are PyTorch's. What the language cannot write (arctan, softsign: a division by
something that is not constant) is a pair of NumPy functions, usable as an activation only.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from hermite.errors import InputError

Function = Callable[[Any], Any]


@dataclass(frozen=True)
class Named:
    """``text`` in x and {parameters}; ``parameters``: name → default, all rational; ``allowed``: a test of them, and its words.

    ``pair``: σ and σ' of NumPy arrays where the language has no text for it; ``kinks``: of these two; ``parity``: known of them.
    """

    text: str
    parameters: tuple[tuple[str, str], ...] = ()
    allowed: tuple[Callable[..., bool], str] | None = None
    pair: tuple[Function, Function] | None = None
    kinks: tuple[float, ...] = ()
    parity: str | None = None

    def written(self, values: tuple[Fraction, ...]) -> str:
        """The expression in x at these values of the parameters."""
        names = [name for name, _ in self.parameters]
        return self.text.format(**{k: f"({v})" for k, v in zip(names, values, strict=True)})


def _arctan(x: Any) -> Any:
    import numpy as np

    return np.arctan(x)


def _arctan_slope(x: Any) -> Any:
    return 1 / (1 + x * x)


def _softsign(x: Any) -> Any:
    return x / (1 + abs(x))


def _softsign_slope(x: Any) -> Any:
    return 1 / (1 + abs(x)) ** 2


_POSITIVE = (lambda a: a > 0, "greater than 0")
_ELU = "relu(x) + {alpha}*(exp(min(x/{alpha}, 0)) - 1)"
NAMED: dict[str, Named] = {
    "identity": Named("x"),
    "gelu": Named("x*(1 + erf(x/sqrt(2)))/2"),
    # sqrt(2/pi) in 30 digits: a composite argument is decided with rational coefficients only.
    "gelu_tanh": Named("x*(1 + tanh(0.797884560802865355879892119869*(x + 0.044715*x^3)))/2"),
    "silu": Named("x*logistic(x)"),
    "swish": Named("x*logistic({beta}*x)", (("beta", "1"),)),
    "mish": Named("x*tanh(softplus(x))"),
    "leaky_relu": Named("relu(x) - {slope}*relu(-x)", (("slope", "0.01"),)),
    "prelu": Named("relu(x) - {slope}*relu(-x)", (("slope", "0.25"),)),
    "squared_relu": Named("relu(x)^2"),
    "relu6": Named("min(relu(x), 6)"),
    "elu": Named("relu(x) + {alpha}*(exp(min(x, 0)) - 1)", (("alpha", "1"),)),
    "celu": Named(_ELU, (("alpha", "1"),), _POSITIVE),
    "selu": Named(
        "1.0507009873554804934193349852946*(relu(x) + 1.6732632423543772848170429916717*(exp(min(x, 0)) - 1))"
    ),
    "hardtanh": Named(
        "max({low}, min(x, {high}))",
        (("low", "-1"), ("high", "1")),
        (lambda low, high: low < high, "low < high"),
    ),
    "hardsigmoid": Named("max(0, min(x/6 + 1/2, 1))"),
    "hardswish": Named("x*max(0, min(x/6 + 1/2, 1))"),
    "softshrink": Named(
        "relu(x - {width}) - relu(-x - {width})",
        (("width", "0.5"),),
        (lambda width: width >= 0, "at least 0"),
    ),
    "hardshrink": Named(
        "x*(Heaviside(x - {width}) + Heaviside(-x - {width}))", (("width", "0.5"),), _POSITIVE
    ),
    "tanhshrink": Named("x - tanh(x)"),
    "logsigmoid": Named("-softplus(-x)"),
    "arctan": Named("arctan(x)", pair=(_arctan, _arctan_slope), parity="odd"),
    "softsign": Named("x/(1 + abs(x))", pair=(_softsign, _softsign_slope), kinks=(0.0,), parity="odd"),
}
_KEYWORDS = re.compile(r"\s*(\w+)\s*\(([^()]*=[^()]*)\)\s*")


def values_of(name: str, given: tuple[Fraction, ...]) -> tuple[Fraction, ...]:
    """The parameters of ``name``, defaults filled in; raises ``ValueError`` with the words that follow the name."""
    one = NAMED[name]
    if len(given) > len(one.parameters):
        takes = "".join(f", {key}" for key, _ in one.parameters)
        raise ValueError(f"takes {name}(x{takes}), not {len(given) + 1} arguments")
    values = given + tuple(Fraction(default) for _, default in one.parameters[len(given) :])
    if one.allowed is not None and not one.allowed[0](*values):
        keys = ", ".join(key for key, _ in one.parameters)
        found = ", ".join(map(str, values))
        raise ValueError(f"needs {keys} {one.allowed[1]}, not {found}")
    return values


def beyond_language(text: str) -> Named | None:
    """The activation that ``text`` names, if the language cannot write it; None for every other text."""
    bare = re.sub(r"\s+", "", text)
    one = NAMED.get(bare.removesuffix("(x)"))
    return None if one is None or one.pair is None else one


def activation_text(text: str) -> str:
    """``text`` as an expression in x: a bare name stands for the function of x, ``elu(alpha=2)`` for ``elu(x, 2)``.

    Raises ``InputError`` for parameters that the function does not have.
    """
    bare = text.strip()
    keywords = _KEYWORDS.fullmatch(bare)
    if keywords is not None and keywords[1] in NAMED:
        return _positional(keywords[1], keywords[2])
    number_or_word = bare.isdigit() or bare in ("x", "pi")
    return f"{bare}(x)" if bare.isidentifier() and not number_or_word else bare


def _positional(name: str, inside: str) -> str:
    known = dict(NAMED[name].parameters)
    for part in inside.split(","):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if key == "x" and not equals:
            continue
        if not equals or key not in known:
            takes = ", ".join(f"{k} = {v}" for k, v in NAMED[name].parameters) or "no parameters"
            raise InputError(f"{name} has {takes}; it has no parameter {part.strip()!a}")
        known[key] = value
    return f"{name}({', '.join(['x', *known.values()])})"
