"""Results are values: equal, hashable, picklable, deep-copyable, read-only, and strict JSON."""

from __future__ import annotations

import copy
import functools
import importlib
import json
import math
import pickle
import pkgutil
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from value_checks import behaves_as_a_value

import asymptotics
import hermite
from asymptotics import (
    Experiment,
    Network,
    Ridge,
    Simulation,
    Training,
    batch_tradeoff,
    escape,
    optimise,
    overlaps,
    plateaus,
    risk,
    samples_needed,
    simulate,
    spectrum,
    sweep,
    theories,
    validate,
)
from asymptotics.error_budget import ErrorBudget
from asymptotics.fixed_point import Solution, solve, stepped
from asymptotics.json_values import plain
from asymptotics.results import Overlaps, Risk, StepOverlaps
from hermite import Target
from hermite.frozen import Frozen, FrozenDict, sealed

F = Target("z1 + z1*z2", noise=0.1)
SMALL = Simulation(d=20, width=6, replicates=2, test_samples=200)
RANDOM = Network("tanh", initialisation="independent")

SGD = Training(protocol="sgd", alpha=1.0, eta=0.1, batch_exponent=0.0)
LONE = Network("erf", readout=[[1.0, 1.0]], initialisation="independent", width=1)
FILE = """
target = {expression = "z1", noise = 0.1}
network = {activation = "tanh"}
training = {steps = 0}
ridge = {alpha = [1.0, 2.0], lambda = 0.1}
simulation = {d = 16, replicates = 3, test_samples = 200}
"""

RESULTS: dict[str, Callable[[], Any]] = {
    "risk": lambda: risk(F, None, None, Ridge()),
    "risk of kernel ridge": lambda: risk(F, None, None, Ridge(beta=math.inf)),
    "risk after a step": lambda: risk(F, None, Training(1), Ridge()),
    "risk at finite d": lambda: risk(F, None, None, Ridge(d=60)),
    "risk at fixed width": lambda: risk(F, Network("erf", width=4), Training(1), Ridge(regime="fixed-width")),
    "overlaps": lambda: overlaps(F, Network(), Training(1)),
    "overlaps with a law": lambda: overlaps(Target("z1*z2"), Network(), Training(1, batch_exponent=2)),
    "overlaps at fixed width": lambda: overlaps(F, Network("erf", width=4), Training(1)),
    "plateaus": lambda: plateaus(F, activation="relu"),
    "samples": lambda: samples_needed(F, test_error=1.5),
    "samples out of reach": lambda: samples_needed(F, test_error=0.01),
    "optimum": lambda: optimise(Target("z1", noise=0.1), over=("lam",)),
    "spectrum": lambda: spectrum(F, RANDOM, Training(1), Ridge(d=60)),
    "simulated overlaps": lambda: simulate(F, None, Training(1), None, SMALL),
    "simulated risks": lambda: simulate(F, None, Training(1), Ridge(), SMALL),
}


@functools.cache
def swept() -> Any:
    """One sweep: seconds differ between two."""
    return sweep(Experiment.from_toml(FILE))


#: Results that are no table of numbers with one error each.
OTHERS: dict[str, Callable[[], Any]] = {
    "theories": lambda: theories(F, None, Training(1), Ridge()),
    "sweep": swept,
    "validation": lambda: validate(Experiment.from_toml(FILE)),
    "overlaps of online SGD": lambda: overlaps(
        F, Network("erf", width=2), Training(2, eta=0.1, protocol="sgd")
    ),
    "overlaps on a reused batch": lambda: overlaps(
        F, Network("erf", width=2), Training(1, eta=0.1, protocol="reuse")
    ),
    "escape": lambda: escape(Target("z1"), LONE, SGD, 200),
    "batch tradeoff": lambda: batch_tradeoff(Target("z1"), LONE, 200, 0.1, mu=(0.0, 1.0)),
}
SOLUTIONS: dict[str, Callable[[], Any]] = {
    "solution": lambda: solve(np.cos, [1.0]),
    "solution of a recursion": lambda: stepped(3, 1e-2, 1e-3),
}


def no_constant(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


VALUES = RESULTS | OTHERS | SOLUTIONS


@pytest.mark.parametrize("name", VALUES)
def test_results_are_values(name: str) -> None:
    behaves_as_a_value(VALUES[name])


@pytest.mark.parametrize("name", RESULTS | OTHERS)
def test_results_are_strict_json_and_know_their_keys(name: str) -> None:
    document = VALUES[name]().to_dict()
    text = json.dumps(document, allow_nan=False)
    assert json.loads(text, parse_constant=no_constant) == document


def test_results_that_differ_in_one_entry_are_not_equal() -> None:
    found = overlaps(F, Network(), Training(1))
    step = found.steps[1]
    moved = replace(step, M=step.M + np.array([[1e-16, 1.0], [0.0, 0.0]]))
    assert step != moved
    assert found != replace(found, steps=(found.steps[0], moved))
    assert risk(F, None, None, Ridge()) != risk(F, None, None, Ridge(lam=0.02))


def test_a_result_keeps_its_numbers_when_its_maker_goes_on() -> None:
    values = np.array([1.0, 2.0])
    step = StepOverlaps(0, values, values, np.zeros((2, 1)), np.eye(2), values, 1.0)
    values[0] = 7.0
    assert step.readout[0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        step.readout[0] = 3.0


def test_parameters_of_a_result_are_not_changed() -> None:
    found = risk(F, None, None, Ridge())
    assert found.order_parameters is not None
    for change in (
        lambda d: d.update(t=1),
        lambda d: d.pop("t"),
        lambda d: d.__setitem__("t", 1),
        lambda d: d.clear(),
    ):
        with pytest.raises(TypeError, match="frozen"):
            change(found.order_parameters)
    assert dict(found.order_parameters) | {"t": 0}


def test_infinite_settings_are_one_word_wherever_they_are_written() -> None:
    found = risk(F, None, None, Ridge(beta=math.inf))
    assert found.to_dict()["beta"] == "inf"
    assert float(found.to_dict()["beta"]) == math.inf


numbers = st.floats(allow_nan=True, allow_infinity=True, width=64)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | numbers | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(values, st.lists(numbers, max_size=4))
def test_any_content_is_equal_to_its_copy_and_becomes_strict_json(value: Any, entries: list[float]) -> None:
    content = {"value": value, "array": np.array(entries), "scalar": np.float32(1.5), "flag": np.bool_(True)}
    one = Risk(1.0, 1.0, 1.0, order_parameters=content)
    two = Risk(1.0, 1.0, 1.0, order_parameters=copy.deepcopy(content))
    assert one == two
    assert hash(one) == hash(two)
    assert pickle.loads(pickle.dumps(one)) == one  # noqa: S301 (our own bytes)
    json.loads(json.dumps(plain(content), allow_nan=False), parse_constant=no_constant)


def test_sealed_turns_lists_and_dictionaries_into_what_nobody_changes() -> None:
    found = sealed({"a": [1, [2]], "b": np.zeros(2)})
    assert isinstance(found, FrozenDict)
    assert found["a"] == (1, (2,))
    assert hash(found) == hash(copy.deepcopy(found))


# Error budgets --------------------------------------------------------------------------------------------------


def test_an_error_budget_adds_up_and_admits_what_it_does_not_know() -> None:
    known = ErrorBudget(1e-8, 2e-8, 0.0)
    assert known.total == pytest.approx(3e-8)
    assert not known.forbids_exact
    partly = ErrorBudget(theory=1e-3)
    assert partly.total is None
    assert partly.forbids_exact
    assert (known + partly) == ErrorBudget(None, None, 1e-3)
    assert (known + known).total == pytest.approx(6e-8)


@pytest.mark.parametrize("size", [-1e-9, math.nan])
def test_a_negative_error_is_no_error(size: float) -> None:
    with pytest.raises(ValueError, match="size"):
        ErrorBudget(quadrature=size)


def budgets(value: Any) -> list[dict[str, Any]]:
    """All error budgets inside a document."""
    if isinstance(value, dict):
        own = [v for k, v in value.items() if k == "error" and isinstance(v, dict)]
        return own + [b for v in value.values() for b in budgets(v)]
    return [b for v in value for b in budgets(v)] if isinstance(value, list) else []


@pytest.mark.parametrize("name", RESULTS)
def test_every_document_carries_its_error_in_one_form(name: str) -> None:
    found = budgets(RESULTS[name]().to_dict())
    assert found
    for budget in found:
        assert list(budget) == ["quadrature", "solver", "theory", "total"]
        parts = [budget[key] for key in ("quadrature", "solver", "theory")]
        assert (budget["total"] is None) == (None in parts)


def test_exact_plateaus_have_no_error_and_numerical_ones_say_theirs() -> None:
    assert plateaus(F)[0].error.total == 0.0
    rough = plateaus(Target("relu(z1) + z1*z2"))[0]
    assert rough.error.total is not None
    assert rough.error.total < 1e-3


def test_overlaps_of_the_start_have_no_error_and_later_ones_that_of_their_integrals() -> None:
    found = overlaps(F, Network("tanh"), Training(2))
    assert found[0].error.total == 0.0
    assert found[2].error.quadrature is not None
    assert found[2].error.theory == 0.0
    assert overlaps(F, Network("tanh"), Training(2), d=100)[2].error.theory == 0.04


def test_the_error_of_a_number_of_samples_is_that_of_the_error_over_the_slope_of_the_curve() -> None:
    network, training, ridge = RANDOM, Training(1), Ridge(lam=0.1)
    found = samples_needed(F, network, training, ridge, test_error=1.3)
    assert found.alpha is not None
    assert found.error.theory is not None
    theory = risk(F, network, training, replace(ridge, alpha=found.alpha)).error.theory
    assert theory is not None
    moved = [samples_needed(F, network, training, ridge, test_error=1.3 * x).alpha for x in (0.999, 1.001)]
    assert moved[0] is not None
    assert moved[1] is not None
    slope = math.log(1.001 / 0.999) / math.log(moved[0] / moved[1])
    assert found.error.theory == pytest.approx(theory / slope, rel=0.01)


def test_every_result_that_is_frozen_compares_as_a_value() -> None:
    """``@dataclass(frozen=True)`` without ``eq=False`` would put back a comparison that fails on arrays."""
    for package in (hermite, asymptotics):
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(info.name)
    kinds, waiting = set(), [Frozen]
    while waiting:
        below = waiting.pop().__subclasses__()
        kinds.update(below)
        waiting += below
    assert len(kinds) > 25
    for kind in kinds:
        assert kind.__eq__ is Frozen.__eq__, kind
        assert kind.__hash__ is Frozen.__hash__, kind


def test_one_type_says_how_a_number_was_solved() -> None:
    training = Training(1, eta=0.1)
    answers = [
        risk(F, None, None, Ridge()),
        risk(F, None, Training(1), Ridge()),
        overlaps(F, Network(), training),
        overlaps(F, Network("erf", width=2), training),
        *(
            overlaps(F, Network("erf", width=2), replace(training, protocol=kind))
            for kind in ("sgd", "reuse")
        ),
    ]
    for found in answers:
        assert type(found.solution) is Solution
        assert found.solution.residual >= 0
    assert not stepped(3, 1e-2, 1e-3).converged
    assert stepped(3, 1e-4, 1e-3).converged


def test_an_empty_overlap_table_is_a_value() -> None:
    assert Overlaps("none", ()) == Overlaps("none", ())
