"""Commands about a target: what is in it, and how hard it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from asymptotics.commands.terminal import (
    ACTIVATION,
    JSON,
    LATEX,
    Command,
    ExpressionCommand,
    emit,
    example,
    one_format,
    read_gram,
)
from hermite.errors import InputError

if TYPE_CHECKING:
    from hermite.target import Target


@click.command(
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
@click.option(
    "--readout", type=click.Choice(["rademacher", "gaussian"]), help="Law of the student's second layer."
)
@click.option(
    "--bias", type=float, default=0.0, metavar="S", help="Standard deviation of the student's random biases."
)
@click.option("--gram", metavar="FILE", help="Gram matrix of the directions: JSON, or rows of rationals.")
@click.option(
    "--reused-batch", is_flag=True, help="Also what two passes over one batch of order d samples can learn."
)
@click.option(
    "--initialisation",
    type=click.Choice(["symmetric", "independent"]),
    help="Of the student (--activation) on a reused batch: symmetric, neurons in pairs of opposite readouts, or independent. "
    "Default: symmetric.",
)
@LATEX
@JSON
def leap(
    expr: str,
    batch_exponent: float,
    activation: str | None,
    readout: str | None,
    bias: float,
    gram: str | None,
    reused_batch: bool,
    initialisation: str | None,
    latex: bool,
    as_json: bool,
) -> None:
    """Leap index, staircase and hard directions of a target EXPR in z1, z2, ..."""
    one_format(as_json, latex)
    if initialisation is not None and not (reused_batch and activation is not None):
        raise InputError(
            "--initialisation goes with --reused-batch and --activation: nothing else here depends on the start"
        )
    from hermite import Target
    from hermite import leap as query
    from hermite.indices.report import pretty

    exponent = int(batch_exponent) if batch_exponent.is_integer() else batch_exponent
    target = Target(expr, gram=None if gram is None else read_gram(gram))
    report = query(target, batch_exponent=exponent, activation=activation, readout=readout, bias=bias)
    document, text = report.to_dict(), repr(report)
    if reused_batch:
        found, powers = _two_passes(target, activation, readout, initialisation)
        document["reused_two_steps"] = found
        start = initialisation or "symmetric"
        seen = "all powers" if powers is None else f"powers up to {powers}"
        student = f"a student that sees {seen} of the label"
        if activation is not None:
            document["reused_student"] = {"initialisation": start, "powers": powers}
            student = f"{activation} from {'a' if start == 'symmetric' else 'an'} {start} start, sees {seen} of the label"
        text += f"\n  two passes over one batch can learn  {pretty(found, target.variables)}\n    ({student})"

    def table() -> str:
        from asymptotics.documents.latex_tables import leap_latex

        return leap_latex(report)

    emit(document, as_json, lambda: text, table if latex else None)


#: Powers of the label that a student is asked about where none is named.
_POWERS = 5


def _two_passes(
    f: Target, activation: str | None, readout: str | None, initialisation: str | None
) -> tuple[list[list[str]] | None, int | None]:
    """The directions that two steps on one batch can learn, of this student or (powers up to five) of any; None: undecided.
    And the highest power of the label that the student sees; None: all."""
    if activation is None:
        from hermite.labels.reuse import reused_steps

        spaces = reused_steps(f, degree=_POWERS)
        return None if spaces is None else spaces[-1], _POWERS
    from asymptotics.experiment.settings import Network
    from asymptotics.learning.reuse.directions import label_powers, reused_directions

    student = Network(activation, readout or "rademacher", initialisation=initialisation or "symmetric")
    spaces = reused_directions(f, student)
    return None if spaces is None else spaces[-1], label_powers(student)


@click.command(cls=ExpressionCommand, epilog=example('giantstep expand "relu(z1) - z2^2" --order 3'))
@click.argument("expr", metavar="EXPR")
@click.option(
    "--order", type=click.IntRange(0), help="The largest order; default: the degree of a polynomial."
)
@click.option("--latex", is_flag=True, help="Print the expansion as LaTeX.")
@JSON
def expand(expr: str, order: int | None, latex: bool, as_json: bool) -> None:
    """Hermite expansion of a target: coefficients E[f He_a1(z1) He_a2(z2) ...], energy of each order."""
    from asymptotics.text.target_tables import expansion_text
    from hermite import Target
    from hermite import expand as expansion

    one_format(as_json, latex)
    result = expansion(Target(expr), order)
    drawn = (lambda: str(result.latex())) if latex else None
    emit(result.to_dict(), as_json, lambda: expansion_text(result.to_dict()), drawn)


@click.command(
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
@LATEX
@JSON
def hardness(
    expr: str, dimension: int | None, inputs: str, activation_degree: int | None, latex: bool, as_json: bool
) -> None:
    """Who learns a target EXPR with how many samples: giant steps, SGD, reuse, SQ-optimal, AMP."""
    one_format(as_json, latex)
    from hermite import Target
    from hermite import hardness as query

    report = query(Target(expr), d=dimension, inputs=inputs, activation_degree=activation_degree)
    document = report.to_dict()

    def table() -> str:
        from asymptotics.documents.latex_tables import hardness_latex

        return hardness_latex(document)

    emit(document, as_json, lambda: repr(report), table if latex else None)


@click.command(cls=ExpressionCommand, epilog=example('giantstep plateaus "z1 + z1*z2 + z1*z2*z3"'))
@click.argument("expr", metavar="EXPR")
@click.option("--steps", type=click.IntRange(0, 1000), help="Giant steps; default: until nothing changes.")
@click.option(
    "--kappa", type=click.IntRange(0, 1000), help="Largest exponent of n, p = d^kappa; default: up to 4."
)
@ACTIVATION
@LATEX
@JSON
def plateaus(
    expr: str, steps: int | None, kappa: int | None, activation: str | None, latex: bool, as_json: bool
) -> None:
    """The stairway: the test error that no second layer gets below, by steps and by batch size."""
    one_format(as_json, latex)
    from asymptotics.stairway.stairs import plateaus as stairway
    from hermite import Target

    result = stairway(Target(expr), steps=steps, kappa=kappa, activation=activation)
    document = result.to_dict()

    def table() -> str:
        from asymptotics.documents.latex_tables import plateaus_latex

        return plateaus_latex(document)

    emit(document, as_json, lambda: repr(result), table if latex else None)


@click.command(cls=Command, epilog=example("giantstep activations", "giantstep activations --json"))
@JSON
def activations(as_json: bool) -> None:
    """Activations by name: parameters, Hermite coefficients c_0..c_3, parity, and what they cannot learn."""
    from asymptotics.expectations.named_activations import activations as named
    from asymptotics.text.target_tables import activations_text

    rows = [row.to_dict() for row in named()]
    emit({"rows": rows}, as_json, lambda: activations_text(rows))
