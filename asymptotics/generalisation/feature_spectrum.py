r"""Singular values of the features after one giant step: a bulk, and spikes that carry powers of the learned direction.

F_μi = σ(⟨w_i, z_μ⟩), n2 × p, independent rows at initialisation; the step moves w_i by eta ã_i c_1 β, β = (1/n) Σ y z. To
leading order F = F_0 + Σ_k (c_k/k!) (eta c_1)^k ⟨β, z⟩^k ãᵀ^k, of size eta^k: spike k leaves the bulk where the step is
large enough. At finite strength, with X, g ~ N(0, 1), A ~ ã and h_m the orthonormal Hermite polynomials,

    H[m, A] = E_{X,g} σ(g + eta c_1 |β| A X) h_m(X),

singular values s outside the bulk are those where an eigenvalue of s² A_V A_U^{1/2} H Hᵀ A_U^{1/2} equals 1. They are
parametrised by ν < 0: with D1(ν) = Σ_m N_m λ_m/(λ_m + ν) + τ/ν over the harmonics of the features,

    s² = −p (n2 − D1)(1 − D1/p) ν,   A_U(m) = −ν/((λ_m + ν) p ν (1 − D1/p)),   A_V = (p − D1)/s².

The edge of the bulk is where s² is stationary. Powers and asymptotic count: Moniri, Lee, Hassani, Dobriban,
arXiv:2310.07891; the resummed places rest on the deterministic equivalent of the harmonics and on simulation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.activations import Activation
from asymptotics.expectations.quadrature import hermite_rule, hermite_values
from asymptotics.experiment.settings import Network, Ridge, Training
from asymptotics.floating import own_floating_state
from asymptotics.generalisation.finite.harmonics import features
from asymptotics.generalisation.spiked.target_moments import moments_at_start
from asymptotics.json_values import plain
from asymptotics.learning.giant.low_orders import without_orders
from asymptotics.results import ErrorBudget, Validity
from hermite.errors import InputError
from hermite.frozen import Frozen
from hermite.target import Target, as_target

Array = npt.NDArray[np.float64]

#: Hermite features of the direction that are resolved for an activation that is no polynomial.
_FEATURES = 8
#: Orders whose windows are counted.
_WINDOWS = 40
#: By how much the part of the gradient that is not included moves spikes, at most.
_LEFT_OUT = 0.05
_HERE = "The spectrum after one step"


@dataclass(frozen=True, eq=False)
class FeatureSpectrum(Frozen):
    """The singular values of F − c_0 (n2 × p) after ``step`` giant steps (0 or 1).

    ``edge``          upper edge of the bulk
    ``spikes``        singular values above it, downwards
    ``features``      (spikes, K + 1): squared weights of each spike's left vector on h_0..h_K(⟨β, z⟩/|β|) (they sum to 1)
    ``direction``     |β|; ``overlap`` cos of β with the target's C_1
    ``asymptotic``    well-separated places of the spikes k = 1, 2, …, sizes |c_k|/k! |eta c_1|^k √(n2 p) r_k(|β|) r_k(ã)
    ``window_count``  spikes as d → ∞ for steps eta √p = n2^a at this a: orders k ≤ l, the largest l with (l − 1)/(2 l) < a,
                      as far as the readout's powers are independent; None for a ≥ 1/2, beyond the last window
    ``error``         of the places of the spikes, relative
    ``simulated``     singular values of one simulated network, downwards, if there is one
    """

    step: int
    n: int | None
    n2: int
    p: int
    d: int
    edge: float
    spikes: Array
    features: Array
    direction: float
    overlap: float
    asymptotic: Array
    window_count: int | None
    validity: Validity
    validity_note: str
    error: ErrorBudget
    simulated: Array | None = None

    def _repr_html_(self) -> str:
        from asymptotics.notebook import html_of

        keys = (
            "step",
            "n",
            "n2",
            "p",
            "d",
            "edge",
            "spikes",
            "direction",
            "overlap",
            "window_count",
            "validity",
            "validity_note",
        )
        return html_of("Singular values of the features", self.to_dict(), keys)

    def to_dict(self) -> dict[str, Any]:
        """Plain data; ``simulated`` holds the largest singular values of one draw (null without simulation)."""
        names = self.__dataclass_fields__
        out: dict[str, Any] = plain(
            {name: getattr(self, name) for name in names} | {"error": self.error.to_dict()}
        )
        if self.simulated is not None:
            out["simulated"] = [float(s) for s in self.simulated[:20]]
        return out

    def plot(self, ax: Any = None) -> Any:
        """Histogram of the simulated singular values, edge and spikes as lines; returns the Axes."""
        from asymptotics.figures.spectrum_figure import plot_spectrum

        return plot_spectrum(self, ax)


@own_floating_state
def spectrum(
    f: Target | str,
    network: Network | None = None,
    training: Training | None = None,
    ridge: Ridge | None = None,
) -> FeatureSpectrum:
    """Edge and spikes of the features of ``network`` after 0 or 1 giant steps, at ``ridge.d``, n2 = α d and p = β d.

    Raises ``InputError`` for symmetric initialisation, biases, several steps, or a batch exponent other than 1.

    >>> from hermite import Target
    >>> net = Network("tanh(x + 7/10)", initialisation="independent")
    >>> found = spectrum(Target("z1"), net, Training(1, 4.0, 40.0), Ridge(3.0, 2.0, d=300))
    >>> len(found.spikes) >= 1 and bool(found.spikes[0] > found.edge)
    True
    """
    network, training, ridge = network or Network(), training or Training(), ridge or Ridge()
    _refuse(network, training, ridge)
    d = int(ridge.d or 0)
    n2, p = ridge.n2(d), ridge.p(d, symmetric=False)
    sigma = network.get_activation()
    bulk = _Bulk(sigma, d, n2, p)
    edge_nu = bulk.edge()
    f = as_target(f)
    seen = without_orders(f, tuple(training.remove_orders))
    _, c1_target, energy = moments_at_start(seen)
    n = training.n(d) if training.steps else None
    signal = float(np.linalg.norm(c1_target))
    size = 0.0 if n is None else math.sqrt(signal**2 + (energy + f.noise) * d / n)
    strength = training.eta * sigma.coefficient(1) * size if n is not None else 0.0
    values, weights = network.readout_atoms(24)
    H = transfer(sigma, strength, values, weights)
    spikes, shares = _outliers(bulk, edge_nu, H) if n is not None else (np.zeros(0), np.zeros((0, len(H))))
    note = (
        "One constant c_0 is subtracted from the features. The part of the gradient that is no multiple of β is not "
        "included: it widens the bulk by the growth of |w|, and moves spikes by about 1 to 5 %."
    )
    return FeatureSpectrum(
        step=training.steps,
        n=n,
        n2=n2,
        p=p,
        d=d,
        edge=math.sqrt(bulk.square(edge_nu)),
        spikes=spikes,
        features=shares,
        direction=size,
        overlap=signal / size if size else 0.0,
        asymptotic=_asymptotic(sigma, strength, n2, p, values, weights) if n is not None else np.zeros(0),
        window_count=_window_count(sigma, training.eta, n2, p, values) if n is not None else 0,
        validity=Validity.LEADING_ORDER,
        validity_note=note,
        error=ErrorBudget(theory=_LEFT_OUT if n is not None else None),
    )


def _refuse(network: Network, training: Training, ridge: Ridge) -> None:
    problems = []
    if ridge.d is None or math.isinf(ridge.beta):
        problems.append(f"{_HERE} needs ridge.d, the input dimension, and a finite ridge.beta.")
    if network.is_symmetric:
        problems.append(
            f'{_HERE} covers network.initialisation = "independent", not "symmetric" (pairs of equal rows).'
        )
    if network.bias > 0:
        problems.append(f"{_HERE} covers network.bias = 0, not {network.bias:g}.")
    if training.steps > 1:
        problems.append(f"{_HERE} covers 0 and 1 giant steps, not {training.steps}.")
    if training.batch_exponent != 1 or 1 in training.remove_orders:
        problems.append(f"{_HERE} covers batch_exponent = 1 and remove_orders [] or [0].")
    if problems:
        raise InputError(problems)


class _Bulk:
    """The bulk of F_0 − c_0: eigenvalues λ_m of the harmonics of degrees m ≥ 1 and a flat tail τ."""

    def __init__(self, sigma: Activation, d: int, n: int, p: int) -> None:
        found = features(sigma, d, np.zeros(1), np.ones(1))
        energy = np.einsum("r,lrb->l", found.weights, found.radial**2)
        self.lam = energy / found.multiplicity
        self.lam[0] = 0.0
        self.count = found.multiplicity
        self.tail = float(found.weights @ found.tail[:, 0])
        self.n, self.p = n, p

    def d1(self, nu: float) -> float:
        """D1(ν)."""
        return float(self.count[1:] @ (self.lam[1:] / (self.lam[1:] + nu))) + self.tail / nu

    def square(self, nu: float) -> float:
        """s²(ν)."""
        d1 = self.d1(nu)
        return -self.p * (self.n - d1) * (1 - d1 / self.p) * nu

    def edge(self) -> float:
        """ν of the upper edge: coming from −∞, the first place where s² is stationary."""
        from scipy.optimize import minimize_scalar

        energy = float(self.count @ self.lam) + self.tail
        far = 1e3 * (float(self.lam.max()) + energy / math.sqrt(self.n * self.p))
        # s² falls from infinity to its minimum before the first pole at −max λ.
        low = float(self.lam.max()) * (1 + 1e-9)
        grid = -np.geomspace(far, max(low, 1e-12 * far), 4000)
        values = np.array([self.square(nu) for nu in grid])
        first = int(np.argmax(np.diff(values) > 0))
        around = (-math.log(-grid[max(first - 1, 0)]), -math.log(-grid[first + 1]))
        best = minimize_scalar(
            lambda x: self.square(-math.exp(-x)), bounds=around, method="bounded", options={"xatol": 1e-12}
        )
        return -math.exp(-float(best.x))

    def condition(self, nu: float, H: Array) -> tuple[Array, Array]:
        """Eigenvalues (downwards) and vectors of s² A_V A_U^{1/2} H Hᵀ A_U^{1/2}: 1 at an outlier."""
        d1 = self.d1(nu)
        lam = np.zeros(len(H))
        known = min(len(H), len(self.lam))
        lam[:known] = self.lam[:known]
        a_u = -1.0 / ((lam + nu) * self.p * (1 - d1 / self.p))
        root = np.sqrt(np.maximum(a_u, 0.0))
        values, vectors = np.linalg.eigh((self.p - d1) * root[:, None] * (H @ H.T) * root)
        return values[::-1], vectors[:, ::-1]


def transfer(sigma: Activation, strength: float, values: Array, weights: Array) -> Array:
    """H[m, a] = √w_a E σ(g + strength A_a X) h_m(X), less c_0 of σ itself, (K + 1, atoms)."""
    degree = _degree(sigma)
    x, w = hermite_rule(80)
    mean = sigma.mean(strength * values[:, None] * x, np.ones(1)) - sigma.coefficient(0)
    basis = hermite_values(x, degree)
    out: Array = np.sqrt(weights) * ((basis * w) @ mean.T)
    return out


def _degree(sigma: Activation) -> int:
    """K: all degrees of a polynomial σ, else ``_FEATURES``."""
    coefficients = sigma.coefficients(_FEATURES + 8)
    present = np.flatnonzero(np.abs(coefficients) > 1e-9 * np.abs(coefficients).max())
    return int(min(present[-1], _FEATURES)) if len(present) else 0


def _outliers(bulk: _Bulk, edge: float, H: Array) -> tuple[Array, Array]:
    """(places, downwards; squared weights of their left vectors on the Hermite features)."""
    from scipy.optimize import brentq

    top, _ = bulk.condition(edge, H)
    places, shares = [], []
    for j in range(int(np.sum(top > 1))):
        far = edge
        while bulk.condition(far, H)[0][j] > 1:
            far *= 4
        nu = float(brentq(lambda nu, j=j: float(bulk.condition(nu, H)[0][j]) - 1, far, edge, xtol=1e-14))
        places.append(math.sqrt(bulk.square(nu)))
        shares.append(bulk.condition(nu, H)[1][:, j] ** 2)
    order = np.argsort(places)[::-1]
    return np.array(places)[order], np.array(shares).reshape(-1, len(H))[order]


def _asymptotic(sigma: Activation, strength: float, n2: int, p: int, values: Array, weights: Array) -> Array:
    """Places of well-separated spikes: (|c_k|/k!) |strength|^k √(n2 p) r_k(X) r_k(ã), r_k the residual of the k-th power."""
    x, w = hermite_rule(40)
    degree = min(_degree(sigma), 4)
    left, right = _residuals(x, w, degree), _residuals(values, weights, degree)
    c = sigma.coefficients(degree)
    sizes = [
        abs(c[k]) / math.factorial(k) * abs(strength) ** k * math.sqrt(n2 * p) * left[k - 1] * right[k - 1]
        for k in range(1, degree + 1)
    ]
    return np.array(sizes)


def _residuals(points: Array, weights: Array, degree: int) -> Array:
    """Norms of x^k less its projection on x, …, x^{k−1}, k = 1..degree."""
    powers = np.sqrt(weights)[:, None] * points[:, None] ** np.arange(1, degree + 1)
    if degree == 0:
        return np.zeros(0)
    diagonal: Array = np.abs(np.diag(np.linalg.qr(powers)[1])) if len(points) >= degree else np.zeros(degree)
    if len(points) < degree:
        small = np.abs(np.diag(np.linalg.qr(powers[:, : len(points)])[1]))
        diagonal[: len(small)] = small
    return diagonal


def _window_count(sigma: Activation, eta: float, n2: int, p: int, values: Array) -> int | None:
    """Spikes of a step eta √p = n2^a as d grows: independent ã^k with k ≤ l and c_k ≠ 0, l the largest with (l − 1)/(2 l) < a.

    None for a ≥ 1/2, where no window is left.
    """
    a = math.log(eta * math.sqrt(p)) / math.log(n2)
    if a >= 0.5:
        return None
    orthonormal = sigma.coefficients(_WINDOWS) / np.array(
        [math.sqrt(math.factorial(k)) for k in range(_WINDOWS + 1)]
    )
    present = np.abs(orthonormal) > 1e-10 * float(np.abs(orthonormal).max())
    if a <= 0 or not present[1]:
        return 0
    orders = [k for k in range(1, _WINDOWS + 1) if (k - 1) / (2 * k) < a and present[k]]
    return int(np.linalg.matrix_rank(values[:, None] ** np.array(orders), 1e-9))
