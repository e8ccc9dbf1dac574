"""Text of the expression language cut into tokens; every error names its column (counted from 1)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from hermite.errors import InputError
from hermite.language.constants import MAX_DIGITS

_TOKEN = re.compile(
    r"[ \t\r\n]*(?:(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z_0-9]*)"
    r"|(?P<operator>\*\*|[-+*/^(),]))"
)
_SPACE = re.compile(r"[ \t\r\n]*")

_HINTS = {
    "'": "strings are not part of the language",
    '"': "strings are not part of the language",
    "[": "indexing is not part of the language; use parentheses ( )",
    "]": "indexing is not part of the language; use parentheses ( )",
    "{": "use parentheses ( )",
    "}": "use parentheses ( )",
    ".": "attributes are not part of the language",
    "=": "give the expression alone, without an assignment or a comparison",
    "<": "comparisons are not part of the language; use Heaviside(u) or sign(u)",
    ">": "comparisons are not part of the language; use Heaviside(u) or sign(u)",
    "|": "write abs(u)",
    "\u00b2": "write ^2",
    "\u00b3": "write ^3",
    "\u00b7": "write *",
    "\u00d7": "write *",
    "\u2212": "write the ASCII minus sign -",
    "\u2013": "write the ASCII minus sign -",
    "\u03c0": "write pi",
}


class Token(NamedTuple):
    """``kind`` is number, name, operator or end; ``column`` counts from 1."""

    kind: str
    text: str
    column: int

    def shown(self) -> str:
        """The token as an error message quotes it."""
        if self.kind == "end":
            return "the end"
        return f"'{self.text if len(self.text) <= 30 else self.text[:27] + '...'}'"


def error_at(column: int, message: str) -> InputError:
    """The error of the expression language at a column."""
    return InputError(f"expression, column {column}: {message}")


def tokenize(text: str) -> Iterator[Token]:
    """The tokens of ``text``, then one of kind end."""
    place = 0
    while match := _TOKEN.match(text, place):
        kind = match.lastgroup or ""
        yield Token(kind, match[kind], match.start(kind) + 1)
        place = match.end()
    space = _SPACE.match(text, place)
    place = space.end() if space else place
    if place < len(text):
        raise _bad_character(text[place], place + 1)
    yield Token("end", "", len(text) + 1)


def _bad_character(character: str, column: int) -> InputError:
    """The error for a character that starts no token."""
    hint = _HINTS.get(character, "")
    shown = repr(character) if character.isascii() else f"U+{ord(character):04X}"
    if not character.isascii():
        hint = f"only ASCII is allowed{'; ' + hint if hint else ''}"
    expected = "expected a number, a name, an operator or a parenthesis"
    return error_at(column, f"{expected}, found {shown}{' (' + hint + ')' if hint else ''}")


def read_number(token: Token) -> Fraction:
    """The exact rational that a decimal such as 1e-12 denotes; refused above 400 digits."""
    mantissa, _, exponent = token.text.lower().partition("e")
    whole, _, decimals = mantissa.partition(".")
    digits = (whole + decimals).lstrip("0")
    if len(exponent) <= 6 and len(digits) <= MAX_DIGITS and len(decimals) <= MAX_DIGITS:
        shift = int(exponent or "0") - len(decimals)
        if digits == "":
            return Fraction(0)
        if abs(shift) < MAX_DIGITS and len(digits) + shift <= MAX_DIGITS:
            return Fraction(int(digits) * 10 ** max(shift, 0), 10 ** max(-shift, 0))
    raise error_at(token.column, f"a number of more than {MAX_DIGITS} digits; the limit is {MAX_DIGITS}")
