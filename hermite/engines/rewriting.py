"""Identities of maxima, minima, absolute values and signs that hold whatever stands inside them.

max(u, u) = u, max(u, −u) = |u|, a relu(u) + b relu(−u) = (a + b)/2 |u| + (a − b)/2 u, and what the range of u over all inputs
settles: relu(u) = u where u ≥ 0, max(u, v) = u where u ≥ v.
"""

from __future__ import annotations

from fractions import Fraction

from hermite.engines.ranges import Interval, ranged
from hermite.language import nodes as ex
from hermite.language.building import add, multiply, negate, rebuild
from hermite.language.normal_form import normal_form, rational_factor

_POSITIVE = frozenset({"exp", "logistic", "softplus"})


def rewritten(tree: ex.Expression) -> ex.Expression:
    """The same function by these identities; ``tree`` itself where none applies."""
    done: dict[ex.Expression, ex.Expression] = {}
    ranges: dict[ex.Expression, Interval] = {}
    for node in ex.postorder(tree):
        made = _settled(rebuild(node, tuple(done[c] for c in ex.children(node))), ranges)
        done[node] = made
    return done[tree]


def _settled(e: ex.Expression, ranges: dict[ex.Expression, Interval]) -> ex.Expression:
    if ex.is_constant(e):
        return e
    match e:
        case ex.Sum():
            return _pairs(e)
        case ex.Call() if e.name in ("max", "min"):
            return _extreme(e, ranges)
        case ex.Call() if e.name in ("relu", "abs", "sign", "heaviside"):
            u = e.arguments[0]
            low, high = ranged(u, ranges)
            if low > 0 or (isinstance(u, ex.Call) and u.name in _POSITIVE):
                return u if e.name in ("relu", "abs") else ex.ONE
            if low >= 0 and e.name in ("relu", "abs"):
                return u
            if high < 0 or (high <= 0 and e.name in ("relu", "abs")):
                return {"relu": ex.ZERO, "heaviside": ex.ZERO, "sign": negate(ex.ONE)}.get(e.name, negate(u))
    return e


def _extreme(e: ex.Call, ranges: dict[ex.Expression, Interval]) -> ex.Expression:
    """A maximum or minimum without arguments that occur twice, or that another one never lets through."""
    side = 1 if e.name == "max" else -1
    forms = {normal_form(u): u for u in reversed(e.arguments)}
    own = list(reversed(forms.values()))
    ends = [tuple(sorted(side * x for x in ranged(u, ranges))) for u in own]
    best = max(low for low, _ in ends)
    leader = next(i for i, (low, _) in enumerate(ends) if low == best)
    own = [u for i, u in enumerate(own) if i == leader or ends[i][1] > best]
    if len(own) == 1:
        return own[0]
    if len(own) == 2 and normal_form(negate(own[0])) == normal_form(own[1]):
        size = ex.Call("abs", (own[0],))
        return size if side > 0 else negate(size)
    return ex.Call(e.name, tuple(own)) if len(own) < len(e.arguments) else e


def _pairs(e: ex.Sum) -> ex.Expression:
    """The terms with relu(u) and relu(−u) taken together."""
    ramps: dict[ex.Expression, Fraction] = {}
    others: list[ex.Expression] = []
    for term in e.terms:
        c, rest = rational_factor(term)
        if isinstance(rest, ex.Call) and rest.name == "relu":
            u = normal_form(rest.arguments[0])
            ramps[u] = ramps.get(u, Fraction(0)) + c
        else:
            others.append(term)
    mirrors = {u: normal_form(negate(u)) for u in ramps} if len(ramps) > 1 else {}
    if not any(v in ramps for v in mirrors.values()):
        return e
    made: list[ex.Expression] = []
    while ramps:
        u, a = ramps.popitem()
        b = ramps.pop(mirrors[u], None)
        if b is None:
            made.append(_times(a, ex.Call("relu", (u,))))
        else:
            made += [_times((a + b) / 2, ex.Call("abs", (u,))), _times((a - b) / 2, u)]
    return add(others + made)


def _times(c: Fraction, e: ex.Expression) -> ex.Expression:
    return multiply((ex.Number(c), e))
