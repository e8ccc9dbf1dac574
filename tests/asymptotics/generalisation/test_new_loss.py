"""A loss of the readout is an entry of one table and a word of ``ridge.loss``: nothing else has to know its name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from asymptotics import Network, Ridge, Simulation, Training, risk, simulate, theories
from asymptotics.experiment.schema import Rule, choice
from asymptotics.experiment.settings import RIDGE_RULES
from asymptotics.generalisation.losses.scalar_losses import LOSSES
from hermite import Target
from hermite.errors import InputError

CLASSES = Target("z1", labels="sign", noise=0.2)


@pytest.fixture
def renamed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Huber's loss by another name."""
    monkeypatch.setitem(LOSSES, "renamed", replace(LOSSES["huber"], name="renamed", least=0.05))
    monkeypatch.setitem(RIDGE_RULES, "loss", Rule(choice(*LOSSES), "a loss"))


@pytest.mark.usefixtures("renamed")
def test_a_loss_of_two_entries_has_errors_and_a_simulation() -> None:
    network = Network("tanh")
    own, huber = Ridge(alpha=3.0, lam=0.1, loss="renamed"), Ridge(alpha=3.0, lam=0.1, loss="huber")
    found, other = risk(CLASSES, network, None, own), risk(CLASSES, network, None, huber)
    assert found.solver.endswith(": renamed")
    assert replace(found, solver=other.solver) == other
    size = Simulation(d=12, replicates=1, test_samples=100, dtype="float64")
    ours, theirs = (simulate(CLASSES, network, None, ridge, size).risks for ridge in (own, huber))
    assert ours == theirs


@pytest.mark.usefixtures("renamed")
def test_a_new_loss_is_refused_by_its_own_words_where_it_means_nothing() -> None:
    with pytest.raises(InputError, match=r'at least 0.05 for ridge.loss = "renamed".*not 0.01'):
        risk(CLASSES, Network("tanh"), Training(0), Ridge(lam=0.01, loss="renamed"))
    rows = theories("z1", Network("tanh"), Training(0), Ridge(lam=0.1, loss="renamed"))
    assert not any(row.covers for row in rows)
    assert all('"renamed"' in " ".join(row.reasons) for row in rows if "It is about" not in row.reasons[0])
