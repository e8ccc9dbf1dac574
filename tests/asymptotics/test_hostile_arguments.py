"""Every argument of every public function with what it is not: an answer, or one sentence, never another kind of error."""

from __future__ import annotations

import decimal
import inspect
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sympy

import asymptotics
import hermite
from asymptotics import Cluster, Experiment, Network, Ridge, Simulation, Training
from hermite import Target
from hermite.errors import ConvergenceError, InputError

NET, START, FIT = Network(width=4), Training(steps=0), Ridge(alpha=1.5, accuracy=0.0)
RUNS = Simulation(d=20, width=4, replicates=3, test_samples=20)
FILE = {"target": {"expression": "z1"}, "training": {"steps": 0}, "ridge": {"accuracy": 0}}
SMALL = Experiment.from_dict({**FILE, "simulation": {"d": 20, "replicates": 3, "test_samples": 20}})
ONLINE = Network("He2", width=1, initialisation="independent")
CLOCK = Training(protocol="sgd", loss="correlation", alpha=1.0, batch_exponent=0.5, eta=0.1)
SETTING: dict[str, Any] = {"f": "z1", "network": NET, "training": START, "ridge": FIT}
QUIET: Any = lambda line: None  # noqa: E731

#: Arguments that are right, function by function; what is missing is left at its default.
RIGHT: dict[Any, dict[str, Any]] = {
    hermite.leap: {"f": "z1", "batch_exponent": 1, "activation": "relu", "readout": "rademacher", "bias": 0.0},
    hermite.expand: {"f": "z1", "order": 2},
    hermite.generative: {"f": "z1", "report": None},
    hermite.basis_free_staircase: {"f": "z1", "activation_degree": 3, "report": None},
    hermite.biased_staircase: {"f": "z1", "seed": 0},
    hermite.hardness: {"f": "z1", "d": 10, "inputs": "gaussian", "activation_degree": 3},
    hermite.recovery_threshold: {"f": "z1", "samples": 1000, "seed": 0},
    hermite.reuse_staircase: {"f": "z1", "degree": 2},
    hermite.walsh_expansion: {"f": "z1"},
    asymptotics.batch_tradeoff: {"f": "He2(z1)", "network": ONLINE, "d": 100, "eta": 0.1, "mu": [0.5], "threshold": 0.5},
    asymptotics.curve: {**SETTING, "simulate": False, "progress": QUIET, "alpha": [1.5], "lam": [0.1], "steps": 0},
    asymptotics.escape: {"f": "He2(z1)", "network": ONLINE, "training": CLOCK, "d": 100},
    asymptotics.optimise: {
        **SETTING, "network": Network(), "over": ("lam",), "lambdas": (0.01, 1.0), "etas": (0.1, 1.0), "accuracy": 0.0,
        "inputs": None,
    },
    asymptotics.overlaps: {"f": "z1", "network": NET, "training": START, "accuracy": None, "d": None, "inputs": None},
    asymptotics.plan: {"f": "z1", "samples": 60, "d": 20, "network": None, "max_steps": 0, "max_width": 20, "accuracy": 0.0},
    asymptotics.plateaus: {"f": "z1*z2", "steps": 1, "kappa": 1, "activation": "relu"},
    asymptotics.quantile_blocks: {"eigenvalues": [1.0, 2.0], "blocks": 2},
    asymptotics.risk: {**SETTING, "accuracy": 0.0, "inputs": None, "alpha": [1.5], "lam": [0.1]},
    asymptotics.samples_needed: {**SETTING, "test_error": 0.9, "accuracy": 0.0, "inputs": None},
    asymptotics.simulate: {**SETTING, "simulation": RUNS, "steps": [0], "lambdas": [0.1], "inputs": None, "progress": QUIET},
    asymptotics.simulated_escape: {
        "f": "He2(z1)", "network": ONLINE, "training": CLOCK, "simulation": RUNS, "last": 20,
    },
    asymptotics.singular_values: {
        "f": Target("z1"), "network": NET, "training": START, "ridge": Ridge(d=20), "simulation": RUNS, "replicate": 0,
    },
    asymptotics.spectrum: {"f": "z1", "network": NET, "training": START, "ridge": Ridge(d=20), "bulk": "initial"},
    asymptotics.sweep: {"experiment": SMALL, "workers": 1, "scheduler": None, "progress": QUIET},
    asymptotics.theories: {**SETTING, "accuracy": 0.0, "inputs": None},
    asymptotics.validate: {"experiment": SMALL, "progress": QUIET, "sizes": 1, "rate": "auto", "controls": None},
}  # fmt: skip
#: Classes of settings, whose fields are arguments.
SETTINGS: dict[Any, dict[str, Any]] = {
    Target: {"expression": "z1", "variables": ("z1",), "gram": [[1]], "noise": 0.1, "labels": "value"},
    Experiment: {
        "target": Target("z1"),
        "network": NET,
        "trainings": (START,),
        "ridges": (FIT,),
        "simulations": (RUNS,),
    },
    **{kind: dict(vars(kind())) for kind in (Network, Training, Ridge, Simulation)},
    Cluster: {
        "weight": 1.0,
        "mean": (0.0,),
        "covariance": ((1.0,),),
        "bulk": (1.0,),
        "label": None,
        "far": 0.0,
    },
    asymptotics.Inputs: {"clusters": (Cluster(),), "fractions": (1.0,), "teacher": None},
}
#: What takes no argument, or starts a server.
WITHOUT_WORDS = {asymptotics.reproductions, asymptotics.explore}


class Odd:
    """Nothing that anybody asks for."""


RECURSIVE: list[Any] = []
RECURSIVE.append(RECURSIVE)
HOSTILE: list[Any] = [
    None, True, -1, float("nan"), 10**400, 5e-324, "x", "z1+" * 3_000 + "z1", [None], [[1, 2], [3]], {"a": 1}, Odd(), 1j,
    np.ones((2, 3)), np.array([object()]), FIT, pd.DataFrame({"a": [1]}), RECURSIVE, decimal.Decimal("NaN"),
    sympy.Symbol("foo"),
]  # fmt: skip
CASES = [
    (function, name) for table in (RIGHT, SETTINGS) for function, right in table.items() for name in right
]


def asked(function: Callable[..., Any], arguments: dict[str, Any]) -> str:
    """The kind of error that is none of those that a caller may expect; empty if all is well."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            repr(function(**arguments))
        except (InputError, ConvergenceError) as error:
            return (
                "" if 5 < len(str(error)) < 3000 else f"{type(error).__name__} of {len(str(error))} letters"
            )
        except Exception as error:
            return f"{type(error).__name__}: {error}"[:300]
    return ""


@pytest.mark.parametrize(("function", "name"), CASES, ids=lambda x: getattr(x, "__name__", x))
def test_every_argument_is_taken_or_refused_in_sentences(function: Any, name: str) -> None:
    right = RIGHT.get(function) or SETTINGS[function]
    found = {
        f"{value!r}"[:60]: problem
        for value in HOSTILE
        # These are right, and take their time.
        if not ((name == "simulate" and value is True) or (name == "simulation" and value is None))
        and (problem := asked(function, right | {name: value}))
    }
    assert found == {}


def test_every_public_function_is_tried() -> None:
    public = {
        thing
        for module in (hermite, asymptotics)
        for name in module.__all__
        if inspect.isfunction(thing := getattr(module, name))
    }
    assert public - WITHOUT_WORDS == set(RIGHT)
