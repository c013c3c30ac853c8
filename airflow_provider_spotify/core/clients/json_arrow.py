"""Turns JSON records into Arrow: nested stays nested, and types settle from page to page."""

from __future__ import annotations

import contextlib
import decimal
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

import orjson
import pyarrow as pa

Record = Mapping[str, Any]
_ENOUGH = 250
"""Records that are worth arrays of their own."""
_ONLY = {str: pa.string(), bool: pa.bool_()}
"""Types that are refused to any other value: Arrow need not look twice."""
_EXACT = frozenset({pa.null(), pa.bool_(), pa.int64(), pa.string()})


class JsonArrow:
    """Converts pages of records to batches whose schema only ever grows.

    A column keeps its place and its type; a page that does not hold it has nulls there. A type
    follows the data upwards (null, then int64, then double; a struct gains fields), and a column
    whose values do not agree becomes text that holds JSON.

    Records are turned into Arrow as they are added, since thousands of dicts that are kept cost
    more than to make them. Measured 2026-11-22, 200,000 records of 8 fields, 500 a page, CPU
    seconds from body to Arrow: orjson and this 0.19, of which orjson 0.08; ``pyarrow.json`` 0.22 a
    page and 0.16 ten pages at once, and it guesses at dates and numbers. The source ``rest`` takes
    0.40 in all; it took 0.74 when dicts were kept for 10,000 rows.
    """

    def __init__(self) -> None:
        self._known: dict[str, pa.DataType] = {}
        self._few: list[Record] = []
        self._parts: dict[str, list[pa.Array | Sequence[Any]]] = {}
        self._converted = 0

    def __len__(self) -> int:
        """Return how many records the next batch has already."""
        return self._converted + len(self._few)

    @property
    def schema(self) -> pa.Schema:
        """The schema of the next page, if it brings nothing new."""
        return pa.schema(list(self._known.items()))

    def add(self, records: Sequence[Record]) -> None:
        """Take a page for the next batch; it makes no difference to the batch how they are cut."""
        if isinstance(records, Columns):
            self._convert()
            self._append(records)
            return
        self._few += records
        if len(self._few) >= _ENOUGH:
            self._convert()

    def batch(self, records: Sequence[Record] = ()) -> pa.RecordBatch:
        """Convert what was added, and one page; a record without any key is a row of nulls."""
        self._few += records
        self._convert()
        rows, self._converted = self._converted, 0
        parts, self._parts = self._parts, {}
        arrays = [self._column(name, each) for name, each in parts.items()]
        if not arrays:
            return pa.RecordBatch.from_struct_array(pa.array([{}] * rows, pa.struct([])))
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _convert(self) -> None:
        records, self._few = self._few, []
        if records or not self._parts:
            self._append(Columns(records))

    def _append(self, page: Columns) -> None:
        for name in dict.fromkeys(chain(self._known, self._parts, page.values)):
            values = page.values.get(name)
            parts = self._parts.setdefault(name, [pa.nulls(self._converted)])
            parts.append(pa.nulls(len(page)) if values is None else values)
        self._converted += len(page)

    def _column(self, name: str, parts: Sequence[pa.Array | Sequence[Any]]) -> pa.Array:
        known = self._known.get(name, pa.null())
        array = _joined(parts, known=known)
        if array is None:
            values = [part.to_pylist() if isinstance(part, pa.Array) else part for part in parts]
            array = _array([*chain.from_iterable(values)], known=known)
        self._known[name] = array.type
        return array


class Columns(Sequence[Record]):
    """Records by column, as Arrow where that gives back the very values; they are no dicts more.

    A key that a record lacks is null.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        columns = _alike(records) or _unlike(records)
        self.values = {name: _exact(values) for name, values in columns.items()}
        self._rows = len(records)

    def __len__(self) -> int:
        return self._rows

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Columns)
            and len(self) == len(other)
            and self.values.keys() == other.values.keys()
            and all(_equal(mine, other.values[name]) for name, mine in self.values.items())
        )

    __hash__ = None  # type: ignore[assignment]

    def __getitem__(self, at: Any) -> Any:
        at = range(self._rows)[at]
        return {name: _plain(values[at]) for name, values in self.values.items()}


def _plain(value: Any) -> Any:
    return value.as_py() if isinstance(value, pa.Scalar) else value


def _equal(one: pa.Array | Sequence[Any], other: pa.Array | Sequence[Any]) -> bool:
    return type(one) is type(other) and bool(one == other)


def compact(records: Sequence[Record]) -> Sequence[Record]:
    """Return records in the form that costs least to keep; few of them stay as they are."""
    return Columns(records) if len(records) >= _ENOUGH else records


def _alike(records: Sequence[Record]) -> dict[str, Sequence[Any]] | None:
    """Return the columns of records that all have the same keys, as most pages' have.

    One column after the other: a tuple for each record would be 500 more objects a page for the
    garbage collector to go through, a third of all time (2026-11-22).
    """
    names = list(records[0]) if records else []
    if set(map(len, records)) != {len(names)}:
        return None
    try:
        return {name: [*map(itemgetter(name), records)] for name in names}
    except KeyError:
        return None


def _unlike(records: Sequence[Record]) -> dict[str, Sequence[Any]]:
    names = dict.fromkeys(chain.from_iterable(records))
    return {name: [record.get(name) for record in records] for name in names}


def _exact(values: Sequence[Any]) -> pa.Array | Sequence[Any]:
    """Return an array that gives back the very values; the values themselves where none does."""
    first = next((value for value in values if value is not None), None)
    if isinstance(first, dict | list):
        return values
    try:
        found = pa.array(values, _ONLY.get(type(first)))
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        return values
    if pa.types.is_floating(found.type):  # of integers among them it makes floats
        return found if set(map(type, values)) <= {float, type(None)} else values
    return found if found.type in _EXACT else values


def _joined(parts: Sequence[pa.Array | Sequence[Any]], *, known: pa.DataType) -> pa.Array | None:
    """Return the column that ``_array`` makes of all values, if Arrow alone can make it."""
    arrays = [part for part in parts if isinstance(part, pa.Array)]
    if len(arrays) < len(parts):
        return None
    kinds = {part.type for part in arrays if not pa.types.is_null(part.type)}
    if len(kinds) > 1 or (pa.types.is_string(known) and kinds - {known}):
        return None
    kind = next(iter(kinds), pa.null())
    filled = [part if part.type == kind else pa.nulls(len(part), kind) for part in arrays]
    try:
        target = _union(known, kind)
        found = pa.concat_arrays(filled)
        return found if kind == target else found.cast(target) if _flat(target) else None
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        return None


def to_batch(records: Sequence[Record] | bytes) -> pa.RecordBatch:
    """Convert a list of records, or the JSON of one, to a batch of its own schema.

    :raises orjson.JSONDecodeError: if bytes are given that are not JSON
    """
    return JsonArrow().batch(orjson.loads(records) if isinstance(records, bytes) else records)


def _array(values: Sequence[Any], *, known: pa.DataType) -> pa.Array:
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


def _infer(values: Sequence[Any]) -> pa.Array:
    try:
        found = pa.array(values)
    except OverflowError:
        # An integer above 2^63 - 1; JSON readers give at most 2^64 - 1 as an integer.
        exact = [decimal.Decimal(v) if type(v) is int else v for v in values]
        return pa.array(exact, pa.decimal128(20, 0))
    if pa.types.is_floating(found.type) and bool in set(map(type, values)):
        raise pa.ArrowTypeError("a truth value is no number")
    return found


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


def _texts(values: Sequence[Any]) -> pa.Array:
    with contextlib.suppress(pa.ArrowInvalid, pa.ArrowTypeError):  # most are texts already
        return pa.array(values, pa.string())
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
        ends = _items(found[0]) if len(found) == 1 else [e for v in found for e in _items(v)]
        if set(map(type, ends)) <= {dict, type(None)}:
            return ends
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
