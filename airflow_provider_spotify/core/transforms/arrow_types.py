"""The types a table's column can have, their YAML names, and how two of them are joined."""

from __future__ import annotations

import re

import pyarrow as pa

STRING = pa.string()
INTEGER = pa.int32()
BIGINT = pa.int64()
DOUBLE = pa.float64()
BOOLEAN = pa.bool_()
DATE = pa.date32()
TIMESTAMP = pa.timestamp("us", tz="UTC")
TIME = pa.time64("us")
BINARY = pa.binary()
MAX_EXACT = 2**53
"""Up to here a double holds every integer (IEEE 754 binary64)."""

_BY_NAME = {
    "string": STRING,
    "integer": INTEGER,
    "bigint": BIGINT,
    "double": DOUBLE,
    "boolean": BOOLEAN,
    "date": DATE,
    "timestamp": TIMESTAMP,
    "time": TIME,
    "binary": BINARY,
    "json": STRING,
}
_BY_TYPE = {kind: name for name, kind in _BY_NAME.items() if name != "json"}
_NUMBER_RANK = {INTEGER: 0, BIGINT: 1, DOUBLE: 2}
_DIGITS = {INTEGER: 10, BIGINT: 19}
_MAX_PRECISION = 38


def arrow_type(name: str) -> pa.DataType:
    """Return the Arrow type of a YAML type name; ``json`` is text (its field says so)."""
    decimal = re.fullmatch(r"decimal\((\d+),\s*(\d+)\)", name)
    return pa.decimal128(int(decimal[1]), int(decimal[2])) if decimal else _BY_NAME[name]


def type_name(kind: pa.DataType) -> str:
    """Return the YAML name of a type, or Arrow's own where YAML has none (nested types)."""
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    return _BY_TYPE.get(kind, str(kind))


def is_text(kind: pa.DataType) -> bool:
    """Tell whether values of this type are text, whatever the encoding."""
    if pa.types.is_dictionary(kind):
        return is_text(kind.value_type)
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def is_list(kind: pa.DataType) -> bool:
    """Tell whether values of this type are lists, whatever the layout."""
    return bool(
        pa.types.is_list(kind)
        or pa.types.is_large_list(kind)
        or pa.types.is_fixed_size_list(kind)
        or pa.types.is_list_view(kind)
        or pa.types.is_large_list_view(kind)
    )


def is_nested(kind: pa.DataType) -> bool:
    """Tell whether values of this type are structs, lists or maps."""
    return bool(is_list(kind) or pa.types.is_struct(kind) or pa.types.is_map(kind))


def canonical(kind: pa.DataType) -> pa.DataType | None:
    """Return the type a column of this incoming type is stored as; None while nothing is known.

    A column, list or field that has only ever been null has no type yet. Times become
    microseconds, timestamps UTC; encodings and small integer widths that sinks do not share go.
    """
    if pa.types.is_null(kind):
        return None
    if isinstance(kind, pa.BaseExtensionType):
        return STRING if kind in (pa.uuid(), pa.json_()) else canonical(kind.storage_type)
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return canonical(kind.value_type)
    if is_text(kind) or pa.types.is_union(kind):
        return STRING
    return _canonical_nested(kind) if is_nested(kind) else _canonical_scalar(kind)


def _canonical_scalar(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_integer(kind):
        return (
            INTEGER if kind in (pa.int8(), pa.int16(), INTEGER, pa.uint8(), pa.uint16()) else BIGINT
        )
    if pa.types.is_decimal(kind):
        small = kind.precision <= _MAX_PRECISION
        return pa.decimal128(kind.precision, kind.scale) if small else STRING
    for is_kind, stored in (
        (pa.types.is_floating, DOUBLE),
        (pa.types.is_timestamp, TIMESTAMP),
        (pa.types.is_date, DATE),
        (pa.types.is_time, TIME),
        (pa.types.is_duration, pa.duration("us")),
    ):
        if is_kind(kind):
            return stored
    binary = "binary" in str(kind)  # fixed size, large and view
    return BINARY if binary else kind


def _canonical_nested(kind: pa.DataType) -> pa.DataType | None:
    if pa.types.is_struct(kind):
        typed = [(field.name, canonical(field.type)) for field in kind]
        fields = [pa.field(name, inner) for name, inner in typed if inner is not None]
        return pa.struct(fields) if fields else None
    if pa.types.is_map(kind):
        key, item = canonical(kind.key_type), canonical(kind.item_type)
        return None if key is None or item is None else pa.map_(key, item)
    inner = canonical(kind.value_type)
    return None if inner is None else pa.list_(inner)


def join(left: pa.DataType, right: pa.DataType) -> pa.DataType:
    """Return the narrowest type that holds the values of both canonical types; text at last."""
    if left == right:
        return left
    if left in _NUMBER_RANK and right in _NUMBER_RANK:
        return max(left, right, key=_NUMBER_RANK.__getitem__)
    if {left, right} == {DATE, TIMESTAMP}:
        return TIMESTAMP
    if pa.types.is_struct(left) and pa.types.is_struct(right):
        return _join_structs(left, right)
    if pa.types.is_list(left) and pa.types.is_list(right):
        return pa.list_(join(left.value_type, right.value_type))
    if pa.types.is_map(left) and pa.types.is_map(right):
        return pa.map_(join(left.key_type, right.key_type), join(left.item_type, right.item_type))
    return _join_decimals(left, right) or STRING


def _join_structs(left: pa.DataType, right: pa.DataType) -> pa.DataType:
    fields = {field.name: field.type for field in left}
    for field in right:
        fields[field.name] = join(fields.get(field.name, field.type), field.type)
    return pa.struct(list(fields.items()))


def _join_decimals(left: pa.DataType, right: pa.DataType) -> pa.DataType | None:
    parts = []
    for kind in (left, right):
        if pa.types.is_decimal(kind):
            parts.append((kind.precision - kind.scale, kind.scale))
        elif kind in _DIGITS:
            parts.append((_DIGITS[kind], 0))
        else:
            return None
    whole, scale = (max(column) for column in zip(*parts, strict=True))
    return pa.decimal128(whole + scale, scale) if whole + scale <= _MAX_PRECISION else None
