"""Python integrands inside FLINT: interrupts and errors come out whole, and evaluations are counted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import flint
import pytest

from hermite.engines.integration import TooManyEvaluations, integrated


def _free() -> None:
    """An evaluation that costs nothing."""


def test_the_value_is_that_of_flint() -> None:
    value, count = integrated(lambda x, _: (-x * x).exp(), -8, 8, 10_000, _free)
    assert value.real.overlaps(flint.arb.pi().sqrt() + flint.arb(0, 1e-20))
    assert count > 0


def test_an_interrupt_inside_an_integrand_is_a_keyboard_interrupt() -> None:
    for after in (1, 2, 7, 30):
        calls = 0

        def integrand(x: Any, _: bool, after: int = after) -> Any:
            nonlocal calls
            calls += 1
            if calls == after:
                os.kill(os.getpid(), signal.SIGINT)
            return (20 * x * x).cos()

        with pytest.raises(KeyboardInterrupt):
            integrated(integrand, -9, 9, 10_000, _free)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_error_of_the_integrand_comes_out_as_it_is() -> None:
    def integrand(x: Any, _: bool) -> Any:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        integrated(integrand, 0, 1, 1_000, _free)


def test_evaluations_are_bounded() -> None:
    with pytest.raises(TooManyEvaluations):
        integrated(lambda x, _: (x**40).sin(), -30, 30, 500, _free)


def test_other_threads_integrate_too() -> None:
    found: list[Any] = []
    thread = threading.Thread(
        target=lambda: found.append(integrated(lambda x, _: x * x, 0, 1, 1_000, _free)[0])
    )
    thread.start()
    thread.join()
    assert found[0].real.overlaps(flint.arb(flint.fmpq(1, 3)) + flint.arb(0, 1e-12))


def test_control_c_inside_a_certified_integral_ends_the_command_with_130() -> None:
    code = (
        "import sys, hermite.engines.certified as c; from asymptotics.commands.cli import run\n"
        "own = c.integrated\n"
        "def told(*a):\n    print('here', flush=True)\n    return own(*a)\n"
        "c.integrated = told\n"
        "sys.exit(run(['leap', 'cos(He(5,z1)) + sin(He(7,z1)) + tanh(He(9,z1))']))"
    )
    for pause in (0.0, 0.01, 0.03):
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        time.sleep(pause)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 130
        assert errors.strip() == "giantstep: interrupted."
