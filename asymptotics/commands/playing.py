"""The command that serves the page to play with."""

from __future__ import annotations

from contextlib import suppress

import click

from asymptotics.commands.terminal import ExpressionCommand, FiniteRange, example, note, say


@click.command(cls=ExpressionCommand, epilog=example('giantstep explore "z1 + z1*z2"'))
@click.argument("expr", metavar="[EXPR]", default="z1 + z1*z2")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=5006,
    show_default=True,
    metavar="N",
    help="Port on 127.0.0.1; 0 takes any free one.",
)
@click.option(
    "--limit",
    type=FiniteRange(0, 3600, min_open=True),
    default=10.0,
    show_default=True,
    metavar="S",
    help="Seconds after which a computation is cancelled.",
)
@click.option("--open", "in_browser", is_flag=True, help="Open the page in a browser.")
def explore(expr: str, port: int, limit: float, in_browser: bool) -> None:
    """A page to play with: leap report, stairway, hardness, overlaps and test errors, by controls (extra "explore")."""
    from asymptotics.playground.page import beginning
    from asymptotics.playground.serving import serve

    def ready(address: str) -> None:
        say(address)
        note("serving to this machine only; Ctrl-C ends it.")
        if in_browser:
            import webbrowser

            webbrowser.open(address)

    # Ctrl-C is how it ends: Panel takes it once it serves.
    with suppress(KeyboardInterrupt):
        serve(beginning(expr), port, ready, limit)
    note("ended.")
