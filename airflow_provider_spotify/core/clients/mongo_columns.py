"""Turns BSON values into Arrow columns whose types only grow, and loses no value on the way."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import bson
import numpy as np
import pyarrow as pa
from bson import Decimal128, ObjectId, json_util
from bson.binary import Binary
from bson.codec_options import CodecOptions, DatetimeConversion

from airflow_provider_spotify.core.clients import mongo_bson as b
from airflow_provider_spotify.core.clients.mongo_bson import Buffer, Numbers, Values

DATE = pa.timestamp("ms", "UTC")
CODEC: CodecOptions[dict[str, Any]] = CodecOptions(
    tz_aware=True,
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
)
_EXACT = 2**53
"""Up to here a double holds every integer (IEEE 754 binary64)."""
_FARTHEST = (2**63 - 1) // 1000
_MOST_FIELDS = 200
"""An object with more different fields than this is a map, not a record."""
_DEEPEST = 16
_TEXT = "text"
_KINDS: Mapping[int, str] = {
    **{b.INT32: "int", b.INT64: "int", b.DOUBLE: "double", b.BOOL: "bool", b.DATE: "date"},
    **{b.DOCUMENT: "struct", b.ARRAY: "list"},
}
_OLD_BINARY, _UUID, _UUID_BYTES = 2, 4, 16
_JSON = json_util.RELAXED_JSON_OPTIONS


class Column:
    """One field: its type so far, and how its values become an array.

    :param depth: how deep it is nested; from some depth on, what is nested becomes text
    """

    def __init__(self, *, depth: int = 0) -> None:
        self._depth = depth
        self._kind = ""
        self._fields: dict[bytes, Column] = {}
        self._item: Column | None = None

    def array(self, buffer: Buffer, values: Values, length: int) -> pa.Array:
        """Build the column of ``length`` rows; rows without a value, or with null, are null.

        :raises pa.ArrowInvalid, bson.errors.InvalidBSON: if a text is not UTF-8
        """
        known = (values.types != b.NULL) & (values.types != b.UNDEFINED)
        if not known.all():
            values = values.where(known)
        self._kind = self._grown(buffer, values)
        build: Callable[[Buffer, Values, int], pa.Array] = {
            "": lambda _, __, length: pa.nulls(length),
            "int": self._integers,
            "double": self._doubles,
            "bool": self._truths,
            "date": self._dates,
            "binary": self._bytes,
            "struct": self._structs,
            "list": self._lists,
            _TEXT: _texts,
        }[self._kind]
        return build(buffer, values, length)

    def _grown(self, buffer: Buffer, values: Values) -> str:
        """Return the narrowest kind that holds what was known and these values; at last text."""
        kinds = {self._kind} - {""}
        for kind in b.distinct(values.types):
            kinds |= _binary(buffer, values) if kind == b.BINARY else {_KINDS.get(kind, _TEXT)}
        if "date" in kinds and _too_far(buffer, values.only(b.DATE).at):
            return _TEXT
        if kinds == {"int", "double"} and _all_exact(buffer, values):
            return "double"
        if len(kinds) > 1 or (self._depth >= _DEEPEST and kinds & {"struct", "list"}):
            return _TEXT
        return kinds.pop() if kinds else ""

    def _integers(self, buffer: Buffer, values: Values, length: int) -> pa.Array:
        return _numbers(values, length, _whole(buffer, values))

    def _doubles(self, buffer: Buffer, values: Values, length: int) -> pa.Array:
        numbers = _whole(buffer, values).astype(np.float64)
        mine = values.types == b.DOUBLE
        numbers[mine] = buffer.double[values.at[mine]]
        return _numbers(values, length, numbers)

    def _truths(self, buffer: Buffer, values: Values, length: int) -> pa.Array:
        return _numbers(values, length, buffer.bytes[values.at] != 0)

    def _dates(self, buffer: Buffer, values: Values, length: int) -> pa.Array:
        return _numbers(values, length, buffer.int64[values.at]).cast(DATE)

    def _bytes(self, buffer: Buffer, values: Values, length: int) -> pa.Array:
        lengths = buffer.int32[values.at].astype(np.int64)
        inner = np.where(buffer.bytes[values.at + 4] == _OLD_BINARY, 4, 0)
        found = _slices(buffer, values.at + 5 + inner, lengths - inner)
        return _spread([(values.rows, found)], length, pa.binary())

    def _structs(self, buffer: Buffer, values: Values, length: int) -> pa.Array:
        found = b.fields(buffer, values.at) if len(values.at) else {}
        if len(self._fields.keys() | found.keys()) > _MOST_FIELDS:
            self._kind = _TEXT
            return _texts(buffer, values, length)
        for name in found:
            self._fields.setdefault(name, Column(depth=self._depth + 1))
        if not self._fields:
            return pa.nulls(length)  # no table can hold an object without fields
        arrays = []
        for name, column in self._fields.items():
            inner = found.get(name, NONE)
            arrays.append(
                column.array(buffer, inner._replace(rows=values.rows[inner.rows]), length)
            )
        absent = pa.array(_absent(values.rows, length))
        names = [field_name(name) for name in self._fields]
        return pa.StructArray.from_arrays(arrays, names=names, mask=absent)

    def _lists(self, buffer: Buffer, values: Values, length: int) -> pa.Array:
        found = b.items(buffer, values.at) if len(values.at) else NONE
        self._item = self._item or Column(depth=self._depth + 1)
        total = len(found.rows)
        inner = self._item.array(buffer, found._replace(rows=np.arange(total)), total)
        counts = np.bincount(values.rows[found.rows], minlength=length)
        offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int32)
        absent = pa.array(_absent(values.rows, length))
        return pa.ListArray.from_arrays(pa.array(offsets), inner, mask=absent)


NONE = Values(np.empty(0, np.int64), np.empty(0, np.uint8), np.empty(0, np.int64))


def field_name(name: bytes) -> str:
    """Return the name of a field; bytes that are not UTF-8 show as escapes."""
    return name.decode("utf-8", "backslashreplace")


def value_at(buffer: Buffer, kind: int, at: int) -> Any:
    """Decode one value as pymongo does; times have a zone, UUIDs are UUIDs.

    :raises bson.errors.InvalidBSON: if a text is not UTF-8
    """
    held = bytes([kind]) + b"v\0" + buffer.data[at : buffer.end(kind, at)] + b"\0"
    return bson.decode(struct.pack("<i", len(held) + 4) + held, CODEC)["v"]


def as_text(value: Any) -> str:
    """Write a value where a column holds values of several types, or of one that tables lack.

    Texts, ObjectIds, UUIDs and decimals stand as they are, dates in ISO 8601; numbers and truth
    values as in JSON; everything else as relaxed Extended JSON
    (https://www.mongodb.com/docs/manual/reference/mongodb-extended-json/).
    """
    if isinstance(value, str) and getattr(value, "scope", None) is None:
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, int | ObjectId | Decimal128):
        return str(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, Binary) and value.subtype == _UUID and len(value) == _UUID_BYTES:
        return str(UUID(bytes=bytes(value)))
    return json_util.dumps(value, json_options=_JSON, ensure_ascii=False)


def _binary(buffer: Buffer, values: Values) -> set[str]:
    """Say what binary values become: UUIDs text, others bytes."""
    subtypes = np.unique(buffer.bytes[values.only(b.BINARY).at + 4])
    return {_TEXT if subtype == _UUID else "binary" for subtype in subtypes.tolist()}


def _too_far(buffer: Buffer, at: Numbers) -> bool:
    """Say whether a date is beyond 64 bits of microseconds, which tables keep times in."""
    moments = buffer.int64[at]
    return bool(((moments > _FARTHEST) | (moments < -_FARTHEST)).any())


def _all_exact(buffer: Buffer, values: Values) -> bool:
    whole = _whole(buffer, values)
    return bool(((whole <= _EXACT) & (whole >= -_EXACT)).all())


def _whole(buffer: Buffer, values: Values) -> Numbers:
    """Read the integers among values; 0 stands for the others."""
    found = np.zeros(len(values.at), np.int64)
    for kind, numbers in ((b.INT32, buffer.int32), (b.INT64, buffer.int64)):
        mine = values.types == kind
        found[mine] = numbers[values.at[mine]]
    return found


def _absent(rows: Numbers, length: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    absent = np.ones(length, np.bool_)
    absent[rows] = False
    return absent


def _numbers(values: Values, length: int, numbers: np.ndarray[Any, Any]) -> pa.Array:
    if len(values.rows) == length:
        return pa.array(numbers)
    spread = np.zeros(length, numbers.dtype)
    spread[values.rows] = numbers
    return pa.array(spread, mask=_absent(values.rows, length), from_pandas=False)


def _slices(buffer: Buffer, starts: Numbers, lengths: Numbers) -> pa.Array:
    """Copy pieces of the buffer: Arrow does it, told that every second value is one of them."""
    if not len(starts):
        return pa.array([], pa.binary())
    edges = np.empty(2 * len(starts), np.int64)
    edges[0::2], edges[1::2] = starts, starts + lengths
    if edges[-1] > np.iinfo(np.int32).max:
        edges, kind = edges, pa.large_binary()
    else:
        edges, kind = edges.astype(np.int32), pa.binary()
    wanted = np.zeros(len(edges) - 1, np.bool_)
    wanted[0::2] = True
    buffers = [None, pa.py_buffer(edges), pa.py_buffer(buffer.data)]
    spread = pa.Array.from_buffers(kind, len(edges) - 1, buffers)
    return spread.filter(pa.array(wanted)).cast(pa.binary())


def _texts(buffer: Buffer, values: Values, length: int) -> pa.Array:
    parts: list[tuple[Numbers, pa.Array]] = []
    plain, hexadecimal = values.types == b.STRING, values.types == b.OBJECT_ID
    plain |= (values.types == b.SYMBOL) | (values.types == b.CODE)
    if plain.any():
        at = values.at[plain]
        found = _slices(buffer, at + 4, buffer.int32[at].astype(np.int64) - 1)
        parts.append((values.rows[plain], found.cast(pa.string())))
    if hexadecimal.any():
        parts.append((values.rows[hexadecimal], _hexadecimal(buffer, values.at[hexadecimal])))
    rest = ~(plain | hexadecimal)
    if rest.any():
        pairs = zip(values.types[rest].tolist(), values.at[rest].tolist(), strict=True)
        texts = [as_text(value_at(buffer, kind, at)) for kind, at in pairs]
        parts.append((values.rows[rest], pa.array(texts, pa.string())))
    return _spread(parts, length, pa.string())


def _hexadecimal(buffer: Buffer, at: Numbers) -> pa.Array:
    digits = buffer.bytes[at[:, None] + np.arange(12)].tobytes().hex().encode()
    offsets = np.arange(0, 24 * len(at) + 1, 24, dtype=np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(digits)]
    return pa.Array.from_buffers(pa.string(), len(at), buffers)


def _spread(parts: list[tuple[Numbers, pa.Array]], length: int, kind: pa.DataType) -> pa.Array:
    """Put arrays into the rows they belong to; the other rows are null."""
    if len(parts) == 1 and len(parts[0][0]) == length:
        return parts[0][1]
    where, taken = np.zeros(length, np.int64), 0
    absent = np.ones(length, np.bool_)
    for rows, array in parts:
        where[rows] = np.arange(taken, taken + len(array))
        absent[rows] = False
        taken += len(array)
    every = pa.concat_arrays([array for _, array in parts] or [pa.array([], kind)])
    return every.take(pa.array(where, mask=absent))
