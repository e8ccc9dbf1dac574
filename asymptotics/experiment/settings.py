"""Network, Training, Ridge, Simulation: one point of an experiment as typed, validated data.

Building any of them with bad values raises one ``InputError`` that lists every problem. Letters: docs/conventions.md.

A giant step on n = alpha d^ℓ samples (ℓ = ``batch_exponent``), and the ridge fit on n2 = alpha d fresh ones of p = beta d
neurons:

    w_i += eta d^((ℓ−1)/2) ã_i (1/n) Σ (y − f) σ'(⟨w_i,z⟩) z,        min_a Σ_μ (y_μ − f(z_μ))² + lambda ‖a‖².
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from asymptotics.experiment import schema
from asymptotics.experiment.protocol_keys import PROTOCOLS, ProtocolTraits, protocol_problems
from asymptotics.experiment.ridge_words import Level, Regime
from asymptotics.experiment.schema import Rule
from hermite.errors import InputError

if TYPE_CHECKING:
    from asymptotics.expectations.activations import Activation

Array = npt.NDArray[np.float64]

_POSITIVE = schema.number(0.0, open_end=True)
_SIZE = schema.integer(1)
#: Fourth powers of the fields must be numbers.
_MOST_BIAS = 1e60

NETWORK_RULES = {
    "activation": Rule(schema.activation, "a name, an expression in x or a callable"),
    "readout": Rule(schema.readout_law, '"rademacher", "gaussian" or a list of [value, weight]'),
    "bias": Rule(schema.number(0.0), "a finite number of at least 0"),
    "initialisation": Rule(schema.choice("symmetric", "independent"), '"symmetric" or "independent"'),
    "width": Rule(schema.width, '"infinite" or a whole number of at least 1'),
}
TRAINING_RULES = {
    "steps": Rule(schema.integer(0), "a whole number of at least 0", grid=True),
    "alpha": Rule(_POSITIVE, "a finite number greater than 0", grid=True),
    "eta": Rule(_POSITIVE, "a finite number greater than 0", grid=True),
    "batch_exponent": Rule(schema.number(0.0), "a finite number of at least 0"),
    "remove_orders": Rule(schema.removed_orders, "[], [0] or [0, 1]"),
    "protocol": Rule(schema.choice(*PROTOCOLS), schema.choices(PROTOCOLS)),
    "weight_decay": Rule(schema.number(0.0), "a finite number of at least 0"),
    "rate_exponent": Rule(schema.rate_exponent, '"auto" or a finite number of at least 0'),
    "step": Rule(schema.optional(_POSITIVE), "a finite number greater than 0"),
    "loss": Rule(schema.choice("square", "correlation"), '"square" or "correlation"'),
    "projection": Rule(schema.choice("projected", "spherical", "free"), '"projected", "spherical" or "free"'),
    "start": Rule(schema.start, '"random" or a table {overlap = [[...]], gram = [[...]]} of p rows'),
    "time": Rule(schema.times, "a list of rising numbers of at least 0"),
    "dynamics": Rule(
        schema.choice("auto", "recursion", "ode", "langevin"), '"auto", "recursion", "ode" or "langevin"'
    ),
    "threshold": Rule(schema.number(0.0, open_end=True, below=1.0), "a number above 0 and below 1"),
}
RIDGE_RULES = {
    "alpha": Rule(_POSITIVE, "a finite number greater than 0", grid=True),
    "beta": Rule(
        schema.number(0.0, open_end=True, infinite=True),
        "a number greater than 0 (inf: kernel ridge)",
        grid=True,
    ),
    "lambda": Rule(schema.number(0.0), "a finite number of at least 0", grid=True),
    "d": Rule(schema.optional(_SIZE), "a whole number of at least 1"),
    "regime": Rule(schema.choice(*map(str, Regime)), schema.choices(Regime)),
    "level": Rule(schema.choice(*map(str, Level)), schema.choices(Level)),
    "accuracy": Rule(schema.optional(schema.number(0.0)), "a finite number of at least 0"),
    "loss": Rule(
        schema.choice("square", "logistic", "hinge", "huber"), '"square", "logistic", "hinge" or "huber"'
    ),
}
SIMULATION_RULES = {
    "method": Rule(schema.choice("direct", "reduced"), '"direct" or "reduced"'),
    "d": Rule(_SIZE, "a whole number of at least 1", grid=True),
    "width": Rule(_SIZE, "a whole number of at least 1"),
    "replicates": Rule(_SIZE, "a whole number of at least 1"),
    "test_samples": Rule(_SIZE, "a whole number of at least 1"),
    # As much entropy as NumPy's ``SeedSequence().entropy`` has, and more.
    "seed": Rule(schema.integer(0, 2**512), "a whole number of at least 0, below 2^512"),
    "backend": Rule(schema.choice("numpy", "torch"), '"numpy" or "torch"'),
    "device": Rule(schema.text, 'the name of a device, such as "cpu" or "cuda"'),
    "dtype": Rule(schema.choice("float32", "float64"), '"float32" or "float64"'),
    "memory": Rule(schema.memory_bytes, 'a size such as "1 GB" or "512 MiB"'),
    "threads": Rule(_SIZE, "a whole number of at least 1"),
}


def _settle(
    table: str, table_rules: Mapping[str, Rule], settings: Any, names: Mapping[str, str] = {}
) -> None:
    """Validate a frozen dataclass in place; ``names`` maps a field to its key where the two differ."""
    problems: list[str] = []
    keys = {names.get(f.name, f.name): f.name for f in fields(settings)}
    values = {key: getattr(settings, name) for key, name in keys.items()}
    good = schema.check(table, table_rules, values, problems)
    if table == "network":
        problems += network_problems(good)
    if problems:
        raise InputError(problems)
    for key, value in good.items():
        object.__setattr__(settings, keys[key], value)


def network_problems(values: Mapping[str, Any]) -> list[str]:
    """What the keys of [network], each fine alone, do wrong together."""
    problems: list[str] = []
    if values.get("bias", 0.0) > _MOST_BIAS:
        problems.append(f"network.bias must be at most {_MOST_BIAS:g}, not {values['bias']:g}.")
    if values.get("initialisation") != "symmetric":
        return problems
    width, readout = values.get("width", "infinite"), values.get("readout", "rademacher")
    if isinstance(width, int) and width % 2:
        problems.append(
            f'network.width must be even with initialisation = "symmetric", not {width} '
            '(neurons come in pairs; "independent" takes any width).'
        )
    if not isinstance(readout, str):
        weights = dict(readout)
        if any(not math.isclose(w, weights.get(-a, 0.0), rel_tol=1e-6) for a, w in readout):
            problems.append(
                "network.readout must be a law symmetric under a sign change with "
                'initialisation = "symmetric" (use "independent" for another law).'
            )
    return problems


@dataclass(frozen=True)
class Network:
    """f(z) = (1/p) Σ_i ã_i σ(⟨w_i,z⟩ + b_i), w_i uniform on the unit sphere.

    ``activation``      σ: a name, an expression in x, a callable or an ``Activation``
    ``readout``         law of ã: "rademacher", "gaussian" or atoms ((value, weight), …)
    ``bias``            standard deviation of the random, untrained biases b_i
    ``initialisation``  "symmetric" (w_i = w_{p−1−i}, ã_i = −ã_{p−1−i}: first output 0) or "independent"
    ``width``           for overlaps: "infinite" (many neurons) or p

    Raises ``InputError`` with every problem at once.

    >>> Network(readout=[[1.0, 0.5], [-1.0, 0.5]]).finite_readout(4)
    array([ 1.,  1., -1., -1.])
    """

    activation: Any = "relu"
    readout: Any = "rademacher"
    bias: float = 0.0
    initialisation: str = "symmetric"
    width: Any = "infinite"

    def __post_init__(self) -> None:
        _settle("network", NETWORK_RULES, self)

    @property
    def is_symmetric(self) -> bool:
        """Whether neurons come in pairs of equal weights and opposite readouts."""
        return self.initialisation == "symmetric"

    def get_activation(self) -> Activation:
        """The ``Activation`` that ``activation`` names."""
        from asymptotics.expectations.activations import get_activation

        return get_activation(self.activation)

    def readout_atoms(self, nodes: int = 32) -> tuple[Array, Array]:
        """(values, weights) of ã, values downwards; a Gaussian by ``nodes`` Gauss–Hermite points."""
        if self.readout == "gaussian":
            x, w = np.polynomial.hermite_e.hermegauss(nodes)
            return x[::-1].copy(), w[::-1] / w.sum()
        if self.readout == "rademacher":
            return np.array([1.0, -1.0]), np.array([0.5, 0.5])
        values, weights = zip(*self.readout, strict=True)
        return np.array(values), np.array(weights)

    def readout_moment(self, order: int) -> float:
        """E[ã^order] (exact for the Gaussian law up to order 63)."""
        values, weights = self.readout_atoms()
        return float(weights @ values**order)

    def finite_readout(self, p: int) -> Array:
        """ã of p neurons, values downwards, shape (p,): atoms by largest remainder, a Gaussian by its
        quantiles at (i − ½)/p.

        Symmetric initialisation: neurons i and p−1−i are opposite, the first half is the positive one, and p
        must be even.
        """
        if p < 1 or (self.is_symmetric and p % 2):
            kind = "an even number" if self.is_symmetric else "a whole number"
            raise InputError(f"p must be {kind} of neurons, at least 1, not {p}.")
        if self.readout == "gaussian":
            from scipy.special import ndtri

            upper: Array = -ndtri((np.arange(p // 2) + 0.5) / p)
            return np.concatenate([upper, np.zeros(p % 2), -upper[::-1]])
        values, weights = self.readout_atoms()
        if not self.is_symmetric:
            return np.repeat(values, _largest_remainder(weights, p))
        # A pair holds (|ã|, −|ã|): the first half follows the law of |ã|.
        half = values >= 0
        folded = np.where(values[half] > 0, 2 * weights[half], weights[half])
        first = np.repeat(values[half], _largest_remainder(folded, p // 2))
        return np.concatenate([first, -first[::-1]]) + 0.0


def _largest_remainder(weights: Array, total: int) -> npt.NDArray[np.intp]:
    """Whole numbers that sum to ``total``, as close as can be to weights · total; ties go to the first."""
    # Rounding the shares keeps 0.1 + 0.2 + 0.7 from deciding a tie by its last bit.
    share = np.round(weights * total, 9)
    count = np.floor(share).astype(np.intp)
    rest = np.argsort(count - share, kind="stable")[: total - int(count.sum())]
    count[rest] += 1
    return count


def _count(ratio: float, d: int, exponent: float, name: str) -> int:
    """round(ratio d^exponent), at least 1; refused where no machine could hold that many."""
    if d < 1:
        raise InputError(f"d must be a whole number of at least 1, not {d!r}.")
    if math.log(ratio) + exponent * math.log(d) > math.log(2.0**62):
        raise InputError(f"{name} must be below 2^62, not {ratio:g} * {d}^{exponent:g}.")
    return max(1, round(ratio * math.pow(d, exponent)))


@dataclass(frozen=True)
class Training:
    """``steps`` giant steps on n = alpha d^batch_exponent fresh samples each, at dimensionless rate ``eta``.

    ``protocol``     "giant" (a fresh batch a step), "reuse" (all steps on the same batch of n = alpha d samples) or "sgd"
                     (online, n_b = alpha d^batch_exponent fresh samples a step)
    ``weight_decay`` wd ("reuse"): w ← (1 − eta wd) w + the gradient's part

    Online SGD: w_i ← P(w_i + e ã_i (1/n_b) Σ δ σ'(⟨w_i,z⟩) z) with e = eta n_b d^(−q) in all units of eta.

    ``rate_exponent`` q; "auto": max(leap/2, 1), leap as the student sees it
    ``step``          e itself, in place of eta (needed where e would be capped)
    ``loss``          "square" (δ = y − f) or "correlation" (δ = y: the student predicts zero)
    ``projection``    P: "projected" (division by the norm), "spherical" (tangent gradient, then division) or "free"
    ``start``         "random" or (M⁰, Q⁰): rows of overlaps (p, r), and the Gram matrix (p, p) or None
    ``time``          report at these s = samples/d^max(leap − 1, 1) instead of at steps
    ``dynamics``      "recursion", "ode" or "auto" (the flow beyond 20,000 steps): the mean; "langevin": the law of the overlap
                      of one neuron with one direction, noise of the steps and random start included
    ``threshold``     overlap at which a direction counts as found, below 1

    ``remove_orders``: (), (0,) or (0, 1), subtracted from the labels batch by batch: m = mean(y), then
    B = (1/n) Z^T (y − m), y ← y − m − Z B.
    """

    steps: int = 1
    alpha: float = 4.0
    eta: float = 1.0
    batch_exponent: float = 1.0
    remove_orders: tuple[int, ...] = ()
    protocol: str = "giant"
    weight_decay: float = 0.0
    rate_exponent: Any = "auto"
    step: float | None = None
    loss: str = "square"
    projection: str = "projected"
    start: Any = "random"
    time: tuple[float, ...] = ()
    dynamics: str = "auto"
    threshold: float = 0.5

    def __post_init__(self) -> None:
        _settle("training", TRAINING_RULES, self)
        problems = protocol_problems(
            {f.name: getattr(self, f.name) for f in fields(self)}, {f.name: f.default for f in fields(self)}
        )
        if problems:
            raise InputError(problems)

    @classmethod
    def from_learning_rate(
        cls, lr: float, convention: str, *, p: int, d: int, alpha: float = 4.0, **settings: Any
    ) -> Training:
        """A training whose rate is ``lr`` in another ``convention`` (asymptotics.conventions) at p neurons and dimension d.

        >>> Training.from_learning_rate(50.0, "pytorch", p=100, d=50, steps=2).eta
        1.0
        """
        from asymptotics.conventions import eta

        bare = cls(alpha=alpha, **settings)
        exponent = bare.batch_exponent
        return replace(bare, eta=eta(lr, convention, p=p, d=d, n=bare.n(d), batch_exponent=exponent))

    def n(self, d: int) -> int:
        """Samples of one giant step, round(alpha d^batch_exponent), at least 1."""
        return _count(self.alpha, d, self.batch_exponent, "training.alpha d^batch_exponent")

    def learning_rate(self, d: int) -> float:
        """eta d^((batch_exponent − 1)/2), the factor of the update rule."""
        return float(self.eta * d ** ((self.batch_exponent - 1) / 2))

    @property
    def traits(self) -> ProtocolTraits:
        """What sets its protocol apart."""
        return PROTOCOLS[self.protocol]

    @property
    def simulation_only(self) -> bool:
        """Several steps with batch exponent ≥ 2: no law is known, only a simulation answers."""
        return self.steps > 1 and self.batch_exponent >= 2


@dataclass(frozen=True)
class Ridge:
    """The ridge fit of the readout: n2 = alpha d fresh samples, p = beta d neurons, penalty lam ‖a‖².

    ``d``       use the theory at this input dimension (None: d → infinity)
    ``regime``  "auto", "proportional", "finite" (all n, p, d) or "fixed-width"
    ``level``   theory after steps, proportional: "auto", "iso", "E", "matrix", "E+", "En+"
    ``accuracy`` relative; what level "auto" measures to (0: nothing is measured; None: where more than 1 % is expected), and what
                 integrals and solver must reach
    ``loss``     "square", or for class labels "logistic", "hinge", "huber": min Σ l(y, f) + (lam/2) ‖a‖², l = (y − f)²/2 for
                 the square loss
    """

    alpha: float = 2.0
    beta: float = 1.0
    lam: float = 0.01
    d: int | None = None
    regime: str = "auto"
    level: str = "auto"
    accuracy: float | None = None
    loss: str = "square"

    def __post_init__(self) -> None:
        _settle("ridge", RIDGE_RULES, self, {"lam": "lambda"})

    def n2(self, d: int) -> int:
        """Samples of the fit, round(alpha d), at least 1."""
        return _count(self.alpha, d, 1.0, "ridge.alpha d")

    def p(self, d: int, symmetric: bool = True) -> int:
        """Neurons, round(beta d), at least 1; made even (upwards) if symmetric."""
        if math.isinf(self.beta):
            raise InputError("ridge.beta must be finite where a number of neurons is needed, not inf.")
        p = _count(self.beta, d, 1.0, "ridge.beta d")
        return p + (p % 2 if symmetric else 0)


@dataclass(frozen=True)
class Simulation:
    """How the real network is simulated.

    ``method``  "direct" (any width) or "reduced" (exact in law, cost free of d)
    ``width``   stands in for the network's "infinite" where overlaps are simulated
    ``memory``  a size such as "1 GB"; kept in bytes
    ``threads`` BLAS threads of one unit of work (results are bit-identical for equal threads on one machine)
    """

    method: str = "direct"
    d: int = 512
    width: int = 512
    replicates: int = 10
    test_samples: int = 100_000
    seed: int = 0
    backend: str = "numpy"
    device: str = "cpu"
    dtype: str = "float32"
    memory: Any = "1 GB"
    threads: int = 1

    def __post_init__(self) -> None:
        _settle("simulation", SIMULATION_RULES, self)
