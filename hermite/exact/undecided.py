"""The third answer of a zero test."""

from __future__ import annotations


class Undecided(Exception):
    """A zero test had no answer; the text is the reason that the report gives."""
