"""Proof that E f^2 is finite."""

from __future__ import annotations

from hermite.gram import Matrix
from hermite.nodes import Expression


def check_finite_variance(e: Expression, r: int, gram: Matrix | None) -> None:
    """Raise InputError unless E f^2 is proved finite."""
