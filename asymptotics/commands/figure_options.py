"""Options that say how a curve is drawn, in place of the [figure] table of the file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from asymptotics.commands.terminal import SETTINGS

if TYPE_CHECKING:
    from asymptotics.comparison.curves import Row
    from asymptotics.experiment.grid import Experiment
    from asymptotics.figures.layout import Layout

_ASKED = "giantstep.figure"


def _put(context: click.Context, option: click.Parameter, given: Any) -> None:
    """The option as a setting of the file: its rules are those of the file."""
    if given is None or given is False:
        return
    key = str(option.name).removeprefix("figure_")
    value = given
    if key == "plateaus":
        value = "false"
    elif key in ("lines", "panels"):
        names = [name.strip() for name in given.split(",") if name.strip()]
        value = "auto" if names == ["auto"] else json.dumps(names)
    context.meta.setdefault(SETTINGS, []).append(f"figure.{key}={value}")
    context.meta.setdefault(_ASKED, []).append(option.opts[0])


def figure_options(command: Any) -> Any:
    """``--x``, ``--lines``, ``--panels``, ``--log``, ``--quantity`` and ``--no-plateaus``."""

    def option(name: str, key: str, **more: Any) -> Any:
        return click.option(name, f"figure_{key}", expose_value=False, callback=_put, **more)

    def one_of(names: str) -> object:
        def complete(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
            from asymptotics.figures import layout

            found = getattr(layout, names)
            known = found.values() if isinstance(found, dict) else found
            return [name for name in known if name.startswith(incomplete)]

        return complete

    keys = one_of("KEYS")
    options = (
        option(
            "--x",
            "x",
            metavar="KEY",
            shell_complete=keys,
            help="x axis of the figure: ridge.alpha, training.eta, ...",
        ),
        option(
            "--lines",
            "lines",
            metavar="KEYS",
            shell_complete=keys,
            help="What is a line: training.steps,ridge.beta",
        ),
        option(
            "--panels",
            "panels",
            metavar="KEYS",
            shell_complete=keys,
            help="What is a panel (default: none up to six lines).",
        ),
        option(
            "--log",
            "log",
            metavar="AXES",
            shell_complete=one_of("LOGS"),
            help="Logarithmic axes: auto, none, x, y or xy.",
        ),
        option(
            "--quantity",
            "quantity",
            metavar="NAME",
            shell_complete=one_of("QUANTITIES"),
            help="test_error, train_error or excess_risk.",
        ),
        option("--no-plateaus", "plateaus", is_flag=True, help="Draw no plateaus."),
    )
    for one in reversed(options):
        command = one(command)
    return command


def drawn_layout(experiment: Experiment, simulated: bool, out: str | None) -> Layout | None:
    """The layout of a figure that will be drawn, refused before any work; options without a figure are refused too."""
    from asymptotics.comparison.theory_lines import layout_of
    from hermite.errors import InputError

    asked = click.get_current_context().meta.get(_ASKED, [])
    if out is None:
        if asked:
            raise InputError(f"{asked[0]} says how a figure is drawn; give --out DIR to have one.")
        return None
    return layout_of(experiment, simulated)


def curve_files(name: str, rows: list[Row], dense: list[Row], layout: Layout) -> dict[str, bytes]:
    """PNG and PDF of a curve."""
    from asymptotics.figures.curve_figure import curve_page
    from asymptotics.figures.style_sheet import save

    drawn = save(lambda figure: curve_page(rows, figure, dense, layout))
    return {f"{name}.{kind}": content for kind, content in drawn.items()}
