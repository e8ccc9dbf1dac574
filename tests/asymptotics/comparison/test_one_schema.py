"""All tables share their columns: keys, order, what is null, infinities; so theory and simulation join."""

from __future__ import annotations

import io
import json
import math
from typing import Any

import pandas as pd
import pytest

from asymptotics import Experiment, sweep
from asymptotics.commands.terminal import document_text
from asymptotics.comparison.curves import COLUMNS, curve_rows, to_csv
from asymptotics.comparison.joined import joined, measure_all
from asymptotics.design.inversion import inverted
from asymptotics.design.tuning import tuned
from asymptotics.experiment.columns import COORDINATES

KEYS = ["step", "alpha_train", "eta", "alpha", "beta", "lambda"]


def experiment(**tables: Any) -> Experiment:
    base: dict[str, Any] = {
        "target": {"expression": "z1 + z1*z2"},
        "training": {"steps": [0, 1], "alpha": [2.0, 4.0]},
        "ridge": {"alpha": [1.0, 2.0], "lambda": [0.1, 1.0]},
        "simulation": {"d": 24, "replicates": 2, "test_samples": 60},
    }
    return Experiment.from_dict(base | tables)


@pytest.mark.parametrize(
    "training", [{"steps": [0, 1], "alpha": [2.0, 4.0]}, {"steps": 0}, {"steps": 1, "eta": [0.5, 1.0]}]
)
def test_theory_and_simulation_join_on_their_columns(training: dict[str, Any]) -> None:
    made = experiment(training=training)
    simulated, theory = sweep(made).to_frame(), pd.DataFrame(curve_rows(made))
    both = simulated.merge(theory, on=KEYS, how="left", suffixes=("_simulated", ""), indicator=True)
    assert (both["_merge"] == "both").all()
    assert len(both) == len(simulated)
    assert both["test_error"].notna().all()
    means = pd.DataFrame(sweep(made).means())
    assert len(means.merge(theory, on=KEYS)) == len(theory) == len(means)


def test_shared_columns_come_in_one_order() -> None:
    made = experiment()
    rows = sweep(made)
    tables = {
        "curve": curve_rows(made)[0],
        "sweep": rows.rows[0],
        "means": rows.means()[0],
        "validate": joined(made, measure_all(made))[0],
        "samples": inverted(made, 1.5)[0],
        "tune": tuned(experiment(training={"steps": 0}, ridge={"alpha": 1.0}), ["lam"])[0],
    }
    for name, row in tables.items():
        shared = [key for key in row if key in COORDINATES]
        assert shared == [key for key in COORDINATES if key in row], name
        assert {"step", "batch_exponent", "alpha_train", "eta", "beta"} <= set(row), name
    assert COLUMNS[: len(COORDINATES)] == COORDINATES


def test_what_training_was_is_null_where_there_was_none() -> None:
    made = experiment()
    for row in [*curve_rows(made), *sweep(made).rows, *joined(made, measure_all(made)), *inverted(made, 1.5)]:
        trained = row["step"] > 0
        assert (row["alpha_train"] is not None) == trained
        assert (row["eta"] is not None) == trained
        assert trained or row.get("n") is None


def test_infinity_is_a_number_in_python_and_a_word_in_json() -> None:
    made = experiment(training={"steps": 0}, ridge={"alpha": 1.0, "beta": [1.0, math.inf]})
    rows = curve_rows(made)
    assert [row["beta"] for row in rows] == [1.0, math.inf]
    assert [row["beta"] for row in json.loads(document_text({"rows": rows}))["rows"]] == [1.0, "inf"]
    assert pd.read_csv(io.StringIO(to_csv(rows)))["beta"].tolist() == [1.0, math.inf]
    assert inverted(made, 1.5)[1]["beta"] == math.inf
