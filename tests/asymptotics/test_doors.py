"""What every public function of the package takes for its target."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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


def test_a_sympy_expression_is_a_target_in_a_dictionary_too() -> None:
    sympy = pytest.importorskip("sympy")
    z1, z2 = sympy.symbols("z1 z2")
    found = Experiment.from_dict({"target": {"expression": z1**2 + sympy.sqrt(2) * z2}})
    assert found.target == Target("z1^2 + sqrt(2)*z2")
    with pytest.raises(InputError):
        Experiment.from_dict({"target": {"expression": sympy.Function("g")(z1)}})
