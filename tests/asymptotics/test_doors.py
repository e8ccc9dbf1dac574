"""What every public function of the package takes for its target."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from asymptotics import (
    Experiment,
    Network,
    Ridge,
    Simulation,
    Training,
    optimise,
    overlaps,
    plateaus,
    risk,
    samples_needed,
    simulate,
    spectrum,
    sweep,
    validate,
)
from hermite import Target
from hermite.errors import InputError

SMALL = Simulation(d=20, width=4, replicates=2, test_samples=50)
APART = Network("tanh(x + 1/2)", initialisation="independent")
DOORS: dict[str, Callable[[Any], Any]] = {
    "overlaps": lambda f: overlaps(f, Network(), Training()).to_dict(),
    "risk": lambda f: risk(f).to_dict(),
    "plateaus": lambda f: plateaus(f).to_dict(),
    "simulate": lambda f: simulate(f, simulation=SMALL).to_dict(),
    "optimise": lambda f: optimise(f, over=["lam"]).to_dict(),
    "samples_needed": lambda f: samples_needed(f, test_error=1.5).to_dict(),
    "spectrum": lambda f: spectrum(f, APART, Training(), Ridge(2.0, 1.0, d=100)).to_dict(),
}


@pytest.mark.parametrize("door", DOORS)
def test_text_is_as_good_as_a_target(door: str) -> None:
    assert DOORS[door]("z1 + z2") == DOORS[door](Target("z1 + z2"))


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("wrong", [None, 3.5, ["z1"], lambda x: x, b"z1"])
def test_anything_else_is_refused_in_one_sentence(door: str, wrong: object) -> None:
    with pytest.raises(InputError, match="the target must be a Target or text") as caught:
        DOORS[door](wrong)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: risk("z1", "relu", Training(), Ridge()), "network must be a Network"),  # type: ignore[arg-type]
        (lambda: risk("z1", Network(), 1, Ridge()), "training must be a Training"),  # type: ignore[arg-type]
        (lambda: risk("z1", Network(), Training(), {"lambda": 1}), "ridge must be a Ridge"),  # type: ignore[arg-type]
        (lambda: overlaps("z1", Training(), Network()), "network must be a Network"),  # type: ignore[arg-type]
        (lambda: simulate("z1", simulation=100), "simulation must be a Simulation"),  # type: ignore[arg-type]
        (lambda: sweep("experiment.toml"), "experiment must be an Experiment"),  # type: ignore[arg-type]
        (lambda: validate({"target": "z1"}), "experiment must be an Experiment"),  # type: ignore[arg-type]
        (lambda: optimise("z1", "tanh", Training(), Ridge()), "network must be a Network"),  # type: ignore[arg-type]
        (lambda: spectrum("z1", [1], Training(), Ridge()), "network must be a Network"),  # type: ignore[arg-type]
    ],
)
def test_settings_of_another_kind_are_refused_in_one_sentence(call: Callable[[], object], name: str) -> None:
    with pytest.raises(InputError, match=name):
        call()


_EXPERIMENT = Experiment.from_toml(
    'target = {expression = "z1"}\nridge = {alpha = 2.0}\ntraining = {steps = 0}\nsimulation = {d = 16, replicates = 3}\n'
)


@pytest.mark.parametrize(
    "wrong",
    [None, 5, np.zeros((2, 2)), b"z1", 1j, {}, object(), "a\x00b"],
    ids=["None", "integer", "matrix", "bytes", "complex", "empty table", "object", "text with NUL"],
)
@pytest.mark.parametrize(
    "call",
    [
        Experiment.load,
        Experiment.from_toml,
        Experiment.from_dict,
        lambda wrong: sweep(_EXPERIMENT, store=b"z1" if wrong is None else wrong),
        lambda wrong: sweep(_EXPERIMENT, resume=wrong),
        lambda wrong: risk("z1", throw=wrong),
        lambda wrong: overlaps("z1", Network(), Training(), throw=wrong),
    ],
    ids=["load", "from_toml", "from_dict", "store", "resume", "throw", "throw of overlaps"],
)
def test_files_texts_and_switches_of_another_kind_are_refused_in_one_sentence(
    call: Callable[[object], object], wrong: object
) -> None:
    with pytest.raises(InputError) as caught:
        call(wrong)
    assert len(caught.value.problems) == 1


def test_a_simulation_runs_where_standard_error_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    found = simulate("z1", simulation=SMALL)
    monkeypatch.setattr("sys.stderr", None)
    assert simulate("z1", simulation=SMALL) == found
    validate(_EXPERIMENT, sizes=1)


def test_switches_and_counts_of_numpy_are_those_of_python() -> None:
    assert risk("z1", throw=np.bool_(True)) == risk("z1")  # type: ignore[arg-type]
    assert validate(_EXPERIMENT, sizes=np.float32(1)) == validate(_EXPERIMENT, sizes=1)  # type: ignore[arg-type]


def test_a_sympy_expression_is_a_target_in_a_dictionary_too() -> None:
    sympy = pytest.importorskip("sympy")
    z1, z2 = sympy.symbols("z1 z2")
    found = Experiment.from_dict({"target": {"expression": z1**2 + sympy.sqrt(2) * z2}})
    assert found.target == Target("z1^2 + sqrt(2)*z2")
    with pytest.raises(InputError):
        Experiment.from_dict({"target": {"expression": sympy.Function("g")(z1)}})
