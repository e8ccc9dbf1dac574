"""Risks of the untrained network of sharp targets are E f², within the error that they carry."""

from __future__ import annotations

import pytest

from asymptotics import Network, Ridge, Training, overlaps, risk
from hermite import Target


@pytest.mark.parametrize(
    ("text", "energy"),
    [
        ("sin(8*z1)", 0.5),
        ("tanh(z1+He3(z2))", 0.64234),
        ("exp(-50*z1^2)", 201**-0.5),
        ("z1*exp(-20*z1^2)", 1 / 729),
        ("cos(30*z1) + z2", 1.5),
    ],
)  # fmt: skip
def test_the_first_risk_is_the_second_moment(text: str, energy: float) -> None:
    start = overlaps(Target(text), Network(), Training(steps=0, alpha=4.0))[0]
    assert start.risk == pytest.approx(energy, abs=5e-6 if "He3" in text else 1e-8 * energy)
    assert start.risk_error.quadrature is not None
    assert start.risk_error.quadrature < 1e-6


def test_orders_are_removed_from_a_wave() -> None:
    training = Training(steps=1, alpha=4.0, batch_exponent=2, remove_orders=(0, 1))
    found = overlaps(Target("cos(12*z1) + He2(z1)"), Network(), training)
    assert found[0].risk == pytest.approx(2.5, rel=1e-9)


def test_risks_at_fixed_width_carry_an_error_of_their_own() -> None:
    for steps in (0, 1):
        found = overlaps(
            Target("z1 + z1*z2"), Network("tanh", width=4), Training(steps=steps, alpha=4.0), accuracy=1e-3
        )
        for step in found.steps:
            assert step.risk_error.quadrature is not None
            assert 0 <= step.risk_error.quadrature < 1e-3


@pytest.mark.parametrize("network", [Network("relu", bias=1.0), Network("relu", readout="gaussian")])
def test_nodes_of_continuous_laws_are_part_of_the_error(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    from asymptotics.learning.giant import many_neurons
    from asymptotics.learning.groups import readout_groups

    f, training = Target("z1 + z1*z2"), Training(steps=1, alpha=4.0)
    found = overlaps(f, network, training)[1]
    monkeypatch.setattr(many_neurons, "readout_groups", lambda n, finer=1.0: readout_groups(n, 2.0 * finer))
    finer = overlaps(f, network, training)[1]
    assert found.risk_error.quadrature is not None
    assert abs(found.risk - finer.risk) <= (1.5 * found.risk_error.quadrature + 1e-12) * found.risk
    assert finer.risk_error.quadrature <= max(found.risk_error.quadrature, 1e-12)


def test_far_nodes_of_a_readout_change_no_average_but_cost_most_of_the_time() -> None:
    """Groups of 1e-18 of the neurons are left out: what they were worth is below the accuracy of overlaps."""
    from asymptotics.learning.features import untrained
    from asymptotics.learning.giant.mean_field import mean_field
    from asymptotics.learning.groups import readout_groups

    f, network = Target("z1 + z1*z2"), Network("relu", readout="gaussian")
    groups = readout_groups(network)
    paths = [
        mean_field(f, network.get_activation(), untrained(one, 2), 2, 1.0, 4.0, refine=0.4)
        for one in (groups, groups.frequent())
    ]
    assert paths[1].risks == pytest.approx(paths[0].risks, rel=1e-5)
    kept = [abs(a) < 5.5 for a in groups.readout]
    whole, few = (path.states[-1] for path in paths)
    inner = [abs(a) < 5.5 for a in few.readout]
    assert few.M[inner] == pytest.approx(whole.M[kept], abs=1e-5)
    assert len(few.readout) < len(groups.readout)
    assert few.weight.sum() == pytest.approx(1.0, abs=1e-15)
    pairs = groups.frequent().pairs
    assert pairs is not None
    assert all(few.readout[i] == -few.readout[j] for i, j in pairs)


def test_far_nodes_of_a_readout_do_not_refuse_the_fit_of_what_all_neurons_learned() -> None:
    """At |ã| = 8.5 a coarser cubature moves the squared norm of 1e-16 of the neurons by 1 %: two steps of tanh were refused."""
    f, network = Target("z1 + z1*z2", noise=0.1), Network("tanh", readout="gaussian")
    found = risk(f, network, Training(2, 4.0, 1.0), Ridge(2.0, 1.0, 0.1, d=100), accuracy=0)
    assert found.error.quadrature is not None
    assert found.error.quadrature < 2e-3
