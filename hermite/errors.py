"""The two ways in which giantstep says no: the input is wrong, or a solver did not converge."""

from __future__ import annotations

from collections.abc import Sequence


class GiantstepError(Exception):
    """Base of every error that giantstep raises on purpose; its text is meant for the user."""


class InputError(GiantstepError, ValueError):
    """The input is wrong: one clear sentence a problem, naming what was given and what is allowed.

    ``problems`` holds the sentences; the command line prints them and exits with code 2.
    """

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems: tuple[str, ...] = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class ConvergenceError(GiantstepError, RuntimeError):
    """A solver stopped before its residual was small; ``solution`` holds what it reached (exit code 3)."""

    def __init__(self, message: str, solution: object = None) -> None:
        self.solution = solution
        super().__init__(message)
