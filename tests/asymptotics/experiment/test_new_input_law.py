"""A law of inputs is an entry of three tables (traits, drawn inputs, theories): nothing else has to know its name."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

from asymptotics import Network, Ridge, Simulation, Training, overlaps, risk, simulate, theories
from asymptotics.comparison.curves import curve_rows
from asymptotics.documents.target_section import target_section
from asymptotics.experiment.grid import Experiment
from asymptotics.experiment.input_laws import INPUT_LAWS, InputKey, InputTraits
from asymptotics.experiment.reference import COMMANDS, keys
from asymptotics.generalisation import theory_table
from asymptotics.generalisation.ridge_theories.proportional_start import ProportionalStart
from asymptotics.learning import laws
from asymptotics.simulation.direct import DirectNetwork
from asymptotics.simulation.drawn_inputs import DRAWN_INPUTS, DrawnInputs
from asymptotics.sweeps.provenance import config_of
from asymptotics.sweeps.sweeping import sweep
from hermite import Target
from hermite.errors import InputError

FILE = """
target.expression = "z1"
inputs = {law = "sphere", radius = 1.0}
training.steps = 0
ridge = {alpha = 2.0, lambda = 0.1}
simulation = {d = 40, replicates = 3, test_samples = 400, dtype = "float64"}
"""


@dataclass(frozen=True)
class Sphere:
    """x uniform on the sphere of radius ``radius`` √d."""

    law: ClassVar[str] = "sphere"
    radius: float = 1.0

    def lengths(self, f: Target) -> None:
        return None

    def to_dict(self) -> dict[str, Any]:
        return {"law": self.law, "radius": self.radius}


class OnSphere(DirectNetwork):
    def __init__(self, setup: Any, inputs: Sphere) -> None:
        super().__init__(setup)
        self.inputs = inputs

    def _batch(self, stream: int, n: int) -> Iterator[Any]:
        for z in super()._batch(stream, n):
            yield z * (self.inputs.radius * math.sqrt(self.d) / np.linalg.norm(z, axis=1, keepdims=True))


class SphereStart(ProportionalStart):
    """To leading order a sphere of radius √d is as good as a Gaussian."""

    name = "random features on a sphere"
    inputs = frozenset({"sphere"})


@pytest.fixture
def sphere(monkeypatch: pytest.MonkeyPatch) -> None:
    radius = InputKey("radius", {"type": "number"}, "a number", "in units of sqrt(d)", "1.0")
    traits = InputTraits(
        "inputs on a sphere", lambda table, r: Sphere(**table), (radius,), ("curve", "simulate")
    )
    monkeypatch.setitem(INPUT_LAWS, "sphere", traits)
    monkeypatch.setitem(DRAWN_INPUTS, "sphere", DrawnInputs({"direct": OnSphere}))
    monkeypatch.setattr(theory_table, "THEORIES", (*theory_table.THEORIES, SphereStart()))


@pytest.mark.usefixtures("sphere")
def test_a_law_of_inputs_of_three_entries_has_a_file_a_theory_and_a_simulation() -> None:
    experiment = Experiment.from_toml(FILE)
    assert experiment.inputs == Sphere()
    # What is stored beside results is the file again.
    assert Experiment.from_dict(config_of(experiment)) == experiment
    f, network, ridge = experiment.target, experiment.network, experiment.ridges[0]
    found, gaussian = risk(f, network, None, ridge, inputs=Sphere()), risk(f, network, None, ridge)
    assert (found.solver, found.test_error) == (SphereStart.name, gaussian.test_error)
    (row,) = curve_rows(experiment, True)
    assert row["test_error"] == pytest.approx(found.test_error, rel=0.2)
    size = experiment.simulations[0]
    simulated = simulate(f, network, None, ridge, size, inputs=Sphere()).risks
    assert row["simulation"]["test_error"] == simulated[0].test_error
    # Another law draws other numbers, and so do other settings of it.
    assert simulated != simulate(f, network, None, ridge, size).risks
    assert simulated != simulate(f, network, None, ridge, size, inputs=Sphere(2.0)).risks
    stored = np.mean([row["test_error"] for row in sweep(experiment).rows])
    assert stored == pytest.approx(simulated[0].test_error, rel=1e-12)


@pytest.mark.usefixtures("sphere")
def test_a_law_of_inputs_brings_its_overlaps_and_its_words_in_a_report(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(
        laws.ON_INPUTS,
        "sphere",
        lambda: lambda f, network, training, inputs, d: overlaps(f, network, training),
    )
    given = ("z1", Network(), Training(1))
    assert overlaps(*given, inputs=Sphere()).steps == overlaps(*given).steps
    assert "those of isotropic inputs" in target_section(Experiment.from_toml(FILE))


@pytest.mark.usefixtures("sphere")
def test_what_a_law_of_inputs_does_not_answer_is_refused_in_its_own_words() -> None:
    experiment = Experiment.from_toml(FILE)
    with pytest.raises(
        InputError, match="not covered by spectrum: inputs on a sphere have curve and simulate"
    ):
        experiment.refuse_inputs("spectrum")
    experiment.refuse_inputs("curve")
    with pytest.raises(InputError, match='must be "direct" with inputs on a sphere, not "reduced"'):
        simulate("z1", None, None, Ridge(), Simulation(d=12, method="reduced"), inputs=Sphere())
    with pytest.raises(InputError, match=r"no key 'radios' \(did you mean 'radius'\?\); it has law, radius"):
        Experiment.from_toml(FILE.replace("radius", "radios"))
    with pytest.raises(InputError, match=r'inputs.law must be "isotropic", "structured" or "sphere"'):
        Experiment.from_toml(FILE.replace('"sphere"', '"ball"'))


@pytest.mark.usefixtures("sphere")
def test_theories_of_other_inputs_refuse_a_new_law_and_its_own_refuses_theirs() -> None:
    rows = theories("z1", Network(), Training(0), Ridge(), inputs=Sphere())
    assert [row.name for row in rows if row.covers] == [SphereStart.name]
    others = [row for row in rows if not row.covers and "It is about networks" not in row.reasons[0]]
    assert {row.reasons[0] for row in others} >= {
        'random features, finite d does not cover inputs = "sphere".',
        'conditional Gaussian equivalence, structured inputs does not cover inputs = "sphere".',
    }
    (own,) = (row for row in theories("z1", Network(), Training(0), Ridge()) if row.name == SphereStart.name)
    assert own.reasons == ("It is about inputs on a sphere: give inputs.",)


def test_a_law_of_inputs_without_a_theory_or_a_simulation_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(INPUT_LAWS, "sphere", InputTraits("inputs on a sphere", lambda table, r: Sphere()))
    with pytest.raises(
        InputError, match="No theory of the ridge fit covers inputs on a sphere; use simulate"
    ):
        risk("z1", inputs=Sphere())
    with pytest.raises(InputError, match="No law of the overlaps covers inputs on a sphere; use simulate"):
        overlaps("z1", Network(), Training(1), inputs=Sphere())
    with pytest.raises(InputError, match="Inputs on a sphere are not simulated"):
        simulate("z1", inputs=Sphere())
    with pytest.raises(InputError, match="inputs on a sphere have nothing"):
        Experiment.from_toml(FILE.replace(", radius = 1.0", "")).refuse_inputs("curve")


@pytest.mark.usefixtures("sphere")
def test_the_reference_knows_the_keys_of_a_new_law() -> None:
    (key,) = (key for key in keys() if (key.table, key.name) == ("inputs", "radius"))
    assert key.meaning == "in units of sqrt(d)"
    assert "curve" in COMMANDS["inputs"]
