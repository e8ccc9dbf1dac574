"""Rows as a DataFrame, and a DataFrame as Parquet."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from hermite.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


def frame(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows as a DataFrame; lists (the neurons of overlaps) as JSON text."""
    import pandas as pd

    return pd.DataFrame([{k: _entry(v) for k, v in row.items()} for row in rows])


def _entry(value: object) -> object:
    """A value for a column: a seed of more than 63 bits, too, is text."""
    if isinstance(value, (list, tuple)):
        return json.dumps(value)
    return str(value) if isinstance(value, int) and value >= 2**63 else value


def parquet(table: pd.DataFrame) -> bytes:
    """A DataFrame as Parquet; raises ``InputError`` without the extra ``parquet``."""
    import importlib.util
    import io

    if importlib.util.find_spec("pyarrow") is None:
        raise InputError('Parquet needs the extra "parquet": pip install "giantstep[parquet]".')
    stream = io.BytesIO()
    table.to_parquet(stream, index=False)
    return stream.getvalue()


def parquet_with(content: bytes, entries: Mapping[str, str]) -> bytes:
    """A Parquet file with ``entries`` beside what its metadata hold."""
    import io

    import pyarrow.parquet as pq

    table = pq.read_table(io.BytesIO(content))
    stream = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({**(table.schema.metadata or {}), **entries}), stream)
    return stream.getvalue()
