"""What every engine offers: the series of h(μ) = E f(z + μ), and how it is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from hermite.exact.exactness import Exactness

if TYPE_CHECKING:
    from hermite.exact.scalars import Exact


class Engine(Protocol):
    """One way to the series of a target; see :mod:`hermite.engines` for the three of them."""

    @property
    def exactness(self) -> Exactness:
        """ "exact", "certified", "numerical" or "undecided"."""
        ...

    @property
    def reason(self) -> str:
        """Why nothing is known, where it is undecided."""
        ...

    @property
    def degree(self) -> int | None:
        """That of a polynomial; None: infinite."""
        ...

    @property
    def decided(self) -> bool:
        """Whether the series is known at all."""
        ...

    def heat_series(self, order: int) -> dict[tuple[int, ...], Any]:
        """{α: c_α/α!} up to total degree ``order``; an absent entry is proved zero."""
        ...

    def total_energy(self) -> Exact | float | None:
        """E f²; None where it has no closed form."""
        ...
