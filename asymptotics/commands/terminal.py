"""What all commands share: exit codes, printing, options, and the files that they read and write."""

from __future__ import annotations

import json
import math
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from asymptotics.commands.streams import silence, silence_stdout
from asymptotics.json_values import plain
from asymptotics.text.durations import duration

if TYPE_CHECKING:
    from asymptotics.experiment.grid import Experiment

DISAGREES, INPUT_ERROR, NOT_CONVERGED, INTERNAL_ERROR, BROKEN_PIPE = 1, 2, 3, 70, 141


class FiniteRange(click.FloatRange):
    """A range of numbers; nan, which no comparison refuses, and infinities lie in none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number.", param, ctx)
        return number


class Command(click.Command):
    """A command that refuses an option given twice: which of the values was meant, nobody can know."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        order = self.make_parser(ctx).parse_args(args=list(args))[2]
        # Help, which ends the command before its options matter, is shown whatever they are.
        if not (ctx.resilient_parsing or any(p.is_eager for p in order)):
            for option, times in Counter(order).items():
                if times > 1 and isinstance(option, click.Option) and not option.multiple:
                    names = " / ".join((*option.opts, *option.secondary_opts))
                    raise click.UsageError(f"Option {names} is given {times} times: give it once.", ctx)
        return super().parse_args(ctx, args)


class ExpressionCommand(Command):
    """A command whose EXPR may begin with a minus sign: ``giantstep leap -z1^2`` needs no ``--``.

    The name of an experiment file in its place, which other commands take, is refused as what it is.
    """

    def invoke(self, ctx: click.Context) -> Any:
        given = ctx.params["expr"].strip()
        # No expression ends like this: attributes are not part of the language.
        if given.lower().endswith(".toml"):
            from asymptotics.experiment.schema import show

            raise click.UsageError(
                f"EXPR is the target itself, not a file as {show(given)}: give the expression that stands there under "
                f'[target], such as "z1 + z1*z2"{_of_isotropic_inputs(given)}.',
                ctx,
            )
        return super().invoke(ctx)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        options = {name: p for p in self.get_params(ctx) for name in (*p.opts, *p.secondary_opts)}
        head: list[str] = []
        expressions: list[str] = []
        pending = False
        for i, arg in enumerate(args):
            if arg == "--":
                return super().parse_args(ctx, [*head, "--", *expressions, *args[i + 1 :]])
            option = options.get(arg)
            if not pending and option is None and arg.startswith("-") and not arg.startswith("--"):
                expressions.append(arg)
                continue
            head.append(arg)
            pending = not pending and isinstance(option, click.Option) and not option.is_flag
        return super().parse_args(ctx, [*head, "--", *expressions] if expressions else head)


def _of_isotropic_inputs(file: str) -> str:
    """What an answer about the expression of ``file`` is worth under its [inputs]; empty where it has none."""
    import tomllib

    try:
        given = tomllib.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return ""
    if "inputs" not in given:
        return ""
    return (
        "; the answer is that of isotropic inputs, where under the [inputs] of this file a cluster's mean acts as a linear term "
        'of the target (see "giantstep hardness --inputs biased")'
    )


def example(*lines: str) -> str:
    """The end of a help text: commands that run as they stand, long ones on several lines."""
    pieces = [piece for line in lines for piece in _continued(line)]
    return "\b\nExample:\n" + "\n".join(f"  {piece}" for piece in pieces)


def _continued(line: str) -> list[str]:
    """A command on lines of 74 letters, folded between its options."""
    if len(line) <= 76:
        return [line]
    pieces = [""]
    for part in line.split(" --"):
        joined = part if pieces == [""] else f"{pieces[-1]} --{part}"
        if len(joined) > 72 and pieces != [""]:
            pieces[-1] += " \\"
            joined = f"  --{part}"
            pieces.append(joined)
        else:
            pieces[-1] = joined
    return pieces


def emit(
    result: Mapping[str, object],
    as_json: bool,
    text: Callable[[], str],
    latex: Callable[[], str] | None = None,
) -> None:
    """Print one JSON document, or the text, folded to fit; ``latex`` in its place, if that was asked for.

    A document and LaTeX say where they came from, as files do.
    """
    if as_json:
        from asymptotics.commands.provenance import document, provenance

        say(document_text(document(result, provenance())))
    elif latex is not None:
        from asymptotics.commands.provenance import comments, provenance

        say(f"{latex()}\n{comments(provenance(), '%')}")
    else:
        tell(text)


def tell(text: str | Callable[[], str]) -> None:
    """Print text for people: no line is longer than the terminal, but words that are."""
    from asymptotics.text.fitting import fitted

    say(fitted(text if isinstance(text, str) else text()))


def document_text(document: object) -> str:
    """One JSON document."""
    return json.dumps(plain(document), indent=2, allow_nan=False)


def one_or_list(documents: list[dict[str, object]]) -> dict[str, object]:
    """One training or cell is the usual case and is its own document; a grid is a list of such."""
    return documents[0] if len(documents) == 1 else {"runs": documents}


def say(text: str) -> None:
    """Print on standard output; a reader that has left ends the command as SIGPIPE would."""
    try:
        click.echo(text)
        sys.stdout.flush()
    except BrokenPipeError:
        silence_stdout()
        raise click.exceptions.Exit(BROKEN_PIPE) from None


class Heartbeat:
    """A sign of life on standard error: after 2 seconds without a word, then ever more rarely.

    A thread of its own, so that one long computation needs not know of it.
    """

    def __init__(self, first: float = 2.0, longest: float = 60.0) -> None:
        self._pause, self._longest = first, longest
        self._over = threading.Event()
        self._start = time.monotonic()
        threading.Thread(target=self._run, name="heartbeat", daemon=True).start()

    def _run(self) -> None:
        while not self._over.wait(0.25):
            now = time.monotonic()
            if now - max(self._start, _last_word[0]) >= self._pause:
                note(f"still working, {duration(now - self._start)} so far (Ctrl-C stops)")
                self._pause = min(3 * self._pause, self._longest)

    def stop(self) -> None:
        """No more words."""
        self._over.set()


#: When ``note`` last spoke.
_last_word = [0.0]


def note(message: str) -> None:
    """Progress and warnings: always on standard error; where that cannot be written there is nobody to tell."""
    _last_word[0] = time.monotonic()
    try:
        click.echo(f"giantstep: {message}", err=True)
    except OSError:
        silence(sys.stderr)


def notes(messages: Iterable[str]) -> None:
    """Every warning once."""
    for message in dict.fromkeys(messages):
        note(f"warning: {message}")


def one_format(as_json: bool, latex: bool) -> None:
    """--json and --latex are two documents for one stream."""
    if latex and as_json:
        raise click.UsageError("--latex and --json exclude each other.")


LATEX = click.option("--latex", is_flag=True, help="Print a LaTeX table (booktabs).")
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
ACTIVATION = click.option(
    "--activation", metavar="NAME", help='A name or an expression in x: "relu(x - 1/2)".'
)
SETTINGS = "giantstep.settings"
"""Where a running command keeps what stands in place of the file's settings."""


def _keep_settings(context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> None:
    context.meta.setdefault(SETTINGS, []).extend(given)


def _keep_seed(context: click.Context, _option: click.Parameter, given: int | None) -> None:
    if given is not None:
        context.meta.setdefault(SETTINGS, []).append(f"simulation.seed={given}")


def _keep_accuracy(context: click.Context, _option: click.Parameter, given: float | None) -> None:
    if given is not None:
        context.meta.setdefault(SETTINGS, []).append(f"ridge.accuracy={given!r}")


def settings() -> tuple[str, ...]:
    """What ``--set``, ``--seed`` and ``--accuracy`` of the running command put in place of the file's settings."""
    return tuple(click.get_current_context().meta.get(SETTINGS, ()))


def _keys(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Keys of the experiment file, up to their value."""
    from asymptotics.experiment.reference import keys

    # Laws of inputs share some of their keys.
    names = dict.fromkeys(f"{key.table}.{key.name}=" for key in keys())
    return [name for name in names if name.startswith(incomplete)]


def overridable(command: Any) -> Any:
    """``--set`` and ``--seed``, for every command that takes an experiment file; ``load`` heeds them."""
    options = (
        click.option(
            "--set",
            multiple=True,
            metavar="KEY=VALUE",
            expose_value=False,
            callback=_keep_settings,
            help='In place of the file: --set "ridge.alpha=[1,2]"; may be repeated.',
            shell_complete=_keys,
        ),
        click.option(
            "--seed",
            type=click.IntRange(0),
            metavar="N",
            expose_value=False,
            callback=_keep_seed,
            help="Seed of the simulation, in place of the file's.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def a_file(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[object]:
    """Names of files are completed by the shell."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def FILE(command: Any) -> Any:
    """FILE.toml, with ``--set`` and ``--seed``."""
    return click.argument("file", metavar="FILE.toml", shell_complete=a_file)(overridable(command))


FORCE = click.option("--force", is_flag=True, help="Compute an experiment of any size.")
ACCURACY_TEXT = "Relative; what the theory leaves out is measured to it and put right"
#: Of every command that predicts errors of the ridge fit from an experiment file; ``load`` heeds it.
ACCURACY = click.option(
    "--accuracy",
    type=FiniteRange(min=0.0),
    metavar="X",
    expose_value=False,
    callback=_keep_accuracy,
    help=f"{ACCURACY_TEXT} (0: not at all; default: ridge.accuracy, else where over 1 %).",
)


def load(file: str, force: bool = False, simulated: bool = False) -> Experiment:
    """The experiment of a file, counted before any work; raises ``InputError`` if it is too large to be meant."""
    from asymptotics.commands.provenance import remember
    from asymptotics.experiment.grid import Experiment

    experiment = remember(Experiment.load(file, settings()))
    if simulated:
        # What cannot be simulated is said before the first unit.
        experiment.units()
    if not force:
        experiment.check_size(simulated)
    return experiment


def _writable(_context: click.Context, _option: click.Parameter, folder: str | None) -> str | None:
    """A folder for results is tried before any work."""
    from asymptotics.files import check_folder

    if folder is not None:
        check_folder(folder)
    return folder


def out_option(text: str, **settings: Any) -> Callable[[Any], Any]:
    """``--out DIR``: made if missing (the folders above it must be there), and tried before any work."""
    return click.option("--out", metavar="DIR", callback=_writable, help=text, **settings)


OUT = out_option("Write CSV, JSON, PNG and PDF into this folder.")
SIMULATE = click.option(
    "--simulate", "with_simulation", is_flag=True, help="Simulate the real network as well."
)


def write(
    folder: str,
    files: Mapping[str, bytes | str],
    figures: Callable[[], Mapping[str, bytes]] | None = None,
    experiments: Iterable[Experiment] | None = None,
) -> None:
    """Write results and say where they are (on standard error); figures last, and they cost no data.

    ``figures`` draws them: what goes wrong there is one sentence, the data are written by then. ``experiments`` is
    what made them, where the command has not loaded it from a file.
    """
    from asymptotics.commands.provenance import one_line, provenance, signed
    from asymptotics.files import write_files

    record = provenance(experiments)
    written = write_files(folder, signed(files, record)) if files else []
    try:
        if figures is not None:
            from asymptotics.figures.style_sheet import PROVENANCE

            token = PROVENANCE.set(one_line(record))
            try:
                written += write_files(folder, figures())
            finally:
                PROVENANCE.reset(token)
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        note(f"warning: the figures could not be drawn ({reason}); the data are complete")
    if written:
        note("wrote " + ", ".join(map(str, written)))


def read_gram(path: str) -> object:
    """A square matrix from a file: JSON, or one row a line, entries separated by blanks or commas."""
    from hermite.errors import InputError

    if path == "-" and sys.stdin is None:
        raise InputError("Cannot read the Gram matrix: standard input is closed.")
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError(f"The Gram file {path!r} is not UTF-8 text.") from None
    except OSError as error:
        raise InputError(f"Cannot read the Gram file {path!r}: {error.strerror or error}.") from None
    if text.lstrip().startswith(("[", "{", '"')):
        try:
            # Decimals stay text, so that 0.1 is the rational 1/10.
            return json.loads(text, parse_float=str)
        except (ValueError, RecursionError) as error:
            raise InputError(f"The Gram file {path!r} is not valid JSON: {error}.") from None
    return [line.replace(",", " ").split() for line in text.splitlines() if line.strip()]
