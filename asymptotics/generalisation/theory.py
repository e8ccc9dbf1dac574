"""What a theory of the ridge fit is: the settings that it covers, how sure it is, and what it computes.

A theory is one file in :mod:`asymptotics.generalisation.ridge_theories` and one entry of the table in
:mod:`asymptotics.generalisation.theory_table`. It lists the settings that its answer depends on (``uses``) and those that cannot
matter to it (``indifferent``); of any other, also of one that is added to the library later, it covers the default only.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, ClassVar

from asymptotics.caches import SetUps
from asymptotics.error_budget import ErrorBudget, Validity
from asymptotics.experiment.input_laws import INPUT_LAWS, ISOTROPIC, InputLaw, law_of
from asymptotics.experiment.protocol_keys import PROTOCOLS
from asymptotics.experiment.ridge_words import Level, Regime
from asymptotics.experiment.settings import Network, Ridge, Training
from asymptotics.learning.giant.low_orders import without_orders
from asymptotics.results import Risk
from hermite.errors import InputError
from hermite.target import Target


def without_a_layer(protocol: str) -> str:
    """Why no theory of the ridge fit with p of order d takes the layer after ``protocol``, but for those that say they do."""
    traits = PROTOCOLS[protocol]
    if traits.isotropic:
        return (
            f'ridge.level must be "iso", or ridge.regime "fixed-width", after protocol = "{protocol}": the covariance of the '
            "weights' residuals is not known (measured on auxiliary runs, it missed simulation by 2 %)."
        )
    steps = " for many small steps" if traits.online else ""
    return (
        f'ridge.regime must be "fixed-width" (with network.width a whole number) after protocol = "{protocol}": no law of the '
        f"layer is known{steps} at a width of order d."
    )


@dataclass(frozen=True)
class Setting:
    """One question: target, network, training, ridge fit and inputs (None: isotropic), ``accuracy``, and what is kept."""

    f: Target
    network: Network
    training: Training
    ridge: Ridge
    accuracy: float | None = None
    inputs: InputLaw | None = None
    set_ups: SetUps = field(default_factory=SetUps, repr=False, compare=False)

    @cached_property
    def fitted(self) -> Target:
        """The labels of the ridge fit: without the removed orders."""
        return without_orders(self.f, tuple(self.training.remove_orders))

    @property
    def law(self) -> str:
        """The name of the law of the inputs."""
        return law_of(self.inputs)

    @property
    def regime(self) -> Regime:
        """The regime asked for."""
        return Regime(self.ridge.regime)

    @property
    def level(self) -> Level:
        """The level asked for."""
        return Level(self.ridge.level)

    @cached_property
    def ratios(self) -> tuple[float, float]:
        """alpha and beta, as rounding leaves them at ``ridge.d``."""
        ridge = self.ridge
        if ridge.d is None:
            return ridge.alpha, ridge.beta
        beta = ridge.beta if math.isinf(ridge.beta) else self.neurons / ridge.d
        return ridge.n2(ridge.d) / ridge.d, beta

    @property
    def neurons(self) -> float:
        """p at ``ridge.d``; infinite for kernel ridge."""
        assert self.ridge.d is not None
        if math.isinf(self.ridge.beta):
            return math.inf
        return float(self.ridge.p(self.ridge.d, self.network.is_symmetric))

    @cached_property
    def actual(self) -> Training:
        """The training with the sampling ratio n/d that rounding leaves at ``ridge.d``."""
        d = self.ridge.d
        return self.training if d is None else replace(self.training, alpha=self.training.n(d) / d)

    @cached_property
    def given(self) -> dict[str, Any]:
        """Every setting that is not at its default, by the name that a user knows it by."""
        tables: dict[str, Any] = {"network": self.network, "training": self.training, "ridge": self.ridge}
        found = {
            f"{table}.{'lambda' if part.name == 'lam' else part.name}": getattr(settings, part.name)
            for table, settings in tables.items()
            for part in fields(settings)
            if getattr(settings, part.name) != part.default
        }
        if self.f.has_classes:
            found["target.labels"] = self.f.labels
        if self.law != ISOTROPIC:
            found["inputs"] = self.law
        return found | {"accuracy": self.accuracy} if self.accuracy else found


@dataclass(frozen=True)
class Surety:
    """How sure an answer is: ``validity``, ``note`` on what is left out, and ``theory``, its size relative to the test error."""

    validity: Validity
    note: str = ""
    theory: float | None = None


class Theory(ABC):
    """One theory of the errors of the ridge fit; see the module for ``uses`` and ``indifferent``.

    ``inputs``: the laws of inputs that it is about.
    """

    name: ClassVar[str]
    regime: ClassVar[Regime]
    uses: ClassVar[frozenset[str]]
    indifferent: ClassVar[frozenset[str]] = frozenset()
    #: Keys of the papers that it is from (:data:`hermite.bibliography.BIBTEX`).
    papers: ClassVar[tuple[str, ...]] = ()
    #: Whether :meth:`solve_many` takes points that differ in the training, too.
    follows_training: ClassVar[bool] = False
    inputs: ClassVar[frozenset[str]] = frozenset({ISOTROPIC})

    @property
    def level(self) -> Level | None:
        """The level that it is, where there are several."""
        return None

    @abstractmethod
    def trained(self, steps: int) -> bool:
        """Whether it is a theory of networks after so many steps."""

    def asked(self, setting: Setting) -> bool:
        """Whether ``ridge.regime``, ``ridge.level`` and the law of the inputs leave it in question."""
        return setting.regime in (Regime.AUTO, self.regime) and bool(self.inputs & {ISOTROPIC, setting.law})

    def covers(self, setting: Setting) -> tuple[str, ...]:
        """Nothing if it answers this setting, else one sentence for every reason why not."""
        steps = setting.training.steps
        if not self.trained(steps):
            about = "after giant steps" if steps == 0 else "at initialisation"
            return (f"It is about networks {about}, and training.steps is {steps}.",)
        if steps and not setting.training.traits.fresh and "training.protocol" not in self.uses:
            return (without_a_layer(setting.training.protocol),)
        # An accuracy is asked of what is told, whoever tells it.
        known = self.uses | self.indifferent | self.unused(setting) | {"accuracy"}
        known |= {"inputs"} if setting.law in self.inputs else set()
        if "target.labels" in setting.given.keys() - known:
            # One fault, one sentence: the loss goes with the labels.
            known |= {"ridge.loss"}
        unknown = [
            f"{self.name} does not cover {name} = {_shown(value)}."
            for name, value in setting.given.items()
            if name not in known
        ]
        foreign = {"target.labels", "inputs"} & setting.given.keys()
        if not foreign <= known:
            # Nothing else is to be asked of labels and inputs that it does not know.
            return tuple(unknown)
        if setting.law not in self.inputs:
            about = " or ".join(INPUT_LAWS[law].word for law in sorted(self.inputs))
            return (*unknown, f"It is about {about}: give inputs.")
        return (*unknown, *self.refusals(setting))

    @abstractmethod
    def refusals(self, setting: Setting) -> tuple[str, ...]:
        """One sentence for every reason why it does not answer."""

    def unused(self, setting: Setting) -> frozenset[str]:
        """Settings that might matter but do not enter: the answer says so."""
        return frozenset({"network.width"})

    @abstractmethod
    def surety(self, setting: Setting) -> Surety:
        """How sure it is here, before the equations are solved."""

    @abstractmethod
    def solve(self, setting: Setting, throw: bool) -> Risk:
        """The errors; ``ConvergenceError`` unless ``throw`` is false."""

    def solve_many(self, settings: Sequence[Setting], throw: bool) -> Iterator[Risk | InputError]:
        """``solve`` at points of one curve (they differ in the ridge), in order; a refusal in the place of its point."""
        for setting in settings:
            try:
                yield self.solve(setting, throw)
            except InputError as error:
                yield error

    def answer(self, setting: Setting, throw: bool = True) -> Risk:
        """``solve``, with what was not used in the note, and "exact" only for what is."""
        return self.finished(setting, self.solve(setting, throw))

    def finished(self, setting: Setting, found: Risk) -> Risk:
        """What :meth:`solve` found, with what was not used in the note, and "exact" only for what is."""
        unused = [
            f"{name} = {_shown(value)}"
            for name, value in setting.given.items()
            if name in self.unused(setting)
        ]
        if unused:
            said = found.validity_note
            said += (" N" if said.endswith(".") else ". N") if said else "n"
            found = replace(found, validity_note=f"{said}ot used: {', '.join(unused)}.")
        if found.validity == Validity.EXACT and found.error.forbids_exact:
            found = replace(found, validity=Validity.APPROXIMATE)
        return found


def _shown(value: object) -> str:
    return (
        f'"{value}"' if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else f"{value}"
    )


def result(
    setting: Setting,
    solver: str,
    surety: Surety,
    test: float,
    train: float,
    solved: float | None,
    *,
    averages: float = 0.0,
    **found: Any,
) -> Risk:
    """The ``Risk`` of a theory: its errors, ``solved`` the relative error of the solver, and fields of ``Risk``.

    ``averages``: the error of averages beside those over target and activation (over the layer, over spikes).
    """
    f, network, training, ridge = setting.f, setting.network, setting.training, setting.ridge
    d = ridge.d
    if solved is not None and math.isnan(solved):
        # Iterations that left the numbers reached nothing.
        solved = math.inf
    fields_of = {
        "test_error": test,
        "train_error": train,
        "excess_risk": test - f.noise,
        "step": training.steps,
        "alpha": ridge.alpha,
        "beta": ridge.beta,
        "lam": ridge.lam,
        "n": None if d is None or training.steps == 0 else training.n(d),
        "n2": None if d is None else ridge.n2(d),
        "p": None if d is None or math.isinf(ridge.beta) else ridge.p(d, network.is_symmetric),
        "d": d,
        "plateau": setting.set_ups.get(
            ("plateau", f, network, training.protocol, training.steps), lambda: _plateau(setting)
        ),
        "solver": solver,
        "validity": surety.validity,
        "validity_note": surety.note,
        "error": ErrorBudget(quadrature=_quadrature(setting) + averages, solver=solved, theory=surety.theory),
    }
    return Risk(**(fields_of | found))


def _quadrature(setting: Setting) -> float:
    """The error of the averages over target and activation that all theories share."""
    from asymptotics.expectations.accuracy import quadrature_error

    return quadrature_error(setting.f, setting.network.get_activation())


def _plateau(setting: Setting) -> float | None:
    """floor(U_steps, κ = 1) + Δ for this activation: the test error of the fit as alpha and beta grow; giant steps only."""
    if setting.training.steps and not setting.training.traits.fresh:
        return None
    from asymptotics.stairway.stairs import floor_after

    f, network = setting.f, setting.network
    try:
        floor = floor_after(f, setting.training.steps, 1, None if network.bias else network.activation)
    except InputError:
        return None
    return f.noise + floor
