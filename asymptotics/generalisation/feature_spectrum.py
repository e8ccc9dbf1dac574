r"""Singular values of the features after one giant step: a bulk, and spikes that carry powers of the learned direction.

Two ways. ``bulk = "conditional"`` (default after a step of one learned direction): the conditional equations at negative
penalties, :mod:`asymptotics.generalisation.finite.conditional_spectrum`; they hold the growth of |w| and a bulk whose
variance depends on the learned coordinate. ``bulk = "initial"``: the bulk of the network before the step, as follows.

F_μi = σ(⟨w_i, z_μ⟩), n2 × p, independent rows at initialisation; the step moves w_i by eta ã_i c_1 β, β = (1/n) Σ y z. To
leading order F = F_0 + Σ_k (c_k/k!) (eta c_1)^k ⟨β, z⟩^k ãᵀ^k, of size eta^k: spike k leaves the bulk where the step is
large enough. At finite strength, with X, g ~ N(0, 1), A ~ ã and h_m the orthonormal Hermite polynomials,

    H[m, A] = E_{X,g} σ(g + eta c_1 |β| A X) h_m(X),

singular values s outside the bulk are those where an eigenvalue of s² A_V A_U^{1/2} H Hᵀ A_U^{1/2} equals 1. They are
parametrised by ν < 0: with D1(ν) = Σ_m N_m λ_m/(λ_m + ν) + τ/ν over the harmonics of the features,

    s² = −p (n2 − D1)(1 − D1/p) ν,   A_U(m) = −ν/((λ_m + ν) p ν (1 − D1/p)),   A_V = (p − D1)/s².

The edge of the bulk is where s² is stationary. Symmetric initialisation: p' = p/2 rows, s = √2 times theirs, and columns
of H combined to even and odd ones of a pair; odd ones see no bulk: (p' − D1) H_e H_eᵀ + p' H_o H_oᵀ.
Powers and asymptotic count: Moniri, Lee, Hassani, Dobriban, arXiv:2310.07891; the resummed places rest on the
deterministic equivalent of the harmonics and on simulation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.activations import Activation
from asymptotics.expectations.target_rule import rule_of
from asymptotics.experiment.settings import Network, Ridge, Training
from asymptotics.floating import own_floating_state
from asymptotics.generalisation.finite import conditional_spectrum
from asymptotics.generalisation.initial_bulk import Bulk as _Bulk
from asymptotics.generalisation.initial_bulk import (
    asymptotic_places,
    degree_of_features,
    transfer,
    window_count,
)
from asymptotics.generalisation.initial_bulk import outliers as _outliers
from asymptotics.generalisation.spiked.target_moments import moments_at_start
from asymptotics.json_values import plain
from asymptotics.learning.giant.low_orders import without_orders
from asymptotics.learning.giant.one_step import hermite_tensor
from asymptotics.learning.natural_units import natural_units
from asymptotics.results import ErrorBudget, Validity
from hermite.bibliography import bibtex
from hermite.errors import ConvergenceError, InputError
from hermite.frozen import Frozen
from hermite.target import Target, as_target

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = npt.NDArray[np.float64]

#: By how much the part of the gradient that is not included moves spikes, at most.
_LEFT_OUT = 0.08
#: The same where the bulk is that after the step.
_CONDITIONAL = 0.03
#: The edge of the bulk before a step, at n2 and p of some hundreds.
_UNTRAINED = 0.015
#: Places of spikes are bisected to this.
_CROSSING = 1e-9
#: Weights grow in a step: a bulk that is narrower than this part of the one before is none.
_NARROWER = 0.8
_HERE = "The spectrum after one step"
#: Of coefficients beside the root of E f²: no more than rounding.
_ROUNDING = 1e-9
#: For z1 + z1 z2 + He2(z2), relu, eta = 2 networks had values of 84 and 74 beyond an edge of 56 that no spike told.
_BEYOND = (
    " Directions of the target's second-order term other than the learned one are not included: the step stretches weights along "
    "them, which may put more spikes beyond this edge."
)


@dataclass(frozen=True, eq=False)
class FeatureSpectrum(Frozen):
    """The singular values of F − c_0 (n2 × p) after ``step`` giant steps (0 or 1).

    ``edge``          upper edge of the bulk
    ``spikes``        singular values above it, downwards
    ``features``      (spikes, K + 1): squared weights of each spike's left vector on h_0..h_K(⟨β, z⟩/|β|) (they sum to 1)
    ``carries``       the same in words, one a spike
    ``bulk``          "conditional" or "initial": where edge and spikes come from
    ``density``       (2, points): places s and singular values per unit of s in the bulk; None where it was not followed
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
    bulk: str = "initial"
    density: Array | None = None

    @property
    def carries(self) -> tuple[str, ...]:
        """What each spike carries, in words: the powers of the learned direction that hold most of its left vector."""
        return tuple(map(in_words, self.features))

    @property
    def citations(self) -> str:
        """BibTeX of the papers that its theory is from."""
        return bibtex(("moniri2024theory", "cui2024asymptotics"))

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
            {name: getattr(self, name) for name in names}
            | {"error": self.error.to_dict(), "carries": self.carries}
        )
        if self.simulated is not None:
            out["simulated"] = [float(s) for s in self.simulated[:20]]
        return out

    def plot(self, ax: Axes | None = None) -> Axes:
        """Histogram of the simulated singular values, edge and spikes as lines; returns the Axes."""
        from asymptotics.figures.spectrum_figure import plot_spectrum

        return plot_spectrum(self, ax)


@own_floating_state
def spectrum(
    f: Target | str,
    network: Network | None = None,
    training: Training | None = None,
    ridge: Ridge | None = None,
    *,
    bulk: str = "auto",
) -> FeatureSpectrum:
    """Edge and spikes of the features of ``network`` after 0 or 1 giant steps, at ``ridge.d``, n2 = α d and p = β d.

    ``bulk``: "conditional" (the bulk as the step leaves it), "initial" (as it was), or "auto": conditional after a step,
    unless its equations can't be followed. Raises ``InputError`` for biases, several steps, or a batch exponent other than 1.

    >>> from hermite import Target
    >>> net = Network("tanh(x + 7/10)", initialisation="independent")
    >>> found = spectrum(Target("z1"), net, Training(1, 4.0, 40.0), Ridge(3.0, 2.0, d=300))
    >>> len(found.spikes) >= 1 and bool(found.spikes[0] > found.edge)
    True
    """
    network, training, ridge = network or Network(), training or Training(), ridge or Ridge()
    _refuse(network, training, ridge, bulk)
    d = int(ridge.d or 0)
    n2, p = ridge.n2(d), ridge.p(d, symmetric=network.is_symmetric)
    # Labels and readouts of any size; the power of n2 that a step is, too, is that of eta where these are of order 1.
    units = natural_units(as_target(f), network, training, readout_is_replaced=True)
    f, network, training = units.target, units.network, units.training
    sigma = network.get_activation()
    seen = without_orders(f, tuple(training.remove_orders))
    _, c1_target, energy = moments_at_start(seen)
    n = training.n(d) if training.steps else None
    signal = float(np.linalg.norm(c1_target))
    size = 0.0 if n is None else math.sqrt(signal**2 + (energy + f.noise) * d / n)
    strength = training.eta * sigma.coefficient(1) * size if n is not None else 0.0
    values, weights = network.readout_atoms(24)
    given = f, network, training, d, n2, p
    found = None if n is None or bulk == "initial" else _conditional(*given, strict=bulk == "conditional")
    places = found or _initial(sigma, strength if n is not None else 0.0, network, d, n2, p, n is not None)
    beyond = _BEYOND if n is not None and _turns_elsewhere(seen, c1_target, energy, sigma) else ""
    return FeatureSpectrum(
        step=training.steps,
        n=n,
        n2=n2,
        p=p,
        d=d,
        edge=places.edge,
        spikes=places.spikes,
        features=places.features,
        direction=size * units.label,
        overlap=signal / size if size else 0.0,
        asymptotic=asymptotic_places(sigma, strength, n2, p, values, weights)
        if n is not None
        else np.zeros(0),
        window_count=window_count(sigma, training.eta, n2, p, values) if n is not None else 0,
        validity=Validity.LEADING_ORDER,
        validity_note=f"One constant c_0 is subtracted from the features. {places.note}{beyond}",
        error=_error(seen, places, trained=n is not None),
        bulk=places.bulk,
        density=places.density,
    )


def _turns_elsewhere(f: Target, c1: Array, energy: float, sigma: Activation) -> bool:
    """Whether C_2 acts off the direction that one step learns, beyond the rounding of f, and features see that by c_2."""
    tensor = hermite_tensor(f, 2)
    if not sigma.coefficient(2):
        return False
    size = float(np.linalg.norm(c1))
    along = np.outer(c1, c1) / size**2 if size > 0 else np.zeros_like(tensor)
    return float(np.linalg.norm(tensor - along @ tensor @ along)) > _ROUNDING * math.sqrt(energy)


def _error(f: Target, places: _Places, *, trained: bool) -> ErrorBudget:
    """Averages enter places squared; before a step the harmonics are those of the network itself."""
    own = rule_of(f).error if trained else 0.0
    return ErrorBudget(own + places.averages, _CROSSING, places.theory if trained else _UNTRAINED)


@dataclass(frozen=True)
class _Places:
    """What one of the two ways gives; ``averages``: relative error of its integrals."""

    edge: float
    spikes: Array
    features: Array
    density: Array | None
    bulk: str
    theory: float
    note: str
    averages: float


def _conditional(
    f: Target, network: Network, training: Training, d: int, n2: int, p: int, *, strict: bool
) -> _Places | None:
    """The conditional way; None (or the error, if ``strict``) where it has no solution."""
    from asymptotics.generalisation.finite.trained_units import spectral_features
    from asymptotics.learning.laws import learned_features

    sigma = network.get_activation()
    try:
        actual = replace(training, alpha=training.n(d) / d)
        layer = learned_features(f, replace(network, width="infinite"), actual)
        x, features = spectral_features(sigma, layer, d)
        c = conditional_spectrum.without_mean(features, sigma.coefficient(0))
        found = conditional_spectrum.bulk_and_spikes(c, n2, p)
        rows, stretch = (p // 2, math.sqrt(2)) if network.is_symmetric else (p, 1.0)
        untrained = _Bulk(sigma, d, n2, rows)
        if found.edge < _NARROWER * stretch * math.sqrt(untrained.square(untrained.edge())):
            raise ConvergenceError(
                "The equations of the spectrum were lost above the bulk: training.eta is too large; use bulk = 'initial'."
            )
    except (InputError, ConvergenceError):
        if strict:
            raise
        return None
    shares = conditional_spectrum.hermite_shares(
        x[:, 0] if x.shape[1] else np.zeros(len(x)), c.weights, found.left, degree_of_features(sigma)
    )
    density = np.array(conditional_spectrum.bulk_density(c, n2, p, found))
    note = (
        "The bulk is that of the weights after the step; edge and spikes are 0.3 to 3 % off, and the largest value of the "
        "bulk lies 0.5 to 1.5 % below its edge at n2 of some hundreds."
    )
    return _Places(
        found.edge, found.spikes, shares, density if density.size else None, "conditional", _CONDITIONAL, note,
        features.error + layer.error,
    )  # fmt: skip


def _initial(
    sigma: Activation, strength: float, network: Network, d: int, n2: int, p: int, stepped: bool
) -> _Places:
    """The way of the initial bulk."""
    from asymptotics.generalisation.finite.trained_units import initial_features

    rows, stretch = (p // 2, math.sqrt(2)) if network.is_symmetric else (p, 1.0)
    bulk = _Bulk(sigma, d, n2, rows)
    edge_nu = bulk.edge()
    H, error = transfer(sigma, strength, *network.readout_atoms(24))
    alone = np.zeros((len(H), 0))
    if network.is_symmetric:
        # Atoms come in the order of their values: the opposite of the j-th is the j-th from the end.
        H, alone = (H + H[:, ::-1]) / 2, (H - H[:, ::-1]) / 2
    spikes, shares = _outliers(bulk, edge_nu, H, alone) if stepped else (np.zeros(0), np.zeros((0, len(H))))
    c = conditional_spectrum.without_mean(
        initial_features(sigma, d, pairs=network.is_symmetric), sigma.coefficient(0)
    )
    try:
        around = conditional_spectrum.bulk_and_spikes(c, n2, p)
        density = np.array(conditional_spectrum.bulk_density(c, n2, p, around, rank=rows))
    except ConvergenceError:
        density = np.zeros((2, 0))
    note = (
        "The part of the gradient that is no multiple of β is not included: it widens the bulk by the growth of |w|, and moves "
        "spikes by about 1 to 8 %."
    )
    edge = stretch * math.sqrt(bulk.square(edge_nu))
    return _Places(
        edge, stretch * spikes, shares, density if density.size else None, "initial", _LEFT_OUT, note,
        error + bulk.error,
    )  # fmt: skip


def in_words(shares: Array) -> str:
    """What a left vector with these squared weights on h_0, h_1, … carries: all parts of at least 15 %."""
    names = ("the mean", "the learned direction", "its square", "its cube")
    order = [int(k) for k in np.argsort(-shares) if shares[k] >= 0.15] or [int(np.argmax(shares))]
    named = [names[k] if k < len(names) else f"its power {k}" for k in order]
    if len(named) == 1:
        return named[0]
    return " and ".join(f"{name} ({100 * shares[k]:.0f} %)" for name, k in zip(named, order, strict=True))


def _refuse(network: Network, training: Training, ridge: Ridge, bulk: str) -> None:
    problems = []
    if bulk not in ("auto", "conditional", "initial"):
        problems.append(f'bulk must be "auto", "conditional" or "initial", not {bulk!r}.')
    if bulk == "conditional" and training.steps == 0:
        problems.append('bulk = "conditional" is about the bulk after a step, and training.steps is 0.')
    if ridge.d is None or math.isinf(ridge.beta):
        problems.append(f"{_HERE} needs ridge.d, the input dimension, and a finite ridge.beta.")
    if network.bias > 0:
        problems.append(f"{_HERE} covers network.bias = 0, not {network.bias:g}.")
    if training.steps and not (training.traits.fresh or training.traits.isotropic):
        problems.append(f'{_HERE} covers giant steps, not protocol = "{training.protocol}".')
    elif training.steps > 1:
        problems.append(f"{_HERE} covers 0 and 1 giant steps, not {training.steps}.")
    if training.batch_exponent != 1 or 1 in training.remove_orders:
        problems.append(f"{_HERE} covers batch_exponent = 1 and remove_orders [] or [0].")
    if problems:
        raise InputError(problems)
