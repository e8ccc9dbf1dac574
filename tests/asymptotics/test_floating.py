"""Whatever the surrounding program does with warnings, errors, threads and processes, the numbers are the same."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asymptotics import (
    Experiment,
    Network,
    Ridge,
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
from asymptotics.experiment.settings import Simulation
from hermite import Target

FILE = {
    "target": {"expression": "z1 + He2(z1)/2"},
    "training": {"steps": 1},
    "ridge": {"alpha": 2.0, "lambda": 0.1},
    "simulation": {"d": 24, "replicates": 3, "test_samples": 200},
}


def target() -> Target:
    return Target("z1 + z1*z2 + 0.1*relu(z2)")


DOORS: dict[str, Any] = {
    "risk": lambda: risk(target(), Network("tanh"), Training(), Ridge()).test_error,
    "risk at the start": lambda: (
        risk(target(), Network("erf"), Training(steps=0), Ridge(lam=1e-6)).test_error
    ),
    "overlaps": lambda: overlaps(target(), Network("relu(x-3)", bias=0.5), Training(steps=2)).steps[-1].risk,
    "samples": lambda: str(samples_needed(target(), Network(), Training(), Ridge(), test_error=1.0)),
    "spectrum": lambda: str(
        spectrum(target(), Network(initialisation="independent"), Training(), Ridge(d=100)).to_dict()
    ),
    "tune": lambda: optimise(target(), Network(), Training(), Ridge(), over=("lam",)).test_error,
    "plateaus": lambda: repr(plateaus(target(), activation="relu")),
    "simulate": lambda: (
        simulate(target(), Network(), Training(), Ridge(), Simulation(d=20, replicates=2, test_samples=100))
        .risks[0]
        .test_error
    ),
    "sweep": lambda: sweep(Experiment.from_dict(FILE)).means()[0]["test_error"],
    "validate": lambda: validate(Experiment.from_dict(FILE)).rms_z,
}


@pytest.mark.parametrize("name", DOORS)
def test_errors_that_the_caller_raises_are_not_the_librarys(name: str) -> None:
    expected = DOORS[name]()
    with np.errstate(all="raise"):
        found = DOORS[name]()
        assert set(np.geterr().values()) == {"raise"}
    assert found == expected


def in_threads(name: str) -> Any:
    with np.errstate(all="raise"):
        return DOORS[name]()


@pytest.mark.filterwarnings("default")
def test_threads_and_spawned_processes_agree_with_the_main_thread() -> None:
    names = ["risk", "overlaps", "simulate"]
    expected = [DOORS[name]() for name in names]
    with concurrent.futures.ThreadPoolExecutor(3) as threads:
        assert list(threads.map(in_threads, names)) == expected
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(in_threads, names) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    "options", [["-W", "error"], ["-O"], ["-OO"], ["-X", "dev", "-W", "error::ResourceWarning"]]
)
def test_every_way_to_start_python_gives_the_same_rows(options: list[str], tmp_path: Path) -> None:
    (tmp_path / "e.toml").write_text(
        '[target]\nexpression = "z1 + He2(z1)/2"\n[training]\nsteps = [0, 1]\n[ridge]\nlambda = 0.1\n'
        "[simulation]\nd = 20\nreplicates = 2\ntest_samples = 100\n"
    )
    code = (
        "import sys, numpy; numpy.seterr(all='raise'); from asymptotics.commands.cli import run; "
        "sys.exit(run(sys.argv[1:]))"
    )
    outputs = []
    for command in (
        ["simulate", "e.toml", "--store", "s.sqlite"],
        ["curve", "e.toml", "--json"],
        ["leap", "z1"],
    ):
        both = [
            subprocess.run(
                [sys.executable, *flags, "-c", code, *command],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=False,
            )
            for flags in (options, [])
        ]
        assert both[0].returncode == 0, both[0].stderr[-2000:]
        # Provenance says the second at which each ran.
        rows, again = (re.sub(r"\d{4}-\d\d-\d\dT[\d:]+Z", "now", one.stdout) for one in both)
        assert rows == again
        assert "Warning" not in both[0].stderr
        outputs.append(both[0].stdout)
    assert all(outputs)
