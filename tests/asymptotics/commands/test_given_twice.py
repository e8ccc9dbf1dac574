"""An option or a setting given twice is refused: which of the values was meant, nobody can know."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from asymptotics.commands.cli import cli, run

_FILE = 'target = {expression = "z1"}\nridge = {alpha = [1.0, 2.0]}\n'


def _value(option: click.Option) -> list[str]:
    """What stands behind the option."""
    if option.is_flag:
        return []
    if isinstance(option.type, click.Choice):
        return [str(option.type.choices[0])]
    return ["1"]


def _cases() -> list[tuple[str, str]]:
    found = []
    for command, own in sorted(cli.commands.items()):
        for option in own.params:
            if isinstance(option, click.Option) and not option.multiple:
                found += [(command, name) for name in (*option.opts, *option.secondary_opts)]
    return found


@pytest.mark.parametrize(("command", "name"), _cases())
def test_every_option_of_every_command_given_twice_is_refused(
    command: str,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    option = next(
        p
        for p in cli.commands[command].params
        if isinstance(p, click.Option) and name in (*p.opts, *p.secondary_opts)
    )
    # The first name and this one: --resume beside --no-resume contradict each other as two seeds do.
    assert run([command, option.opts[0], *_value(option), name, *_value(option), "z1"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "is given 2 times: give it once" in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("curve", ["--set", "ridge.alpha=1", "--set", "ridge.alpha=1"]),
        ("curve", ["--set", "ridge.alpha=1", "--set", " ridge . alpha = 2"]),
        ("simulate", ["--set", "simulation.seed=2", "--seed", "1"]),
        ("curve", ["--x", "ridge.alpha", "--set", "figure.x=ridge.alpha"]),
    ],
)
def test_a_setting_given_twice_is_refused(
    command: str, options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "e.toml").write_text(_FILE)
    assert run([command, str(tmp_path / "e.toml"), *options]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "is set twice" in err


def test_help_is_shown_whatever_is_given_twice(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["expand", "--order", "2", "--order", "3", "--help"]) == 0
    assert "Usage: giantstep expand" in capsys.readouterr().out


def test_two_settings_of_different_keys_are_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "e.toml").write_text(_FILE)
    options = ["--set", "ridge.alpha=1", "--set", "ridge.lambda=0.5", "--json"]
    assert run(["curve", str(tmp_path / "e.toml"), *options]) == 0
    assert '"lambda": 0.5' in capsys.readouterr().out
