r"""Singular values of the features after one giant step: a bulk, and spikes that carry powers of the learned direction.

Three ways. ``bulk = "conditional"``: the conditional equations at negative penalties,
:mod:`asymptotics.generalisation.finite.conditional_spectrum`; they hold the growth of |w| and a bulk whose variance depends on
the learned coordinate. ``bulk = "stretched"``: the same with rows that are not isotropic off the learned direction, for the
batch has stretched them, :mod:`asymptotics.generalisation.finite.stretched_units`; more spikes come of that. Default: the
second where it tells more than the first. ``bulk = "initial"``: the bulk of the network before the step, as follows.

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
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from asymptotics.error_budget import ErrorBudget, Validity
from asymptotics.expectations.target_rule import rule_of
from asymptotics.experiment.settings import Network, Ridge, Training
from asymptotics.floating import own_floating_state
from asymptotics.generalisation.finite.conditional_spectrum import CROSSING
from asymptotics.generalisation.initial_bulk import asymptotic_places, window_count
from asymptotics.generalisation.spectrum_places import (
    Setting,
    direction_of,
    initial_places,
    strength_of,
)
from asymptotics.generalisation.spectrum_ways import places_after_a_step
from asymptotics.generalisation.spiked.target_moments import moments_at_start
from asymptotics.json_values import plain
from asymptotics.learning.giant.low_orders import without_orders
from asymptotics.learning.natural_units import natural_units
from hermite.bibliography import bibtex
from hermite.errors import InputError
from hermite.frozen import Frozen
from hermite.target import Target, as_target

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = npt.NDArray[np.float64]

#: From this part in the target's space on, a stretched direction is one of its second-order term.
_IN_TARGET = 0.15
_HERE = "The spectrum after one step"


@dataclass(frozen=True, eq=False)
class FeatureSpectrum(Frozen):
    """The singular values of F − c_0 (n2 × p) after ``step`` giant steps (0 or 1).

    ``edge``          upper edge of the bulk
    ``spikes``        singular values above it, downwards
    ``features``      (spikes, K + 1): squared weights of each spike's left vector on h_0..h_K(⟨β, z⟩/|β|)
    ``off``           (spikes,): what is left of 1, on inputs off the learned direction
    ``on_target``     (spikes, r): squared components on the target's directions of the direction that most of this part has
    ``carries``       the same in words, one a spike
    ``bulk``          "conditional", "stretched" or "initial": where edge and spikes come from
    ``spread``        (spikes,): standard deviation of a place from network to network by the batch of the step; None: not known
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
    off: Array = field(default_factory=lambda: np.zeros(0))
    on_target: Array = field(default_factory=lambda: np.zeros((0, 0)))
    spread: Array | None = None

    @property
    def carries(self) -> tuple[str, ...]:
        """What each spike carries, in words: the powers of the learned direction that hold most of its left vector."""
        if not np.any(self.off):
            return tuple(map(in_words, self.features))
        return tuple(map(in_words, self.features, self.off, np.sum(self.on_target, axis=1)))

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

    ``bulk``: "conditional" (the bulk as the step leaves it, rows isotropic off the learned direction), "stretched" (rows as
    drawn batches stretch them), "initial" (as it was), or "auto": after a step stretched where that finds spikes off the learned
    direction or another edge, else conditional; initial where neither can be followed. Raises ``InputError`` for biases,
    several steps, or a batch exponent other than 1.

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
    c1_target = moments_at_start(seen)[1]
    n = training.n(d) if training.steps else None
    values, weights = network.readout_atoms(24)
    setting = Setting(f, seen, network, training, d, n2, p, n)
    places = initial_places(setting) if n is None else places_after_a_step(setting, bulk)
    signal, size, strength = float(np.linalg.norm(c1_target)), direction_of(setting), strength_of(setting)
    own = rule_of(seen).error if n is not None else 0.0
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
        validity_note=f"One constant c_0 is subtracted from the features. {places.note}",
        # Averages of the target enter places squared; before a step the harmonics are those of the network itself.
        error=ErrorBudget(own + places.averages, CROSSING, places.theory),
        bulk=places.bulk,
        density=places.density,
        off=places.off,
        on_target=places.on_target,
        spread=places.spread,
    )


def in_words(shares: Array, off: float = 0.0, on_target: float = 0.0) -> str:
    """What a left vector with these squared weights on h_0, h_1, … carries: all parts of at least 15 %.

    ``off``: the part off the learned direction, in a direction of which ``on_target`` lies in the target's space.
    """
    if off > np.max(shares):
        if on_target < _IN_TARGET:
            return "inputs with large labels in the batch (its noise stretches the weights)"
        return (
            f"a direction of the target's second-order term ({100 * on_target:.0f} % in the target's space)"
        )
    names = ("the mean", "the learned direction", "its square", "its cube")
    order = [int(k) for k in np.argsort(-shares) if shares[k] >= 0.15] or [int(np.argmax(shares))]
    named = [names[k] if k < len(names) else f"its power {k}" for k in order]
    if len(named) == 1:
        return named[0]
    return " and ".join(f"{name} ({100 * shares[k]:.0f} %)" for name, k in zip(named, order, strict=True))


def _refuse(network: Network, training: Training, ridge: Ridge, bulk: str) -> None:
    problems = []
    if bulk not in ("auto", "conditional", "stretched", "initial"):
        problems.append(f'bulk must be "auto", "conditional", "stretched" or "initial", not {bulk!r}.')
    if bulk in ("conditional", "stretched") and training.steps == 0:
        problems.append(f'bulk = "{bulk}" is about the bulk after a step, and training.steps is 0.')
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
