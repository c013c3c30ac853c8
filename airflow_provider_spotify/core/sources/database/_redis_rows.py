"""Builds rows of Redis keys and their values; what is no row is rejected with its key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson
import pyarrow as pa

from airflow_provider_spotify.core.clients.payloads import text_of
from airflow_provider_spotify.core.rejects import rejects

OWN = ("_key", "_type", "_ttl", "_expires_at")
_TIME = pa.timestamp("ms", "UTC")


class Bad(NamedTuple):
    """A value that is no row."""

    key: bytes
    reason: str
    record: str


class Made(NamedTuple):
    """The columns that some keys' values became.

    :param at: the position of each row's key among the keys: a range, if each has one row
    :param large: the keys of which more is to come, and where it goes on
    :param size: bytes that came over the wire, about
    """

    names: list[str]
    arrays: list[pa.Array]
    at: Sequence[int]
    bad: list[Bad]
    large: list[tuple[bytes, str]]
    size: int


class Ttl(NamedTuple):
    """What a key's remaining life is called, and how it is asked for.

    Both commands answer -1 for a key without an end, and -2 for one that is not there.
    """

    column: str
    command: str
    type: pa.DataType


TTLS = {
    "milliseconds": Ttl("_ttl", "PTTL", pa.int64()),
    "expires_at": Ttl("_expires_at", "PEXPIRETIME", _TIME),
}


def batch(
    made: Made, keys: Sequence[bytes], *, type: str, ttl: Ttl | None, left: Sequence[int] | None
) -> pa.RecordBatch:
    """Set the keys, their type and their remaining life beside the columns of their values."""
    names, types = pa.array(keys, pa.string()), pa.scalar(type, pa.string())
    own = {"_key": names}
    if "_type" not in made.names:
        own["_type"] = pa.repeat(types, len(keys))
    if ttl is not None and left is not None:
        ends = pa.array([None if each < 0 else each for each in left], pa.int64())
        own[ttl.column] = ends.cast(ttl.type)
    if len(made.at) != len(keys) or made.at != range(len(keys)):
        at = pa.array(made.at, pa.int64())
        own = {name: array.take(at) for name, array in own.items()}
    arrays = [*own.values(), *made.arrays]
    return pa.RecordBatch.from_arrays(arrays, names=[*own, *made.names])


def refused(bad: Sequence[Bad]) -> list[pa.RecordBatch]:
    """Return what is no row as at most one batch."""
    if not bad:
        return []
    places = [text_of(each.key) for each in bad]
    records, reasons = [each.record for each in bad], [each.reason for each in bad]
    return [rejects(records, stage="source", reason=reasons, location=places)]


def written(key: bytes, **values: Any) -> str:
    """Write a key and what it holds as JSON; bytes that are not UTF-8 as base64."""
    texts = {name: text_of(v) if isinstance(v, bytes) else v for name, v in values.items()}
    return orjson.dumps({"_key": text_of(key), **texts}).decode()


def all_text(values: Sequence[bytes]) -> bool:
    """Say whether all are UTF-8; of many this is faster than looking at each."""
    try:
        pa.array(values, pa.string())
    except pa.ArrowInvalid:
        return False
    return True


def is_text(value: bytes) -> bool:
    """Say whether bytes are UTF-8."""
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
