"""What every public function of the package takes for its target."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from asymptotics import (
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
