"""The two ways in which giantstep says no: the input is wrong, or a solver did not converge."""

from __future__ import annotations

import re
from collections.abc import Sequence
from numbers import Integral

#: Letters of the longest quotation, the longest word and the longest sentence that are told whole.
_QUOTED, _WORD, _SENTENCE = 160, 240, 1000


def bounded_sentence(text: str) -> str:
    """``text`` with the middle left out of what is too long to be read: quotations, words, and the whole of it.

    >>> bounded_sentence("cannot read '" + "z1 + " * 1000 + "z1'")
    "cannot read 'z1 + z1 + z1 + z1 + z1 + z1 + z1 + z1 + z1 + z1 + … + z1 + z1 + z1 + z1 + z1'"
    """
    if len(text) <= _QUOTED:
        return text
    text = re.sub(r"'[^'\n]*'|\"[^\"\n]*\"", lambda found: _shortened(found.group(), _QUOTED), text)
    text = re.sub(r"\S+", lambda found: _shortened(found.group(), _WORD), text)
    return _shortened(text, _SENTENCE, 600, 300)


def _shortened(text: str, longest: int, head: int = 51, tail: int = 25) -> str:
    return text if len(text) <= longest else f"{text[:head].rstrip()} … {text[-tail:].lstrip()}"


def check_whole(name: str, value: object, least: int = 0) -> None:
    """Raise ``InputError`` unless ``value`` is a whole number of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < least:
        raise InputError(f"{name} must be a whole number of at least {least}, not {value!r}.")


class GiantstepError(Exception):
    """Base of every error that giantstep raises on purpose; its text is meant for the user."""


class InputError(GiantstepError, ValueError):
    """The input is wrong: one clear sentence a problem, naming what was given and what is allowed.

    ``problems`` holds the sentences; the command line prints them and exits with code 2.
    """

    def __init__(self, problems: str | Sequence[str]) -> None:
        told = (problems,) if isinstance(problems, str) else tuple(problems)
        self.problems: tuple[str, ...] = tuple(map(bounded_sentence, told))
        super().__init__("\n".join(self.problems))


class ConvergenceError(GiantstepError, RuntimeError):
    """A solver stopped before its residual was small; ``solution`` holds what it reached (exit code 3)."""

    def __init__(self, message: str, solution: object = None) -> None:
        self.solution = solution
        super().__init__(bounded_sentence(message))
