"""Every convention, written out and differentiated numerically, takes the step that its map says."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import special

from asymptotics import Training
from asymptotics.conventions import (
    CONVENTIONS,
    PENALTIES,
    Convention,
    convention,
    error_of,
    eta,
    learning_rate,
    probabilists,
    ridge_penalty,
)
from hermite.errors import InputError

RNG = np.random.default_rng(5)
D, P, N, LR = 5, 6, 40, 0.7
Z, UNIT = RNG.standard_normal((N, D)), RNG.standard_normal((P, D))
UNIT /= np.linalg.norm(UNIT, axis=1)[:, None]
Y = np.tanh(Z[:, 0]) + Z[:, 1] * Z[:, 2]
A = RNG.standard_normal(P)

#: (loss of (W, a), rows at the start, ã of a, step from (W, gradient)): each written as its users do.
MSE, HALF = (lambda f: np.mean((Y - f) ** 2)), (lambda f: np.sum((Y - f) ** 2) / (2 * N))
WRITTEN: dict[str, tuple[Callable[[np.ndarray], float], float, np.ndarray, float]] = {
    "mean-field": (lambda w: HALF(np.tanh(Z @ w.T) @ A / P), 1.0, A, LR),
    "pytorch": (lambda w: MSE(np.tanh(Z @ w.T) @ A / P), 1.0, A, LR),
    "pytorch-sum": (lambda w: N * MSE(np.tanh(Z @ w.T) @ A / P), 1.0, A, LR),
    "pytorch-sqrt": (lambda w: MSE(np.tanh(Z @ w.T) @ A / np.sqrt(P)), 1.0, A * np.sqrt(P), LR),
    "pytorch-linear": (lambda w: MSE(np.tanh(Z @ w.T) @ A), 1.0, A * P, LR),
    "ba2022": (
        lambda w: HALF(np.tanh(Z @ w.T) @ (A / np.sqrt(P)) / np.sqrt(P)),
        1.0,
        A,
        LR * np.sqrt(P),
    ),
    "cui2024": (lambda w: HALF(np.tanh(Z @ w.T) @ (A / np.sqrt(P)) / np.sqrt(P)), 1.0, A, LR),
    "batch-size": (lambda w: HALF(np.tanh(Z @ w.T) @ A / P), 1.0, A, LR),
    "reuse": (
        lambda w: N * HALF(np.tanh(Z @ w.T / np.sqrt(D)) @ (A / np.sqrt(P))),
        np.sqrt(D),
        A * np.sqrt(P),
        LR,
    ),
}


def gradient(loss: Callable[[np.ndarray], float], w: np.ndarray) -> np.ndarray:
    """By central differences: knows nothing of the formula."""
    out = np.empty_like(w)
    for place in np.ndindex(w.shape):
        h = np.zeros_like(w)
        h[place] = 1e-5
        out[place] = (loss(w + h) - loss(w - h)) / 2e-5
    return out


def giant_step(w: np.ndarray, a: np.ndarray, rate: float) -> np.ndarray:
    """giantstep's own, for batch exponent 1 (tested against the simulators elsewhere)."""
    h = Z @ w.T
    gap = Y - np.tanh(h) @ a / P
    return np.asarray(w + rate * a[:, None] * ((gap[:, None] / np.cosh(h) ** 2).T @ Z) / N)


@pytest.mark.parametrize("name", WRITTEN)
def test_two_steps_in_another_convention_are_ours_at_the_mapped_rate(name: str) -> None:
    loss, length, tilde, step = WRITTEN[name]
    rate = eta(LR, name, p=P, d=D, n=N)
    theirs, ours = UNIT * length, UNIT
    for _ in range(2):
        theirs, ours = theirs - step * gradient(loss, theirs), giant_step(ours, tilde, rate)
    np.testing.assert_allclose(theirs / length, ours, rtol=2e-6, atol=1e-7)
    assert np.abs(ours - UNIT).max() > 1e-3


def test_every_convention_is_written_out_here() -> None:
    assert set(WRITTEN) | {"giantstep"} == set(CONVENTIONS)
    assert {name for name, one in CONVENTIONS.items() if not one.checked} == {"ba2022", "cui2024"}


@pytest.mark.parametrize("name", CONVENTIONS)
@pytest.mark.parametrize("exponent", [1.0, 1.5, 2.0])
def test_rates_go_there_and_back(name: str, exponent: float) -> None:
    sizes = {"p": 64, "d": 100, "n": 400, "batch_exponent": exponent}
    assert learning_rate(eta(0.3, name, **sizes), name, **sizes) == pytest.approx(0.3)  # type: ignore[arg-type]
    training = Training.from_learning_rate(0.3, name, p=64, d=100, alpha=4.0, batch_exponent=exponent)
    n = training.n(100)
    assert training.eta == pytest.approx(eta(0.3, name, p=64, d=100, n=n, batch_exponent=exponent))


def test_the_papers_rate_is_eta_p_d_to_half_of_the_exponent_less_one() -> None:
    assert learning_rate(2.0, "mean-field", p=10, d=100, batch_exponent=2.0) == pytest.approx(200.0)
    # benefit-reusing-batch: eta = lr alpha/p, and a = ±1/√p is ã = ±√p.
    assert eta(0.2, "reuse", p=2, d=1000, n=3000) == pytest.approx(0.3)
    assert convention("reuse").readout(2**-0.5, 2) == pytest.approx(2**0.5)


@pytest.mark.parametrize("name", PENALTIES)
def test_the_readout_of_a_penalty_written_otherwise_is_ours(name: str) -> None:
    x, lam = np.tanh(Z @ UNIT.T) / np.sqrt(P), 0.3
    ours = np.linalg.solve(x.T @ x + ridge_penalty(lam, name, n2=N, p=P) * np.eye(P), x.T @ Y)
    scale = np.sqrt(P) if name == "scikit-learn-unscaled" else 1.0

    def objective(a: np.ndarray) -> float:
        squares, size = np.sum((Y - scale * x @ a) ** 2), a @ a
        by_name = {
            "mean": squares / N + lam * size,
            "half": squares / 2 + lam * size / 2,
            "half-mean": squares / (2 * N) + lam * size / 2,
            "half-mean-full": squares / (2 * N) + lam * size,
        }
        return float(by_name.get(name, squares + lam * size))

    # Minimal: the objective is quadratic, and its slope at our readout vanishes in every direction.
    theirs = ours / scale
    slopes = [(objective(theirs + h) - objective(theirs - h)) / 2e-4 for h in 1e-4 * np.eye(P)]
    assert np.abs(slopes).max() < 1e-8 * max(1.0, objective(theirs))


def test_series_of_other_hermite_polynomials_are_translated() -> None:
    x, w = np.polynomial.hermite_e.hermegauss(40)
    b = RNG.standard_normal(5)
    f = sum(c * special.eval_hermite(k, x) for k, c in enumerate(b))
    expected = [w @ (f * special.eval_hermitenorm(k, x)) / w.sum() for k in range(5)]
    np.testing.assert_allclose(probabilists(b), expected, rtol=1e-10)
    f = sum(c * special.eval_hermitenorm(k, x) / np.sqrt(special.factorial(k)) for k, c in enumerate(b))
    expected = [w @ (f * special.eval_hermitenorm(k, x)) / w.sum() for k in range(5)]
    np.testing.assert_allclose(probabilists(b, "normalised"), expected, rtol=1e-10)


def test_errors_that_are_halved_or_without_noise() -> None:
    found = [error_of(0.2, name, noise=0.1) for name in ("mse", "half-mse", "excess", "half-excess")]
    assert found == pytest.approx([0.2, 0.4, 0.3, 0.5])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: eta(1.0, "pytroch", p=2, d=2), "did you mean 'pytorch'"),
        (lambda: eta(1.0, "reuse", p=2, d=2), "n, the samples of a step"),
        (lambda: eta(0.0, "pytorch", p=2, d=2), "greater than 0"),
        (lambda: eta(1.0, "pytorch", p=2.5, d=2), "p must be a whole number"),  # type: ignore[arg-type]
        (lambda: ridge_penalty(-1.0, "mean", n2=2, p=2), "at least 0"),
        (lambda: ridge_penalty(1.0, "n", n2=2, p=2), "penalty convention"),
        (lambda: probabilists([1.0], "H"), "series must be"),
        (lambda: error_of(1.0, "rmse"), "error convention"),
        (lambda: Training.from_learning_rate(1.0, "x", p=2, d=2), "convention must be"),
    ],
)
def test_what_no_convention_has_is_one_sentence(call: Callable[[], object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        call()


def test_a_convention_is_data() -> None:
    assert Convention("mine", output=0.5).readout(1.0, 4) == 2.0
