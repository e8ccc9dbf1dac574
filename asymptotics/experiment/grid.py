"""Experiment: a target and the grids of an experiment file, and the units of their product.

The grids are those of training (steps, alpha, eta), ridge (alpha, beta, lambda) and simulation (d); one point of them is a
:class:`~asymptotics.experiment.settings.Training`, ``Ridge`` and ``Simulation``. A bad file raises one ``InputError``
that lists every problem.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asymptotics.experiment import schema
from asymptotics.experiment.figure_keys import FigureSettings
from asymptotics.experiment.file_tables import TABLES, axes, checked_table, checked_target, read
from asymptotics.experiment.input_laws import InputLaw, answers, input_law, traits_of
from asymptotics.experiment.inputs_table import beside
from asymptotics.experiment.overrides import changed
from asymptotics.experiment.points import collapse, expand, values
from asymptotics.experiment.settings import Network, Ridge, Simulation, Training, network_problems
from hermite.errors import InputError

if TYPE_CHECKING:
    from hermite.target import Target

#: What is computed without ``force``: points of a theory, giant steps of it, replicates of a simulation.
MOST_POINTS, MOST_STEPS, MOST_UNITS = 100_000, 10_000, 1_000_000
_NETWORK_DEFAULTS = {f.name: f.default for f in fields(Network)}


@dataclass(frozen=True)
class Unit:
    """One unit of work: all ``steps`` and ``lambdas`` are evaluated on the same trajectory and draws."""

    training: Training
    ridge: Ridge
    simulation: Simulation
    steps: tuple[int, ...]
    lambdas: tuple[float, ...]


@dataclass(frozen=True)
class Experiment:
    """A target, a network, and the points of the sweep: every training × every ridge × every simulation.

    ``trainings``, ``ridges`` and ``simulations`` are the points of the grids, in the order of the file, made as they
    are asked for where they are many;
    ``has_ridge`` tells whether the file has a [ridge] table (if not, ``validate`` compares overlaps), ``has_d`` whether its
    [simulation] gives d; ``figure`` is how its curve is drawn, ``inputs`` those of another law than the isotropic one (None).
    """

    target: Target
    network: Network = field(default_factory=Network)
    trainings: Sequence[Training] = (Training(),)
    ridges: Sequence[Ridge] = (Ridge(),)
    simulations: Sequence[Simulation] = (Simulation(),)
    has_ridge: bool = True
    has_d: bool = field(default=False, compare=False)
    inputs: InputLaw | None = None
    figure: FigureSettings = field(default_factory=FigureSettings, compare=False)

    def __post_init__(self) -> None:
        self._refuse_others()
        sizes = {("simulation", d) for d in values(self.simulations, "d")}
        sizes |= {("ridge", d) for d in values(self.ridges, "d")}
        problems = [
            f"{table}.d must be at least the target's number of directions, {self.target.r}, not {d}."
            for table, d in sizes
            if d is not None and d < self.target.r
        ]
        if self.network.is_symmetric and any(width % 2 for width in values(self.simulations, "width")):
            problems.append(
                'simulation.width must be even with initialisation = "symmetric", '
                f"not {self.simulations[0].width}."
            )
        if problems:
            raise InputError(problems)

    def _refuse_others(self) -> None:
        """Raise ``InputError`` for what is none of the settings; text is a target."""
        from hermite.target import Target, as_target

        if isinstance(self.target, str):
            object.__setattr__(self, "target", as_target(self.target, classes=True))
        problems = [
            f"{name} must be a {kind.__name__}, not {schema.show(getattr(self, name))}."
            for name, kind in (("target", Target), ("network", Network))
            if not isinstance(getattr(self, name), kind)
        ]
        for name, each in (("trainings", Training), ("ridges", Ridge), ("simulations", Simulation)):
            given = getattr(self, name)
            if not isinstance(given, Sequence) or not given or not isinstance(given[0], each):
                problems.append(
                    f"{name} must be a sequence of {each.__name__}, at least one, not {schema.show(given)}."
                )
        if problems:
            raise InputError(problems)

    @classmethod
    def load(cls, path: str | Path, settings: Sequence[str] = ()) -> Experiment:
        """Read an experiment file (TOML); ``-`` reads it from standard input; ``settings``: see ``from_toml``.

        Files that it names are looked for beside it, then in the working directory.

        Raises ``InputError`` with one sentence a problem: file, syntax, unknown keys, types, ranges.
        """
        return cls.from_toml(read(path), settings, None if str(path) == "-" else Path(path).parent)

    @classmethod
    def from_toml(cls, text: str, settings: Sequence[str] = (), folder: Path | None = None) -> Experiment:
        """The experiment that a TOML text describes (``load`` without the file, of which ``folder`` is the place).

        ``settings``: "ridge.alpha=[1, 2]" and the like, in place of what the text says.

        >>> Experiment.from_toml('target.expression = "z1"', ["ridge.alpha=[1, 2]"]).ridges[1].alpha
        2.0
        """
        import tomllib

        if not isinstance(text, str):
            raise InputError(f"An experiment must be TOML text, not {schema.show(text)}.")
        try:
            data = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, ValueError, RecursionError) as error:
            raise InputError(f"The experiment file is not valid TOML: {error}.") from None
        return cls.from_dict(beside(changed(data, settings), folder))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Experiment:
        """The experiment that nested dictionaries describe, keyed as the file is.

        A grid is a list, a tuple, a range or an array. Raises ``InputError`` with one sentence a problem.
        """
        if not isinstance(data, Mapping):
            raise InputError(f"An experiment must be tables by name, not {schema.show(data)}.")
        problems: list[str] = []
        known = ("target", "inputs", *TABLES)
        for name in data:
            if name not in known:
                near = schema.suggestion(str(name), known)
                problems.append(f"There is no table [{name}]{near}; there are {', '.join(known)}.")
            elif not isinstance(data[name], Mapping):
                problems.append(f"{name} must be a table, [{name}], not {schema.show(data[name])}.")
        tables = {name: v if isinstance(v := data.get(name, {}), Mapping) else {} for name in known}
        target = checked_target(tables["target"], problems)
        grids = {
            name: checked_table(name, tables[name], table_rules, problems)
            for name, table_rules in TABLES.items()
        }
        if "steps" in tables["training"] and schema.listed(tables["training"].get("time", [])) != []:
            problems.append("training.time and training.steps exclude each other: give one of them.")
        if "step" in tables["training"] and len(grids["training"].get("eta", ())) > 1:
            problems.append(
                "training.step takes the place of training.eta: several values of eta are one and the same."
            )
        given = {key: value for key, value in _NETWORK_DEFAULTS.items() if key not in tables["network"]}
        problems += network_problems(given | grids["network"])
        inputs = None
        if target is not None:
            try:
                inputs = input_law(tables["inputs"], target.r)
            except InputError as error:
                problems += error.problems
        if problems or target is None:
            raise InputError(problems)
        return cls(
            target=target,
            network=Network(**grids["network"]),
            trainings=expand(Training, axes("training", grids["training"])),
            ridges=expand(Ridge, axes("ridge", grids["ridge"])),
            simulations=expand(Simulation, axes("simulation", grids["simulation"])),
            has_ridge="ridge" in data,
            has_d="d" in tables["simulation"],
            inputs=inputs,
            figure=FigureSettings(**grids["figure"]),
        )

    @property
    def steps(self) -> tuple[int, ...]:
        """The numbers of giant steps in the sweep, without repetition."""
        return values(self.trainings, "steps")

    @property
    def longest(self) -> Sequence[Training]:
        """The trainings with the largest number of steps: one trajectory each holds all shorter ones."""
        return collapse(self.trainings, "steps", max(self.steps))

    def refuse_inputs(self, question: str) -> None:
        """Refuse inputs of a law for which ``question`` has no answer."""
        if not answers(self.inputs, question):
            traits = traits_of(self.inputs)
            known = schema.listing(traits.questions or ())
            raise InputError(f"[inputs] is not covered by {question}: {traits.word} have {known}.")

    def simulation_of(self, training: Training) -> Simulation | None:
        """Where a theory is asked for alone: the simulation whose d it takes; None for the limit d → ∞.

        Online SGD on batches of another order than d has no limit: it is taken at the d of the file, if there is one.
        """
        return self.simulations[0] if training.traits.online and self.has_d else None

    def cells(self) -> Iterator[tuple[Training, Ridge]]:
        """Every (training, ridge) of the sweep: one row of ``giantstep curve`` each (and simulation d)."""
        return ((training, ridge) for training in self.trainings for ridge in self.ridges)

    def units(self) -> Units:
        """The units of work of the simulation: the product of everything but ``steps`` and ``lambda``.

        Raises ``InputError`` for a width that no network has (beta = inf), before any of them is worked on.
        """
        if self.has_ridge and any(map(math.isinf, values(self.ridges, "beta"))):
            raise InputError(
                "ridge.beta must be finite beside a simulation, not inf (kernel ridge has no network to simulate)."
            )
        lambdas = values(self.ridges, "lam")
        ridges = collapse(self.ridges, "lam", lambdas[0])
        return Units(self.longest, ridges, self.simulations, self.steps, lambdas)

    @property
    def unit_count(self) -> int:
        """Replicates of all units, counted without writing them out; raises ``InputError`` as ``units`` does."""
        alike = values(self.simulations, "replicates")
        several = len(alike) > 1
        replicates = (
            sum(s.replicates for s in self.simulations) if several else alike[0] * len(self.simulations)
        )
        return replicates * (len(self.units()) // len(self.simulations))

    def check_steps(self) -> None:
        """Refuse more giant steps than anybody means."""
        online = all(training.traits.online for training in self.trainings[:1])
        if not online and max(self.steps) > MOST_STEPS:
            raise InputError(
                f"training.steps = {max(self.steps):,}: above {MOST_STEPS:,} they are computed only with --force."
            )

    def check_size(self, simulated: bool = False) -> None:
        """Refuse an experiment that is too large to be meant: counted, without writing out a point of it."""
        points = len(self.trainings) * len(self.ridges)
        if points > MOST_POINTS:
            raise InputError(
                f"The experiment has {points:,} points: above {MOST_POINTS:,}, which take minutes at the least, "
                "they are computed only with --force."
            )
        self.check_steps()
        if simulated:
            check_units(self.unit_count)


@dataclass(frozen=True)
class Units(Sequence[Unit]):
    """The units of work: training slowest, then ridge, then simulation."""

    trainings: Sequence[Training]
    ridges: Sequence[Ridge]
    simulations: Sequence[Simulation]
    steps: tuple[int, ...]
    lambdas: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.trainings) * len(self.ridges) * len(self.simulations)

    def __iter__(self) -> Iterator[Unit]:
        for training in self.trainings:
            for ridge in self.ridges:
                for simulation in self.simulations:
                    yield Unit(training, ridge, simulation, self.steps, self.lambdas)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        rest, k = divmod(range(len(self))[index], len(self.simulations))
        i, j = divmod(rest, len(self.ridges))
        return Unit(self.trainings[i], self.ridges[j], self.simulations[k], self.steps, self.lambdas)


def check_units(count: int) -> None:
    """Refuse more units of simulation than anybody means to run."""
    if count > MOST_UNITS:
        raise InputError(
            f"The sweep has {count:,} units: above {MOST_UNITS:,} they are run only with --force."
        )
