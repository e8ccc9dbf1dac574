"""SymPy objects as text of the expression language: printed by SymPy, read by our own parser, never evaluated."""

from __future__ import annotations

import re

#: What SymPy spells otherwise.
_SPELLING = {"Max": "max", "Min": "min", "Abs": "abs", "E": "exp(1)"}


def is_sympy(value: object) -> bool:
    """Whether ``value`` is an object of SymPy; SymPy is not imported for the answer."""
    return any(str(kind.__module__).partition(".")[0] == "sympy" for kind in type(value).__mro__)


def sympy_text(value: object) -> str:
    """``value`` as SymPy prints it, in the names of the language: Max is max, Abs is abs, E is exp(1)."""
    return re.sub(r"\b(Max|Min|Abs|E)\b", lambda match: _SPELLING[match[1]], str(value))
