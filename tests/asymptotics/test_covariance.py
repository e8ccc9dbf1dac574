"""Predictions do not depend on units, on the frame of the target, or on the order of a grid.

f → c f, Δ → c² Δ, ã → c ã, eta → eta/c² leaves the weights and multiplies every error by c², to rounding.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from asymptotics import (
    Cluster,
    Experiment,
    Inputs,
    Network,
    Ridge,
    Simulation,
    Training,
    optimise,
    overlaps,
    plateaus,
    risk,
    samples_needed,
    simulate,
    spectrum,
    validate,
)
from asymptotics.comparison.curves import curve_rows
from asymptotics.learning import natural_units
from asymptotics.results import Risk, StepOverlaps
from asymptotics.simulation import job
from hermite import Target

UNITS = ["1e-150", "1e-90", "1e-20", "7e-3", "300", "1e90", "1e150"]
BASE = "(z1 + z1*z2/2 + tanh(z2)/3)"


def scaled(unit: str, network: dict[str, Any], training: dict[str, Any], readout: float, eta: float) -> Any:
    """(target, network, training) in labels ``unit`` times as large, ã times ``readout``, eta times ``eta``."""
    c = float(unit)
    target = Target(f"{unit}*{BASE}", noise=0.1 * c * c)
    atoms = ((readout, 0.5), (-readout, 0.5))
    return target, Network(readout=atoms, **network), Training(**training, eta=0.7 * eta)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize(
    ("network", "training"),
    [
        ({}, {"steps": 2, "alpha": 3.0}),
        ({"initialisation": "independent"}, {"steps": 1, "alpha": 3.0}),
        ({"width": 4, "activation": "erf"}, {"steps": 1, "alpha": 3.0}),
        # Kernels that are sampled: how far they are refined does not depend on the unit either.
        ({"width": 4, "activation": "tanh", "initialisation": "independent"}, {"steps": 1, "alpha": 3.0}),
        ({}, {"steps": 1, "alpha": 3.0, "batch_exponent": 2, "remove_orders": (0, 1)}),
    ],
)
def test_overlaps_are_covariant(unit: str, network: dict[str, Any], training: dict[str, Any]) -> None:
    c = float(unit)
    plain = overlaps(*scaled("1", network, training, 1.0, 1.0))
    other = overlaps(*scaled(unit, network, training, c, 1 / c / c))
    for one, two in zip(plain.steps, other.steps, strict=True):
        np.testing.assert_allclose(two.M, one.M, rtol=1e-9, atol=1e-10)
        np.testing.assert_allclose(two.norm2, one.norm2, rtol=1e-9)
        np.testing.assert_allclose(two.readout / c, one.readout, rtol=1e-12)
        assert two.risk / c / c == pytest.approx(one.risk, rel=1e-8)
        if "width" in network:
            # Sums and products of a target have rules of their own: what is below 1e-8 differs.
            assert one.error is not None
            assert two.error is not None
            assert two.error.total == pytest.approx(one.error.total, rel=1e-3, abs=1e-8)


#: Overlaps of every law: settings, what else is asked, and the target.
LAWS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "two steps": ({}, {"steps": 2, "alpha": 3.0}, {}),
    "two steps of tanh": ({"activation": "tanh"}, {"steps": 2, "alpha": 3.0}, {}),
    "random biases": ({"bias": 0.5, "initialisation": "independent"}, {"steps": 2, "alpha": 3.0}, {}),
    "finite d": ({"initialisation": "independent"}, {"steps": 1, "alpha": 3.0}, {"d": 100}),
    "at the leap": ({}, {"steps": 1, "alpha": 3.0, "batch_exponent": 2, "remove_orders": (0, 1)}, {}),
    "cubature at fixed width": ({"width": 4, "activation": "erf"}, {"steps": 2, "alpha": 3.0}, {}),
    "sampled at fixed width": ({"width": 4}, {"steps": 2, "alpha": 3.0}, {"d": 100}),
    "leap at fixed width": (
        {"width": 4}, {"steps": 1, "alpha": 3.0, "batch_exponent": 2, "remove_orders": (0, 1)}, {}
    ),
    "reused batch": (
        {"width": 4, "activation": "erf"}, {"steps": 2, "alpha": 3.0, "protocol": "reuse"}, {"throw": False}
    ),
    "reused batch of many": (
        {"activation": "erf"}, {"steps": 1, "alpha": 3.0, "protocol": "reuse"}, {"throw": False}
    ),
}  # fmt: skip


@pytest.mark.parametrize("law", LAWS)
def test_stated_errors_of_overlaps_are_the_same_in_every_unit(law: str) -> None:
    """Of powers of two to rounding; of other units to that of the averages, which is far below a per cent of them."""
    network, training, asked = LAWS[law]

    def errors(unit: str) -> list[float]:
        c = float(unit)
        found = overlaps(*scaled(unit, network, training, c, 1 / c / c), **asked)
        budgets = [own for step in found.steps for own in (step.error, step.risk_error)]
        return [part or 0.0 for own in budgets for part in (own.quadrature, own.solver, own.theory)]

    plain = errors("1")
    for unit, close in (("8", 1e-6), ("1048576", 1e-6), ("3.7", 0.02), ("1e-150", 0.02)):
        assert errors(unit) == pytest.approx(plain, rel=close, abs=2e-15), unit


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("readout", ["labels", "same"])
def test_one_step_from_no_output_has_two_units(unit: str, readout: str) -> None:
    """Symmetric initialisation, one step: the labels have a unit of their own, weights and errors of the fit follow."""
    c = float(unit)
    k = c if readout == "labels" else 1.0
    plain, other = scaled("1", {}, {}, 1.0, 1.0), scaled(unit, {}, {}, k, 1 / c / k)
    np.testing.assert_allclose(overlaps(*other)[1].M, overlaps(*plain)[1].M, rtol=1e-9, atol=1e-12)
    for settings in (Ridge(2.0, 1.0, 0.1), Ridge(2.0, 1.0, 0.1, d=60)):
        one, two = risk(*plain, settings), risk(*other, settings)
        for key in ("test_error", "train_error", "excess_risk", "plateau"):
            assert getattr(two, key) / c / c == pytest.approx(getattr(one, key), rel=1e-8), key


@pytest.mark.parametrize("unit", UNITS)
def test_a_step_on_a_reused_batch_has_two_units_as_well(unit: str) -> None:
    c, how = float(unit), {"protocol": "reuse", "alpha": 4.0}
    plain = scaled("1", {"activation": "tanh"}, how, 1.0, 0.5)
    other = scaled(unit, {"activation": "tanh"}, how, 1.0, 0.5 / c)
    one, two = risk(*plain, Ridge(2.0, 1.0, 0.1)), risk(*other, Ridge(2.0, 1.0, 0.1))
    assert two.test_error / c / c == pytest.approx(one.test_error, rel=1e-8)


@pytest.mark.parametrize("unit", ["1e-20", "1e-90", "1e-150", "1e90"])
@pytest.mark.parametrize("network", [{}, {"activation": "tanh"}, {"width": 4, "activation": "erf"}])
def test_readouts_of_any_size_add_no_error_to_the_risk_before_training(
    unit: str, network: dict[str, Any]
) -> None:
    """Readouts of size 1 beside labels of size c: the output is exactly 0 at the start, and so is what it adds."""
    found = overlaps(*scaled(unit, network, {"alpha": 3.0}, 1.0, 1 / float(unit)))
    plain = overlaps(*scaled("1", network, {"alpha": 3.0}, 1.0, 1.0))
    assert found[0].risk / float(unit) ** 2 == pytest.approx(plain[0].risk, rel=1e-9)
    assert found[0].risk_error.total == pytest.approx(plain[0].risk_error.total, rel=1e-3, abs=1e-13)
    # What readouts add after the step is a difference of two risks, and states the errors of both.
    assert found[1].risk_error.total is not None
    assert found[1].risk_error.total < 1e-5


@pytest.mark.parametrize("network", [{}, {"width": 4, "activation": "erf"}, {"activation": "tanh"}])
def test_the_risk_of_labels_and_readouts_of_different_sizes_is_that_of_its_parts(
    network: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """E(c f* − f)² for weights that know eta c alone: E f² as c → 0, c² E f*² as c → ∞, and exact in between."""

    def risks(unit: str) -> list[float]:
        found = overlaps(*scaled(unit, network, {"alpha": 3.0}, 1.0, 1 / float(unit)))
        return [step.risk for step in found.steps]

    small, tiny, large, huge = (risks(unit) for unit in ("1e-60", "1e-150", "1e60", "1e150"))
    assert tiny[1] == pytest.approx(small[1], rel=1e-9)
    assert huge[1] / 1e300 == pytest.approx(large[1] / 1e120, rel=1e-9)
    assert large[1] == pytest.approx(large[0], rel=1e-9)
    for unit in ("1/64", "64"):
        c = 64.0 if unit == "64" else 1 / 64
        setting = scaled("1", network, {"alpha": 3.0}, 1.0, 1 / c)
        target = Target(f"{unit}*{BASE}", noise=0.1 * c * c)
        counted = overlaps(target, *setting[1:])
        with monkeypatch.context() as patch:
            # In the units as given.
            patch.setattr(natural_units, "_PLAIN", 1000)
            plain = overlaps(target, *setting[1:])
        assert counted[1].risk == pytest.approx(plain[1].risk, rel=1e-7)
        np.testing.assert_allclose(counted[1].M, plain[1].M, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("unit", ["1e-150", "300", "1e150"])
def test_spectra_know_no_unit_of_the_labels(unit: str) -> None:
    c, ridge = float(unit), Ridge(2.0, 1.0, d=60)
    one, two = (
        spectrum(*scaled("1", {}, {}, 1.0, 1.0), ridge),
        spectrum(*scaled(unit, {}, {}, 1.0, 1 / c), ridge),
    )
    assert two.window_count == one.window_count
    assert two.edge == pytest.approx(one.edge, rel=1e-7)
    np.testing.assert_allclose(two.spikes, one.spikes, rtol=1e-6)
    assert two.direction / c == pytest.approx(one.direction, rel=1e-9)


@pytest.mark.parametrize("unit", ["1e-150", "300", "1e150"])
@pytest.mark.parametrize("steps", [0, 1])
def test_samples_tuning_and_plateaus_know_no_unit_of_the_labels(unit: str, steps: int) -> None:
    def answers(unit: str) -> list[float]:
        c = float(unit)
        setting = scaled(unit, {}, {"steps": steps, "alpha": 4.0}, 1.0, 1 / c)
        ridge = Ridge(2.0, 1.0, 0.1, d=100)
        needed = samples_needed(*setting, ridge, test_error=1.2 * c * c, accuracy=0.0)
        tuned = optimise(*setting, ridge, over=("lam",), lambdas=(1e-3, 10.0), accuracy=0.0)
        return [needed.alpha or 0.0, tuned.lam, tuned.test_error / c / c]

    assert answers(unit) == pytest.approx(answers("1"), rel=1e-4)
    if steps == 0 and unit != "1e150":
        c = float(unit)
        floors = [plateaus(f"{u}*{BASE}", steps=1, kappa=2) for u in ("1", unit)]
        plain, other = (np.array([row["plateaus"] for row in table.to_dict()["rows"]]) for table in floors)
        np.testing.assert_allclose(other / c / c, plain, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("unit", ["1e-150", "300", "1e150"])
@pytest.mark.parametrize("fit", [True, False])
def test_a_verdict_knows_no_unit_of_the_labels(unit: str, fit: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "unit_entropy", lambda *_: 5)

    def scores(unit: str) -> list[float]:
        c = float(unit)
        table: dict[str, Any] = {
            "target": {"expression": f"{unit}*{BASE}" if fit else f"{unit}*z1", "noise": 0.1 * c * c},
            "network": {"width": 6, "readout": [[c, 0.5], [-c, 0.5]]},
            "training": {"steps": 0 if fit else 1, "eta": 1 / c / c},
            "simulation": {"d": 30, "width": 6, "replicates": 4, "test_samples": 300},
        } | ({"ridge": {"lambda": 0.1}} if fit else {})
        found = validate(Experiment.from_dict(table), sizes=1).to_dict()
        return [row["z"] for row in found["rows"]]

    assert scores(unit) == pytest.approx(scores("1"), abs=2e-3)


RIDGES = [
    (0, Ridge(2.0, 1.0, 0.1)),
    (0, Ridge(2.0, 1.0, 0.1, d=40)),
    (2, Ridge(2.0, 1.0, 0.1)),
    (1, Ridge(2.0, 1.0, 0.1, d=60, regime="finite")),
    (1, Ridge(2.0, 1.0, 0.1, level="iso")),
    (1, Ridge(2.0, 1.0, 0.1, d=60, level="E")),
    (1, Ridge(2.0, 1.0, 0.1, d=60, regime="finite", level="E")),
]


@pytest.mark.parametrize("unit", ["1e-150", "1e-90", "300", "1e150"])
@pytest.mark.parametrize(("steps", "ridge"), RIDGES)
def test_every_theory_of_the_fit_is_covariant(unit: str, steps: int, ridge: Ridge) -> None:
    c = float(unit)
    network = {"activation": "tanh", "initialisation": "independent"}
    plain = risk(*scaled("1", network, {"steps": steps}, 1.0, 1.0), ridge)
    other = risk(*scaled(unit, network, {"steps": steps}, c, 1 / c / c), ridge)
    assert other.test_error / c / c == pytest.approx(plain.test_error, rel=1e-8)
    assert other.train_error / c / c == pytest.approx(plain.train_error, rel=1e-8)
    # Residuals at rounding scatter.
    assert other.error.quadrature == pytest.approx(plain.error.quadrature, rel=0.02)
    assert other.error.solver == pytest.approx(plain.error.solver, rel=0.02, abs=1e-11)
    assert other.error.theory == pytest.approx(plain.error.theory, rel=1e-6)


@pytest.mark.parametrize(
    ("text", "bumps"),
    [
        ("exp(-83^2*(z1+2.019)^2)", [(83, -2.019)]),
        ("exp(-83^2*(z1+2.019)^2)+exp(-123^2*(z2-2.237)^2)", [(83, -2.019), (123, 2.237)]),
    ],
)
def test_narrow_targets_far_out_are_not_counted_in_a_unit_that_misses_them(
    text: str, bumps: list[tuple[int, float]]
) -> None:
    """exp(−k²(z − m)²) has E f = exp(−k² m²/s)/√s and E z f = (2 k² m/s) E f, s = 1 + 2 k²."""
    found = overlaps(Target(text), Network(), Training(1, 4.0))[1].M[0]
    for (k, m), slope in zip(bumps, found, strict=True):
        s = 1 + 2 * k * k
        assert slope == pytest.approx(k * k * m / s * np.exp(-k * k * m * m / s) / np.sqrt(s), rel=1e-8)


@pytest.mark.parametrize("unit", ["1e-150", "1e-75", "300", "1e100", "1e150"])
@pytest.mark.parametrize("steps", [0, 1])
def test_the_fit_on_structured_inputs_is_covariant(unit: str, steps: int) -> None:
    """By cluster too; labels of a cluster's own have no unit and are left as they are."""
    near, far = Cluster(0.5, (1.0,)), Cluster(0.5, (-0.5,), ((0.5,),), (0.7,))
    c, ridge = float(unit), Ridge(2.0, 1.0, 0.1)
    here, there = (
        risk(
            Target(f"{text}*(z1 + z1^2/2)", noise=0.1 * size * size),
            Network("tanh"),
            Training(steps, 4.0, eta=1 / size) if steps else None,
            ridge,
            inputs=Inputs(clusters=(near, far)),
        )
        for text, size in (("1", 1.0), (unit, c))
    )
    found = np.array([there.test_error, there.train_error, *(there.by_cluster or ())]) / c / c
    expected = [here.test_error, here.train_error, *(here.by_cluster or ())]
    assert len(expected) == 4
    np.testing.assert_allclose(found, expected, rtol=1e-10)


@pytest.mark.parametrize("unit", ["1e-150", "1e-90", "300", "1e90", "1e150"])
def test_overlaps_on_structured_inputs_are_covariant(unit: str) -> None:
    """Readouts in the unit of the labels; with the step size alone the weights are the same as well."""
    inputs = Inputs(clusters=(Cluster(0.5, (1.0,)), Cluster(0.5, (-0.5,), ((0.5,),), (0.7,))))

    def after(unit: str, readout: float) -> StepOverlaps:
        c = float(unit)
        target, network = Target(f"{unit}*(z1 + z1^2/2)", noise=0.1 * c * c), {"activation": "tanh"}
        atoms = ((readout, 0.5), (-readout, 0.5))
        training = Training(1, 4.0, eta=1 / c / readout)
        return overlaps(target, Network(readout=atoms, **network), training, inputs=inputs).steps[1]

    c = float(unit)
    plain, both, rate = after("1", 1.0), after(unit, c), after(unit, 1.0)
    for other in (both, rate):
        np.testing.assert_allclose(other.M, plain.M, rtol=1e-10)
        np.testing.assert_allclose(other.norm2, plain.norm2, rtol=1e-10)
    assert both.risk / c / c == pytest.approx(plain.risk, rel=1e-10)
    assert both.error == plain.error


@pytest.mark.parametrize("unit", ["1e-150", "1e-7", "300", "1e150"])
@pytest.mark.parametrize("loss", ["square", "logistic", "hinge", "huber"])
def test_signs_of_labels_know_no_unit(unit: str, loss: str) -> None:
    def told(unit: str) -> list[Any]:
        c = float(unit)
        f = Target(f"{unit}*(z1 + 1/10)", noise=0.1 * c * c, labels="sign")
        found = risk(f, Network("tanh"), None, Ridge(2.0, 1.0, 0.1, loss=loss), accuracy=0.0)
        return [found.test_error, found.train_error, found.classification_error, found.error.total]

    assert told(unit) == pytest.approx(told("1"), rel=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["1e-150", "300", "1e150"])
def test_the_fit_after_a_step_on_d_squared_samples_is_covariant(unit: str) -> None:
    """Stated errors as well."""

    def told(unit: str) -> Risk:
        c = float(unit)
        f = Target(f"{unit}*(z1*z2 + He2(z1)/2)", noise=0.1 * c * c)
        network = Network(readout=((c, 0.5), (-c, 0.5)))
        return risk(f, network, Training(1, 3.0, 0.5 / c / c, batch_exponent=2), Ridge(2.0, 1.0, 0.1, d=60))

    c, plain, other = float(unit), told("1"), told(unit)
    assert other.test_error / c / c == pytest.approx(plain.test_error, rel=1e-9)
    assert other.train_error / c / c == pytest.approx(plain.train_error, rel=1e-9)
    assert other.error.total == pytest.approx(plain.error.total, rel=1e-6)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("method", ["direct", "reduced"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_both_simulators_are_covariant(
    unit: str, method: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "unit_entropy", lambda *_: 5)
    c = float(unit)
    settings = Simulation(method=method, d=40, width=6, replicates=2, test_samples=200, dtype=dtype)
    close = 1e-9 if dtype == "float64" else 1e-4
    for steps in (1, 2):
        plain = simulate(*scaled("1", {}, {"steps": steps}, 1.0, 1.0), None, settings).overlaps
        other = simulate(*scaled(unit, {}, {"steps": steps}, c, 1 / c / c), None, settings).overlaps
        assert plain is not None
        assert other is not None
        np.testing.assert_allclose(other[steps].M, plain[steps].M, atol=close)
        assert other[steps].risk / c / c == pytest.approx(plain[steps].risk, rel=close)
    if method == "direct":
        ridge = Ridge(2.0, 1.0, 0.1)
        one = simulate(*scaled("1", {}, {}, 1.0, 1.0), ridge, settings).risks[-1]
        two = simulate(*scaled(unit, {}, {}, 1.0, 1 / c), ridge, settings).risks[-1]
        assert two.test_error / c / c == pytest.approx(one.test_error, rel=close)


def test_turning_the_target_turns_its_overlaps() -> None:
    plain = Target("z1 + z1*z2/2 + He2(z2)/4")
    turned = Target("(3*z1+4*z2)/5 + (3*z1+4*z2)/5*(4*z1-3*z2)/10 + He2((4*z1-3*z2)/5)/4")
    frame = np.array([[0.6, 0.8], [0.8, -0.6]])
    training = Training(steps=2, alpha=3.0)
    one, two = overlaps(plain, Network(), training), overlaps(turned, Network(), training)
    for a, b in zip(one.steps, two.steps, strict=True):
        np.testing.assert_allclose(b.M @ frame.T, a.M, rtol=1e-6, atol=1e-7)
        assert b.risk == pytest.approx(a.risk, rel=1e-6)
    # Measured corrections draw batches in the coordinates as given.
    ridge = Ridge(2.0, 1.0, 0.1, level="E")
    first, second = (risk(f, Network(), training, ridge).test_error for f in (plain, turned))
    assert second == pytest.approx(first, rel=1e-6)


def test_the_order_of_a_grid_changes_no_row() -> None:
    def rows(alphas: list[float], lambdas: list[float], steps: list[int]) -> dict[Any, float]:
        table = {
            "target": {"expression": "z1 + z1*z2"},
            "training": {"steps": steps},
            "ridge": {"alpha": alphas, "lambda": lambdas},
        }
        found = curve_rows(Experiment.from_dict(table))
        return {(row["step"], row["alpha"], row["lambda"]): row["test_error"] for row in found}

    assert rows([0.5, 2.0, 1.0], [0.1, 1.0], [0, 1]) == rows([2.0, 0.5, 1.0], [1.0, 0.1], [1, 0])


@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("k", [1, 3, -2, 10, 300])
def test_stated_errors_are_the_same_in_every_unit(steps: int, k: int) -> None:
    """Exactly, for powers of two: within those that are left alone, and beyond."""

    def stated(c: float) -> tuple[float, object]:
        f = Target(
            f"2^{k}*(z1 + He2(z1)/2)" if c > 1 else f"(z1 + He2(z1)/2)/2^{-k}" if c < 1 else "z1 + He2(z1)/2"
        )
        f = Target(f.text, noise=0.05 * c * c)
        network = Network(initialisation="independent", readout=((c, 0.5), (-c, 0.5)))
        found = risk(f, network, Training(steps, 4.0, 1 / c / c), Ridge(2.0, 1.0, 0.1, d=200), accuracy=0.0)
        return found.test_error / c / c, found.error

    assert stated(2.0**k) == stated(1.0)
