"""What design asks of the theory: the level without measurements everywhere, and ``risk`` itself around the answer.

After giant steps ``risk`` measures what its level leaves out on auxiliary batches, a hundred times the work of solving the
equations. The ratio of the two hardly moves along a curve: a search is made at the level alone, and what it finds is
put right with a few predictions of ``risk``, so that the number at the answer is the one that ``risk`` gives there.
"""

from __future__ import annotations

import math
from dataclasses import replace

from asymptotics.caches import SetUps
from asymptotics.experiment.input_laws import InputLaw
from asymptotics.experiment.settings import Network, Ridge, Training
from asymptotics.results import Risk
from hermite.errors import ConvergenceError, InputError
from hermite.target import Target


class Predictions:
    """Errors of the ridge fit of one target and network at many trainings and ridges; ``accuracy`` as in ``risk``."""

    def __init__(
        self, f: Target, network: Network, accuracy: float | None = None, inputs: InputLaw | None = None
    ) -> None:
        self.f, self.network, self.accuracy, self.inputs = f, network, accuracy, inputs
        self._kept = SetUps()
        #: The last sentence on a number whose error is as large as itself.
        self.none: InputError | None = None

    def unmeasured(self, training: Training, ridge: Ridge) -> Risk | None:
        """The level of the theory that draws no batches; None where it has no finite number, or none beyond its error.

        Raises ``InputError`` where there is no theory.
        """
        from asymptotics.experiment.ridge_words import Level

        if Level(ridge.level).is_measured:
            ridge = replace(ridge, level=str(Level.E))
        return self._found(training, ridge, 0.0)

    def whole(self, training: Training, ridge: Ridge) -> Risk | None:
        """What ``risk`` says; None where it has no finite number, or none beyond its error.

        Raises ``InputError`` where there is no theory.
        """
        return self._found(training, ridge, self.accuracy)

    def _found(self, training: Training, ridge: Ridge, accuracy: float | None) -> Risk | None:
        from asymptotics.generalisation.errors import risk_outcomes
        from asymptotics.generalisation.meaning import InfiniteTestError, NoPrediction

        try:
            (found,) = risk_outcomes(
                self.f,
                self.network,
                training,
                [ridge],
                accuracy=accuracy,
                set_ups=self._kept,
                inputs=self.inputs,
            )
        except ConvergenceError:
            return None
        if isinstance(found, NoPrediction):
            self.none = found
            return None
        if isinstance(found, InfiniteTestError):
            return None
        if isinstance(found, InputError):
            raise found
        return found if math.isfinite(found.test_error) else None
