"""The part of a report that says what is in the target: leap, staircase, stairway of plateaus."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from asymptotics.documents.html_pieces import facts, formula_or_text, table
from asymptotics.documents.mathematics import expression_latex
from asymptotics.experiment.grid import Experiment
from hermite.errors import ConvergenceError, InputError
from hermite.exact.exactness import Exactness

if TYPE_CHECKING:
    from asymptotics.experiment.settings import Network
    from hermite.indices.report import LeapReport
    from hermite.target import Target


#: What the answers about a target are worth on inputs of a law that does not say more.
_OF_OTHERS = "The answers below are those of isotropic inputs."


def target_section(experiment: Experiment) -> str:
    """What is in the target and, where the inputs are isotropic, its plateaus."""
    from asymptotics.experiment.input_laws import traits_of

    if not traits_of(experiment.inputs).is_isotropic:
        # Plateaus are those of isotropic inputs: none is told.
        return leap_facts(experiment)
    return "\n".join([leap_facts(experiment), stairway_table(experiment)])


def leap_facts(experiment: Experiment) -> str:
    """What correlations see of the target, in which order, and what a student of this kind makes of it."""
    from asymptotics.experiment.input_laws import traits_of
    from hermite import leap

    network, training = experiment.network, experiment.trainings[0]
    report = leap(
        experiment.target.class_mean,
        # Other protocols count samples over all steps.
        batch_exponent=training.batch_exponent if training.traits.fresh else 1,
        activation=network.activation if isinstance(network.activation, str) else None,
        readout=network.readout,
        bias=network.bias,
    )
    if not traits_of(experiment.inputs).is_isotropic:
        said = traits_of(experiment.inputs).target_note or _OF_OTHERS
        pairs = [("inputs", said)] + [
            (escape(name.strip()), answer) for name, answer in _leap_answers(report)
        ]
        return facts(pairs)
    if report.exactness == Exactness.UNDECIDED and report.staircase.dims is None:
        # No spaces to be written as formulas: what is proved of the first order, and why no more is.
        pairs = [(escape(name), escape(answer)) for name, answer in report.lines()]
        return facts(pairs)
    pairs = [(escape(name.strip()), answer) for name, answer in _leap_answers(report)]
    pairs += _of_protocol(experiment)
    pairs += [("warning", escape(warning)) for warning in report.warnings]
    return facts(pairs)


def _of_reused_batch(f: Target, network: Network) -> list[tuple[str, str]]:
    from asymptotics.learning.reuse.directions import reused_directions

    spaces = reused_directions(f, network)
    learned = _subspace(None if spaces is None else spaces[-1], f.variables)
    return [("two steps on the reused batch can learn", learned)]


def _of_online_sgd(f: Target, network: Network) -> list[tuple[str, str]]:
    from asymptotics.learning.sgd.rates import student_leap

    level = student_leap(f, network.get_activation())
    samples = {None: "never", 1: "Θ(d)", 2: "Θ(d log d)"}.get(level, f"Θ(d^{(level or 1) - 1})")
    return [
        ("leap that this student sees", "none" if level is None else str(level)),
        ("samples of online SGD to leave a random start", samples),
    ]


#: What a protocol sees of the target where it is not giant steps on fresh batches.
_SEEN = {"reuse": _of_reused_batch, "sgd": _of_online_sgd}


def _of_protocol(experiment: Experiment) -> list[tuple[str, str]]:
    seen = _SEEN.get(experiment.trainings[0].protocol)
    return [] if seen is None else seen(experiment.target.class_mean, experiment.network)


def _leap_answers(report: LeapReport) -> Iterable[tuple[str, str]]:
    """(question, answer as HTML): subspaces and scalings as formulas, the rest as text."""
    spaces = {
        "one giant step at the leap learns": report.leap_span,
        "beyond one step": report.beyond_one_step,
    }
    spaces |= {f"  after step {t}": s for t, s in enumerate((report.staircase.subspaces or ())[1:], start=1)}
    for name, answer in report.lines():
        if name.startswith("hard directions"):
            yield name, _subspace(report.hard_directions, report.variables)
        elif name == "relevant space":
            space = _subspace(report.relevant_subspace, report.variables)
            yield name, f"{space} (dimension {report.relevant_dim})"
        elif name in spaces:
            yield name, _subspace(spaces[name], report.variables)
        else:
            yield name, escape(answer)


def _subspace(rows: Sequence[Sequence[str]] | None, names: Sequence[str]) -> str:
    """span{…} as a formula."""
    if rows is None:
        return "undecided"
    from hermite.indices.report import pretty

    if not rows:
        return formula_or_text(r"\{0\}", "{0}")
    text = [pretty([list(row)], tuple(names))[5:-1] for row in rows]
    try:
        vectors = ",\\ ".join(expression_latex(vector, names) for vector in text)
        return formula_or_text(rf"\mathrm{{span}}\{{{vectors}\}}", "span{" + ", ".join(text) + "}")
    except InputError:
        return escape("span{" + ", ".join(text) + "}")


def stairway_table(experiment: Experiment) -> str:
    """The plateaus after each step of the experiment."""
    from asymptotics.stairway.stairs import plateaus

    network = experiment.network
    activation = network.activation if isinstance(network.activation, str) and not network.bias else None
    try:
        stairs = plateaus(experiment.target.class_mean, activation=activation).to_dict()["rows"]
    except (InputError, ConvergenceError) as error:
        return f'<p class="note">No stairway: {escape(str(error))}</p>'
    body = []
    for row in stairs:
        levels = row["plateaus"] if row["plateaus_activation"] is None else row["plateaus_activation"]
        learned = row["dim"] if row["dim_activation"] is None else row["dim_activation"]
        body.append([row["step"], learned, *levels])
    header = ["step", "dimension learned", *(f"n, p = Θ(d^{k})" for k in range(len(body[0]) - 2))]
    student = "" if activation is None else f", for {activation} without biases"
    caption = (
        "The stairway: excess risk that no second layer gets below, by giant steps on fresh batches and sizes of the fit"
        f"{student}."
    )
    return table(header, body, caption)
