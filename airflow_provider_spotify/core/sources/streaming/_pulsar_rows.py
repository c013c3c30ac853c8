"""Turns Pulsar's messages into batches: the payload's columns, and those about the message."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import chain, groupby, repeat
from typing import Any, Literal, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from _pulsar import Message

from airflow_provider_spotify.core.clients.payloads import Payloads
from airflow_provider_spotify.core.clients.pulsar import Pulsar
from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Window
from airflow_provider_spotify.core.sources.streaming._pulsar_feed import Taken

Format = Literal["json", "avro", "raw"]
PROPERTIES = pa.list_(pa.struct([("name", pa.string()), ("value", pa.string())]))
_TIME = pa.timestamp("ms", "UTC")
_KINDS: dict[str, Format] = {"JSON": "json", "AVRO": "avro", "BYTES": "raw", "NONE": "json"}
_NUMBER = re.compile(r"-partition-(\d+)$")


class Rows(NamedTuple):
    """The rows of some messages, and the messages they are of."""

    taken: Sequence[Taken]
    batch: pa.RecordBatch
    rejected: pa.RecordBatch | None


class Decoder:
    """Decodes what was taken, each message by the schema it was written with.

    :param format: ``auto`` asks the broker's registry
    :param metadata: which columns about the message are wanted
    """

    def __init__(
        self,
        client: Pulsar,
        *,
        format: Literal["auto", "json", "avro", "raw"],
        metadata: Sequence[str],
    ) -> None:
        self._client = client
        self._format = format
        self._columns = [f"_{name}" for name in dict.fromkeys(metadata)]
        self._formats: dict[str, Format] = {}
        self._payloads: dict[tuple[str, int] | str, Payloads] = {}

    def rows(self, taken: Sequence[Taken]) -> Iterator[Rows]:
        """Yield batches, each of messages of one schema, in the order of the messages.

        :raises ConfigurationError: if a topic's schema cannot be read
        """
        formats = {self._format_of(each.partition.span.topic) for each in taken}
        if formats == {"json"} or formats == {"raw"}:
            yield self._decoded(taken, self._payload(*formats))
            return
        for each in taken:
            topic = each.partition.span.topic
            if (format := self._format_of(topic)) != "avro":
                yield self._decoded([each], self._payload(format))
                continue
            for version, run in groupby(each.messages, key=Message.int_schema_version):
                payloads = self._avro(topic, version)
                yield self._decoded([each._replace(messages=list(run))], payloads)

    def _format_of(self, topic: str) -> Format:
        if self._format != "auto":
            return self._format
        if topic not in self._formats:
            schema = self._client.schema(topic)
            kind = schema.kind if schema else "NONE"
            if kind not in _KINDS:
                raise ConfigurationError(
                    f"{topic}: messages of schema type {kind} cannot be decoded; read them with"
                    " format: raw"
                )
            self._formats[topic] = _KINDS[kind]
        return self._formats[topic]

    def _payload(self, format: Format) -> Payloads:
        return self._payloads.setdefault(format, Payloads(format))

    def _avro(self, topic: str, version: int) -> Payloads:
        if (topic, version) not in self._payloads:
            schema = self._client.schema(topic, max(version, -1))
            if schema is None or schema.kind != "AVRO":
                raise ConfigurationError(
                    f"{topic}: there is no Avro schema of version {version} in the broker's"
                    " registry; take format: avro away, or register the schema"
                )
            self._payloads[topic, version] = Payloads("avro", schema=schema.definition)
        return self._payloads[topic, version]

    def _decoded(self, taken: Sequence[Taken], payloads: Payloads) -> Rows:
        messages = list(chain.from_iterable(each.messages for each in taken))
        places = list(
            chain.from_iterable(repeat(t.partition.span.name, len(t.messages)) for t in taken)
        )

        def where(position: int) -> str:
            return f"{places[position]} {_ids([messages[position]])[0]}"

        decoded = payloads.decode(_values(messages), where=where)
        beside = [_MAKE[name](taken, messages) for name in self._columns]
        if len(decoded.kept) < len(messages):
            kept = pa.array(list(decoded.kept), pa.int64())
            beside = [array.take(kept) for array in beside]
        names = [*decoded.batch.schema.names, *self._columns]
        arrays = [*decoded.batch.columns, *beside]
        batch = pa.RecordBatch.from_arrays(arrays, names=names) if names else decoded.batch
        return Rows(taken, batch, decoded.rejected)


def within(taken: Sequence[Taken], window: Window) -> list[Taken]:
    """Return the messages that were published in a span of time."""
    start, end = millis(window.start), millis(window.end)
    kept = (
        (each, [m for m in each.messages if start <= m.publish_timestamp() < end]) for each in taken
    )
    return [each._replace(messages=messages) for each, messages in kept if messages]


def millis(moment: datetime) -> int:
    """Return a moment as Pulsar counts it: milliseconds since 1970, rounded up."""
    return -int(-moment.timestamp() * 1_000 // 1)


def _values(messages: Sequence[Message]) -> list[bytes | None]:
    """Return the payloads; None where there is none, which is not an empty one."""
    values = list(map(Message.data, messages))
    if all(values):
        return values
    return [
        value or (None if message.has_null_value() else value)
        for value, message in zip(values, messages, strict=True)
    ]


# ── columns about the message ────────────────────────────────────────────────────────────────


def _per_partition(
    taken: Sequence[Taken], value: Callable[[Taken], Any], kind: pa.DataType
) -> pa.Array:
    parts = [pa.repeat(pa.scalar(value(each), kind), len(each.messages)) for each in taken]
    return pa.concat_arrays(parts)


def _topics(taken: Sequence[Taken], _: Sequence[Message]) -> pa.Array:
    return _per_partition(taken, lambda each: each.partition.span.topic, pa.string())


def _partitions(taken: Sequence[Taken], _: Sequence[Message]) -> pa.Array:
    def number(each: Taken) -> int | None:
        found = _NUMBER.search(each.partition.span.name)
        return int(found[1]) if found else None

    return _per_partition(taken, number, pa.int32())


def _ids(messages: Sequence[Message]) -> pa.Array:
    """Return ``ledger:entry:partition:batch_index``; the library writes ``(6,2,-1,4)``."""
    texts = pa.array(list(map(str, map(Message.message_id, messages))), pa.string())
    return pc.replace_substring(pc.utf8_slice_codeunits(texts, 1, -1), ",", ":")


def _times(millis: Sequence[int]) -> pa.Array:
    array = pa.array(millis, pa.int64())
    return pc.if_else(pc.equal(array, 0), None, array).cast(_TIME)  # 0 means that there is none


def _keys(messages: Sequence[Message]) -> pa.Array:
    keys = list(map(Message.partition_key, messages))
    return pa.array([key or None for key in keys], pa.string())


def _properties(messages: Sequence[Message]) -> pa.Array:
    found = list(map(Message.properties, messages))
    if not any(found):
        return pa.nulls(len(found), PROPERTIES)
    listed = [
        [{"name": k, "value": v} for k, v in each.items()] if each else None for each in found
    ]
    return pa.array(listed, PROPERTIES)


_MAKE: dict[str, Callable[[Sequence[Taken], Sequence[Message]], pa.Array]] = {
    "_topic": _topics,
    "_partition": _partitions,
    "_id": lambda _, messages: _ids(messages),
    "_timestamp": lambda _, messages: _times(list(map(Message.publish_timestamp, messages))),
    "_event_time": lambda _, messages: _times(list(map(Message.event_timestamp, messages))),
    "_key": lambda _, messages: _keys(messages),
    "_properties": lambda _, messages: _properties(messages),
}
