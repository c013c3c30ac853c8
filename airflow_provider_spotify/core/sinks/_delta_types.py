"""How Delta spells names and types, and the DuckDB engine that works on its rows.

Delta has no unsigned integers: they are kept in the next wider signed type, and those of 64 bits
as decimal(20, 0). It has no times of day and no durations: they are microseconds in a ``long``
whose field says so in its metadata. Decimals above 38 digits and JSON are text.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence

import pyarrow as pa

from airflow_provider_spotify.core.sinks._duckdb_types import DuckDBDialect
from airflow_provider_spotify.core.sinks.sql.dialect import Column
from airflow_provider_spotify.core.sinks.sql.nested import as_json
from airflow_provider_spotify.core.sinks.sql.types import is_json, plain

_MARK = "spotify_imports.type"
_TIME, _DURATION = pa.time64("us"), pa.duration("us")
_MARKED = {str(_TIME): _TIME, str(_DURATION): _DURATION}
_SIGNED = {
    pa.uint8(): pa.int16(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.uint64(): pa.decimal128(20, 0),
}
_ODD = re.compile(r"[^\w\-]")


class DeltaDialect(DuckDBDialect):
    """Names are those that need no column mapping; DuckDB's rules hold for everything else."""

    max_bytes = 63

    def fit(self, name: str, *, suffix: str = "") -> str:
        """Return a name without the characters that Parquet, Spark or a path refuse.

        A digest keeps two names apart that differ in such characters alone.
        """
        safe = _ODD.sub("_", name)
        if safe != name:
            safe += "_" + hashlib.blake2b(name.encode(), digest_size=4).hexdigest()
        return super().fit(safe, suffix=suffix)

    def prepare(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the batch with nested values that hold a time or a duration as JSON text."""
        arrays = [
            as_json(column) if pa.types.is_nested(t := plain(field.type)) and _timed(t) else column
            for field, column in zip(batch.schema, batch.columns, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)

    def store(self, type_: pa.DataType) -> pa.DataType:
        """Return the Arrow type under which values are stored."""
        return _stored(super().store(type_))


def _timed(type_: pa.DataType) -> bool:
    if pa.types.is_nested(type_):
        return any(_timed(type_.field(i).type) for i in range(type_.num_fields))
    return type_ in (_TIME, _DURATION)


def _stored(type_: pa.DataType) -> pa.DataType:
    if pa.types.is_struct(type_):
        return pa.struct([pa.field(f.name, _stored(f.type)) for f in type_])
    if pa.types.is_map(type_):
        return pa.map_(_stored(type_.key_type), _stored(type_.item_type))
    if pa.types.is_list(type_):
        return pa.list_(_stored(type_.value_type))
    if is_json(type_) or pa.types.is_null(type_) or pa.types.is_decimal256(type_):
        return pa.string()
    return _SIGNED.get(type_, type_)


DIALECT = DeltaDialect()


def columns_of(schema: Iterable[pa.Field]) -> dict[str, Column]:
    """Return the columns of a Delta table, by folded name."""
    found = {}
    for field in schema:
        mark = (field.metadata or {}).get(_MARK.encode(), b"").decode()
        type_ = _MARKED.get(mark) or _stored(plain(field.type))
        found[DIALECT.fold(field.name)] = DIALECT.column(field.name, type_)
    return found


def schema_of(columns: Iterable[Column]) -> pa.Schema:
    """Return the Arrow schema that columns have in a Delta table."""
    return pa.schema([_field(column) for column in columns])


def _field(column: Column) -> pa.Field:
    if column.type in (_TIME, _DURATION):
        return pa.field(column.name, pa.int64(), metadata={_MARK: str(column.type)})
    return pa.field(column.name, column.type)


def incoming(column: Column) -> str:
    """Return the SQL for the value of a Delta column."""
    name = DIALECT.quote(column.name)
    if column.type == _TIME:
        return f"CAST('00:00:00' AS TIME) + to_microseconds({name})"
    return f"to_microseconds({name})" if column.type == _DURATION else name


def outgoing(column: Column, expression: str) -> str:
    """Return the SQL for a value as Delta stores it."""
    timed = column.type in (_TIME, _DURATION)
    return f"epoch_us({expression})" if timed else expression


def wired(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return a batch whose columns are in order, with the types that Delta stores."""
    arrays = [_wired(c, f.type) for c, f in zip(batch.columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _wired(array: pa.Array, type_: pa.DataType) -> pa.Array:
    if array.type in (_TIME, _DURATION):
        return array.view(pa.int64())
    return array if array.type == type_ else array.cast(type_)


def reader(batches: Iterable[pa.RecordBatch], columns: Sequence[Column]) -> pa.RecordBatchReader:
    """Return batches of these columns as the stream that deltalake writes."""
    schema = schema_of(columns)
    return pa.RecordBatchReader.from_batches(schema, (wired(b, schema) for b in batches))
