"""What the page shows of a state: parts of HTML, each a pure function of the state, in the order in which they are quick.

Nothing here knows of a browser or of Panel. A part that has no answer is its refusal, one sentence; it takes no other along.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING, Any

from asymptotics.playground.state import State, problems_by_control
from asymptotics.text.tables import number, size_of, sure
from hermite.errors import ConvergenceError, InputError

if TYPE_CHECKING:
    from asymptotics.comparison.curves import Row

#: States of which a part is kept: a slider goes to and fro.
_KEPT = 64
#: Points of the lines of the figure, and seconds for them.
_POINTS, _PATIENCE = 24, 2.0
#: What the integrals of the overlaps must reach here, absolute.
_ACCURACY = 1e-3


@dataclass(frozen=True)
class Part:
    """One part of the page: its ``name``, its ``html``, and sentences about controls (by control) if it has no answer."""

    name: str
    html: str
    problems: Mapping[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def parts(state: State) -> Iterator[Part]:
    """Every part of ``state``, one by one; of a state that is no experiment one part, "controls", with what is wrong."""
    try:
        state.experiment()
    except InputError as error:
        yield Part("controls", "", problems_by_control(error.problems))
        return
    yield Part("controls", "", {})
    for name, (part, used) in PARTS.items():
        try:
            yield Part(name, part(_only(state, used)), {})
        except (InputError, ConvergenceError) as error:
            said = error.problems if isinstance(error, InputError) else (str(error),)
            told = "".join(f'<p class="refusal">{escape(sentence)}</p>' for sentence in said)
            found = problems_by_control(said)
            found.pop("", None)
            yield Part(name, told, found)


def _only(state: State, used: tuple[str, ...]) -> State:
    """``state`` with what a part does not depend on at its default, so that the part is found again."""
    default = State()
    return replace(state, **{f.name: getattr(default, f.name) for f in fields(state) if f.name not in used})


@lru_cache(_KEPT)
def leap_part(state: State) -> str:
    """The leap report, its subspaces as formulas, under the target as a formula."""
    from asymptotics.documents.html_pieces import formula_or_text
    from asymptotics.documents.mathematics import expression_latex
    from asymptotics.documents.target_section import leap_facts

    experiment = state.experiment()
    target = experiment.target
    latex = "f^\\star(z) = " + expression_latex(target.text, target.variables)
    return f'<p class="target">{formula_or_text(latex, target.text)}</p>\n{leap_facts(experiment)}'


@lru_cache(_KEPT)
def stairway_part(state: State) -> str:
    """The stairway of plateaus."""
    from asymptotics.documents.target_section import stairway_table

    return stairway_table(state.experiment())


@lru_cache(_KEPT)
def hardness_part(state: State) -> str:
    """Who learns the target with how many samples."""
    from asymptotics.documents.html_pieces import facts, table
    from hermite.complexity.hardness_table import hardness

    report = hardness(state.experiment().target)
    heading, *lines = report.table()
    pairs = [(escape(name), escape(value)) for name, value in report.summary()]
    pairs += [("warning", escape(warning)) for warning in report.notes]
    caption = "Samples that each kind of algorithm needs, n of the order d to a power, times a constant where it is known."
    return f"{facts(pairs)}\n{table(heading, lines, caption)}"


@lru_cache(_KEPT)
def error_part(state: State) -> str:
    """Test error of the ridge fit: the number at the settings, the figure with the error as a band, and the table."""
    from asymptotics.comparison.curves import curve_rows
    from asymptotics.comparison.theory_lines import dense_rows
    from asymptotics.documents.html_pieces import figure_of
    from asymptotics.figures.playground_figure import error_page

    experiment = state.experiment()
    rows = curve_rows(experiment)
    own = next(row for row in rows if row["step"] == state.steps and row["alpha"] == state.alpha)
    dense = dense_rows(experiment, "alpha", rows, _POINTS, _PATIENCE)
    alt = "Test error of the ridge fit against its samples, by giant steps; bands are the stated error, dotted the plateaus"
    picture = figure_of(lambda figure: error_page(rows, figure, dense, state.alpha), alt)
    return f"{_answer(state, own)}\n{picture}\n{_error_table(rows)}"


def _answer(state: State, row: Row) -> str:
    steps = f"{state.steps} giant step" + "s" * (state.steps != 1)
    values = [
        f'{name}: <data class="{key}" value="{row[key]!r}">{_told(row, key)}</data>'
        for key, name in (("test_error", "test error"), ("train_error", "train error"))
    ]
    if row["plateau"] is not None:
        values.append(f"no fit of n, p = Θ(d) gets below {number(row['plateau'])}")
    note = f"{row['validity']}: {row['validity_note']}" if row["validity_note"] else str(row["validity"])
    return (
        f'<p class="answer">After {steps}, at alpha = {state.alpha:g}, beta = {state.beta:g}, lambda = {state.lam:g}: '
        f'{"; ".join(values)}.</p>\n<p class="note">{escape(note)}</p>'
    )


def _told(row: Row, key: str) -> str:
    """A number of the fit in the digits that are sure, ± its stated error (that of the test error)."""
    error, value = row["error"], row[key]
    size = size_of(error) * value
    least = "" if error["total"] is not None else "at least "
    return f"{sure(value, error)} ± {least}{size:.1g}"


def _error_table(rows: list[Row]) -> str:
    from asymptotics.documents.html_pieces import table

    header = ["step", "alpha", "beta", "lambda", "test error", "train error", "plateau", "validity"]
    body = [
        [
            row["step"],
            row["alpha"],
            row["beta"],
            row["lambda"],
            _told(row, "test_error"),
            _told(row, "train_error"),
            row["plateau"],
            str(row["validity"]),
        ]
        for row in rows
    ]
    caption = "The ridge fit, predicted, ± the stated error of the prediction."
    return table(header, body, caption, ["step", "alpha", "beta", "lambda", "validity"])


@lru_cache(_KEPT)
def overlaps_part(state: State) -> str:
    """Overlaps of the neurons with the target's directions after each step: figure, and table with its error."""
    from asymptotics.documents.html_pieces import figure_of, table
    from asymptotics.figures.overlap_figure import overlap_page, readouts_shown
    from asymptotics.learning.laws import overlaps
    from asymptotics.text.tables import vector

    experiment = state.experiment()
    training = experiment.longest[0]
    found = overlaps(experiment.target, experiment.network, training, accuracy=_ACCURACY)
    alt = "Overlaps of the neurons with the target's directions after each giant step"
    body = []
    for step in found.steps:
        largest = max(float(abs(step.M).max()), float(step.norm2.max()))
        unsure = step.error.at_least * largest
        shown = {readout.value for readout in readouts_shown(step)} if len(step.readout) <= 4 else None
        for g in range(len(step.readout)):
            if shown is not None or step.weight[g] > 1e-3:
                body.append(
                    [
                        step.step,
                        float(step.readout[g]),
                        float(step.weight[g]),
                        vector(list(step.M[g]), unsure=unsure),
                        f"{unsure:.1g}",
                        f"{sure(step.risk, step.risk_error.to_dict())} ± {step.risk_error.at_least * step.risk:.1g}",
                    ]
                )
    header = ["step", "readout", "weight", "M", "± of M", "risk"]
    caption = (
        "Overlaps M = ⟨w, w*⟩ of each group of neurons, and the risk E (f* − f)² of the network as trained."
    )
    said = [
        *found.warnings,
        *([f"{found.validity}: {found.validity_note}"] if found.validity_note else [str(found.validity)]),
    ]
    notes = "".join(f'<p class="note">{escape(sentence)}</p>' for sentence in said)
    picture = figure_of(lambda figure: overlap_page(found, figure), alt)
    return f"{picture}\n{table(header, body, caption)}\n{notes}"


_TARGET = ("target", "activation", "readout", "initialisation")
_LAYER = (*_TARGET, "steps", "alpha_train", "eta", "noise")
#: Name → the part and the controls that it depends on.
PARTS: dict[str, tuple[Callable[[State], str], tuple[str, ...]]] = {
    "leap": (leap_part, _TARGET),
    "stairway": (stairway_part, _TARGET),
    "hardness": (hardness_part, ("target", "noise")),
    "error": (error_part, tuple(f.name for f in fields(State))),
    "overlaps": (overlaps_part, _LAYER),
}
