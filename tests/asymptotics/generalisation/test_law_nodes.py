"""The nodes that stand for random biases and Gaussian readouts are a part of the stated error of a ridge fit."""

from __future__ import annotations

import pytest

from asymptotics import Network, Ridge, Training, risk
from asymptotics.caches import SetUps
from asymptotics.generalisation import errors
from asymptotics.learning import groups
from asymptotics.learning.groups import bias_nodes, readout_groups, with_finer_nodes
from asymptotics.results import Risk
from hermite import Target

F = Target("z1 + He2(z1)/2 + z1^3/10", noise=0.1)
RELU, TANH, ABS = (Network(name, bias=1.0) for name in ("relu", "tanh", "abs"))
GAUSSIAN = Network("relu", readout="gaussian", initialisation="independent")


@pytest.mark.parametrize(
    ("network", "steps", "ridge"),
    [
        (RELU, 0, Ridge(2.0, 1.0, 0.1)),
        (ABS, 0, Ridge(2.0, 1.0, 0.1)),
        (Network("tanh", bias=2.0), 0, Ridge(2.0, 1.0, 0.1)),
        (RELU, 0, Ridge(2.0, 1.0, 0.1, d=60)),
        (RELU, 1, Ridge(2.0, 1.0, 0.1, d=60)),
        (TANH, 1, Ridge(2.0, 1.0, 0.1, d=60)),
        (ABS, 1, Ridge(2.0, 1.0, 0.1, d=60)),
        (RELU, 1, Ridge(2.0, 1.0, 0.1, d=60, regime="finite")),
        (GAUSSIAN, 1, Ridge(2.0, 1.0, 0.1, d=60)),
    ],
)
def test_twice_the_nodes_change_less_than_is_stated(
    network: Network, steps: int, ridge: Ridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what was stated before, 1e-12, they changed 1e-5 before a step and up to 1.5e-2 after one."""

    def found() -> Risk:
        monkeypatch.setattr(errors, "SHARED", SetUps())
        return risk(F, network, Training(steps, 4.0) if steps else None, ridge, accuracy=0, throw=False)

    usual = found()
    monkeypatch.setattr(groups, "_FINER", 2.0)
    # The finer network in the place of the network is what more nodes give.
    monkeypatch.setattr(errors, "SHARED", SetUps())
    more = risk(
        F, with_finer_nodes(network), Training(steps, 4.0) if steps else None, ridge, accuracy=0, throw=False
    )
    part = usual.error.theory if steps else usual.error.quadrature
    assert part is not None
    assert abs(more.test_error / usual.test_error - 1) <= part
    assert usual.error.at_least >= part


def test_a_network_with_finer_nodes_is_another_with_the_same_settings() -> None:
    network = Network("tanh", bias=0.5)
    finer = with_finer_nodes(network)
    assert finer != network
    assert finer.activation == network.activation
    assert len(bias_nodes(finer, 16)[0]) == 24
    assert len(readout_groups(finer).readout) == 3 * len(readout_groups(network).readout) // 2
    assert sum(readout_groups(finer).fraction) == pytest.approx(1.0)


def test_without_such_laws_nothing_is_added() -> None:
    found = risk(F, Network("tanh"), None, Ridge(2.0, 1.0, 0.1))
    assert found.error.quadrature is not None
    assert found.error.quadrature < 1e-8
    assert found.validity == "exact"
