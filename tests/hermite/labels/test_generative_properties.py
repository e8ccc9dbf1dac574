"""Generative exponents: theorems, invariances, and Monte Carlo over bins of the label."""

from __future__ import annotations

import numpy as np
import pytest
from target_table import ROWS

from hermite import InputError, Target, generative, leap


@pytest.mark.parametrize(
    ("target", "exponent"),
    [
        ("z1^2*(z1^2 - 3)", 2),  # even
        ("(z1 - 1)^2*(z1 - 1)^2", 1),  # even about 1, not about 0
        ("z1+He3(z2)", 1),
        ("z1+He4(z2)", 2),
        ("sign(z1*z2*z3)", 3),
        ("3*z1^4*exp(-2*z1^2)", 4),
        ("abs(z1)", 2),
        ("He6(z1)+He10(z1)", 2),
    ],
)
def test_known_exponents_are_found(target, exponent) -> None:
    found = generative(Target(target))
    assert found.exponent == exponent


@pytest.mark.parametrize("row", [r for r in ROWS if r["relevant_dim"]], ids=lambda r: r["target"])
def test_the_exponent_is_at_most_the_isotropic_leap(row) -> None:
    f = Target(row["target"])
    found, report = generative(f), leap(f)
    assert report.isotropic_leap is not None
    assert report.information_exponent is not None
    assert report.leap_coordinates is not None
    assert found.bounds[0] is not None
    assert found.bounds[0] <= report.isotropic_leap
    assert report.information_exponent <= report.leap_coordinates <= report.isotropic_leap


@pytest.mark.parametrize("target", ["z1*z2", "He3(z1)", "He4(z1)", "z1+He4(z2)"])
def test_injective_transforms_and_noise_change_nothing(target) -> None:
    one = generative(Target(target)).exponent
    assert generative(Target(f"2*({target}) - 7", noise=0.5)).exponent == one
    assert generative(Target(f"({target})^3")).exponent == one


def test_rotation_changes_nothing() -> None:
    """(z1 + z2)/√2, (z1 − z2)/√2 for z1, z2."""
    turned = Target("(z1+z2)*(z1-z2)/2")
    assert generative(turned).exponent == generative(Target("z1*z2")).exponent
    a = generative(Target("(z1+z2) + He4((z1-z2)/sqrt(2))"))
    assert a.exponent == 2
    assert a.trivial_subspace == [["1", "1"]]


@pytest.mark.parametrize(("target", "order"), [("He3(z1)", 1), ("He4(z1)", 2), ("cos(z1)", 2)])
def test_exponents_agree_with_monte_carlo(target, order) -> None:
    """E[(E[He_k|Y])²] > 0 first at k = the exponent: 1,600,000 samples in 400 bins of the label, bias of the bins removed."""
    rng = np.random.default_rng(0)
    z = rng.standard_normal(1_600_000)
    ordered = z[np.argsort(Target(target)(z[:, None]), kind="stable")]
    # Neighbouring labels in two halves: independent noise, so that the product of their means is unbiased.
    for k, values in ((1, ordered), (2, ordered**2 - 1)):
        halves = values.reshape(400, 2, 2000)
        products = np.prod(halves.mean(axis=2), axis=1)
        z_score = products.mean() / (products.std() / 20)
        if k == order:
            assert z_score > 4
        elif k < order:
            assert abs(z_score) < 4


def test_a_callable_is_refused() -> None:
    with pytest.raises(InputError, match="expression"):
        generative(Target.from_function(lambda z: z[..., 0] ** 2, 1))
