"""Formulas as MathML, which browsers set by themselves: the pages need no script and no network."""

from __future__ import annotations

from html import escape
from typing import Any

#: Commands of LaTeX that docutils' translator does not know, in words that it knows.
_KNOWN = {r"\tfrac": r"\frac", r"\dfrac": r"\frac", r"\lVert": r"\|", r"\rVert": r"\|", r"\,": " ", r"\!": ""}


def mathml(latex: str, block: bool) -> str:
    """One formula; as its text where the translator cannot set it."""
    from docutils.utils.math import latex2mathml

    for old, new in _KNOWN.items():
        latex = latex.replace(old, new)
    translate = getattr(latex2mathml, "tex2mathml", None)
    try:
        if translate is None:
            raise ValueError("an old docutils")
        return str(translate(latex, as_block=block))
    except Exception:
        # The translator raises what it likes; a formula in letters is better than a page that is not made.
        return f"<code>{escape(latex)}</code>"


def visit_inline(self: Any, node: Any) -> None:
    """A formula within a line."""
    from docutils.nodes import SkipNode

    self.body.append(mathml(node.astext(), False))
    raise SkipNode


def visit_block(self: Any, node: Any) -> None:
    """A formula on a line of its own."""
    from docutils.nodes import SkipNode

    self.body.append(f'<div class="math">{mathml(node.astext(), True)}</div>')
    raise SkipNode
