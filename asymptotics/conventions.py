"""Maps to and from the parametrisations that people use, for networks, losses, penalties, series and errors.

giantstep's own: f(z) = (1/p) Σ ã_i σ(⟨w_i,z⟩) with unit rows, loss ½(y − f)² averaged over the batch, and

    w_i += eta d^((ℓ−1)/2) ã_i (1/n) Σ (y − f) σ'(⟨w_i,z⟩) z.

Any other two-layer network with f(z) = p^(−s) Σ a_i σ(h_i) is this one with ã_i = p^(1−s) a_i: an identity, step by step.
Only the learning rate has to be told: :class:`Convention` says how a gradient is written, ``eta`` and ``learning_rate``
translate. Where a paper's letters are recalled and were not checked against it, ``checked`` is false.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hermite.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Convention:
    """How a network and its gradient step are written.

    ``output``   s of f = p^(−s) Σ a_i σ(h_i)
    ``half``     whether the loss of a sample is ½(y − f)², not (y − f)²
    ``batch``    "mean" or "sum" of the losses of a batch
    ``rows``     "unit": h_i = ⟨w_i,z⟩ with ‖w_i‖ = 1 at the start; "sqrt(d)": h_i = ⟨w_i,z⟩/√d with ‖w_i‖ = √d
    ``rate``     the step of w is learning rate × p^rate × minus the gradient
    ``own``      the learning rate is giantstep's eta itself
    """

    what: str
    output: float = 1.0
    half: bool = True
    batch: str = "mean"
    rows: str = "unit"
    rate: float = 0.0
    own: bool = False
    checked: bool = True

    def factor(self, p: int, d: int, n: int, batch_exponent: float = 1.0) -> float:
        """eta / learning rate."""
        if self.own:
            return 1.0
        loss = (1.0 if self.half else 2.0) * (n if self.batch == "sum" else 1.0)
        inputs = 1.0 if self.rows == "unit" else 1.0 / d
        return float(loss * inputs * p ** (self.rate - 1.0) * d ** (-(batch_exponent - 1.0) / 2.0))

    def readout(self, a: float, p: int) -> float:
        """ã of a readout weight ``a`` of this convention."""
        return float(a * p ** (1.0 - self.output))


CONVENTIONS = {
    "giantstep": Convention("eta of the experiment file", own=True),
    "mean-field": Convention("f = (1/p) Σ ã σ, ½(y − f)², mean over the batch: arXiv:2305.18270's rate"),
    "pytorch": Convention("(1/p) Σ ã σ and nn.MSELoss(): (y − f)², mean over the batch", half=False),
    "pytorch-sum": Convention("(1/p) Σ ã σ and nn.MSELoss(reduction='sum')", half=False, batch="sum"),
    "pytorch-sqrt": Convention("p^(−1/2) Σ a σ and nn.MSELoss()", output=0.5, half=False),
    "pytorch-linear": Convention("nn.Linear readout, Σ a σ, and nn.MSELoss()", output=0.0, half=False),
    "ba2022": Convention(
        "Ba et al. 2022: p^(−1/2) Σ a σ, a ~ N(0, 1/p), W += η √p G", output=0.5, rate=0.5, checked=False
    ),
    "cui2024": Convention(
        "Cui et al. 2024: p^(−1/2) Σ a σ, a = ã/√p, ½(y − f)², mean over the batch", output=0.5, checked=False
    ),
    "batch-size": Convention("repository batch-size-time-complexity-tradeoffs: (1/p) Σ a σ, rate γ"),
    "reuse": Convention(
        "repository benefit-reusing-batch: Σ a σ with a = ±1/√p, rows of length √d, ½(y − f)², sum over the batch",
        output=0.0,
        batch="sum",
        rows="sqrt(d)",
    ),
}


def convention(name: str) -> Convention:
    """The convention of that name; raises ``InputError`` with the names that there are."""
    if name not in CONVENTIONS:
        from difflib import get_close_matches

        close = get_close_matches(str(name), CONVENTIONS, 1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise InputError(f"convention must be one of {', '.join(CONVENTIONS)}, not {name!r}{hint}.")
    return CONVENTIONS[name]


def eta(
    learning_rate: float, name: str, *, p: int, d: int, n: int | None = None, batch_exponent: float = 1.0
) -> float:
    """The dimensionless rate of a step with ``learning_rate`` in convention ``name``.

    ``n``: samples of the step, needed where losses are summed. Raises ``InputError`` for an unknown name, sizes that are no
    whole numbers of at least 1, and a rate that is not positive.

    >>> eta(100.0, "mean-field", p=100, d=50)
    1.0
    """
    return _positive(learning_rate, "learning_rate") * _factor(name, p, d, n, batch_exponent)


def learning_rate(
    eta: float, name: str, *, p: int, d: int, n: int | None = None, batch_exponent: float = 1.0
) -> float:
    """The learning rate in convention ``name`` of a step of dimensionless rate ``eta``.

    >>> learning_rate(1.0, "pytorch", p=100, d=50)
    50.0
    """
    return _positive(eta, "eta") / _factor(name, p, d, n, batch_exponent)


def _factor(name: str, p: int, d: int, n: int | None, batch_exponent: float) -> float:
    one = convention(name)
    if n is None and one.batch == "sum":
        raise InputError(f"n, the samples of a step, must be given: {name!r} sums the losses of a batch.")
    for key, size in (("p", p), ("d", d), ("n", 1 if n is None else n)):
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise InputError(f"{key} must be a whole number of at least 1, not {size!r}.")
    return one.factor(p, d, 1 if n is None else n, batch_exponent)


def _positive(value: Any, name: str) -> float:
    good = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (good and math.isfinite(value) and value > 0):
        raise InputError(f"{name} must be a finite number greater than 0, not {value!r}.")
    return float(value)


#: Objective → what it says, in the second layer's a with features σ/√p.
PENALTIES = {
    "giantstep": "Σ (y − f)² + λ ‖a‖²",
    "scikit-learn": "Ridge(alpha=λ) on features σ(⟨w_i,z⟩)/√p: the same",
    "scikit-learn-unscaled": "Ridge(alpha=λ) on features σ(⟨w_i,z⟩), readout a/√p",
    "mean": "(1/n2) Σ (y − f)² + λ ‖a‖²",
    "half": "½ Σ (y − f)² + (λ/2) ‖a‖²",
    "half-mean": "(1/(2 n2)) Σ (y − f)² + (λ/2) ‖a‖²",
    "half-mean-full": "(1/(2 n2)) Σ (y − f)² + λ ‖a‖²",
}


def ridge_penalty(lam: float, name: str, *, n2: int, p: int) -> float:
    """giantstep's lambda for the penalty ``lam`` of an objective of :data:`PENALTIES`.

    >>> ridge_penalty(0.01, "mean", n2=200, p=100)
    2.0
    """
    factors = {
        "giantstep": 1.0,
        "scikit-learn": 1.0,
        "scikit-learn-unscaled": 1.0 / p,
        "mean": n2,
        "half": 1.0,
        "half-mean": n2,
        "half-mean-full": 2.0 * n2,
    }
    if name not in factors:
        raise InputError(f"penalty convention must be one of {', '.join(factors)}, not {name!r}.")
    if not (isinstance(lam, (int, float)) and math.isfinite(lam) and lam >= 0):
        raise InputError(f"lam must be a finite number of at least 0, not {lam!r}.")
    return float(lam * factors[name])


def probabilists(coefficients: Sequence[float], series: str = "physicists") -> Array:
    """c_k = E[f He_k] of f = Σ b_k H_k (``series`` "physicists"), Σ b_k He_k ("probabilists") or Σ b_k He_k/√k! ("normalised").

    >>> probabilists([0.0, 1.0]).tolist()  # H_1(x) = 2x
    [0.0, 2.0]
    """
    import numpy as np
    from numpy.polynomial import hermite as physicists
    from numpy.polynomial import hermite_e

    b: Any = np.asarray(coefficients, dtype=np.float64)
    factorials = np.array([float(math.factorial(k)) for k in range(len(b))])
    if series == "physicists":
        b = hermite_e.poly2herme(physicists.herm2poly(b))
        factorials = factorials[: len(b)]
    elif series == "normalised":
        b = b / np.sqrt(factorials)
    elif series != "probabilists":
        raise InputError(f"series must be physicists, probabilists or normalised, not {series!r}.")
    found: Array = b * factorials
    return found


def error_of(value: float, name: str, *, noise: float = 0.0) -> float:
    """E[(y − f)²] from an error reported as "mse", "half-mse" (½ of it), "excess" (without the noise) or "half-excess"."""
    maps = {"mse": value, "half-mse": 2 * value, "excess": value + noise, "half-excess": 2 * value + noise}
    if name not in maps:
        raise InputError(f"error convention must be one of {', '.join(maps)}, not {name!r}.")
    return float(maps[name])
