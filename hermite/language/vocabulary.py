"""The words of the expression language: functions, variables, and what is said of a word that means nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from hermite.errors import InputError
from hermite.language.limits import MAX_VARIABLES
from hermite.language.named import NAMED
from hermite.language.sympy_text import is_sympy
from hermite.language.tokens import Token, error_at

#: Names of the language and the call they stand for.
FUNCTION_NAMES = {
    "relu": "relu", "abs": "abs", "sign": "sign", "Heaviside": "heaviside", "heaviside": "heaviside",
    "max": "max", "min": "min", "exp": "exp", "sin": "sin", "cos": "cos", "tanh": "tanh", "erf": "erf",
    "logistic": "logistic", "sigmoid": "logistic", "softplus": "softplus", "sqrt": "sqrt", "He": "He",
}  # fmt: skip
#: … and the shorthands whose text the language can write.
SHORTHANDS = tuple(name for name, one in NAMED.items() if one.pair is None)
FUNCTIONS = (*FUNCTION_NAMES, *SHORTHANDS)
_HERMITE = re.compile(r"He([0-9]+)")
_DEFAULT_VARIABLE = re.compile(r"z([0-9]+)")


def is_function(name: str) -> bool:
    """Whether ``name`` is a function of the language, He3 and the like included."""
    return name in FUNCTIONS or _HERMITE.fullmatch(name) is not None


def check_names(variables: Sequence[str]) -> tuple[str, ...]:
    """``variables`` as a tuple of distinct, usable names; raises :class:`InputError`."""
    if not isinstance(variables, Iterable) or isinstance(variables, bytes):
        raise InputError(f"variables must be a list of names such as ['x', 'y'], not {variables!a}")
    try:
        names = (variables,) if isinstance(variables, str) else tuple(variables)
    except TypeError:
        # An array of no axes says that it can be iterated over.
        names = (str(variables),)
    names = tuple(str(name) if is_sympy(name) else name for name in names)
    if not 1 <= len(names) <= MAX_VARIABLES:
        raise InputError(f"variables must be 1 to {MAX_VARIABLES} names, not {len(names)}")
    for name in names:
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z_][A-Za-z_0-9]*", name):
            raise InputError(f"variables must be ASCII names such as x or z1, not {name!a}")
        if is_function(name) or name == "pi":
            raise InputError(f"variables must not be named like a function or constant, as {name} is")
    if len(set(names)) < len(names):
        raise InputError("variables must be distinct names")
    return names


def variable_index(token: Token, names: tuple[str, ...] | None) -> int | None:
    """0-based index if the token is one of ``names`` (None: z1, z2, …), else None."""
    name = token.text
    if names is not None:
        return names.index(name) if name in names else None
    match = _DEFAULT_VARIABLE.fullmatch(name)
    if match is None:
        return None
    digits = match[1]
    if digits.startswith("0"):
        raise error_at(token.column, f"expected a variable z1 to z{MAX_VARIABLES}, found {token.shown()}")
    if len(digits) > 3 or int(digits) > MAX_VARIABLES:
        raise error_at(
            token.column, f"variable {short(name)} is above the limit of {MAX_VARIABLES} variables"
        )
    return int(digits) - 1


def unknown(token: Token, names: tuple[str, ...] | None) -> InputError:
    """The error for a name that means nothing, with the closest one that does."""
    from difflib import get_close_matches

    known = list(names or (f"z{i}" for i in range(1, MAX_VARIABLES + 1)))
    name = token.text[:40]
    # The same letters first: Relu is relu, though prelu is as close.
    close = [k for k in [*FUNCTIONS, *known] if k.lower() == name.lower()]
    close = close or get_close_matches(name, [*FUNCTIONS, "pi", *known], 1, 0.6)
    variables = f"variables are {_list(known) if names else 'z1, z2, ...'}"
    hint = f"did you mean {close[0]}?" if close else variables
    if name == "e":
        hint = "write exp(1)"
    if name in NAMED:
        hint = "an activation only, by its bare name"
    return error_at(token.column, f"unknown name {token.shown()} ({hint})")


def short(name: str) -> str:
    """A name as a message quotes it."""
    return name if len(name) <= 30 else name[:27] + "..."


def _list(names: Sequence[str]) -> str:
    return ", ".join(short(name) for name in names)
