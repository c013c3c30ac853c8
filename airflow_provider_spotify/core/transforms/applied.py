"""What a transform hands on: the rows that go further, and those that do not."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson
import pyarrow as pa

LOCATION = b"location"
"""Schema metadata in which a source may say where a batch came from (a file, offset or page)."""


class Applied(NamedTuple):
    """Rows that go on, and rejected records (``REJECTED_SCHEMA``) or None."""

    batch: pa.RecordBatch
    rejected: pa.RecordBatch | None


def plain(value: Any) -> Any:
    """Render what JSON does not know: bytes as UTF-8 or else base64, anything else as its text."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return base64.b64encode(value).decode()
    return str(value)


def to_json(value: Any) -> str:
    """Render a value as JSON text; big integers and non-text keys included."""
    try:
        return orjson.dumps(value, default=plain, option=orjson.OPT_NON_STR_KEYS).decode()
    except (TypeError, orjson.JSONEncodeError):
        return orjson.dumps(_printable(value), default=plain).decode()


def _printable(value: Any) -> Any:
    """Replace what orjson refuses: integers beyond 64 bits and lone surrogates."""
    if isinstance(value, Mapping):
        return {str(k): _printable(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_printable(v) for v in value]
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 63:
        return str(value)
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    return value


def records(batch: pa.RecordBatch, *, rows: Sequence[int]) -> list[str]:
    """Return rows of a batch as JSON objects, by the names and types they have in it.

    It works row by row and is meant for the few rows that are rejected.
    """
    taken = batch.take(pa.array(rows, pa.int64()))
    columns = [_readable(column).to_pylist() for column in taken.columns]
    names = taken.schema.names
    return [to_json(dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True)]


def _readable(column: pa.Array) -> pa.Array:
    """Cut nanoseconds, which Python's datetime cannot hold."""
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        return column.cast(pa.timestamp("us", column.type.tz), safe=False)
    if pa.types.is_time64(column.type) and column.type.unit == "ns":
        return column.cast(pa.time64("us"), safe=False)
    return column


def locations(batch: pa.RecordBatch, *, rows: Sequence[int]) -> list[str | None]:
    """Say where rows came from, if the batch's schema metadata does."""
    place = (batch.schema.metadata or {}).get(LOCATION)
    if place is None:
        return [None] * len(rows)
    return [f"{place.decode()}, row {row + 1} of its batch" for row in rows]
