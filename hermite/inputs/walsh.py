"""Boolean inputs: the Fourier–Walsh expansion of f on {±1}^r and its leap.

f = Σ_S f̂(S) χ_S with χ_S(z) = Π_{i∈S} z_i and z uniform on {±1}^d. The leap is the leap complexity of the supports S
with f̂(S) ≠ 0: min over orderings of the largest number of coordinates not seen before (Abbe, Boix-Adsera,
Misiakiewicz 2023, arXiv:2302.11055; leap ≤ 1 is the merged-staircase property of arXiv:2202.08658). There is no
freedom of rotation, and z_i² = 1: He2(z1) is constant here. sign(0) = 0 and heaviside(0) = 1/2.

Values at the vertices are linear forms over Q in irrational atoms (tanh(1), sqrt(2), …): a coefficient is zero when
its form cancels, non-zero when a ball says so, and undecided otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from hermite.errors import InputError
from hermite.exact.effort import allowance, spend
from hermite.exact.exactness import Exactness
from hermite.exact.plain import plain
from hermite.exact.rows import rational
from hermite.exact.undecided import Undecided
from hermite.frozen import FrozenReport
from hermite.indices.closure import coordinate_leap
from hermite.indices.heat import Heat
from hermite.language import nodes as ex
from hermite.language.building import add, call, multiply, power
from hermite.language.constants import ball, sign_of
from hermite.language.monomials import Expander
from hermite.language.printing import to_text
from hermite.target import as_target

if TYPE_CHECKING:
    from hermite.target import Target

#: Σ coefficient · atom; the rational part stands at the atom 1.
Form = dict[ex.Expression, Fraction]
#: Named variables up to which 2^r vertices are visited.
MOST_VARIABLES = 12
#: Bits of the balls that prove a coefficient non-zero.
_BITS = 512


@dataclass(frozen=True, eq=False)
class Walsh(FrozenReport):
    """The Fourier–Walsh expansion: ``coefficients`` {S: f̂(S)} by supports (indices from 0), those proved zero left out.

    ``leap``: None for a constant, or where undecided (then ``reason`` says why). ``exactness``: "exact" or "undecided".
    """

    coefficients: dict[tuple[int, ...], ex.Expression]
    leap: int | None
    exactness: Exactness
    reason: str

    @property
    def supports(self) -> tuple[tuple[int, ...], ...]:
        """The supports S ≠ ∅ of coefficients not proved zero, small ones first."""
        return tuple(sorted((s for s in self.coefficients if s), key=lambda s: (len(s), s)))

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain data: a support is the text of its indices ("0,2"), a coefficient that of its formula."""
        coefficients = {",".join(map(str, s)): str(value) for s, value in self.coefficients.items()}
        return {
            "coefficients": coefficients,
            "leap": self.leap,
            "exactness": plain(self.exactness),
            "reason": self.reason,
        }


def walsh_expansion(f: Target | str) -> Walsh:
    """The Fourier–Walsh expansion and the leap of ``f`` for inputs uniform on {±1}^d.

    Polynomials at any number of variables, other expressions up to 12 of them. Raises ``InputError`` for a callable
    and for a Gram matrix (correlated directions are no coordinates of a Boolean vector).

    >>> from hermite import Target
    >>> walsh_expansion(Target("z1*z2 + He2(z3)")).leap
    2
    """
    f = as_target(f)
    if f.tree is None:
        raise InputError("Boolean inputs need a target written as an expression, not a callable")
    if f.gram is not None:
        raise InputError("Boolean inputs need orthonormal directions: gram must be left out")
    try:
        with allowance():
            return _expanded(f, f.tree)
    except Undecided as doubt:
        return Walsh({}, None, Exactness.UNDECIDED, str(doubt))


def _expanded(f: Target, tree: ex.Expression) -> Walsh:
    forms = _polynomial_forms(tree) if ex.is_polynomial(tree) else None
    forms = _vertex_forms(tree) if forms is None else forms
    coefficients = {s: _expression(form) for s, form in forms.items() if form}
    doubtful = {s for s, e in coefficients.items() if s and not isinstance(e, ex.Number) and not _nonzero(e)}
    most, least = _leap(f.r, set(coefficients) - doubtful), _leap(f.r, set(coefficients))
    if doubtful and most != least:
        names = "*".join(f.variables[i] for i in min(doubtful))
        return Walsh(
            coefficients,
            None,
            Exactness.UNDECIDED,
            f"the coefficient of {names} is not proved to vanish or not to",
        )
    return Walsh(coefficients, most, Exactness.EXACT, "")


def _leap(r: int, supports: set[tuple[int, ...]]) -> int | None:
    terms = {tuple(int(i in s) for i in range(r)): rational(1) for s in supports if s}
    return coordinate_leap(Heat(r, terms, r))


def _polynomial_forms(e: ex.Expression) -> dict[tuple[int, ...], Form] | None:
    """Monomials without squares, which are 1; None if the polynomial is too large to expand."""
    expander = Expander(budget=2_000_000, signs=True)
    for node in ex.postorder(e):
        expander.expand(node)
    polynomial = expander.done[e]
    if polynomial is None:
        return None
    out: dict[tuple[int, ...], Form] = {}
    for monomial, c in polynomial.items():
        _accumulate(out.setdefault(tuple(i for i, _ in monomial), {}), {ex.ONE: c}, 1)
    return out


def _vertex_forms(e: ex.Expression) -> dict[tuple[int, ...], Form]:
    """f at every vertex, then the fast Walsh transform: 2^-r Σ_x f(x) χ_S(x)."""
    places = sorted(ex.variables_of(e))
    if len(places) > MOST_VARIABLES:
        raise Undecided(f"more than {MOST_VARIABLES} variables: the 2^r vertices are not visited")
    nodes = ex.postorder(e)
    k = len(places)
    table = [
        _value(nodes, {v: Fraction(-1 if x >> j & 1 else 1) for j, v in enumerate(places)})
        for x in range(2**k)
    ]
    for j in range(k):
        for x in range(2**k):
            if not x >> j & 1:
                low, high = table[x], table[x | 1 << j]
                table[x], table[x | 1 << j] = _mean(low, high, 1), _mean(low, high, -1)
    return {tuple(v for j, v in enumerate(places) if x >> j & 1): form for x, form in enumerate(table)}


def _mean(a: Form, b: Form, sign: int) -> Form:
    out = {atom: c / 2 for atom, c in a.items()}
    _accumulate(out, b, Fraction(sign, 2))
    return out


def _accumulate(total: Form, part: Form, factor: Fraction | int) -> None:
    """total += factor · part, atoms that cancel removed."""
    spend(2 * len(part))
    for atom, c in part.items():
        value = total.get(atom, Fraction(0)) + factor * c
        if value:
            total[atom] = value
        else:
            total.pop(atom, None)


def _value(nodes: list[ex.Expression], at: dict[int, Fraction]) -> Form:
    """The last of ``nodes`` (in postorder) at a vertex."""
    values: dict[ex.Expression, Form] = {}
    spend(3 * len(nodes))
    form: Form
    low: Form
    for node in nodes:
        match node:
            case ex.Number():
                form = {ex.ONE: node.value} if node.value else {}
            case ex.Variable():
                form = {ex.ONE: at[node.index]}
            case ex.Sum():
                form = {}
                for term in node.terms:
                    _accumulate(form, values[term], 1)
            case ex.Product():
                form = {ex.ONE: Fraction(1)}
                for factor in node.factors:
                    form = _times(form, values[factor])
            case ex.Power() if node.exponent >= 0:
                form = {ex.ONE: Fraction(1)}
                for _ in range(node.exponent):
                    form = _times(form, values[node.base])
            case ex.Power():
                form = _atom(power(_expression(values[node.base]), node.exponent))
            case ex.Hermite():
                low, form = {}, {ex.ONE: Fraction(1)}
                for n in range(node.order):
                    following = _times(values[node.argument], form)
                    _accumulate(following, low, -n)
                    low, form = form, following
            case ex.Call():
                form = _call(node.name, [values[a] for a in node.arguments])
            case ex.Pi():
                form = {node: Fraction(1)}
            case _:
                raise TypeError(f"not an expression node: {type(node).__name__}")
        values[node] = form
    return values[nodes[-1]]


def _times(a: Form, b: Form) -> Form:
    spend(5 * len(a) * len(b))
    out: Form = {}
    for x, c in a.items():
        for y, e in b.items():
            _accumulate(out, {_product(x, y): c * e}, 1)
    return out


def _product(x: ex.Expression, y: ex.Expression) -> ex.Expression:
    """x·y, its factors sorted: exp(1)·sin(1) and sin(1)·exp(1) are one atom."""
    whole = multiply((x, y))
    return ex.Product(tuple(sorted(whole.factors, key=_text))) if isinstance(whole, ex.Product) else whole


@lru_cache(maxsize=4096)
def _text(e: ex.Expression) -> str:
    return to_text(e)


def _call(name: str, x: list[Form]) -> Form:
    """A function at a vertex: piecewise linear ones by the sign of their argument, odd and even ones folded."""
    u = x[0]
    match name:
        case "max" | "min":
            best = u
            for other in x[1:]:
                ahead = _sign(_difference(other, best))
                best = other if (ahead > 0) == (name == "max") and ahead else best
            return best
        case "sign":
            return _scaled({ex.ONE: Fraction(1)}, _sign(u))
        case "heaviside":
            return _scaled({ex.ONE: Fraction(1, 2)}, 1 + _sign(u))
        case "relu":
            return u if _sign(u) > 0 else {}
        case "abs":
            return _scaled(u, _sign(u))
    negative = name not in ("exp", "sqrt") and u and all(c < 0 for c in u.values())
    if not negative:
        return _atom(call(name, (_expression(u),)))
    positive = _atom(call(name, (_expression(_scaled(u, -1)),)))
    match name:
        case "sin" | "tanh" | "erf":
            return _scaled(positive, -1)
        case "logistic":
            return _difference({ex.ONE: Fraction(1)}, positive)
        case "softplus":
            return _difference(positive, _scaled(u, -1))
        case _:
            return positive


def _atom(e: ex.Expression) -> Form:
    if isinstance(e, ex.Number):
        return {ex.ONE: e.value} if e.value else {}
    return {e: Fraction(1)}


def _scaled(u: Form, c: Fraction | int) -> Form:
    return {atom: c * x for atom, x in u.items()} if c else {}


def _difference(a: Form, b: Form) -> Form:
    out = dict(a)
    _accumulate(out, b, -1)
    return out


def _sign(u: Form) -> int:
    """-1, 0 or 1, proved; a form that cancels is zero."""
    sign = sign_of(_expression(u)) if u else 0
    if sign is None:
        raise Undecided("the sign of a value at a vertex of {±1}^r is not decided")
    return sign


def _expression(form: Form) -> ex.Expression:
    return add([multiply((ex.Number(c), atom)) for atom, c in form.items()])


def _nonzero(e: ex.Expression) -> bool:
    """Whether a ball proves that a constant is not zero."""
    return not ball(e, _BITS).contains(0)
