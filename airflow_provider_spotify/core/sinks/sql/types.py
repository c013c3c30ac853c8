"""Arrow types as tables hold them: what to store, how two widen into one, how values convert."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_spotify.core.errors import DataError
from airflow_provider_spotify.core.sinks.sql.nested import as_json

UTC = pa.timestamp("us", "UTC")
JSON = pa.json_(pa.string())
_MAX_DECIMAL128 = 38


def is_json(type_: pa.DataType) -> bool:
    """Say whether values are JSON text."""
    return isinstance(type_, pa.JsonType)


def plain(type_: pa.DataType) -> pa.DataType:
    """Return the type without encodings and variants that mean nothing to a table.

    Dictionaries become their values, times microseconds, zones UTC, large and view types the
    ordinary ones. Nested types keep their shape.
    """
    if is_json(type_):
        return JSON
    if isinstance(type_, pa.BaseExtensionType):
        return plain(type_.storage_type)
    if pa.types.is_dictionary(type_) or pa.types.is_run_end_encoded(type_):
        return plain(type_.value_type)
    return _nested(type_) if pa.types.is_nested(type_) else _scalar(type_)


def _nested(type_: pa.DataType) -> pa.DataType:
    if pa.types.is_struct(type_):
        return pa.struct([pa.field(f.name, plain(f.type)) for f in type_])
    if pa.types.is_map(type_):
        return pa.map_(plain(type_.key_type), plain(type_.item_type))
    if pa.types.is_union(type_):
        raise DataError(f"a union ({type_}) cannot be stored; exclude the column")
    return pa.list_(plain(type_.value_type))


def _scalar(type_: pa.DataType) -> pa.DataType:
    t = pa.types
    if t.is_timestamp(type_):
        return UTC if type_.tz else pa.timestamp("us")
    if t.is_large_string(type_) or type_ == pa.string_view():
        return pa.string()
    if t.is_large_binary(type_) or t.is_fixed_size_binary(type_) or type_ == pa.binary_view():
        return pa.binary()
    if t.is_date(type_):
        return pa.date32()
    if t.is_time(type_):
        return pa.time64("us")
    if t.is_duration(type_):
        return pa.duration("us")
    if t.is_interval(type_):
        return pa.string()
    if type_ == pa.float16():
        return pa.float32()
    if t.is_decimal(type_):
        return decimal(type_.precision - type_.scale, scale=max(type_.scale, 0))
    return type_


def decimal(whole: int, *, scale: int) -> pa.DataType:
    """Return a decimal with that many digits before and after the point."""
    digits = max(whole + scale, 1)
    if digits > 76:
        return pa.string()
    kind = pa.decimal128 if digits <= _MAX_DECIMAL128 else pa.decimal256
    return kind(digits, scale)


# ── widening ─────────────────────────────────────────────────────────────────────────────────


def join(old: pa.DataType, new: pa.DataType) -> pa.DataType:
    """Return the narrowest stored type that holds values of both; text is the last resort."""
    if old == new or pa.types.is_null(new):
        return old
    if pa.types.is_null(old):
        return new
    for kind, widen in (
        (_is_number, _number),
        (_is_moment, _moment),
        (pa.types.is_struct, _struct),
        (pa.types.is_map, _map),
        (_is_list, _list),
    ):
        if kind(old) and kind(new):
            return widen(old, new)
    return pa.string()


def _is_list(type_: pa.DataType) -> bool:
    return bool(pa.types.is_list(type_))


def _is_number(type_: pa.DataType) -> bool:
    t = pa.types
    return bool(t.is_integer(type_) or t.is_floating(type_) or t.is_decimal(type_))


def _is_moment(type_: pa.DataType) -> bool:
    return bool(pa.types.is_date(type_) or pa.types.is_timestamp(type_))


_DIGITS = {8: 3, 16: 5, 32: 10, 64: 20}


def _digits(type_: pa.DataType) -> tuple[int, int]:
    """Return how many digits a number has before and after its point."""
    if pa.types.is_decimal(type_):
        return type_.precision - type_.scale, type_.scale
    return _DIGITS[type_.bit_width], 0


def _number(old: pa.DataType, new: pa.DataType) -> pa.DataType:
    if pa.types.is_floating(old) or pa.types.is_floating(new):
        both = {old, new}
        small = both <= {pa.float32(), pa.int8(), pa.int16(), pa.uint8(), pa.uint16()}
        return pa.float32() if small else pa.float64()
    if pa.types.is_integer(old) and pa.types.is_integer(new):
        return _integer(old, new)
    (whole, scale), (other, digits) = _digits(old), _digits(new)
    return decimal(max(whole, other), scale=max(scale, digits))


def _integer(old: pa.DataType, new: pa.DataType) -> pa.DataType:
    signed = {8: pa.int8(), 16: pa.int16(), 32: pa.int32(), 64: pa.int64()}
    if pa.types.is_signed_integer(old) == pa.types.is_signed_integer(new):
        return max(old, new, key=lambda t: t.bit_width)
    unsigned = old if pa.types.is_unsigned_integer(old) else new
    width = max(unsigned.bit_width * 2, old.bit_width, new.bit_width)
    return signed.get(width) or pa.decimal128(20, 0)


def _moment(old: pa.DataType, new: pa.DataType) -> pa.DataType:
    zoned = any(pa.types.is_timestamp(t) and t.tz for t in (old, new))
    return UTC if zoned else pa.timestamp("us")


def _struct(old: pa.DataType, new: pa.DataType) -> pa.DataType:
    fields = {f.name: f.type for f in old}
    for f in new:
        fields[f.name] = join(fields[f.name], f.type) if f.name in fields else f.type
    return pa.struct(list(fields.items()))


def _map(old: pa.DataType, new: pa.DataType) -> pa.DataType:
    return pa.map_(join(old.key_type, new.key_type), join(old.item_type, new.item_type))


def _list(old: pa.DataType, new: pa.DataType) -> pa.DataType:
    return pa.list_(join(old.value_type, new.value_type))


# ── values ───────────────────────────────────────────────────────────────────────────────────


def convert(array: pa.Array, type_: pa.DataType, *, column: str) -> pa.Array:
    """Return the values as ``type_``; sub-microseconds are cut, nothing else is lost.

    :raises DataError: if a value does not fit, naming the column
    """
    try:
        return _convert(array, type_)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OverflowError) as error:
        raise DataError(
            f"column {column!r}: a value of {array.type} does not fit into {type_}: {error}"
        ) from error


def _convert(array: pa.Array, type_: pa.DataType) -> pa.Array:
    array = _decoded(array)
    if array.type == type_:
        return array
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), type_)
    if is_json(type_) and not pa.types.is_nested(array.type):
        return pa.ExtensionArray.from_storage(type_, array.cast(pa.string()))
    if pa.types.is_nested(array.type) and not pa.types.is_nested(type_):
        text = as_json(array)
        return pa.ExtensionArray.from_storage(type_, text) if is_json(type_) else text
    if pa.types.is_binary(array.type) and pa.types.is_string(type_):
        return _spelled(array, lambda value: "\\x" + value.hex())
    if pa.types.is_interval(array.type):
        return _spelled(array, _interval)
    if pa.types.is_duration(array.type) and pa.types.is_string(type_):
        return _spelled(array.cast(pa.duration("us"), safe=False), str)
    return array.cast(type_, safe=not _is_fine_time(array.type) and not _is_float(type_))


def _decoded(array: pa.Array) -> pa.Array:
    """Return the values of an encoded or extension array."""
    if isinstance(array.type, pa.BaseExtensionType):
        return _decoded(array.storage)
    if pa.types.is_dictionary(array.type):
        return array.dictionary_decode()
    if pa.types.is_run_end_encoded(array.type):
        return pc.run_end_decode(array)
    return array


def _is_fine_time(type_: pa.DataType) -> bool:
    """Say whether a time is finer than tables hold; only there may a cast cut digits."""
    if pa.types.is_nested(type_):
        return any(_is_fine_time(type_.field(i).type) for i in range(type_.num_fields))
    return getattr(type_, "unit", None) == "ns" or type_ == pa.date64()


def _is_float(type_: pa.DataType) -> bool:
    return bool(pa.types.is_floating(type_))


def _spelled(array: pa.Array, spell: Callable[[Any], str]) -> pa.Array:
    values = [None if value is None else spell(value) for value in array.to_pylist()]
    return pa.array(values, pa.string())


def _interval(value: Any) -> str:
    return f"{value.months} months {value.days} days {value.nanoseconds / 1000:.0f} microseconds"
