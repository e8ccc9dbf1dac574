r"""Spikes over the bulk that the features had before the step; formulas in ``feature_spectrum``."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.activations import Activation
from asymptotics.expectations.quadrature import hermite_rule, hermite_values, piecewise_rule
from asymptotics.generalisation.finite.harmonics import features
from hermite.errors import InputError

Array = npt.NDArray[np.float64]

#: Hermite features of the direction that are resolved for an activation that is no polynomial.
_FEATURES = 8
#: Orders whose windows are counted.
_WINDOWS = 40


class Bulk:
    """The bulk of F_0 − c_0: eigenvalues λ_m of the harmonics of degrees m ≥ 1 and a flat tail τ."""

    def __init__(self, sigma: Activation, d: int, n: int, p: int) -> None:
        found = features(sigma, d, np.zeros(1), np.ones(1))
        energy = np.einsum("r,lrb->l", found.weights, found.radial**2)
        self.lam = energy / found.multiplicity
        self.lam[0] = 0.0
        self.count = found.multiplicity
        self.tail = float(found.weights @ found.tail[:, 0])
        self.error = found.error
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

    def condition(self, nu: float, H: Array, alone: Array) -> tuple[Array, Array]:
        """Eigenvalues (downwards) and vectors of A_U^{1/2} [(p − D1) H Hᵀ + p H_o H_oᵀ] A_U^{1/2}: 1 at an outlier."""
        d1 = self.d1(nu)
        lam = np.zeros(len(H))
        known = min(len(H), len(self.lam))
        lam[:known] = self.lam[:known]
        a_u = -1.0 / ((lam + nu) * self.p * (1 - d1 / self.p))
        root = np.sqrt(np.maximum(a_u, 0.0))
        inner = (self.p - d1) * (H @ H.T) + self.p * (alone @ alone.T)
        values, vectors = np.linalg.eigh(root[:, None] * inner * root)
        return values[::-1], vectors[:, ::-1]


def transfer(sigma: Activation, strength: float, values: Array, weights: Array) -> tuple[Array, float]:
    """H[m, a] = √w_a E σ(g + strength A_a X) h_m(X), less c_0 of σ itself, (K + 1, atoms); its error relative to the largest.

    What g blurs turns over a unit of strength A X at least: panels of that length, on two rules.
    """
    degree = degree_of_features(sigma)
    steepest = abs(strength) * float(np.max(np.abs(values), initial=0.0))
    panel = min(1.0, 1.5 / max(steepest, 1e-300))

    def on(order: int) -> Array:
        x, w = piecewise_rule((), panel, order)
        mean = sigma.mean(strength * values[:, None] * x, np.ones(1)) - sigma.coefficient(0)
        found: Array = np.sqrt(weights) * ((hermite_values(x, degree) * w) @ mean.T)
        return found

    fine, coarse = on(16), on(12)
    return fine, float(np.max(np.abs(fine - coarse)) / max(float(np.max(np.abs(fine))), 1e-300))


def degree_of_features(sigma: Activation) -> int:
    """K: all degrees of a polynomial σ, else ``_FEATURES``."""
    coefficients = sigma.coefficients(_FEATURES + 8)
    present = np.flatnonzero(np.abs(coefficients) > 1e-9 * np.abs(coefficients).max())
    return int(min(present[-1], _FEATURES)) if len(present) else 0


def outliers(bulk: Bulk, edge: float, H: Array, odd: Array | None = None) -> tuple[Array, Array]:
    """(places, downwards; squared weights of their left vectors on the Hermite features).

    ``odd``: columns that see no bulk, the odd combinations of pairs.
    """
    from scipy.optimize import brentq

    alone = np.zeros((len(H), 0)) if odd is None else odd
    top, _ = bulk.condition(edge, H, alone)
    places, shares = [], []
    for j in range(int(np.sum(top > 1))):
        far = edge
        while bulk.condition(far, H, alone)[0][j] > 1:
            far *= 4
        nu = float(
            brentq(lambda nu, j=j: float(bulk.condition(nu, H, alone)[0][j]) - 1, far, edge, xtol=1e-14)
        )
        places.append(math.sqrt(bulk.square(nu)))
        shares.append(bulk.condition(nu, H, alone)[1][:, j] ** 2)
    order = np.argsort(places)[::-1]
    return np.array(places)[order], np.array(shares).reshape(-1, len(H))[order]


def asymptotic_places(
    sigma: Activation, strength: float, n2: int, p: int, values: Array, weights: Array
) -> Array:
    """Places of well-separated spikes: (|c_k|/k!) |strength|^k √(n2 p) r_k(X) r_k(ã), r_k the residual of the k-th power.

    Raises ``InputError`` where they are no numbers.
    """
    x, w = hermite_rule(40)
    degree = min(degree_of_features(sigma), 4)
    left, right = _residuals(x, w, degree), _residuals(values, weights, degree)
    c = sigma.coefficients(degree)
    k = np.arange(1, degree + 1)
    factorials = np.array([math.factorial(i) for i in k], float)
    with np.errstate(over="ignore", invalid="ignore"):
        sizes = np.abs(c[1:]) / factorials * np.abs(strength) ** k * math.sqrt(n2 * p) * left * right
    sizes = np.where(c[1:] == 0, 0.0, sizes)
    if not np.all(np.isfinite(sizes)):
        raise InputError("the features overflow: use a smaller training.eta, or an activation of order 1.")
    return np.asarray(sizes, np.float64)


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


def window_count(sigma: Activation, eta: float, n2: int, p: int, values: Array) -> int | None:
    """Spikes of a step eta √p = n2^a as d grows: independent ã^k with k ≤ l and c_k ≠ 0, l the largest with (l − 1)/(2 l) < a.

    None for a ≥ 1/2, where no window is left.
    """
    a = math.log(eta * math.sqrt(p)) / math.log(max(n2, 2))
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
