"""The state of the page: as a file, as Python, as a link, and what a link may not say."""

from __future__ import annotations

import ast
import io
import tomllib
from contextlib import redirect_stdout
from dataclasses import fields, replace
from urllib.parse import parse_qs

import pytest

from asymptotics import Network, Ridge, Training
from asymptotics.experiment.grid import Experiment
from asymptotics.playground.page import beginning
from asymptotics.playground.state import CONTROLS, State, problems_by_control
from hermite import Target
from hermite.errors import InputError

OTHER = State(
    target='He3(z1) - z2^2/7 + relu(z1 - 1/2)*"',
    activation="relu(x - 1/2)",
    readout="gaussian",
    initialisation="independent",
    steps=3,
    alpha_train=0.37,
    eta=0.1234567890123,
    alpha=31.25,
    beta=0.3,
    lam=0.00017,
    noise=0.25,
    d=200,
)


def changes() -> list[State]:
    """The default with one setting of the other state each, and that state."""
    one = [replace(State(), **{f.name: getattr(OTHER, f.name)}) for f in fields(State)]
    return [State(), *one, OTHER]


@pytest.mark.parametrize("state", changes(), ids=lambda state: state.link()[:30] or "default")
def test_a_link_leads_back_to_its_state(state: State) -> None:
    assert State.from_link(parse_qs(state.link())) == (state, ())


@pytest.mark.parametrize(
    "state", [s for s in changes() if '"' not in s.target], ids=lambda s: s.link()[:30] or "default"
)
def test_the_file_of_a_state_is_its_experiment(state: State) -> None:
    assert Experiment.from_toml(state.toml()) == state.experiment()


def test_every_setting_has_a_control_and_every_control_a_setting() -> None:
    assert list(CONTROLS) == [f.name for f in fields(State)] or set(CONTROLS) == {
        f.name for f in fields(State)
    }
    for name, control in CONTROLS.items():
        assert control.text or getattr(State(), name) in control.values, name


def test_the_script_of_a_state_says_what_the_library_says() -> None:
    state = State(steps=1, alpha=3.0, noise=0.1)
    said = io.StringIO()
    with redirect_stdout(said):
        exec(compile(state.python(), "page.py", "exec"), {})  # noqa: S102
    from asymptotics import risk

    f = Target("z1 + z1*z2", noise=0.1)
    own = risk(f, Network(), Training(steps=1), Ridge(alpha=3.0), accuracy=0.0).test_error
    assert float(said.getvalue().splitlines()[-1]) == own


@pytest.mark.parametrize(
    "text", ["z1'); __import__('os').system('id') #", 'z1"\n[network]\nactivation = "x', "\\", "{0}", "'''"]
)
def test_text_from_a_link_is_a_literal_of_the_script_and_of_the_file(text: str) -> None:
    """A script that someone copies from a page that a link opened runs nothing of the link."""
    state = State(target=text, activation=text)
    script = ast.parse(state.python())
    literals = [node.value for node in ast.walk(script) if isinstance(node, ast.Constant)]
    assert literals.count(text) == 2
    plain = [
        ast.dump(node.func) for node in ast.walk(ast.parse(State().python())) if isinstance(node, ast.Call)
    ]
    assert [ast.dump(node.func) for node in ast.walk(script) if isinstance(node, ast.Call)] == plain
    tables = tomllib.loads(state.toml())
    assert (tables["target"]["expression"], tables["network"]["activation"]) == (text, text)
    assert set(tables) == set(tomllib.loads(State().toml()))


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ("ridge.alpha=nan", "a number from 0.25 to 32, not 'nan'"),
        ("ridge.alpha=inf", "a number from"),
        ("ridge.alpha=1e300", "a number from"),
        ("ridge.alpha=-1", "a number from"),
        ("ridge.alpha=" + "1" * 5000, "a number from"),
        ("ridge.alpha=2;drop", "a number from"),
        ("ridge.alpha=1&ridge.alpha=2", "2 times"),
        ("training.steps=5", "one of 0, 1, 2, 3, 4"),
        ("training.steps=1.5", "one of"),
        ("training.steps=10000000000", "one of"),
        ("ridge.d=1000000", "one of infinite, 100"),
        ("network.readout=__import__('os')", "one of rademacher, gaussian"),
        ("network.initialisation=<script>alert(1)</script>", "one of symmetric"),
        ("target.expression=" + "z1%2B" * 1000 + "z1", "at most 2000 printable characters"),
        ("target.expression=z1%0Az2", "printable"),
        ("target.expression=%00", "printable"),
        ("target.expression=%20", "printable"),
        ("network.activation=" + "x%2B" * 100 + "x", "at most 200"),
        ("simulation.d=10", "does not know"),
        ("%3Cscript%3Ealert(1)%3C/script%3E=1", "does not know"),
        ("x" * 5000 + "=1", "does not know"),
    ],
)
def test_what_a_link_may_not_say_is_refused_in_a_short_sentence_and_the_default_stays(
    link: str, words: str
) -> None:
    state, refused = State.from_link(parse_qs(link, keep_blank_values=True))
    assert state == State()
    (sentence,) = refused
    assert words in sentence
    assert len(sentence) < 160


def test_a_link_with_one_bad_parameter_keeps_the_good_ones() -> None:
    state, refused = State.from_link(parse_qs("ridge.alpha=4&ridge.beta=x&target.expression=z1"))
    assert (state.alpha, state.beta, state.target) == (4.0, 1.0, "z1")
    assert len(refused) == 1


@pytest.mark.parametrize(
    ("changed", "control"),
    [
        ({"target": "z1 +"}, "target"),
        ({"target": "1/z1"}, "target"),
        ({"target": "z1^100000"}, "target"),
        ({"activation": "tanh(z3)"}, "activation"),
        ({"activation": "rely"}, "activation"),
        ({"target": "+".join(f"z{i}" for i in range(1, 21)), "d": 10}, "d"),
    ],
)
def test_what_is_wrong_is_told_beside_its_control(changed: dict[str, object], control: str) -> None:
    with pytest.raises(InputError) as caught:
        replace(State(), **changed).experiment()  # type: ignore[arg-type]
    assert list(problems_by_control(caught.value.problems)) == [control]


def test_a_page_begins_with_the_settings_that_it_is_given() -> None:
    state = beginning(
        Target("z1", noise=0.1), Network("tanh"), Training(steps=2, eta=0.25), Ridge(alpha=3.0, d=100)
    )
    assert state == State(target="z1", activation="tanh", steps=2, eta=0.25, alpha=3.0, d=100, noise=0.1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("z1", Network(bias=1.0)), "explore has controls for target.expression"),
        (("z1", None, Training(protocol="reuse")), "other settings must be at their default"),
        (("z1", None, None, Ridge(loss="huber")), "other settings must be at their default"),
        (("z1", Network(lambda x: x)), "as text"),
        ((Target("z1+z2", gram=[["1", "1/2"], ["1/2", "1"]]),), "Gram matrix"),
        (("z1", Network(readout=[[1.0, 0.5], [-1.0, 0.5]])), "network.readout must be one of"),
        (("z1", None, Training(eta=1e6)), "training.eta must be a number from 0.1 to 5"),
        (("z1", None, Training(steps=9)), "training.steps must be one of"),
        (("z1", None, None, Ridge(beta=float("inf"))), "ridge.beta must be a number from"),
        (("z1", None, None, Ridge(d=123)), "ridge.d must be one of"),
    ],
)
def test_settings_without_a_place_on_the_page_are_refused(arguments: tuple[object, ...], words: str) -> None:
    with pytest.raises(InputError, match=r"explore|must") as caught:
        beginning(*arguments)  # type: ignore[arg-type]
    assert words in str(caught.value)
