"""The changes: every place of a module where one operator, constant or argument can be another, and the module with it."""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass

_OPERATORS: dict[type, type] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Pow: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
    ast.Gt: ast.LtE,
    ast.GtE: ast.Lt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_BOUNDARIES: dict[type, type] = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
_PAIRS = [
    ("min", "max"),
    ("minimum", "maximum"),
    ("any", "all"),
    ("sin", "cos"),
    ("sum", "mean"),
    ("floor", "ceil"),
    ("zeros", "ones"),
    ("argmin", "argmax"),
]
_NEIGHBOURS = dict(_PAIRS) | {there: here for here, there in _PAIRS}
_DROPPED = {"sqrt", "abs", "log", "exp", "square", "log1p", "expm1"}
# What says how a thing is told, typed or kept, not what it is.
_KEPT_KEYWORDS = {"strict", "stacklevel", "encoding", "maxsize", "dtype", "copy", "optimize", "message"}
# Their two arguments may come in any order, or mean nothing the other way round.
_ORDERLESS = {"isinstance", "getattr", "minimum", "maximum", "min", "max", "vdot", "isclose", "hypot"}
_SILENT = (ast.Raise, ast.Import, ast.ImportFrom, ast.JoinedStr, ast.Assert)
_SILENT_FIELDS = {"annotation", "returns", "decorator_list", "bases"}


@dataclass(frozen=True)
class Change:
    """One change of one module: where it is, in words, the module with it, and the lines at which a run meets it.

    No lines: it is met where the module is imported, so by every test that runs any of it.
    """

    module: str
    place: int
    line: int
    told: str
    tree: ast.Module
    lines: frozenset[int]

    @property
    def key(self) -> str:
        return f"{self.module}:{self.line}:{self.place}"


@dataclass(frozen=True)
class _Place:
    node: ast.AST
    other: ast.AST
    lines: frozenset[int]


class _Exchange(ast.NodeTransformer):
    def __init__(self, place: _Place) -> None:
        self._place = place

    def visit(self, node: ast.AST) -> ast.AST:
        if node is self._place.node:
            return ast.copy_location(self._place.other, node)
        return self.generic_visit(node)


def changes(module: str, text: str, seed: int) -> Iterator[Change]:
    """All changes of ``text``, each once, in an order that ``seed`` and the module's name decide."""
    count = len(_places(ast.parse(text)))
    for index in random.Random(f"{seed}:{module}").sample(range(count), count):
        tree = ast.parse(text)
        place = _places(tree)[index]
        told = "  ->  ".join(_where_they_differ(ast.unparse(place.node), ast.unparse(place.other)))
        line: int = place.node.lineno  # type: ignore[attr-defined]
        changed = ast.fix_missing_locations(_Exchange(place).visit(tree))
        assert isinstance(changed, ast.Module)
        yield Change(module, index, line, told, changed, place.lines)


def control(module: str) -> Change:
    """The module as one that cannot be imported: whatever runs any of it has to fail."""
    return Change(module, -1, 0, "raises", ast.parse("raise ImportError"), frozenset())


def _places(tree: ast.Module) -> list[_Place]:
    return [place for statement in tree.body for place in _places_of(statement, _uses(tree, statement))]


def _uses(tree: ast.Module, statement: ast.stmt) -> frozenset[int]:
    """Where the names are used that a statement of the module's own level defines."""
    names = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    loads = (n for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load))
    return frozenset(n.lineno for n in loads if n.id in names)


def _places_of(node: ast.AST, lines: frozenset[int]) -> Iterator[_Place]:
    """The places below ``node`` that decide numbers: no annotation, no docstring, no refusal and no text."""
    if isinstance(node, _SILENT):
        return
    inner = lines
    if isinstance(node, ast.FunctionDef):
        inner = frozenset(range(node.body[0].lineno, (node.end_lineno or node.lineno) + 1))
        yield from _places_of(node.args, inner)
    elif isinstance(node, ast.ClassDef):
        inner = frozenset()
    for other in _others(node):
        yield _Place(node, other, lines)
    if isinstance(node, ast.keyword) and node.arg in _KEPT_KEYWORDS:
        return
    for name, field in ast.iter_fields(node):
        if name in _SILENT_FIELDS or (name == "args" and isinstance(node, ast.FunctionDef)):
            continue
        for child in field if isinstance(field, list) else [field]:
            if isinstance(child, ast.AST):
                own = isinstance(child, ast.stmt) and isinstance(node, ast.FunctionDef | ast.stmt)
                inside = own and not isinstance(node, ast.ClassDef) and not isinstance(child, ast.FunctionDef)
                yield from _places_of(child, _span(child) if inside else inner)


def _span(statement: ast.AST) -> frozenset[int]:
    """The lines of a statement, of a compound one its head's."""
    first: int = statement.lineno  # type: ignore[attr-defined]
    last: int = statement.end_lineno  # type: ignore[attr-defined]
    body = getattr(statement, "body", None)
    return frozenset(range(first, max(first + 1, body[0].lineno) if body else last + 1))


def _others(node: ast.AST) -> Iterator[ast.AST]:
    """What may stand in the place of ``node``, one change away."""
    if isinstance(node, ast.BinOp | ast.BoolOp) and type(node.op) in _OPERATORS:
        yield _with(node, op=_OPERATORS[type(node.op)]())
    elif isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _OPERATORS:
        yield _with(node, ops=[_OPERATORS[type(node.ops[0])]()])
        sides = [node.left, *node.comparators]
        if type(node.ops[0]) in _BOUNDARIES and any(
            isinstance(s, ast.Constant) and _whole(s.value) for s in sides
        ):
            yield _with(node, ops=[_BOUNDARIES[type(node.ops[0])]()])
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Not):
        yield node.operand
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        yield _with(node, value=_other(node.value))
    elif isinstance(node, ast.If | ast.IfExp) and isinstance(node.test, ast.Name | ast.Attribute | ast.Call):
        yield _with(node, test=ast.UnaryOp(ast.Not(), node.test))
    elif isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple) and len(node.value.elts) > 1:
        first, second, *rest = node.value.elts
        yield _with(node, value=ast.Tuple([second, first, *rest], ast.Load()))
    elif isinstance(node, ast.Call):
        yield from _other_calls(node)


def _other_calls(node: ast.Call) -> Iterator[ast.AST]:
    called = node.func
    field = "attr" if isinstance(called, ast.Attribute) else "id"
    name: str = getattr(called, field, "")
    if name in _NEIGHBOURS:
        yield _with(node, func=_with(called, **{field: _NEIGHBOURS[name]}))
    if name in _DROPPED and len(node.args) == 1:
        yield node.args[0]
    plain = len(node.args) == 2 and not any(isinstance(a, ast.Starred | ast.Constant) for a in node.args)
    plain = plain and ast.dump(node.args[0]) != ast.dump(node.args[-1])
    if plain and name not in _ORDERLESS:
        yield _with(node, args=node.args[::-1])
    for keyword in node.keywords:
        if keyword.arg is not None and keyword.arg not in _KEPT_KEYWORDS:
            yield _with(node, keywords=[k for k in node.keywords if k is not keyword])


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _other(value: float) -> float:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    return 2 * value if value else 1.0


def _with(node: ast.AST, **fields: object) -> ast.AST:
    other = copy(node)
    for name, value in fields.items():
        setattr(other, name, value)
    return other


def _where_they_differ(one: str, other: str, around: int = 50) -> tuple[str, str]:
    """The two texts, or of long ones what is near the first letter that differs."""
    first = next(
        (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
    window = slice(max(0, first - around), first + around)

    def brief(text: str) -> str:
        return " ".join((text if len(text) < 2 * around else text[window]).split())

    return brief(one), brief(other)
