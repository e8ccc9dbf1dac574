"""What the page shows: the command line's numbers, part by part, bounded in time, and no part takes another along."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import asdict
from http.client import HTTPConnection
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import pytest

from asymptotics import explore
from asymptotics.commands.cli import run
from asymptotics.playground.calculator import Calculator, Cancelled
from asymptotics.playground.state import State
from asymptotics.playground.view import PARTS, Part, parts
from hermite.errors import InputError

SLOW = State(target="z1 + z1*z2 + z1*z2*z3", activation="tanh", readout="gaussian", steps=4)


def shown(state: State) -> dict[str, Part]:
    return {part.name: part for part in parts(state)}


def to_the_end(calculator: Calculator, told: list[Part]) -> None:
    """Every part that the calculator tells, for a minute at most."""
    begun = time.monotonic()
    while (found := calculator.answer(0.05)) is not False:
        told += [found] if isinstance(found, Part) else []
        assert time.monotonic() < begun + 60


def number(html: str, name: str) -> float:
    found = re.search(rf'<data class="{name}" value="([^"]+)"', html)
    assert found is not None, html[:500]
    return float(found[1])


@pytest.mark.parametrize(
    "state", [State(noise=0.1), State(steps=0, alpha=3.0, d=100), State(steps=2, eta=0.7)]
)
def test_the_page_has_the_numbers_of_the_command_line(
    state: State, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = shown(state)
    assert list(found) == ["controls", *PARTS]
    (tmp_path / "e.toml").write_text(state.toml())
    assert run(["curve", str(tmp_path / "e.toml"), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    (own,) = (row for row in rows if row["step"] == state.steps and row["alpha"] == state.alpha)
    for key in ("test_error", "train_error"):
        assert number(found["error"].html, key) == own[key]
    assert run(["overlaps", str(tmp_path / "e.toml"), "--json"]) == 0
    last = json.loads(capsys.readouterr().out)["steps"][-1]
    for value in last["neurons"][0]["M"]:
        assert f"{value:z.4f}" in found["overlaps"].html


def test_every_number_of_the_fit_stands_with_its_error() -> None:
    html = shown(State())["error"].html
    body = html.split("<tbody>")[1]
    rows = re.findall(r"<tr><td>.*?</tr>", body)
    assert len(rows) == 12
    assert all(row.count(" ± ") == 2 for row in rows)
    assert " ± " in re.search(r'<data class="test_error".*?</data>', html)[0]  # type: ignore[index]


def test_a_state_that_is_no_experiment_has_one_part_which_names_the_control() -> None:
    (part,) = parts(State(target="z1 +", activation="rely"))
    assert set(part.problems) == {"target", "activation"}


def test_a_part_without_an_answer_takes_no_other_along() -> None:
    found = shown(State(readout="gaussian", target="z1"))
    assert "refusal" in found["error"].html
    assert "ridge.d" in found["error"].problems["d"]
    assert all("refusal" not in found[name].html for name in ("leap", "stairway", "hardness", "overlaps"))


def test_what_a_user_types_is_text_on_the_page() -> None:
    found = shown(State(target="z1*(1 + <b>z2</b>)"))
    assert set(found["controls"].problems) == {"target"}
    everything = "".join(part.html for part in shown(State(target="z1*(z2 - 1/2)")).values())
    assert not re.search(
        r"(?i)<script|<iframe|javascript:|https?://(?!www\.w3\.org)|src=\"(?!data:)", everything
    )


def test_what_takes_too_long_is_cancelled_with_a_word_and_the_next_question_is_answered() -> None:
    calculator = Calculator(limit=0.5)
    try:
        calculator.ask(SLOW)
        told: list[Part] = []
        with pytest.raises(Cancelled, match=r"after 0\.5 seconds: .* the command line waits"):
            to_the_end(calculator, told)
        assert "overlaps" not in [part.name for part in told]
        calculator.limit = 60.0
        calculator.ask(State(target="z1 +"))
        while not isinstance(found := calculator.answer(0.05), Part):
            assert found is True
        assert set(found.problems) == {"target"}
        assert calculator.answer(5.0) is False
    finally:
        calculator.close()


def test_a_process_that_dies_is_a_sentence() -> None:
    calculator = Calculator()
    calculator.ask(SLOW)
    assert calculator._process is not None
    calculator._process.kill()
    with pytest.raises(Cancelled, match="ended without an answer"):
        to_the_end(calculator, [])
    calculator.close()


class Answers:
    """A calculator that answers at once, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[State] = []
        self.left: list[Part] = []

    def ask(self, state: State) -> None:
        self.asked.append(state)
        problem = {"target": "target: no."} if state.target == "bad" else {}
        self.left = [Part("controls", "", problem), Part("error", f"<b>{state.alpha}</b>", {})]

    def answer(self, _seconds: float) -> Part | bool:
        return self.left.pop(0) if self.left else False


def test_a_page_shows_the_newest_state_and_problems_beside_their_control() -> None:
    pytest.importorskip("panel")
    from asymptotics.playground.page import Page

    answers = Answers()
    page = Page(State(), (), answers)  # type: ignore[arg-type]

    async def play() -> None:
        for alpha in (3.0, 4.0, 6.0):
            page.widgets["alpha"].value = alpha
            await page._on_change(None)
        assert page.status.object.count("Done in") == 1
        page.widgets["target"].value_input = "bad"
        await page._on_change(None)

    asyncio.run(play())
    assert [state.alpha for state in answers.asked] == [3.0, 4.0, 6.0, 6.0]
    assert "<b>6.0</b>" in page.parts["error"].object
    assert page.problems["target"].visible
    assert "target: no." in page.problems["target"].object
    assert not page.problems["eta"].visible
    assert "alpha = [0.5, 1.0, 2.0, 4.0, 6.0, 8.0, 16.0]" in page.copied.value


def test_in_a_script_explore_says_where_its_page_is_shown() -> None:
    pytest.importorskip("panel")
    with pytest.raises(InputError, match="notebook"):
        explore("z1")


def test_importing_the_package_does_not_import_panel() -> None:
    code = (
        "import sys, asymptotics, asymptotics.playground.page, asymptotics.playground.serving\n"
        "assert asymptotics.explore and not {'panel', 'bokeh', 'param'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_the_extra_there_is_one_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "panel", None)
    assert run(["explore"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == 'giantstep: explore needs the extra "explore": pip install "giantstep[explore]".\n'


def test_a_port_in_use_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("panel")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert run(["explore", "--port", str(port)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"giantstep: --port {port} cannot be used")
    assert err.count("\n") == 1


def test_the_example_of_the_help_serves_a_page_until_ctrl_c_and_other_hosts_are_no_origin() -> None:
    pytest.importorskip("panel")
    command = [str(Path(sys.executable).parent / "giantstep"), "explore", "z1 + z1*z2", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    try:
        page = build_opener(ProxyHandler({})).open(address, timeout=60).read().decode()
        assert 'name="viewport"' in page
        assert not re.search(r"(src|href)=.https?:", page)
        host, port = address.removeprefix("http://").strip("/").split(":")
        connection = HTTPConnection(host, int(port), timeout=60)
        upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
        upgrade |= {"Sec-WebSocket-Key": "eA==", "Origin": "http://elsewhere.example"}
        connection.request("GET", "/ws", headers=upgrade)
        assert connection.getresponse().status == 403
        connection.close()
    finally:
        process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "")
    assert err.splitlines()[-1] == "giantstep: ended."


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["z1 +"], "column"), (["z1", "--port", "70000"], "--port"), (["1/z1"], "division")],
)
def test_bad_input_is_refused_before_anything_is_served(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["explore", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err


def test_a_page_that_ends_in_the_middle_of_an_answer_leaves_no_trace_on_the_terminal() -> None:
    """Ctrl-C reaches the page alone: its process then tells its answer to nobody."""
    process = subprocess.Popen(
        [sys.executable, "-m", "asymptotics.playground.calculating", "60"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    assert json.loads(process.stdout.readline()) == {"ready": True}
    process.stdout.close()
    process.stdin.write(json.dumps(asdict(State(target="z1"))) + "\n")
    process.stdin.close()
    assert process.wait(timeout=60) == 0
    assert process.stderr.read() == ""
    process.stderr.close()
