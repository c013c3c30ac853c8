"""How PostgreSQL spells names and types, and which values it cannot hold."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_spotify.core.clients.postgres import MAX_IDENTIFIER
from airflow_provider_spotify.core.sinks.sql.dialect import Column, Dialect, Refusal
from airflow_provider_spotify.core.sinks.sql.types import JSON, UTC, convert, is_json, plain

_NATIVE = {
    pa.bool_(): "boolean",
    pa.int16(): "smallint",
    pa.int32(): "integer",
    pa.int64(): "bigint",
    pa.float32(): "real",
    pa.float64(): "double precision",
    pa.string(): "text",
    pa.binary(): "bytea",
    pa.date32(): "date",
    pa.time64("us"): "time without time zone",
    pa.timestamp("us"): "timestamp without time zone",
    UTC: "timestamp with time zone",
    pa.duration("us"): "interval",
}
_ARROW = {native: type_ for type_, native in _NATIVE.items()} | {"jsonb": JSON}
_WIDER = {
    pa.int8(): pa.int16(),
    pa.uint8(): pa.int16(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.uint64(): pa.decimal128(20, 0),
    pa.null(): pa.string(),
}
_NUL = "a text holds the character NUL, which PostgreSQL cannot store"
_ESCAPED_NUL = r"(^|[^\\])(\\\\)*\\u0000"


class PostgresDialect(Dialect):
    """PostgreSQL cuts names at 63 bytes, tells case apart, and has jsonb for nested values."""

    max_bytes = MAX_IDENTIFIER

    def prepare(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the batch with nested values as JSON text."""
        arrays = [
            convert(column, JSON, column=field.name)
            if pa.types.is_nested(plain(field.type)) and not is_json(field.type)
            else column
            for field, column in zip(batch.schema, batch.columns, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)

    def values(self, batch: pa.RecordBatch) -> Sequence[Refusal]:
        """Find texts with a NUL (https://www.postgresql.org/docs/current/datatype-character.html)."""
        found = []
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            mask = _nul(column)
            if mask is not None and pc.any(mask).as_py():
                found.append(Refusal(pc.fill_null(mask, False), name, f"{name}: {_NUL}"))
        return found

    def text(self, array: pa.Array) -> pa.Array:
        r"""Return text with ``\u0000`` written out where a NUL was."""
        return pc.replace_substring(array, "\0", "\\u0000")

    def store(self, type_: pa.DataType) -> pa.DataType:
        """Return the Arrow type under which values are stored; nested ones as JSON."""
        stored = plain(type_)
        if pa.types.is_nested(stored):
            return JSON
        return _WIDER.get(stored, stored)

    def native(self, type_: pa.DataType) -> str:
        """Spell a type as ``format_type`` does."""
        if is_json(type_):
            return "jsonb"
        if pa.types.is_decimal(type_):
            return f"numeric({type_.precision},{type_.scale})"
        return _NATIVE[type_]

    def arrow(self, native: str) -> pa.DataType | None:
        """Return the Arrow type of a column; None for a type that ``native`` never gives."""
        if match := re.fullmatch(r"numeric\((\d+),(\d+)\)", native):
            precision, scale = int(match[1]), int(match[2])
            if precision > 76 or scale > precision:
                return None
            kind = pa.decimal128 if precision <= 38 else pa.decimal256
            return kind(precision, scale)
        if re.fullmatch(r"character varying(\(\d+\))?", native):
            return pa.string()
        return _ARROW.get(native)

    def cast(self, expression: str, *, old: Column, new: Column) -> str:
        """Return SQL that converts a value.

        A cast to ``varchar(n)`` would cut longer texts without a word; an assignment refuses them.
        """
        if new.native.startswith("character varying"):
            return super().cast(expression, old=old, new=new._replace(native="text"))
        return super().cast(expression, old=old, new=new)

    def compared(self, expression: str, column: Column) -> str:
        """Return what to compare: json has no equality, so its text."""
        return f"CAST({expression} AS text)" if column.native == "json" else expression


def _nul(column: pa.Array) -> pa.Array | None:
    """Return where a text holds a NUL; None for a column that is not text."""
    type_ = column.type
    if is_json(type_):
        return pc.match_substring_regex(column.storage, _ESCAPED_NUL)
    if pa.types.is_dictionary(type_) and pa.types.is_string(plain(type_)):
        return pc.take(pc.match_substring(column.dictionary, "\0"), column.indices)
    if pa.types.is_string(plain(type_)) and not pa.types.is_null(type_):
        return pc.match_substring(convert(column, pa.string(), column=""), "\0")
    return None
