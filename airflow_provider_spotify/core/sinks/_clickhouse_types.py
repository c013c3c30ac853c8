"""How ClickHouse spells names and types, and how its answers become Arrow.

Every column but a key is Nullable. What ClickHouse has no type for is marked by the column's
comment (``json``, ``binary``) or by a type that nobody else would choose: a time without a zone is
one of the zone ``Etc/UTC``, so that it is shown as it was written whatever the server's zone; a
duration is ``Tuple(microseconds Nullable(Int64))``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC as UTC_ZONE
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from airflow_provider_spotify.core.clients.clickhouse import identifier, literal
from airflow_provider_spotify.core.errors import ConfigurationError, DataError
from airflow_provider_spotify.core.sinks.sql.dialect import Column, Dialect
from airflow_provider_spotify.core.sinks.sql.types import JSON, UTC, convert, is_json, plain

DURATION = "Tuple(microseconds Nullable(Int64))"
_NATIVE = {
    pa.bool_(): "Bool",
    pa.int8(): "Int8",
    pa.int16(): "Int16",
    pa.int32(): "Int32",
    pa.int64(): "Int64",
    pa.uint8(): "UInt8",
    pa.uint16(): "UInt16",
    pa.uint32(): "UInt32",
    pa.uint64(): "UInt64",
    pa.float32(): "Float32",
    pa.float64(): "Float64",
    pa.string(): "String",
    pa.date32(): "Date32",
    pa.time64("us"): "Time64(6)",
    pa.timestamp("us"): "DateTime64(6, 'Etc/UTC')",
    UTC: "DateTime64(6, 'UTC')",
}
_ARROW = {native: type_ for type_, native in _NATIVE.items()} | {
    "LowCardinality(String)": pa.string()
}
_COMMENTS = {"json": JSON, "binary": pa.binary()}
_PARAMETER = re.compile(
    r"'(?:[^'\\]|\\.|'')*'|`(?:[^`\\]|\\.)*`|\"(?:[^\"\\]|\\.|\"\")*\"|\$(\d+)", re.DOTALL
)
_MAX_NAME = 63
"""Bytes of a name: ClickHouse allows about 200 for a table, but writes most bytes as three."""


class ClickHouseDialect(Dialect):
    """ClickHouse tells case apart, and takes nested values as JSON text."""

    max_bytes = _MAX_NAME

    def quote(self, name: str) -> str:
        """Return an identifier in backquotes, in which a backslash escapes."""
        if not name or "\0" in name:
            raise DataError(f"{name!r} cannot name a table or a column; rename it in the contract")
        return identifier(name)

    def prepare(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the batch with nested values as JSON text."""
        arrays = [
            convert(column, JSON, column=field.name)
            if pa.types.is_nested(plain(field.type)) and not is_json(field.type)
            else column
            for field, column in zip(batch.schema, batch.columns, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)

    def store(self, type_: pa.DataType) -> pa.DataType:
        """Return the Arrow type under which values are stored; nested ones as JSON."""
        stored = plain(type_)
        if pa.types.is_nested(stored):
            return JSON
        return pa.string() if pa.types.is_null(stored) else stored

    def native(self, type_: pa.DataType) -> str:
        """Spell a type as the system tables do."""
        if pa.types.is_duration(type_):
            return DURATION
        if is_json(type_) or pa.types.is_binary(type_):
            return "Nullable(String)"
        if pa.types.is_decimal(type_):
            return f"Nullable(Decimal({type_.precision}, {type_.scale}))"
        return f"Nullable({_NATIVE[type_]})"

    def arrow(self, native: str, comment: str) -> pa.DataType | None:
        """Return the Arrow type of a column; None for a type that ``native`` never gives."""
        if native == DURATION:
            return pa.duration("us")
        if match := re.fullmatch(r"Nullable\((.*)\)", native):
            native = match[1]
        if native == "String" and comment in _COMMENTS:
            return _COMMENTS[comment]
        if match := re.fullmatch(r"Decimal\((\d+), (\d+)\)", native):
            precision, scale = int(match[1]), int(match[2])
            return (pa.decimal128 if precision <= 38 else pa.decimal256)(precision, scale)
        return _ARROW.get(native)

    def comment(self, column: Column) -> str:
        """Return what marks a column whose type does not say it all."""
        return next((c for c, type_ in _COMMENTS.items() if type_ == column.type), "")

    def spell(self, column: Column, *, key: bool = False) -> str:
        """Return a column as CREATE TABLE wants it; one of a key is not Nullable."""
        native = column.native
        if key and (match := re.fullmatch(r"Nullable\((.*)\)", native)):
            native = match[1]
        marked = f" COMMENT {literal(c)}" if (c := self.comment(column)) else ""
        return f"{self.quote(column.name)} {native}{marked}"

    def cast(self, expression: str, *, old: Column, new: Column) -> str:
        """Return SQL that converts a value."""
        if old.native == new.native and old.type != pa.binary():
            return expression
        if new.type == pa.string() and old.type == pa.binary():
            return rf"concat('\\x', lower(hex({expression})))"
        if new.type == pa.string() and old.native == DURATION:
            return f"concat(toString(tupleElement({expression}, 1)), ' microseconds')"
        return f"CAST({expression} AS {new.native})"


def bound(sql: str, parameters: Sequence[Any]) -> str:
    """Return the query with ``$1``, ``$2`` … replaced by their values.

    :raises ConfigurationError: if there is no such parameter, or it has no spelling
    """

    def spelled(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0]
        number = int(match[1])
        if not 1 <= number <= len(parameters):
            raise ConfigurationError(f"the query names ${number}; {len(parameters)} are given")
        return _value(parameters[number - 1])

    return _PARAMETER.sub(spelled, sql) if parameters else sql


def _value(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return literal(value)
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, date):
        return f"toDate32({literal(value.isoformat())})"
    if isinstance(value, Decimal):
        return f"toDecimal128({literal(str(value))}, {max(-int(value.as_tuple().exponent), 0)})"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(each) for each in value)}]"
    raise ConfigurationError(f"a parameter of a query cannot be a {type(value).__name__}")


def moment(value: datetime) -> str:
    """Write a moment as SQL; one without a zone is of UTC."""
    zoned = value if value.tzinfo else value.replace(tzinfo=UTC_ZONE)
    text = zoned.astimezone(UTC_ZONE).replace(tzinfo=None).isoformat(" ", "microseconds")
    return f"toDateTime64({literal(text)}, 6, 'UTC')"


def arranged(column: Column, array: pa.Array) -> pa.Array:
    """Return values as ClickHouse's Arrow reader takes them."""
    if isinstance(array.type, pa.BaseExtensionType):
        array = array.storage
    if column.native == DURATION:
        inner = array.cast(pa.duration("us")).view(pa.int64())
        return pa.StructArray.from_arrays([inner], names=["microseconds"])
    return array


def restored(table: pa.Table, natives: Sequence[str], *, binary: frozenset[str]) -> pa.Table:
    """Return an answer with what its types stand for.

    :param natives: ClickHouse's types of its columns
    :param binary: names of columns that hold bytes; others do where they are not UTF-8
    """
    columns = [
        _given(column, native, as_bytes=name in binary)
        for name, column, native in zip(table.column_names, table.columns, natives, strict=True)
    ]
    return pa.Table.from_arrays(columns, names=table.column_names)


def _given(column: pa.ChunkedArray, native: str, *, as_bytes: bool) -> pa.ChunkedArray:
    type_ = column.type
    if native.replace("\n", "").replace("    ", "") == DURATION:
        chunks = [chunk.field(0).view(pa.duration("us")) for chunk in column.chunks]
        return pa.chunked_array(chunks, pa.duration("us"))
    if "'Etc/UTC'" in native and pa.types.is_timestamp(type_):
        return column.cast(pa.timestamp(type_.unit))
    if pa.types.is_string(type_) and (as_bytes or not _is_text(column)):
        return pa.chunked_array([c.view(pa.binary()) for c in column.chunks], pa.binary())
    return column


def _is_text(column: pa.ChunkedArray) -> bool:
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


HIDDEN = "_load_tx"
"""A column that SELECT * does not show: the transaction that attached the row, else 0."""


def hidden(number: int) -> str:
    """Return the hidden column for CREATE and ALTER."""
    return f"{identifier(HIDDEN)} UInt64 MATERIALIZED {number}"


def layout(*, key: Sequence[str], dialect: Dialect) -> str:
    """Return the engine of a table that this package creates."""
    order = ", ".join(dialect.quote(name) for name in key) or "tuple()"
    return f"ENGINE = MergeTree ORDER BY {f'({order})' if len(key) > 1 else order}"
