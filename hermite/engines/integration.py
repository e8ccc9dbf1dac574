"""Integrals of Python functions inside FLINT: interruptible, and with a counted amount of work.

FLINT calls the integrand back from C. An exception that is raised there (Ctrl-C above all: Python raises it in whatever
Python code runs next) does not find its way out in one piece. So signals wait until the integral is left, and the
integrand that raised, or has used up its evaluations, answers "not finite", at which FLINT stops subdividing.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import flint

#: What ends a process by a Python exception.
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class TooManyEvaluations(ArithmeticError):
    """An integral was not enclosed within its evaluations."""


def integrated(
    f: Callable[[flint.acb, bool], flint.acb],
    left: flint.arb | int,
    right: flint.arb | int,
    evaluations: int,
    pay: Callable[[], None],
) -> tuple[flint.acb, int]:
    """(∫ f over [left, right] as an ``acb`` at the working precision, number of values of f), at most ``evaluations``.

    ``f(x, analytic)`` is what ``flint.acb.integral`` asks for; ``pay`` is called before every value. Raises
    :class:`TooManyEvaluations`, and whatever f or ``pay`` raises.
    """
    count = 0
    failure: BaseException | None = None
    unknown = flint.acb("nan")

    with _waiting_signals() as arrived:

        def counted(x: flint.acb, analytic: bool) -> flint.acb:
            nonlocal count, failure
            count += 1
            if failure is not None or arrived or count > evaluations:
                return unknown
            try:
                pay()
                return f(x, analytic)
            except BaseException as error:
                failure = error
                return unknown

        value = flint.acb.integral(counted, flint.acb(left), flint.acb(right))
    if failure is not None:
        raise failure
    if count > evaluations:
        raise TooManyEvaluations(f"more than {evaluations} evaluations")
    return value, count


@contextmanager
def _waiting_signals() -> Iterator[list[int]]:
    """Signals with a handler in Python wait until the block is left; the list holds those that came."""
    arrived: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield arrived
        return
    own = {number: signal.getsignal(number) for number in _SIGNALS}
    handlers = {number: handler for number, handler in own.items() if callable(handler)}
    for number in handlers:
        signal.signal(number, lambda n, _frame: arrived.append(n))
    try:
        yield arrived
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    for come in dict.fromkeys(arrived):
        handlers[signal.Signals(come)](come, None)
