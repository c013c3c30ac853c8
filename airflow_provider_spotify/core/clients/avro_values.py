"""Turns decoded Avro values into what they mean: whole columns at once, text one by one."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from typing import Any

import numpy as np
import pyarrow as pa

Finish = Callable[[pa.Array], pa.Array]
_MARK = "airflow-provider-spotify-text"
_KINDS = (
    *("boolean", "int", "long", "float", "double", "bytes", "string"),
    *("fixed", "enum", "array", "map", "record"),
)
_DECIMAL128_DIGITS = 38


def structs(kind: pa.DataType, finishes: Sequence[Finish | None]) -> Finish | None:
    """Return what finishes the fields of structs; None if there is nothing to do."""
    if not any(finishes):
        return None

    def finish(array: pa.Array) -> pa.Array:
        fields = [array.field(i) for i in range(len(finishes))]
        done = [do(f) if do else f for do, f in zip(finishes, fields, strict=True)]
        return pa.Array.from_buffers(kind, len(array), array.buffers()[:1], children=done)

    return finish


def lists(kind: pa.DataType, inner: Finish | None) -> Finish | None:
    """Return what finishes the items of lists."""
    if inner is None:
        return None

    def finish(array: pa.Array) -> pa.Array:
        items = inner(array.values)
        return pa.Array.from_buffers(kind, len(array), array.buffers()[:2], children=[items])

    return finish


def maps(kind: pa.DataType, inner: Finish | None) -> Finish | None:
    """Return what finishes the values of maps."""
    if inner is None:
        return None

    def finish(array: pa.Array) -> pa.Array:
        fields = [kind.key_field, kind.item_field]
        pairs = pa.StructArray.from_arrays([array.keys, inner(array.items)], fields=fields)
        return pa.Array.from_buffers(kind, len(array), array.buffers()[:2], children=[pairs])

    return finish


def decimal_type(precision: int, *, scale: int) -> pa.DataType:
    """Return the decimal that holds so many digits."""
    kind = pa.decimal128 if precision <= _DECIMAL128_DIGITS else pa.decimal256
    return kind(precision, scale)


def decimals(kind: pa.DataType) -> Finish:
    """Return what turns big-endian two's complement of any length into decimals."""
    width = kind.byte_width

    def finish(array: pa.Array) -> pa.Array:
        data, starts, ends = _bytes(array)
        out = np.zeros((len(array), width), np.uint8)
        places = np.arange(width)  # of the result, from its least byte
        where = ends[:, None] - 1 - places
        inside = where >= starts[:, None]
        if len(data):
            out[inside] = data[where[inside]]
            first = data[np.minimum(starts, len(data) - 1)]
            negative = (first >= 128) & (ends > starts)
            out[~inside & negative[:, None]] = 255
        _refuse_longer(data, starts, ends, width)
        found = _fixed(kind, out, array)
        found.validate(full=True)  # more digits than the precision
        return found

    return finish


def _refuse_longer(data: Any, starts: Any, ends: Any, width: int) -> None:
    """Refuse numbers of more bytes than the result has, unless they only repeat the sign."""
    for row in np.flatnonzero(ends - starts > width):
        raw = bytes(data[starts[row] : ends[row]])
        number = int.from_bytes(raw, "big", signed=True)
        if not -(1 << (8 * width - 1)) <= number < 1 << (8 * width - 1):
            raise ValueError(f"a decimal has {len(raw)} bytes, more than its precision allows")


def uuids(array: pa.Array) -> pa.Array:
    """Spell 16 bytes as the text of a UUID."""
    raw = _rows(array, 16)
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)
    text = np.full((len(array), 36), ord("-"), np.uint8)
    places = [i for i in range(36) if i not in (8, 13, 18, 23)]
    text[:, places[0::2]] = digits[raw >> 4]
    text[:, places[1::2]] = digits[raw & 15]
    offsets = np.arange(len(array) + 1, dtype=np.int32) * 36
    buffers = [_validity(array), pa.py_buffer(offsets), pa.py_buffer(text)]
    return pa.Array.from_buffers(pa.string(), len(array), buffers)


def durations(array: pa.Array) -> pa.Array:
    """Read months, days and milliseconds, each an unsigned little-endian 32-bit integer."""
    parts = np.ascontiguousarray(_rows(array, 12)).view("<u4").reshape(-1, 3)
    if (parts[:, :2] >= 2**31).any():
        raise ValueError("a duration has more than 2147483647 months or days")
    out = np.zeros(len(array), [("months", "<i4"), ("days", "<i4"), ("nanos", "<i8")])
    out["months"], out["days"] = parts[:, 0], parts[:, 1]
    out["nanos"] = parts[:, 2].astype(np.int64) * 1_000_000
    return _fixed(pa.month_day_nano_interval(), out, array)


def _bytes(array: pa.Array) -> tuple[Any, Any, Any]:
    """Return the bytes of a binary array, and where each value begins and ends."""
    if pa.types.is_fixed_size_binary(array.type):
        width = array.type.byte_width
        starts = np.arange(len(array)) * width
        return _rows(array, width).reshape(-1), starts, starts + width
    _, ends, data = array.buffers()
    offsets = np.frombuffer(ends, np.int32, len(array) + 1).astype(np.int64)
    held = np.frombuffer(data, np.uint8) if data else np.zeros(0, np.uint8)
    return held, offsets[:-1], offsets[1:]


def _rows(array: pa.Array, width: int) -> Any:
    if not len(array) * width:
        return np.zeros((len(array), width), np.uint8)
    return np.frombuffer(array.buffers()[1], np.uint8, len(array) * width).reshape(-1, width)


def _validity(array: pa.Array) -> Any:
    return array.buffers()[0]


def _fixed(kind: pa.DataType, values: Any, array: pa.Array) -> pa.Array:
    buffers = [_validity(array), pa.py_buffer(np.ascontiguousarray(values))]
    return pa.Array.from_buffers(kind, len(array), buffers)


def register() -> None:
    """Teach fastavro the logical types of our own schemas: values that become text.

    https://fastavro.readthedocs.io/en/latest/logical_types.html#custom-logical-types
    """
    from fastavro.read import LOGICAL_READERS

    if f"string-{_MARK}" in LOGICAL_READERS:
        return
    for key, reader in list(LOGICAL_READERS.items()):
        kind, _, logical = key.partition("-")
        LOGICAL_READERS[f"{kind}-{spelling(logical)}"] = _then_spelled(reader)
    for kind in _KINDS:
        LOGICAL_READERS[f"{kind}-{_MARK}"] = _spelled


def spelling(logical: str | None) -> str:
    """Return the logical type of a value that becomes text after it was read as ``logical``."""
    return f"{_MARK}-{logical}" if logical else _MARK


def is_readable(kind: str, logical: str | None) -> bool:
    """Say whether a logical type is one that fastavro reads."""
    from fastavro.read import LOGICAL_READERS

    return f"{kind}-{logical}" in LOGICAL_READERS


def _then_spelled(reader: Callable[..., Any]) -> Callable[..., str]:
    return lambda value, *schemas: _spelled(reader(value, *schemas))


def _spelled(value: Any, *_: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list | bool | int | float):
        return json.dumps(value, ensure_ascii=False, default=_plain, separators=(",", ":"))
    return _plain(value)


def _plain(value: Any) -> str:
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    return value.isoformat() if isinstance(value, date | datetime | time) else str(value)
