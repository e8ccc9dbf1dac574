"""A counted amount of work, so that every question ends, and ends alike on every machine.

What is hard to foresee (integrals, products of exact constants, balls of thousands of bits) is counted as it is done, in
units of about a microsecond. A question has an allowance; beyond it every further piece of work raises :class:`Exhausted`, and
the answer is "undecided", with that reason. Results that are kept remember what they cost and charge it once a question, so that
an answer does not depend on what was asked before. A command that asks many questions gives them one purse.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from hermite.exact.undecided import Undecided

#: Units of one question.
ALLOWANCE = 2_000_000


class Exhausted(Undecided):
    """The allowance of a question is used up."""


@dataclass
class _Account:
    left: int
    spent: int = 0
    paid: set[Hashable] = field(default_factory=set)


@dataclass
class _Purse:
    left: int
    paid: set[Hashable] = field(default_factory=set)


_ACCOUNT: ContextVar[_Account | None] = ContextVar("account", default=None)
_PURSE: ContextVar[_Purse | None] = ContextVar("purse", default=None)


@contextmanager
def purse(units: int) -> Iterator[None]:
    """The questions inside share ``units``: what is left bounds the allowance of the next."""
    token = _PURSE.set(_Purse(units))
    try:
        yield
    finally:
        _PURSE.reset(token)


def settle(what: Hashable, units: int) -> None:
    """Take the cost of something kept, made in a ``kept`` allowance of its own, from the purse: once a purse."""
    shared = _PURSE.get()
    if shared is not None and what not in shared.paid:
        shared.paid.add(what)
        shared.left = max(shared.left - units, 0)


@contextmanager
def allowance(units: int = ALLOWANCE, *, fresh: bool = True, kept: bool = False) -> Iterator[None]:
    """Work inside may cost ``units``; without ``fresh`` an allowance that is open already goes on.

    ``kept``: what is made does not depend on who asks; its cost is settled wherever it is used.
    """
    if not fresh and _ACCOUNT.get() is not None:
        yield
        return
    shared = None if kept else _PURSE.get()
    account = _Account(units if shared is None else min(units, shared.left))
    token = _ACCOUNT.set(account)
    try:
        yield
    finally:
        _ACCOUNT.reset(token)
        if shared is not None:
            shared.left = max(shared.left - account.spent, 0)


def spend(units: int) -> None:
    """Count work that is about to be done; raises :class:`Exhausted` where the allowance is used up."""
    account = _ACCOUNT.get()
    if account is not None:
        account.left -= units
        account.spent += units
        if account.left < 0:
            raise Exhausted("it would cost more work than one question is allowed")


def spend_once(what: Hashable, units: int) -> None:
    """Count work whose result is kept: once a question, whether it was done now or before."""
    account = _ACCOUNT.get()
    if account is not None and what not in account.paid:
        account.paid.add(what)
        spend(units)


def paid(what: Hashable) -> None:
    """The work for ``what`` was counted piece by piece."""
    account = _ACCOUNT.get()
    if account is not None:
        account.paid.add(what)


def spent() -> int:
    """What the open question has cost so far."""
    account = _ACCOUNT.get()
    return 0 if account is None else account.spent
