"""The nodes of an expression: an exact, immutable, hashable tree in the variables z1, z2, ... (index 0, 1).

Sums and products are n-ary. Nothing here recurses, so that neither 10,000 terms nor 200 nested parentheses
meet Python's recursion limit: every function walks :func:`postorder`, children before parents, and each
distinct sub-expression once.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Expression:
    """Base of all nodes; equality and hash are by content, the hash and the variables are found once."""

    _hash: int = field(init=False)
    _mask: int = field(init=False)

    def __post_init__(self) -> None:
        below = children(self)
        mask = 0
        for child in below:
            mask |= child._mask
        if isinstance(self, Variable):
            mask = 1 << self.index
        object.__setattr__(self, "_mask", mask)
        object.__setattr__(self, "_hash", hash((type(self).__name__, self._content(), below)))

    def _content(self) -> tuple[Hashable, ...]:
        """What the node holds besides its children."""
        return ()

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and _same(self, other)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (flatten(self),)

    def __repr__(self) -> str:
        # The tree itself, built without recursion; a formula is the printer's.
        texts: list[str] = []
        for kind, content, below in flatten(self):
            parts = [*map(str, content), *(texts[i] for i in below)]
            texts.append(f"{kind}({', '.join(parts)})")
        return texts[-1]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Number(Expression):
    """An exact rational constant."""

    value: Fraction

    def _content(self) -> tuple[Hashable, ...]:
        return (self.value,)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Pi(Expression):
    """The constant pi."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Variable(Expression):
    """Variable number ``index``, counted from 0: z1 has index 0."""

    index: int

    def _content(self) -> tuple[Hashable, ...]:
        return (self.index,)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Sum(Expression):
    """The sum of ``terms``."""

    terms: tuple[Expression, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Product(Expression):
    """The product of ``factors``."""

    factors: tuple[Expression, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Power(Expression):
    """``base`` to an integer ``exponent``, which is negative for constants only (division by a constant)."""

    base: Expression
    exponent: int

    def _content(self) -> tuple[Hashable, ...]:
        return (self.exponent,)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Hermite(Expression):
    """He_order(argument), probabilists' Hermite polynomial."""

    order: int
    argument: Expression

    def _content(self) -> tuple[Hashable, ...]:
        return (self.order,)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Call(Expression):
    """A named function of ``arguments``; the names are listed in :data:`FUNCTIONS`."""

    name: str
    arguments: tuple[Expression, ...]

    def _content(self) -> tuple[Hashable, ...]:
        return (self.name,)


#: Functions of one argument; sqrt is of a constant only.
UNARY = (
    "relu", "abs", "sign", "heaviside", "exp", "sin", "cos", "tanh", "erf", "logistic", "softplus", "sqrt",
)  # fmt: skip
#: Functions of two or more arguments.
NARY = ("max", "min")
FUNCTIONS = UNARY + NARY


def children(e: Expression) -> tuple[Expression, ...]:
    """The sub-expressions directly below ``e``."""
    match e:
        case Sum():
            return e.terms
        case Product():
            return e.factors
        case Power():
            return (e.base,)
        case Hermite():
            return (e.argument,)
        case Call():
            return e.arguments
        case _:
            return ()


ZERO = Number(Fraction(0))
ONE = Number(Fraction(1))


def with_children(e: Expression, new: tuple[Expression, ...]) -> Expression:
    """The node ``e`` over other sub-expressions, nothing simplified."""
    match e:
        case Sum():
            return Sum(new)
        case Product():
            return Product(new)
        case Power():
            return Power(new[0], e.exponent)
        case Hermite():
            return Hermite(e.order, new[0])
        case Call():
            return Call(e.name, new)
        case _:
            return e


def postorder(e: Expression) -> list[Expression]:
    """All distinct sub-expressions of ``e``, children before parents, ``e`` last."""
    done: dict[Expression, None] = {}
    stack: list[tuple[Expression, bool]] = [(e, False)]
    while stack:
        node, ready = stack.pop()
        if node in done:
            continue
        below = children(node)
        if ready or not below:
            done[node] = None
            continue
        stack.append((node, True))
        stack.extend((child, False) for child in reversed(below))
    return list(done)


def operations(e: Expression) -> int:
    """The work of one value of ``e``: a node is one, and He_k a recursion of k steps."""
    return sum(node.order if isinstance(node, Hermite) and node.order > 1 else 1 for node in postorder(e))


def variables_of(e: Expression) -> frozenset[int]:
    """Indices of the variables that are named anywhere in ``e`` (cancelled or not)."""
    return frozenset(i for i in range(e._mask.bit_length()) if e._mask >> i & 1)


def is_constant(e: Expression) -> bool:
    """Whether no variable is named in ``e``."""
    return e._mask == 0


def is_polynomial(e: Expression) -> bool:
    """Whether ``e`` is written as a polynomial with rational coefficients (pi and sqrt(2) are not)."""
    return not any(
        isinstance(node, (Pi, Call)) or (isinstance(node, Power) and node.exponent < 0)
        for node in postorder(e)
    )


def flatten(e: Expression) -> tuple[tuple[Any, ...], ...]:
    """Rows (type, content, positions of the children) that describe ``e``, to be sent without recursion."""
    nodes = postorder(e)
    place = {node: i for i, node in enumerate(nodes)}
    return tuple(
        (type(node).__name__, node._content(), tuple(place[child] for child in children(node)))
        for node in nodes
    )


def _rebuild(rows: Iterable[tuple[str, tuple[Any, ...], tuple[int, ...]]]) -> Expression:
    """Undo :func:`flatten`."""
    built: list[Expression] = []
    for kind, content, below in rows:
        parts = tuple(built[i] for i in below)
        node: Expression
        if kind == "Number":
            node = Number(content[0])
        elif kind == "Variable":
            node = Variable(content[0])
        elif kind == "Pi":
            node = Pi()
        elif kind == "Sum":
            node = Sum(parts)
        elif kind == "Product":
            node = Product(parts)
        elif kind == "Power":
            node = Power(parts[0], content[0])
        elif kind == "Hermite":
            node = Hermite(content[0], parts[0])
        else:
            node = Call(content[0], parts)
        built.append(node)
    return built[-1]


def _same(a: Expression, b: Expression) -> bool:
    """Equality by content, without recursion; a pair is compared once."""
    stack = [(a, b)]
    seen: set[tuple[int, int]] = set()
    while stack:
        x, y = stack.pop()
        if x is y or (id(x), id(y)) in seen:
            continue
        if x._hash != y._hash or type(x) is not type(y) or x._content() != y._content():
            return False
        below, other = children(x), children(y)
        if len(below) != len(other):
            return False
        if below:
            seen.add((id(x), id(y)))
            stack.extend(zip(below, other, strict=True))
    return True
