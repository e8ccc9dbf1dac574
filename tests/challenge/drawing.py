"""Random settings from a seed: what a user might ask, in no order that flatters the theory."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from asymptotics import Cluster, Inputs, Network, Ridge, Training
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
#: The share of each kind of setting, and of those beyond isotropic inputs and values as labels.
KINDS = (("ridge", 0.74), ("leap 2", 0.1), ("fixed width", 0.1), ("online", 0.03), ("reused", 0.03))
BEYOND = (("mixture", 0.55), ("classes", 0.45))
#: What the theories at all (n, p, d) answer that the default does not reach: pairs after a step, removed low orders.
FINITE = (("pairs", 0.5), ("low orders removed", 0.5))
#: From these indices on settings are of the kinds ``BEYOND`` and ``FINITE``: the others stay what they were before these came.
FIRST_BEYOND, FIRST_FINITE = 100_000, 200_000


@dataclass(frozen=True)
class Setting:
    """One setting: everything that a prediction and a simulation need.

    ``kind`` "ridge" (many neurons), "leap 2" (one step at n = alpha d², orders 0 and 1 absent), "fixed width", or fixed width
    after "online" SGD or on a "reused" batch; "mixture" (structured inputs) and "classes" (signs as labels, four losses);
    "pairs" (ridge.regime "finite" after a step) and "low orders removed" (leap 2, orders 0 and 1 present).
    ``quantity`` is what is predicted and measured.
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
    inputs: Inputs | None = None
    quantity: str = "test_error"

    @property
    def stage(self) -> str:
        """What the deviation is sorted by."""
        if self.kind in dict(BEYOND):
            return f"{self.kind}, {self.training.steps} steps"
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
            f"ridge {ridge.alpha:g}, {ridge.beta:g}, {ridge.lam:g}; d = {self.d}{self._beyond}"
        )

    @property
    def _beyond(self) -> str:
        """Loss and inputs in words; empty for the square loss on isotropic inputs."""
        loss = f"; {self.quantity} of the {self.ridge.loss} loss on signs" if self.target.has_classes else ""
        return loss + ("" if self.inputs is None else f"; inputs {self.inputs.to_dict()}")


def draw(seed: int, index: int) -> Setting:
    """Setting ``index`` of the challenge ``seed``; independent of all others."""
    rng = np.random.default_rng(np.random.SeedSequence((seed, index)))
    kinds = KINDS if index < FIRST_BEYOND else BEYOND if index < FIRST_FINITE else FINITE
    names, shares = [name for name, _ in kinds], [share for _, share in kinds]
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


def _pairs(rng: np.random.Generator, seed: int, index: int) -> Setting:
    d = int(rng.integers(60, 151))
    smooth = [text for text, r in TARGETS if r < 3]
    return Setting(
        seed,
        index,
        "pairs",
        Target(_filled(rng, str(rng.choice(smooth))), noise=_noise(rng)),
        Network(str(rng.choice(ACTIVATIONS)), READOUTS[int(rng.integers(len(READOUTS)))]),
        Training(1, _log(rng, 1.0, 12.0), _log(rng, 0.3, 2.0)),
        Ridge(_log(rng, 1.0, 8.0), _log(rng, 0.7, 6.0), _log(rng, 2e-3, 1.0), d=d, regime="finite"),
        "direct",
        d,
    )


def _low_orders_removed(rng: np.random.Generator, seed: int, index: int) -> Setting:
    d = int(rng.integers(60, 121))
    text = str(rng.choice(("{a}*z1 + {b}*He2(z1)", "{a} + {b}*z1 + z1*z2", "{a}*z1 + {b}*He2(z2) + 1/2")))
    return Setting(
        seed,
        index,
        "low orders removed",
        Target(_filled(rng, text), noise=_noise(rng)),
        Network(str(rng.choice(("relu", "tanh(x + 1/2)", "softplus"))), initialisation=_initialisation(rng)),
        Training(1, _log(rng, 0.5, 3.0), _log(rng, 0.5, 3.0), batch_exponent=2, remove_orders=(0, 1)),
        Ridge(_log(rng, 5.0, 12.0), _log(rng, 0.5, 2.0), _log(rng, 1e-2, 1.0), d=d),
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


def _mixture(rng: np.random.Generator, seed: int, index: int) -> Setting:
    d, steps = int(rng.integers(100, 221)), int(rng.integers(0, 2))
    text, r = TARGETS[int(rng.integers(len(TARGETS)))]
    made = (_clusters, _clusters, _power_law, _far_apart if not steps else _clusters)[int(rng.integers(4))]
    return Setting(
        seed,
        index,
        "mixture",
        Target(_filled(rng, text), noise=_noise(rng)),
        _network(rng),
        Training(steps, _log(rng, 1.0, 12.0), _log(rng, 0.3, 3.0)),
        Ridge(_log(rng, 0.7, 4.0), _log(rng, 0.5, 2.0), _log(rng, 1e-2, 1.0), d=d),
        "direct",
        d,
        made(rng, r),
    )


def _clusters(rng: np.random.Generator, r: int, far: bool = False) -> Inputs:
    """Two or three clusters with means, covariances and bulks of their own; a third of them with labels of their own."""
    count, axes, blocks = int(rng.integers(2, 4)), r + int(rng.integers(0, 2)), int(rng.integers(1, 3))
    own = rng.random() < 1 / 3
    clusters = []
    for k in range(count):
        half = rng.normal(0, 0.4, (axes, axes)) / math.sqrt(axes)
        clusters.append(
            Cluster(
                1 / count,
                np.round(rng.normal(0, 0.8, axes), 2),
                np.round(half @ half.T + np.diag(rng.uniform(0.3, 1.5, axes)), 3),
                np.round(rng.uniform(0.3, 1.8, blocks), 2),
                ("1", "-1", "z1")[k] if own else None,
                float(np.round(rng.uniform(-1.2, 1.2), 2)) if far else 0.0,
            )
        )
    return Inputs(clusters, np.full(blocks, 1 / blocks), np.eye(r, axes))


def _far_apart(rng: np.random.Generator, r: int) -> Inputs:
    return _clusters(rng, r, far=True)


def _power_law(rng: np.random.Generator, r: int) -> Inputs:
    exponent, blocks = float(np.round(rng.uniform(0.2, 0.8), 2)), int(rng.integers(2, 7))
    e = np.diff(np.linspace(0, 1, blocks + 1) ** (1 - exponent)) * blocks
    teacher = ("generic", 1, blocks)[int(rng.integers(3))]
    return Inputs.spectrum(e, np.full(blocks, 1 / blocks), teacher, r)


def _classes(rng: np.random.Generator, seed: int, index: int) -> Setting:
    d, steps = int(rng.integers(100, 221)), int(rng.integers(0, 2))
    smooth = [(text, r) for text, r in TARGETS if r < 3]
    text, _ = smooth[int(rng.integers(len(smooth)))]
    network = Network(
        str(rng.choice(ACTIVATIONS)),
        "rademacher" if steps else READOUTS[int(rng.integers(len(READOUTS)))],
        initialisation=_initialisation(rng),
    )
    noise = float(rng.choice((0.05, 0.2, 0.5)))
    return Setting(
        seed,
        index,
        "classes",
        Target(_filled(rng, text), noise=noise, labels="sign"),
        network,
        Training(steps, _log(rng, 1.0, 12.0), _log(rng, 0.3, 3.0)),
        Ridge(
            _log(rng, 0.7, 4.0),
            _log(rng, 0.5, 2.0),
            _log(rng, 1e-2, 1.0),
            d=d,
            loss=str(rng.choice(("logistic", "hinge", "huber", "square"))),
        ),
        "direct",
        d,
        quantity=str(rng.choice(("classification_error", "test_loss"))),
    )


_DRAWN: dict[str, Callable[[np.random.Generator, int, int], Setting]] = {
    "mixture": _mixture,
    "classes": _classes,
    "ridge": _ridge,
    "leap 2": _leap_two,
    "pairs": _pairs,
    "low orders removed": _low_orders_removed,
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
