"""The table [inputs] of an experiment file: what it says, its round trip, its commands, and its refusals."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from asymptotics import Experiment, Inputs
from asymptotics.commands.cli import run
from asymptotics.comparison.curves import curve_rows, to_csv
from asymptotics.sweeps.provenance import config_of
from hermite.errors import InputError

CLUSTERS = """
target = {expression = "z1", noise = 0.1}
training.steps = [0, 1]
ridge = {alpha = 2.0, lambda = 0.1}
simulation = {d = 40, replicates = 2, test_samples = 500}
[inputs]
clusters = [
    {weight = "1/2", mean = {m1 = 1.0}, variances = {z1 = 0.5}},
    {weight = 0.5, mean = {m1 = -1.0}, bulk = 0.5, label = "-z1"},
]
"""


def inputs_of(table: str, target: str = "z1") -> Inputs | None:
    return Experiment.from_toml(f'target.expression = "{target}"\n{table}').inputs


def test_clusters_have_means_and_variances_on_named_axes() -> None:
    inputs = Experiment.from_toml(CLUSTERS).inputs
    assert inputs.means.tolist() == [[0.0, 1.0], [0.0, -1.0]]
    assert inputs.covariances[0].tolist() == [[0.5, 0.0], [0.0, 1.0]]
    assert inputs.q.tolist() == [1.0, 0.5]
    assert [c.label for c in inputs.clusters] == [None, "-z1"]


def test_a_power_law_holds_a_teacher_with_a_profile_or_in_a_block() -> None:
    generic = inputs_of('inputs.spectrum = {law = "power", exponent = 0.8, blocks = 12}')
    assert generic == Inputs.power_law(0.8, 12)
    block = inputs_of('inputs = {spectrum = {law = "power", exponent = 0.8}, teacher = "block 3"}')
    assert np.flatnonzero(block.teacher[0]).size == 1
    two = inputs_of("inputs.spectrum = {blocks = [[0.5, 2.0], [0.5, 0.5]]}", "z1*z2")
    teacher = two.teacher_of(Experiment.from_toml('target.expression = "z1*z2"').target)
    assert teacher @ two.covariances[0] @ teacher.T == pytest.approx(np.eye(2), abs=1e-12)


def test_eigenvalues_of_a_file_make_blocks(tmp_path) -> None:
    path = tmp_path / "eigenvalues.csv"
    path.write_text("4\n3\n2\n1\n")
    inputs = inputs_of(f'inputs.spectrum = {{file = "{path.as_posix()}", blocks = 2}}')
    assert inputs.bulk.tolist() == [[3.5, 1.5]]


def test_a_file_of_eigenvalues_lies_beside_the_experiment_or_where_one_works(tmp_path, monkeypatch) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "beside.csv").write_text("4\n2\n")
    (tmp_path / "here.csv").write_text("3\n1\n")
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "study" / "experiment.toml"
    for name, bulk in (("beside.csv", [4.0, 2.0]), ("here.csv", [3.0, 1.0])):
        path.write_text(f'target.expression = "z1"\ninputs.spectrum = {{file = "{name}", blocks = 2}}')
        assert Experiment.load(path).inputs.bulk.tolist() == [bulk]
    assert Experiment.load(path, ['inputs.spectrum={file="beside.csv"}']).inputs.bulk.tolist() == [[4.0, 2.0]]
    path.write_text('target.expression = "z1"\ninputs.spectrum.file = "nowhere.csv"')
    with pytest.raises(InputError, match=r"Cannot read the spectrum 'nowhere\.csv'"):
        Experiment.load(path)


@pytest.mark.parametrize(
    "text",
    ["# of a covariance\n4\n3 # third\n\n2\n1\n", "4, 3, 2, 1", "\ufeff4;3;2;1\n", "1\r\n2\r\n3e0\r\n4."],
)
def test_files_of_eigenvalues_have_one_a_line_or_all_in_one(tmp_path, text) -> None:
    path = tmp_path / "eigenvalues.csv"
    path.write_text(text, encoding="utf-8", newline="")
    inputs = inputs_of(f'inputs.spectrum = {{file = "{path.as_posix()}", blocks = 2}}')
    assert inputs.bulk.tolist() == [[3.5, 1.5]]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "finite numbers, at least one"),
        (b"0,4.0\n1,3.0\n", "one eigenvalue a line"),
        (b"eigenvalue\n4\n", "not 'eigenvalue'|not \"eigenvalue\""),
        (b"4\n-1\n", "at least 0"),
        (b"0\n0\n", "one of them positive"),
        (b"4\nnan\n", "nan"),
        (b"4\n1e400\n", "finite numbers"),
        (b"1e200\n", "up to 1e"),
        (b"1_000\n", "1_000"),
        (b"1+2j\n", "1\\+2j"),
        ("٤\n".encode(), "one eigenvalue each"),
        (b"\xff\xfe\x00", "it is no text"),
    ],
)
def test_files_that_hold_no_eigenvalues_are_refused_by_name(tmp_path, content, said) -> None:
    path = tmp_path / "eigenvalues.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said) as caught:
        inputs_of(f'inputs.spectrum.file = "{path.as_posix()}"')
    assert "eigenvalues.csv" in str(caught.value)


def test_what_is_no_file_is_no_spectrum(tmp_path) -> None:
    for given in (f'"{tmp_path.as_posix()}"', '"/dev/zero"', '"a\\u0000b"', '""', "3", "[1.0]"):
        with pytest.raises(InputError, match="spectrum"):
            inputs_of(f"inputs.spectrum.file = {given}")


def test_labels_make_classes_and_an_empty_table_is_isotropic() -> None:
    table = 'inputs = {clusters = [{weight = 0.5}, {weight = 0.5, bulk = 2.0}], labels = ["1", "-1"]}'
    assert [c.label for c in inputs_of(table).clusters] == ["1", "-1"]
    assert inputs_of("[inputs]") is None


@pytest.mark.parametrize(
    ("table", "axes"),
    [
        ("teacher = [[0.6, 0.8]]\nclusters = [{variances = {z1 = 2.0}, mean = {m1 = 1.0}}]", 2),
        ("teacher = [[0.6, 0, 0.8]]\nclusters = [{variances = {m2 = 3.0}}]", 3),
        ("teacher = [[0.6, 0.8, 0]]\nclusters = [{variances = {z2 = 3.0}, mean = {m1 = 1.0}}]", 3),
        ("teacher = [[1.0]]", 1),
        ('teacher = [[0.6, 0.8]]\nspectrum = {law = "power", exponent = 0.5, blocks = 3}', 2),
    ],
)
def test_rows_of_a_teacher_lie_on_all_named_axes(table, axes) -> None:
    found = inputs_of(f"[inputs]\n{table}")
    assert found.axes == axes
    assert np.shape(found.teacher) == (1, axes)


def test_the_table_survives_a_round_trip() -> None:
    experiment = Experiment.from_toml(CLUSTERS)
    again = Experiment.from_dict(config_of(experiment))
    assert again.inputs == experiment.inputs


def test_curves_sweeps_and_seeds_know_the_inputs(tmp_path, capsys) -> None:
    experiment = Experiment.from_toml(CLUSTERS)
    rows = curve_rows(experiment, True)
    assert all("structured" in row["solver"] and row["simulation"]["test_error"] > 0 for row in rows)
    for row in rows:
        assert np.mean(row["by_cluster"]) == pytest.approx(row["test_error"])
    head, first = list(csv.reader(to_csv(rows).splitlines()))[:2]
    assert first[head.index("test_error_cluster_2")] == str(rows[0]["by_cluster"][1])
    path = tmp_path / "clusters.toml"
    path.write_text(CLUSTERS)
    assert run(["simulate", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["rows"]
    mean = np.mean([row["test_error"] for row in found if row["step"] == 1])
    assert mean == pytest.approx(rows[1]["simulation"]["test_error"])
    assert run(["simulate", str(path), "--json", "--set", "inputs.clusters=[{bulk = 0.5}]"]) == 0
    other = json.loads(capsys.readouterr().out)["rows"]
    assert {row["key"] for row in other}.isdisjoint({row["key"] for row in found})
    for command in (["spectrum"], ["escape"]):
        assert run([command[0], str(path), *command[1:]]) == 2
        said = capsys.readouterr().err
        assert "[inputs] is not covered" in said
        assert "simulating" not in said


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("inputs.cluster = []", "did you mean 'clusters'"),
        ("inputs.clusters = []", "list of tables"),
        ("inputs.clusters = [{wieght = 1.0}]", "did you mean 'weight'"),
        ('inputs.clusters = [{weight = "1/0"}]', "number or a fraction"),
        ("inputs.clusters = [{mean = {x1 = 1.0}}]", "named axis is z1"),
        ("inputs.clusters = [{variances = {z1 = -1.0}}]", "negative eigenvalue"),
        ("inputs.clusters = [{variances = {z1 = 1.0}, covariance = [[1.0]]}]", "not both"),
        ("inputs.clusters = [{weight = 0.5}]", "sum to 1"),
        ('inputs = {clusters = [{weight = 1.0}], teacher = "generic"}', "go with a spectrum alone"),
        ('inputs.spectrum = {law = "exponential", exponent = 1}', "inputs.spectrum must be"),
        ('inputs.spectrum = {law = "power", exponent = 2}', "below 1"),
        ('inputs.spectrum = {file = "nowhere.csv"}', "Cannot read the spectrum"),
        ("inputs.spectrum = {blocks = [[1.0]]}", "pairs"),
        ("inputs.spectrum = {blocks = [[0.5, 1.0], [0.4, 2.0]]}", "spectrum.blocks must be .* sum to 1"),
        (
            'inputs = {teacher = "spread", spectrum = {blocks = [[1.0, 1.0]]}}',
            "a row of numbers a variable, not 'spread'",
        ),
        ("inputs = {teacher = [[1, 0]], clusters = [{mean = {z1 = 1, m2 = 1}}]}", "named axis, 3, not 2"),
        ('inputs = {spectrum = {law = "power", exponent = 0.5}, teacher = "block 13"}', "block 12"),
        ('inputs.labels = ["1", "2"]', "each of the 1 clusters"),
        ("inputs.fractions = [0.5]", "sum to 1"),
    ],
)
def test_a_bad_table_of_inputs_is_refused_in_a_sentence(table, said) -> None:
    with pytest.raises(InputError, match=said):
        inputs_of(table)
