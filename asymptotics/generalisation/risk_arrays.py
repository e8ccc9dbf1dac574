"""``risk`` at arrays of alpha and lambda: one call, arrays of errors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from asymptotics.error_budget import Validity
from asymptotics.generalisation.meaning import NoPrediction
from asymptotics.json_values import plain_table
from asymptotics.results import Risk
from hermite.errors import InputError
from hermite.frozen import Frozen

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[np.float64]
Numbers = float | Sequence[Any] | npt.NDArray[Any]

#: Points of one call.
MOST = 100_000


@dataclass(frozen=True, eq=False)
class RiskArray(Frozen):
    """Errors at arrays of settings; every array has the shape that alpha and lam have when broadcast together.

    ``alpha``, ``lam``  the settings
    ``test_error``, ``train_error``, ``excess_risk``  as in ``Risk``
    ``error``   relative, of the test error: the total of its budget; NaN where a part of it is not estimated
    ``risks``   the ``Risk`` of every point, in C order
    """

    alpha: Array
    lam: Array
    test_error: Array
    train_error: Array
    excess_risk: Array
    error: Array
    risks: tuple[Risk, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """That of every array."""
        return self.test_error.shape

    def to_dict(self) -> dict[str, Any]:
        """Plain data: nested lists."""
        names = ("alpha", "lam", "test_error", "train_error", "excess_risk", "error")
        return plain_table({name: getattr(self, name).tolist() for name in names})

    def to_frame(self) -> pd.DataFrame:
        """One row a point, as a pandas DataFrame."""
        import pandas as pd

        return pd.DataFrame([one.to_dict() for one in self.risks])

    def __repr__(self) -> str:
        return f"RiskArray(shape={self.shape}, test_error={self.test_error!r})"


def broadcast(**given: Numbers) -> dict[str, Array]:
    """The given numbers as arrays of one shape; raises ``InputError`` for what is no array of numbers."""
    arrays = {}
    for name, value in given.items():
        try:
            arrays[name] = np.asarray(value, dtype=np.float64)
        except (TypeError, ValueError, OverflowError):
            raise InputError(f"{name} must be a number or an array of numbers, not {value!r:.60}.") from None
    try:
        shared = np.broadcast_arrays(*arrays.values())
    except ValueError:
        shapes = " and ".join(str(array.shape) for array in arrays.values())
        raise InputError(f"{' and '.join(arrays)} must broadcast to one shape, not {shapes}.") from None
    if not 0 < shared[0].size <= MOST:
        raise InputError(f"arrays of settings must hold 1 to {MOST:,} points, not {shared[0].size:,}.")
    return dict(zip(arrays, map(np.array, shared), strict=True))


def collected(alpha: Array, lam: Array, outcomes: Iterable[Risk | InputError]) -> RiskArray:
    """What was found, in C order, as arrays; raises the first refusal, and where no point has a prediction.

    A point without one among others is NaN.
    """
    risks: list[Risk] = []
    none: NoPrediction | None = None
    for one in outcomes:
        if isinstance(one, NoPrediction):
            none, one = one, one.untold
        elif isinstance(one, InputError):
            raise one
        risks.append(one)
    if none is not None and all(one.validity == Validity.NONE for one in risks):
        raise none

    def shaped(name: str) -> Array:
        return np.array([getattr(one, name) for one in risks]).reshape(alpha.shape)

    totals = [np.nan if one.error.total is None else one.error.total for one in risks]
    return RiskArray(
        alpha=alpha,
        lam=lam,
        test_error=shaped("test_error"),
        train_error=shaped("train_error"),
        excess_risk=shaped("excess_risk"),
        error=np.array(totals, dtype=np.float64).reshape(alpha.shape),
        risks=tuple(risks),
    )
