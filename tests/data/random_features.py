"""Makes ``random_features.json`` anew from the equations alone: ``python tests/data/random_features.py`` prints it.

No module of giantstep is imported. relu(⟨w, z⟩) = |z| relu(s), |w| = 1, has one radial function |z| a degree l, so that its
eigenvalues are d a_l² with multiplicity N(d, l), a_l = ∫ relu(s) P_l(s) over the law of one coordinate on the sphere (by
quadrature). The errors at n samples, p features and penalty λ are those of Defilippis, Loureiro and Misiakiewicz (2024,
arXiv 2405.15699): ν1, ν2 from n − λ/ν1 = Tr Σ(Σ + ν2)⁻¹ = p (1 − ν1/ν2).
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import eval_gegenbauer

DEGREES = 24


def multiplicity(d: int, degree: int) -> float:
    """N(d, l), the number of spherical harmonics."""
    if degree == 0:
        return 1.0
    return (2 * degree + d - 2) / degree * math.comb(degree + d - 3, degree - 1)


def coefficient(d: int, degree: int) -> float:
    """a_l = ∫ relu(cos t) P_l(cos t) over the density ∝ sin(t)^(d−2)."""
    at_one = math.comb(degree + d - 3, degree)

    def density(t: float) -> float:
        return math.sin(t) ** (d - 2)

    def value(t: float) -> float:
        return math.cos(t) * float(eval_gegenbauer(degree, d / 2 - 1, math.cos(t))) / at_one * density(t)

    half = quad(density, 0.0, math.pi / 2, epsabs=0.0, epsrel=1e-12, limit=200)[0]
    whole = quad(value, 0.0, math.pi / 2, epsabs=1e-16 * half, epsrel=1e-12, limit=200)[0]
    return float(whole / (2 * half))


def moment(d: int, power: float) -> float:
    """E|z|^power."""
    return float(2.0 ** (power / 2) * math.exp(math.lgamma((d + power) / 2) - math.lgamma(d / 2)))


def energies(target: str, d: int) -> tuple[list[float], float]:
    """Energy of the target on the function |z| of degrees 0, 1, 2, and outside of all features."""
    seen = moment(d, 3) ** 2 / (moment(d, 2) * moment(d, 4))  # of a radial part |z|² on |z|
    if target == "z1 + z2*z3":
        return [0.0, 1.0, seen], 1.0 - seen
    assert target == "z1 + He2(z1)/2"
    # (z1² − 1)/2 = |z|² (ω1² − 1/d)/2 + (|z|²/d − 1)/2.
    second = moment(d, 4) / 4 * (3 / (d * (d + 2)) - 1 / d**2)
    constant = (moment(d, 3) / d - moment(d, 1)) ** 2 / (4 * moment(d, 2))
    return [constant, 1.0, second * seen], 0.5 - second * seen - constant


def errors(row: dict[str, Any]) -> dict[str, float]:
    """Excess risk, train error and ν2 of one row."""
    d, n, lam, noise = int(row["d"]), int(row["n"]), float(row["lam"]), float(row["noise"])
    p = math.inf if row["p"] is None else row["p"]
    values = np.array([d * coefficient(d, degree) ** 2 for degree in range(DEGREES)])
    counts = np.array([multiplicity(d, degree) for degree in range(DEGREES)])
    tail = 0.5 - float(counts @ values)  # E relu² = 1/2; beyond, values are far below ν2

    def trace(nu: float, power: int) -> float:
        """Tr (Σ(Σ + ν)⁻¹)^power."""
        return float(counts @ (values / (values + nu)) ** power) + (tail / nu if power == 1 else 0.0)

    def gap(log_nu: float) -> float:
        nu = math.exp(log_nu)
        share = 1.0 - trace(nu, 1) / p  # ν1/ν2
        if lam == 0:
            return trace(nu, 1) - min(n, p)
        return n - trace(nu, 1) - float(lam / (share * nu)) if share > 0 else -math.inf

    low = brentq(lambda x: trace(math.exp(x), 1) - p, -40, 10) if math.isfinite(p) and lam > 0 else -40.0
    nu = math.exp(brentq(gap, low + 1e-9, 10.0, xtol=1e-14, rtol=1e-14))
    share = 1.0 - (min(n, p) if lam == 0 else trace(nu, 1)) / p
    second = trace(nu, 2)
    mixed = float(counts @ (values / (values + nu) ** 2)) + tail / nu**2
    if math.isinf(p):
        variance, more = second / n, 0.0
    else:
        variance = p / n * ((1 - share) ** 2 + share**2 * second / (p - second))
        more = mixed / (p - second)
    signal, outside = energies(row["target"], d)
    bias = sum(e * (nu / (v + nu)) ** 2 * (1 + more * v) for e, v in zip(signal, values, strict=False))
    excess = (bias + outside + noise * variance) / (1 - variance)
    left = (n - min(n, p)) / n if lam == 0 else lam / (share * nu * n)
    return {"excess_risk": excess, "train_error": left**2 * (excess + noise), "nu2": nu}


if __name__ == "__main__":
    table = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
    print(json.dumps([row | errors(row) for row in table], indent=1))
