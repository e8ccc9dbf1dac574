"""Engines of callables: kept while their samples are small together, whatever their number."""

import numpy as np
import pytest

import hermite.engines as engines
from hermite import Target
from hermite.engines import sampled_engine


def linear(r, k):
    return Target.from_function(lambda z: z[:, 0] + k * z[:, r - 1] ** 2, r)


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    monkeypatch.setattr(engines, "_SAMPLED", type(engines._SAMPLED)())


def test_an_engine_weighs_what_it_has_drawn():
    engine = sampled_engine(linear(1, 1.0))
    assert engine.size == 0
    x, values = engine.sample
    assert engine.size == x.nbytes + values.nbytes > 0


def test_many_small_engines_are_kept():
    targets = [linear(1, float(k)) for k in range(5)]
    first = [sampled_engine(f) for f in targets]
    for engine in first:
        engine.energy_in_unit()
    assert [sampled_engine(f) for f in targets] == first


def test_engines_are_dropped_by_their_bytes_the_least_recently_asked_first(monkeypatch):
    a, b, c = (linear(1, float(k)) for k in range(3))
    kept = {f: sampled_engine(f) for f in (a, b, c)}
    for engine in kept.values():
        assert np.isfinite(engine.sample[1]).all()
    monkeypatch.setattr(engines, "_BYTES", 2 * kept[a].size)
    assert sampled_engine(a) is kept[a]
    assert sampled_engine(c) is kept[c]
    assert sampled_engine(b) is not kept[b]


def test_an_engine_larger_than_the_limit_is_kept_alone(monkeypatch):
    monkeypatch.setattr(engines, "_BYTES", 1)
    a, b = linear(1, 1.0), linear(1, 2.0)
    engine = sampled_engine(a)
    engine.energy_in_unit()
    assert sampled_engine(a) is engine
    sampled_engine(b).energy_in_unit()
    assert list(engines._SAMPLED) == [b]
