"""Every file says where it came from, and what it says makes it again."""

from __future__ import annotations

import html
import io
import json
import re
from pathlib import Path

import pandas as pd
import pytest

from asymptotics import Experiment
from asymptotics.commands.cli import cli, run
from asymptotics.comparison.citations import BIBTEX, citation_keys
from asymptotics.generalisation.theory_table import THEORIES
from asymptotics.version import __version__
from hermite import hardness, leap

FILE = (
    'target = {expression = "z1 + He2(z1)/2"}\nridge = {alpha = [1.0, 2.0], lambda = 0.1}\n'
    "training = {steps = 0}\nsimulation = {d = 20, replicates = 3, test_samples = 100}\n"
)


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    (tmp_path / "e.toml").write_text(FILE)
    assert run(["curve", str(tmp_path / "e.toml"), "--seed", "7", "--out", str(tmp_path / "o")]) == 0
    return tmp_path / "o"


def record(path: Path) -> dict[str, object]:
    """What a file says of itself."""
    if path.suffix == ".json":
        return dict(json.loads(path.read_text())["provenance"])
    if path.suffix == ".png":
        with pytest.importorskip("PIL.Image").open(path) as image:
            return dict(json.loads(image.info["Description"]))
    if path.suffix == ".pdf":
        text = path.read_bytes().decode("latin-1")
        found = re.search(r"/Subject \((.*?)(?<!\\)\)\s", text, re.S)
        assert found is not None
        return dict(json.loads(re.sub(r"\\([()\\])", r"\1", found[1])))
    lines = dict(line[2:].split(": ", 1) for line in path.read_text().splitlines() if line.startswith("# "))
    return dict(lines) | {key: json.loads(lines[key]) for key in ("seed", "experiment", "options")}


@pytest.mark.parametrize("kind", ["csv", "json", "png", "pdf"])
def test_a_file_holds_version_date_seed_and_an_experiment_that_makes_it_again(
    kind: str, written: Path
) -> None:
    found = record(written / f"curve.{kind}")
    assert found["giantstep"] == __version__
    assert found["date"] == "1970-01-01T00:00:00Z"
    assert found["seed"] == 7
    again = Experiment.from_dict(found["experiment"])  # type: ignore[arg-type]
    assert list(again.ridges) == list(Experiment.from_toml(FILE).ridges)
    assert again.simulations[0].seed == 7
    assert found["options"] == {"file": found["options"]["file"]}  # type: ignore[index]


#: Every command that prints JSON, with a small question.
QUESTIONS = {
    "leap": ["z1"],
    "expand": ["z1"],
    "hardness": ["z1"],
    "plateaus": ["z1"],
    "activations": [],
    "plan": ["z1", "--samples", "600", "--d", "60", "--max-steps", "0"],
    "overlaps": ["FILE"],
    "curve": ["FILE"],
    "spectrum": ["FILE", "--set", "training.steps=1", "--set", "ridge.alpha=2"],
    "tune": ["FILE", "--over", "lam"],
    "samples": ["FILE", "--test-error", "1.0"],
    "map": ["FILE", "--y", "ridge.lambda", "--set", "ridge.lambda=[0.1, 1]"],
    "plot": ["FILE", "--out", "OUT"],
    "simulate": ["FILE", "--store", "OUT.sqlite"],
    "validate": ["FILE", "--sizes", "1"],
    "cite": ["FILE"],
    "escape": [
        "FILE",
        *(
            f"--set={setting}"
            for setting in (
                "target.expression=z1",
                "network.activation=He1",
                "network.width=1",
                "network.initialisation=independent",
                "training.steps=1",
                "training.protocol=sgd",
                "training.loss=correlation",
                "training.alpha=1",
                "training.batch_exponent=0.5",
                "training.eta=0.1",
                "simulation.d=1000",
            )
        ),
    ],
}


def answered(command: str, tmp_path: Path, *more: str) -> list[str]:
    """The words of a question."""
    (tmp_path / "e.toml").write_text(FILE)
    places = {"FILE": str(tmp_path / "e.toml"), "OUT": str(tmp_path / "o"), "OUT.sqlite": str(tmp_path / "s")}
    return [command, *(places.get(word, word) for word in QUESTIONS[command]), *more]


def test_every_command_with_a_json_document_is_asked() -> None:
    with_json = {
        name
        for name, command in cli.commands.items()
        if any("--json" in option.opts for option in command.params)
    }
    assert with_json == set(QUESTIONS)


@pytest.mark.parametrize("command", QUESTIONS)
def test_a_document_on_standard_output_says_where_it_came_from_as_files_do(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    seed = ["--seed", "5"] if "FILE" in QUESTIONS[command] else []
    assert run(answered(command, tmp_path, *seed, "--json")) in (0, 1)
    found = json.loads(capsys.readouterr().out)["provenance"]
    assert (found["giantstep"], found["date"], found["command"]) == (
        __version__,
        "1970-01-01T00:00:00Z",
        command,
    )
    if seed:
        assert found["seed"] == 5
        assert Experiment.from_dict(found["experiment"]).simulations[0].seed == 5
    else:
        assert found["options"].get("expr", "z1") == "z1"


def test_the_experiment_of_a_document_is_the_one_that_made_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also how it is drawn; and a d of the simulation only where the file gave one."""
    for text in (
        FILE + 'figure = {x = "ridge.alpha", log = "none"}\n',
        'target = {expression = "z1", labels = "sign"}\nridge = {loss = "logistic"}\ntraining.steps = 0\n',
        'target = {expression = "z1*z2", gram = [["1", "1/2"], ["1/2", "1"]]}\ntraining.steps = 0\nridge = {}\n',
    ):
        (tmp_path / "e.toml").write_text(text)
        assert run(["curve", str(tmp_path / "e.toml"), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        again, first = Experiment.from_dict(found["provenance"]["experiment"]), Experiment.from_toml(text)
        assert again == first
        assert (again.figure, again.has_d, again.has_ridge) == (first.figure, first.has_d, first.has_ridge)


def test_latex_says_where_it_came_from_in_comments(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["leap", "z1", "--latex"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"% giantstep: {__version__}" in lines
    assert '% options: {"expr": "z1"}' in lines


def test_texts_pages_and_tables_of_a_store_are_signed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    assert run(answered("validate", tmp_path, "--out", str(tmp_path / "v"))) in (0, 1)
    assert f"\n# giantstep: {__version__}\n" in (tmp_path / "v" / "validation.txt").read_text()
    assert run(answered("simulate", tmp_path, "--out", str(tmp_path / "m"))) == 0
    assert (tmp_path / "m" / "simulate.csv").read_text().startswith(f"# giantstep: {__version__}\n")
    for source in ("e.toml", "s"):
        page = tmp_path / "page.html"
        assert run(["report", str(tmp_path / source), "-o", str(page), "--no-simulation"]) == 0
        found = re.search(r'<meta name="giantstep" content="([^"]*)">', page.read_text())
        assert found is not None
        said = json.loads(html.unescape(found[1]))
        assert Experiment.from_dict(said["experiment"]).simulations[0].d == 20


def test_parquet_holds_the_record_beside_its_table(tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    assert run(answered("simulate", tmp_path, "--out", str(tmp_path / "m"))) == 0
    read = pq.read_table(tmp_path / "m" / "simulate.parquet")
    assert json.loads(read.schema.metadata[b"giantstep"])["command"] == "simulate"
    assert len(read.to_pandas()) == 2 * 3


def test_pandas_skips_the_lines(written: Path) -> None:
    table = pd.read_csv(io.StringIO((written / "curve.csv").read_text()), comment="#")
    # The points of the file come first, then those of the lines.
    assert table["alpha"].tolist()[:2] == [1.0, 2.0]


def test_citations_follow_the_theory_that_is_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "e.toml").write_text(FILE)
    assert run(["cite", str(tmp_path / "e.toml")]) == 0
    out = capsys.readouterr().out
    assert re.findall(r"@\w+\{(\w+),", out) == ["dandi2024giant", "mei2022generalization"]
    sgd = Experiment.from_toml('target.expression = "z1"\ntraining.protocol = "sgd"')
    assert citation_keys(sgd)[1:] == ("arnaboldi2024online", "saad1995online")
    assert citation_keys(sgd)[0] == "dandi2024giant"


@pytest.mark.parametrize(
    ("settings", "papers"),
    [
        ([], ("mei2022generalization",)),
        (["ridge.regime=finite", "ridge.d=50"], ("defilippis2024dimension",)),
        (["training.steps=1"], ("cui2024asymptotics", "dandi2024random")),
        (
            ["training.steps=1", "target.labels=sign", "ridge.loss=logistic"],
            ("gerace2020generalisation", "cui2024asymptotics"),
        ),
        (
            ["inputs.spectrum={blocks = [[0.5, 0.5], [0.5, 1.5]]}"],
            ("loureiro2021mixtures", "cui2024asymptotics"),
        ),
        (["training.protocol=reuse", "network.width=4", "ridge.regime=fixed-width"], ("dandi2024benefits",)),
        # Where no theory answers, the setting's own papers are left.
        (["network.readout=gaussian", "training.steps=1"], ()),
    ],
    ids=" ".join,
)
def test_every_protocol_and_theory_has_its_papers(settings: list[str], papers: tuple[str, ...]) -> None:
    experiment = Experiment.from_toml(
        'target.expression = "z1"\ntraining = {steps = 0}\nridge = {}', settings
    )
    assert citation_keys(experiment) == ("dandi2024giant", *papers)


def test_every_theory_of_the_fit_names_papers_that_there_are() -> None:
    for theory in THEORIES:
        assert set(theory.papers) <= set(BIBTEX), theory.name
        # Least squares of a population needs none.
        assert theory.papers or theory.name == "population least squares", theory.name


def test_reports_cite_what_their_indices_are_from() -> None:
    report = leap("z1 + z1*z2")
    assert re.findall(r"@\w+\{(\w+),", report.citations) == [
        "dandi2024giant",
        "benarous2021online",
        "abbe2023sgd",
    ]
    for inputs in ("gaussian", "rademacher", "biased"):
        table = hardness("z1 + z1*z2", inputs=inputs)
        sources = {n for row in table.rows for n in re.findall(r"arXiv:([\d.]+\d)", row.source)}
        assert sources <= set(re.findall(r"eprint\s*= \{([\d.]+)\}", table.citations)), inputs


def test_entries_are_whole_and_named_by_their_key() -> None:
    for key, entry in BIBTEX.items():
        assert entry.startswith("@")
        assert f"{{{key}," in entry
        assert entry.count("{") == entry.count("}")
