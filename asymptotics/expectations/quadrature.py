"""Gaussian expectations: rules for the line, tensor rules for a few dimensions, quasi-Monte Carlo for many.

All rules are for the standard normal law: E g(ζ) ≈ Σ_k weight_k g(node_k), weights summing to 1. Kinked
functions need their kinks as breakpoints: plain Gauss–Hermite with 95 nodes misses E[sign(x) x] by 7e-3.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from asymptotics.caches import remembered

Array = npt.NDArray[np.float64]

#: Beyond this many standard deviations the normal density is below 1e-32.
REACH = 12.0


@remembered
def legendre(order: int) -> tuple[Array, Array]:
    """Gauss–Legendre nodes and weights on [0, 1] (weights sum to 1)."""
    x, w = np.polynomial.legendre.leggauss(order)
    return (x + 1) / 2, w / 2


def piecewise_rule(
    breakpoints: Sequence[float] = (), panel: float = 1.0, order: int = 20
) -> tuple[Array, Array]:
    """Nodes and weights for the standard normal law, Gauss–Legendre on panels between ``breakpoints``.

    Exact to rounding for functions that are analytic between the breakpoints and of polynomial growth.
    """
    inside = [b for b in breakpoints if -REACH < b < REACH]
    edges = np.unique(
        np.concatenate([np.arange(-REACH, REACH + panel / 2, panel), np.asarray(inside, float)])
    )
    x, w = legendre(order)
    width = np.diff(edges)
    nodes = (edges[:-1, None] + width[:, None] * x).ravel()
    weights = (width[:, None] * w).ravel() * np.exp(-0.5 * nodes**2) / math.sqrt(2 * math.pi)
    return nodes, weights / weights.sum()


def trapezoid_rule(step: float, reach: float = 8.4) -> tuple[Array, Array]:
    """The trapezoid rule, spectrally accurate for functions that are analytic in a strip."""
    half = math.ceil(reach / step)
    nodes: Array = step * np.arange(-half, half + 1, dtype=np.float64)
    weights: Array = np.exp(-0.5 * nodes**2)
    weights /= weights.sum()
    return nodes, weights


@remembered
def hermite_rule(order: int) -> tuple[Array, Array]:
    """Gauss–Hermite nodes (order,) and weights (order,) for the standard normal law."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(order)
    x: Array = np.asarray(nodes, np.float64)
    w: Array = np.asarray(weights / weights.sum(), np.float64)
    return x, w


def tensor_rule(orders: Sequence[int]) -> tuple[Array, Array]:
    """Product of Gauss–Hermite rules: nodes (N, k) and weights (N,), N = Π orders; k = 0 gives one node."""
    if not orders:
        return np.zeros((1, 0)), np.ones(1)
    rules = [hermite_rule(n) for n in orders]
    grids = np.meshgrid(*[x for x, _ in rules], indexing="ij")
    nodes = np.stack([g.ravel() for g in grids], axis=1)
    weights = np.ones(1)
    for _, w in rules:
        weights = np.multiply.outer(weights, w).ravel()
    return nodes, weights


def sobol_chunks(dim: int, log2_size: int, seed: int, rows: int = 1 << 16) -> Iterator[Array]:
    """2^log2_size scrambled Sobol points mapped to standard normals, in chunks (at most ``rows``, dim).

    Independent seeds give independent scrambles, hence unbiased estimates and an honest error.
    """
    from scipy.special import ndtri
    from scipy.stats import qmc

    engine = qmc.Sobol(dim, scramble=True, seed=np.random.default_rng(seed))
    size = 1 << log2_size
    step = min(size, 1 << max(0, rows.bit_length() - 1))
    for _ in range(0, size, step):
        # The points lie on a grid that contains 0; half a cell keeps the quantile finite.
        yield ndtri(np.clip(engine.random(step), 2.0**-33, 1 - 2.0**-33))


def sobol_normal(dim: int, log2_size: int, seed: int) -> Array:
    """All points of :func:`sobol_chunks` at once, shape (2^log2_size, dim)."""
    return np.concatenate(list(sobol_chunks(dim, log2_size, seed)))


def hermite_values(x: Array, order: int) -> Array:
    """Orthonormal Hermite polynomials He_k(x)/√k!, k = 0..order, shape (order + 1, *x.shape)."""
    out = np.empty((order + 1, *x.shape))
    out[0] = 1.0
    if order:
        out[1] = x
    for k in range(1, order):
        out[k + 1] = (x * out[k] - math.sqrt(k) * out[k - 1]) / math.sqrt(k + 1)
    return out


def hermite_value(x: Array, k: int) -> Array:
    """The last of :func:`hermite_values`, in the memory of three."""
    before, value = np.zeros_like(x), np.ones_like(x)
    for j in range(k):
        before, value = value, (x * value - math.sqrt(j) * before) / math.sqrt(j + 1)
    return value


@remembered
def split_hermite_rule(breakpoints: tuple[float, ...], order: int) -> tuple[Array, Array]:
    """Gauss rules of ``order`` nodes for the normal law on each interval between ``breakpoints``, joined.

    Without breakpoints this is Gauss–Hermite; with them, functions that are analytic on each interval are
    integrated as well as Gauss–Hermite integrates analytic ones.
    """
    if not breakpoints:
        return hermite_rule(order)
    nodes: list[Array] = []
    weights: list[Array] = []
    edges = [-REACH, *breakpoints, REACH]
    for low, high in pairwise(edges):
        if high - low > 1e-12:
            x, w = _gauss_between(max(low, -REACH), min(high, REACH), order)
            nodes.append(x)
            weights.append(w)
    total = np.concatenate(weights)
    return np.concatenate(nodes), total / total.sum()


def _gauss_between(low: float, high: float, order: int) -> tuple[Array, Array]:
    """The Gauss rule of the normal density on [low, high], by Lanczos on a fine composite rule."""
    x, w = legendre(24)
    edges = np.linspace(low, high, max(2, math.ceil((high - low) / 0.75) + 1))
    width = np.diff(edges)
    grid = (edges[:-1, None] + width[:, None] * x).ravel()
    mass = (width[:, None] * w).ravel() * np.exp(-0.5 * grid**2) / math.sqrt(2 * math.pi)
    total = mass.sum()
    diagonal, off = np.zeros(order), np.zeros(order - 1)
    basis = np.zeros((order, len(grid)))
    basis[0] = np.sqrt(mass / total)
    for k in range(order):
        diagonal[k] = basis[k] @ (grid * basis[k])
        if k + 1 < order:
            new = grid * basis[k]
            # Full orthogonalisation, twice: plain Lanczos loses the basis after some twenty steps.
            for _ in range(2):
                new = new - basis[: k + 1].T @ (basis[: k + 1] @ new)
            off[k] = np.linalg.norm(new)
            basis[k + 1] = new / off[k]
    jacobi = np.diag(diagonal) + np.diag(off, 1) + np.diag(off, -1)
    values, vectors = np.linalg.eigh(jacobi)
    return values, total * vectors[0] ** 2
