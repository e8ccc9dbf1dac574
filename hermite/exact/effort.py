"""A counted amount of work, so that every question ends, and ends alike on every machine.

What is hard to foresee (integrals, products of exact constants, balls of thousands of bits) is counted as it is done, in
units of about a microsecond. A question has an allowance; beyond it every further piece of work raises :class:`Exhausted`, and
the answer is "undecided", with that reason. Results that are kept remember what they cost and charge it once a question, so that
an answer does not depend on what was asked before. A command that asks many questions gives them one purse.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from hermite.exact.undecided import Undecided

T = TypeVar("T")
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
    """The questions inside share ``units``: what is left bounds the allowance of the next. A purse inside goes on."""
    if _PURSE.get() is not None:
        yield
        return
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
    token, frame = _ACCOUNT.set(account), _FRAME.set(None)
    try:
        yield
    finally:
        _FRAME.reset(frame)
        _ACCOUNT.reset(token)
        if shared is not None:
            shared.left = max(shared.left - account.spent, 0)


@contextmanager
def share(units: int) -> Iterator[None]:
    """Work inside is part of the open question, and may take ``units`` of what it has left: then it alone is given up."""
    outer = _ACCOUNT.get()
    if outer is None:
        with allowance(units):
            yield
        return
    account = _Account(min(units, max(outer.left, 0)), paid=outer.paid)
    token = _ACCOUNT.set(account)
    try:
        yield
    finally:
        _ACCOUNT.reset(token)
        outer.left -= account.spent
        outer.spent += account.spent


def spend(units: int) -> None:
    """Count work that is about to be done; raises :class:`Exhausted` where the allowance is used up."""
    frame = _FRAME.get()
    if frame is not None:
        frame.own += units
    _charge(units)


def _charge(units: int) -> None:
    account = _ACCOUNT.get()
    if account is not None:
        account.left -= units
        account.spent += units
        if account.left < 0:
            raise Exhausted("it would cost more work than one question is allowed")


@dataclass
class _Frame:
    """Work on something that will be kept: its own, and that of what is kept already and was used in it."""

    own: int = 0
    parts: dict[Hashable, int] = field(default_factory=dict)


_FRAME: ContextVar[_Frame | None] = ContextVar("frame", default=None)


@dataclass(frozen=True)
class _Kept(Generic[T]):
    value: T
    own: int
    parts: dict[Hashable, int]


class Memo(Generic[T]):
    """Values that are computed once and cost the same whenever they are asked for: once a question, each with its parts.

    ``size``: so many are kept.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._kept: OrderedDict[Hashable, _Kept[T]] = OrderedDict()

    def get(self, what: Hashable, make: Callable[[], T]) -> T:
        """The value of ``what``, a name that no other memo uses; made if it is not there."""
        kept = self._kept.get(what)
        if kept is None:
            frame = _Frame()
            token = _FRAME.set(frame)
            try:
                value = make()
            finally:
                _FRAME.reset(token)
            kept = self._kept[what] = _Kept(value, frame.own, frame.parts)
            if len(self._kept) > self.size:
                self._kept.popitem(last=False)
            account = _ACCOUNT.get()
            if account is not None:
                account.paid.add(what)
        else:
            for part, units in kept.parts.items():
                _charge_once(part, units)
            _charge_once(what, kept.own)
        outer = _FRAME.get()
        if outer is not None:
            outer.parts.update(kept.parts)
            outer.parts[what] = kept.own
        return kept.value


def _charge_once(what: Hashable, units: int) -> None:
    account = _ACCOUNT.get()
    if account is not None and what not in account.paid:
        account.paid.add(what)
        _charge(units)


def spent() -> int:
    """What the open question has cost so far."""
    account = _ACCOUNT.get()
    return 0 if account is None else account.spent
