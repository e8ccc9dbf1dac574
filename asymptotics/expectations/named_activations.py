"""The table of activations by name: Hermite coefficients, parity, and what a network without biases cannot learn with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from asymptotics.expectations.activations import get_activation
from hermite.exact.exactness import Exactness
from hermite.indices.student import activation_parity, visible_orders
from hermite.language.named import NAMED
from hermite.target import Target

#: Names of the language itself, whose text is the function; NAMED holds the others.
OF_THE_LANGUAGE = (
    "relu",
    "abs",
    "sign",
    "Heaviside",
    "exp",
    "sin",
    "cos",
    "tanh",
    "erf",
    "sigmoid",
    "softplus",
    "He2",
    "He3",
)
ORDERS = 3

_MISSES = {
    "odd": "even orders",
    "even": "odd orders",
    "linear plus even": "odd orders from 3 on",
}


@dataclass(frozen=True)
class ActivationRow:
    """``parameters``: name → default; ``coefficients``: c_0..c_3 = E[σ He_k], exactly 0 where that is proved.

    ``parity``: "odd", "even", "linear plus even" or None; ``misses``: the orders that no network without biases has, as words,
    None where parity and degree hide none.
    """

    name: str
    expression: str
    parameters: dict[str, str]
    coefficients: tuple[float, ...]
    parity: str | None
    misses: str | None

    def to_dict(self) -> dict[str, Any]:
        """The row as JSON."""
        return {
            "name": self.name,
            "expression": self.expression,
            "parameters": self.parameters,
            **{f"c_{k}": c for k, c in enumerate(self.coefficients)},
            "parity": self.parity,
            "misses": self.misses,
        }


def activations() -> tuple[ActivationRow, ...]:
    """Every activation that has a name, those of the language first (parametrised ones at their defaults).

    >>> [row.misses for row in activations() if row.name in ("relu", "tanh", "mish")]
    ['odd orders from 3 on', 'even orders', None]
    """
    return tuple(map(_row, (*OF_THE_LANGUAGE, *NAMED)))


def _row(name: str) -> ActivationRow:
    from hermite.expansion import expand

    sigma = get_activation(name)
    named = NAMED.get(name)
    parameters = () if named is None else named.parameters
    target = Target(sigma.tree) if sigma.tree is not None else None
    seen = None if target is None else visible_orders(target)
    parity = activation_parity(name) if target is None else None if seen is None else seen[1]
    expansion = None if target is None else expand(target, order=ORDERS)
    if expansion is not None and expansion.exactness != Exactness.UNDECIDED:
        # Exact, or as good as its ball: a float's rounding would read as a coefficient (c_0 of selu is -1e-32).
        coefficients = tuple(expansion.value((k,)) for k in range(ORDERS + 1))
    else:
        hidden = {"odd": 0, "even": 1}.get(parity or "")
        found = sigma.coefficients(ORDERS)
        coefficients = tuple(0.0 if k % 2 == hidden else float(c) for k, c in enumerate(found))
    return ActivationRow(
        name=name,
        expression=_expression(name),
        parameters=dict(parameters),
        coefficients=coefficients,
        parity=parity,
        misses=_misses(parity, target),
    )


def _misses(parity: str | None, target: Target | None) -> str | None:
    """The orders that neither a step nor the fit has without biases."""
    hidden = _MISSES.get(parity or "")
    if target is None or not target.is_polynomial:
        return hidden
    from hermite.expansion import expand

    # A polynomial of degree m has no order above m at all.
    degree = max(sum(alpha) for alpha in expand(target).series)
    above = f"orders above {degree}"
    if degree <= 1:
        return above
    return f"{hidden}, {above}" if hidden else above


def _expression(name: str) -> str:
    """The text in x and the parameters."""
    named = NAMED.get(name)
    return f"{name}(x)" if named is None else named.text.format(**{k: k for k, _ in named.parameters})
