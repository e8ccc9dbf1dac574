"""The ``giantstep`` command: the group of all commands, and what becomes of errors.

Exit codes: 0 done, 1 validation disagrees (or cannot tell), 2 bad input, 3 a solver did not converge, 130 interrupted.
Nothing heavy is imported before it is needed: ``giantstep leap`` must answer at once.
"""

from __future__ import annotations

import atexit
import signal
import sys
import warnings

import click

from asymptotics.commands import (
    escapes,
    maps,
    pages,
    plans,
    playing,
    plots,
    predictions,
    simulations,
    targets,
)
from asymptotics.commands.early import leave_at_once
from asymptotics.commands.streams import INTERRUPTED, Interrupts, guard_streams, silence_stdout
from asymptotics.commands.terminal import (
    INPUT_ERROR,
    INTERNAL_ERROR,
    NOT_CONVERGED,
    Heartbeat,
    note,
    say,
)


class Commands(click.Group):
    """The group of all commands; its help shows their summaries whole."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The first paragraph of every command's help, wrapped where click would cut it."""
        rows = []
        for name in self.list_commands(ctx):
            found = self.get_command(ctx, name)
            if found is not None and not found.hidden:
                rows.append((name, " ".join((found.help or "").split("\n\n")[0].split())))
        with formatter.section("Commands"):
            formatter.write_dl(rows)


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["--help"]},
    no_args_is_help=False,
    invoke_without_command=True,
)
@click.option("--version", is_flag=True, help="Print the version.")
@click.pass_context
def cli(ctx: click.Context, version: bool) -> None:
    """What two-layer networks learn in a few giant gradient steps: exact, predicted, simulated."""
    if version:
        from asymptotics.version import __version__

        say(f"giantstep {__version__}")
        ctx.exit()
    if ctx.invoked_subcommand is None:
        say(ctx.get_help())


for command in (
    targets.leap,
    targets.expand,
    targets.hardness,
    targets.plateaus,
    targets.activations,
    predictions.overlaps,
    predictions.curve,
    predictions.spectrum,
    escapes.escape,
    predictions.tune,
    maps.map_command,
    plots.plot,
    predictions.samples,
    plans.plan,
    simulations.simulate,
    simulations.validate,
    pages.init,
    pages.report,
    pages.reproduce,
    pages.demo,
    pages.cite,
    playing.explore,
):
    cli.add_command(command)


#: Characters of a sentence of click, which quotes what was given whole.
_LONGEST = 600


def main() -> None:
    """The entry point: runs the command and turns every expected failure into a sentence and an exit code."""
    guard_streams()
    if sys.stdout is None:
        note("standard output is closed: nothing can be printed (> /dev/null drops it).")
        sys.exit(INPUT_ERROR)
    if hasattr(sys.stdout, "reconfigure"):
        # A terminal that cannot show a letter gets its escape, never a traceback.
        sys.stdout.reconfigure(errors="backslashreplace")
    warnings.showwarning = lambda message, *_args, **_kwargs: note(f"warning: {message}")
    interrupts = Interrupts()
    # A job in the background of a shell, which starts it with Ctrl-C ignored, is left alone.
    if signal.getsignal(signal.SIGINT) in (signal.default_int_handler, leave_at_once):
        signal.signal(signal.SIGINT, interrupts)
        # The last thing before the interpreter ends, which would give Ctrl-C its deadly meaning back.
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)
    # Sweeps tell their own progress; everything else may take its time.
    quick = not sys.argv[1:] or sys.argv[1] in ("init", "simulate", "explore", "--help", "--version")
    alive = None if quick else Heartbeat()
    try:
        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        code = INTERRUPTED
    if alive is not None:
        alive.stop()
    interrupts.winding_up()
    sys.exit(code)


def run(args: list[str]) -> int:
    """The exit code of ``giantstep`` with these arguments; says what went wrong on standard error."""
    from hermite.errors import ConvergenceError, InputError
    from hermite.exact.telling import shortened

    try:
        code = cli.main(args=args, prog_name="giantstep", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        hint = f" (see '{context.command_path} --help')" if context else ""
        note(shortened(error.format_message().replace("\n", " "), _LONGEST) + hint)
        return error.exit_code
    except InputError as error:
        for problem in error.problems:
            note(problem)
        return INPUT_ERROR
    except ConvergenceError as error:
        note(str(error))
        return NOT_CONVERGED
    except (click.Abort, KeyboardInterrupt):
        note("interrupted.")
        return INTERRUPTED
    except OSError as error:
        silence_stdout()
        if isinstance(error.__context__, KeyboardInterrupt):
            return INTERRUPTED
        where = f"{error.filename!r}: " if error.filename else ""
        note(f"{where}{error.strerror or error}.")
        return INPUT_ERROR
    except MemoryError:
        note("not enough memory for this request; make d, the width or the number of samples smaller.")
        return INPUT_ERROR
    except Exception:
        import traceback

        note(traceback.format_exc())
        note("this is a bug in giantstep; please report it with the lines above.")
        return INTERNAL_ERROR
