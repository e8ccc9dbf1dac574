"""Engines that compute the heat-smoothed target h(μ) = E f(z + μ): exact, closed form, certified, sampled.

``engine_for`` picks the strongest one. Every engine offers ``heat_series(K)`` = {α: c_α/α!} up to total degree K (an
absent entry is *proved* zero), ``degree`` (None: infinite), ``exactness`` and ``reason``; infinite ones also
``direction_span()`` (an upper bound of the relevant space) and ``proves_closed(U, level)``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hermite.engines.engine import Engine
    from hermite.engines.sampled import SampledEngine
    from hermite.target import Target


def engine_for(target: Target) -> Engine:
    """The engine that answers for ``target``; those of the last few expressions are kept."""
    if not target.is_symbolic:
        return _made(target)
    from hermite.exact.effort import settle

    engine = _kept(target)
    settle(("engine", target), getattr(engine, "cost", 0))
    return engine


@lru_cache(maxsize=8)
def _kept(target: Target) -> Engine:
    return _made(target)


def _made(target: Target) -> Engine:
    """Imported only when it is needed."""
    if target.is_polynomial:
        from hermite.engines.polynomial import PolynomialEngine

        return PolynomialEngine(target)
    if target.is_symbolic:
        from hermite.engines.analytic import AnalyticEngine

        return AnalyticEngine(target)
    return sampled_engine(target)


# That of a target and that of an activation: 34 MB for three directions, else 2 MB a direction.
@lru_cache(maxsize=2)
def sampled_engine(target: Target) -> SampledEngine:
    """The engine of a callable, kept: its values are what costs."""
    from hermite.engines.sampled import SampledEngine

    return SampledEngine(target)
