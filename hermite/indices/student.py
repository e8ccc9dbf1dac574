"""Where a student stops short of what the target offers: vanishing c_k, parity, few readout values.

A step reads order k of the target through c_k(σ) = E[σ He_k]. Without biases the parity of σ acts at every step and for
every weight: a linear part plus an even one (relu) sees the orders 1 and 2, 4, 6, …; an odd σ (tanh, erf) sees odd orders only;
an even σ even ones. What is not seen is neither climbed nor fitted, whatever the number of samples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from hermite.engines import engine_for
from hermite.errors import InputError
from hermite.exact.subspaces import Span
from hermite.exact.undecided import Undecided
from hermite.indices.analysis import most_added
from hermite.indices.closure import closure_steps, conditional_span, tensor_span
from hermite.indices.heat import Heat
from hermite.language.named import activation_text, beyond_language
from hermite.target import Target

if TYPE_CHECKING:
    from hermite.engines.engine import Engine
    from hermite.indices.report import LeapReport
    from hermite.language.nodes import Expression

#: Orders of an infinite expansion up to which its parity is described, and up to which a climb is followed.
_ORDER, _ORDERS = 8, (8, 12, 16, 20, 24)


def student_warnings(
    f: Target, report: LeapReport, activation: object, readout: Any, bias: float
) -> list[str]:
    """Sentences on what this student does not climb or cannot fit; empty if nothing stands in its way.

    ``activation`` is a name or an expression in x, ``readout`` "rademacher", "gaussian" or [(value, weight), …], ``bias`` the
    standard deviation of random biases (any positive one lifts the parity). Raises ``InputError`` on bad input.
    """
    if not isinstance(activation, str):
        raise InputError(f"activation must be a name or an expression in x, not {type(activation).__name__}")
    sigma = _activation_target(activation)
    warnings: list[str] = []
    if not bias:
        try:
            warnings += _coefficient_warning(report, activation, sigma)
            warnings += _parity_warnings(f, report, activation, sigma)
        except Undecided as doubt:
            warnings.append(f"what this student sees is undecided: {doubt}")
    return warnings + _readout_warnings(report, readout, bias)


def student_steps(
    f: Target, report: LeapReport, activation: str, bias: float, level: int
) -> list[Span] | None:
    """U_0 ⊂ U_1 ⊂ … that this student climbs at n = Θ(d^level) a step; None where that is not decided.

    The first step reads order k through c_k(σ) alone; every later one through all orders that σ shows: without biases
    those of its parity, and of a polynomial σ none above its degree. A table that is cut off proves that a step adds
    something; that it adds no more is proved by what the target itself can add, else the order is raised.
    """
    engine = engine_for(f) if f.is_symbolic else None
    sigma = _activation_target(activation)
    own = engine_for(sigma)
    if engine is None or not _decided(engine) or not _decided(own):
        return None
    parity = None if bias else visible_orders(sigma)
    stairs = report.staircase
    end = stairs.dims[-1] if stairs.complete is not None and stairs.dims is not None else f.r
    try:
        first = None if bias else set(own.heat_series(max(level, 1)))
        for order in _ORDERS if engine.degree is None else (engine.degree,):
            top = order if own.degree is None else own.degree
            terms = engine.heat_series(order)

            known = engine.degree is not None or (own.degree is not None and own.degree <= order)
            whole = known or (not bias and _seen_whole(f, sigma, order))
            now = {k for k in range(min(level, top) + 1) if first is None or (k,) in first}
            then = {k for k in range(top + 1) if parity is None or parity[0](k)}
            start = Heat(f.r, _orders(terms, now), order, gram=f.gram)
            later = Heat(f.r, _orders(terms, then), order, not whole, f.gram)
            spaces = _climb(start, later, level, engine, end)
            if spaces is not None:
                return spaces
    except Undecided:
        pass
    return None


def _orders(terms: Mapping[tuple[int, ...], Any], orders: set[int]) -> dict[tuple[int, ...], Any]:
    """The terms of these total degrees."""
    return {alpha: c for alpha, c in terms.items() if sum(alpha) in orders}


def _seen_whole(f: Target, sigma: Target, order: int) -> bool:
    """Whether what the parity of σ shows of an infinite expansion is proved to be a polynomial of degree ≤ ``order``.

    tanh sees (f(z) − f(−z))/2 alone, which is (z1 − z2)/2 of relu(z1) − relu(z2).
    """
    from hermite.engines.constants import Unsupported
    from hermite.engines.forms import add, scaled
    from hermite.exact.scalars import Scalar

    found = visible_orders(sigma)
    if found is None or f.gram is not None:
        return False
    try:
        here, mirrored = _mirror_pair(f)
    except Unsupported:
        return False
    shown = add(here, scaled(mirrored, Scalar.of(-1)) if found[1] == "odd" else mirrored)
    return all(sum(key.powers) <= order and not (key.ridges or key.tilt or key.quadratic) for key in shown)


def _mirror_pair(f: Target) -> tuple[Any, Any]:
    """Canonical forms of f(z) and f(−z); raises ``Unsupported`` where there is none."""
    from hermite.engines.canonical import canonical
    from hermite.language.building import substitute
    from hermite.language.nodes import Number, Product, Variable

    assert f.tree is not None
    turned: dict[int, Expression] = {i: Product((Number(Fraction(-1)), Variable(i))) for i in range(f.r)}
    return canonical(f.tree, f.r), canonical(substitute(f.tree, turned), f.r)


def _decided(engine: Engine) -> bool:
    return engine.degree is not None or bool(engine.decided)


def _climb(start: Heat, later: Heat, level: int, engine: Any, end: int) -> list[Span] | None:
    """The first step by the orders of ``start``, the others by those of ``later``, until nothing is added.

    ``end``: no space has a larger dimension. None where ``later`` is cut off and a step may add more than it shows.
    """
    goal = engine.direction_span() if later.truncated else tensor_span(later)
    grown = Span(start.r)
    for k in range(1, level + 1):
        grown = grown + conditional_span(start, Span(start.r), k, tensor_span(start))
    spaces = [Span(start.r)]
    while grown.dim > spaces[-1].dim:
        learned = grown
        spaces.append(learned)
        for k in range(1, level + 1):
            grown = grown + conditional_span(later, learned, k, goal)
        if later.truncated and grown.dim < end and grown.dim < most_added(engine, learned, level).dim:
            return None
    return spaces


def _activation_target(activation: str) -> Target:
    """σ as a target of the one variable x; a bare name such as relu stands for relu(x)."""
    foreign = beyond_language(activation)
    if foreign is not None and foreign.pair is not None:
        value = foreign.pair[0]
        return Target.from_function(lambda z: value(z[..., 0]), 1)
    try:
        return Target(activation_text(activation), variables=("x",))
    except InputError as error:
        raise InputError(f"activation {activation!r} cannot be read: {error}") from None


def _coefficient_warning(report: LeapReport, name: str, sigma: Target) -> list[str]:
    """c_ℓ(σ) = 0 at the leap: the first step has nothing to read."""
    if report.leap_index is None:
        return []
    k = report.leap_index
    seen = visible_orders(sigma, activation_parity(name)) if not sigma.is_symbolic else None
    if (k,) in engine_for(sigma).heat_series(k) and (seen is None or seen[0](k)):
        return []
    return [f"{name} has c_{k} = 0: a giant step with n = Θ(d^{k}) learns nothing at the leap index {k}"]


def _parity_warnings(f: Target, report: LeapReport, name: str, sigma: Target) -> list[str]:
    found = visible_orders(sigma, activation_parity(name))
    if found is None or not f.is_symbolic:
        return []
    sees, description = found
    engine = engine_for(f)
    order = engine.degree if engine.degree is not None else _ORDER
    terms = engine.heat_series(order)
    hidden = sorted({sum(alpha) for alpha in terms if sum(alpha) and not sees(sum(alpha))})
    if not hidden:
        return []
    orders = ", ".join(map(str, hidden)) + ("" if engine.degree is not None else ", …")
    warnings = [
        f"{name} without biases is {description}: the part of the target of order {orders} cannot be fitted"
    ]
    seen = Heat(
        f.r,
        {alpha: c for alpha, c in terms.items() if sees(sum(alpha))},
        order,
        engine.degree is None,
        f.gram,
    )
    level = int(report.staircase.batch_exponent)
    climbed = closure_steps(seen, level, tensor_span(seen))[-1].dim
    offered = report.staircase.dims[-1] if report.staircase.dims else 0
    if climbed < offered:
        whole = engine.degree is not None or _seen_whole(f, sigma, order)
        extent = f"{climbed}" if whole else f"{climbed}, as far as order {order} shows,"
        warnings.append(f"{name} without biases climbs {extent} of the {offered} dimensions of the staircase")
    return warnings


def activation_parity(activation: str) -> str | None:
    """The parity of an activation that the language cannot write; None for all others, whose tree shows it."""
    foreign = beyond_language(activation)
    return None if foreign is None else foreign.parity


def visible_orders(sigma: Target, parity: str | None = None) -> tuple[Callable[[int], bool], str] | None:
    """(k ↦ whether order k ≥ 1 is seen, what σ is), or None if σ has no parity; both are proved by rewriting.

    ``parity``: of a σ that is no expression, where it is known.
    """
    if not sigma.is_symbolic:
        return None if parity is None else ((lambda k: k % 2 == int(parity == "odd")), parity)
    from hermite.engines.constants import Unsupported
    from hermite.engines.forms import add, scaled
    from hermite.exact.scalars import Scalar

    try:
        here, mirrored = _mirror_pair(sigma)
    except Unsupported:
        return None
    odd_part = add(here, scaled(mirrored, Scalar.of(-1)))
    even_part = add(here, mirrored)
    if not odd_part:
        return (lambda k: k % 2 == 0), "even"
    if not even_part:
        return (lambda k: k % 2 == 1), "odd"
    if all(sum(key.powers) == 1 and not (key.ridges or key.tilt or key.quadratic) for key in odd_part):
        return (lambda k: k == 1 or k % 2 == 0), "linear plus even"
    return None


def _readout_warnings(report: LeapReport, readout: Any, bias: float) -> list[str]:
    """Without biases the rows of M depend on ã alone at leap 1: m distinct values span at most m dimensions."""
    if readout is None or (isinstance(readout, str) and readout == "gaussian"):
        return []
    if isinstance(readout, str) and readout == "rademacher":
        values = {1.0, -1.0}
    else:
        try:
            values = {float(value) for value, _ in readout}
        except (TypeError, ValueError, OverflowError):
            raise InputError(
                f'readout must be "rademacher", "gaussian" or a list of [value, weight], not {readout!r}'
            ) from None
    dim = report.staircase.dims[-1] if report.staircase.dims else 0
    if bias or report.leap_index != 1 or dim <= len(values):
        return []
    return [
        f"{len(values)} distinct readout values span at most {len(values)} of the {dim} dimensions at a time"
    ]
