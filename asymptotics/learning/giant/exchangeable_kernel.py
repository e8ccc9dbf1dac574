"""K_ij = E[(f* − f)² σ'_i σ'_j] of networks of a few kinds of exchangeable neurons, at any width and without sampling.

Let C_gh be the covariance of the remainders of two different units (a neuron and its twin) of kinds g and h. Where C is a
covariance, h_i = M_i·x + b_i + c_i·e + own, with e ~ N(0, I) common to all, c cᵀ = C, and what is a unit's own is
independent between units. Given (x, e) the output is a sum of independent terms T_u, one a unit: with δ̄ = f* − Σ_u E T_u
and V = Σ_u Var T_u, two members i, j of different units A, B have

    E[δ² σ'_i σ'_j] = (m² + V_AB) E σ'_i E σ'_j + E[T_A² σ'_i] E σ'_j + E σ'_i E[T_B² σ'_j] + 2 E[T_A σ'_i] E[T_B σ'_j]
                      − 2 m (E[T_A σ'_i] E σ'_j + E σ'_i E[T_B σ'_j]),

m = δ̄ + E T_A + E T_B, V_AB = V − Var T_A − Var T_B; members of one unit A have

    E[δ² σ'_i σ'_j] = (m² + V_A) E[σ'_i σ'_j] − 2 m E[T_A σ'_i σ'_j] + E[T_A² σ'_i σ'_j].

All moments are those of one or two fields; the width enters as a number. The part E[f*² σ'_i σ'_j]
is taken given x alone, where it is closed: nothing else is left as long as the output of the network is zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.activations import Activation
from asymptotics.expectations.target_rule import target_rule
from asymptotics.learning.giant.fields import Resolution, field_rule
from asymptotics.learning.giant.noise_kernel import Student
from asymptotics.learning.giant.orbits import Orbits, orbits_of, slopes_given_target
from hermite.target import Target

Array = npt.NDArray[np.float64]

#: Kinds of neurons up to which the common fields e are few enough.
_MOST_KINDS = 4
_CHUNK = 1 << 20
#: Eigenvalues of C above minus this, relative to the largest entry of Q, are rounding errors.
_ROUNDING = 1e-10


@dataclass(frozen=True)
class Exchangeable:
    """The law of the fields by kinds of neurons k = 0..K−1.

    ``first`` (K,) a neuron of each kind, ``common`` (K, m) its components c on e, ``own2`` (K,) the variance of its own
    part, ``twin`` (K,) the kind of its twin and ``shared`` (K,) the covariance of its own part with the twin's.
    """

    student: Student
    orbits: Orbits
    kind: npt.NDArray[np.intp]
    first: npt.NDArray[np.intp]
    common: Array
    own2: Array
    twin: npt.NDArray[np.intp]
    shared: Array

    @property
    def coupled(self) -> bool:
        """Whether twins are correlated beyond what all neurons share: then a unit is a pair."""
        return bool(np.abs(self.shared).max() > 1e-12 * self.own2.max())

    @property
    def units(self) -> list[tuple[int, ...]]:
        """The kinds of the members of each kind of unit."""
        if not self.coupled:
            return [(k,) for k in range(len(self.first))]
        return [(k, int(t)) for k, t in enumerate(self.twin) if k <= t]

    def count(self, unit: tuple[int, ...]) -> int:
        """How many such units there are."""
        size = int(np.sum(self.kind == unit[0]))
        return size // 2 if len(unit) == 2 and unit[0] == unit[1] else size


def exchangeable(student: Student) -> Exchangeable | None:
    """The law by kinds; None for too many kinds, kinds of a single unit, or a C that is no covariance."""
    p, orbits = len(student.readout), orbits_of(student)
    kind = orbits.kind
    if kind is None or kind.max() >= _MOST_KINDS:
        return None
    R, place = student.remainder, np.arange(p)
    first = np.array([np.argmax(kind == k) for k in range(kind.max() + 1)])
    C = np.zeros((len(first), len(first)))
    for k, i in enumerate(first.tolist()):
        others = (place != i) & (place != p - 1 - i)
        for other in range(len(first)):
            met = np.flatnonzero(others & (kind == other))
            if not len(met):
                return None
            C[k, other] = R[i, met[0]]
    values, vectors = np.linalg.eigh(C)
    if values[0] < -_ROUNDING * np.abs(student.Q).max():
        return None
    keep = values > _ROUNDING * np.abs(student.Q).max()
    own2 = np.diag(R)[first] - np.diag(C)
    if own2.min() <= 0:
        return None
    twin = kind[p - 1 - first]
    shared = R[first, p - 1 - first] - C[np.arange(len(first)), twin]
    if np.any(first == p - 1 - first):
        return None
    common = vectors[:, keep] * np.sqrt(values[keep])
    return Exchangeable(student, orbits, kind, first, common, own2, twin, shared)


@dataclass(frozen=True)
class UnitMoments:
    """Of a unit of B members, given the common fields at N nodes; T its output, S = σ' of a member."""

    mean: Array  # (N,)   E T
    variance: Array  # (N,)   Var T
    slope: Array  # (B, N) E S
    once: Array  # (B, N) E T S
    twice: Array  # (B, N) E T² S
    slopes: Array  # (B, B, N) E S S'
    once_both: Array  # (B, B, N) E T S S'
    twice_both: Array  # (B, B, N) E T² S S'


def exchangeable_kernel(f: Target, activation: Activation, law: Exchangeable, refine: float = 1.0) -> Array:
    """K (p, p) without label noise."""
    student, units = law.student, law.units
    at = {k: (u, b) for u, unit in enumerate(units) for b, k in enumerate(unit)}
    counts = [law.count(unit) for unit in units]
    M, bias = student.M[law.first], student.bias[law.first]
    total = np.zeros(len(law.orbits.pairs))
    for x, w in field_rule(f, law.common, np.sqrt(law.own2), Resolution(refine)):
        mu = M @ x[:, : f.r].T + law.common @ x[:, f.r :].T + bias[:, None]
        found = [_moments(activation, law, unit, mu, refine) for unit in units]
        values = f(x[:, : f.r])
        centre = values - np.sum([n * u.mean for n, u in zip(counts, found, strict=True)], axis=0)
        variance = np.sum([n * u.variance for n, u in zip(counts, found, strict=True)], axis=0)
        for label, (i, j) in enumerate(law.orbits.pairs.tolist()):
            A, a = at[int(law.kind[i])]
            B, b = at[int(law.kind[j])]
            if i == j or (law.coupled and i + j == len(law.kind) - 1):
                other = a if i == j else 1 - a
                part, slopes = _within(found[A], a, other, centre, variance), found[A].slopes[a, other]
            else:
                part = _between(found[A], a, found[B], b, centre, variance)
                slopes = found[A].slope[a] * found[B].slope[b]
            total[label] += w @ (part - values**2 * slopes)
    x, w = target_rule(f, refine)
    total += slopes_given_target(activation, student, law.orbits, x, w * f(x) ** 2)
    return law.orbits.spread(total)


def _within(unit: UnitMoments, a: int, b: int, centre: Array, variance: Array) -> Array:
    """E[δ² σ'_a σ'_b] of two members of one unit, or of one member with itself."""
    m = centre + unit.mean
    rest = m**2 + variance - unit.variance
    part: Array = rest * unit.slopes[a, b] - 2 * m * unit.once_both[a, b] + unit.twice_both[a, b]
    return part


def _between(A: UnitMoments, a: int, B: UnitMoments, b: int, centre: Array, variance: Array) -> Array:
    """E[δ² σ'_a σ'_b] of members of two units."""
    m = centre + A.mean + B.mean
    rest = m**2 + variance - A.variance - B.variance
    part: Array = (
        rest * A.slope[a] * B.slope[b]
        - 2 * m * (A.once[a] * B.slope[b] + A.slope[a] * B.once[b])
        + A.twice[a] * B.slope[b]
        + A.slope[a] * B.twice[b]
        + 2 * A.once[a] * B.once[b]
    )
    return part


def _moments(
    activation: Activation, law: Exchangeable, unit: tuple[int, ...], mu: Array, refine: float
) -> UnitMoments:
    """The moments of ``unit`` at means ``mu`` (K, N), by quadrature over its own fields."""
    readout = law.student.readout[law.first[list(unit)]] / len(law.student.readout)
    scale = np.sqrt(law.own2[list(unit)])
    rho = 0.0 if len(unit) == 1 else float(np.clip(law.shared[unit[0]] / np.prod(scale), -1, 1))
    parts: list[list[Array]] = []
    rows = max(1, _CHUNK // _points(activation, scale, rho, len(unit), refine))
    for start in range(0, mu.shape[1], rows):
        means = mu[list(unit), start : start + rows]
        fields, weight = _own_fields(activation, means, scale, rho, refine)
        output = sum(a * activation(h) for a, h in zip(readout, fields, strict=True))
        slopes = [activation.derivative(h) for h in fields]
        powers = [weight, weight * output, weight * output**2]
        single = [[np.sum(q * s, axis=1) for s in slopes] for q in powers]
        double = [[[np.sum(q * s * t, axis=1) for t in slopes] for s in slopes] for q in powers]
        mean = np.sum(powers[1], axis=1)
        second = np.sum(powers[2], axis=1)
        parts.append([mean, second - mean**2, *map(np.array, single), *map(np.array, double)])
    return UnitMoments(*(np.concatenate(part, axis=-1) for part in zip(*parts, strict=True)))


def _own_fields(
    activation: Activation, means: Array, scale: Array, rho: float, refine: float
) -> tuple[list[Array], Array]:
    """Fields (N, Z) of the members and weights (N, Z)."""
    u, w = _line_rule(activation, means[0], float(scale[0]), refine)
    fields = [means[0][:, None] + scale[0] * u]
    if len(means) == 1:
        return fields, w
    centre = means[1][:, None] + rho * scale[1] * u
    rest = scale[1] * float(np.sqrt(max(0.0, (1 - rho) * (1 + rho))))
    if rest < 1e-7 * scale[1]:
        return [fields[0], centre], w
    t, v = _line_rule(activation, centre.ravel(), rest, refine)
    shape = (*u.shape, t.shape[1])
    other = centre[..., None] + rest * t.reshape(shape)
    weight = w[..., None] * v.reshape(shape)
    first = np.broadcast_to(fields[0][..., None], shape)
    return [h.reshape(len(u), -1) for h in (first, other)], weight.reshape(len(u), -1)


def _line_rule(activation: Activation, m: Array, s: float, refine: float) -> tuple[Array, Array]:
    """Nodes and weights (N, Z) of the normal law for functions of m + s ζ; m (N,)."""
    # Fewer nodes than full accuracy takes: about 1e-4 at 0.3, 1e-6 at 0.6, 1e-12 from 1 on.
    finer = round(6 * min(refine, 1.2) - 6)
    nodes, weights = activation.row_rule(m[:, None], np.full((len(m), 1), s), finer, 4.5)
    shape = (len(m), nodes.shape[1])
    return np.broadcast_to(nodes, shape), np.broadcast_to(weights, shape)


def _points(activation: Activation, scale: Array, rho: float, members: int, refine: float) -> int:
    """Nodes a mean, about."""
    line = _line_rule(activation, np.zeros(1), float(scale.max()), refine)[0].shape[1]
    return int(line ** (2 if members == 2 and abs(rho) < 1 else 1))
