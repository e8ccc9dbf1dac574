"""The ``giantstep`` command: parsing and printing only.

Exit codes: 0 done, 1 validation disagrees (or cannot tell), 2 bad input, 3 a solver did not converge, 130 interrupted.
Nothing heavy is imported before it is needed: ``giantstep leap`` must answer at once.
"""

from __future__ import annotations

import json
import math
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click

DISAGREES, INPUT_ERROR, NOT_CONVERGED, INTERNAL_ERROR, INTERRUPTED, BROKEN_PIPE = 1, 2, 3, 70, 130, 141


class ExpressionCommand(click.Command):
    """A command whose EXPR may begin with a minus sign: ``giantstep leap -z1^2`` needs no ``--``."""

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


def example(*lines: str) -> str:
    """The end of a help text: commands that run as they stand."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)


def emit(result: Any, as_json: bool, text: Callable[[], str]) -> None:
    """Print one JSON document, or the text."""
    say(document_text(result) if as_json else text())


def document_text(document: Any) -> str:
    """One JSON document."""
    return json.dumps(finite(document), indent=2, allow_nan=False)


def finite(value: Any) -> Any:
    """``value`` with NaN and infinities as null, which is what JSON has."""
    if isinstance(value, dict):
        return {str(k): finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def say(text: str) -> None:
    """Print on standard output; a reader that has left ends the command as SIGPIPE would."""
    try:
        click.echo(text)
        sys.stdout.flush()
    except BrokenPipeError:
        silence_stdout()
        raise click.exceptions.Exit(BROKEN_PIPE) from None


def note(message: str) -> None:
    """Progress and warnings: always on standard error."""
    click.echo(f"giantstep: {message}", err=True)


def notes(messages: Iterable[str]) -> None:
    """Every warning once."""
    for message in dict.fromkeys(messages):
        note(f"warning: {message}")


JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
ACTIVATION = click.option(
    "--activation", metavar="NAME", help='A name or an expression in x: "relu(x - 1/2)".'
)
FILE = click.argument("file", metavar="FILE.toml")
OUT = click.option("--out", metavar="DIR", help="Write CSV, JSON, PNG and PDF into this folder.")
SIMULATE = click.option(
    "--simulate", "with_simulation", is_flag=True, help="Simulate the real network as well."
)


@click.group(
    context_settings={"help_option_names": ["--help"]}, no_args_is_help=False, invoke_without_command=True
)
@click.option("--version", is_flag=True, help="Print the version.")
@click.pass_context
def cli(ctx: click.Context, version: bool) -> None:
    """What two-layer networks learn in a few giant gradient steps: exact, predicted, simulated."""
    if version:
        from asymptotics import __version__

        say(f"giantstep {__version__}")
        ctx.exit()
    if ctx.invoked_subcommand is None:
        say(ctx.get_help())


@cli.command(
    cls=ExpressionCommand,
    epilog=example(
        'giantstep leap "z1 + z1*z2"', 'giantstep leap "He3(z1) + z1*z2" --activation relu --json'
    ),
)
@click.argument("expr", metavar="EXPR")
@click.option(
    "--batch-exponent", type=float, default=1.0, show_default=True, help="n of order d^L samples a step."
)
@ACTIVATION
@click.option("--gram", metavar="FILE", help="Gram matrix of the directions: JSON, or rows of rationals.")
@JSON
def leap(expr: str, batch_exponent: float, activation: str | None, gram: str | None, as_json: bool) -> None:
    """Leap index, staircase and hard directions of a target EXPR in z1, z2, ..."""
    from hermite import Target
    from hermite import leap as query

    exponent = int(batch_exponent) if batch_exponent.is_integer() else batch_exponent
    target = Target(expr, gram=None if gram is None else read_gram(gram))
    report = query(target, batch_exponent=exponent, activation=activation)
    emit(report.to_dict(), as_json, lambda: repr(report))


@cli.command(cls=ExpressionCommand, epilog=example('giantstep expand "relu(z1) - z2^2" --order 3'))
@click.argument("expr", metavar="EXPR")
@click.option(
    "--order", type=click.IntRange(0), help="The largest order; default: the degree of a polynomial."
)
@click.option("--latex", is_flag=True, help="Print the expansion as LaTeX.")
@JSON
def expand(expr: str, order: int | None, latex: bool, as_json: bool) -> None:
    """Hermite expansion of a target: coefficients E[f He_a1(z1) He_a2(z2) ...], energy of each order."""
    from asymptotics.printing import expansion_text
    from hermite import Target
    from hermite import expand as expansion

    if latex and as_json:
        raise click.UsageError("--latex and --json exclude each other.")
    result = expansion(Target(expr), order)
    emit(
        result.to_dict(), as_json, lambda: str(result.latex()) if latex else expansion_text(result.to_dict())
    )


@cli.command(
    cls=ExpressionCommand,
    epilog=example('giantstep hardness "He3(z1)"', 'giantstep hardness "z1*z2" --d 1000 --json'),
)
@click.argument("expr", metavar="EXPR")
@click.option(
    "--d", "dimension", type=click.IntRange(1), metavar="D", help="Input dimension: adds the sizes n."
)
@click.option(
    "--inputs",
    type=click.Choice(["gaussian", "rademacher", "biased"]),
    default="gaussian",
    show_default=True,
    help="Law of the inputs: rademacher is uniform on {-1, 1}^d, biased has a random mean.",
)
@click.option(
    "--activation-degree",
    type=click.IntRange(1, 40),
    metavar="M",
    help="Ask for reflective subspaces of an activation of degree M; default: no polynomial.",
)
@JSON
def hardness(
    expr: str, dimension: int | None, inputs: str, activation_degree: int | None, as_json: bool
) -> None:
    """Who learns a target EXPR with how many samples: giant steps, SGD, reuse, SQ-optimal, AMP."""
    from hermite import Target
    from hermite import hardness as query

    report = query(Target(expr), d=dimension, inputs=inputs, activation_degree=activation_degree)
    emit(report.to_dict(), as_json, lambda: repr(report))


@cli.command(cls=ExpressionCommand, epilog=example('giantstep plateaus "z1 + z1*z2 + z1*z2*z3"'))
@click.argument("expr", metavar="EXPR")
@click.option("--steps", type=click.IntRange(0), help="Giant steps; default: until nothing changes.")
@click.option("--kappa", type=click.IntRange(0), help="Largest exponent of n, p = d^kappa; default: up to 4.")
@ACTIVATION
@JSON
def plateaus(expr: str, steps: int | None, kappa: int | None, activation: str | None, as_json: bool) -> None:
    """The stairway: the test error that no second layer gets below, by steps and by batch size."""
    from asymptotics import plateaus as stairway
    from hermite import Target

    result = stairway(Target(expr), steps=steps, kappa=kappa, activation=activation)
    emit(result.to_dict(), as_json, lambda: repr(result))


@cli.command(epilog=example("giantstep init > experiment.toml", "giantstep overlaps experiment.toml"))
@FILE
@SIMULATE
@OUT
@JSON
def overlaps(file: str, with_simulation: bool, out: str | None, as_json: bool) -> None:
    """Overlaps of the neurons with the target's directions after each giant step."""
    from asymptotics.experiment import Experiment
    from asymptotics.printing import overlaps_text
    from asymptotics.trajectories import runs, to_csv

    found = runs(Experiment.load(file), with_simulation, note)
    for run in found:
        notes(run.warnings)
    documents = [run.to_dict() for run in found]
    # One training is the usual case and is its own document; a grid is a list of such.
    document = documents[0] if len(documents) == 1 else {"runs": documents}
    if out is not None:
        from asymptotics.trajectories import images_of

        images: dict[str, bytes] = {}
        for i, run in enumerate(found):
            images |= images_of(run, "" if len(found) == 1 else f"-{i + 1}")
        write(out, {"overlaps.csv": to_csv(documents), "overlaps.json": document_text(document), **images})
    emit(document, as_json, lambda: "\n\n".join(map(overlaps_text, documents)))


@cli.command(
    epilog=example("giantstep init > experiment.toml", "giantstep curve experiment.toml --out results")
)
@FILE
@SIMULATE
@OUT
@JSON
def curve(file: str, with_simulation: bool, out: str | None, as_json: bool) -> None:
    """Test and train error of the ridge fit at every point of the sweep."""
    from asymptotics.curves import curve_rows, to_csv
    from asymptotics.experiment import Experiment
    from asymptotics.printing import curve_text

    rows = curve_rows(Experiment.load(file), with_simulation, note)
    document = {"rows": rows}
    if out is not None:
        from asymptotics.figures import plot_curve, save

        drawn = save(lambda figure: plot_curve(rows, figure.add_subplot()))
        images = {f"curve.{kind}": content for kind, content in drawn.items()}
        write(out, {"curve.csv": to_csv(rows), "curve.json": document_text(document), **images})
    emit(document, as_json, lambda: curve_text(rows))


@cli.command(
    epilog=example("giantstep init > experiment.toml", "giantstep simulate experiment.toml --workers 2")
)
@FILE
@click.option(
    "--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes on this machine."
)
@click.option("--store", metavar="FILE", help="SQLite file of the results; default: FILE.sqlite.")
@click.option(
    "--scheduler", metavar="ADDRESS", help='A Dask scheduler, "tcp://host:8786", or "local" for Dask here.'
)
@click.option("--dry-run", is_flag=True, help="Say what is missing and what it will cost; compute nothing.")
@click.option(
    "--resume/--no-resume",
    default=True,
    show_default=True,
    help="Keep what is stored, or compute it all anew.",
)
@click.option("--out", metavar="DIR", help="Write CSV, JSON and, with pyarrow, Parquet into this folder.")
@JSON
def simulate(
    file: str,
    workers: int,
    store: str | None,
    scheduler: str | None,
    dry_run: bool,
    resume: bool,
    out: str | None,
    as_json: bool,
) -> None:
    """Run the whole sweep of simulations, stored unit by unit and resumed by default."""
    from asymptotics.experiment import Experiment
    from asymptotics.printing import plan_text, sweep_text
    from asymptotics.simulation.sweeps import plan, sweep
    from hermite.errors import InputError

    if store is None and file == "-":
        raise InputError("An experiment from standard input needs --store FILE.")
    experiment = Experiment.load(file)
    place = Path(store) if store is not None else Path(file).with_suffix(".sqlite")
    if dry_run:
        planned = plan(experiment, place, workers, resume)
        emit(planned, as_json, lambda: plan_text(planned))
        return
    try:
        result = sweep(experiment, place, workers=workers, scheduler=scheduler, resume=resume, progress=note)
    except KeyboardInterrupt:
        note(f"finished units are in {place}; the same command resumes.")
        raise
    if out is not None:
        write(out, result.files())
    emit(result.to_dict(), as_json, lambda: sweep_text(result.means()))


@cli.command(
    epilog=example("giantstep init > experiment.toml", "giantstep validate experiment.toml --out results")
)
@FILE
@click.option(
    "--sizes",
    type=click.IntRange(1, 5),
    default=3,
    show_default=True,
    help="Simulate at d, d/2, d/4, ... to estimate the allowance for finite size.",
)
@click.option(
    "--rate",
    type=click.Choice(["auto", "1/d", "1/sqrt(d)"]),
    default="auto",
    show_default=True,
    help="How the finite-size term falls; auto: what fits three sizes or more better.",
)
@click.option(
    "--controls", is_flag=True, help="Also judge theories at wrong settings, which must be refused."
)
@click.option(
    "--control-factor", type=float, metavar="X", help="How far off these settings are.  [default: 1.5]"
)
@click.option("--store", metavar="FILE", help="Take the simulation from a store of giantstep simulate.")
@OUT
@JSON
def validate(
    file: str,
    sizes: int,
    rate: str,
    controls: bool,
    control_factor: float | None,
    store: str | None,
    out: str | None,
    as_json: bool,
) -> int:
    """Theory against simulation: z-scores and a verdict (exit code 1 if they disagree, or a control passes)."""
    from asymptotics.experiment import Experiment
    from asymptotics.printing import validation_text
    from asymptotics.validation import CONTROL_FACTOR
    from asymptotics.validation import validate as judge

    factor = control_factor if control_factor is not None else CONTROL_FACTOR if controls else None
    experiment = Experiment.load(file)
    if store is None:
        report = judge(experiment, note, sizes=sizes, rate=rate, controls=factor)
    else:
        from asymptotics.simulation.store import Store
        from asymptotics.stored import measured_in
        from asymptotics.validation import examine

        with Store.read(store) as opened:
            measured = measured_in(opened, experiment)
        report = examine(experiment, measured, note, rate=rate, controls=factor)
    document = report.to_dict()
    text = validation_text(document)
    if out is not None:
        from asymptotics.figures import save

        drawn = save(lambda figure: report.plot(figure.add_subplot()))
        images = {f"validation.{kind}": content for kind, content in drawn.items()}
        table = report.to_frame().to_csv(index=False, lineterminator="\n")
        files: dict[str, bytes | str] = {
            "validation.csv": table,
            "validation.json": document_text(document),
            **images,
        }
        write(out, {**files, "validation.txt": text + "\n"})
    emit(document, as_json, lambda: text)
    return 0 if report.agrees and report.conclusive else DISAGREES


@cli.command(
    epilog=example("giantstep init > experiment.toml", "giantstep tune experiment.toml --over lam --json")
)
@FILE
@click.option(
    "--over", default="lam,eta", show_default=True, metavar="NAMES", help="What to tune: lam, eta or both."
)
@OUT
@JSON
def tune(file: str, over: str, out: str | None, as_json: bool) -> None:
    """Step size and ridge penalty of least predicted test error (their grids in the file do not matter)."""
    from asymptotics.experiment import Experiment
    from asymptotics.printing import tuning_text
    from asymptotics.tuning import tuned

    found = tuned(Experiment.load(file), tuple(name.strip() for name in over.split(",")))
    document = {"rows": found}
    if out is not None:
        from asymptotics.figures import save, tuning_page

        images: dict[str, bytes] = {}
        for i, row in enumerate(found):
            drawn = save(partial(tuning_page, row))
            name = "tune" if len(found) == 1 else f"tune-{i + 1}"
            images |= {f"{name}.{kind}": content for kind, content in drawn.items()}
        write(out, {"tune.json": document_text(document), **images})
    emit(document, as_json, lambda: tuning_text(found))


@cli.command(
    epilog=example("giantstep init > experiment.toml", "giantstep report experiment.toml -o report.html")
)
@click.argument("source", metavar="STORE|FILE.toml")
@click.option("-o", "--output", metavar="X.html", default="report.html", show_default=True, help="The page.")
@click.option("--no-simulation", is_flag=True, help="Predictions only.")
@click.option(
    "--controls", is_flag=True, help="Also judge theories at wrong settings, which must be refused."
)
def report(source: str, output: str, no_simulation: bool, controls: bool) -> None:
    """One self-contained HTML page: leap report, predictions, simulation, validation, configuration."""
    from asymptotics.report_page import of_file, of_store, report_page
    from asymptotics.stored import is_store
    from asymptotics.validation import CONTROL_FACTOR

    factor = CONTROL_FACTOR if controls else None
    if is_store(source):
        found = of_store(source, note, factor)
    else:
        found = of_file(source, note, simulate=not no_simulation, controls=factor)
    path = Path(output)
    write(str(path.parent), {path.name: report_page(found)})


@cli.command(
    epilog=example("giantstep init > experiment.toml", "giantstep samples experiment.toml --test-error 1.0")
)
@FILE
@click.option("--test-error", type=float, required=True, metavar="X", help="The test error to reach.")
@JSON
def samples(file: str, test_error: float, as_json: bool) -> None:
    """How many samples, n2 = alpha d, the ridge fit needs for a test error; ridge.alpha is not used."""
    from asymptotics.experiment import Experiment
    from asymptotics.inversion import inverted
    from asymptotics.printing import samples_text

    rows = inverted(Experiment.load(file), test_error)
    emit({"rows": rows}, as_json, lambda: samples_text(rows))


@cli.command(epilog=example("giantstep reproduce specialisation --out figures"))
@click.argument("names", metavar="NAME...|all", nargs=-1)
@click.option("--full", is_flag=True, help="At a size near that of the paper (hours) instead of minutes.")
@click.option("--out", metavar="DIR", default="figures", show_default=True, help="Folder of the figures.")
def reproduce(names: tuple[str, ...], full: bool, out: str) -> None:
    """The experiments behind the paper's figures, theory overlaid; without a NAME: what there is."""
    from asymptotics.reproduction import chosen, files, reproductions

    if not names:
        for one in reproductions():
            say(f"{one.name}\n  {one.claim}\n  reduced: {one.reduced}\n  --full:  {one.full}")
    for one in chosen(names):
        say(f"{one.name}: {one.claim}\n  {one.full if full else one.reduced}")
        write(out, files(one, full, note))


@cli.command(
    epilog=example(
        """giantstep init | sed '/^activation/a initialisation = "independent"' | giantstep spectrum - --simulate""",
    )
)
@FILE
@SIMULATE
@OUT
@JSON
def spectrum(file: str, with_simulation: bool, out: str | None, as_json: bool) -> None:
    """Singular values of the features after one giant step: edge of the bulk and spikes."""
    from asymptotics.experiment import Experiment
    from asymptotics.printing import spectrum_text
    from asymptotics.spectra import spectra

    found = spectra(Experiment.load(file), with_simulation, note)
    documents = [one.to_dict() for one in found]
    # One cell is the usual case and is its own document; a grid is a list of such.
    document = documents[0] if len(documents) == 1 else {"runs": documents}
    if out is not None:
        from asymptotics.figures import save
        from asymptotics.spectrum_figure import spectrum_page

        images: dict[str, bytes] = {}
        for i, one in enumerate(found):
            name = "spectrum" if len(found) == 1 else f"spectrum-{i + 1}"
            drawn = save(partial(spectrum_page, one))
            images |= {f"{name}.{kind}": content for kind, content in drawn.items()}
        write(out, {"spectrum.json": document_text(document), **images})
    emit(document, as_json, lambda: "\n\n".join(map(spectrum_text, documents)))


@cli.command(epilog=example("giantstep init > experiment.toml"))
def init() -> None:
    """Print an example experiment file that runs."""
    say((Path(__file__).with_name("example.toml")).read_text(encoding="utf-8").rstrip("\n"))


@cli.command(epilog=example("giantstep demo"))
@click.option(
    "--out", metavar="DIR", default="giantstep-demo", show_default=True, help="Folder of the figure."
)
def demo(out: str) -> None:
    """A small full run, theory and simulation, in under two minutes; writes a figure."""
    from asymptotics.demo import run_demo

    images = run_demo(say, note)
    write(out, {f"demo.{kind}": content for kind, content in images.items()})


def write(folder: str, files: Mapping[str, bytes | str]) -> None:
    """Write results and say where they are (on standard error)."""
    from asymptotics.writing import write_files

    note("wrote " + ", ".join(map(str, write_files(folder, files))))


def read_gram(path: str) -> Any:
    """A square matrix from a file: JSON, or one row a line, entries separated by blanks or commas."""
    from hermite.errors import InputError

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


def main() -> None:
    """The entry point: runs the command and turns every expected failure into a sentence and an exit code."""
    if hasattr(sys.stdout, "reconfigure"):
        # A terminal that cannot show a letter gets its escape, never a traceback.
        sys.stdout.reconfigure(errors="backslashreplace")
    warnings.showwarning = lambda message, *_args, **_kwargs: note(f"warning: {message}")
    sys.exit(run(sys.argv[1:]))


def run(args: list[str]) -> int:
    """The exit code of ``giantstep`` with these arguments; says what went wrong on standard error."""
    from hermite.errors import ConvergenceError, InputError

    try:
        code = cli.main(args=args, prog_name="giantstep", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        hint = f" (see '{context.command_path} --help')" if context else ""
        note(error.format_message().replace("\n", " ") + hint)
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
        where = f"{error.filename!r}: " if error.filename else ""
        note(f"{where}{error.strerror or error}.")
        return INPUT_ERROR
    except MemoryError:
        note("not enough memory for this request; make d, the width or the number of samples smaller.")
        return INPUT_ERROR
    except Exception:
        import traceback

        traceback.print_exc()
        note("this is a bug in giantstep; please report it with the lines above.")
        return INTERNAL_ERROR


def silence_stdout() -> None:
    """Nobody reads on: keep the interpreter from complaining when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
