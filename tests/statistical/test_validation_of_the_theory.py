"""The whole chain on real experiments: the theory agrees within finite size, every negative control is refused."""

from __future__ import annotations

import pytest

from asymptotics import Experiment, validate

EXPERIMENTS = {
    "ridge after several steps": """
[target]
expression = "z1 + z1*z2"
noise = 0.1
[network]
activation = "relu(x - 7/10)"
[training]
steps = [0, 1, 2]
[ridge]
alpha = [1.0, 4.0]
beta = 1.5
lambda = [0.1, 1.0]
[simulation]
d = 256
replicates = 24
test_samples = 10000
""",
    "ridge after one step, single index": """
[target]
expression = "z1 + He2(z1)/2 + He3(z1)/6"
noise = 0.2
[network]
activation = "tanh(x) + He2(x)/2"
[training]
steps = [0, 1]
[ridge]
alpha = [1.0, 4.0]
beta = 1.0
lambda = 1.0
[simulation]
d = 256
replicates = 30
test_samples = 10000
""",
    "overlaps of many neurons": """
[target]
expression = "z1 + z1*z2"
[training]
steps = 3
[simulation]
d = 800
width = 400
replicates = 16
test_samples = 5000
""",
    "overlaps at fixed width": """
[target]
expression = "z1 + z1*z2"
[network]
width = 4
[training]
steps = 2
[simulation]
method = "reduced"
d = 20000
replicates = 40
test_samples = 2000
""",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_theory_agrees_and_controls_are_refused(name: str) -> None:
    report = validate(Experiment.from_toml(EXPERIMENTS[name]), controls=2.0)
    print(f"{name}: {report.statement} (finite size in {report.finite_size})")
    for control in report.controls:
        print(f"  {control}")
    assert report.agrees, report.statement
    assert 0.4 < report.rms_z < 1.6
    assert report.conclusive, report.controls
