"""Random settings from a seed: what a user might ask, in no order that flatters the theory."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from asymptotics import Network, Ridge, Training
from hermite import Target

ACTIVATIONS = (
    "relu",
    "tanh",
    "erf",
    "sigmoid",
    "softplus",
    "abs",
    "relu(x - 1/2)",
    "tanh(x + 1/2)",
    "x + He2(x)/2",
    "sin(x) + x/2",
)
ATOMS = ((2.0, 0.25), (1.0, 0.25), (-1.0, 0.25), (-2.0, 0.25))
READOUTS = ("rademacher", "rademacher", "gaussian", ATOMS)
#: Targets in one, two and three directions; a, b, c are drawn from [-3/2, 3/2].
TARGETS = (
    ("{a}*z1 + {b}*He2(z1)", 1),
    ("{a}*z1 + {b}*He3(z1)/3", 1),
    ("sin({a}*z1) + {b}*z1", 1),
    ("relu({a}*z1) + {b}*z1^2/2", 1),
    ("tanh(2*{a}*z1) + {b}*abs(z1)", 1),
    ("{a}*z1 + {b}*z1*z2", 2),
    ("{a}*tanh(z1) + {b}*z1*z2", 2),
    ("{a}*z1 + {b}*He2(z2)", 2),
    ("relu(z1) - {a}*relu(z2) + {b}*z1*z2", 2),
    ("{a}*z1 + {b}*z1*z2 + {c}*z1*z2*z3", 3),
    ("{a}*z1 + {b}*z1*z2 + {c}*He2(z3)/2", 3),
)
#: Rational rotations of the first two coordinates, (cos, sin); None leaves the target as it is.
ROTATIONS = (None, None, ("3/5", "4/5"), ("5/13", "12/13"), ("-8/17", "15/17"))
#: The share of each kind of setting.
KINDS = (("ridge", 0.74), ("leap 2", 0.1), ("fixed width", 0.1), ("online", 0.03), ("reused", 0.03))


@dataclass(frozen=True)
class Setting:
    """One setting: everything that a prediction and a simulation need.

    ``kind`` "ridge" (many neurons), "leap 2" (one step at n = alpha d², orders 0 and 1 absent), "fixed width", or fixed width
    after "online" SGD or on a "reused" batch.
    """

    seed: int
    index: int
    kind: str
    target: Target
    network: Network
    training: Training
    ridge: Ridge
    method: str
    d: int

    @property
    def stage(self) -> str:
        """What the deviation is sorted by."""
        return self.kind if self.kind != "ridge" else f"{self.training.steps} steps"

    @property
    def work(self) -> float:
        """About how many multiplications the batches and the fit of one network take; few where overlaps stand for d."""
        if self.method == "reduced":
            return 0.0
        network, training, ridge, d = self.network, self.training, self.ridge, self.d
        width = network.width if isinstance(network.width, int) else ridge.p(d, network.is_symmetric)
        return (training.steps * training.n(d) + ridge.n2(d)) * width * (d + width)

    @property
    def sentence(self) -> str:
        """The setting in words."""
        network, training, ridge = self.network, self.training, self.ridge
        readout = network.readout if isinstance(network.readout, str) else "four atoms"
        return (
            f"{self.target.text}, noise {self.target.noise:g}; {network.activation}, {readout}, {network.initialisation}, "
            f"width {network.width}; {training.steps} steps, alpha {training.alpha:g}, eta {training.eta:g}; "
            f"ridge {ridge.alpha:g}, {ridge.beta:g}, {ridge.lam:g}; d = {self.d}"
        )


def draw(seed: int, index: int) -> Setting:
    """Setting ``index`` of the challenge ``seed``; independent of all others."""
    rng = np.random.default_rng(np.random.SeedSequence((seed, index)))
    names, shares = [name for name, _ in KINDS], [share for _, share in KINDS]
    return _DRAWN[str(rng.choice(names, p=shares))](rng, seed, index)


def _ridge(rng: np.random.Generator, seed: int, index: int) -> Setting:
    d = int(rng.integers(150, 401))
    return Setting(
        seed,
        index,
        "ridge",
        _target(rng),
        _network(rng),
        Training(int(rng.integers(0, 4)), _log(rng, 1.0, 12.0), _log(rng, 0.3, 3.0)),
        Ridge(_log(rng, 0.5, 6.0), _log(rng, 0.4, 2.5), _log(rng, 1e-3, 1.0), d=d),
        "direct",
        d,
    )


def _leap_two(rng: np.random.Generator, seed: int, index: int) -> Setting:
    d = int(rng.integers(60, 121))
    text = str(rng.choice(("{a}*He2(z1)", "{a}*z1*z2 + {b}*He3(z1)/4", "{a}*He2(z1) + {b}*He2(z2)")))
    return Setting(
        seed,
        index,
        "leap 2",
        Target(_filled(rng, text), noise=_noise(rng)),
        Network(str(rng.choice(("relu", "x + He2(x)/2", "softplus"))), initialisation=_initialisation(rng)),
        Training(1, _log(rng, 0.5, 3.0), _log(rng, 0.5, 3.0), batch_exponent=2),
        Ridge(_log(rng, 1.0, 4.0), _log(rng, 0.5, 2.0), _log(rng, 1e-2, 1.0), d=d),
        "direct",
        d,
    )


def _fixed_width(rng: np.random.Generator, seed: int, index: int) -> Setting:
    d = 100_000
    network = Network(
        str(rng.choice(ACTIVATIONS)), width=int(2 * rng.integers(1, 5)), initialisation=_initialisation(rng)
    )
    training = Training(int(rng.integers(1, 4)), _log(rng, 1.0, 12.0), _log(rng, 0.3, 2.0))
    ridge = Ridge(_log(rng, 0.5, 4.0), lam=_log(rng, 1e-3, 1.0), d=d, regime="fixed-width")
    return Setting(seed, index, "fixed width", _target(rng), network, training, ridge, "reduced", d)


def _online(rng: np.random.Generator, seed: int, index: int) -> Setting:
    d = 2000
    network = Network(
        str(rng.choice(ACTIVATIONS)), width=int(rng.integers(1, 5)), initialisation="independent"
    )
    training = Training(
        int(rng.integers(5, 41)),
        _log(rng, 0.5, 4.0),
        _log(rng, 0.2, 1.5),
        batch_exponent=float(rng.choice((0.0, 0.5, 1.0))),
        protocol="sgd",
        loss=str(rng.choice(("square", "correlation"))),
        projection=str(rng.choice(("projected", "spherical"))),
    )
    ridge = Ridge(_log(rng, 0.5, 4.0), lam=_log(rng, 1e-3, 1.0), d=d, regime="fixed-width")
    return Setting(seed, index, "online", _target(rng), network, training, ridge, "reduced", d)


def _reused(rng: np.random.Generator, seed: int, index: int) -> Setting:
    d = 600
    network = Network(str(rng.choice(("relu", "tanh", "erf"))), width=4, initialisation=_initialisation(rng))
    training = Training(int(rng.integers(1, 4)), _log(rng, 1.0, 6.0), _log(rng, 0.3, 1.5), protocol="reuse")
    ridge = Ridge(_log(rng, 0.5, 4.0), lam=_log(rng, 1e-3, 1.0), d=d, regime="fixed-width")
    return Setting(seed, index, "reused", _target(rng), network, training, ridge, "direct", d)


_DRAWN: dict[str, Callable[[np.random.Generator, int, int], Setting]] = {
    "ridge": _ridge,
    "leap 2": _leap_two,
    "fixed width": _fixed_width,
    "online": _online,
    "reused": _reused,
}


def _log(rng: np.random.Generator, low: float, high: float) -> float:
    """Log-uniform in [low, high], to three digits."""
    return float(f"{math.exp(rng.uniform(math.log(low), math.log(high))):.3g}")


def _initialisation(rng: np.random.Generator) -> str:
    return str(rng.choice(("symmetric", "independent")))


def _network(rng: np.random.Generator) -> Network:
    readout = READOUTS[int(rng.integers(len(READOUTS)))]
    return Network(str(rng.choice(ACTIVATIONS)), readout, initialisation=_initialisation(rng))


def _noise(rng: np.random.Generator) -> float:
    return float(rng.choice((0.0, 0.05, 0.2)))


def _filled(rng: np.random.Generator, text: str) -> str:
    """``text`` with its coefficients drawn: rationals of one decimal with 0.3 ≤ |x| ≤ 1.5."""
    drawn = {name: _coefficient(rng) for name in "abc"}
    return text.format(**drawn)


def _coefficient(rng: np.random.Generator) -> str:
    return f"({Fraction(int(rng.integers(3, 16)), 10) * int(rng.choice((-1, 1)))})"


def _target(rng: np.random.Generator) -> Target:
    text, r = TARGETS[int(rng.integers(len(TARGETS)))]
    text = _filled(rng, text)
    turn = ROTATIONS[int(rng.integers(len(ROTATIONS)))]
    if turn is not None and r > 1:
        cos, sin = turn
        # One pass, so that the new variables are not replaced again.
        text = text.replace("z1", "@1").replace("z2", "@2")
        text = text.replace("@1", f"({cos}*z1 + {sin}*z2)").replace("@2", f"({cos}*z2 - ({sin})*z1)")
    return Target(text, noise=_noise(rng))
