"""Turns documents into Arrow: types from the mapping, lists from the data, nothing lost."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from itertools import chain
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_spotify.core.sources.database._elasticsearch_dates import (
    Parser,
    parse,
    parsers_of,
)
from airflow_provider_spotify.core.sources.database._elasticsearch_mapping import (
    FLOATS,
    INTEGERS,
    JSON,
    TEXTS,
    Mapped,
)

NULL, TEXT, LONG, DOUBLE = pa.null(), pa.string(), pa.int64(), pa.float64()


class Disagree(Exception):
    """Values of one column have no type in common; the column becomes text that holds JSON."""


class Shape:
    """What one field looks like so far: any field may hold one value or a list of them.

    ``raw`` is its type in the JSON, ``type`` the one it is given; both are null until a value has
    been seen. They only ever grow, and what would change them otherwise raises ``Disagree``.
    """

    def __init__(self, mapped: Mapped | None = None, *, path: str, lists: Collection[str]) -> None:
        self._mapped = mapped
        self._path = path
        self._lists = lists
        self._many: bool | None = True if path in lists else None
        self._item: Shape | None = None
        self._children: dict[str, Shape] = {}
        self._parsers: Sequence[Parser] | None = None
        self._known = _known(mapped)
        if pa.types.is_timestamp(self._known) and mapped is not None:
            formats = "||".join(each or "" for each in mapped.formats if each) or None
            self._parsers = parsers_of(formats)
            self._known = self._known if self._parsers else TEXT
        self.raw: pa.DataType = NULL
        self.type: pa.DataType = NULL

    @classmethod
    def json(cls) -> Shape:
        """Return the shape of a column whose values do not agree."""
        return cls(Mapped(frozenset({"flattened"})), path="", lists=())

    @property
    def opaque(self) -> bool:
        """Its values are written as JSON text, which only ``build`` can do."""
        return self._mapped is not None and not JSON.isdisjoint(self._mapped.types)

    def build(self, values: list[Any]) -> pa.Array:
        """Convert values as orjson reads them, and learn from them.

        :raises Disagree: if they do not fit what was seen before, or one another
        """
        if self.opaque:
            array = texts(values)
        elif self._holds_many(values):
            array = self._listed(values)
        elif any(type(v) is dict for v in values):
            array = self._struct(values)
        else:
            array = self._leaf(values)
        self.type = array.type
        return array

    def finish(self, array: pa.Array) -> pa.Array:
        """Convert an array of type ``raw`` to ``type``.

        :raises Disagree: if a date cannot be read
        """
        if self.raw.equals(self.type):
            return array
        if self.opaque:
            return array.cast(TEXT)  # nothing but nulls: see ``raw``
        if self._many and self._item:
            values = self._item.finish(array.values)
            return pa.ListArray.from_arrays(array.offsets, values, mask=array.is_null())
        if self._children:
            inner = {
                name: child.finish(array.field(name))
                for name, child in self._children.items()
                if not pa.types.is_null(child.type)
            }
            return pa.StructArray.from_arrays(
                list(inner.values()), list(inner), mask=array.is_null()
            )
        return self._dated(array.cast(TEXT))

    def _holds_many(self, values: list[Any]) -> bool:
        found = any(type(v) is list for v in values)
        if self._many is None and (found or any(v is not None for v in values)):
            self._many = found
        if found and not self._many:
            raise Disagree
        return bool(self._many)

    def _listed(self, values: list[Any]) -> pa.Array:
        if self._item is None:
            self._item = Shape(self._mapped, path=f"{self._path}[]", lists=self._lists)
        rows = [v if v is None or type(v) is list else [v] for v in values]
        flat = self._item.build(list(chain.from_iterable(r for r in rows if r)))
        ends = pc.cumulative_sum(pa.array([0, *(len(r or ()) for r in rows)], pa.int32()))
        missing = pa.array([r is None for r in rows], pa.bool_())
        self.raw = pa.list_(self._item.raw)
        if pa.types.is_null(flat.type):
            return pa.nulls(len(values))  # lists of nothing, of a type nobody knows
        return pa.ListArray.from_arrays(ends, flat, mask=missing)

    def _struct(self, values: list[Any]) -> pa.Array:
        if self._known is not NULL or any(v is not None and type(v) is not dict for v in values):
            raise Disagree
        if not pa.types.is_null(self.type) and not self._children:
            raise Disagree
        for name in dict.fromkeys(chain.from_iterable(v for v in values if v)):
            if name not in self._children:
                mapped = self._mapped.children.get(name) if self._mapped else None
                path = f"{self._path.replace('[]', '')}.{name}"
                self._children[name] = Shape(mapped, path=path, lists=self._lists)
        inner: dict[str, pa.Array] = {}
        for name, child in self._children.items():
            array = child.build([v.get(name) if v else None for v in values])
            if not pa.types.is_null(array.type):
                inner[name] = array
        self.raw = pa.struct([(name, child.raw) for name, child in self._children.items()])
        if not inner:
            return pa.nulls(len(values))
        missing = pa.array([v is None for v in values], pa.bool_())
        return pa.StructArray.from_arrays(list(inner.values()), list(inner), mask=missing)

    def _leaf(self, values: list[Any]) -> pa.Array:
        if all(v is None for v in values):
            if pa.types.is_null(self.type) and self._path.endswith("[]"):
                self.raw = TEXT if pa.types.is_timestamp(self._known) else self._known
                return pa.nulls(len(values), self._known)  # of empty lists, the mapping knows
            return pa.nulls(len(values), self.type)
        if self._children:
            raise Disagree
        if pa.types.is_timestamp(self._known):
            self.raw = LONG if all(v is None or type(v) is int for v in values) else TEXT
            return self._dated(texts(values))
        known = self._known if pa.types.is_null(self.type) else self.type
        array = _inferred(values) if pa.types.is_null(known) else _array(values, known)
        self.raw = array.type
        return array

    def _dated(self, written: pa.Array) -> pa.Array:
        try:
            return parse(written, self._parsers or (), unit=self._known.unit)
        except pa.ArrowInvalid:
            raise Disagree from None


def texts(values: list[Any]) -> pa.StringArray:
    """Write values as text: a text as it is, anything else as JSON."""
    written = [v if v is None or type(v) is str else orjson.dumps(v).decode() for v in values]
    return pa.array(written, TEXT)


def _known(mapped: Mapped | None) -> pa.DataType:
    """Return the type that a mapping gives; null where only the data can tell."""
    one = mapped.one if mapped else None
    if one is None or (mapped and mapped.children):
        return NULL
    if one in INTEGERS:
        return LONG
    if one in FLOATS:
        return DOUBLE
    others: Mapping[str, pa.DataType] = {
        "boolean": pa.bool_(),
        "unsigned_long": pa.decimal128(20, 0),
        "date": pa.timestamp("us", "UTC"),
        "date_nanos": pa.timestamp("ns", "UTC"),
    }
    return TEXT if one in TEXTS else others.get(one, NULL)


def _array(values: list[Any], known: pa.DataType) -> pa.Array:
    """Build an array of a known type; a text may stand for a number, as Elasticsearch lets it.

    :raises Disagree: if the type does not hold every value
    """
    if pa.types.is_string(known):
        return texts(values)
    for written in (False, True):
        try:
            # Cast, for a conversion from Python cuts fractions off without a word.
            return (texts(values) if written else _inferred(values)).cast(known)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, Disagree):
            continue
    if known.equals(LONG):  # a field without a mapping, or one whose fraction Elasticsearch drops
        return _array(values, DOUBLE)
    raise Disagree


def _inferred(values: list[Any]) -> pa.Array:
    try:
        return pa.array(values)
    except OverflowError:  # above 2^63 - 1
        exact = [Decimal(v) if type(v) is int else v for v in values]
        return pa.array(exact, pa.decimal128(20, 0))
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        raise Disagree from None
