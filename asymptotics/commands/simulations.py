"""Commands that simulate: sweeps, and theory against simulation with a verdict."""

from __future__ import annotations

from pathlib import Path

import click

from asymptotics.commands.terminal import (
    ACCURACY,
    DISAGREES,
    FILE,
    FORCE,
    JSON,
    OUT,
    Command,
    document_text,
    emit,
    example,
    load,
    note,
    out_option,
    settings,
    write,
)


@click.command(
    cls=Command,
    epilog=example("giantstep init > experiment.toml", "giantstep simulate experiment.toml --workers 2"),
)
@FILE
@click.option(
    "--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes on this machine."
)
@click.option("--store", metavar="FILE", help="SQLite file of the results; default: FILE.sqlite.")
@click.option(
    "--scheduler", metavar="ADDRESS", help='A Dask scheduler, "tcp://host:8786", or "local" for Dask here.'
)
@click.option("--force", is_flag=True, help="Run a sweep of more than a million units, too.")
@click.option("--dry-run", is_flag=True, help="Say what is missing and what it will cost; compute nothing.")
@click.option(
    "--resume/--no-resume",
    default=True,
    show_default=True,
    help="Keep what is stored, or compute it all anew.",
)
@out_option("Write CSV, JSON and, with pyarrow, Parquet into this folder.")
@JSON
def simulate(
    file: str,
    workers: int,
    store: str | None,
    scheduler: str | None,
    force: bool,
    dry_run: bool,
    resume: bool,
    out: str | None,
    as_json: bool,
) -> None:
    """Run the whole sweep of simulations, stored unit by unit and resumed by default."""
    from asymptotics.commands.provenance import remember
    from asymptotics.experiment.grid import Experiment
    from asymptotics.sweeps.sweeping import plan, sweep
    from asymptotics.text.simulation_tables import sweep_plan_text, sweep_text
    from hermite.errors import InputError

    if store is None and file == "-":
        raise InputError("An experiment from standard input needs --store FILE.")
    experiment = remember(Experiment.load(file, settings()))
    place = Path(store) if store is not None else Path(file).with_suffix(".sqlite")
    if dry_run:
        planned = plan(experiment, place, workers, resume, note)
        emit(planned, as_json, lambda: sweep_plan_text(planned))
        return
    try:
        result = sweep(
            experiment,
            place,
            workers=workers,
            scheduler=scheduler,
            resume=resume,
            force=force,
            progress=note,
        )
    except KeyboardInterrupt:
        note(f"finished units are in {place}; the same command resumes.")
        raise
    if out is not None:
        write(out, result.files())
    emit(result.to_dict(), as_json, lambda: sweep_text(result.means()))


@click.command(
    cls=Command,
    epilog=example("giantstep init > experiment.toml", "giantstep validate experiment.toml --out results"),
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
@click.option(
    "--data", metavar="CSV", help="Your own measurements: columns as in our tables, a row a point or a run."
)
@ACCURACY
@FORCE
@OUT
@JSON
def validate(
    file: str,
    sizes: int,
    rate: str,
    controls: bool,
    control_factor: float | None,
    store: str | None,
    data: str | None,
    force: bool,
    out: str | None,
    as_json: bool,
) -> int:
    """Theory against simulation, or your own data: z-scores and a verdict (exit code 1 if they disagree, or a control passes)."""
    from asymptotics.comparison.validation import CONTROL_FACTOR
    from asymptotics.comparison.validation import validate as judge
    from asymptotics.text.simulation_tables import validation_text

    factor = control_factor if control_factor is not None else CONTROL_FACTOR if controls else None
    if store is not None and data is not None:
        raise click.UsageError("--store and --data exclude each other.")
    experiment = load(file, force, simulated=store is None and data is None)
    if store is None:
        report = judge(experiment, note, sizes=sizes, rate=rate, controls=factor, data=data)
    else:
        from asymptotics.comparison.measurements import measured_in
        from asymptotics.comparison.validation import examine
        from asymptotics.sweeps.store import Store

        with Store.read(store) as opened:
            measured = measured_in(opened, experiment)
        report = examine(experiment, measured, note, rate=rate, controls=factor)
    document = report.to_dict()
    if out is not None:
        from asymptotics.figures.style_sheet import save

        def figures() -> dict[str, bytes]:
            drawn = save(lambda figure: report.plot(figure.add_subplot()))
            return {f"validation.{kind}": content for kind, content in drawn.items()}

        table = report.to_frame().to_csv(index=False, lineterminator="\n")
        files: dict[str, bytes | str] = {
            "validation.csv": table,
            "validation.json": document_text(document),
            "validation.txt": validation_text(document) + "\n",
        }
        write(out, files, figures)
    emit(document, as_json, lambda: validation_text(document))
    return 0 if report.agrees and report.conclusive else DISAGREES
