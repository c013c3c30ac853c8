"""Decodes Avro messages in bulk: bare ones of one schema, or framed ones of a schema registry.

As in Avro files, values are decoded without their logical types, and columns finished whole.
"""

from __future__ import annotations

import io
import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import fastavro
import pyarrow as pa

from airflow_provider_spotify.core.clients.avro_shapes import Shape, shape_of
from airflow_provider_spotify.core.clients.payloads import Decoded, Values, Where, rejected
from airflow_provider_spotify.core.clients.schema_registry import SchemaRegistry, framed
from airflow_provider_spotify.core.errors import ConfigurationError, DataError

BARE = -1
"""The id that stands for the schema of messages that are not framed."""
_FRAME = 5


class _Reader(NamedTuple):
    """How the messages of one schema are read."""

    shape: Shape
    parsed: Any


class AvroPayloads:
    """Decodes the Avro messages of one stream.

    :param schema: of every message, as JSON; None if they are framed
    :param registry: where the schemas of framed messages are
    :raises ConfigurationError: if neither is given, or the schema is no Avro schema
    """

    def __init__(self, *, schema: str | None, registry: SchemaRegistry | None) -> None:
        self._registry = registry
        self._readers: dict[int, _Reader] = {}
        if schema is not None:
            try:
                self._readers[BARE] = _reader(json.loads(schema))
            except Exception as error:
                raise ConfigurationError(f"schema: is no Avro schema: {error}") from error
        elif registry is None:
            raise ConfigurationError("format: avro needs a schema registry, or schema:")

    def decode(self, values: Values, *, where: Where) -> Decoded:
        """Decode messages; see :class:`Payloads`."""
        bad: list[tuple[int, str]] = []
        batches: list[pa.RecordBatch] = []
        rows: dict[int, int | None] = {at: None for at, v in enumerate(values) if v is None}
        for id, positions in self._by_schema(values, bad).items():
            batch, good = self._decode(id, positions, values, bad)
            start = sum(each.num_rows for each in batches)
            rows |= zip(good, range(start, start + len(good)), strict=True)
            batches.append(batch)
        kept = sorted(rows)
        batch = _in_order(batches, [rows[position] for position in kept])
        return Decoded(batch, kept, rejected(values, sorted(bad), where=where))

    def _by_schema(self, values: Values, bad: list[tuple[int, str]]) -> dict[int, list[int]]:
        """Sort the positions of messages by the id of their schema."""
        found: dict[int, list[int]] = defaultdict(list)
        for position, value in enumerate(values):
            if value is None:
                continue
            if BARE in self._readers:
                found[BARE].append(position)
            elif (id := framed(value)) is None:
                bad.append((position, "not framed for a schema registry: its first byte is not 0"))
            else:
                found[id].append(position)
        return found

    def _decode(
        self, id: int, positions: Sequence[int], values: Values, bad: list[tuple[int, str]]
    ) -> tuple[pa.RecordBatch, list[int]]:
        try:
            reader = self._reader_of(id)
        except DataError as error:
            bad += [(position, f"schema {id}: {error}") for position in positions]
            return pa.RecordBatch.from_arrays([], names=[]), []
        rows: list[Any] = []
        kept: list[int] = []
        start = 0 if id == BARE else _FRAME
        for position in positions:
            stream = io.BytesIO(values[position])  # type: ignore[arg-type]
            stream.seek(start)
            try:
                row = fastavro.schemaless_reader(stream, reader.parsed, None)
                if stream.read(1):
                    raise ValueError("bytes are left after the value")
            except Exception as error:
                reason = f"{type(error).__name__}: {error}" if str(error) else "it ends too early"
                bad.append((position, f"not a value of its Avro schema: {reason}"))
            else:
                rows.append(row)
                kept.append(position)
        return self._batch(reader, rows, kept, bad)

    def _batch(
        self, reader: _Reader, rows: list[Any], kept: list[int], bad: list[tuple[int, str]]
    ) -> tuple[pa.RecordBatch, list[int]]:
        """Build the batch; where a value does not fit its logical type, find which."""
        try:
            return reader.shape.batch(rows), kept
        except (pa.ArrowException, ValueError, OverflowError):
            fine = []
            for at, row in enumerate(rows):
                try:
                    reader.shape.batch([row])
                    fine.append(at)
                except (pa.ArrowException, ValueError, OverflowError) as error:
                    bad.append((kept[at], f"not a value of its Avro schema: {error}"))
            good = [rows[at] for at in fine]
            return reader.shape.batch(good), [kept[at] for at in fine]

    def _reader_of(self, id: int) -> _Reader:
        if id not in self._readers:
            assert self._registry is not None
            try:
                self._readers[id] = _reader(self._registry.schema(id))
            except (ValueError, KeyError, TypeError) as error:
                raise DataError(f"is no Avro schema: {error}") from error
        return self._readers[id]


def _reader(schema: Any) -> _Reader:
    shape = shape_of(schema)
    return _Reader(shape, fastavro.parse_schema(shape.schema))


def _in_order(batches: Sequence[pa.RecordBatch], rows: list[int | None]) -> pa.RecordBatch:
    """Join the batches of several schemas and put their rows in order; None is a row of nulls.

    :raises DataError: if two schemas give one column types that do not fit
    """
    tables = [pa.Table.from_batches([batch]) for batch in batches if batch.num_rows]
    if not tables:
        return pa.RecordBatch.from_struct_array(pa.array([{}] * len(rows), pa.struct([])))
    if len(tables) == 1 and len(rows) == tables[0].num_rows:
        return next(batch for batch in batches if batch.num_rows)
    try:
        table = pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        raise DataError(f"messages of several Avro schemas do not fit: {error}") from error
    return table.take(pa.array(rows, pa.int64())).combine_chunks().to_batches()[0]
