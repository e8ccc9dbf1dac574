"""Which directions steps on a reused batch can learn: functions of the label that the student builds.

The score of the second step, S = ã (y − f(r)) σ'(r), depends on the label through the fields on the batch. For a polynomial σ of
degree k it has degree 2k − 1 in y: powers y, …, y^(2k−1) are seen, but only up to 2k − 2 for even k where readouts come with both
signs (f is then odd in ã and keeps odd powers of y alone). Any other σ sees all powers. The spaces are upper bounds; orders of
the target that the student has no coefficient for are seen as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermite.labels.reuse import reused_steps
from hermite.target import Target, as_target

if TYPE_CHECKING:
    from asymptotics.experiment.settings import Network

#: Powers that are looked at where a student sees all of them.
_MOST_POWERS = 5


def label_powers(network: Network) -> int | None:
    """The highest power of the label that the second step on a batch sees; None: all of them."""
    sigma = network.get_activation()
    if sigma.pieces is None or not sigma.pieces.is_polynomial:
        return None
    degree = sigma.pieces.degree
    if degree < 1:
        return 0
    even = degree % 2 == 0 and network.is_symmetric
    return 2 * degree - 2 if even else 2 * degree - 1


def reused_directions(f: Target | str, network: Network, steps: int = 2) -> list[list[list[str]]] | None:
    """U_0 ⊂ … ⊂ U_steps on one batch of n = O(d), as rows; None where undecided (only polynomial targets are expanded).

    For a student that sees all powers those up to 5 are used: a lower bound of the upper bound where that is not everything.
    """
    powers = label_powers(network)
    return reused_steps(
        as_target(f), _MOST_POWERS if powers is None else max(1, min(powers, _MOST_POWERS)), steps
    )
