"""The columns that every table shares, so that tables of theory and of simulation join without a second look.

===============  ===============================================================================================
``protocol``     "giant", "sgd" or "reuse" (the training protocol)
``step``         giant steps before the measurement, from 0
``batch_exponent``  ℓ of a giant step on n = alpha_train d^ℓ samples
``alpha_train``  samples of a giant step in units of d^ℓ; null at step 0, where nothing was trained
``eta``          dimensionless learning rate; null at step 0
``alpha``        n2/d, samples of the ridge fit in units of d; null without a fit
``beta``         p/d, neurons in units of d; infinite for kernel ridge
``lambda``       ridge penalty, in the units of docs/conventions
``n``            samples of a giant step, a count; null at step 0 and where there is no d
``n2``, ``p``    samples of the fit and neurons, counts; null where there is no d
``d``            input dimension; null for a theory as d → ∞
===============  ===============================================================================================

They come in this order. Errors (``test_error``, ``train_error``, ``excess_risk``, ``risk``, and ``plateau``) are in units of
the label squared, their standard errors end in ``_sem``. What is not known or does not exist is null; an infinite
number is the float inf in Python and in CSV, and the word "inf" in JSON, which has no number for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asymptotics.experiment.settings import Ridge, Training

COORDINATES = (
    "protocol",
    "step",
    "batch_exponent",
    "alpha_train",
    "eta",
    "alpha",
    "beta",
    "lambda",
    "n",
    "n2",
    "p",
    "d",
)
OF_TRAINING = ("alpha_train", "eta", "n")
"""What is null at step 0."""


def coordinates(training: Training, ridge: Ridge | None = None) -> dict[str, Any]:
    """``protocol``, ``step`` … ``lambda`` of one point, in the order of the tables."""
    row = {
        "protocol": training.protocol,
        "step": training.steps,
        "batch_exponent": training.batch_exponent,
        "alpha_train": training.alpha,
        "eta": training.eta,
        "alpha": None if ridge is None else ridge.alpha,
        "beta": None if ridge is None else float(ridge.beta),
        "lambda": None if ridge is None else ridge.lam,
    }
    return untrained_is_null(row)


def untrained_is_null(row: Mapping[str, object]) -> dict[str, object]:
    """``row`` without the settings of the training at step 0: they did nothing yet."""
    if row["step"]:
        return dict(row)
    return {key: None if key in OF_TRAINING else value for key, value in row.items()}


def ordered(row: Mapping[str, object]) -> dict[str, object]:
    """``row`` with the shared columns together and in their order, where the first of them stood."""
    shared = {key: row[key] for key in COORDINATES if key in row}
    out: dict[str, object] = {}
    for key, value in row.items():
        out |= shared if key in shared and key not in out else {key: value} if key not in shared else {}
    return out


def known(row: Mapping[str, object]) -> dict[str, Any]:
    """``row`` with null for NaN; infinities stay numbers."""
    return {
        key: None if isinstance(value, float) and math.isnan(value) else value for key, value in row.items()
    }
