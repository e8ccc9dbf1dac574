"""Random expressions of the language: structure, extreme constants, and other forms of equal functions."""

from __future__ import annotations

from random import Random

_VARIABLES = ("z1", "z1", "z1", "z2", "z2", "z3", "z4", "z5", "z20")
_PLAIN = ("1", "2", "3", "1/2", "1/3", "0.5", "7", "0", "-1", "pi", "sqrt(2)", "exp(1)", "2/3", "pi/4")
_EXTREME = (
    "1e300", "1e-300", "1e200", "1e-200", "1e20", "1e-20", "1e10", "1E5", "400", "13", "10^50", "2^200", "10^399",
    "1/10^399", "exp(-300)", "exp(20)", "sin(1e300)", "sqrt(1/7)", "sqrt(2^127 - 1)", "sqrt(10^60 + 7)",
    "3.14159265358979323846264338327950288419716939937510", "(pi - 22/7)", "sqrt(10^300 + 39)", "exp(1/1e20)", "erf(30)",
    "cos(3/2)", "1e-12", "tanh(40)",
)  # fmt: skip
_UNARY = (
    "relu", "abs", "sign", "Heaviside", "exp", "sin", "cos", "tanh", "erf", "logistic", "softplus", "relu", "tanh",
    "sin", "sign", "abs",
)  # fmt: skip


def number(rng: Random) -> str:
    """A constant, one in four of extreme size or form."""
    return rng.choice(_EXTREME if rng.random() < 0.25 else _PLAIN)


def line(rng: Random) -> str:
    """Something linear."""
    z, other = rng.choice(_VARIABLES), rng.choice(_VARIABLES)
    return rng.choice(
        (
            *(z, z, z, f"({z} - {number(rng)})", f"{number(rng)}*{z}"),
            *(f"({z} - {other})", f"({z} + {other}/3)", f"({other} + 2*{z} - 5)"),
        )
    )


def expression(rng: Random, depth: int = 3) -> str:
    """A random expression, nested at most ``depth`` deep."""
    if depth == 0 or rng.random() < 0.12:
        return line(rng) if rng.random() < 0.8 else number(rng)
    a = expression(rng, depth - 1)
    kind = rng.random()
    if kind < 0.22:
        return f"{a} {rng.choice('+-')} {expression(rng, depth - 1)}"
    if kind < 0.40:
        return f"({a})*({expression(rng, depth - 1)})"
    if kind < 0.52:
        return f"({a})^{rng.choice((1, 2, 2, 3, 4, 7, 40))}"
    if kind < 0.60:
        k = rng.choice((1, 2, 3, 4, 5, 10, 17))
        return f"He{k}({a})" if rng.random() < 0.5 else f"He({k}, {a})"
    if kind < 0.70:
        return f"{rng.choice(('max', 'min'))}({a}, {expression(rng, depth - 1)})"
    if kind < 0.76:
        return f"{number(rng)}*({a})"
    if kind < 0.80:
        return f"exp(-({a})^2)"
    return f"{rng.choice(_UNARY)}({a})"


def rewritten(rng: Random, text: str) -> str:
    """Another form of an equal function."""
    c = number(rng)
    return rng.choice(
        (
            f"({text}) + {c} - {c}",
            f"({text}) - (z2 - z2)",
            f"2*({text}) - ({text})",
            f"max({text}, {text})",
            f"relu({text}) - relu(-({text}))",
            f"-(-({text}))",
            f"({text}) - ({text})",
            f"({text})*2/2",
        )
    )


def case(seed: int) -> str:
    """Expression number ``seed``: one in five is another form of one that is simpler."""
    rng = Random(seed)
    if rng.random() < 0.2:
        return rewritten(rng, expression(rng, 2))
    return expression(rng, rng.choice((1, 2, 2, 3, 3, 4)))
