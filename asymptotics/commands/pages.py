"""Commands that write documents: an example file, a page, the figures of the paper, a demonstration."""

from __future__ import annotations

from functools import partial
from importlib import resources
from pathlib import Path

import click

from asymptotics.commands.terminal import (
    ACCURACY,
    FILE,
    FORCE,
    JSON,
    Command,
    a_file,
    emit,
    example,
    load,
    note,
    out_option,
    overridable,
    say,
    settings,
    tell,
    write,
)


@click.command(cls=Command, epilog=example("giantstep init > experiment.toml", "giantstep init --all"))
@click.option("--all", "everything", is_flag=True, help="Every key, with its default and what it may be.")
def init(everything: bool) -> None:
    """Print an example experiment file that runs; its first line names the schema that editors complete by."""
    room = resources.files("asymptotics.experiment")
    if everything:
        from asymptotics.experiment.reference import full_example

        text = full_example()
    else:
        text = room.joinpath("example.toml").read_text(encoding="utf-8").rstrip("\n")
    say(f"#:schema {Path(str(room.joinpath('experiment.schema.json'))).as_uri()}\n{text}")


@click.command(
    cls=Command,
    epilog=example("giantstep init > experiment.toml", "giantstep report experiment.toml -o report.html"),
)
@click.argument("source", metavar="STORE|FILE.toml", shell_complete=a_file)
@overridable
@click.option("-o", "--output", metavar="X.html", default="report.html", show_default=True, help="The page.")
@click.option("--no-simulation", is_flag=True, help="Predictions only.")
@click.option(
    "--controls", is_flag=True, help="Also judge theories at wrong settings, which must be refused."
)
@ACCURACY
@FORCE
def report(source: str, output: str, no_simulation: bool, controls: bool, force: bool) -> None:
    """One self-contained HTML page: leap report, predictions, simulation, validation, configuration."""
    from asymptotics.comparison.measurements import is_store
    from asymptotics.comparison.validation import CONTROL_FACTOR
    from asymptotics.documents.findings import of_file, of_store
    from asymptotics.documents.report_page import report_page
    from asymptotics.files import check_file
    from hermite.errors import InputError

    check_file(output)
    factor = CONTROL_FACTOR if controls else None
    if is_store(source):
        if settings():
            raise InputError(
                "--set, --seed and --accuracy change an experiment file; a store holds what it was made with."
            )
        found = of_store(source, note, factor)
    else:
        found = of_file(
            source, note, simulate=not no_simulation, controls=factor, settings=settings(), force=force
        )
    path = Path(output)
    write(str(path.parent), {path.name: report_page(found)}, experiments=[found.experiment])


@click.command(cls=Command, epilog=example("giantstep reproduce specialisation --out figures"))
@click.argument("names", metavar="NAME...|all", nargs=-1)
@click.option("--full", is_flag=True, help="At a size near that of the paper (hours) instead of minutes.")
@click.option("--out", metavar="DIR", default="figures", show_default=True, help="Folder of the figures.")
def reproduce(names: tuple[str, ...], full: bool, out: str) -> None:
    """The experiments behind the paper's figures, theory overlaid; without a NAME: what there is."""
    from asymptotics.documents.reproduction import chosen, images, reproductions
    from asymptotics.files import check_folder

    if not names:
        for one in reproductions():
            tell(f"{one.name}\n  {one.claim}\n  reduced: {one.reduced}\n  --full:  {one.full}")
    wanted = chosen(names)
    if wanted:
        check_folder(out)
    for one in wanted:
        tell(f"{one.name}: {one.claim}\n  {one.full if full else one.reduced}")
        drawing = one.run(full, note)
        write(out, {f"{one.name}.csv": drawing.csv}, partial(images, one.name, drawing), drawing.experiments)


@click.command(cls=Command, epilog=example("giantstep demo"))
@out_option("Folder of the figure.", default="giantstep-demo", show_default=True)
def demo(out: str) -> None:
    """A small full run, theory and simulation, in under two minutes; writes a figure."""
    from asymptotics.documents.demo import experiments, images, run_demo

    found = run_demo(tell, note)
    write(out, {}, partial(images, *found), experiments())


@click.command(
    cls=Command, epilog=example("giantstep init > experiment.toml", "giantstep cite experiment.toml")
)
@FILE
@JSON
def cite(file: str, as_json: bool) -> None:
    """BibTeX of the papers whose theory the predictions of a file rest on."""
    from asymptotics.comparison.citations import BIBTEX, bibtex, citation_keys

    experiment = load(file, force=True)
    entries = {key: BIBTEX[key] for key in citation_keys(experiment)}
    emit({"entries": entries}, as_json, str, lambda: bibtex(experiment))
