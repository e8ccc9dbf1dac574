"""Ridge on spiked random features: independent reference values, and identities that hold to rounding."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from asymptotics.expectations.activations import get_activation
from asymptotics.generalisation.spiked.feature_moments import spike_rule
from asymptotics.generalisation.spiked.linear_sector import solve_units
from asymptotics.generalisation.spiked.spiked_layer import SpikedNeurons, spiked_units
from asymptotics.generalisation.spiked.trained_layer import most_spikes
from hermite import Target
from hermite.errors import InputError

CASES = json.loads((Path(__file__).parents[2] / "data" / "ridge.json").read_text())
MIX = "sin(3*z1/2) + cos(3*z1/2) - exp(-9/8)"
HE12H, HE12F = "z1 + He2(z1)/2", "z1 + He2(z1)"


def build(target, sigma, coordinates, norm2, gamma=None, noise=0.0, spike_comp=True, **options):
    overlap = None if gamma is None else np.atleast_2d(gamma)
    neurons = SpikedNeurons(coordinates, norm2, **options)
    return spiked_units(
        Target(target, noise=noise), get_activation(sigma), neurons, overlap, spike_comp=spike_comp
    )


def both(units, alpha, beta, lam, d=None):
    errors = solve_units(units, alpha, beta, lam, d=d)
    return np.array([errors.test, errors.train])


@pytest.mark.parametrize("case", CASES, ids=[c["id"] for c in CASES])
def test_reference_values_are_met(case) -> None:
    rho = case["pair_correlation"]
    groups = len(case["residual_norm2"])
    units = build(
        case["target"],
        case["activation"],
        np.array(case["spike_coordinates"]).reshape(groups, -1),
        case["residual_norm2"],
        case["spike_target_overlap"],
        case["noise"],
        fractions=case["fractions"],
        spike_comp=case["spike_comp"],
        pairs=None if rho is None else [(0, 1)],
        rho=None if rho is None else [rho],
    )
    found = both(units, case["alpha"], case["beta"], case["lam"], case["d"])
    np.testing.assert_allclose(found, [case["test_error"], case["train_error"]], rtol=2e-9)


# Values of an independent implementation, confirmed by Monte Carlo: (test, train) at d = ∞ and with d.
C4 = [[1, 1], [1, -1], [-1, 1], [-1, -1]]
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(8)
TABLE = {
    "RF0": (
        {"target": HE12H, "sigma": "relu", "coordinates": [[]], "norm2": [1], "noise": 0.1},
        (2, 1, 0.1),
        None,
        (1.49757926, 0.59229199),
        None,
    ),
    "RF1": (
        {"target": HE12H, "sigma": "relu", "coordinates": [[]], "norm2": [1], "noise": 0.1},
        (1, 2, 0.01),
        None,
        (1.89892140, 0.01241761),
        None,
    ),
    "k1A1a": (
        {
            "target": HE12F,
            "sigma": "relu",
            "coordinates": [[1.0]],
            "norm2": [1],
            "gamma": 0.7,
            "noise": 0.05,
            "spike_comp": False,
        },
        (2, 1, 0.1),
        1000,
        (2.78975640, 1.03455080),
        (2.79000, 1.03459),
    ),
    "k1A1c": (
        {"target": HE12F, "sigma": "relu", "coordinates": [[1.0]], "norm2": [1], "gamma": 0.7, "noise": 0.05},
        (2, 1, 0.1),
        1000,
        (2.61318921, 0.96651409),
        (2.61323, 0.96651),
    ),
    "k1A2relu": (
        {
            "target": HE12F,
            "sigma": "relu",
            "coordinates": [[1.0], [-1.0]],
            "norm2": [1, 1],
            "gamma": 0.8,
            "noise": 0.05,
            "spike_comp": False,
        },
        (2, 1, 0.1),
        1000,
        (2.80468618, 1.01245614),
        (2.80571, 1.01282),
    ),
    "k1A2asym": (
        {
            "target": HE12F,
            "sigma": "relu",
            "coordinates": [[1.5], [-0.5]],
            "norm2": [1, 1.6],
            "fractions": [0.3, 0.7],
            "gamma": 0.8,
            "noise": 0.05,
        },
        (2, 1, 0.1),
        1000,
        (2.47643260, 0.86082181),
        (2.47923, 0.86190),
    ),
    "k2A4r2": (
        {
            "target": "z1 + z1*z2",
            "sigma": "tanh",
            "coordinates": C4,
            "norm2": [1] * 4,
            "gamma": [[0.8, 0.1], [-0.2, 0.7]],
            "noise": 0.05,
            "spike_comp": False,
        },
        (2, 1.5, 0.05),
        1000,
        (1.76118025, 0.57537566),
        (1.76153, 0.57548),
    ),
    "dgh8": (
        {
            "target": MIX,
            "sigma": "relu",
            "coordinates": NODES[:, None],
            "norm2": 1 + 0.2 * NODES**2,
            "fractions": WEIGHTS / WEIGHTS.sum(),
            "gamma": 0.8,
            "noise": 0.01,
        },
        (2, 1, 0.1),
        1000,
        (0.81241317, 0.29658250),
        (0.82187, 0.29998),
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_the_table_of_ridgeless_errors_is_met(name: str) -> None:
    settings, (alpha, beta, lam), d, limit, finite = TABLE[name]
    units = build(**settings)
    np.testing.assert_allclose(both(units, alpha, beta, lam), limit, atol=1.1e-8)
    if d is not None:
        np.testing.assert_allclose(both(units, alpha, beta, lam, d), finite, atol=1.1e-5)


@pytest.mark.parametrize(
    ("alpha", "beta", "test", "train"),
    [
        (2, 1, 3.83847080, 0.91863),
        (1, 2, 4.23661158, 0),
        (1.6, 1.5, 26.6126084, 0.102396),
        (1.5, 1.6, 27.1180755, 0),
    ],
)
def test_ridgeless_errors_are_limits_on_both_sides(alpha, beta, test, train) -> None:
    settings = TABLE["k1A2relu"][0]
    found = both(build(**settings), alpha, beta, 0.0)
    np.testing.assert_allclose(found[0], test, rtol=1e-8)
    np.testing.assert_allclose(found[1], train, atol=1e-5)
    near = both(build(**settings), alpha, beta, 1e-9)
    np.testing.assert_allclose(near, found, rtol=1e-4, atol=1e-8)


def test_interpolation_has_its_peak() -> None:
    units = build(**TABLE["k1A2relu"][0])
    found = [both(units, 1.5, 1.5, lam)[0] for lam in (1e-4, 1e-6, 1e-8)]
    np.testing.assert_allclose(found, [37.73473, 363.3089, 3619.086], rtol=1e-6)
    with pytest.raises(InputError, match="interpolation"):
        solve_units(units, 1.5, 1.5, 0.0)


def test_linear_activation_needs_a_penalty() -> None:
    units = build("z1", "x", [[1.0]], [1.0], 0.8)
    assert both(units, 2, 1, 0.1)[0] < 1
    with pytest.raises(InputError, match="linear activation"):
        solve_units(units, 2, 1, 0.0)


@pytest.mark.parametrize("d", [None, 300])
@pytest.mark.parametrize("spike_comp", [False, True])
@pytest.mark.parametrize(("alpha", "beta"), [(1.6, 1.1), (1.0, 2.0), (0.7, np.inf)])
@pytest.mark.parametrize("rho", [None, 0.7, -0.4])
def test_slopes_obey_the_envelope_theorem(d, spike_comp, alpha, beta, rho) -> None:
    """d/dλ [α train + λ ‖a‖²/d] = ‖a‖²/d: the objective at its minimum feels λ only explicitly."""
    units = build(
        MIX, "relu", [[0.9], [-0.7]], [1.1, 0.9], 0.85, 0.02, spike_comp=spike_comp,
        pairs=None if rho is None else [(0, 1)], rho=None if rho is None else [rho],
    )  # fmt: skip
    assert envelope_gap(units, alpha, beta, 0.05, d) < 1e-7


def envelope_gap(units, alpha, beta, lam, d=None) -> float:
    def objective(value):
        errors = solve_units(units, alpha, beta, value, d=d)
        return alpha * errors.train + value * errors.norm2

    h = 1e-4 * lam
    slope = (objective(lam + h) - objective(lam - h)) / (2 * h)
    return abs(slope / solve_units(units, alpha, beta, lam, d=d).norm2 - 1)


def test_envelope_sees_a_wrong_train_error() -> None:
    """Negative control: with the test error in its place the identity fails."""
    units = build(MIX, "relu", [[0.9], [-0.7]], [1.1, 0.9], 0.85, 0.02)
    a, b = (solve_units(units, 1.6, 1.1, lam) for lam in (0.0499, 0.0501))
    slope = (1.6 * b.test + 0.0501 * b.norm2 - 1.6 * a.test - 0.0499 * a.norm2) / 2e-4
    assert abs(slope / a.norm2 - 1) > 0.1


def test_slopes_with_several_spikes_and_directions_obey_the_envelope_theorem() -> None:
    assert envelope_gap(build(**TABLE["k2A4r2"][0]), 2, 1.5, 0.05) < 1e-7


@pytest.mark.parametrize(("alpha", "beta"), [(2, 1), (1, 2)])
def test_equal_groups_merge(alpha, beta) -> None:
    one = build(MIX, "relu", [[1.0]], [1.0], 0.8, 0.02)
    two = build(MIX, "relu", [[1.0], [1.0]], [1.0, 1.0], 0.8, 0.02, fractions=[0.3, 0.7])
    np.testing.assert_allclose(both(two, alpha, beta, 0.1), both(one, alpha, beta, 0.1), rtol=1e-10)


@pytest.mark.parametrize("gamma", [0.0, 0.4, 0.9, 1.0])
def test_no_coordinate_is_plain_random_features(gamma) -> None:
    plain = build(MIX, "relu", [[]], [1.0], None, 0.02)
    spiked = build(MIX, "relu", [[0.0]], [1.0], gamma, 0.02)
    np.testing.assert_allclose(both(spiked, 2, 1, 0.1), both(plain, 2, 1, 0.1), rtol=1e-10)
    if gamma > 0:
        blind = build(MIX, "relu", [[0.0]], [1.0], gamma, 0.02, spike_comp=False)
        assert both(blind, 2, 1, 0.1)[0] > both(plain, 2, 1, 0.1)[0] + 1e-3


def test_odd_activation_gains_nothing_from_the_sign() -> None:
    one = build(MIX, "tanh", [[1.0]], [1.0], 0.8, 0.02)
    two = build(MIX, "tanh", [[1.0], [-1.0]], [1.0, 1.0], 0.8, 0.02)
    np.testing.assert_allclose(both(two, 2, 1, 0.1), both(one, 2, 1, 0.1), rtol=1e-11)
    relu = build(MIX, "relu", [[1.0], [-1.0]], [1.0, 1.0], 0.8, 0.02)
    assert (
        abs(both(relu, 2, 1, 0.1)[0] - both(build(MIX, "relu", [[1.0]], [1.0], 0.8, 0.02), 2, 1, 0.1)[0])
        > 0.01
    )


def test_unused_spike_direction_changes_nothing() -> None:
    one = build("z1 + z1*z2", "tanh", [[1.0], [-0.5]], [1.0, 1.0], [[0.8], [0.1]], 0.05)
    two = build("z1 + z1*z2", "tanh", [[1.0, 0], [-0.5, 0]], [1.0, 1.0], [[0.8, 0.3], [0.1, 0.5]], 0.05)
    np.testing.assert_allclose(both(two, 2, 1, 0.1), both(one, 2, 1, 0.1), rtol=1e-7)


def test_fixed_direction_needs_no_theta() -> None:
    """|Γ| = 1 with a kinked target: the rule for κ is split at the kink."""
    exact = build("relu(z1)", "tanh", [[1.0]], [1.0], 1.0)
    near = build("relu(z1)", "tanh", [[1.0]], [1.0], 1.0 - 1e-9)
    np.testing.assert_allclose(both(exact, 2, 1, 0.1), both(near, 2, 1, 0.1), rtol=1e-5)


@pytest.mark.parametrize(
    ("alpha", "beta", "lam"), [(2, 1, 0.1), (1, 2, 0.01), (3, 0.5, 1.0), (0.5, 3, 1e-4), (1.2, 1.2, 0.05)]
)
def test_random_features_meet_the_closed_form_of_mei_and_montanari(alpha, beta, lam) -> None:
    """Without spikes: arXiv:1908.05355, Definition 1 (the polynomials E0, E1, E2 in χ)."""
    units = build(HE12H, "relu", [[]], [1.0], None, 0.1)
    expected = mei_montanari(
        alpha, beta, lam, mu1=0.5, mustar2=0.25 - 1 / (2 * np.pi), f1=1.0, rest=0.5, noise=0.1
    )
    assert both(units, alpha, beta, lam)[0] == pytest.approx(expected, rel=1e-9)


def mei_montanari(alpha, beta, lam, mu1, mustar2, f1, rest, noise) -> float:
    """Test error with F_1² = f1, F_*² = rest, τ² = noise; the fixed point is iterated as a complex equation."""
    psi1, psi2 = beta, alpha
    zeta2 = mu1**2 / mustar2
    xi = 1j * np.sqrt(psi1 * psi2 * lam / (alpha * mustar2))
    # From far up the imaginary axis down to ξ: the branch is that of the Stieltjes transform.
    nu1 = nu2 = None
    for height in np.geomspace(1e4 * abs(xi), abs(xi), 60):
        z = 1j * height
        if nu1 is None:
            nu1, nu2 = -psi1 / z, -psi2 / z
        for _ in range(4000):
            new1 = psi1 / (-z - nu2 - zeta2 * nu2 / (1 - zeta2 * nu1 * nu2))
            new2 = psi2 / (-z - nu1 - zeta2 * nu1 / (1 - zeta2 * nu1 * nu2))
            gap = abs(new1 - nu1) + abs(new2 - nu2)
            nu1, nu2 = (nu1 + new1) / 2, (nu2 + new2) / 2
            if gap < 1e-15 * (abs(nu1) + abs(nu2)):
                break
    x = (nu1 * nu2).real
    z2, z4, z6 = zeta2, zeta2**2, zeta2**3
    e0 = (-x**5 * z6 + 3 * x**4 * z4 + (psi1 * psi2 - psi2 - psi1 + 1) * x**3 * z6 - 2 * x**3 * z4 - 3 * x**3 * z2
          + (psi1 + psi2 - 3 * psi1 * psi2 + 1) * x**2 * z4 + 2 * x**2 * z2 + x**2 + 3 * psi1 * psi2 * x * z2
          - psi1 * psi2)  # fmt: skip
    e1 = psi2 * x**3 * z4 - psi2 * x**2 * z2 + psi1 * psi2 * x * z2 - psi1 * psi2
    e2 = (x**5 * z6 - 3 * x**4 * z4 + (psi1 - 1) * x**3 * z6 + 2 * x**3 * z4 + 3 * x**3 * z2 + (-psi1 - 1) * x**2 * z4
          - 2 * x**2 * z2 - x**2)  # fmt: skip
    bias, variance = e1 / e0, e2 / e0
    return float(f1 * bias + (rest + noise) * variance + rest + noise)


def test_shapes_are_checked() -> None:
    with pytest.raises(InputError, match="norm2"):
        build("z1", "relu", [[1.0]], [0.0], 0.5)
    with pytest.raises(InputError, match="overlap"):
        build("z1", "relu", [[1.0]], [1.0], 1.5)


@pytest.mark.parametrize(("k", "slope"), [(1, 1.0), (1, 20.0), (2, 1.0), (2, 6.0), (3, 1.0), (4, 1.0)])
def test_rules_over_the_spikes_have_the_moments_of_independent_gaussians(k, slope) -> None:
    """E cos⟨t, κ⟩ = exp(−|t|²/2) beside them; sharper moments get more nodes."""
    kappa, weights = spike_rule(k, slope)
    assert kappa.shape == (len(weights), k)
    assert (kappa.T * weights) @ kappa == pytest.approx(np.eye(k), abs=1e-9)
    assert weights @ np.prod(kappa**2, axis=1) == pytest.approx(1.0, rel=1e-9)
    assert weights @ kappa**4 == pytest.approx(np.full(k, 3.0), rel=1e-8)
    t = np.linspace(0.5, 1.0, k)
    assert weights @ np.cos(kappa @ t) == pytest.approx(np.exp(-t @ t / 2), abs=1e-8)
    if k <= 2:
        assert len(weights) >= len(spike_rule(k)[1]) * (slope / 2.5 if slope > 2.5 else 1.0) ** k * 0.9


def test_as_many_spikes_as_count_have_a_rule() -> None:
    """A point of many groups costs more: one spike less."""
    counts = []
    for groups in (1, 8, 9, 50):
        count = most_spikes(SimpleNamespace(links=SimpleNamespace(groups=groups)))
        assert spike_rule(count)[0].shape[1] == count
        counts.append(count)
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > 2
