"""Theories that take their time give signs of life and obey Ctrl-C."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from asymptotics.commands import terminal
from asymptotics.comparison import curves

LONG = """
[target]
expression = "z1 + z1*z2 + z1*z2*z3"
[network]
bias = 0.7
[training]
steps = 12
"""


@pytest.mark.parametrize("command", ["overlaps", "curve"])
def test_a_long_theory_shows_that_it_is_alive_and_stops_when_told(tmp_path: Path, command: str) -> None:
    path = tmp_path / "long.toml"
    path.write_text(LONG + ("[ridge]\nd = 200\n" if command == "curve" else ""))
    with subprocess.Popen(
        [sys.executable, "-c", "from asymptotics.commands.cli import main; main()", command, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        assert "giantstep: " in said
        assert "still working" in said
        process.send_signal(signal.SIGINT)
        started = time.monotonic()
        code = process.wait(30)
        assert time.monotonic() - started < 10
    assert code == 130


def test_a_heartbeat_waits_for_silence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    beat = terminal.Heartbeat(first=0.6)
    for _ in range(4):
        time.sleep(0.3)
        terminal.note("a word")
    assert "still working" not in capsys.readouterr().err
    time.sleep(1.2)
    beat.stop()
    assert capsys.readouterr().err.count("still working") == 1


def test_progress_is_told_at_a_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.0, 2.5, 2.5, 3.0, 9.0, 9.0])
    monkeypatch.setattr(curves.time, "monotonic", lambda: next(clock))
    said: list[str] = []
    tell = curves.paced(said.append)
    for word in ("one", "two", "three", "four"):
        tell(word)
    assert said == ["two", "four"]
