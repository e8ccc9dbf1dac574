"""Engines that compute the heat-smoothed target h(μ) = E f(z + μ): exact, closed form, certified, sampled.

``engine_for`` picks the strongest one. Every engine offers ``heat_series(K)`` = {α: c_α/α!} up to total degree K (an
absent entry is *proved* zero), ``degree`` (None: infinite), ``exactness`` and ``reason``; infinite ones also
``direction_span()`` (an upper bound of the relevant space) and ``proves_closed(U, level)``.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hermite.engines.engine import Engine
    from hermite.engines.sampled import SampledEngine
    from hermite.target import Target

#: Engines of callables, the last asked last; bytes of samples, and engines, that are kept at most.
_SAMPLED: OrderedDict[Target, SampledEngine] = OrderedDict()
_BYTES, _MOST = 64_000_000, 32
_LOCK = Lock()


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
        from hermite.engines.symbolic import engine_of

        return engine_of(target)
    return sampled_engine(target)


def sampled_engine(target: Target) -> SampledEngine:
    """The engine of a callable: its values are what costs, so that those of the last few are kept.

    They are dropped, the least recently asked first, where their samples take more than 64 MB together (1 MB for one direction,
    12 to 34 MB for more); a sample is drawn when it is first needed, so that sizes are taken at every call.
    """
    with _LOCK:
        engine = _SAMPLED.pop(target, None) or _sampled(target)
        _SAMPLED[target] = engine
        sizes = {key: kept.size for key, kept in _SAMPLED.items()}
        while len(sizes) > 1 and (sum(sizes.values()) > _BYTES or len(sizes) > _MOST):
            oldest = next(iter(_SAMPLED))
            del _SAMPLED[oldest], sizes[oldest]
    return engine


def _sampled(target: Target) -> SampledEngine:
    from hermite.engines.sampled import SampledEngine

    return SampledEngine(target)
