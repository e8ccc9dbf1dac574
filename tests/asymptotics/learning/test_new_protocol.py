"""A protocol is an entry of three tables (traits, laws, simulated steps): nothing else has to know its name."""

from __future__ import annotations

import pytest

from asymptotics import Network, Ridge, Simulation, Training, overlaps, risk, simulate, spectrum, theories
from asymptotics.comparison.citations import citation_keys
from asymptotics.documents.target_section import target_section
from asymptotics.experiment.grid import Experiment
from asymptotics.experiment.protocol_keys import PROTOCOLS, ProtocolTraits
from asymptotics.experiment.schema import Rule, choice
from asymptotics.experiment.settings import TRAINING_RULES
from asymptotics.learning import laws
from asymptotics.simulation.protocols import PROTOCOL_STEPS, ProtocolSteps
from hermite import Target
from hermite.errors import InputError

F = Target("z1 + He2(z1)/2", noise=0.1)


@pytest.fixture
def traits(monkeypatch: pytest.MonkeyPatch) -> ProtocolTraits:
    """Giant steps by another name, as if no more were known of the residuals than their size."""
    found = ProtocolTraits(isotropic=True, papers=("mei2022generalization",))
    giant = PROTOCOL_STEPS["giant"]
    monkeypatch.setitem(PROTOCOLS, "renamed", found)
    monkeypatch.setitem(TRAINING_RULES, "protocol", Rule(choice(*PROTOCOLS), "a protocol"))
    monkeypatch.setattr(laws, "LAWS", dict(laws.LAWS) | {"renamed": laws.LAWS["giant"]})
    monkeypatch.setitem(
        PROTOCOL_STEPS,
        "renamed",
        ProtocolSteps(giant.methods, giant.course, None, lambda training: ["renamed"]),
    )
    return found


@pytest.mark.usefixtures("traits")
def test_a_protocol_of_three_entries_has_overlaps_errors_and_a_simulation() -> None:
    network, giant, renamed = Network("tanh"), Training(1), Training(1, protocol="renamed")
    assert overlaps(F, network, renamed).steps == overlaps(F, network, giant).steps
    # By default the level that is known of it.
    found, other = risk(F, network, renamed), risk(F, network, giant, Ridge(level="iso"))
    assert (found.test_error, found.train_error, found.solver) == (
        other.test_error,
        other.train_error,
        other.solver,
    )
    assert found.plateau is None
    assert other.plateau is not None
    size = Simulation(d=12, replicates=1, test_samples=50, dtype="float64")
    # Another protocol draws other numbers.
    assert (
        simulate(F, network, renamed, Ridge(), size).risks != simulate(F, network, giant, Ridge(), size).risks
    )


@pytest.mark.usefixtures("traits")
def test_theories_of_other_protocols_refuse_a_new_one_by_its_name() -> None:
    rows = theories(F, Network("tanh"), Training(1, protocol="renamed"), Ridge(d=60))
    assert [row.level for row in rows if row.answers] == ["iso"]
    assert not any(row.covers for row in rows if row.level == "E")
    (level_e,) = (row for row in rows if row.level == "E" and row.regime == "proportional")
    assert 'protocol = "renamed"' in " ".join(level_e.reasons)


def test_a_protocol_that_says_nothing_of_itself_is_taken_for_none_of_the_others(
    traits: ProtocolTraits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PROTOCOLS, "renamed", ProtocolTraits())
    training = Training(1, protocol="renamed")
    for level in ("auto", "iso", "E"):
        with pytest.raises(InputError, match=r'"fixed-width".*protocol = "renamed"'):
            risk(F, Network("tanh"), training, Ridge(level=level))
    with pytest.raises(InputError, match='"renamed"'):
        simulate(
            Target("z1", labels="sign"), Network("tanh"), training, Ridge(), Simulation(d=12, replicates=1)
        )
    with pytest.raises(InputError, match='"renamed"'):
        spectrum(F, Network("tanh"), training, Ridge(d=40))


def test_documents_of_a_new_protocol_say_what_it_says_of_itself(traits: ProtocolTraits) -> None:
    text = 'target.expression = "z1"\ntraining.protocol = "renamed"'
    experiment = Experiment.from_toml(text)
    assert citation_keys(experiment)[-1] == traits.papers[0]
    assert "reused" not in target_section(experiment)
    assert experiment.simulation_of(experiment.trainings[0]) is None
