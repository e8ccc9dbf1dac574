"""Steep, narrow, oscillating and shifted functions of one variable, with the places where `quad` must be told to look."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import strategies as st

#: (expression in the variable named, breakpoints)
Sharp = tuple[str, tuple[float, ...]]

_shifts = st.integers(-8, 8).map(lambda k: Fraction(k, 4))
_flanks = (-30.0, -10.0, -3.0, -1.0, 0.0, 1.0, 3.0, 10.0, 30.0)


def _around(place: Fraction, width: float) -> tuple[float, ...]:
    return tuple(float(place) + width * t for t in _flanks)


@st.composite
def sharp_functions(draw: st.DrawFn, variable: str = "z1") -> Sharp:
    """Slopes to 200, widths to 1/200, frequencies to 30, shifts to 2, alone or on a smooth background."""
    c = draw(_shifts)
    moved = f"({variable} - ({c}))"
    kind = draw(st.sampled_from(["layer", "bump", "wave", "odd bump", "step", "ramp"]))
    match kind:
        case "layer":
            name, slope = draw(st.sampled_from(["tanh", "logistic", "erf"])), draw(st.integers(1, 200))
            text, points = f"{name}({slope}*{moved})", _around(c, 1 / slope)
        case "bump" | "odd bump":
            width = draw(st.integers(2, 200))
            factor = f"{variable}*" if kind == "odd bump" else ""
            text, points = f"{factor}exp(-{width**2}/2*{moved}^2)", _around(c, 1 / width)
        case "wave":
            k = draw(st.integers(1, 30))
            text, points = f"{draw(st.sampled_from(['sin', 'cos']))}({k}*{moved})", ()
        case "step":
            text, points = f"sign({moved})", (float(c),)
        case _:
            text, points = f"relu({draw(st.integers(1, 200))}*{moved})", (float(c),)
    background = draw(
        st.sampled_from(["", f" + {variable}", f" + He2({variable})/2", f" + tanh({variable})"])
    )
    return text + background, points


#: Two directions of unit length as expressions in z1 and z2, and their cosine.
_DIRECTIONS = (
    ("z1", "z2", 0.0),
    ("z1", "(3/5*z1 + 4/5*z2)", 0.6),
    ("(4/5*z1 + 3/5*z2)", "(4/5*z1 - 3/5*z2)", 0.28),
    ("(12/13*z1 + 5/13*z2)", "(-5/13*z1 + 12/13*z2)", 0.0),
    ("(4/5*z1 - 3/5*z2)", "z2", -0.6),
    ("z1", "(24/25*z1 + 7/25*z2)", 0.96),
)

#: Expression in z1, z2; its two factors or terms (in z1 each, with breakpoints); whether they are multiplied; their cosine.
SharpPair = tuple[str, Sharp, Sharp, bool, float]


@st.composite
def sharp_pairs(draw: st.DrawFn) -> SharpPair:
    """A sum or a product of two sharp functions of two directions, orthogonal or oblique, along the axes or not."""
    first, second = draw(sharp_functions()), draw(sharp_functions())
    one, two, cosine = draw(st.sampled_from(_DIRECTIONS))
    product = draw(st.booleans())
    parts = [f"({text.replace('z1', f'({along})')})" for (text, _), along in ((first, one), (second, two))]
    return (" * " if product else " + ").join(parts), first, second, product, cosine
