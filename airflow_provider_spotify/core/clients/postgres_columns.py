"""How each PostgreSQL type becomes Arrow: what to ask the server for, what to make of the answer.

Integers, floats, booleans, texts, dates, times, timestamps, bytea, enums, domains, flat arrays and
composites of those arrive as they are. ``numeric(p, s)`` becomes decimal(p, s). ``numeric`` without
bounds can hold what no decimal can, so it becomes what the source's ``numeric:`` says. json and
jsonb are the server's own text. Everything else (uuid, interval, inet, ranges, geometry, xml …)
becomes the text that PostgreSQL writes for it, which PostgreSQL can read back.

What Arrow has no value for: ``infinity`` of dates and timestamps becomes null, and a warning says
so once; a row with NaN in a decimal, or with an array of several dimensions, is rejected.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_spotify.core.clients.postgres import quoted
from airflow_provider_spotify.core.rejects import rejects

log = logging.getLogger(__name__)

_PLAIN = frozenset(
    {
        *("int2", "int4", "int8", "float4", "float8", "bool", "text", "varchar", "bpchar"),
        *("name", "date", "time", "timestamp", "timestamptz", "bytea"),
    }
)
_LOWEST = {"date": -2_440_588, "timestamp": -210_866_803_200_000_000}
"""4713 BC, PostgreSQL's first day, in Arrow's days and µs: ADBC makes of infinity less than that.
https://www.postgresql.org/docs/current/datatype-datetime.html"""


class Column(NamedTuple):
    """One column: the expression to select and the Arrow type to make of the answer.

    :param guard: an expression that is not null where the row must be rejected
    """

    name: str
    sql: str
    kind: Literal["plain", "stored", "decimal"] = "plain"
    target: pa.DataType | None = None
    guard: str | None = None


class Converted(NamedTuple):
    """Rows as they should be, and the rows that cannot be."""

    batch: pa.RecordBatch
    rejected: pa.RecordBatch | None


def columns_of(schema: pa.Schema, *, numeric: str) -> list[Column]:
    """Say how to read the columns that ``PostgresReader.schema`` found.

    :param numeric: ``text``, ``double`` or ``decimal(p, s)``, for numeric without bounds
    """
    return [_column(field, numeric) for field in schema]


def select_list(columns: Sequence[Column]) -> str:
    """Write the expressions of a SELECT: the columns in order, then the guards."""
    named = [f"{c.sql} AS {quoted(c.name)}" for c in columns]
    guards = [f"{c.guard} AS {quoted(f'_guard_{c.name}')}" for c in columns if c.guard]
    return ", ".join(named + guards)


def _column(field: pa.Field, numeric: str) -> Column:
    name, sql, kind = field.name, quoted(field.name), pg_type(field)
    if kind == "numeric":
        return _numeric(field, numeric)
    if kind == "money":
        return _unbounded(name, f"{sql}::numeric", numeric)
    if kind in ("json", "jsonb"):
        return Column(name, sql, "stored")
    if kind == "oid":
        return Column(name, f"{sql}::int8")
    if pa.types.is_list(field.type):
        return _list(field)
    if pa.types.is_struct(field.type):
        flat = kind != "record" and all(_plain(child) for child in field.type.fields)
        return Column(name, sql if flat else f"to_json({sql})::text")
    return Column(name, sql if _plain(field) else f"{sql}::text")


def pg_type(field: pa.Field) -> str:
    """Return PostgreSQL's name of a column's type; a domain's is that of its base."""
    return str((field.metadata or {}).get(b"POSTGRESQL:type", b"").decode())


def _plain(field: pa.Field) -> bool:
    return pa.types.is_string(field.type) or pg_type(field) in _PLAIN


def _numeric(field: pa.Field, numeric: str) -> Column:
    typmod = int(field.metadata.get(b"POSTGRESQL:typmod", b"-1")) - 4
    precision, scale = (typmod >> 16) & 0xFFFF, typmod & 0x7FF
    if typmod < 0 or precision > 38 or scale > precision:
        return _unbounded(field.name, quoted(field.name), numeric)
    target = pa.decimal128(precision, scale)
    return Column(field.name, quoted(field.name), "decimal", target)


def _unbounded(name: str, sql: str, numeric: str) -> Column:
    if numeric == "text":
        return Column(name, f"{sql}::text")
    if numeric == "double":
        return Column(name, f"{sql}::float8")
    precision, scale = (int(digits) for digits in re.findall(r"\d+", numeric))
    return Column(name, sql, "decimal", pa.decimal128(precision, scale))


def _list(field: pa.Field) -> Column:
    sql, element = quoted(field.name), field.type.value_type
    if pa.types.is_struct(element) or not pg_type(field).startswith("_"):
        return Column(field.name, f"to_json({sql})::text")
    flat = pg_type(field)[1:] in _PLAIN or pa.types.is_string(element)
    guard = f"CASE WHEN array_ndims({sql}) > 1 THEN to_json({sql})::text END"
    return Column(field.name, sql if flat else f"{sql}::text[]", guard=guard)


class Converter:
    """Turns what the server answered into rows.

    :param columns: what was selected, in order, before the guards
    :param place: table or query, for the location of what is rejected
    """

    def __init__(self, columns: Sequence[Column], *, place: str) -> None:
        self._columns = columns
        self._place = place
        self._warned: set[str] = set()

    def convert(self, answer: pa.RecordBatch) -> Converted:
        """Convert a batch; columns beyond the planned ones are dropped."""
        arrays: list[pa.Array] = []
        faults: dict[int, tuple[str, str]] = {}
        for index, column in enumerate(self._columns):
            array, bad = self._converted(column, answer.column(index))
            if column.guard:
                bad = _guarded(answer.column(f"_guard_{column.name}"))
            arrays.append(array)
            faults.update((row, (column.name, value)) for row, value in bad.items())
        batch = pa.RecordBatch.from_arrays(arrays, names=[c.name for c in self._columns])
        return self._split(batch, faults) if faults else Converted(batch, None)

    def _converted(self, column: Column, array: pa.Array) -> tuple[pa.Array, dict[int, str]]:
        if column.kind == "decimal":
            return _decimals(getattr(array, "storage", array), column.target)
        if isinstance(array, pa.ExtensionArray):
            return array.storage, {}
        return self._finite(column.name, array), {}

    def _finite(self, name: str, array: pa.Array) -> pa.Array:
        date = pa.types.is_date32(array.type)
        if not date and not pa.types.is_timestamp(array.type):
            return array
        numbers = array.view(pa.int32() if date else pa.int64())
        lowest = pa.scalar(_LOWEST["date" if date else "timestamp"], numbers.type)
        least = pc.min(numbers).as_py()
        if least is None or least >= lowest.as_py():
            return array
        if name not in self._warned:
            self._warned.add(name)
            log.warning("%s: %s holds infinity, which arrives as null", self._place, name)
        return pc.if_else(pc.less(numbers, lowest), pa.scalar(None, array.type), array)

    def _split(self, batch: pa.RecordBatch, faults: dict[int, tuple[str, str]]) -> Converted:
        bad = sorted(faults)
        records = _records(batch.take(pa.array(bad)))
        for record, row in zip(records, bad, strict=True):
            name, value = faults[row]
            record[name] = value
        rejected = rejects(
            [orjson.dumps(record, default=str).decode() for record in records],
            stage="source",
            reason=[_reason(faults[row][1], batch.schema.field(faults[row][0])) for row in bad],
            column=[faults[row][0] for row in bad],
            location=[self._place] * len(bad),
        )
        good = [row not in faults for row in range(batch.num_rows)]
        return Converted(batch.filter(pa.array(good)), rejected)


def _records(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """Return rows as Python values; times that Python has none for, before year 1, as text."""
    try:
        found: list[dict[str, Any]] = batch.to_pylist()
    except (OverflowError, ValueError):
        arrays = [
            column.cast(pa.string()) if pa.types.is_temporal(column.type) else column
            for column in batch.columns
        ]
        found = pa.RecordBatch.from_arrays(arrays, names=batch.schema.names).to_pylist()
    return found


def _reason(value: str, field: pa.Field) -> str:
    if pa.types.is_list(field.type):
        return "an array of several dimensions has no column type here"
    return f"{value} does not fit {field.type}"


def _guarded(guard: pa.Array) -> dict[int, str]:
    if guard.null_count == len(guard):
        return {}
    return {row: value for row, value in enumerate(guard.to_pylist()) if value is not None}


def _decimals(texts: pa.Array, target: pa.DataType) -> tuple[pa.Array, dict[int, str]]:
    """Parse decimals; return also the rows whose value the type has no room for."""
    try:
        return pc.cast(texts, target), {}
    except pa.ArrowInvalid:
        pass
    values: list[Any] = []
    bad: dict[int, str] = {}
    for row, text in enumerate(texts.to_pylist()):
        try:
            values.append(pa.scalar(text, pa.string()).cast(target).as_py())
        except pa.ArrowInvalid:
            values.append(None)
            bad[row] = text
    return pa.array(values, target), bad
