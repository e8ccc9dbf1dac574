"""How an answer about a target is known."""

from __future__ import annotations

from enum import StrEnum


class Exactness(StrEnum):
    """The value is what JSON and tables say.

    >>> Exactness.EXACT
    'exact'
    """

    #: By exact arithmetic.
    EXACT = "exact"
    #: Ball arithmetic decided a sign.
    CERTIFIED = "certified"
    #: By quadrature or sampling, to a stated error; nothing is proved.
    NUMERICAL = "numerical"
    #: Not known; the ``reason`` beside it says why.
    UNDECIDED = "undecided"

    def __repr__(self) -> str:
        return repr(self.value)
