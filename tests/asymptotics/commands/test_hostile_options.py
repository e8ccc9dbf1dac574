"""Every option of every command with hostile values: exit 2, a sentence that names the option, nothing printed or written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from asymptotics.commands.cli import cli, run

_FILE = """
[target]
expression = "z1 + z1*z2"
[ridge]
alpha = [1.0, 2.0]
[simulation]
d = 40
width = 40
replicates = 2
"""
#: Values by the kind of the option; each is refused whatever the command.
_WHOLE = ("", "x", "1.5", "nan", "inf", "-inf", "1e3", "-1", "--", "0x10", "1 2", "１٫５", "9" * 5000)
_REAL = ("", "x", "nan", "inf", "-inf", "-1", "1,5", "1 2", "1e", "--1")
_CHOICE = ("", "x", "GAUSSIAN ", "auto,auto", "\u2028")
#: Of options that are texts: the values that each refuses.
_TEXTS: dict[str, tuple[str, ...]] = {
    "--set": ("", "x", "=", "a=b", "training.steps", "training.steps=", "training.steps=nan", "training.steps=-1",
              "training.alpha=inf", "training..alpha=1", "ridge.alpha=[]", "ridge.alpha=[1, 'a']", "ridge=3", "[ridge]=1"),
    "--x": ("", "x", "alpha.beta", "nan"),
    "--y": ("", "x", "alpha.beta", "nan"),
    "--lines": ("x", "alpha.beta", "nan"),
    "--panels": ("x", "alpha.beta", "nan"),
    "--log": ("z", "xyz", "1"),
    "--quantity": ("", "x", "test error", "nan"),
    "--activation": ("", "x+", "relu(", "import os", "z1", "1e999", "f(x)", "\x00"),
    "--gram": ("", "/nowhere/gram.json", "."),
    "--over": ("", "x", "lam eta", "nan"),
    "--scheduler": ("", "x", "tcp://", "nowhere:0"),
    "--store": ("", "/nowhere/at/all.sqlite", "."),
    "--data": ("", "/nowhere/data.csv", "."),
    "--out": ("", "/nowhere/at/all"),
    "--output": ("", "/nowhere/at/all.html", "."),
}  # fmt: skip
#: What a command needs beside the option, so that it alone is wrong.
_ARGUMENTS = {
    "cite": ["FILE"], "curve": ["FILE"], "demo": [], "escape": ["FILE"], "expand": ["z1"], "explore": ["z1"],
    "hardness": ["z1"], "leap": ["z1"], "map": ["FILE", "--x", "ridge.alpha", "--y", "ridge.lambda"],
    "overlaps": ["FILE"], "plan": ["z1", "--samples", "1000", "--d", "50"], "plateaus": ["z1"], "plot": ["FILE"],
    "report": ["FILE"], "reproduce": ["batch-size"], "samples": ["FILE", "--test-error", "0.5"], "simulate": ["FILE"],
    "spectrum": ["FILE"], "tune": ["FILE"], "validate": ["FILE"],
}  # fmt: skip


def values_of(option: click.Option) -> tuple[str, ...]:
    """The hostile values of one option."""
    name = max(option.opts, key=len)
    if isinstance(option.type, click.Choice):
        return _CHOICE
    if isinstance(option.type, (click.IntRange, click.types.IntParamType)):
        return _WHOLE
    if isinstance(option.type, (click.FloatRange, click.types.FloatParamType)):
        return _REAL
    return _TEXTS[name]


def cases() -> Iterator[tuple[str, str]]:
    for command, own in sorted(cli.commands.items()):
        for option in own.params:
            if isinstance(option, click.Option) and not option.is_flag:
                yield command, max(option.opts, key=len)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "FILE").write_text(_FILE)
    return tmp_path


@pytest.mark.parametrize(("command", "name"), list(cases()))
def test_a_hostile_value_of_an_option_is_refused_in_one_sentence(
    command: str, name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    option = next(p for p in cli.commands[command].params if name in p.opts)
    assert isinstance(option, click.Option)
    for value in values_of(option):
        arguments = list(_ARGUMENTS[command])
        if name in arguments:
            place = arguments.index(name)
            del arguments[place : place + 2]
        code = run([command, *arguments, f"{name}={value}"])
        out, err = capsys.readouterr()
        told = f"{command} {name}={value!r}: exit {code}, out {out[:200]!r}, err {err[:300]!r}"
        assert code == 2, told
        assert out == "", told
        assert "Traceback" not in err, told
        assert "bug in giantstep" not in err, told
        plain = name.lstrip("-")
        words = [
            name,
            plain,
            plain.replace("-", "_"),
            *value.split("=")[0].split("."),
            value.rpartition("/")[0],
            repr(value),
        ]
        assert any(word and word.lower() in err.lower() for word in words), told
        assert len(err) < 2000, told
        assert sorted(p.name for p in folder.iterdir()) == ["FILE"], told
