"""A multi-index target f(z) = g(<w_1, z>, ..., <w_r, z>) with label noise, z standard Gaussian."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING

from hermite.callables import PointFunction, name_of
from hermite.errors import InputError
from hermite.language.building import substitute
from hermite.language.limits import MAX_VARIABLES
from hermite.language.nodes import Expression, Variable, is_polynomial, variables_of
from hermite.language.parsing import parse
from hermite.language.printing import to_text
from hermite.language.sympy_text import is_sympy, sympy_text
from hermite.language.vocabulary import check_names

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Gram = tuple[tuple[Fraction, ...], ...]


#: What a label is: the value f + noise, or the class that is its sign.
LABELS = ("value", "sign")


class Target:
    """f as a function of r named variables u_i = <w_i, z>, and the variance of additive Gaussian label noise.

    ``labels`` "value": y = f + noise; "sign": classes y = sign(f + noise) = +-1 (``class_mean`` is the target E[y | z]).
    ``expression`` is text of the expression language (or a tree, or a SymPy expression, which is read as text and never
    evaluated); the variables are z1..zr, where r is the highest index named, or those listed in ``variables``. ``gram`` is
    the matrix G_ij = <w_i, w_j>, exact rationals (default: the identity). Calling the target maps x of shape (N, r),
    coordinates in an orthonormal basis, to f of shape (N,): u = x L^T with L the lower Cholesky factor of G.

    Targets are immutable; equality and hash are by content. Raises :class:`InputError` if the text is not in
    the language or E f^2 is not proved finite.

    >>> Target("z1 + z1*z2").r
    2
    """

    text: str
    tree: Expression | None
    variables: tuple[str, ...]
    r: int
    gram: Gram | None
    noise: float
    labels: str
    _callable: Callable[[NDArray[np.float64]], NDArray[np.float64]] | None

    def __init__(
        self,
        expression: str | Expression,
        variables: Sequence[str] | None = None,
        gram: object = None,
        noise: float = 0.0,
        labels: str = "value",
    ) -> None:
        from hermite.language.growth import check_finite_variance

        if is_sympy(expression):
            expression = sympy_text(expression)
        names = None if variables is None else check_names(variables)
        text = to_text(expression, names) if isinstance(expression, Expression) else expression
        tree = parse(text, variables=names)
        r = len(names) if names else max(variables_of(tree), default=0) + 1
        matrix = None if gram is None else read_gram(gram, r)
        check_finite_variance(tree, r, matrix)
        self._set(
            text=text.strip(),
            tree=tree,
            variables=names or tuple(f"z{i + 1}" for i in range(r)),
            r=r,
            gram=matrix,
            noise=read_noise(noise),
            labels=read_labels(labels),
            _callable=None,
        )

    @classmethod
    def from_function(
        cls,
        g: Callable[[NDArray[np.float64]], NDArray[np.float64]],
        r: int,
        noise: float = 0.0,
        labels: str = "value",
    ) -> Target:
        """A numerical target: ``g`` maps arrays (N, r) of standard Gaussian coordinates to values (N,)."""
        if not callable(g):
            raise InputError(f"g must be a function of an array (N, r), not {type(g).__name__}")
        if isinstance(r, bool) or not isinstance(r, int) or not 1 <= r <= MAX_VARIABLES:
            raise InputError(f"r must be an integer from 1 to {MAX_VARIABLES}, not {r!r}")
        self = cls.__new__(cls)
        self._set(
            text=name_of(g),
            tree=None,
            variables=tuple(f"z{i + 1}" for i in range(r)),
            r=r,
            gram=None,
            noise=read_noise(noise),
            labels=read_labels(labels),
            _callable=g,
        )
        return self

    def _set(self, **values: object) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Target cannot be changed (attribute {name})")

    @property
    def is_symbolic(self) -> bool:
        """Whether the target was given as an expression."""
        return self.tree is not None

    @property
    def is_polynomial(self) -> bool:
        """Whether the target is written as a polynomial with rational coefficients."""
        return self.tree is not None and is_polynomial(self.tree)

    @property
    def has_classes(self) -> bool:
        """Whether labels are classes, y = +-1."""
        return self.labels == "sign"

    @cached_property
    def class_mean(self) -> Target:
        """The noiseless target E[y | z] of class labels: erf(f/sqrt(2 noise)), without noise sign(f); else f itself.

        >>> Target("z1", noise=0.5, labels="sign").class_mean.text
        'erf(z1)'
        """
        if not self.has_classes:
            return self
        if self.tree is None:
            return Target.from_function(self._mean_of_callable, self.r)
        inner = to_text(self.tree, self.variables)
        if not self.noise:
            return Target(f"sign({inner})", self.variables, self.gram)
        scale = 2 * Fraction(repr(self.noise))
        text = f"erf({inner})" if scale == 1 else f"erf(({inner})/sqrt({scale}))"
        return Target(text, self.variables, self.gram)

    def _mean_of_callable(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """E[y | z] of a callable with class labels."""
        import numpy as np
        from scipy.special import erf

        values = self(x)
        scale = math.sqrt(2 * self.noise)
        mean: NDArray[np.float64] = erf(values / scale) if scale else np.sign(values)
        return mean

    @cached_property
    def cholesky(self) -> NDArray[np.float64]:
        """Lower triangular (r, r) L with L L^T = gram; row i holds w_i in the orthonormal coordinates."""
        import numpy as np

        if self.gram is None:
            return np.eye(self.r)
        return np.linalg.cholesky(np.array([[float(entry) for entry in row] for row in self.gram]))

    @cached_property
    def function(self) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
        """f as a function of x (N, r) in orthonormal coordinates, with values (N,)."""
        from hermite.language.evaluation import compile_numpy

        if self.tree is None:
            assert self._callable is not None
            return PointFunction(self._callable, "the target", self.r)
        evaluate = compile_numpy(self.tree)
        if self.gram is None:
            return evaluate
        return lambda x: evaluate(x @ self.cholesky.T.astype(x.dtype if x.dtype.kind == "f" else float))

    def __call__(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """f at x of shape (N, r), orthonormal coordinates; float32 stays float32."""
        import numpy as np

        x = np.asarray(x)
        if x.shape[-1:] != (self.r,):
            raise InputError(f"x must have shape (N, {self.r}), not {x.shape}")
        return self.function(x)

    def _content(self) -> tuple[object, ...]:
        return (self.tree, self.variables, self.gram, self.noise, self.labels, self._callable)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Target) and self._content() == other._content()

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        # Asked for hundreds of times by what is remembered of a target.
        return hash(self._content())

    def __reduce__(self) -> tuple[object, ...]:
        if self.tree is None:
            return Target.from_function, (self._callable, self.r, self.noise, self.labels)
        return Target, (self.text, self.variables, self.gram, self.noise, self.labels)

    def __repr__(self) -> str:
        text = self.text if len(self.text) <= 200 else self.text[:197] + "..."
        extra = f", gram={[[str(x) for x in row] for row in self.gram]}" if self.gram is not None else ""
        noise = f", noise={self.noise}" if self.noise else ""
        labels = f', labels="{self.labels}"' if self.has_classes else ""
        return f"Target({text!r}{extra}{noise}{labels})"

    def _repr_latex_(self) -> str | None:
        from hermite.language.printing import to_latex

        return None if self.tree is None else f"$f^*(z) = {to_latex(self.tree, self.variables)}$"


def named_part(f: Target) -> tuple[Target, tuple[int, ...]]:
    """``f`` as a target of the variables that its expression names alone, and their places; with a Gram matrix f itself."""
    places = (
        tuple(range(f.r)) if f.tree is None or f.gram is not None else tuple(sorted(variables_of(f.tree)))
    )
    if len(places) in (0, f.r):
        return f, tuple(range(f.r))
    tree = substitute(f.tree, {i: Variable(k) for k, i in enumerate(places)}) if f.tree is not None else None
    part = Target.__new__(Target)
    part._set(
        text=f.text,
        tree=tree,
        variables=tuple(f.variables[i] for i in places),
        r=len(places),
        gram=None,
        noise=f.noise,
        labels=f.labels,
        _callable=None,
    )
    return part, places


def read_noise(noise: object) -> float:
    """The noise variance as a float; raises :class:`InputError` unless finite and non-negative."""
    try:
        value = float(noise)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        value = math.nan
    if not math.isfinite(value) or value < 0 or isinstance(noise, (bool, str)):
        raise InputError(f"noise must be a finite variance >= 0, not {noise!a}")
    return value


def read_labels(labels: object) -> str:
    """What a label is; raises :class:`InputError` unless it is "value" or "sign"."""
    if isinstance(labels, str) and labels in LABELS:
        return labels
    raise InputError(f'labels must be "value" or "sign", not {labels!a}')


def read_gram(gram: object, r: int) -> Gram:
    """An exact symmetric positive definite (r, r) matrix; raises :class:`InputError` otherwise."""
    from hermite.language.gram import exact_matrix

    return exact_matrix(gram, r)


def as_target(f: object, *, classes: bool = False) -> Target:
    """``f`` itself if it is a :class:`Target`, else the target that it spells (text, a tree, a SymPy expression).

    Raises :class:`InputError` for anything else, and for class labels unless ``classes``: most questions are about values.

    >>> as_target("z1 + z1*z2").r
    2
    """
    if isinstance(f, Target):
        if f.has_classes and not classes:
            raise InputError(
                'labels = "sign" is not covered by this question; ask it of class_mean, the target E[y | z] (class labels are '
                "covered by overlaps of one step, risk, curve, simulate and tune)"
            )
        return f
    if isinstance(f, (str, Expression)) or is_sympy(f):
        return Target(f)  # type: ignore[arg-type]
    hint = "; a function becomes a target by Target.from_function(g, r)" if callable(f) else ""
    raise InputError(
        f'the target must be a Target or text such as "z1 + z1*z2", not {type(f).__name__}{hint}'
    )
