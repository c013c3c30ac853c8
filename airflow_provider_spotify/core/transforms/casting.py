"""Brings a column into the type its table has, and says which values do not fit."""

from __future__ import annotations

import math
import uuid

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_spotify.core.transforms.applied import plain, to_json
from airflow_provider_spotify.core.transforms.arrow_types import (
    BIGINT,
    BINARY,
    DATE,
    DOUBLE,
    INTEGER,
    MAX_EXACT,
    STRING,
    TIMESTAMP,
    canonical,
    is_list,
    is_nested,
    is_text,
    join,
)
from airflow_provider_spotify.core.transforms.parsing import (
    Fit,
    blank,
    either,
    fit_or_bisect,
    parse,
    parse_json,
)

_INT_LIMITS = {INTEGER: 2**31, BIGINT: 2**63}


def fit(
    array: pa.Array,
    kind: pa.DataType,
    *,
    format: str | None = None,
    agreed: bool = False,
    json: bool = False,
) -> Fit:
    """Bring an array into a type without losing anything; copies nothing if it already has it.

    :param format: strptime format of text that is a date or timestamp
    :param agreed: the type is declared: read text more generously
    :param json: the target is JSON text
    """
    if json:
        return _to_json_text(array)
    array = unwrapped(array)
    if array.type == kind:
        return Fit(array, None)
    if is_text(array.type):
        return _from_text(array.cast(STRING), kind, format, agreed)
    if kind == STRING:
        return Fit(to_text(array), None)
    if pa.types.is_null(array.type):
        return Fit(pa.nulls(len(array), kind), None)
    if not _comparable(array.type, kind):
        return _none_fit(array, kind)
    if is_nested(kind):
        return _fit_nested(array, kind)
    return _fit_scalar(array, kind)


def unwrapped(array: pa.Array) -> pa.Array:
    """Return the plain array inside extension, dictionary and run-end encoded ones."""
    if isinstance(array, pa.ExtensionArray):
        if array.type == pa.uuid():
            texts = [None if v is None else str(_uuid(v)) for v in array.storage.to_pylist()]
            return pa.array(texts, STRING)
        return unwrapped(array.storage)
    if pa.types.is_dictionary(array.type):
        return array.dictionary_decode()
    if pa.types.is_run_end_encoded(array.type):
        return pc.run_end_decode(array)
    return array


def _uuid(raw: bytes) -> uuid.UUID:
    return uuid.UUID(bytes=raw)


def _from_text(text: pa.Array, kind: pa.DataType, format: str | None, agreed: bool) -> Fit:
    if kind == STRING:
        return Fit(text, None)
    return (
        _none_fit(text, kind)
        if is_nested(kind)
        else parse(text, kind, format=format, agreed=agreed)
    )


def _none_fit(array: pa.Array, kind: pa.DataType) -> Fit:
    return Fit(pa.nulls(len(array), kind), either(array.is_valid(), None))


def _is_number(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    )


def _is_day(kind: pa.DataType) -> bool:
    return bool(pa.types.is_date(kind) or pa.types.is_timestamp(kind))


def _comparable(source: pa.DataType, target: pa.DataType) -> bool:
    """Tell whether some values of one type can be values of the other."""
    for is_kind in (
        _is_number,
        _is_day,
        pa.types.is_struct,
        is_list,
        pa.types.is_map,
        pa.types.is_time,
        pa.types.is_duration,
    ):
        if is_kind(source):
            return bool(is_kind(target))
    return bool(canonical(source) == target)


def _fit_scalar(array: pa.Array, kind: pa.DataType) -> Fit:
    bad = _lossy(array, kind)
    kept = array if bad is None else blank(array, bad)
    if pa.types.is_decimal(kind):
        return _fit_decimal(kept, kind, bad)
    if _is_day(kind):
        return _fit_day(kept, kind, bad)
    if kind == BIGINT and pa.types.is_decimal(kept.type):
        fitted = fit_or_bisect(kept, lambda part: part.cast(kind))
        return Fit(fitted.values, either(bad, fitted.bad))
    return Fit(kept.cast(kind, safe=not _checked(array.type, kind)), bad)


def _checked(source: pa.DataType, target: pa.DataType) -> bool:
    """Say whether what a cast would change is out already, so that Arrow need not look.

    It would refuse every integer beyond 2^53, also those that a double holds exactly.
    """
    if target == DOUBLE and pa.types.is_integer(source):
        return True
    return bool(pa.types.is_time(target) or pa.types.is_duration(target))


def _lossy(array: pa.Array, kind: pa.DataType) -> pa.BooleanArray | None:
    """Find the numbers that a cast would change."""
    source = array.type
    if kind in _INT_LIMITS and pa.types.is_floating(source):
        limit = float(_INT_LIMITS[kind])
        inside = pc.and_(pc.less(array, limit), pc.greater_equal(array, -limit))
        ok = pc.and_(inside, pc.equal(pc.floor(array), array))
    elif kind in _INT_LIMITS and pa.types.is_integer(source):
        limit = _INT_LIMITS[kind]
        if source.bit_width <= (32 if kind == INTEGER else 63):
            return None
        ok = pc.less_equal(array, pa.scalar(limit - 1, source))
        if pa.types.is_signed_integer(source):
            ok = pc.and_(ok, pc.greater_equal(array, pa.scalar(-limit, source)))
    elif kind == DOUBLE and pa.types.is_integer(source) and source.bit_width == 64:
        values = array.cast(DOUBLE, safe=False)
        ok = pc.less(pc.abs(values), pa.scalar(float(MAX_EXACT)))
        if not pc.all(ok).as_py():
            exact = [v is None or int(float(v)) == v for v in array.to_pylist()]
            return either(pa.array([not e for e in exact], pa.bool_()), None)
    elif kind == DOUBLE and pa.types.is_decimal(source):
        ok = pc.equal(array.cast(DOUBLE).cast(source, safe=False), array)
    else:
        return None
    return either(pc.fill_null(pc.invert(ok), False), None)


def _fit_decimal(array: pa.Array, kind: pa.DataType, bad: pa.BooleanArray | None) -> Fit:
    if pa.types.is_integer(array.type):
        array = array.cast(pa.decimal128(20, 0))
    if pa.types.is_floating(array.type):
        array = pa.array([_decimal_text(v) for v in array.to_pylist()], STRING)
    fitted = fit_or_bisect(array, lambda part: part.cast(kind))
    return Fit(fitted.values, either(bad, fitted.bad))


def _decimal_text(value: float | None) -> str | None:
    return None if value is None or math.isnan(value) else repr(value)


def _fit_day(array: pa.Array, kind: pa.DataType, bad: pa.BooleanArray | None) -> Fit:
    """Dates become their midnight; a timestamp fits a date only at midnight."""
    if not pa.types.is_timestamp(array.type):
        return Fit(array.cast(DATE).cast(kind), bad)
    # Nanoseconds are cut on purpose; coarser units must not overflow.
    fitted = fit_or_bisect(array, lambda part: part.cast(TIMESTAMP, safe=array.type.unit != "ns"))
    bad = either(bad, fitted.bad)
    if kind == TIMESTAMP:
        return Fit(fitted.values, bad)
    days = fitted.values.cast(DATE)
    timed = pc.fill_null(pc.not_equal(days.cast(TIMESTAMP), fitted.values), False)
    return Fit(blank(days, timed), either(bad, timed))


def _fit_nested(array: pa.Array, kind: pa.DataType) -> Fit:
    """Cast nested values; those with fields or types beyond the target's do not fit."""
    known = canonical(array.type)
    if known is not None and join(kind, known) != kind:
        return _fit_nested_rows(array, kind)
    try:
        return Fit(_cast_nested(array, kind), None)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return _none_fit(array, kind)


def _cast_nested(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """Cast nested values, cutting nanoseconds and taking times without a zone as UTC."""
    try:
        return array.cast(kind)
    except pa.ArrowInvalid:
        if "timestamp" in str(array.type) and "uint64" not in str(array.type):
            return array.cast(kind, safe=False)
        raise


def _fit_nested_rows(array: pa.Array, kind: pa.DataType) -> Fit:
    """Find, row by row, the nested values that hold more than the target type can."""
    values: list[object] = []
    bad: list[bool] = []
    for value in array.to_pylist():
        try:
            kept = pa.scalar(value, kind).as_py()
        except (pa.ArrowInvalid, pa.ArrowTypeError, ValueError, TypeError):
            kept = None
        same = _without_nulls(kept) == _without_nulls(value)
        values.append(kept if same else None)
        bad.append(not same)
    return Fit(pa.array(values, kind), either(pa.array(bad, pa.bool_()), None))


def _without_nulls(value: object) -> object:
    """Return a nested value without its null fields: absent and null mean the same."""
    if isinstance(value, dict):
        inner = {k: _without_nulls(v) for k, v in value.items() if v is not None}
        return {k: v for k, v in inner.items() if v is not None} or None
    return [_without_nulls(v) for v in value] if isinstance(value, list) else value


def to_text(array: pa.Array) -> pa.StringArray:
    """Return values as text: numbers and dates in Arrow's canonical form, nested ones as JSON."""
    array = unwrapped(array)
    if is_text(array.type) or pa.types.is_null(array.type):
        return array.cast(STRING)
    if is_nested(array.type) or pa.types.is_union(array.type):
        return pa.array([None if v is None else to_json(v) for v in array.to_pylist()], STRING)
    if canonical(array.type) == BINARY or pa.types.is_duration(array.type):
        return pa.array([None if v is None else plain(v) for v in array.to_pylist()], STRING)
    if pa.types.is_timestamp(array.type):
        fitted = _fit_day(array, TIMESTAMP, None)
        text = fitted.values.cast(STRING)
        # beyond the years that microseconds hold, a coarser unit is written as it is
        return text if fitted.bad is None else pc.if_else(fitted.bad, array.cast(STRING), text)
    return array.cast(STRING)


def _to_json_text(array: pa.Array) -> Fit:
    if isinstance(array, pa.ExtensionArray) and array.type == pa.json_():
        return Fit(array.storage.cast(STRING), None)
    plain_array = unwrapped(array)
    if is_text(plain_array.type):
        text: pa.Array = plain_array.cast(STRING)
        return parse_json(text)
    if is_nested(plain_array.type):
        return Fit(to_text(plain_array), None)
    texts = [None if v is None else to_json(v) for v in plain_array.to_pylist()]
    return Fit(pa.array(texts, STRING), None)
