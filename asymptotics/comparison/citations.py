"""The papers whose theory the predictions of an experiment rest on, as BibTeX."""

from __future__ import annotations

from contextlib import suppress

from asymptotics.experiment.grid import Experiment
from asymptotics.experiment.settings import Training
from asymptotics.generalisation.theory import Setting
from asymptotics.generalisation.theory_table import chosen
from hermite import bibliography
from hermite.errors import InputError

#: Key → BibTeX.
BIBTEX = bibliography.BIBTEX


def citation_keys(experiment: Experiment) -> tuple[str, ...]:
    """Keys of :data:`BIBTEX` for what ``experiment`` uses: the setting always, then protocol, theories of the fit.

    The theory is the one that answers before training, and after the most steps, at the first point of the file.
    """
    keys = ["dandi2024giant", *experiment.trainings[0].traits.papers]
    if experiment.has_ridge:
        for steps in sorted({min(experiment.steps), max(experiment.steps)}):
            training = next(one for one in experiment.trainings if one.steps == steps)
            with suppress(InputError):
                keys += chosen(_setting(experiment, training)).papers
    return tuple(dict.fromkeys(keys))


def _setting(experiment: Experiment, training: Training) -> Setting:
    ridge = experiment.ridges[0]
    return Setting(experiment.target, experiment.network, training, ridge, inputs=experiment.inputs)


def bibtex(experiment: Experiment) -> str:
    """The entries of :func:`citation_keys`, a blank line between."""
    return bibliography.bibtex(citation_keys(experiment))
