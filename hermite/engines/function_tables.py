"""tanh, erf, log(1 + e^{−w}), sin, cos and e^{−x} of arrays of floats with a proved error.

Taylor polynomials of degree 8 about the multiples of 1/32 (of degree 4 about those of 1/256 for e^{−x}), their coefficients
from balls. With |g| ≤ M within distance 1 of the axis, the remainder at distance h = 1/64 is at most M h⁹/(1 − h) (Cauchy).
Beyond the table g is its limit. What is left of rounding is that of IEEE sums and products.
"""

from __future__ import annotations

from functools import lru_cache

import flint
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
#: Absolute error of a tabulated function: M h⁹/(1 − h) with M ≤ 4.1, the limit beyond the table, and rounding.
ERROR = 2.0**-48
#: Relative error of e^{−x} below :data:`LARGEST`, beyond which it counts as 0.
EXP_ERROR = 2.0**-50
LARGEST = 64.0
_STEPS, _DEGREE, _EXP_STEPS = 32, 8, 256
#: Where the tables end.
_ENDS = {"tanh": 20.0, "erf": 6.5, "tail": 40.0, "sin": 6.5, "cos": 6.5}


def values(name: str, w: Array) -> Array:
    """tanh, erf, sin, cos or logcosh = log(2 cosh(w/2)) of ``w``, to :data:`ERROR` (sin, cos: and 2^-52 |w|)."""
    if name in ("sin", "cos"):
        return _from_table(name, np.mod(w, 2 * np.pi))
    size = np.abs(w)
    if name == "logcosh":
        return np.asarray(size / 2 + _from_table("tail", size))
    return np.asarray(np.copysign(_from_table(name, size), w))


def falling(x: Array) -> Array:
    """e^{−x} for x ≥ 0, to :data:`EXP_ERROR` of itself."""
    place = np.minimum(x * _EXP_STEPS + 0.5, LARGEST * _EXP_STEPS).astype(np.intp)
    r = place / _EXP_STEPS - x
    near = 1 + r * (1 + r * (0.5 + r * (1 / 6 + r / 24)))
    return np.asarray(np.where(x < LARGEST, _exponentials()[place] * near, 0.0))


def _from_table(name: str, x: Array) -> Array:
    """g(x) for x ≥ 0."""
    end = _ENDS[name]
    table = _table(name)
    place = np.minimum(x * _STEPS + 0.5, end * _STEPS).astype(np.intp)
    r = x - place / _STEPS
    total = table[_DEGREE][place]
    for k in range(_DEGREE - 1, -1, -1):
        total = total * r + table[k][place]
    limit = {"tanh": 1.0, "erf": 1.0}.get(name, 0.0)
    return np.asarray(np.where(x < end, total, limit))


@lru_cache(maxsize=1)
def _exponentials() -> Array:
    with flint.ctx.workprec(80):
        found = np.array(
            [float((-flint.arb(i) / _EXP_STEPS).exp()) for i in range(int(LARGEST) * _EXP_STEPS + 1)]
        )
    found.flags.writeable = False
    return found


@lru_cache(maxsize=5)
def _table(name: str) -> Array:
    """Taylor coefficients (degree + 1, places)."""
    cap = flint.ctx.cap
    flint.ctx.cap = _DEGREE + 1
    try:
        with flint.ctx.workprec(100):
            rows = [
                _taylor(name, flint.arb_series([flint.arb(i) / _STEPS, 1]))
                for i in range(int(_ENDS[name] * _STEPS) + 1)
            ]
    finally:
        flint.ctx.cap = cap
    found = np.array(rows).T.copy()
    found.flags.writeable = False
    return found


def _taylor(name: str, x: flint.arb_series) -> list[float]:
    if name == "tanh":
        fall = (-2 * x).exp()
        series = (1 - fall) / (1 + fall)
    elif name == "tail":
        series = (1 + (-x).exp()).log()
    else:
        series = getattr(x, name)()
    own = [float(c.mid()) for c in series.coeffs()]
    return own + [0.0] * (_DEGREE + 1 - len(own))
