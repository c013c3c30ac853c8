"""What an Avro schema looks like in Arrow, and the schema to decode with so that little is left.

Values are decoded without their logical types: a time stays the integer that it is, a decimal its
bytes, and Arrow makes the column of them. Python looks at a single value only where Arrow has no
type for it: a union of several kinds, and a record that holds itself.

Avro: https://avro.apache.org/docs/1.12.0/specification/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any, NamedTuple

import pyarrow as pa

from airflow_provider_spotify.core.clients import avro_values as values
from airflow_provider_spotify.core.clients.avro_values import Finish

Schema = Any
_SCALARS = {
    "null": pa.null(),
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "bytes": pa.binary(),
    "string": pa.string(),
}
_MOMENTS = {
    "int-date": pa.date32(),
    "int-time-millis": pa.time32("ms"),
    "long-time-micros": pa.time64("us"),
    "long-timestamp-millis": pa.timestamp("ms", "UTC"),
    "long-timestamp-micros": pa.timestamp("us", "UTC"),
    "long-timestamp-nanos": pa.timestamp("ns", "UTC"),
    "long-local-timestamp-millis": pa.timestamp("ms"),
    "long-local-timestamp-micros": pa.timestamp("us"),
    "long-local-timestamp-nanos": pa.timestamp("ns"),
}
_NAMED = ("record", "error", "enum", "fixed")
_MOST_DIGITS = 76


class Shape(NamedTuple):
    """How one Avro type becomes an Arrow type.

    :param schema: what to decode with: no logical types, every definition under a name of its own
    :param built: the type that Arrow builds from the decoded values
    :param kind: the type that they have in the end
    :param finish: brings an array of ``built`` to ``kind``; None if they are the same
    """

    schema: Schema
    built: pa.DataType
    kind: pa.DataType
    finish: Finish | None = None

    def batch(self, rows: Sequence[Any]) -> pa.RecordBatch:
        """Turn decoded records into a batch; what is no record becomes the column ``value``."""
        array = pa.array(rows, self.built)
        array = self.finish(array) if self.finish else array
        if pa.types.is_struct(self.kind):
            return pa.RecordBatch.from_struct_array(array)
        return pa.RecordBatch.from_arrays([array], names=["value"])


def shape_of(schema: Schema) -> Shape:
    """Return the shape of a file's schema, as its header has it.

    :raises ValueError: if it is not an Avro schema
    """
    values.register()
    return _Drawing().shape(schema)


class _Drawing:
    """Walks through one schema, and remembers the types that it names."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Mapping[str, Any], str]] = {}
        self._open: list[str] = []
        self._numbers = count()

    def shape(self, schema: Schema, space: str = "") -> Shape:
        """Return the shape of a type, met in a namespace."""
        if isinstance(schema, list):
            return self._union(schema, space)
        schema, space = self._resolved(schema, space)
        kind = schema["type"]
        if isinstance(kind, dict | list):
            return self.shape(kind, space)
        if kind in ("record", "error"):
            return self._record(schema, space)
        if kind in ("array", "map"):
            return self._collection(schema, space)
        if kind == "enum":
            return Shape(self._plain(schema, "symbols"), pa.string(), pa.string())
        return self._scalar(schema)

    def _scalar(self, schema: Mapping[str, Any]) -> Shape:
        kind, logical = schema["type"], f"{schema['type']}-{schema.get('logicalType')}"
        if kind != "fixed" and kind not in _SCALARS:
            raise ValueError(f"{kind!r} is not an Avro type")
        raw = self._plain(schema, "size") if kind == "fixed" else kind
        built = pa.binary(schema["size"]) if kind == "fixed" else _SCALARS[kind]
        if logical in _MOMENTS:
            return Shape(raw, _MOMENTS[logical], _MOMENTS[logical])
        if logical in ("bytes-decimal", "fixed-decimal") and _is_decimal(schema):
            target = values.decimal_type(schema["precision"], scale=schema.get("scale", 0))
            return Shape(raw, built, target, values.decimals(target))
        if (logical, schema.get("size")) == ("fixed-uuid", 16):
            return Shape(raw, built, pa.string(), values.uuids)
        if (logical, schema.get("size")) == ("fixed-duration", 12):
            return Shape(raw, built, pa.month_day_nano_interval(), values.durations)
        return Shape(raw, built, built)

    def _record(self, schema: Mapping[str, Any], space: str) -> Shape:
        name = _full(schema, space)
        if name in self._open:
            return self._text([schema], space)
        self._open.append(name)
        shapes = [self.shape(field["type"], _space(name)) for field in schema["fields"]]
        self._open.pop()
        names = [field["name"] for field in schema["fields"]]
        fields = [{"name": n, "type": shape.schema} for n, shape in zip(names, shapes, strict=True)]
        raw = {"type": "record", "name": self._own_name(), "fields": fields}
        built = pa.struct([(n, s.built) for n, s in zip(names, shapes, strict=True)])
        kind = pa.struct([(n, s.kind) for n, s in zip(names, shapes, strict=True)])
        finish = values.structs(kind, [shape.finish for shape in shapes])
        return Shape(raw, built, kind, finish)

    def _collection(self, schema: Mapping[str, Any], space: str) -> Shape:
        key = "items" if schema["type"] == "array" else "values"
        inner = self.shape(schema[key], space)
        raw = {"type": schema["type"], key: inner.schema}
        if key == "items":
            kind = pa.list_(inner.kind)
            return Shape(raw, pa.list_(inner.built), kind, values.lists(kind, inner.finish))
        kind = pa.map_(pa.string(), inner.kind)
        built = pa.map_(pa.string(), inner.built)
        return Shape(raw, built, kind, values.maps(kind, inner.finish))

    def _union(self, branches: Sequence[Schema], space: str) -> Shape:
        kinds = [branch for branch in branches if _name_of(branch) != "null"]
        if len(kinds) > 1:
            return self._numbers_of(branches, kinds) or self._text(branches, space)
        one = self.shape(kinds[0] if kinds else "null", space)
        raw = ["null" if _name_of(branch) == "null" else one.schema for branch in branches]
        return one._replace(schema=raw)

    def _numbers_of(self, branches: Sequence[Schema], kinds: Sequence[Schema]) -> Shape | None:
        """Return the shape of a union of numbers of which one holds all values of the others."""
        marked = [isinstance(kind, Mapping) and "logicalType" in kind for kind in kinds]
        found = {"" if mark else _name_of(k) for k, mark in zip(kinds, marked, strict=True)}
        for widest, members in (("long", {"int"}), ("double", {"int", "float"})):
            if found <= {widest, *members}:
                return Shape(list(branches), _SCALARS[widest], _SCALARS[widest])
        return None

    def _text(self, branches: Sequence[Schema], space: str) -> Shape:
        """Return the shape of values that Arrow has no type for: text, or JSON."""
        raw = [self._spelled(branch, space) for branch in branches]
        return Shape(raw if len(raw) > 1 else raw[0], pa.string(), pa.string())

    def _spelled(self, branch: Schema, space: str) -> Schema:
        if _name_of(branch) == "null":
            return "null"
        drawn = self._typed(branch, space, {})
        drawn = dict(drawn) if isinstance(drawn, Mapping) else {"type": drawn}
        return {**drawn, "logicalType": values.spelling(drawn.get("logicalType"))}

    def _typed(self, schema: Schema, space: str, own: Mapping[str, str]) -> Schema:
        """Draw a type with its logical types, for values that become text as a whole.

        :param own: the names of the records around it, and what they are called here
        """
        if isinstance(schema, list):
            return [self._typed(branch, space, own) for branch in schema]
        schema, space = self._resolved(schema, space)
        kind = schema["type"]
        if isinstance(kind, dict | list):
            return self._typed(kind, space, own)
        if kind in ("array", "map"):
            key = "items" if kind == "array" else "values"
            return {"type": kind, key: self._typed(schema[key], space, own)}
        if kind == "enum":
            return self._plain(schema, "symbols")
        if kind in ("record", "error"):
            return self._typed_record(schema, _full(schema, space), own)
        raw = self._plain(schema, "size") if kind == "fixed" else {"type": kind}
        known = values.is_readable(kind, schema.get("logicalType"))
        if not known or (schema["logicalType"] == "decimal" and not _is_decimal(schema)):
            return raw
        notes = ("logicalType", "precision", "scale")
        return {**raw, **{key: schema[key] for key in notes if key in schema}}

    def _typed_record(self, schema: Mapping[str, Any], name: str, own: Mapping[str, str]) -> Schema:
        if name in own:
            return own[name]
        mine = self._own_name()
        # The outermost record is spelled as text; inside of it the same record is not, so there it
        # has a definition of its own, at which the recursion ends.
        inside = {**own, name: mine} if own else {"": ""}
        fields = [
            {"name": field["name"], "type": self._typed(field["type"], _space(name), inside)}
            for field in schema["fields"]
        ]
        return {"type": "record", "name": mine, "fields": fields}

    def _resolved(self, schema: Schema, space: str) -> tuple[Mapping[str, Any], str]:
        """Return a type as a mapping, and the namespace that it was defined in."""
        if isinstance(schema, str):
            if schema in _SCALARS:
                return {"type": schema}, space
            name = schema if "." in schema or not space else f"{space}.{schema}"
            found = self._known.get(name) or self._known.get(schema)
            if found is None:
                raise ValueError(f"the schema uses {schema!r} and does not say what it is")
            return found
        if isinstance(schema["type"], str) and schema["type"] not in (*_SCALARS, "array", "map"):
            if schema["type"] not in _NAMED:
                return self._resolved(schema["type"], space)
            self._known.setdefault(_full(schema, space), (schema, space))
        return schema, space

    def _plain(self, schema: Mapping[str, Any], key: str) -> dict[str, Any]:
        return {"type": schema["type"], "name": self._own_name(), key: schema[key]}

    def _own_name(self) -> str:
        return f"t{next(self._numbers)}"


def _full(schema: Mapping[str, Any], space: str) -> str:
    """Return a definition's full name, as the specification puts it together."""
    name: str = schema["name"]
    around = schema.get("namespace", space)
    return name if "." in name or not around else f"{around}.{name}"


def _space(name: str) -> str:
    return name.rpartition(".")[0]


def _name_of(branch: Schema) -> str:
    kind = branch.get("type") if isinstance(branch, Mapping) else branch
    return kind if isinstance(kind, str) else ""


def _is_decimal(schema: Mapping[str, Any]) -> bool:
    """Say whether a decimal is one that Arrow can hold; else it stays bytes, as Avro asks."""
    precision, scale = schema.get("precision"), schema.get("scale", 0)
    if not isinstance(precision, int) or not isinstance(scale, int):
        return False
    return 0 < precision <= _MOST_DIGITS and 0 <= scale <= precision
