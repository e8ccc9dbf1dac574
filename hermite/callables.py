"""A user's Python function of points: its values checked, and what it raises told in one sentence.

Nothing of it is trusted: it may raise, write into its argument, answer single points only, or return anything. What it raises
becomes an :class:`hermite.errors.InputError` (``from`` the original) that names the function, the exception and the first
point found at which it is raised; a function that answers single points is told apart, with what makes it one of arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hermite.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Function = Callable[[Any], Any]
#: Characters of the message of an exception that are quoted.
_QUOTED = 120


@dataclass(frozen=True)
class PointFunction:
    """``function`` of points as one of arrays: x (N, r) → (N,), or, with ``r`` None, arrays of numbers of any shape.

    ``role`` is what the function is for (a target, an activation), in sentences. ``copies``: it is given its own copy of x, for
    it may write into it. Functions of numbers are numbers at all numbers; of points, who integrates them judges that.
    """

    function: Function
    role: str
    r: int | None = None
    copies: bool = True

    @property
    def named(self) -> str:
        """The function as sentences name it."""
        return f"{self.role} {name_of(self.function)}"

    def __call__(self, x: Any) -> NDArray[np.float64]:
        """The values at x; raises :class:`InputError` for what they may not be, and for whatever the function raises."""
        import numpy as np

        x = np.asarray(x)
        shape = x.shape if self.r is None else x.shape[:-1]
        try:
            found = self.function(x.copy() if self.copies else x)
        except InputError:
            raise
        except Exception as error:
            raise InputError(f"{self.named} {_raised(error, self._place(x))}{self._hint(x)}") from error
        values = self._numbers(found)
        if values.shape != shape:
            raise InputError(
                f"{self.named} must map an array of shape {x.shape} to shape {shape}, not {values.shape}{self._hint(x)}"
            )
        if values.dtype not in (np.float32, np.float64):
            values = values.astype(float)
        if self.r is None and (missing := np.isnan(values) & np.isfinite(x)).any():
            nearest = x[missing][np.argmin(np.abs(x[missing]))]
            raise InputError(
                f"{self.named} is nan at x = {float(nearest):.6g}: it must be a number at every number, for neurons may "
                "see any (exp(u)/(1 + exp(u)) is inf/inf at large u: write 1/(1 + exp(-u)))"
            )
        return values

    def _numbers(self, found: object) -> NDArray[Any]:
        """What was returned as an array of real numbers; what is masked is no number."""
        import numpy as np

        if isinstance(found, np.ma.MaskedArray):
            found = np.ma.filled(found.astype(float), np.nan)
        try:
            values = np.asarray(found)
        except ValueError:
            raise InputError(
                f"{self.named} must return an array of numbers, not lists of unequal lengths"
            ) from None
        if values.dtype.kind not in "fiub":
            told = f"an array of type {values.dtype}" if values.ndim else type(found).__name__
            raise InputError(f"{self.named} must return real numbers, not {told}")
        return values

    def _fails(self, x: NDArray[Any]) -> bool:
        try:
            self.function(x.copy())
        except Exception:
            return True
        return False

    def _place(self, x: NDArray[Any]) -> str:
        """Where it raises: a point found by bisection, or the array, where no single point does."""
        points = x.reshape(-1) if self.r is None else x.reshape(-1, x.shape[-1])
        whole = f"on an array of shape {x.shape}, not at its points one by one (numpy.where takes the place of if)"
        while len(points) > 1:
            half = len(points) // 2
            failing = next((part for part in (points[:half], points[half:]) if self._fails(part)), None)
            if failing is None:
                return whole
            points = failing
        return f"at {_point(points)}" if len(points) else whole

    def _hint(self, x: NDArray[Any]) -> str:
        """How the function answers single points, where it does: what makes it one of arrays."""
        import numpy as np

        points = x.reshape(-1, 1 if self.r is None else self.r)
        if not len(points):
            return ""
        row = np.asarray(points[0], dtype=float)
        numbers = [float(entry) for entry in row]
        ways: list[tuple[str, Callable[[], object]]] = []
        if self.r is None:
            ways = [("numpy.vectorize(g) makes it one of arrays", lambda: self.function(numbers[0]))]
        else:
            ways = [
                (
                    "lambda x: numpy.array([g(z) for z in x]) makes it one of arrays",
                    lambda: self.function(row.copy()),
                ),
                (
                    "lambda x: numpy.array([g(*z) for z in x]) makes it one of arrays",
                    lambda: self.function(*numbers),
                ),
            ]
        for told, call in ways:
            try:
                value = call()
            except Exception:
                continue
            if isinstance(value, (int, float, np.number, np.bool_)):
                return f"; it answers at single points: {told}"
        return ""


def name_of(function: object) -> str:
    """What a function is called, or what it is."""
    return str(getattr(function, "__name__", type(function).__name__))


def single_precision(values: NDArray[Any]) -> bool:
    """Whether values at points of double precision all have the digits of float32, and not far fewer (as steps have)."""
    import numpy as np

    if values.dtype == np.float32:
        return True
    mantissa = np.ldexp(np.frexp(values[np.isfinite(values)])[0], 24)
    return bool(np.all(mantissa == np.rint(mantissa)) and np.any(mantissa % 2**8 != 0))


def _raised(error: Exception, place: str) -> str:
    """The exception and where, in words on one line."""
    message = " ".join(str(error).split())
    if len(message) > _QUOTED:
        message = message[: _QUOTED - 3] + "..."
    return f"raises {type(error).__name__}{f' ({message})' if message else ''} {place}"


def _point(points: NDArray[Any]) -> str:
    """One point in sentences: z = [1.23 0.4], or x = 1.23."""
    import numpy as np

    if points.ndim == 1:
        return f"x = {float(points[0]):.6g}"
    return f"z = {np.array2string(points[0], precision=6, threshold=20, max_line_width=10_000)}"


def point_text(point: NDArray[Any]) -> str:
    """The point (r,) of a target in sentences."""
    return _point(point[None])
