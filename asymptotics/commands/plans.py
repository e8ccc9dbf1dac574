"""The command that spends a budget of samples."""

from __future__ import annotations

import click

from asymptotics.commands.terminal import (
    ACCURACY_TEXT,
    ACTIVATION,
    JSON,
    ExpressionCommand,
    FiniteRange,
    emit,
    example,
)


@click.command(
    cls=ExpressionCommand, epilog=example('giantstep plan "z1 + He2(z1)/2" --samples 2000 --d 100')
)
@click.argument("expr", metavar="EXPR")
@click.option("--samples", type=int, required=True, metavar="N", help="Samples in all.")
@click.option("--d", "dimension", type=int, required=True, metavar="D", help="Input dimension.")
@click.option("--noise", type=float, default=0.0, show_default=True, help="Variance of the label noise.")
@ACTIVATION
@click.option("--max-steps", type=int, default=3, show_default=True, metavar="T", help="Giant steps at most.")
@click.option("--max-width", type=int, metavar="P", help="Neurons at most; default: 4 d.")
@click.option(
    "--accuracy",
    type=FiniteRange(min=0.0),
    metavar="X",
    help=f"{ACCURACY_TEXT} (0: not at all; default: 0.03 for the best schedules).",
)
@JSON
def plan(
    expr: str,
    samples: int,
    dimension: int,
    noise: float,
    activation: str | None,
    max_steps: int,
    max_width: int | None,
    accuracy: float | None,
    as_json: bool,
) -> None:
    """How to spend N samples on a target EXPR: giant steps or ridge fit, how many, at which rate, penalty and width."""
    from asymptotics.design.planning import plan as planned
    from asymptotics.experiment.settings import Network
    from asymptotics.text.plans import plan_text
    from hermite import Target

    network = Network() if activation is None else Network(activation=activation)
    found = planned(
        Target(expr, noise=noise),
        samples=samples,
        d=dimension,
        network=network,
        max_steps=max_steps,
        max_width=max_width,
        accuracy=accuracy,
    ).to_dict()
    emit(found, as_json, lambda: plan_text(found))
