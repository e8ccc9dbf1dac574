"""The command about online SGD from a random start."""

from __future__ import annotations

import click

from asymptotics.commands.terminal import FILE, FORCE, JSON, SIMULATE, Command, emit, example, load, note


@click.command(
    cls=Command,
    epilog=example(
        'giantstep init | giantstep escape - --set "target.expression=He2(z1)" --set network.activation=He2 '
        "--set network.width=1 --set network.initialisation=independent --set training.protocol=sgd "
        "--set training.loss=correlation --set training.alpha=1 --set training.batch_exponent=0.5 "
        "--set training.eta=0.1 --set simulation.d=1000"
    ),
)
@FILE
@SIMULATE
@FORCE
@JSON
def escape(file: str, with_simulation: bool, force: bool, as_json: bool) -> None:
    """When online SGD leaves a random start: the law of the time, in steps, samples and the clock of the leap."""
    from asymptotics.comparison.escapes import escape_documents
    from asymptotics.text.overlap_tables import escape_text

    found = escape_documents(load(file, force), with_simulation, note)
    document = found[0] if len(found) == 1 else {"runs": found}
    emit(document, as_json, lambda: "\n\n".join(map(escape_text, found)))
