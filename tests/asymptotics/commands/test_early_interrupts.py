"""Ctrl-C while the command is still importing what it needs."""

from __future__ import annotations

import subprocess
import sys

import pytest

_CODE = """
import builtins, os, signal, sys
from asymptotics.commands import start
whole, module = builtins.__import__, sys.argv[1]
sys.argv[1:] = ["leap", "z1*z2"]
def interrupted(name, *args, **kwargs):
    if name == module:
        os.kill(os.getpid(), signal.SIGINT)
    return whole(name, *args, **kwargs)
builtins.__import__ = interrupted
start.main()
"""


@pytest.mark.parametrize("module", ["click", "asymptotics.commands.cli", "asymptotics.commands.terminal"])
def test_an_interrupt_while_importing_ends_with_130_and_one_sentence(module: str) -> None:
    found = subprocess.run(
        [sys.executable, "-c", _CODE, module], capture_output=True, text=True, timeout=60, check=False
    )
    assert (found.returncode, found.stdout, found.stderr) == (130, "", "giantstep: interrupted.\n")


def test_an_ignored_interrupt_stays_ignored() -> None:
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); sys.argv[1:] = ['leap', 'z1*z2']\n"
        "from asymptotics.commands.start import main\n"
        "try: main()\nexcept SystemExit as end: assert not end.code\n"
        "assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert found.returncode == 0, found.stderr
