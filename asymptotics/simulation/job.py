"""One unit of simulated work: what it is, which draws it has, and the trajectory of one replicate.

Within a replicate all steps and penalties share one trajectory and its draws.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from asymptotics.experiment.input_laws import InputLaw, as_table
from asymptotics.experiment.ridge_words import Regime
from asymptotics.experiment.settings import Network, Ridge, Simulation, Training
from asymptotics.generalisation.losses.scalar_losses import LOSSES
from asymptotics.learning.given_directions import along_given
from asymptotics.learning.natural_units import NaturalUnits, units_of_a_fit
from asymptotics.simulation.backends import STREAMS, get_backend
from asymptotics.simulation.drawn_inputs import drawn
from asymptotics.simulation.loss_fit import fit_classes
from asymptotics.simulation.protocols import PROTOCOL_STEPS, Course, Setting
from asymptotics.simulation.ridge_fit import Fit, fit_and_test
from asymptotics.simulation.seeds import fingerprint, unit_entropy
from asymptotics.simulation.state import population_risk
from asymptotics.simulation.student import Setup
from hermite.errors import InputError
from hermite.language.canonical_names import canonical_form
from hermite.language.printing import to_text
from hermite.target import Target

Array = npt.NDArray[Any]

#: Streams of a replicate: the training batch of step t is stream t; the rest of step t starts at _STEP (t + 1).
_STEP = 1000
#: By method: raised whenever a unit of equal content would draw other numbers or round them otherwise than before.
GENERATION = {"direct": 1, "reduced": 2}

#: By loss: raised whenever a readout is fitted to it otherwise than before.
FIT_GENERATION = {"hinge": "2"}

#: Replicates that a vectorised simulation takes at once.
_TOGETHER = 64

#: Where a callable is evaluated to tell it from others.
_PROBE = np.linspace(-4.0, 4.0, 65)


@lru_cache(maxsize=64)
def spelling_of(f: Target, network: Network) -> tuple[str, str]:
    """What names a target and an activation in a seed: the canonical text, or the values of a callable.

    White space, 0.5 for 1/2, the order of terms and the like change nothing; the text of a callable would be a memory
    address.

    >>> from hermite import Target
    >>> spelling_of(Target("z2/2+z1 "), Network("relu( x-0.5)"))
    ('z1 + 1/2*z2', 'relu(x - 1/2)')
    """
    if f.tree is not None:
        target = to_text(canonical_form(f.tree), f.variables)
    else:
        target = fingerprint(f(np.stack([np.roll(_PROBE, 7 * k) for k in range(f.r)], axis=1)))
    activation = network.activation
    if not isinstance(activation, str):
        activation = fingerprint(network.get_activation()(_PROBE))
    elif (tree := network.get_activation().tree) is not None:
        # A function of x alone goes by its name.
        activation = re.sub(r"^(\w+)\(x\)$", r"\1", to_text(canonical_form(tree), ("x",)))
    return target, activation


@dataclass(frozen=True)
class Job:
    """One unit of work and how its replicates are summarised."""

    f: Target
    network: Network
    training: Training
    ridge: Ridge | None
    simulation: Simulation
    steps: tuple[int, ...]
    lambdas: tuple[float, ...]
    #: Names of target and activation in the content; None: the canonical ones. A store may hold others.
    spelling: tuple[str, str] | None = None
    inputs: InputLaw | None = None

    def __post_init__(self) -> None:
        d, width = self.simulation.d, self.width
        if d < self.f.r:
            raise InputError(
                f"simulation.d must be at least the number of target directions {self.f.r}, not {d}."
            )
        methods = PROTOCOL_STEPS[self.training.protocol].methods
        if self.simulation.method not in methods:
            raise InputError(
                f'simulation.method must be "{methods[0]}" with training.protocol = "{self.training.protocol}", '
                f'not "{self.simulation.method}".'
            )
        refusal = PROTOCOL_STEPS[self.training.protocol].refusal(
            self.f, width, self.training, self.simulation
        )
        if refusal is not None:
            raise InputError(refusal)
        self._check_classes()
        drawn(self.inputs, self.f, self.training, self.simulation)
        if self.ridge is not None and self.training.time:
            raise InputError("training.time is for overlaps; give training.steps for a ridge fit.")
        if self.network.is_symmetric and width % 2:
            raise InputError(f"the width must be even with symmetric initialisation, not {width}.")
        if self.ridge is not None and not self.lambdas:
            object.__setattr__(self, "lambdas", (self.ridge.lam,))

    def _check_classes(self) -> None:
        """Refuse class labels where they are not simulated, and losses without them."""
        problems = []
        loss = "square" if self.ridge is None else self.ridge.loss
        if self.f.has_classes:
            if not self.training.traits.classes:
                protocol = self.training.protocol
                problems.append(
                    f'target.labels = "sign" is not simulated with training.protocol = "{protocol}".'
                )
            if self.training.remove_orders:
                problems.append('target.labels = "sign" is simulated with remove_orders = [] only.')
            least = LOSSES[loss].least
            small = (
                [lam for lam in self.lambdas or (self.ridge.lam,) if lam < least or not lam]
                if self.ridge
                else []
            )
            if small:
                bound = f"at least {least:g}" if least else "positive"
                problems.append(
                    f'lambda must be {bound} for ridge.loss = "{loss}" on class labels, not {small[0]:g}.'
                )
        elif loss != "square":
            problems.append(f'ridge.loss = "{loss}" needs class labels: give target.labels = "sign".')
        if problems:
            raise InputError(problems)

    @property
    def width(self) -> int:
        """Neurons of the simulated network."""
        if self.ridge is not None and self.ridge.regime != Regime.FIXED_WIDTH:
            return self.ridge.p(self.simulation.d, self.network.is_symmetric)
        return int(self.simulation.width if self.network.width == "infinite" else self.network.width)

    @property
    def content(self) -> dict[str, Any]:
        """What keys the draws: everything but the steps, the penalties and how the work is organised."""
        ridge = None if self.ridge is None else [self.ridge.alpha, self.ridge.beta]
        t, s, net = self.training, self.simulation, self.network
        target, activation = self.spelling or spelling_of(self.f, net)
        classes = ["sign"] if self.f.has_classes else []
        return {
            "target": [target, list(self.f.variables), str(self.f.gram), self.f.noise, *classes],
            "network": [activation, str(net.readout), net.bias, net.initialisation, self.width],
            "training": [
                t.alpha,
                t.eta,
                t.batch_exponent,
                list(t.remove_orders),
                *PROTOCOL_STEPS[t.protocol].content(t),
            ],
            "ridge": ridge,
            "simulation": [s.method, s.d],
            **as_table(self.inputs),
        }

    @property
    def identity(self) -> dict[str, object]:
        """What decides the results to the last bit: the content, its seed and how the work is carried out."""
        s = self.simulation
        how = [s.test_samples, s.dtype, s.backend, s.device, s.memory, s.threads]
        generation = GENERATION[s.method]
        identity = {"content": self.content, "seed": s.seed, "how": how, "generation": generation}
        # Older versions stored overlaps with an orthonormal basis in the place of the given directions.
        turned = self.f.gram is not None and self.ridge is None
        stream = STREAMS[s.backend]
        drawn = {} if stream == "numpy" else {"stream": stream}
        loss = {} if self.ridge is None or self.ridge.loss == "square" else {"loss": self.ridge.loss}
        if loss and self.ridge is not None and self.ridge.loss in FIT_GENERATION:
            loss["fit"] = FIT_GENERATION[self.ridge.loss]
        return identity | drawn | loss | ({"directions": "given"} if turned else {})

    @cached_property
    def units(self) -> NaturalUnits:
        """The setting in natural units; the draws are those of the setting as it was given."""
        last = max(self.steps) if self.ridge is not None else self.training.steps
        return units_of_a_fit(self.f, self.network, replace(self.training, steps=last), self.inputs)

    @property
    def setting(self) -> Setting:
        """What the protocol is asked for."""
        units = self.units
        return Setting(units.target, units.network.get_activation(), units.training, self.simulation.d)

    @cached_property
    def reported(self) -> Sequence[int]:
        """The steps after which something is measured; never written out, there may be a billion."""
        if self.ridge is not None:
            return self.steps
        reported = PROTOCOL_STEPS[self.training.protocol].reported
        return range(self.training.steps + 1) if reported is None else reported(self.setting)

    @property
    def together(self) -> int:
        """Replicates that are best run at once."""
        protocol = PROTOCOL_STEPS[self.training.protocol]
        return _TOGETHER if self.simulation.method in protocol.together else 1

    def run(self, replicate: int) -> list[Any]:
        """The trajectory of one replicate: after each reported step a ``Fit``, or (M, Q, risk, train error)."""
        return self.run_together([replicate])[0]

    # What overflows is caught by ``check_finite`` and told in one sentence.
    @np.errstate(over="ignore", invalid="ignore")
    def run_together(self, replicates: Sequence[int]) -> list[list[object]]:
        """The trajectories of several replicates, each the same as alone."""
        setting = self.setting
        students = [self.student(replicate) for replicate in replicates]
        course = PROTOCOL_STEPS[self.training.protocol].course(students, setting)
        found: list[list[object]] = [[] for _ in students]
        for step in self.reported:
            course.go_to(step)
            for student, record in zip(students, found, strict=True):
                record.append(self._measured(student, step, course))
        return found

    def student(self, replicate: int) -> Any:
        """The network of one replicate at its start, in natural units."""
        s, net = self.simulation, self.units.network
        setup = Setup(
            self.units.target,
            net.get_activation(),
            net.finite_readout(self.width),
            s.d,
            symmetric=net.is_symmetric,
            bias=net.bias,
            entropy=unit_entropy(s.seed, self.content),
            replicate=replicate,
            memory=s.memory,
            dtype=s.dtype,
            remove_orders=self.training.remove_orders,
            backend=get_backend(s.backend, s.device),
        )
        return drawn(self.inputs, self.f, self.training, s).students[s.method](setup, self.inputs)

    def _measured(self, student: Any, step: int, course: Course) -> Any:
        s, units, f = self.simulation, self.units, self.units.target
        first = _STEP * (step + 1)
        if self.ridge is None:
            ratio = units.readout / units.label
            risk = units.errors(population_risk(student, first, s.test_samples, ratio))
            train = course.train_error(student)
            m, q = student.overlaps()
            return along_given(self.f, m), q, risk, None if train is None else units.errors(train)
        sizes: Any = {
            "n2": self.ridge.n2(s.d),
            "n_test": s.test_samples,
            "streams": (first, first + 1),
        }
        if f.has_classes:
            return fit_classes(student, self.ridge.loss, self.lambdas, **sizes)
        fit = fit_and_test(student, f, self.lambdas, **sizes)
        squared = (x * units.label * units.label for x in (fit.test_error, fit.train_error))
        return Fit(next(squared), next(squared))
