"""Random features at finite (n, p, d): exact spectrum, reference values, identities, and the version by radius."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from script_loading import module_at

from asymptotics.expectations.activations import get_activation
from asymptotics.fixed_point import solve
from asymptotics.generalisation.finite import radial as radial_module
from asymptotics.generalisation.finite.harmonics import (
    features,
    multiplicity,
    radial_basis,
    radius_rule,
    target_harmonics,
)
from asymptotics.generalisation.finite.radial import _kernels, _problem, radial_equivalent
from asymptotics.generalisation.finite.random_features import deterministic_equivalent, spectrum
from hermite import Target
from hermite.errors import ConvergenceError, InputError

CASES = json.loads((Path(__file__).parents[2] / "data" / "random_features.json").read_text())
F1 = "z1 + He2(z1)/2 + He3(z1)/6"
F2 = "z1 + z2*z3"


def build(target, d, sigma="relu", biases=(0.0,), shares=(1.0,)):
    found = features(get_activation(sigma), d, np.array(biases), np.array(shares))
    harmonics = target_harmonics(Target(target), d)
    return found, harmonics, spectrum(found, harmonics)


@pytest.mark.parametrize("case", CASES, ids=[f"{c['target']}-n{c['n']}" for c in CASES])
def test_reference_values_are_met(case) -> None:
    _, _, eigen = build(case["target"], case["d"], case["activation"])
    p = math.inf if case["p"] is None else case["p"]
    found = deterministic_equivalent(eigen, case["n"], p, case["lam"], case["noise"])
    assert found.excess == pytest.approx(case["excess_risk"], rel=2e-9)
    assert found.train == pytest.approx(case["train_error"], rel=2e-9)
    assert found.nu2 == pytest.approx(case["nu2"], rel=2e-9)


def test_the_script_of_the_table_makes_the_table() -> None:
    """Nothing of giantstep is in it: quadrature on the sphere and a root."""
    made = module_at(Path(__file__).parents[2] / "data" / "random_features.py")
    for case in CASES:
        found = made.errors(case)
        assert found == pytest.approx({name: case[name] for name in found}, rel=1e-11)


@pytest.mark.parametrize(
    ("d", "values", "tail"),
    [
        (50, [1.607543697440e-01, 5.0e-03, 6.180483265821e-05, 2.200243241659e-08], 1.9424806e-04),
        (100, [1.599526972362e-01, 2.5e-03, 1.568009971926e-05, 1.477999785019e-09], 2.5465713e-04),
    ],
)
def test_the_spectrum_of_relu_is_the_closed_one(d, values, tail) -> None:
    """Degrees 0, 1, 2, 4 (the odd ones from 3 on vanish), closed forms."""
    _, _, eigen = build(F1, d)
    np.testing.assert_allclose(eigen.values[:4], values, rtol=1e-11)
    assert eigen.tail == pytest.approx(tail, rel=1e-6)


@pytest.mark.parametrize("sigma", ["relu", "tanh", "relu(x - 7/10)", "He2(x) + x"])
def test_the_trace_is_the_second_moment(sigma) -> None:
    _, _, eigen = build(F1, 30, sigma)
    assert eigen.d1(1e9) * 1e9 == pytest.approx(get_activation(sigma).second_moment, rel=1e-7)


@pytest.mark.parametrize(
    ("target", "signal", "outside"),
    [
        (F1, [9.9005e-05, 1.0, 0.485311328], 0.181256333),
        (F2, [0, 1, 0.990431282], 0.009568718),
        ("z1^2*z2^2 - 1", [0.001553764, 0, 3.663699057, 3.546377650], 0.788369529),
    ],
)
def test_energies_of_targets_are_the_reference_ones(target, signal, outside) -> None:
    _, harmonics, eigen = build(target, 50)
    np.testing.assert_allclose(eigen.signal[: len(signal)], signal, atol=6e-10)
    assert eigen.outside == pytest.approx(outside, abs=6e-10)
    total = sum(np.trace(m) for m in harmonics.gram)
    assert total == pytest.approx(harmonics.energy, rel=1e-12)
    if target == F1:
        energies = [np.trace(m) for m in harmonics.gram]
        np.testing.assert_allclose(energies, [0.01, 1.009615385, 0.49, 0.157051282], atol=6e-10)


@pytest.mark.parametrize("d", [2, 3, 50, 2000])
def test_radial_basis_is_orthonormal(d) -> None:
    r, w = radius_rule(d, 24)
    for degree in (0, 1, 4):
        basis = radial_basis(r, d, degree, 4)
        mixed = np.einsum("ir,jr,r->ij", basis, basis, w)
        # φ_jl are orthonormal in the radius at fixed degree.
        np.testing.assert_allclose(mixed, np.eye(4), atol=1e-9)


def test_multiplicities_are_those_of_harmonics() -> None:
    assert [multiplicity(3, degree) for degree in range(5)] == [1, 3, 5, 7, 9]
    assert [multiplicity(2, degree) for degree in range(4)] == [1, 2, 2, 2]
    assert multiplicity(50, 2) == 50 * 51 / 2 - 1


@pytest.mark.parametrize(
    ("n", "p", "lam", "excess", "train", "nu2", "upsilon"),
    [
        (200, 400, 1e-2, 1.29791931, 0.0259369065, 6.4613352e-4, 0.465094528),
        (200, 400, 0.0, 1.6538402, 0.0, 5.26605405e-4, 0.581353353),
        (800, 400, 0.0, 1.28299385, 0.345748461, 2.01671967e-4, 0.5),
        (1275, math.inf, 1e-2, 0.491541437, 0.019496227, 4.32023245e-5, 0.385541454),
        (1275, math.inf, 0.0, 0.562996888, 0.0, 2.92261091e-5, 0.500277007),
    ],
)
def test_more_reference_values_are_met(n, p, lam, excess, train, nu2, upsilon) -> None:
    _, _, eigen = build(F1, 50)
    found = deterministic_equivalent(eigen, n, p, lam, 0.1)
    np.testing.assert_allclose([found.excess, found.nu2, found.upsilon], [excess, nu2, upsilon], rtol=1e-8)
    assert found.train == pytest.approx(train, rel=1e-8, abs=1e-12)


def test_interpolation_is_refused_and_a_finite_rank_is_solved() -> None:
    _, _, eigen = build(F1, 50)
    with pytest.raises(InputError, match="infinite"):
        deterministic_equivalent(eigen, 400, 400, 0.0, 0.1)
    _, _, linear = build("z1", 20, "x")
    exact = deterministic_equivalent(linear, 100, 200, 0.0, 0.3)
    # Least squares on 20 coordinates: variance Δ rank/(n − rank).
    assert exact.excess == pytest.approx(0.3 * 20 / 80, rel=1e-9)
    assert deterministic_equivalent(linear, 100, 200, 1e-9, 0.3).excess == pytest.approx(
        exact.excess, rel=1e-5
    )


RADIAL = [
    (25, 400, 200, 1e-4, F1, 0.1, "relu", 1.0947097, 0.27372230),
    (50, 400, 400, 1e-4, F1, 0.1, "relu", 9.7338118, 0.01152336),
    (50, 1600, 400, 1e-4, F1, 0.1, "relu", 0.8325979, 0.50881656),
    (50, 4000, 2000, 1e-2, F1, 0.1, "relu", 0.4480215, 0.19408224),
    (50, 1275, 8000, 1e-3, F2, 0.0, "relu", 0.2957079, 2.499e-4),
    (50, 1600, 400, 1e-4, F1, 0.1, "tanh(x + 7/10)", 0.8675542, 0.52897074),
]


def radial(target, d, n, p, lam, noise, sigma="relu", **options):
    found, harmonics, eigen = build(target, d, sigma, **options)
    pooled = deterministic_equivalent(eigen, n, p, lam, noise)
    return found, harmonics, radial_equivalent(found, harmonics, n, p, lam, noise, pooled), pooled


@pytest.mark.parametrize(("d", "n", "p", "lam", "target", "noise", "sigma", "excess", "train"), RADIAL)
def test_equations_by_radius_meet_their_reference(d, n, p, lam, target, noise, sigma, excess, train) -> None:
    """Values of an independent implementation, confirmed by long simulations; they agree to 7e-5."""
    _, _, found, pooled = radial(target, d, n, p, lam, noise, sigma)
    assert found.solution.converged
    assert found.excess == pytest.approx(excess, rel=7e-5)
    assert found.train == pytest.approx(train, rel=7e-5)
    assert abs(pooled.excess / excess - 1) > 5e-4  # the pooled spectrum is another number


@pytest.mark.parametrize("p", [400, math.inf])
def test_the_derivative_of_the_quadratic_form_is_that_of_differences(p) -> None:
    """train = −λ²/n dQ/dλ: the adjoint against finite differences."""
    n, lam, noise, h = 600, 1e-3, 0.1, 1e-7

    def quadratic(value):
        found, harmonics, errors, _ = radial(F1, 40, n, p, value, noise)
        problem = _problem(found, harmonics, n, p)
        Z, _, _ = _kernels(problem, errors.kappa, errors.thinning)
        W = problem.wx * n / errors.kappa
        q = n * float(problem.wx @ ((problem.outside + noise) / errors.kappa))
        for degree, functions in enumerate(problem.signal):
            for f in functions:
                q += f @ (W * f) - (W * f) @ Z[degree] @ (W * f)
        return q, errors.train

    slope = (quadratic(lam + h)[0] - quadratic(lam - h)[0]) / (2 * h)
    assert -(lam**2) / n * slope == pytest.approx(quadratic(lam)[1], rel=1e-6)


def test_one_radius_is_the_pooled_equivalent() -> None:
    found, harmonics, eigen = build("z1", 60)
    one = replace(
        found,
        nodes=np.array([math.sqrt(60.0)]),
        weights=np.ones(1),
        radial=np.sqrt(np.sum(found.radial**2 * found.weights[:, None], axis=1, keepdims=True)),
        tail=(found.weights @ found.tail)[None],
    )
    pooled = deterministic_equivalent(eigen, 100, 200, 1e-2, 0.1)
    by_radius = radial_equivalent(one, harmonics, 100, 200, 1e-2, 0.1, pooled)
    assert by_radius.excess == pytest.approx(pooled.excess, rel=1e-9)
    assert by_radius.train == pytest.approx(pooled.train, rel=1e-9)


def test_a_bias_split_in_two_is_one_bias() -> None:
    _, _, one, _ = radial(F1, 40, 300, 200, 1e-2, 0.1, biases=(0.4,), shares=(1.0,))
    _, _, two, _ = radial(F1, 40, 300, 200, 1e-2, 0.1, biases=(0.4, 0.4), shares=(0.3, 0.7))
    assert two.excess == pytest.approx(one.excess, rel=1e-9)
    assert two.train == pytest.approx(one.train, rel=1e-9)


def test_targets_too_large_are_refused() -> None:
    with pytest.raises(InputError, match="degree up to"):
        target_harmonics(Target("*".join(f"z{i + 1}" for i in range(12))), 100)
    with pytest.raises(InputError, match="at least"):
        target_harmonics(Target("z1*z2*z3"), 2)


@pytest.mark.parametrize("lam", [1e-3, 0.1])
def test_an_error_of_the_kernel_root_grows_by_its_derivative(lam) -> None:
    """λ = ν2 (n − D1): d ln ν2/d ln λ is (1 − D1/n) times what a relative error of the map grows by."""
    _, _, eigen = build(F1, 50)
    n, h = 300, 1e-4
    low, here, high = (deterministic_equivalent(eigen, n, math.inf, lam * (1 + x), 0.1) for x in (-h, 0.0, h))
    slope = math.log(high.nu2 / low.nu2) / (2 * h)
    assert slope == pytest.approx((1 - here.d1 / n) * here.solution.amplification, rel=1e-5)
    assert here.solution.amplification > 1.1


def test_a_failure_of_the_equations_by_radius_is_loud(monkeypatch) -> None:
    def hasty(f, x, **options):
        return solve(f, x, **(options | {"method": "plain", "max_evaluations": 2}))

    monkeypatch.setattr(radial_module, "solve", hasty)
    with pytest.raises(ConvergenceError):
        radial(F1, 50, 200, 100, 0.01, 0.1)
    found, harmonics, eigen = build(F1, 50)
    pooled = deterministic_equivalent(eigen, 200, 100, 0.01, 0.1)
    silent = radial_equivalent(found, harmonics, 200, 100, 0.01, 0.1, pooled, throw=False)
    assert not silent.solution.converged
