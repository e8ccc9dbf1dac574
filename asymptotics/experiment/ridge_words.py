"""The words of ``ridge.regime`` and ``ridge.level``, which name the theories of the ridge fit."""

from __future__ import annotations

from enum import StrEnum


class Regime(StrEnum):
    """Which sizes are comparable; the value is the word of ``ridge.regime``."""

    AUTO = "auto"
    PROPORTIONAL = "proportional"
    FINITE = "finite"
    FIXED_WIDTH = "fixed-width"


class Level(StrEnum):
    """What of the trained residuals a theory keeps; the value is the word of ``ridge.level``."""

    AUTO = "auto"
    ISO = "iso"
    E = "E"
    MATRIX = "matrix"
    E_PLUS = "E+"
    EN_PLUS = "En+"

    @property
    def is_measured(self) -> bool:
        """Whether auxiliary batches are drawn for it."""
        return self in (Level.MATRIX, Level.E_PLUS, Level.EN_PLUS)
