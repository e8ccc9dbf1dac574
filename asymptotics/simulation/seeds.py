"""Seeds: what a unit of work draws depends on its content and its replicate, on nothing else.

A unit is keyed by (seed, content of the unit, replicate): the canonical JSON of the content is hashed (SHA-256) into the
entropy of a ``numpy.random.SeedSequence``. Within it every batch has a stream of its own, and every block of ``BLOCK``
rows of a batch a substream, so that neither the order of the work nor the size of its chunks changes a draw.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

#: Rows of a batch that share a substream; chunks are whole numbers of blocks.
BLOCK = 256


def unit_entropy(seed: int, content: Any) -> int:
    """256 bits from (seed, content); ``content`` is anything that JSON can write.

    >>> unit_entropy(0, {"a": 1, "b": 2}) == unit_entropy(0, {"b": 2, "a": 1})
    True
    """
    text = json.dumps([seed, content], sort_keys=True, separators=(",", ":"), allow_nan=False, default=str)
    return int.from_bytes(hashlib.sha256(text.encode()).digest(), "big")


def fingerprint(values: npt.ArrayLike) -> str:
    """A short digest of ``values`` to 12 significant digits: equal functions give equal digests on any machine."""
    text = ",".join(f"{value:.11e}" for value in np.asarray(values, dtype=np.float64).ravel())
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def generator(entropy: int, *key: int) -> np.random.Generator:
    """The generator of one purpose within a unit, e.g. (replicate, stream, block)."""
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(entropy, spawn_key=key)))


def seed_of(entropy: int, *key: int) -> int:
    """64 bits for a generator of another library, of one purpose within a unit."""
    return int(np.random.SeedSequence(entropy, spawn_key=key).generate_state(1, np.uint64)[0])


def block_of(width: int) -> int:
    """Rows of a block of ``width`` normals: about 2^16 of them, so that seeding a substream costs little beside them.

    >>> block_of(4), block_of(64), block_of(1000)
    (16384, 1024, 256)
    """
    return max(BLOCK, 1 << (16 - max(2, math.ceil(math.log2(width)))))


def normal_chunks(
    entropy: int,
    key: tuple[int, ...],
    n: int,
    width: int,
    rows: int,
    dtype: npt.DTypeLike,
    block: int = BLOCK,
) -> Iterator[npt.NDArray[Any]]:
    """n rows of ``width`` standard normals in chunks of at most ``rows`` rows; a chunk is overwritten by the next.

    Equal rows for any ``rows``: each ``block`` of rows has its own substream.
    """
    rows = max(block, rows // block * block)
    buffer = np.empty((min(rows, n), width), dtype=dtype)
    for start in range(0, n, rows):
        count = min(rows, n - start)
        for first in range(0, count, block):
            part = buffer[first : min(first + block, count)]
            generator(entropy, *key, (start + first) // block).standard_normal(
                out=part, dtype=buffer.dtype.type
            )
        yield buffer[:count]
