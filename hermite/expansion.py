"""HermiteExpansion: f = Σ_k ⟨C_k, He_k(z)⟩/k! with C_k = E[∇^k f] and c_α = E[f Π He_{α_i}(z_i)], no 1/k!.

The energy of order k is ‖C_k‖²/k! = Σ_{|α|=k} c_α²/α!. With a Gram matrix of the named directions, ``coefficient(α)`` is
E[∂^α f] in those variables (C_k = Σ coefficient ⊗ w's) and energies use the Gram metric.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from hermite.engines import engine_for, sampled_engine
from hermite.errors import InputError
from hermite.exact.exactness import Exactness
from hermite.exact.magnitudes import beyond_floats, decimal, held, json_value, of_float
from hermite.exact.plain import plain_table
from hermite.exact.rows import rational, sharp, to_float
from hermite.exact.telling import exact_text, latex_over, shortened, to_sympy
from hermite.exact.tensors import Index, factorial_of, metric_energy, symmetric_tensor
from hermite.exact.undecided import Undecided
from hermite.target import as_target

if TYPE_CHECKING:
    import flint
    import numpy as np
    import sympy
    from numpy.typing import NDArray

    from hermite.engines.engine import Engine
    from hermite.exact.scalars import Exact
    from hermite.target import Target

C = TypeVar("C")
T = TypeVar("T")

MAX_ORDER = 200
#: Axes and entries of the largest tensor that is formed (NumPy holds 64 axes).
_AXES = 64
_ENTRIES = 50_000_000
#: What is left of an error beside a float.
_ROUNDING = 2.0**-52


def expand(f: Target | str, order: int | None = None) -> HermiteExpansion:
    """The Hermite expansion of ``f`` up to total degree ``order`` (default: the degree of a polynomial, else 4).

    Exact for polynomials and closed forms; certified balls for tanh, logistic and softplus, for any function of one or two
    directions that is bounded by a polynomial (sin(z1^2), tanh(z1 + He3(z2)), sign(z1^2 - z2)) and for maxima of lines; numerical
    for callables, "undecided" (with the reason) where no engine applies. What a ball is wide by is ``error(alpha)``.

    Raises ``InputError`` if the order is not a whole number from 0 to 200.

    >>> from hermite import Target, expand
    >>> e = expand(Target("z1 + z1*z2"))
    >>> e.coefficient((1, 1)), e.energy(2), e.total_energy
    (1, 1, 2)
    """
    f = as_target(f)
    good = order is None or (
        isinstance(order, int) and not isinstance(order, bool) and 0 <= order <= MAX_ORDER
    )
    if not good:
        raise InputError(f"order must be a whole number from 0 to {MAX_ORDER}, not {order!r}")
    engine = engine_for(f)
    if order is None:
        order = 4 if engine.degree is None else engine.degree
    if not f.is_symbolic:
        # What is no function of Gaussian inputs is refused here, not where a coefficient is first asked for.
        sampled_engine(f).table(order)
    return HermiteExpansion(f, order, engine)


@dataclass(frozen=True, eq=False, repr=False)
class HermiteExpansion:
    """Hermite coefficients of a target up to ``order``; see the module for conventions."""

    target: Target
    order: int
    engine: Engine = field(repr=False)

    def __reduce__(self) -> tuple[object, ...]:
        """Copies and pickles are made from the target: engines hold objects of FLINT that neither can take."""
        return expand, (self.target, self.order)

    def __eq__(self, other: object) -> bool:
        """The same target up to the same order: the rest follows from them."""
        if not isinstance(other, HermiteExpansion):
            return NotImplemented
        return (self.target, self.order) == (other.target, other.order)

    def __hash__(self) -> int:
        return hash((self.target, self.order))

    @property
    def exactness(self) -> Exactness:
        """ "exact", "certified", "numerical" or "undecided"."""
        return self.engine.exactness

    @property
    def reason(self) -> str:
        return self.engine.reason

    @cached_property
    def series(self) -> dict[Index, Any]:
        """{α: c_α} with exact scalars, zeros left out; complete up to ``order``."""
        try:
            heat = self.engine.heat_series(self.order)
        except Undecided as doubt:
            raise InputError(
                f"the expansion of {self.target.text!r} is undecided at order {self.order}: {doubt}"
            ) from None
        return {alpha: c * factorial_of(alpha) for alpha, c in heat.items()}

    def scalar(self, alpha: Index) -> Exact | float:
        """c_α as the engine knows it: ``flint.fmpq``, a ``Scalar`` or a float."""
        alpha = self._checked(alpha)
        found: Exact | float = self.series.get(alpha, rational(0))
        return found

    def coefficient(self, alpha: Index) -> sympy.Expr:
        """c_α as a SymPy object; certified ones are floats of the digits that their ball is sure of, at most 50."""
        return self._told(to_sympy, self.scalar(alpha))

    def value(self, alpha: Index) -> float:
        """c_α as a float."""
        return self._told(to_float, self.scalar(alpha))

    def error(self, alpha: Index) -> float:
        """What ``value(alpha)`` may be off by beyond rounding: the error of its integral, 0 for exact numbers."""
        alpha = self._checked(alpha)
        if self.exactness != Exactness.NUMERICAL:
            return self._radius(self.scalar(alpha))
        from hermite.engines.sampled import SampledEngine

        assert isinstance(self.engine, SampledEngine)
        return self.engine.error(alpha, self.order)

    def ball(self, alpha: Index, precision: int = 256) -> flint.arb:
        """A ``flint.arb`` that contains c_α (symbolic targets only)."""
        import flint

        c = self.scalar(alpha)
        return self._told(lambda own: own.ball(precision) if hasattr(own, "ball") else flint.arb(own), c)

    def is_zero(self, alpha: Index) -> bool | None:
        """Whether c_α = 0: proved either way, or None (undecided)."""
        c = self.scalar(alpha)
        if isinstance(c, float):
            return None
        try:
            answer = c.is_zero() if hasattr(c, "ball") else bool(c == 0)
        except Undecided:
            return None
        return None if answer is None else bool(answer)

    def coefficients(self, order: int | None = None) -> dict[Index, sympy.Expr]:
        """{α: c_α} of the coefficients not proved zero, by rising order, as SymPy objects."""
        return {alpha: self._told(to_sympy, c) for alpha, c in self._sorted(order)}

    def tensor(self, k: int) -> NDArray[np.float64]:
        """C_k = E[∇^k f] as a float array (r, …, r) with k axes, in the orthonormal coordinates of the target.

        Raises ``InputError`` for a coefficient whose sign is open and that may matter beside the others.
        """
        import numpy as np

        self._known()
        if not 0 <= k <= self.order:
            raise InputError(f"the tensor order must be from 0 to {self.order}, not {k!r}")
        r = self.target.r
        if k > _AXES or r**k > _ENTRIES:
            raise InputError(
                f"a tensor of order {k} in {r} directions is too large: at most {_AXES} axes, {_ENTRIES:,} entries"
            )
        tensor = symmetric_tensor(
            {alpha: self._settled(alpha, c) for alpha, c in self.series.items() if sum(alpha) == k}, r, k
        )
        if self.target.gram is not None:
            for axis in range(k):
                tensor = np.moveaxis(np.tensordot(self.target.cholesky, tensor, axes=(0, axis)), 0, axis)
        return tensor

    def _settled(self, alpha: Index, c: Exact | float) -> float:
        """The float of c_α; 0 where it is not told from 0 but is below the rounding of the largest coefficient."""
        value = self._told(to_float, c)
        if not math.isnan(value):
            return value
        largest = max((abs(sharp(own)).lower() for own in self.series.values()), default=sharp(rational(0)))
        if not sharp(c).abs_upper() < largest * 2**-53:
            raise InputError(
                f"the coefficient {alpha} of {self.target.text!r} is not told from 0: {sharp(c).str(3)}"
            )
        return 0.0

    def energy_scalar(self, k: int) -> Any:
        """‖C_k‖²/k! as an exact scalar."""
        self._known()
        if k not in self._energies:
            terms = self._by_order.get(k, [])
            zero = self._zero
            if any(
                isinstance(c, float) and c and not held(c * c / factorial_of(alpha)) for alpha, c in terms
            ):
                # Squares that no float holds are added as fractions.
                zero, terms = rational(0), [(alpha, of_float(c)) for alpha, c in terms]
            self._energies[k] = (
                sum((c * c / factorial_of(alpha) for alpha, c in terms), start=zero)
                if self.target.gram is None
                else metric_energy(terms, k, self.target.gram)
            )
        return self._energies[k]

    @cached_property
    def _energies(self) -> dict[int, Any]:
        """Those that were asked for."""
        return {}

    @cached_property
    def _by_order(self) -> dict[int, list[tuple[Index, Any]]]:
        """The series by order: it may have tens of thousands of terms, and hundreds of orders."""
        found: dict[int, list[tuple[Index, Any]]] = {}
        for alpha, c in self.series.items():
            found.setdefault(sum(alpha), []).append((alpha, c))
        return found

    def energy(self, k: int) -> sympy.Expr:
        """Energy of order k, ‖C_k‖²/k! = Σ_{|α|=k} c_α²/α!, as a SymPy object."""
        return self._told(to_sympy, self.energy_scalar(k))

    @property
    def energies(self) -> list[float]:
        """Energies of the orders 0..``order`` as floats."""
        return [self._told(to_float, self.energy_scalar(k)) for k in range(self.order + 1)]

    @cached_property
    def total_scalar(self) -> Any:
        """E f² as an exact scalar, or None where it has no closed form."""
        self._known()
        return self.engine.total_energy()

    @property
    def total_energy(self) -> sympy.Expr | None:
        """E f² as a SymPy object (None where unknown); equals Σ_k energy(k) by Parseval."""
        return _or_none(to_sympy, self.total_scalar)

    @property
    def residual_energy(self) -> sympy.Expr | None:
        """E f² − Σ_{k ≤ order} energy(k): what the expansion leaves out."""
        return _or_none(to_sympy, self._residual())

    def _residual(self) -> Any:
        if self.total_scalar is None:
            return None
        parts = [self.total_scalar, *(self.energy_scalar(k) for k in range(self.order + 1))]
        numbers = {isinstance(part, float) for part in parts}
        if len(numbers) > 1:
            # Floats beside what no float holds.
            parts = [of_float(part) if isinstance(part, float) else part for part in parts]
        return parts[0] - sum(parts[1:], start=parts[0] * 0)

    @property
    def _zero(self) -> Any:
        """Nothing, of the kind that the coefficients are: a float for callables."""
        return 0.0 if self.exactness == Exactness.NUMERICAL else rational(0)

    def latex(self) -> str:
        """The expansion Σ c_α/α! Π He_{α_i} as LaTeX."""
        names = self.target.variables
        parts = []
        for alpha, c in self._sorted(None):
            weight = latex_over(c, factorial_of(alpha))
            basis = "".join(_latex_factor(a, name) for a, name in zip(alpha, names, strict=True) if a)
            if basis and weight in ("1", "-1"):
                weight = weight[:-1]
            parts.append(f"{weight}{' ' if weight and basis else ''}{basis}")
        text = " + ".join(parts).replace("+ -", "- ") or "0"
        return (
            text
            if self.engine.degree is not None and self.order >= self.engine.degree
            else text + r" + \cdots"
        )

    def _repr_latex_(self) -> str:
        return f"${self.latex()}$"

    def __repr__(self) -> str:
        if self.exactness == Exactness.NUMERICAL:
            shown = [(alpha, f"{c:.10g} ± {self.error(alpha):.1g}") for alpha, c in self._sorted(None)]
        else:
            shown = [(alpha, shortened(exact_text(c), 60)) for alpha, c in self._sorted(None)]
        text = ", ".join(f"{alpha}: {c}" for alpha, c in shown[:8])
        return f"HermiteExpansion({self.target.text!r}, order={self.order}, {self.exactness}, {{{text}}})"

    def to_dict(self) -> dict[str, Any]:
        """The JSON of ``giantstep expand``; numbers that no float holds are null, their decimals in ``beyond_floats``.

        Certified numbers have their error where it is more than rounding: coefficients beside them, the others in ``errors``.
        """
        known = self.exactness != Exactness.UNDECIDED
        total = self.total_scalar if known else None
        rest = self._residual() if known else None
        energies = [self.energy_scalar(k) for k in range(self.order + 1)] if known else []
        numbers: dict[str, Exact | float | None] = {
            f"coefficients.{','.join(map(str, alpha))}": c for alpha, c in self._sorted(None)
        }
        numbers |= {f"energies.{k}": energy for k, energy in enumerate(energies)}
        numbers |= {"total_energy": total, "residual_energy": rest} if total is not None else {}
        return plain_table(
            {
                "target": self.target.text,
                "variables": list(self.target.variables),
                "order": self.order,
                "coefficients": {
                    ",".join(map(str, alpha)): self._entry(alpha, c) for alpha, c in self._sorted(None)
                },
                "energies": [self._told(json_value, energy) for energy in energies],
                "total_energy": _or_none(json_value, total),
                "residual_energy": _or_none(json_value, rest),
                "beyond_floats": {
                    path: decimal(x) for path, x in numbers.items() if x is not None and beyond_floats(x)
                },
                "errors": {
                    path: radius
                    for path, x in numbers.items()
                    if x is not None and not path.startswith("coefficients") and (radius := self._radius(x))
                },
                "exactness": self.exactness,
                "reason": self.reason,
            }
        )

    def _entry(self, alpha: Index, c: Exact | float) -> dict[str, object]:
        if self.exactness == Exactness.NUMERICAL:
            return {"exact": None, "value": c, "error": self.error(alpha)}
        radius = self._radius(c)
        entry: dict[str, object] = {"exact": exact_text(c), "value": self._told(json_value, c)}
        return entry | ({"error": radius} if radius else {})

    def _radius(self, c: Exact | float) -> float:
        """The radius of the ball that an integral gives; 0 where a float holds no more than its middle."""
        if self.exactness != Exactness.CERTIFIED or isinstance(c, float):
            return 0.0
        try:
            ball = sharp(c)
        except Undecided:
            return 0.0
        radius = float(ball.rad())
        return 0.0 if radius <= _ROUNDING * abs(float(ball.mid())) else radius

    def _sorted(self, order: int | None) -> list[tuple[Index, Exact | float]]:
        top = self.order if order is None else order
        return sorted(
            ((a, c) for a, c in self.series.items() if sum(a) <= top),
            key=lambda item: (sum(item[0]), [-x for x in item[0]]),
        )

    def _told(self, convert: Callable[[C], T], c: C) -> T:
        """``convert(c)``; raises :class:`InputError` where c rests on an integral that could not be enclosed."""
        try:
            return convert(c)
        except Undecided as doubt:
            raise InputError(f"the expansion of {self.target.text!r} is undecided: {doubt}") from None

    def _known(self) -> None:
        if self.exactness == Exactness.UNDECIDED:
            raise InputError(f"the expansion of {self.target.text!r} is undecided: {self.reason}")

    def _checked(self, alpha: Index) -> Index:
        self._known()
        alpha = tuple(alpha)
        good = len(alpha) == self.target.r and all(isinstance(a, int) and a >= 0 for a in alpha)
        if not good or sum(alpha) > self.order:
            raise InputError(
                f"alpha must hold {self.target.r} whole numbers of sum at most {self.order}, not {alpha!r}"
            )
        return alpha


def _or_none(convert: Callable[[C], T], c: C | None) -> T | None:
    """``convert(c)``; None where there is nothing, or an integral that could not be enclosed."""
    try:
        return None if c is None else convert(c)
    except Undecided:
        return None


def _latex_factor(a: int, name: str) -> str:
    label = f"{name[0]}_{{{name[1:]}}}" if name[1:].isdigit() else name
    return label + " " if a == 1 else rf"\mathrm{{He}}_{{{a}}}({label})"


__all__ = ["HermiteExpansion", "expand"]
