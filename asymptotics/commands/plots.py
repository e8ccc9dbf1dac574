"""The command that draws several experiments in one figure."""

from __future__ import annotations

import click

from asymptotics.commands.figure_options import curve_files, figure_options
from asymptotics.commands.terminal import (
    ACCURACY,
    FORCE,
    JSON,
    SIMULATE,
    Command,
    a_file,
    document_text,
    emit,
    example,
    load,
    note,
    out_option,
    overridable,
    write,
)


@click.command(
    cls=Command,
    epilog=example(
        "giantstep init > relu.toml",
        "giantstep init | sed s/relu/tanh/ > tanh.toml",
        "giantstep plot relu.toml tanh.toml --out results",
    ),
)
@click.argument("files", metavar="FILE.toml...", nargs=-1, required=True, shell_complete=a_file)
@overridable
@figure_options
@SIMULATE
@ACCURACY
@FORCE
@out_option("Write CSV, JSON, PNG and PDF into this folder.", default="plot", show_default=True)
@JSON
def plot(files: tuple[str, ...], with_simulation: bool, force: bool, out: str, as_json: bool) -> None:
    """The test errors of several experiments in one figure, labelled by what differs between the files."""
    from asymptotics.comparison.curves import curve_rows, to_csv
    from asymptotics.comparison.several_experiments import labels, layout_of_several, named
    from asymptotics.comparison.theory_lines import dense_rows
    from asymptotics.text.prediction_tables import curve_text

    experiments = [load(file, force, with_simulation) for file in files]
    names = labels(experiments, files, with_simulation)
    layout = layout_of_several(experiments, names, with_simulation)
    tables, dense = [], []
    for experiment, name in zip(experiments, names, strict=True):
        own = curve_rows(experiment, with_simulation, note)
        tables.append(named(own, name))
        dense += named(dense_rows(experiment, str(layout.x), own), name)
    rows = [row for table in tables for row in table]
    document = {"rows": rows}
    data = {"plot.csv": to_csv(rows, dense), "plot.json": document_text(document)}
    write(out, data, lambda: curve_files("plot", rows, dense, layout))

    def text() -> str:
        heads = [
            f"{file}: {name}" if name and not file.endswith(name) else file
            for file, name in zip(files, names, strict=True)
        ]
        return "\n".join(f"{head}\n{curve_text(own)}" for head, own in zip(heads, tables, strict=True))

    emit(document, as_json, text)
