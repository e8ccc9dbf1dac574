"""The expression language: text to an exact tree, by a tokenizer and a precedence parser on its own stack.

    sum      = term {("+" | "-") term}
    term     = signed {("*" | "/") signed}
    signed   = {"+" | "-"} power
    power    = atom [("^" | "**") signed]            (to the right; -z1^2 is -(z1^2))
    atom     = number | "pi" | variable | function "(" sum {"," sum} ")" | "(" sum ")"

Nothing is ever evaluated as code, and the work that an expression stands for is bounded before it is done
(:mod:`hermite.language.limits`). Every error is an :class:`InputError` that names the column, in ASCII.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache

from hermite.errors import InputError
from hermite.language import nodes as ex
from hermite.language.building import add, call, multiply, negate, power, substitute
from hermite.language.constants import TooLarge, check_size, sign_of
from hermite.language.limits import (
    MAX_BYTES,
    MAX_CALLS,
    MAX_DEGREE,
    MAX_NESTING,
    MAX_OPERANDS,
    MAX_VARIABLES,
    TooMuch,
    check_work,
)
from hermite.language.named import NAMED, values_of
from hermite.language.sympy_text import is_sympy
from hermite.language.tokens import Token, error_at, read_number, tokenize

#: Names of the language and the call they stand for.
FUNCTION_NAMES = {
    "relu": "relu", "abs": "abs", "sign": "sign", "Heaviside": "heaviside", "heaviside": "heaviside",
    "max": "max", "min": "min", "exp": "exp", "sin": "sin", "cos": "cos", "tanh": "tanh", "erf": "erf",
    "logistic": "logistic", "sigmoid": "logistic", "softplus": "softplus", "sqrt": "sqrt", "He": "He",
}  # fmt: skip
#: … and the shorthands whose text the language can write.
_SHORTHANDS = tuple(name for name, one in NAMED.items() if one.pair is None)
_FUNCTIONS = (*FUNCTION_NAMES, *_SHORTHANDS)
_VARIABLES = [ex.Variable(i) for i in range(MAX_VARIABLES)]
_HERMITE = re.compile(r"He([0-9]+)")
_DEFAULT_VARIABLE = re.compile(r"z([0-9]+)")
_OPERAND = "a number, a variable, a function or '('"


def parse(text: str, *, activation: bool = False, variables: Sequence[str] | None = None) -> ex.Expression:
    """The exact tree of ``text``.

    Variables are z1, z2, ..., z20; with ``activation`` the only one is x; ``variables`` lists other names.
    Nothing that names a variable is dropped, so that z1 + z3 - z3 and z1 + 0*z3 both name z3.
    Raises :class:`InputError` for anything that is not in the language or above its limits.
    """
    if not isinstance(text, str):
        raise InputError(f"expression must be text, not {type(text).__name__}")
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise InputError(f"expression is longer than the limit of {MAX_BYTES} bytes")
    names = ("x",) if activation else check_names(variables) if variables is not None else None
    if not text.strip(" \t\r\n"):
        raise InputError("expression is empty; expected for example z1 + z1*z2")
    return _Parser(text, names).run()


def check_names(variables: Sequence[str]) -> tuple[str, ...]:
    """``variables`` as a tuple of distinct, usable names; raises :class:`InputError`."""
    if not isinstance(variables, Iterable) or isinstance(variables, bytes):
        raise InputError(f"variables must be a list of names such as ['x', 'y'], not {variables!a}")
    names = (variables,) if isinstance(variables, str) else tuple(variables)
    names = tuple(str(name) if is_sympy(name) else name for name in names)
    if not 1 <= len(names) <= MAX_VARIABLES:
        raise InputError(f"variables must be 1 to {MAX_VARIABLES} names, not {len(names)}")
    for name in names:
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z_][A-Za-z_0-9]*", name):
            raise InputError(f"variables must be ASCII names such as x or z1, not {name!a}")
        if name in _FUNCTIONS or name == "pi" or _HERMITE.fullmatch(name):
            raise InputError(f"variables must not be named like a function or constant, as {name} is")
    if len(set(names)) < len(names):
        raise InputError("variables must be distinct names")
    return names


@dataclass(slots=True)
class _Frame:
    """What is open between a parenthesis and the place read: a sum, its current product and powers."""

    column: int
    function: str | None = None
    arguments: list[ex.Expression] = field(default_factory=list)
    terms: list[ex.Expression] = field(default_factory=list)
    factors: list[ex.Expression] = field(default_factory=list)
    sign: int = 1
    power_sign: int = 1
    divide_at: int = 0
    powers: list[tuple[int, ex.Expression, int]] = field(default_factory=list)


class _Parser:
    """One pass over the tokens; ``stack`` holds a frame for each open parenthesis."""

    def __init__(self, text: str, names: tuple[str, ...] | None) -> None:
        self.names = names
        self.tokens = tokenize(text)
        self.token = self.previous = next(self.tokens)
        self.frame = _Frame(1)
        self.stack: list[_Frame] = []
        self.operands = 0
        self.constants = 0
        self.calls = 0
        self.numbers: dict[str, ex.Number] = {}

    def run(self) -> ex.Expression:
        """Alternate between operands and operators until the text ends."""
        while True:
            atom = self.operand()
            if atom is None:
                continue
            result = self.operators(atom)
            if result is not None:
                return result

    def advance(self) -> Token:
        """The current token; the next one becomes current."""
        token = self.previous = self.token
        if token.kind != "end":
            self.token = next(self.tokens)
        return token

    def operand(self) -> ex.Expression | None:
        """An atom, or None after a sign or an opening parenthesis."""
        token = self.advance()
        frame = self.frame
        if token.text in ("+", "-"):
            if token.text == "-":
                frame.power_sign = -frame.power_sign
            return None
        if token.kind == "number":
            self.count_operand(token)
            return self.number(token)
        if token.kind == "name":
            return self.name(token)
        if token.text == "(":
            self.open(token.column, None)
            return None
        found = token.shown()
        if token.text == ")" and not self.stack:
            raise error_at(token.column, f"expected {_OPERAND}, found ')' without a '(' before it")
        raise error_at(token.column, f"expected {_OPERAND}, found {found}")

    def count_operand(self, token: Token) -> None:
        """Stop where a text names more numbers and variables than the limit, so that the answer comes soon."""
        self.operands += 1
        if self.operands > MAX_OPERANDS:
            raise error_at(token.column, f"more than {MAX_OPERANDS} numbers and variables as written")

    def number(self, token: Token) -> ex.Number:
        """The node of a number; equal texts share one."""
        node = self.numbers.get(token.text)
        if node is None:
            node = self.numbers[token.text] = ex.Number(read_number(token))
        return node

    def open(self, column: int, function: str | None) -> None:
        """Enter a parenthesis."""
        if len(self.stack) >= MAX_NESTING:
            raise error_at(column, f"nested deeper than the limit of {MAX_NESTING} parentheses")
        self.stack.append(self.frame)
        self.frame = _Frame(column, function)

    def name(self, token: Token) -> ex.Expression | None:
        """A variable, pi, or the head of a function call."""
        name = token.text
        index = self.variable_index(token)
        if index is not None:
            if self.token.text == "(":
                raise error_at(
                    self.token.column,
                    f"expected an operator, found '(' ({name} is a variable: write {name}*(...))",
                )
            self.count_operand(token)
            return _VARIABLES[index]
        if name == "pi":
            return ex.Pi()
        if name in _FUNCTIONS or _HERMITE.fullmatch(name):
            if self.token.text != "(":
                raise error_at(
                    self.token.column,
                    f"expected '(' after the function {_short(name)}, found {self.token.shown()}",
                )
            if name not in _FUNCTIONS:
                self.hermite_order(
                    Fraction(int(name[2:])) if len(name) < 12 else Fraction(10**9), token.column
                )
            self.open(self.advance().column, name)
            return None
        raise self.unknown(token)

    def variable_index(self, token: Token) -> int | None:
        """0-based index if the token names a variable."""
        name = token.text
        if self.names is not None:
            return self.names.index(name) if name in self.names else None
        match = _DEFAULT_VARIABLE.fullmatch(name)
        if match is None:
            return None
        digits = match[1]
        if digits.startswith("0"):
            raise error_at(token.column, f"expected a variable z1 to z{MAX_VARIABLES}, found {token.shown()}")
        if len(digits) > 3 or int(digits) > MAX_VARIABLES:
            raise error_at(
                token.column, f"variable {_short(name)} is above the limit of {MAX_VARIABLES} variables"
            )
        return int(digits) - 1

    def unknown(self, token: Token) -> InputError:
        """The error for a name that means nothing, with the closest one that does."""
        from difflib import get_close_matches

        known = list(self.names or (f"z{i}" for i in range(1, MAX_VARIABLES + 1)))
        name = token.text[:40]
        # The same letters first: Relu is relu, though prelu is as close.
        close = [k for k in [*_FUNCTIONS, *known] if k.lower() == name.lower()]
        close = close or get_close_matches(name, [*_FUNCTIONS, "pi", *known], 1, 0.6)
        variables = f"variables are {_list(known) if self.names else 'z1, z2, ...'}"
        hint = f"did you mean {close[0]}?" if close else variables
        if name == "e":
            hint = "write exp(1)"
        if name in NAMED:
            hint = "an activation only, by its bare name"
        return error_at(token.column, f"unknown name {token.shown()} ({hint})")

    def operators(self, atom: ex.Expression) -> ex.Expression | None:
        """Use a complete atom and what follows it; the tree at the end of the text, else None."""
        while True:
            token, frame = self.token, self.frame
            if token.text in ("^", "**"):
                self.advance()
                frame.powers.append((frame.power_sign, atom, token.column))
                frame.power_sign = 1
                return None
            self.close_power(atom)
            if token.text in ("*", "/"):
                self.advance()
                frame.divide_at = token.column if token.text == "/" else 0
                return None
            self.close_term(token.column)
            if token.text in ("+", "-"):
                self.advance()
                frame.sign = 1 if token.text == "+" else -1
                return None
            if token.text == "," and frame.function is not None:
                self.advance()
                frame.arguments.append(self.close_sum())
                return None
            if token.text == ")" and self.stack:
                self.advance()
                atom = self.close_parenthesis()
                continue
            if token.kind == "end" and not self.stack:
                return self.finish()
            raise self.misplaced(token)

    def misplaced(self, token: Token) -> InputError:
        """The error where an operator should stand."""
        hint = ""
        if token.kind in ("name", "number") or token.text == "(":
            right = "(...)" if token.text == "(" else _short(token.text)
            hint = f" (write {_short(self.previous.text)}*{right} for a product)"
        if token.kind == "end":
            return error_at(
                token.column, f"expected ')' for the '(' at column {self.frame.column}, found the end"
            )
        if token.text == ")":
            return error_at(
                token.column, "expected an operator or the end, found ')' without a '(' before it"
            )
        if token.text == ",":
            return error_at(
                token.column, "expected an operator, found ',' outside the arguments of a function"
            )
        wanted = "an operator or ')'" if self.stack else "an operator (+ - * / ^) or the end"
        return error_at(token.column, f"expected {wanted}, found {token.shown()}{hint}")

    def close_power(self, atom: ex.Expression) -> None:
        """Fold a chain a^b^c from the right, then multiply or divide the current product by it."""
        frame = self.frame
        sign = frame.power_sign
        while frame.powers:
            exponent = negate(atom) if sign < 0 else atom
            sign, base, column = frame.powers.pop()
            atom = self.power(base, exponent, column)
        if sign < 0:
            frame.sign = -frame.sign
        frame.power_sign = 1
        if frame.divide_at:
            atom = self.inverse(atom, frame.divide_at)
            frame.divide_at = 0
        frame.factors.append(atom)

    def close_term(self, column: int) -> None:
        """The current product becomes a term of the current sum."""
        frame = self.frame
        factors = frame.factors
        if frame.sign < 0:
            factors = [ex.Number(Fraction(-1)), *factors]
        term = factors[0] if len(factors) == 1 else self.within_digits(multiply, factors, column)
        if term == ex.ZERO and any(not ex.is_constant(f) for f in factors):
            term = ex.Product((ex.ZERO, *(f for f in factors if not ex.is_constant(f))))
        frame.terms.append(term)
        frame.factors, frame.sign = [], 1

    def close_sum(self) -> ex.Expression:
        """The current sum, complete."""
        frame = self.frame
        terms, frame.terms = frame.terms, []
        return terms[0] if len(terms) == 1 else self.within_digits(add, terms, frame.column)

    @staticmethod
    def within_digits(
        build: Callable[[list[ex.Expression]], ex.Expression], parts: list[ex.Expression], column: int
    ) -> ex.Expression:
        """``build(parts)``, refused where a folded rational number is too long."""
        try:
            return build(parts)
        except TooLarge as error:
            raise error_at(column, f"{error}; the limit is 400 digits") from None

    def close_parenthesis(self) -> ex.Expression:
        """The value of a parenthesis or function call, and back to the frame around it."""
        frame = self.frame
        value = self.close_sum()
        self.frame = self.stack.pop()
        if frame.function is None:
            return value
        return self.call(frame.function, (*frame.arguments, value), frame.column)

    def call(self, name: str, arguments: tuple[ex.Expression, ...], column: int) -> ex.Expression:
        """A function at its arguments."""
        self.calls += 1
        if self.calls > MAX_CALLS:
            raise error_at(column, f"more than {MAX_CALLS} function calls as written")
        if name == "He":
            if len(arguments) != 2:
                raise error_at(column, f"He takes two arguments He(k, u), not {len(arguments)}")
            order = arguments[0]
            if not isinstance(order, ex.Number):
                raise error_at(column, "the order k of He(k, u) must be an integer constant")
            return ex.Hermite(self.hermite_order(order.value, column), arguments[1])
        if name in _SHORTHANDS:
            return self.shorthand(name, arguments, column)
        several = name in ex.NARY
        if several and len(arguments) < 2:
            raise error_at(column, f"{name} takes two or more arguments")
        if not several and len(arguments) != 1:
            raise error_at(column, f"{_short(name)} takes one argument, not {len(arguments)}")
        if name not in FUNCTION_NAMES:
            return ex.Hermite(int(name[2:]), arguments[0])
        if name == "sqrt" and ex.is_constant(arguments[0]):
            sign = self.sign(arguments[0], column)
            if sign is None:
                raise error_at(column, "sqrt of a constant that cannot be proved to be non-negative")
            if sign < 0:
                raise error_at(column, "sqrt of a negative constant")
        try:
            result = call(FUNCTION_NAMES[name], arguments)
            self.check_constant(result, column)
        except TooLarge as error:
            raise error_at(column, f"{error}; constants must stay below 10^400") from None
        except ValueError:
            raise error_at(
                column, "sqrt takes non-negative constants and squares such as sqrt(u^2) only"
            ) from None
        return result

    def shorthand(self, name: str, arguments: tuple[ex.Expression, ...], column: int) -> ex.Expression:
        """A function of :mod:`hermite.language.named`, written out."""
        u, *rest = arguments
        values = tuple(a.value for a in rest if isinstance(a, ex.Number))
        if len(values) < len(rest):
            raise error_at(column, f"the parameters of {name} must be rational constants")
        try:
            result = substitute(_template(name, values_of(name, values)), {0: u})
            self.check_constant(result, column)
        except TooLarge as error:
            raise error_at(column, f"{error}; constants must stay below 10^400") from None
        except ValueError as error:
            raise error_at(column, f"{name} {error}") from None
        # A shorthand repeats its argument: nested ones would double the text at every level.
        if written_size(result) > MAX_OPERANDS:
            raise error_at(column, f"more than {MAX_OPERANDS} numbers and variables once written out")
        return result

    def hermite_order(self, order: Fraction, column: int) -> int:
        """A Hermite order within the limits."""
        if order.denominator != 1 or order < 0:
            raise error_at(column, "the order k of He(k, u) must be a non-negative integer")
        if order > MAX_DEGREE:
            raise error_at(column, f"Hermite order above the limit of degree {MAX_DEGREE}")
        return int(order)

    def check_constant(self, e: ex.Expression, column: int) -> None:
        """Refuse an irrational constant that is not below 10^400; the total work on constants is bounded."""
        if ex.is_constant(e) and not isinstance(e, ex.Number):
            self.count_constants(e, column)
            check_size(e)

    def sign(self, e: ex.Expression, column: int) -> int | None:
        """Sign of a constant, None if it cannot be told from zero."""
        self.count_constants(e, column)
        return sign_of(e)

    def count_constants(self, e: ex.Expression, column: int) -> None:
        """Stop where irrational constants nest so widely that checking each of them would take long."""
        self.constants += len(ex.postorder(e))
        if self.constants > MAX_OPERANDS:
            raise error_at(column, "too many irrational constants inside one another")

    def power(self, base: ex.Expression, exponent: ex.Expression, column: int) -> ex.Expression:
        """base^exponent for a non-negative integer constant exponent."""
        if not isinstance(exponent, ex.Number) or exponent.value.denominator != 1 or exponent.value < 0:
            raise error_at(column, "an exponent must be a non-negative integer constant")
        n = int(exponent.value)
        if not isinstance(base, ex.Number) and n > MAX_DEGREE:
            raise error_at(column, f"an exponent above the limit of degree {MAX_DEGREE}")
        if n == 0 and not ex.is_constant(base):
            return ex.Power(base, 0)
        try:
            result = power(base, n)
            self.check_constant(result, column)
        except TooLarge as error:
            raise error_at(column, f"{error}; the limit is 400 digits") from None
        return result

    def inverse(self, divisor: ex.Expression, column: int) -> ex.Expression:
        """1/divisor for a constant that is proved to be non-zero."""
        if not ex.is_constant(divisor):
            raise error_at(
                column, "division by something that is not constant (only non-zero constants can divide)"
            )
        sign = self.sign(divisor, column)
        if sign == 0:
            raise error_at(column, "division by zero")
        if sign is None:
            raise error_at(column, "division by a constant that cannot be proved to be non-zero")
        try:
            result = power(divisor, -1)
            self.check_constant(result, column)
        except TooLarge as error:
            raise error_at(column, f"{error}; constants must stay below 10^400") from None
        return result

    def finish(self) -> ex.Expression:
        """The whole tree, once the work that it stands for is within the limits."""
        tree = self.close_sum()
        try:
            check_work(tree)
        except TooMuch as error:
            raise InputError(f"expression is too large: {error}") from None
        return tree


@lru_cache(maxsize=256)
def _template(name: str, values: tuple[Fraction, ...]) -> ex.Expression:
    """The tree in x of a shorthand at these parameters."""
    return parse(NAMED[name].written(values), activation=True)


def written_size(e: ex.Expression) -> int:
    """Numbers and variables of ``e`` as a text, in which nothing is shared."""
    size: dict[ex.Expression, int] = {}
    for node in ex.postorder(e):
        size[node] = sum(size[child] for child in ex.children(node)) or 1
    return size[e]


def _short(name: str) -> str:
    return name if len(name) <= 30 else name[:27] + "..."


def _list(names: Sequence[str]) -> str:
    return ", ".join(_short(name) for name in names)
