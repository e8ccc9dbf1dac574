"""What a law of the first layer is: the settings that it covers, how sure it is, and what it computes.

A training protocol is a room of its own beside :mod:`asymptotics.learning.giant`; it offers one or more laws, each an
object of this shape, and gets one entry each in :mod:`asymptotics.learning.laws`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from asymptotics.error_budget import Validity
from asymptotics.results import Overlaps
from hermite.errors import InputError
from hermite.target import Target

if TYPE_CHECKING:
    from asymptotics.experiment.settings import Network, Training
    from asymptotics.learning.features import LearnedFeatures


class Law(Protocol):
    """One theory of what training does to the first layer.

    ``name`` and ``validity`` (how sure it is where its integrals are accurate) are for readers. A law may have an ``aim``, the
    accuracy that is tried for where none is asked.
    """

    @property
    def name(self) -> str: ...

    @property
    def validity(self) -> Validity: ...

    def concerns(self, network: Network, training: Training, d: int | None) -> bool:
        """Whether the settings are of the law's kind, by width, batch exponent and d; laws share no settings."""
        ...

    def covers(self, f: Target, network: Network, training: Training, d: int | None) -> str | None:
        """None if the law answers these settings of its kind, else one sentence that says what to change."""
        ...

    def overlaps(
        self, f: Target, network: Network, training: Training, *, accuracy: float, d: int | None
    ) -> Overlaps:
        """Overlaps at steps 0..T; the integrals to ``accuracy`` (absolute), or a note of what was reached."""
        ...

    def features(self, f: Target, network: Network, training: Training) -> LearnedFeatures:
        """The layer after training for the ridge fit; :class:`InputError` where the law has no such layer."""
        ...


class WithoutLayer:
    """Laws of a given width: the ridge fit needs a layer of many neurons, and refuses."""

    def features(self, f: Target, network: Network, training: Training) -> LearnedFeatures:
        raise InputError(
            'network.width must be "infinite" for the layer that the ridge fit sees, not a whole number'
        )
