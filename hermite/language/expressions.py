"""Expressions: the nodes and what can be done with them, in one place to import from."""

from __future__ import annotations

from hermite.language.building import substitute
from hermite.language.calculus import differentiate
from hermite.language.evaluation import compile_array, compile_numpy, compile_together
from hermite.language.limits import degree_bound, term_bound
from hermite.language.nodes import (
    FUNCTIONS,
    Call,
    Expression,
    Hermite,
    Number,
    Pi,
    Power,
    Product,
    Sum,
    Variable,
    children,
    is_constant,
    is_polynomial,
    postorder,
    variables_of,
)
from hermite.language.printing import to_text

__all__ = [
    "FUNCTIONS",
    "Call",
    "Expression",
    "Hermite",
    "Number",
    "Pi",
    "Power",
    "Product",
    "Sum",
    "Variable",
    "children",
    "compile_array",
    "compile_numpy",
    "compile_together",
    "degree_bound",
    "differentiate",
    "is_constant",
    "is_polynomial",
    "postorder",
    "substitute",
    "term_bound",
    "to_text",
    "variables_of",
]
