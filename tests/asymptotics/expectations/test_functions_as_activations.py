"""Users' functions as activations and as targets of theories: one sentence where they are none; nothing else is asked of them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from asymptotics import Network, Ridge, Simulation, Training, overlaps, risk, simulate
from asymptotics.expectations.activations import get_activation
from hermite import InputError, Target


def lost(x):
    raise KeyError("lost")


def ends(x):
    if (np.abs(x) > 8).any():
        raise ValueError("the table ends at 8")
    return x


_DRAWN = np.random.default_rng(0)

REFUSED = {
    "raises": (lost, r"the activation lost raises KeyError \('lost'\) at x = "),
    "raises far out": (ends, r"the activation ends raises ValueError \(the table ends at 8\) at x = -?[89]"),
    "answers numbers only": (math.tanh, "numpy.vectorize"),
    "asks a condition": (lambda x: x if x > 0 else 0.0, "not at its points one by one"),
    "has no argument": (lambda: 0.0, "raises TypeError"),
    "is nan beyond 5": (lambda x: np.where(np.abs(x) > 5, np.nan, x), "nan at x = -5.00"),
    "is nan beyond 8": (lambda x: np.where(np.abs(x) > 8, np.nan, x), "nan at x = -?8.00"),
    "is nan on a half line": (np.log, "nan at x = -0.00"),
    "is random": (lambda x: x + _DRAWN.normal(size=x.shape), "must be deterministic"),
    "depends on the batch": (lambda x: x - x.mean(), "must be deterministic"),
    "is one number": (lambda x: 1.0, "must map an array of shape"),
    "is flat": (lambda x: np.tanh(x).ravel(), "must map an array of shape"),
    "is complex": (lambda x: np.exp(1j * x), "real numbers, not an array of type complex128"),
    "is text": (lambda x: "a", "real numbers, not str"),
    "is nothing": (lambda x: None, "real numbers, not NoneType"),
    "is single precision": (lambda x: np.tanh(np.asarray(x, np.float32)), "precision of its argument"),
    "grows too fast": (lambda x: np.exp(x**2 / 3), "does not converge"),
    "is a pole": (lambda x: 1 / (x - 7), "does not converge"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_activation_is_refused_in_one_sentence(name: str) -> None:
    g, says = REFUSED[name]
    with np.errstate(all="ignore"), pytest.raises(InputError, match=says) as caught:
        overlaps("z1 + He2(z2)", Network(activation=g), Training(steps=1, alpha=4.0))
    assert len(caught.value.problems) == 1
    assert "\n" not in str(caught.value)


def test_an_activation_that_writes_into_its_fields_is_that_of_the_fields() -> None:
    def doubled(x):
        x *= 2.0
        return np.tanh(x)

    setting = (Training(steps=1, alpha=4.0), Ridge(2.0, 1.0, 0.1))
    one = risk("z1", Network(activation=doubled), *setting)
    other = risk("z1", Network(activation="tanh(2*x)"), *setting)
    assert one.test_error == pytest.approx(other.test_error, rel=1e-6)


def test_the_same_function_is_the_same_activation() -> None:
    """Its slope is made once, so that what was integrated for it is found again."""
    assert get_activation(np.tanh) == get_activation(np.tanh)


@pytest.mark.parametrize("text", ["tanh(x)/10^160", "tanh(x)/10^200"])
def test_features_that_underflow_are_refused_in_overlaps_as_in_errors(text: str) -> None:
    with pytest.raises(InputError, match="features underflow"):
        overlaps("z1 + He2(z2)", Network(activation=text), Training(steps=1, alpha=4.0))


QUESTIONS = {
    "overlaps": lambda f: overlaps(f, Network(), Training(steps=1, alpha=4.0)),
    "risk": lambda f: risk(f, Network(), Training(steps=1, alpha=4.0), Ridge(2.0, 1.0, 0.1)),
    "simulate": lambda f: simulate(
        f, Network(), Training(steps=1, alpha=4.0), Ridge(2.0, 1.0, 0.1), Simulation(d=20, replicates=2)
    ),
}


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize(
    ("g", "r", "says"),
    [
        (lambda z: np.where(np.abs(z[:, 0]) > 5, np.nan, z[:, 0]), 1, "nan at z"),
        (lambda z: np.where(np.abs(z[:, 0]) > 5, np.nan, z[:, 0] * z[:, 1]), 2, "nan at z"),
        (lambda z: lost(z), 1, "raises KeyError"),
        (lambda z: _DRAWN.normal(size=len(z)), 2, "must be deterministic"),
        (lambda z: z[:, 0] - z[:, 0].mean(), 1, "must be deterministic"),
        (lambda z: 1 / (z[:, 0] - 7), 1, "does not converge"),
    ],
)
def test_theories_and_runs_refuse_what_is_no_target_as_leap_does(question: str, g, r: int, says: str) -> None:
    with np.errstate(all="ignore"), pytest.raises(InputError, match=says):
        QUESTIONS[question](Target.from_function(g, r))


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize(
    "f",
    [
        Target("10^200*z1"),
        Target("z1/10^200"),
        Target.from_function(lambda z: 1e200 * z[:, 0], 1),
        Target.from_function(lambda z: 1e-200 * z[:, 0] * z[:, 1], 2),
    ],
)
def test_labels_whose_squares_no_float_holds_are_refused(question: str, f: Target) -> None:
    with pytest.raises(InputError, match="whose square no float holds"):
        QUESTIONS[question](f)
