"""Turns JSON records into Arrow: nested stays nested, and types settle from page to page."""

from __future__ import annotations

import decimal
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

import orjson
import pyarrow as pa

Record = Mapping[str, Any]


class JsonArrow:
    """Converts pages of records to batches whose schema only ever grows.

    A column keeps its place and its type; a page that does not hold it has nulls there. A type
    follows the data upwards (null, then int64, then double; a struct gains fields), and a column
    whose values do not agree becomes text that holds JSON.
    """

    def __init__(self) -> None:
        self._known: dict[str, pa.DataType] = {}

    @property
    def schema(self) -> pa.Schema:
        """The schema of the next page, if it brings nothing new."""
        return pa.schema(list(self._known.items()))

    def batch(self, records: Sequence[Record]) -> pa.RecordBatch:
        """Convert one page; a record without any key becomes a row of nulls."""
        names = dict.fromkeys(chain(self._known, chain.from_iterable(records)))
        arrays = [self._column(name, [r.get(name) for r in records]) for name in names]
        if not arrays:
            return pa.RecordBatch.from_struct_array(pa.array([{}] * len(records), pa.struct([])))
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _column(self, name: str, values: list[Any]) -> pa.Array:
        known = self._known.get(name, pa.null())
        array = _array(values, known=known)
        self._known[name] = array.type
        return array


def to_batch(records: Sequence[Record] | bytes) -> pa.RecordBatch:
    """Convert a list of records, or the JSON of one, to a batch of its own schema.

    :raises orjson.JSONDecodeError: if bytes are given that are not JSON
    """
    return JsonArrow().batch(orjson.loads(records) if isinstance(records, bytes) else records)


def _array(values: list[Any], *, known: pa.DataType) -> pa.Array:
    if pa.types.is_string(known):
        return _texts(values)
    try:
        found = _infer(values)
        if _has_void(found.type):
            return _array([_unvoided(v) for v in values], known=known)
        target = _union(known, found.type)
        if found.type.equals(target):
            return found
        # A cast cannot add fields to a struct inside a list, so nested values are built anew.
        return found.cast(target) if _flat(target) else pa.array(values, target)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        return _texts(values)


def _infer(values: list[Any]) -> pa.Array:
    try:
        return pa.array(values)
    except OverflowError:
        # An integer above 2^63 - 1; JSON readers give at most 2^64 - 1 as an integer.
        exact = [decimal.Decimal(v) if type(v) is int else v for v in values]
        return pa.array(exact, pa.decimal128(20, 0))


def _union(known: pa.DataType, found: pa.DataType) -> pa.DataType:
    """Return the narrowest type that holds both.

    :raises pa.ArrowTypeError: if only text does
    """
    if known.equals(found) or pa.types.is_null(found):
        return known
    if pa.types.is_boolean(known) != pa.types.is_boolean(found) and not pa.types.is_null(known):
        raise pa.ArrowTypeError("a truth value is no number")
    fields = [pa.schema([("x", each)]) for each in (known, found)]
    return pa.unify_schemas(fields, promote_options="permissive").field("x").type


def _flat(kind: pa.DataType) -> bool:
    return not pa.types.is_nested(kind)


def _has_void(kind: pa.DataType) -> bool:
    """Say whether a type holds, at any depth, a struct without fields: no table can hold one."""
    if pa.types.is_struct(kind):
        return kind.num_fields == 0 or any(_has_void(f.type) for f in kind)
    return pa.types.is_list(kind) and _has_void(kind.value_type)


def _unvoided(value: Any) -> Any:
    """Replace every empty object inside a value by None."""
    if isinstance(value, dict):
        return {k: _unvoided(v) for k, v in value.items()} or None
    return [_unvoided(v) for v in value] if isinstance(value, list) else value


def _texts(values: list[Any]) -> pa.Array:
    texts = [v if v is None or isinstance(v, str) else _json(v) for v in values]
    return pa.array(texts, pa.string())


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def pick(record_path: str | None) -> Callable[[Any], list[Record | None]]:
    """Return what takes the records out of a body: ``data.items``, or None for the body itself.

    A list anywhere on the way is walked through; null or absent gives no record, but a null in
    the list of records stays, since paging by offset counts it. A single object counts as one
    record; a value that is no object becomes ``{"value": …}``.
    """
    names = record_path.split(".") if record_path else []

    def records(body: Any) -> list[Record | None]:
        found = [body]
        for name in names:
            found = [_step(each, name) for each in _spread(found)]
        ends = [each for value in found for each in _items(value)]
        return [
            each if each is None or isinstance(each, dict) else {"value": each} for each in ends
        ]

    return records


def _items(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def _step(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _spread(values: list[Any]) -> list[Any]:
    """Replace lists by what is in them, however deep."""
    flat: list[Any] = []
    for value in values:
        flat.extend(_spread(value) if isinstance(value, list) else [value])
    return flat
