r"""What the exact expansion knows of the plateaus of a target that is no polynomial.

At U = {0} the floor E f² − Σ_{k ≤ κ} ‖C_k‖²/k! needs no quadrature, whatever cancels and wherever the target lives; and the
subspaces of the staircase at n = Θ(d) are proved.
"""

from __future__ import annotations

import math
from itertools import count
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from asymptotics.caches import remembered
from asymptotics.stairway.visibility import Visible
from hermite.errors import InputError
from hermite.exact.magnitudes import beyond_floats, decimal
from hermite.exact.rows import rational, to_float
from hermite.exact.undecided import Undecided
from hermite.expansion import expand
from hermite.target import Target

if TYPE_CHECKING:
    from hermite.exact.scalars import Exact

Array = npt.NDArray[np.float64]


def check_size(f: Target) -> None:
    """Raise ``InputError`` where E f² is known and no float: the floors, that are parts of it, were none either."""
    total = _second_moment(f)
    if total is not None and beyond_floats(total):
        raise InputError(
            f"plateaus of {f.text!r} are parts of E f² = {decimal(total, 3)}, which no floating-point number holds: scale it."
        )


def knows_energy(f: Target) -> bool:
    """Whether E f² is known, or ``f`` is a Python function: all that is known of it are its values."""
    total = _second_moment(f)
    try:
        return f.tree is None or (total is not None and not math.isnan(to_float(total)))
    except Undecided:
        return False


def _second_moment(f: Target) -> Exact | float | None:
    if f.tree is None:
        return None
    try:
        total: Exact | float | None = expand(f, order=0).total_scalar
        return total
    except (InputError, Undecided):
        return None


def floors_at_start(f: Target, kappa: int, visible: Visible) -> list[float] | None:
    """The floors at U = {0} for κ = 0..``kappa``, to 53 bits; None where the expansion is undecided."""
    if f.tree is None:
        return None
    out: list[float] = []
    try:
        expansion = expand(f, order=kappa)
        total = expansion.total_scalar
        if total is None:
            return None
        for k in range(kappa + 1):
            total = total - (expansion.energy_scalar(k) if visible(k) else rational(0))
            out.append(to_float(total))
    except (InputError, Undecided):
        # Undecided, or an integral that could not be enclosed.
        return None
    return None if any(math.isnan(x) or x < 0 for x in out) else out


def proved_after(f: Target, dim: int) -> Array | None:
    """Orthonormal rows of the first space of more than ``dim`` dimensions at n = Θ(d) a step, or of the last; None: undecided."""
    for steps in count(1):
        spaces = proved_spaces(f, steps)
        if spaces is None or len(spaces) <= steps or len(spaces[-1]) > dim:
            return None if spaces is None else spaces[-1]
    raise AssertionError("the staircase ends")


@remembered
def proved_spaces(f: Target, steps: int) -> tuple[Array, ...] | None:
    """Orthonormal rows of U_0 ⊂ … ⊂ U_steps, fewer where the staircase ends before; None where it is undecided."""
    from hermite.indices.first_steps import first_steps
    from hermite.indices.report import orthonormal_rows

    spaces = None if f.tree is None else first_steps(f, steps)
    if spaces is None:
        return None
    return tuple(orthonormal_rows(space.floats(), f.r, f.cholesky) for space in spaces)
