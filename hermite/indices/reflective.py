"""The basis-free staircase: is there a subspace in which an activation of a given degree sees nothing to climb out of?

f has the reflective property with respect to S ⊊ V* if E[f(z) z_⊥ q(z_S)] = 0 for every test q = σ'(⟨u, z_S⟩ + b) that the
activation makes; then no mean-field flow, invariant under rotations, leaves S (Chen and Ge 2024, arXiv:2402.08948, the
definition as recalled). An activation of degree m makes the polynomials q of degree at most m − 1, so that f counts
only through its Hermite tensors up to order m, and S is reflective iff it is closed at level 1 for that part of f. The
smallest such S is the end of the staircase U_{t+1} = U_t + span{E[f z_⊥ q(z_{U_t})]}; if it is V*, no S is reflective. An
activation that makes every q (no polynomial, with biases) asks for the closure of f itself: isotropic leap 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hermite.errors import InputError
from hermite.exact.exactness import Exactness
from hermite.exact.plain import plain_fields
from hermite.frozen import FrozenReport
from hermite.target import as_target

if TYPE_CHECKING:
    from hermite.indices.found_indices import Vectors
    from hermite.indices.report import LeapReport
    from hermite.target import Target

#: Largest degree of an activation that is followed.
MAX_DEGREE = 40


@dataclass(frozen=True, eq=False)
class BasisFreeStaircase(FrozenReport):
    """``dims``: of U_0 ⊂ U_1 ⊂ … for an activation of degree ``activation_degree`` (None: one that makes every test).

    ``holds``: no subspace is reflective (the last U is V*), which is necessary for learning in O(1) time with n = O(d);
    ``reflective_subspace``: the smallest reflective one, None if there is none or undecided (``holds`` None).
    """

    activation_degree: int | None
    holds: bool | None
    dims: tuple[int, ...] | None
    relevant_dim: int | None
    reflective_subspace: Vectors | None
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain data."""
        return plain_fields(self)


def basis_free_staircase(
    f: Target | str, activation_degree: int | None = None, report: LeapReport | None = None
) -> BasisFreeStaircase:
    """Whether ``f`` is free of reflective subspaces for an activation of that degree (None: an expressive one).

    Exact: Hermite tensors up to the degree are finitely many, for polynomials and closed forms alike. ``report``: that of
    ``leap(f)`` where it is known. Raises ``InputError`` unless 1 ≤ activation_degree ≤ 40.

    >>> from hermite import Target
    >>> f = Target("z1 + z1*z2 + He2(z1)*z3")
    >>> basis_free_staircase(f, activation_degree=2).dims, basis_free_staircase(f, activation_degree=3).dims
    ((0, 1, 2), (0, 1, 3))
    """
    f = as_target(f)
    good = isinstance(activation_degree, int) and not isinstance(activation_degree, bool)
    if activation_degree is not None and not (good and 1 <= activation_degree <= MAX_DEGREE):
        raise InputError(
            f"activation_degree must be a whole number from 1 to {MAX_DEGREE}, not {activation_degree!r}"
        )
    from hermite.indices.report import report_of

    report = report_of(f, report)
    return _expressive(report) if activation_degree is None else _polynomial(f, activation_degree, report)


def _expressive(report: LeapReport) -> BasisFreeStaircase:
    stairs = report.staircase
    if stairs.complete is None or stairs.subspaces is None:
        return BasisFreeStaircase(None, None, None, None, None, report.reason)
    return BasisFreeStaircase(
        None,
        stairs.complete,
        stairs.dims,
        report.relevant_dim,
        None if stairs.complete else stairs.subspaces[-1],
        "",
    )


def _polynomial(f: Target, degree: int, report: LeapReport) -> BasisFreeStaircase:
    from hermite.engines import engine_for
    from hermite.exact.subspaces import Span
    from hermite.exact.undecided import Undecided
    from hermite.indices.closure import closure_steps
    from hermite.indices.heat import Heat

    engine = engine_for(f)
    if report.exactness in (Exactness.UNDECIDED, Exactness.NUMERICAL) or report.relevant_dim is None:
        why = report.reason or "a callable has no exact expansion"
        return BasisFreeStaircase(degree, None, None, None, None, why)
    order = degree if engine.degree is None else min(degree, engine.degree)
    try:
        seen = Heat(f.r, engine.heat_series(order), order, gram=f.gram)
        steps = closure_steps(seen, 1, _relevant(report.relevant_dim, f.r))
    except Undecided as doubt:
        return BasisFreeStaircase(degree, None, None, report.relevant_dim, None, str(doubt))
    last: Span = steps[-1]
    holds = last.dim == report.relevant_dim
    dims = tuple(space.dim for space in steps)
    return BasisFreeStaircase(degree, holds, dims, report.relevant_dim, None if holds else last.strings(), "")


def _relevant(dim: int, n: int) -> Any:
    """A goal for the climb: only its dimension counts."""
    from hermite.exact.subspaces import Span, full

    return Span(n, full(n).rows[:dim])
