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

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache

from hermite.errors import InputError
from hermite.language import nodes as ex
from hermite.language.building import add, multiply, negate, substitute
from hermite.language.constants import TooLarge
from hermite.language.limits import (
    MAX_BYTES,
    MAX_NESTING,
    MAX_OPERANDS,
    MAX_VARIABLES,
    TooMuch,
    check_work,
)
from hermite.language.meaning import Meaning, hermite_order, within_digits
from hermite.language.named import NAMED, values_of
from hermite.language.tokens import Token, error_at, read_number, tokenize
from hermite.language.vocabulary import (
    FUNCTIONS,
    SHORTHANDS,
    check_names,
    is_function,
    short,
    unknown,
    variable_index,
)

_VARIABLES = [ex.Variable(i) for i in range(MAX_VARIABLES)]
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
        self.meaning = Meaning()
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
        index = variable_index(token, self.names)
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
        if is_function(name):
            if self.token.text != "(":
                raise error_at(
                    self.token.column,
                    f"expected '(' after the function {short(name)}, found {self.token.shown()}",
                )
            if name not in FUNCTIONS:
                hermite_order(Fraction(int(name[2:])) if len(name) < 12 else Fraction(10**9), token.column)
            self.open(self.advance().column, name)
            return None
        raise unknown(token, self.names)

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
            right = "(...)" if token.text == "(" else short(token.text)
            hint = f" (write {short(self.previous.text)}*{right} for a product)"
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
            atom = self.meaning.power(base, exponent, column)
        if sign < 0:
            frame.sign = -frame.sign
        frame.power_sign = 1
        if frame.divide_at:
            atom = self.meaning.inverse(atom, frame.divide_at)
            frame.divide_at = 0
        frame.factors.append(atom)

    def close_term(self, column: int) -> None:
        """The current product becomes a term of the current sum."""
        frame = self.frame
        factors = frame.factors
        if frame.sign < 0:
            factors = [ex.Number(Fraction(-1)), *factors]
        term = factors[0] if len(factors) == 1 else within_digits(multiply, factors, column)
        if term == ex.ZERO and any(not ex.is_constant(f) for f in factors):
            term = ex.Product((ex.ZERO, *(f for f in factors if not ex.is_constant(f))))
        frame.terms.append(term)
        frame.factors, frame.sign = [], 1

    def close_sum(self) -> ex.Expression:
        """The current sum, complete."""
        frame = self.frame
        terms, frame.terms = frame.terms, []
        return terms[0] if len(terms) == 1 else within_digits(add, terms, frame.column)

    def close_parenthesis(self) -> ex.Expression:
        """The value of a parenthesis or function call, and back to the frame around it."""
        frame = self.frame
        value = self.close_sum()
        self.frame = self.stack.pop()
        if frame.function is None:
            return value
        arguments = (*frame.arguments, value)
        build = self.shorthand if frame.function in SHORTHANDS else self.meaning.call
        return build(frame.function, arguments, frame.column)

    def shorthand(self, name: str, arguments: tuple[ex.Expression, ...], column: int) -> ex.Expression:
        """A function of :mod:`hermite.language.named`, written out."""
        self.meaning.count_call(column)
        u, *rest = arguments
        values = tuple(a.value for a in rest if isinstance(a, ex.Number))
        if len(values) < len(rest):
            raise error_at(column, f"the parameters of {name} must be rational constants")
        try:
            result = substitute(_template(name, values_of(name, values)), {0: u})
            self.meaning.check_constant(result, column)
        except TooLarge as error:
            raise error_at(column, f"{error}; constants must stay below 10^400") from None
        except ValueError as error:
            raise error_at(column, f"{name} {error}") from None
        # A shorthand repeats its argument: nested ones would double the text at every level.
        if written_size(result) > MAX_OPERANDS:
            raise error_at(column, f"more than {MAX_OPERANDS} numbers and variables once written out")
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
