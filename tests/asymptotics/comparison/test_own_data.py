"""A user's own measurements are joined with the theory: a right table agrees, a wrong one is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from asymptotics import Experiment, validate
from asymptotics.commands.cli import run
from asymptotics.comparison.curves import curve_rows, to_csv
from asymptotics.comparison.theory_lines import dense_rows
from hermite.errors import InputError

TEXT = """
target = {expression = "z1 + He2(z1)/2", noise = 0.1}
training = {steps = [0, 1], alpha = 4.0}
ridge = {alpha = [1.0, 2.0], lambda = 0.1}
simulation = {d = 100}
"""
EXPERIMENT = Experiment.from_toml(TEXT)


def own_ridge_fits(runs: int = 6, d: int = 100) -> pd.DataFrame:
    """Random features (step 0) fitted by hand with NumPy: one row a run, counts in place of ratios."""
    rng = np.random.default_rng(3)
    rows = []
    for n2 in (100, 200):
        for _ in range(runs):
            half = rng.standard_normal((d // 2, d))
            w = np.vstack([half, half]) / np.linalg.norm(np.vstack([half, half]), axis=1)[:, None]
            z, new = rng.standard_normal((n2, d)), rng.standard_normal((20_000, d))

            def labels(u: np.ndarray) -> np.ndarray:
                clean = u[:, 0] + (u[:, 0] ** 2 - 1) / 2
                return np.asarray(clean + np.sqrt(0.1) * rng.standard_normal(len(u)))

            def features(u: np.ndarray, w: np.ndarray = w) -> np.ndarray:
                return np.asarray(np.maximum(u @ w.T, 0) / np.sqrt(d))

            x, y = features(z), labels(z)
            a = np.linalg.solve(x.T @ x + 0.1 * np.eye(d), x.T @ y)
            test = np.mean((labels(new) - features(new) @ a) ** 2)
            rows.append({"step": 0, "n2": n2, "p": d, "d": d, "test_error": test})
    return pd.DataFrame(rows)


RUNS = own_ridge_fits()


def test_one_row_a_run_of_a_network_written_by_hand_agrees() -> None:
    report = validate(EXPERIMENT, data=RUNS)
    assert report.agrees, report.statement
    assert report.points == 2
    assert {row["replicates"] for row in report.rows} == {6}
    assert [row["alpha"] for row in report.rows] == [1.0, 2.0]
    assert "@article{dandi2024giant," in report.citations
    assert "@article{mei2022generalization," in report.citations


def test_the_csv_of_a_curve_with_its_lines_can_be_judged(tmp_path: Path) -> None:
    """Rows of kind theory are lines, not measurements."""
    experiment = Experiment.from_toml(
        TEXT.replace("{d = 100}", "{d = 30, replicates = 4, test_samples = 500}"), ["training.steps=0"]
    )
    rows = curve_rows(experiment, simulate=True)
    text = to_csv(rows, dense_rows(experiment, "alpha", rows, points=5))
    (tmp_path / "curve.csv").write_text(text)
    report = validate(experiment, data=tmp_path / "curve.csv")
    assert {row["quantity"] for row in report.rows} == {"test_error", "train_error"}
    assert report.points == 4


def test_one_row_a_point_with_standard_errors_says_the_same() -> None:
    table = RUNS.groupby(["step", "n2", "p", "d"])["test_error"].agg(["mean", "sem"]).reset_index()
    table = table.rename(columns={"mean": "test_error", "sem": "test_error_sem"}).assign(replicates=6)
    means, runs = (validate(EXPERIMENT, data=data) for data in (table, RUNS))
    for one, other in zip(means.rows, runs.rows, strict=True):
        assert one["z"] == pytest.approx(other["z"], rel=1e-9)
        assert one["p_value"] == pytest.approx(other["p_value"], rel=1e-9)


@pytest.mark.parametrize("factor", [0.5, 1.5])
def test_errors_off_by_half_are_refused(factor: float) -> None:
    # (halved errors are those of a loss with a factor 1/2, the usual mistake)
    report = validate(EXPERIMENT, data=RUNS.assign(test_error=factor * RUNS["test_error"]))
    assert not report.agrees
    assert all(row["rejected"] for row in report.rows)


def test_the_command_reads_a_csv_with_comments_and_draws(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "e.toml").write_text(TEXT)
    (tmp_path / "mine.csv").write_text("# my runs\n" + RUNS.to_csv(index=False))
    options = ["--data", str(tmp_path / "mine.csv"), "--out", str(tmp_path / "o"), "--json"]
    assert run(["validate", str(tmp_path / "e.toml"), *options]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["points"] == 2
    assert (tmp_path / "o" / "validation.png").stat().st_size > 1000


def test_our_own_table_is_read_as_the_measurement_that_it_holds() -> None:
    ours = pd.DataFrame(
        {
            "step": [1], "alpha_train": [4.0], "eta": [1.0], "alpha": [2.0], "beta": [1.0], "lambda": [0.1],
            "test_error": [99.0], "simulation_test_error": [0.8], "simulation_test_error_sem": [0.5],
            "simulation_replicates": [5], "simulation_d": [100],
        }
    )  # fmt: skip
    (row,) = validate(EXPERIMENT, data=ours).rows
    assert (row["simulation"], row["sem"], row["replicates"], row["d"]) == (0.8, 0.5, 5, 100)


GOOD = {"step": [0], "alpha": [1.0], "test_error": [1.0], "test_error_sem": [0.1]}


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"test_error": None}, "need a column test_error"),
        ({"alpha": None}, r"need a column alpha \(or n2\)"),
        ({"step": None, "alpha": None}, r"step, alpha \(or n2\)"),
        ({"test_error_sem": None}, "at least 3 runs"),
        ({"test_error": ["x"]}, "must be numbers, not 'x'"),
        ({"test_error_sem": [0.0]}, "greater than 0"),
        ({"test_error": [float("nan")]}, "must be finite"),
        ({"step": [0.5]}, "whole number"),
        ({"alpha": [-1.0]}, "ridge.alpha must be"),
        ({"replicates": [2]}, "at least 3"),
        ({"train_error": [0.5]}, "but not train_error_sem"),
    ],
)
def test_what_no_table_can_mean_is_one_sentence(columns: dict[str, object], words: str) -> None:
    table = {k: v for k, v in (GOOD | columns).items() if v is not None}
    with pytest.raises(InputError, match=words):
        validate(EXPERIMENT, data=pd.DataFrame(table))


@pytest.mark.parametrize("columns", [{"alpha": [1.0]}, {"n2": [512]}, {"p": [512]}])
def test_a_dimension_that_neither_the_data_nor_the_file_says_is_asked_for(
    columns: dict[str, object],
) -> None:
    """The default d was hardly the one that was measured; a file or a column that says it is enough."""
    text = TEXT.replace("simulation = {d = 100}", "").replace("[1.0, 2.0]", "1.0")
    table = pd.DataFrame(GOOD | columns).drop(columns="alpha" if "n2" in columns else [])
    with pytest.raises(InputError, match=r"need a column d, or the experiment simulation\.d"):
        validate(Experiment.from_toml(text), data=table)
    said_by_file = validate(Experiment.from_toml(text, ["simulation.d=512"]), data=table)
    said_by_data = validate(Experiment.from_toml(text), data=table.assign(d=512))
    assert said_by_file.rows == said_by_data.rows
    assert [row["d"] for row in said_by_data.rows] == [512]


@pytest.mark.parametrize("data", [[1, 2], "missing.csv", Path("missing.csv"), pd.DataFrame()])
def test_what_is_no_table_is_refused(data: object) -> None:
    with pytest.raises(InputError):
        validate(EXPERIMENT, data=data)
