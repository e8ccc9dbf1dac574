"""simulate(): replicates of a simulated network, as the same ``Overlaps`` and ``Risk`` that theory returns.

Means over replicates with the standard error of the mean (over runs, never over neurons; ``None`` for one replicate).
Within a replicate all steps and penalties share one trajectory and its draws.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from asymptotics.experiment.settings import Network, Ridge, Simulation, Training
from asymptotics.floating import own_floating_state
from asymptotics.json_values import plain
from asymptotics.learning.given_directions import along_given, cosines_with_given, lengths_of
from asymptotics.learning.natural_units import NaturalUnits, natural_units
from asymptotics.results import Overlaps, Risk, Validity
from asymptotics.simulation.averages import Measured, mean_and_error, readout_groups, step_overlaps
from asymptotics.simulation.backends import STREAMS, get_backend
from asymptotics.simulation.blas import blas_threads
from asymptotics.simulation.direct import DirectNetwork
from asymptotics.simulation.protocols import PROTOCOL_STEPS, Course, Setting
from asymptotics.simulation.reduced import ReducedNetwork
from asymptotics.simulation.ridge_fit import Fit, fit_and_test
from asymptotics.simulation.seeds import fingerprint, unit_entropy
from asymptotics.simulation.state import population_risk
from asymptotics.simulation.student import Setup
from hermite.errors import InputError
from hermite.frozen import Frozen
from hermite.language.printing import to_text
from hermite.target import Target, as_target

Array = npt.NDArray[Any]
Progress = Callable[[str], None]

#: Streams of a replicate: the training batch of step t is stream t; the rest of step t starts at _STEP (t + 1).
_STEP = 1000
#: By method: raised whenever a unit of equal content would draw other numbers or round them otherwise than before.
GENERATION = {"direct": 1, "reduced": 2}

#: Replicates that a vectorised simulation takes at once.
_TOGETHER = 64

#: Where a callable is evaluated to tell it from others.
_PROBE = np.linspace(-4.0, 4.0, 65)


@dataclass(frozen=True, eq=False)
class SimulationResult(Frozen):
    """Overlaps (without a ridge) or risks (with one), means over ``replicates`` finished runs.

    ``interrupted``: Ctrl-C ended the work early; what is here rests on the replicates that were finished.
    """

    overlaps: Overlaps | None
    risks: tuple[Risk, ...]
    replicates: int
    interrupted: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Plain data: ``overlaps`` (or null), ``risks``, ``replicates``, ``interrupted``."""
        out: dict[str, Any] = plain(
            {
                "overlaps": None if self.overlaps is None else self.overlaps.to_dict(),
                "risks": [risk.to_dict() for risk in self.risks],
                "replicates": self.replicates,
                "interrupted": self.interrupted,
            }
        )
        return out


@own_floating_state
def simulate(
    f: Target | str,
    network: Network | None = None,
    training: Training | None = None,
    ridge: Ridge | None = None,
    simulation: Simulation | None = None,
    *,
    steps: Sequence[int] | None = None,
    lambdas: Sequence[float] | None = None,
    progress: Progress | None = None,
) -> SimulationResult:
    """Simulate the real network: overlaps at steps 0..T, or (with ``ridge``) its ridge fit after ``steps``.

    Parameters
    ----------
    f, network, training, simulation
        The experiment; ``training=None`` stays at initialisation. Without ``ridge`` the width is ``network.width``, or
        ``simulation.width`` where that is infinite; with ``ridge`` it is round(beta d), and n2 = round(alpha d).
    steps, lambdas
        Steps after which the readout is fitted (default 0..T) and penalties (default ``ridge.lam``), all on one
        trajectory.

    Raises ``InputError`` for sizes that make no network, a memory budget that is too small, or an overflow; Ctrl-C keeps
    finished replicates (see ``SimulationResult.interrupted``) and is raised again if there is none.
    """
    network, simulation = network or Network(), simulation or Simulation()
    training = training or Training(steps=0)
    job = Job(
        as_target(f),
        network,
        training,
        ridge,
        simulation,
        tuple(sorted(set(steps or range(training.steps + 1)))),
        tuple(lambdas or ()),
    )
    records: list[Any] = []
    interrupted = False
    with blas_threads(simulation.threads):
        try:
            for first in _shown(range(0, simulation.replicates, job.together), quiet=progress is not None):
                if progress is not None:
                    progress(f"replicate {first + 1} of {simulation.replicates}")
                last = min(first + job.together, simulation.replicates)
                records += job.run_together(range(first, last))
        except KeyboardInterrupt:
            if not records:
                raise
            interrupted = True
    return job.summary(records, interrupted)


@lru_cache(maxsize=64)
def spelling_of(f: Target, network: Network) -> tuple[str, str]:
    """What names a target and an activation in a seed: the canonical text, or the values of a callable.

    White space, 0.5 for 1/2 and the like change nothing; the text of a callable would be a memory address.

    >>> from hermite import Target
    >>> spelling_of(Target("z1+z2/2 "), Network("relu( x-0.5)"))
    ('z1 + 1/2*z2', 'relu(x - 1/2)')
    """
    if f.tree is not None:
        target = to_text(f.tree, f.variables)
    else:
        target = fingerprint(f(np.stack([np.roll(_PROBE, 7 * k) for k in range(f.r)], axis=1)))
    activation = network.activation
    if not isinstance(activation, str):
        activation = fingerprint(network.get_activation()(_PROBE))
    elif (tree := network.get_activation().tree) is not None:
        # A function of x alone goes by its name.
        activation = re.sub(r"^(\w+)\(x\)$", r"\1", to_text(tree, ("x",)))
    return target, activation


def _shown(replicates: range, quiet: bool) -> Iterable[int]:
    """``replicates`` with a progress bar on stderr, if that is a terminal and nobody else reports."""
    if quiet or not sys.stderr.isatty():
        return replicates
    from rich.console import Console
    from rich.progress import track

    return track(replicates, "simulating", console=Console(stderr=True), transient=True)


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
        refusal = PROTOCOL_STEPS[self.training.protocol].refusal(self.f, width, self.training)
        if refusal is not None:
            raise InputError(refusal)
        if self.ridge is not None and self.training.time:
            raise InputError("training.time is for overlaps; give training.steps for a ridge fit.")
        if self.network.is_symmetric and width % 2:
            raise InputError(f"the width must be even with symmetric initialisation, not {width}.")
        if self.ridge is not None and not self.lambdas:
            object.__setattr__(self, "lambdas", (self.ridge.lam,))

    @property
    def width(self) -> int:
        """Neurons of the simulated network."""
        if self.ridge is not None and self.ridge.regime != "fixed-width":
            return self.ridge.p(self.simulation.d, self.network.is_symmetric)
        return int(self.simulation.width if self.network.width == "infinite" else self.network.width)

    @property
    def content(self) -> dict[str, Any]:
        """What keys the draws: everything but the steps, the penalties and how the work is organised."""
        ridge = None if self.ridge is None else [self.ridge.alpha, self.ridge.beta]
        t, s, net = self.training, self.simulation, self.network
        target, activation = self.spelling or spelling_of(self.f, net)
        return {
            "target": [target, list(self.f.variables), str(self.f.gram), self.f.noise],
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
        }

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the results to the last bit: the content, its seed and how the work is carried out."""
        s = self.simulation
        how = [s.test_samples, s.dtype, s.backend, s.device, s.memory, s.threads]
        generation = GENERATION[s.method]
        identity = {"content": self.content, "seed": s.seed, "how": how, "generation": generation}
        # Older versions stored overlaps with an orthonormal basis in the place of the given directions.
        turned = self.f.gram is not None and self.ridge is None
        stream = STREAMS[s.backend]
        drawn = {} if stream == "numpy" else {"stream": stream}
        return identity | drawn | ({"directions": "given"} if turned else {})

    @cached_property
    def units(self) -> NaturalUnits:
        """The setting in natural units; the draws are those of the setting as it was given."""
        last = max(self.steps) if self.ridge is not None else self.training.steps
        training = replace(self.training, steps=last)
        return natural_units(self.f, self.network, training, readout_is_replaced=True)

    @property
    def setting(self) -> Setting:
        """What the protocol is asked for."""
        units = self.units
        return Setting(units.target, units.network.get_activation(), units.training, self.simulation.d)

    @cached_property
    def reported(self) -> tuple[int, ...]:
        """The steps after which something is measured."""
        if self.ridge is not None:
            return self.steps
        reported = PROTOCOL_STEPS[self.training.protocol].reported
        return tuple(range(self.training.steps + 1) if reported is None else reported(self.setting))

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
    def run_together(self, replicates: Sequence[int]) -> list[list[Any]]:
        """The trajectories of several replicates, each the same as alone."""
        setting = self.setting
        students = [self.student(replicate) for replicate in replicates]
        course = PROTOCOL_STEPS[self.training.protocol].course(students, setting)
        found: list[list[Any]] = [[] for _ in students]
        for step in self.reported:
            course.go_to(step)
            for student, record in zip(students, found, strict=True):
                record.append(self._measured(student, step, course))
        return found

    def student(self, replicate: int) -> Any:
        """The network of one replicate at its start, in natural units."""
        s, net = self.simulation, self.units.network
        kind = DirectNetwork if s.method == "direct" else ReducedNetwork
        return kind(
            Setup(
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
        )

    def _measured(self, student: Any, step: int, course: Course) -> Any:
        s, units, f = self.simulation, self.units, self.units.target
        first = _STEP * (step + 1)
        if self.ridge is None:
            ratio = units.readout / units.label
            risk = units.errors(population_risk(student, first, s.test_samples, ratio))
            train = course.train_error(student)
            m, q = student.overlaps()
            return along_given(self.f, m), q, risk, None if train is None else units.errors(train)
        fit = fit_and_test(
            student,
            f,
            self.lambdas,
            n2=self.ridge.n2(s.d),
            n_test=s.test_samples,
            streams=(first, first + 1),
        )
        return Fit(*(x * units.label * units.label for x in (fit.test_error, fit.train_error)))

    def points(self, record: list[Any]) -> Iterator[tuple[int, float | None, dict[str, Any]]]:
        """(step, lambda, results) of one replicate, plain numbers; without a ridge lambda is None."""
        if self.ridge is None:
            readout = self.network.finite_readout(self.width)
            groups, grouped = self._groups(readout)
            for step, run in zip(self.reported, record, strict=True):
                found = step_overlaps(step, [run], readout, groups, grouped).to_dict()
                kept = ("risk", "neurons", "train_error")
                yield step, None, {key: found[key] for key in kept if key in found}
            return
        for step, fit in zip(self.steps, record, strict=True):
            for lam, test, train in zip(self.lambdas, fit.test_error, fit.train_error, strict=True):
                errors = {"test_error": test, "train_error": train, "excess_risk": test - self.f.noise}
                yield step, lam, plain(errors)

    def _groups(self, readout: Array) -> tuple[list[Array], bool]:
        """The entries that overlaps are averaged over: groups of equal readout for many neurons, else neurons."""
        grouped = self.network.width == "infinite"
        return readout_groups(readout) if grouped else [np.array([i]) for i in range(len(readout))], grouped

    def summary(self, records: list[list[Any]], interrupted: bool) -> SimulationResult:
        """Means and standard errors over the finished replicates."""
        if self.ridge is None:
            return SimulationResult(self._overlaps(records), (), len(records), interrupted)
        return SimulationResult(None, tuple(self._risks(records)), len(records), interrupted)

    def _risks(self, records: list[list[Fit]]) -> Iterator[Risk]:
        for i, step in enumerate(self.steps):
            test = np.stack([record[i].test_error for record in records])
            train = np.stack([record[i].train_error for record in records])
            for j, lam in enumerate(self.lambdas):
                yield self.mean_risk(step, lam, {"test_error": test[:, j], "train_error": train[:, j]})

    def mean_risk(self, step: int, lam: float, runs: dict[str, Array]) -> Risk:
        """Means over replicates of the errors of one point; ``runs`` holds the two errors of each of them."""
        assert self.ridge is not None
        d = self.simulation.d
        test, test_sem = mean_and_error(runs["test_error"])
        train, train_sem = mean_and_error(runs["train_error"])
        return Risk(
            test_error=float(test),
            train_error=float(train),
            excess_risk=float(test) - self.f.noise,
            step=step,
            alpha=self.ridge.alpha,
            beta=self.ridge.beta,
            lam=lam,
            n=self.training.n(d) if step else None,
            n2=self.ridge.n2(d),
            p=self.width,
            d=d,
            solver=f"{self.simulation.method} simulation",
            validity=Validity.SIMULATION,
            test_error_sem=None if test_sem is None else float(test_sem),
            train_error_sem=None if train_sem is None else float(train_sem),
            replicates=len(runs["test_error"]),
            runs=runs,
        )

    def _clocks(self, step: int) -> dict[str, Any]:
        """``samples`` and ``time`` of a step of online SGD."""
        return PROTOCOL_STEPS[self.training.protocol].clocks(self.setting, step)

    def _overlaps(self, records: list[list[Measured]]) -> Overlaps:
        readout = self.network.finite_readout(self.width)
        groups, grouped = self._groups(readout)
        steps = [
            replace(
                step_overlaps(step, [record[t] for record in records], readout, groups, grouped),
                lengths=lengths_of(self.f),
                **self._clocks(step),
            )
            for t, step in enumerate(self.reported)
        ]
        d = self.simulation.d
        return Overlaps(
            regime=f"{self.simulation.method} simulation",
            steps=tuple(steps),
            validity="simulation",
            replicates=len(records),
            d=d,
            p=self.width,
            n=self.training.n(d),
            samples=tuple(
                _cosines(self.f, [record[t] for record in records]) for t in range(len(records[0]))
            ),
        )


def _cosines(f: Target, runs: list[Measured], limit: int = 4096) -> Array:
    """cos(w_i, w*_k) of single neurons, (replicates, p, r), at most ``limit`` neurons a run."""
    return np.stack([cosines_with_given(f, run[0][:limit], np.sqrt(np.diag(run[1])[:limit])) for run in runs])


__all__ = ["SimulationResult", "simulate"]
