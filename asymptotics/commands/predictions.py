"""Commands about an experiment file: what the theory predicts, with a simulation beside it if asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import click

from asymptotics.commands.figure_options import curve_files, drawn_layout, figure_options
from asymptotics.commands.terminal import (
    ACCURACY,
    FILE,
    FORCE,
    JSON,
    LATEX,
    OUT,
    SIMULATE,
    Command,
    FiniteRange,
    document_text,
    emit,
    example,
    load,
    note,
    notes,
    one_format,
    one_or_list,
    write,
)

if TYPE_CHECKING:
    from asymptotics.comparison.spectra import SpectrumCell


class Cell(Protocol):
    """What one setting of an experiment gives."""

    @property
    def settings(self) -> dict[str, Any]: ...


C = TypeVar("C", bound=Cell)


def _cell_by_cell(cells: Sequence[C], drawn: Callable[[C, str], dict[str, bytes]]) -> dict[str, bytes]:
    """The pictures of every cell, named by what tells it from the others."""
    from asymptotics.text.cell_names import cell_names

    names = cell_names([cell.settings for cell in cells])
    return {
        name: content
        for cell, own in zip(cells, names, strict=True)
        for name, content in drawn(cell, own).items()
    }


@click.command(
    cls=Command, epilog=example("giantstep init > experiment.toml", "giantstep overlaps experiment.toml")
)
@FILE
@SIMULATE
@click.option(
    "--accuracy",
    type=FiniteRange(min=0.0, min_open=True),
    metavar="X",
    help="What the integrals must reach, absolute (default: 1e-4 is tried for, 1e-3 will do); where they do not, exit code 3.",
)
@FORCE
@OUT
@JSON
def overlaps(
    file: str, with_simulation: bool, accuracy: float | None, force: bool, out: str | None, as_json: bool
) -> None:
    """Overlaps of the neurons with the target's directions after each giant step."""
    from asymptotics.comparison.trajectories import runs, to_csv
    from asymptotics.text.overlap_tables import overlaps_text

    found = runs(load(file, force), with_simulation, note, accuracy)
    for run in found:
        notes(run.warnings)
    documents = [run.to_dict() for run in found]
    document = one_or_list(documents)
    if out is not None:
        from asymptotics.comparison.trajectories import images_of

        data = {"overlaps.csv": to_csv(documents), "overlaps.json": document_text(document)}
        write(out, data, lambda: _cell_by_cell(found, images_of))
    emit(document, as_json, lambda: "\n\n".join(map(overlaps_text, documents)))


@click.command(
    cls=Command,
    epilog=example("giantstep init > experiment.toml", "giantstep curve experiment.toml --out results"),
)
@FILE
@figure_options
@SIMULATE
@ACCURACY
@FORCE
@OUT
@LATEX
@JSON
def curve(
    file: str,
    with_simulation: bool,
    force: bool,
    out: str | None,
    latex: bool,
    as_json: bool,
) -> None:
    """Test and train error of the ridge fit at every point of the sweep."""
    one_format(as_json, latex)
    from asymptotics.comparison.curves import curve_rows, to_csv
    from asymptotics.text.prediction_tables import curve_text

    experiment = load(file, force, with_simulation)
    layout = drawn_layout(experiment, with_simulation, out)
    rows = curve_rows(experiment, with_simulation, note)
    document = {"rows": rows}
    if out is not None and layout is not None:
        from asymptotics.comparison.theory_lines import dense_rows

        dense = dense_rows(experiment, str(layout.x), rows)
        data = {"curve.csv": to_csv(rows, dense), "curve.json": document_text(document)}
        write(out, data, lambda: curve_files("curve", rows, dense, layout))

    def table() -> str:
        from asymptotics.documents.latex_tables import curve_latex

        return curve_latex(rows)

    emit(document, as_json, lambda: curve_text(rows), table if latex else None)


@click.command(
    cls=Command,
    epilog=example(
        "giantstep init | giantstep spectrum - --simulate",
    ),
)
@FILE
@SIMULATE
@FORCE
@OUT
@JSON
def spectrum(file: str, with_simulation: bool, force: bool, out: str | None, as_json: bool) -> None:
    """Singular values of the features after one giant step: edge of the bulk and spikes."""
    from asymptotics.comparison.spectra import spectra, spectra_csv
    from asymptotics.text.prediction_tables import spectrum_text

    found = spectra(load(file, force, with_simulation), with_simulation, note)
    documents = [one.to_dict() for one in found]
    document = one_or_list(documents)
    if out is not None:
        from asymptotics.figures.spectrum_figure import spectrum_page
        from asymptotics.figures.style_sheet import save

        def pictures(cell: SpectrumCell, name: str) -> dict[str, bytes]:
            drawn = save(partial(spectrum_page, cell.spectrum))
            return {f"spectrum{name}.{kind}": content for kind, content in drawn.items()}

        data = {"spectrum.csv": spectra_csv(found), "spectrum.json": document_text(document)}
        write(out, data, lambda: _cell_by_cell(found, pictures))
    emit(document, as_json, lambda: "\n\n".join(map(spectrum_text, documents)))


@click.command(
    cls=Command,
    epilog=example("giantstep init > experiment.toml", "giantstep tune experiment.toml --over lam --json"),
)
@FILE
@click.option(
    "--over", default="lam,eta", show_default=True, metavar="NAMES", help="What to tune: lam, eta or both."
)
@ACCURACY
@FORCE
@OUT
@JSON
def tune(file: str, over: str, force: bool, out: str | None, as_json: bool) -> None:
    """Step size and ridge penalty of least predicted test error (their grids in the file do not matter)."""
    from asymptotics.design.tuning import to_csv, tuned
    from asymptotics.text.prediction_tables import tuning_text

    found = tuned(load(file, force), tuple(name.strip() for name in over.split(",")))
    document = {"rows": found}
    if out is not None:
        from asymptotics.figures.style_sheet import save
        from asymptotics.figures.tuning_figure import tuning_page

        def figures() -> dict[str, bytes]:
            return {f"tune.{kind}": content for kind, content in save(partial(tuning_page, found)).items()}

        write(out, {"tune.csv": to_csv(found), "tune.json": document_text(document)}, figures)
    emit(document, as_json, lambda: tuning_text(found))


@click.command(
    cls=Command,
    epilog=example("giantstep init > experiment.toml", "giantstep samples experiment.toml --test-error 1.0"),
)
@FILE
@click.option("--test-error", type=float, required=True, metavar="X", help="The test error to reach.")
@ACCURACY
@FORCE
@JSON
def samples(file: str, test_error: float, force: bool, as_json: bool) -> None:
    """How many samples, n2 = alpha d, the ridge fit needs for a test error; ridge.alpha is not used."""
    from asymptotics.design.inversion import inverted
    from asymptotics.text.prediction_tables import samples_text

    rows = inverted(load(file, force), test_error)
    emit({"rows": rows}, as_json, lambda: samples_text(rows))
