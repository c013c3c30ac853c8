"""Types the columns of a GraphQL query by the endpoint's schema.

Introspection: https://spec.graphql.org/October2021/#sec-Introspection. Enums are text, objects are
structs, lists are lists; what a custom scalar is, only its name tells.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

import orjson
import pyarrow as pa

from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.sources.api._graphql_query import Query, Selection
from airflow_provider_spotify.core.sources.web.columns import ColumnType, arrow_type
from airflow_provider_spotify.core.sources.web.rows import Record, Reject
from airflow_provider_spotify.core.sources.web.times import parse_time

_REF = "kind name ofType{kind name ofType{kind name ofType{kind name ofType{kind name}}}}"
INTROSPECTION = (
    "query ImportSchema{__schema{queryType{name} types{kind name "
    f"fields(includeDeprecated:true){{name type{{{_REF}}}}}}}}}}}"
)
SCALARS: Mapping[str, ColumnType] = {
    "Int": "bigint", "Float": "double", "String": "string", "ID": "string", "Boolean": "boolean",
    "DateTime": "timestamp", "ISO8601DateTime": "timestamp", "Timestamp": "timestamp",
    "Date": "date", "ISO8601Date": "date", "Long": "bigint", "BigInt": "bigint", "Int64": "bigint",
    "JSON": "json", "JSONObject": "json",
}  # fmt: skip
"""What scalars become whose names are in common use; any other is text."""

Convert = Callable[[Any], Any]


class Shape(NamedTuple):
    """An Arrow type, and what makes a JSON value fit it.

    :param raw: the type that the usual values are read as at once and then cast; None: there is
        none, each is converted by itself
    """

    type: pa.DataType
    convert: Convert
    raw: pa.DataType | None


class Schema:
    """The types of an endpoint, as introspection describes them.

    :param scalars: what custom scalars become
    """

    def __init__(self, body: Mapping[str, Any], scalars: Mapping[str, ColumnType]) -> None:
        found = body["data"]["__schema"]
        self._root: str = found["queryType"]["name"]
        self._kinds = {each["name"]: each["kind"] for each in found["types"]}
        self._fields = {
            each["name"]: {field["name"]: field["type"] for field in each["fields"] or ()}
            for each in found["types"]
        }
        self._scalars = {**SCALARS, **scalars}

    def columns(self, query: Query, path: Sequence[str]) -> dict[str, Shape]:
        """Return the shape of each field of a record.

        :raises ConfigurationError: if the query selects what the schema does not have
        """
        kind, one = self._root, None
        inside: Any = query.root
        for name in path:
            one = query.fields(inside)[name]
            kind, inside = _named(self._of(one.on or kind, one)), one.inside
        if not inside:
            raise ConfigurationError(f"records: {'.'.join(path)} is no object; name its parent")
        return self._columns(query, kind, inside)

    def _columns(self, query: Query, kind: str, inside: Any) -> dict[str, Shape]:
        found = query.fields(inside)
        return {
            key: self._shape(query, self._of(one.on or kind, one), one)
            for key, one in found.items()
        }

    def _of(self, kind: str, one: Selection) -> Mapping[str, Any]:
        if one.name == "__typename":
            return {"kind": "SCALAR", "name": "String"}
        try:
            return self._fields[kind][one.name]  # type: ignore[no-any-return]
        except KeyError:
            raise ConfigurationError(
                f"query selects {one.name}, which the endpoint's type {kind} does not have"
            ) from None

    def _shape(self, query: Query, ref: Mapping[str, Any], one: Selection) -> Shape:
        kind = ref["kind"]
        if kind == "NON_NULL":
            return self._shape(query, ref["ofType"], one)
        if kind == "LIST":
            item = self._shape(query, ref["ofType"], one)
            raw = None if item.raw is None else pa.list_(item.raw)
            return Shape(pa.list_(item.type), _each(item.convert), raw)
        if not one.inside:
            return _scalar(self._scalars.get(ref["name"], "string"))
        parts = self._columns(query, ref["name"], one.inside)
        struct = pa.struct([(key, part.type) for key, part in parts.items()])
        raws = [(key, part.raw) for key, part in parts.items() if part.raw is not None]
        raw = pa.struct(raws) if len(raws) == len(parts) else None
        return Shape(struct, _struct({key: part.convert for key, part in parts.items()}), raw)


def rows(
    columns: Mapping[str, Shape], records: Sequence[Record]
) -> tuple[pa.RecordBatch, list[Reject]]:
    """Build a batch; a record with a value that does not fit is rejected whole."""
    bad: dict[int, str] = {}
    arrays = [_column(name, shape, records, bad) for name, shape in columns.items()]
    schema = pa.schema([(name, shape.type) for name, shape in columns.items()])
    batch = pa.RecordBatch.from_arrays(arrays, schema=schema)
    if bad:
        good = [row for row in range(len(records)) if row not in bad]
        batch = batch.take(pa.array(good, pa.int64()))
    return batch, [_misfit(records[row], name, columns[name]) for row, name in sorted(bad.items())]


def _column(name: str, shape: Shape, records: Sequence[Record], bad: dict[int, str]) -> pa.Array:
    """Convert one field of all records at once; value by value only where that fails."""
    cells = [record.body.get(name) for record in records]
    if shape.raw is not None:
        try:
            array = pa.array(cells, shape.raw)
            return array if shape.raw.equals(shape.type) else array.cast(shape.type)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            pass  # some value is written in another way, or is wrong: which one, is found below
    kept = [_cell(shape, value, bad, row, name) for row, value in enumerate(cells)]
    return pa.array(kept, shape.type)


def _misfit(record: Record, name: str, shape: Shape) -> Reject:
    return Reject(record.body, f"{name} is not a {shape.type}", record.location, name)


def with_key(batch: pa.RecordBatch, name: str, keys: Sequence[Any], *, kind: str) -> pa.RecordBatch:
    """Return a batch with the keys as its first column."""
    column = pa.array(keys, arrow_type(SCALARS.get(kind, "string")))
    fields = [pa.field(name, column.type), *batch.schema]
    return pa.RecordBatch.from_arrays([column, *batch.columns], schema=pa.schema(fields))


def _cell(shape: Shape, value: Any, bad: dict[int, str], row: int, name: str) -> Any:
    try:
        return None if value is None else shape.convert(value)
    except (ValueError, TypeError, AttributeError, OverflowError):
        bad.setdefault(row, name)
        return None


def _named(ref: Mapping[str, Any]) -> str:
    while ref.get("ofType"):
        ref = ref["ofType"]
    return str(ref["name"])


def _each(convert: Convert) -> Convert:
    def whole(value: Any) -> Any:
        if not isinstance(value, list):
            raise TypeError("not a list")
        return [None if each is None else convert(each) for each in value]

    return whole


def _struct(parts: Mapping[str, Convert]) -> Convert:
    def whole(value: Any) -> Any:
        return {
            key: None if (part := value.get(key)) is None else convert(part)
            for key, convert in parts.items()
        }

    return whole


def _scalar(kind: ColumnType) -> Shape:
    target = arrow_type(kind)
    raw = {"json": None, "timestamp": pa.string(), "date": pa.string()}.get(kind, target)
    return Shape(target, _CONVERT.get(kind, _text), None if kind in _SINCE else raw)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _time(value: Any) -> Any:
    found = parse_time(value)
    if found is None:
        raise ValueError("not a time")
    return found


def _whole(value: Any) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError("not a whole number")
    number = int(value)
    if not -(2**63) <= number < 2**63:
        raise OverflowError
    return number


def _fraction(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError("not a number")
    return float(value)


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("not a truth value")
    return value


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


_SINCE = ("timestamp[s]", "timestamp[ms]")
_CONVERT: Mapping[str, Convert] = {
    "bigint": _whole,
    "double": _fraction,
    "boolean": _truth,
    "timestamp": _time,
    "timestamp[s]": _time,
    "timestamp[ms]": _time,
    "date": date.fromisoformat,
    "json": _json,
}
