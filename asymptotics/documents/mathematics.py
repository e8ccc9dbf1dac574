"""Formulas as pictures that need nothing: LaTeX set by matplotlib's mathtext, as inline SVG.

Each formula is one ``<svg>`` with one path in the colour of the text around it, sits on its baseline, scales with the
font, and carries its LaTeX as label for readers who hear the page. No font, script or network is needed. A sum breaks
into its terms, so that a long one wraps.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import numpy.typing as npt

from hermite.errors import InputError

_SIZE = 100.0
"""Units of the drawing in one em."""


def formula(latex: str) -> str:
    """``latex`` (no dollar signs) as inline SVG, its terms in pieces that may wrap.

    Raises ``InputError`` where mathtext knows a command not.
    """
    pieces = "".join(f'<span class="term">{_svg(piece)}</span> ' for piece in terms(latex))
    return f'<span class="math" role="img" aria-label="{escape(latex)}">{pieces.rstrip()}</span>'


def terms(latex: str) -> list[str]:
    """The terms of a sum with the signs before them; brackets and braces stay whole.

    >>> terms(r"f(z) = z_{1 + 1} + (a + b) - \\frac{1}{2}")
    ['f(z) =', 'z_{1 + 1}', '+ (a + b)', '- \\\\frac{1}{2}']
    """
    found, depth, start = [], 0, 0
    for i, letter in enumerate(latex):
        depth += (letter in "({[") - (letter in ")}]")
        if depth == 0 and latex[i : i + 3] in (" + ", " - ") and i > start:
            found.append(latex[start:i])
            start = i + 1
        elif depth == 0 and latex[i : i + 3] == " = ":
            found.append(latex[start : i + 2])
            start = i + 3
    return [*found, latex[start:]]


def _svg(latex: str) -> str:
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(size=_SIZE)
    # A sign at the beginning of a piece would be set as that of a number, without the space after it.
    text = f"${latex[0]}\\;{latex[2:]}$" if latex[:2] in ("+ ", "- ") else f"${latex}$"
    try:
        width, height, descent = text_to_path.get_text_width_height_descent(text, font, ismath=True)
        vertices, codes = text_to_path.get_text_path(font, text, ismath=True)
    except ValueError as error:
        raise InputError(f"Cannot set the formula {latex!r}: {str(error).splitlines()[-1]}.") from None
    # Curves may reach a little beyond the box of the font's metrics.
    pad = 4.0
    box = f"0 {-(height - descent) - pad:.0f} {width + pad:.0f} {height + 2 * pad:.0f}"
    style = f"width:{(width + pad) / _SIZE:.3f}em;height:{(height + 2 * pad) / _SIZE:.3f}em;"
    style += f"vertical-align:{-(descent + pad) / _SIZE:.3f}em"
    return (
        f'<svg viewBox="{box}" style="{style}" aria-hidden="true">'
        f'<path fill="currentColor" d="{_path(vertices, codes)}"/></svg>'
    )


def _path(vertices: npt.NDArray[np.float64], codes: npt.NDArray[np.uint8]) -> str:
    """SVG path data, y downwards."""
    from matplotlib.path import Path

    letters = {Path.MOVETO: ("M", 1), Path.LINETO: ("L", 1), Path.CURVE3: ("Q", 2), Path.CURVE4: ("C", 3)}
    out: list[str] = []
    i = 0
    while i < len(codes):
        code = Path.code_type(codes[i])
        if code == Path.CLOSEPOLY:
            out.append("Z")
            i += 1
            continue
        letter, count = letters[code]
        points = " ".join(f"{x:.1f} {-y:.1f}" for x, y in vertices[i : i + count])
        out.append(letter + points)
        i += count
    return "".join(out)


def expression_latex(text: str, variables: Sequence[str]) -> str:
    """LaTeX of an expression in ``variables``, read by the expression language; raises ``InputError``.

    >>> expression_latex("z1 - 1/2*z4", ["z1", "z2", "z3", "z4"])
    'z_{1} - \\\\frac{1}{2} z_{4}'
    """
    from hermite.language.printing import to_latex
    from hermite.target import Target

    tree = Target(text, variables=list(variables)).tree
    assert tree is not None
    return to_latex(tree, variables)
