"""Turns a list of Kafka's messages into a batch: the payload's columns, and those about it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from itertools import chain, compress
from operator import itemgetter
from typing import Any, NamedTuple

import pyarrow as pa
from confluent_kafka import Message

from airflow_provider_spotify.core.clients.kafka import Place
from airflow_provider_spotify.core.clients.payloads import Decoded, Payloads
from airflow_provider_spotify.core.model import Window

_MILLIS = itemgetter(1)
HEADERS = pa.list_(pa.struct([("name", pa.string()), ("value", pa.string())]))


class Gathered(NamedTuple):
    """Messages, and what was looked up of all of them.

    ``topics`` is None if they are all of one.
    """

    messages: list[Message]
    partitions: list[Any]
    offsets: list[Any]
    topics: list[Any] | None

    def last(self) -> dict[Place, int]:
        """Return the offset of the last message of each partition: in each they are in order."""
        if self.topics is None:
            topic = str(self.messages[0].topic()) if self.messages else ""
            found = dict(zip(self.partitions, self.offsets, strict=True))
            return {(topic, number): at for number, at in found.items()}
        where = zip(self.topics, self.partitions, strict=True)
        return dict(zip(where, self.offsets, strict=True))


def gathered(messages: list[Message], *, several: bool) -> Gathered:
    """Look up where messages are.

    :param several: they may be of several topics
    """
    partitions = list(map(Message.partition, messages))
    offsets = list(map(Message.offset, messages))
    topics = list(map(Message.topic, messages)) if several else None
    return Gathered(messages, partitions, offsets, topics)


def together(parts: Sequence[Gathered]) -> Gathered:
    """Put parts of one batch together; there is at least one."""
    if len(parts) == 1:
        return parts[0]
    columns = zip(*(part[:3] for part in parts), strict=True)
    messages, partitions, offsets = (list(chain.from_iterable(column)) for column in columns)
    several = parts[0].topics is not None
    topics = [topic for part in parts for topic in part.topics or ()] if several else None
    return Gathered(messages, partitions, offsets, topics)


class Columns:
    """Makes the columns about messages that are wanted.

    :param metadata: which, in their order
    :param text: keys are texts
    """

    def __init__(self, metadata: Sequence[str], *, text: bool) -> None:
        make: dict[str, Callable[[Gathered], pa.Array]] = {
            "topic": _topics,
            "partition": lambda found: pa.array(found.partitions, pa.int32()),
            "offset": lambda found: pa.array(found.offsets, pa.int64()),
            "timestamp": _timestamps,
            "key": _text_keys if text else _keys,
            "headers": _headers,
        }
        self._make = {f"_{name}": make[name] for name in dict.fromkeys(metadata)}

    def of(self, found: Gathered) -> dict[str, pa.Array]:
        """Return the columns by name."""
        return {name: make(found) for name, make in self._make.items()}

    def empty(self) -> pa.RecordBatch:
        """Return a batch of no row, with these columns."""
        kinds = {
            "_topic": pa.string(),
            "_partition": pa.int32(),
            "_offset": pa.int64(),
            "_timestamp": pa.timestamp("ms", "UTC"),
            "_key": pa.string() if self._make.get("_key") is _text_keys else pa.binary(),
            "_headers": HEADERS,
        }
        schema = pa.schema([(name, kinds[name]) for name in self._make])
        return pa.RecordBatch.from_pylist([], schema)


def decode(found: Gathered, payloads: Payloads, columns: Columns) -> Decoded:
    """Decode the payloads and put the columns about them beside."""
    messages = found.messages

    def where(position: int) -> str:
        message = messages[position]
        return f"{message.topic()}/{message.partition()}/{message.offset()}"

    decoded = payloads.decode(list(map(Message.value, messages)), where=where)
    beside = columns.of(found)
    if len(decoded.kept) < len(messages):
        kept = pa.array(list(decoded.kept), pa.int64())
        beside = {name: array.take(kept) for name, array in beside.items()}
    arrays = [*decoded.batch.columns, *beside.values()]
    names = [*decoded.batch.schema.names, *beside]
    if not names:
        return decoded
    return decoded._replace(batch=pa.RecordBatch.from_arrays(arrays, names=names))


def within(found: Gathered, window: Window) -> Gathered:
    """Keep the messages whose time lies in a window."""
    start, end = (round(each.timestamp() * 1000) for each in (window.start, window.end))
    times = map(_MILLIS, map(Message.timestamp, found.messages))
    inside = [start <= time < end for time in times]
    kept, partitions, offsets = (list(compress(each, inside)) for each in found[:3])
    topics = list(compress(found.topics, inside)) if found.topics is not None else None
    return Gathered(kept, partitions, offsets, topics)


def _topics(found: Gathered) -> pa.Array:
    if found.topics is not None:
        return pa.array(found.topics, pa.string())
    return pa.repeat(pa.scalar(found.messages[0].topic(), pa.string()), len(found.messages))


def _timestamps(found: Gathered) -> pa.Array:
    times = list(map(_MILLIS, map(Message.timestamp, found.messages)))
    if min(times) < 0:  # the message has none
        times = [None if time < 0 else time for time in times]
    return pa.array(times, pa.timestamp("ms", "UTC"))


def _keys(found: Gathered) -> pa.Array:
    return pa.array(list(map(Message.key, found.messages)), pa.binary())


def _text_keys(found: Gathered) -> pa.Array:
    keys = _keys(found)
    try:
        return keys.cast(pa.string())
    except pa.ArrowInvalid:
        return pa.array([None if k is None else _text(k) for k in keys.to_pylist()], pa.string())


def _headers(found: Gathered) -> pa.Array:
    headers: list[Any] = list(map(Message.headers, found.messages))
    if not any(headers):
        return pa.nulls(len(headers), HEADERS)
    return pa.array([each and [_header(*pair) for pair in each] for each in headers], HEADERS)


def _header(name: str, value: Any) -> dict[str, str | None]:
    return {"name": name, "value": _text(value) if isinstance(value, bytes) else value}


def _text(value: bytes) -> str:
    """Return bytes as text: base64 where they are not UTF-8."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return base64.b64encode(value).decode()
