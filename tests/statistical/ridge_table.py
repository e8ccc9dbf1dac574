"""Settings of the table of ridge errors, theory against the real network; run as a program it prints the table.

    python tests/statistical/ridge_table.py > docs/ridge-table.md

Every stage and regime: random features at finite d, one step, several steps and directions (levels E and En+), laws of
the readout with four atoms, and fixed width. Fixed seeds; the z-score has the standard error of the simulation alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from itertools import product

import numpy as np

from asymptotics import Network, Ridge, Simulation, Training, __version__, risk, simulate
from hermite import Target

STAIR = Target("z1 + z1*z2", noise=0.05)
PLANE = Target("(z1 + z1^2 + z2 - z2^2)/2", noise=0.05)
THREE = Target("z1 + z1*z2 + z1*z2*z3", noise=0.05)
QUADRATIC = Target("z1 + He2(z1)/2", noise=0.1)
WAVE = Target("sin(3*z1/2) + cos(3*z1/2)", noise=0.1)
FOUR = [[2.0, 0.25], [1.0, 0.25], [-1.0, 0.25], [-2.0, 0.25]]
KINDS = ("symmetric", "independent")


@dataclass(frozen=True)
class Setting:
    """One row: an experiment, and the method that simulates it."""

    target: Target
    network: Network
    training: Training
    ridge: Ridge
    method: str = "direct"


@dataclass(frozen=True)
class Row:
    """Theory, simulation and z-scores of the test and the train error; ``solver`` names the theory that answered."""

    setting: Setting
    theory: tuple[float, float]
    measured: tuple[float, float]
    sem: tuple[float, float]
    solver: str

    @property
    def z(self) -> tuple[float, float]:
        """(theory − simulation)/s.e., test and train."""
        test, train = ((a - b) / s for a, b, s in zip(self.theory, self.measured, self.sem, strict=True))
        return test, train


def settings() -> Iterator[Setting]:
    """All rows of the table."""
    rest = Training(steps=0)
    for kind, activation, ridge in product(
        KINDS, ("relu", "tanh"), (Ridge(2.0, 1.0, 0.05), Ridge(1.0, 2.0, 0.05), Ridge(4.0, 0.5, 0.01))
    ):
        yield Setting(STAIR, Network(activation, initialisation=kind), rest, ridge)
    for kind, activation, target, ridge in product(
        KINDS, ("relu", "tanh(x + 1/2)"), (QUADRATIC, WAVE), (Ridge(2.0, 1.0, 0.05), Ridge(1.0, 2.0, 0.1))
    ):
        level = replace(ridge, level="En+")
        yield Setting(target, Network(activation, initialisation=kind), Training(1, 8.0, 1.0), level)
    for (kind, activation, target), steps in product(
        (
            ("symmetric", "relu", STAIR),
            ("independent", "relu", STAIR),
            ("symmetric", "relu", PLANE),
            ("independent", "tanh(x + 1/2)", PLANE),
            ("independent", "relu(x - 1/2)", THREE),
            ("symmetric", "erf(x)", QUADRATIC),
        ),
        (2, 3),
    ):
        ridge = Ridge(2.0, 1.0, 0.05, level="En+")
        yield Setting(target, Network(activation, initialisation=kind), Training(steps, 8.0, 0.8), ridge)
    for kind, target in product(KINDS, (STAIR, QUADRATIC)):
        yield Setting(
            target, Network("relu", FOUR, initialisation=kind), Training(2, 8.0, 0.5), Ridge(2.0, 1.0, 0.1)
        )
    for kind, steps in product(KINDS, (1, 2)):
        network = Network("relu", initialisation=kind, width=8)
        ridge = Ridge(1.0, lam=0.1, regime="fixed-width")
        yield Setting(STAIR, network, Training(steps, 2.0, 1.0), ridge, method="reduced")


def measure(setting: Setting, d: int, replicates: int, seed: int = 2026) -> Row:
    """Theory at the simulation's d beside ``replicates`` runs of the network."""
    size = 100_000 if setting.method == "reduced" else d
    ridge = replace(setting.ridge, d=size)
    predicted = risk(setting.target, setting.network, setting.training, ridge)
    plan = Simulation(
        method=setting.method, d=size, replicates=replicates, test_samples=20_000, seed=seed, memory="500 MB"
    )
    steps = [setting.training.steps]
    (found,) = simulate(setting.target, setting.network, setting.training, ridge, plan, steps=steps).risks
    assert found.test_error_sem is not None
    assert found.train_error_sem is not None
    train = found.train_error_sem
    return Row(
        setting,
        (predicted.test_error, predicted.train_error),
        (found.test_error, found.train_error),
        (found.test_error_sem, train),
        predicted.solver,
    )


def rms(rows: Iterable[Row], column: int) -> float:
    """Root mean square z of the test (0) or train (1) errors."""
    return float(np.sqrt(np.mean([row.z[column] ** 2 for row in rows])))


def table(rows: list[Row], d: int, replicates: int) -> str:
    """The table in Markdown, with a line that sums it up."""
    head = [
        "# Ridge errors: theory against the real network",
        "",
        f"{len(rows)} settings, {replicates} runs each at d = {d} (fixed width: d = 100,000, p = 8), label noise included.",
        "z = (theory − simulation)/standard error of the simulation; nothing is allowed for the theory's own error.",
        f"Theory and simulation of giantstep {__version__}, {date.today():%d %B %Y}.",
        f"Root mean square z: test {rms(rows, 0):.2f}, train {rms(rows, 1):.2f}; "
        f"largest |z|: {max(abs(row.z[0]) for row in rows):.1f} and {max(abs(row.z[1]) for row in rows):.1f}.",
        "",
        "| target | activation | readout | initialisation | steps | alpha, beta, lambda | level "
        "| test: theory | simulation | z | train: theory | simulation | z |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*head, *map(_line, rows)]) + "\n"


def _line(row: Row) -> str:
    s = row.setting
    readout = s.network.readout if isinstance(s.network.readout, str) else "four atoms"
    fixed = s.ridge.regime == "fixed-width"
    level = "fixed width" if fixed else row.solver.partition("level ")[2] or "finite d"
    cells = [
        s.target.text, s.network.activation, readout, s.network.initialisation, s.training.steps,
        f"{s.ridge.alpha:g}, {'-' if fixed else f'{s.ridge.beta:g}'}, {s.ridge.lam:g}", level,
    ]  # fmt: skip
    for i in range(2):
        cells += [
            f"{row.theory[i]:.4f}",
            f"{row.measured[i]:.4f} ± {row.sem[i]:.4f}",
            f"{row.z[i]:+.1f}",
        ]
    return "| " + " | ".join(map(str, cells)) + " |"


if __name__ == "__main__":
    print(table([measure(setting, 400, 16) for setting in settings()], 400, 16), end="")
