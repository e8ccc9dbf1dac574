"""Tables print the digits that are sure, and say what the rest is made of where it is more than 1 %."""

from __future__ import annotations

from dataclasses import replace

from asymptotics import Network, Ridge, Training, overlaps, samples_needed, spectrum
from asymptotics.comparison.trajectories import Run
from asymptotics.error_budget import ErrorBudget
from asymptotics.text.overlap_tables import overlaps_text
from asymptotics.text.prediction_tables import samples_text, spectrum_text
from asymptotics.text.simulation_tables import validation_text


def told(error: float) -> str:
    found = overlaps("z1", Network(), Training(1, 4.0, 1.0))
    budget = ErrorBudget(error, 0.0, 0.0)
    steps = tuple(replace(step, error=budget, risk_error=budget) for step in found.steps)
    return overlaps_text(Run(Training(1, 4.0, 1.0), replace(found, steps=steps)).to_dict())


def test_overlaps_and_norms_have_the_digits_of_their_error() -> None:
    """M = 0.5, |w|² = 1 + 1/4 + 1/8 = 1.375."""
    assert "(0.5000)" in told(1e-7)
    assert "1.375" in told(1e-7)
    assert "errors:" not in told(1e-7)
    rough = told(0.01 / 1.375 * 2)
    assert "(0.5)" in rough
    assert "1.4" in rough
    assert "1.375" not in rough
    assert "errors: up to 1.5 % of the number (integrals 1.5 %)" in rough


def test_spikes_and_edges_have_the_digits_of_their_error() -> None:
    network = Network("tanh(x + 7/10)", initialisation="independent")
    found = spectrum("z1", network, Training(1, 4.0, 4.0), Ridge(3.0, 2.0, d=100), bulk="initial")
    assert found.error.total is not None
    assert found.error.theory == 0.08
    text = spectrum_text(found.to_dict())
    assert f"{found.spikes[0]:.2g}" in text
    assert f"{found.spikes[0]:.4g}" not in text
    assert "what the theory leaves out 8 %" in text


def test_numbers_of_samples_have_the_digits_of_their_error() -> None:
    found = samples_needed("z1 + He2(z1)/2", ridge=Ridge(beta=1.0, lam=0.1), test_error=1.4).to_dict()
    point = {"step": 0, "alpha_train": None, "eta": None, "beta": 1.0, "lambda": 0.1}
    assert f"{found['alpha']:.4g}" in samples_text([point | found])
    rough = {"quadrature": 0.0, "solver": 0.0, "theory": 0.05, "total": 0.05}
    text = samples_text([point | found | {"error": rough}])
    assert f"{found['alpha']:.4g}" not in text
    assert f"{found['alpha']:.2g}" in text
    assert "5 % of the number" in text


def test_the_theory_beside_a_simulation_has_the_digits_of_its_error() -> None:
    row = {
        "quantity": "test_error", "theory": 0.123456, "theory_limit": None, "simulation": 0.12, "sem": 0.001, "z": 0.5,
        "rejected": False, "error": {"quadrature": 0.0, "solver": 0.0, "theory": 0.03, "total": 0.03}, "validity": "exact",
    }  # fmt: skip
    text = validation_text(
        {"rows": [row], "finite_size": None, "controls": [], "left_out": [], "statement": "agrees"}
    )
    assert "0.12 " in text
    assert "0.1235" not in text
    assert "3 % of the number" in text
