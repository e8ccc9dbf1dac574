"""The command that maps an error over two settings."""

from __future__ import annotations

import click

from asymptotics.commands.terminal import (
    ACCURACY,
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
    write,
)

#: key of the file → column of the table
AXES = {
    "training.steps": "step",
    "training.alpha": "alpha_train",
    "training.eta": "eta",
    "ridge.alpha": "alpha",
    "ridge.beta": "beta",
    "ridge.lambda": "lambda",
}
#: Names of ``comparison.map_quantities.QUANTITIES``, which is imported once a map is asked for.
QUANTITIES = ("test_error", "train_error", "excess_risk", "gain", "level", "direction")


@click.command(
    "map",
    cls=Command,
    epilog=example(
        'giantstep init | giantstep map - --set training.steps=1 --set "training.eta=[0.5, 1, 2]" '
        "--x ridge.alpha --y training.eta --out results",
    ),
)
@FILE
@click.option(
    "--x",
    type=click.Choice(list(AXES)),
    default="ridge.alpha",
    show_default=True,
    metavar="KEY",
    help=f"Key of the x axis: {', '.join(AXES)}.",
)
@click.option(
    "--y",
    type=click.Choice(list(AXES)),
    default="training.eta",
    show_default=True,
    metavar="KEY",
    help="Key of the y axis, another of these.",
)
@click.option(
    "--quantity",
    type=click.Choice(QUANTITIES),
    default="test_error",
    show_default=True,
    help="What is coloured; gain: how far the test error is below that of random features; level: how much of the weights' "
    "law the theory keeps; direction: the leading direction learned.",
)
@ACCURACY
@FORCE
@OUT
@JSON
def map_command(
    file: str, x: str, y: str, quantity: str, force: bool, out: str | None, as_json: bool
) -> None:
    """A heat map of the predicted error, or of what is learned, over two grids of the file (all other keys have one value)."""
    from asymptotics.comparison.map_quantities import QUANTITIES as TABLE
    from asymptotics.experiment.columns import coordinates
    from asymptotics.text.prediction_tables import map_text
    from hermite.errors import InputError

    if x == y:
        raise InputError(f"--x and --y must be two keys, not {x} twice.")
    experiment, columns = load(file, force), (AXES[x], AXES[y])
    # What is refused is refused before a point is computed.
    places = [coordinates(*cell) for cell in experiment.cells()]
    problems = []
    for key, column in AXES.items():
        several = len({place[column] for place in places if place[column] is not None}) > 1
        if several and column not in columns:
            problems.append(f"{key} has several values; a map takes one (--set {key}=...).")
        if not several and column in columns:
            problems.append(f'{key} needs several values for an axis of the map (--set "{key}=[1, 2, 4]").')
    if not problems and any(place[column] is None for place in places for column in columns):
        problems.append(
            "training.steps must not hold 0: nothing was trained there, so that alpha and eta mean nothing."
        )
    if problems:
        raise InputError(problems)
    coloured = TABLE[quantity]
    rows = coloured.rows(experiment, note)
    document = {"x": x, "y": y, "quantity": quantity, "rows": rows}
    if out is not None:
        from asymptotics.figures.map_figure import plot_map
        from asymptotics.figures.style_sheet import save

        title = coloured.title.replace("_", " ")

        def figures() -> dict[str, bytes]:
            drawn = save(
                lambda figure: plot_map(
                    rows, *columns, quantity, figure.add_subplot(), title=title, star=coloured.best
                )
            )
            return {f"map.{kind}": content for kind, content in drawn.items()}

        write(out, {"map.csv": coloured.csv(rows), "map.json": document_text(document)}, figures)

    emit(
        document,
        as_json,
        lambda: map_text(rows, (x, y), columns, coloured.title, coloured.cell, coloured.has_errors),
    )
