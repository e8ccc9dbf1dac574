"""What operators and functions mean at their arguments, refused where they mean nothing or too much.

Every method takes the column that an error names. Constants are bounded before they are computed: rationals to 400
digits, irrational ones to 10^400, and the work on all of them by a count that one text keeps.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from hermite.language import building
from hermite.language import nodes as ex
from hermite.language.constants import TooLarge, check_size, sign_of
from hermite.language.limits import MAX_CALLS, MAX_DEGREE, MAX_OPERANDS
from hermite.language.tokens import error_at
from hermite.language.vocabulary import FUNCTION_NAMES, short


def within_digits(
    build: Callable[[list[ex.Expression]], ex.Expression], parts: list[ex.Expression], column: int
) -> ex.Expression:
    """``build(parts)``, refused where a folded rational number is too long."""
    try:
        return build(parts)
    except TooLarge as error:
        raise error_at(column, f"{error}; the limit is 400 digits") from None


def hermite_order(order: Fraction, column: int) -> int:
    """A Hermite order within the limits."""
    if order.denominator != 1 or order < 0:
        raise error_at(column, "the order k of He(k, u) must be a non-negative integer")
    if order > MAX_DEGREE:
        raise error_at(column, f"Hermite order above the limit of degree {MAX_DEGREE}")
    return int(order)


class Meaning:
    """The nodes that one text builds, with the count of its calls and of its work on constants."""

    def __init__(self) -> None:
        self.calls = 0
        self.constants = 0

    def count_call(self, column: int) -> None:
        """Stop where a text calls more functions than the limit."""
        self.calls += 1
        if self.calls > MAX_CALLS:
            raise error_at(column, f"more than {MAX_CALLS} function calls as written")

    def call(self, name: str, arguments: tuple[ex.Expression, ...], column: int) -> ex.Expression:
        """A function at its arguments."""
        self.count_call(column)
        if name == "He":
            if len(arguments) != 2:
                raise error_at(column, f"He takes two arguments He(k, u), not {len(arguments)}")
            order = arguments[0]
            if not isinstance(order, ex.Number):
                raise error_at(column, "the order k of He(k, u) must be an integer constant")
            return ex.Hermite(hermite_order(order.value, column), arguments[1])
        several = name in ex.NARY
        if several and len(arguments) < 2:
            raise error_at(column, f"{name} takes two or more arguments")
        if not several and len(arguments) != 1:
            raise error_at(column, f"{short(name)} takes one argument, not {len(arguments)}")
        if name not in FUNCTION_NAMES:
            return ex.Hermite(int(name[2:]), arguments[0])
        if name == "sqrt" and ex.is_constant(arguments[0]):
            sign = self.sign(arguments[0], column)
            if sign is None:
                raise error_at(column, "sqrt of a constant that cannot be proved to be non-negative")
            if sign < 0:
                raise error_at(column, "sqrt of a negative constant")
        try:
            result = building.call(FUNCTION_NAMES[name], arguments)
            self.check_constant(result, column)
        except TooLarge as error:
            raise error_at(column, f"{error}; constants must stay below 10^400") from None
        except ValueError:
            raise error_at(
                column, "sqrt takes non-negative constants and squares such as sqrt(u^2) only"
            ) from None
        return result

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
            result = building.power(base, n)
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
            result = building.power(divisor, -1)
            self.check_constant(result, column)
        except TooLarge as error:
            raise error_at(column, f"{error}; constants must stay below 10^400") from None
        return result
