"""Shell completion: scripts for bash, zsh and fish, and what they complete."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


SETTINGS_IN_D = [f"plain,simulation.{name}=" for name in ("d", "device", "dtype")]


def giantstep(**environment: str) -> str:
    found = subprocess.run(
        [str(Path(sys.executable).parent / "giantstep")],
        env=os.environ | HERE | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


@pytest.mark.parametrize(
    ("shell", "words"),
    [
        ("bash", "complete -o nosort -F _giantstep_completion giantstep"),
        ("zsh", "compdef _giantstep_completion giantstep"),
        ("fish", "complete --no-files --command giantstep"),
    ],
)
def test_there_is_a_script_for_every_shell(shell: str, words: str) -> None:
    assert words in giantstep(_GIANTSTEP_COMPLETE=f"{shell}_source")


@pytest.mark.parametrize(
    ("line", "place", "found"),
    [
        ("giantstep cu", 1, ["plain,curve"]),
        ("giantstep pl", 1, ["plain,plan", "plain,plateaus", "plain,plot"]),
        ("giantstep curve --ac", 2, ["plain,--accuracy"]),
        (
            "giantstep map e.toml --x ridge.",
            4,
            ["plain,ridge.alpha", "plain,ridge.beta", "plain,ridge.lambda"],
        ),
        ("giantstep curve --set ridge.al", 3, ["plain,ridge.alpha="]),
        ("giantstep simulate e.toml --set simulation.d", 4, SETTINGS_IN_D),
        ("giantstep curve --x training.e", 3, ["plain,training.eta"]),
        ("giantstep curve --quantity t", 3, ["plain,test_error", "plain,train_error"]),
        # Names of files are left to the shell.
        ("giantstep curve exp", 2, ["file,exp"]),
        ("giantstep plot a.toml b", 3, ["file,b"]),
    ],
)
def test_commands_options_values_and_files_are_completed(line: str, place: int, found: list[str]) -> None:
    out = giantstep(_GIANTSTEP_COMPLETE="bash_complete", COMP_WORDS=line, COMP_CWORD=str(place))
    assert sorted(out.split()) == found


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_with_the_script() -> None:
    script = (
        'eval "$(_GIANTSTEP_COMPLETE=bash_source giantstep)"; COMP_WORDS=(giantstep valid); COMP_CWORD=1; '
        '_giantstep_completion giantstep; echo "${COMPREPLY[@]}"'
    )
    found = subprocess.run(
        ["bash", "-c", script], env=os.environ | HERE, capture_output=True, text=True, check=True
    )
    assert found.stdout.split() == ["validate"]
