"""Reads text as another type, and says which values it cannot read."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_spotify.core.transforms.arrow_types import (
    BIGINT,
    BINARY,
    BOOLEAN,
    DATE,
    DOUBLE,
    INTEGER,
    MAX_EXACT,
    STRING,
    TIME,
    TIMESTAMP,
)
from airflow_provider_spotify.core.transforms.inference import EMPTY, NULL_TOKENS, SHAPES

Caster = Callable[[pa.Array], pa.Array]

_BOOLEANS = pa.array(["true", "false"])
_YES = pa.array(["true", "t", "yes", "y", "1"])
_NO = pa.array(["false", "f", "no", "n", "0"])
_ZONE = r"[0-9](?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)$"
_DAY = len("2026-11-22")
_SURE_DIGITS = 18  # so many always fit into 64 bits
_NAIVE = pa.timestamp("us")
_AGREED: dict[pa.DataType, str] = {
    BOOLEAN: r"^(?i:true|false|t|f|yes|no|y|n|1|0)$",
    BIGINT: r"^[+-]?[0-9]+(?:\.0*)?$",
    DOUBLE: (
        r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"
        r"|^(?:[nN]a[nN]|-?[iI]nf(?:inity)?)$"
    ),
}
"""What a declared type accepts beyond ``SHAPES``: its type is agreed, so ``007`` may be 7."""
_DECIMAL = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"


class Fit(NamedTuple):
    """Values in the wanted type, null where they do not fit, and a mask of those (None: none)."""

    values: pa.Array
    bad: pa.BooleanArray | None


def fit_or_bisect(values: pa.Array, cast: Caster) -> Fit:
    """Cast an array; where Arrow refuses it as a whole, find the values that it refuses.

    Costs one cast when all values fit, and a few per distinct bad value otherwise.
    """
    try:
        return Fit(cast(values), None)
    except pa.ArrowInvalid:
        pass
    encoded = values.dictionary_encode()
    refused = set(_refused(encoded.dictionary, cast, 0))
    flags = pa.array([i in refused for i in range(len(encoded.dictionary))], pa.bool_())
    bad = pc.fill_null(flags.take(encoded.indices), False)
    return Fit(cast(blank(values, bad)), bad)


def _refused(values: pa.Array, cast: Caster, offset: int) -> list[int]:
    """Return the positions that a cast refuses, by halving."""
    try:
        cast(values)
    except pa.ArrowInvalid:
        if len(values) == 1:
            return [offset]
        half = len(values) // 2
        return _refused(values[:half], cast, offset) + _refused(values[half:], cast, offset + half)
    return []


def blank(values: pa.Array, mask: pa.BooleanArray) -> pa.Array:
    """Return the values with null where the mask is true."""
    return pc.if_else(mask, pa.scalar(None, values.type), values)


def either(left: pa.BooleanArray | None, right: pa.BooleanArray | None) -> pa.BooleanArray | None:
    """Join two masks of bad values; None where neither has one."""
    masks = [m for m in (left, right) if m is not None and (m.true_count or 0) > 0]
    return pc.or_(*masks) if len(masks) == 2 else (masks[0] if masks else None)


def without_empty(values: pa.StringArray) -> pa.StringArray:
    r"""Return text with null where there is nothing (``""``) or ``\N``."""
    for token in EMPTY:
        same = pc.equal(values, token)
        if same.true_count:
            values = blank(values, pc.fill_null(same, False))
    return values


def parse(
    values: pa.StringArray, kind: pa.DataType, *, format: str | None = None, agreed: bool = False
) -> Fit:
    """Read text as a type.

    :param values: text; ``""`` and null tokens count as no value
    :param format: strptime format of a date, time or timestamp that is not ISO 8601
    :param agreed: the type is declared, so forms that lose their spelling (``007``, ``+5``,
        ``yes``) are read too; otherwise they are bad, because nothing may be lost
    """
    text = without_empty(values)
    fitted = _parse(text, kind, format, agreed)
    if fitted.bad is None:
        return fitted
    tokens = pc.fill_null(pc.is_in(text, value_set=NULL_TOKENS), False)
    fitted = Fit(fitted.values, either(pc.and_not(fitted.bad, tokens), None))
    if agreed and fitted.bad is not None:
        trimmed = pc.utf8_trim_whitespace(text)
        if not trimmed.equals(text):
            return parse(trimmed, kind, format=format, agreed=True)
    return fitted


def _parse(text: pa.StringArray, kind: pa.DataType, format: str | None, agreed: bool) -> Fit:
    if format and kind in (DATE, TIMESTAMP):
        return _strptime(text, kind, format)
    if kind == STRING:
        return Fit(text, None)
    if kind == BINARY:
        return Fit(text.cast(BINARY), None)
    if kind in (DATE, TIMESTAMP):  # Arrow reads nothing but ISO 8601: no need to look first
        with suppress(pa.ArrowInvalid):
            return Fit(_CASTS.get(kind, _plain_cast(kind))(text), None)
    if _usual(text, kind, agreed):
        return fit_or_bisect(text, _plain_cast(kind))
    shape = _shape(kind, agreed)
    if shape is None:
        return Fit(pa.nulls(len(text), kind), either(text.is_valid(), None))
    bad = either(pc.fill_null(pc.invert(pc.match_substring_regex(text, shape)), False), None)
    shaped = text if bad is None else blank(text, bad)
    plain = kind == BOOLEAN and not agreed
    cast = _plain_cast(kind) if plain else _CASTS.get(kind, _plain_cast(kind))
    fitted = fit_or_bisect(_tidied(shaped, kind) if agreed else shaped, cast)
    bad = either(bad, fitted.bad)
    if kind == DOUBLE:
        return _exact(shaped, fitted.values, bad, agreed)
    return Fit(fitted.values, bad)


def _shape(kind: pa.DataType, agreed: bool) -> str | None:
    kind = BIGINT if kind == INTEGER else kind
    if pa.types.is_decimal(kind):
        return _DECIMAL
    return (_AGREED.get(kind) if agreed else None) or SHAPES.get(kind)


def _usual(text: pa.StringArray, kind: pa.DataType, agreed: bool) -> bool:
    """Tell whether all values have a form that needs no closer look before they are cast.

    It takes a quarter of what the type's pattern takes (8 and 29 ns a value, 2026-11-22).
    """
    if kind == BOOLEAN:
        found: int = pc.is_in(text, value_set=_BOOLEANS).true_count
        return found == len(text) - int(text.null_count)
    return kind in (INTEGER, BIGINT) and _natural(text, agreed)


def _natural(text: pa.StringArray, agreed: bool) -> bool:
    """Tell whether all are natural numbers that 64 bits hold; agreed ones may be like ``007``."""
    if pc.all(pc.ascii_is_decimal(text)).as_py() is False:
        return False
    if (pc.max(pc.binary_length(text)).as_py() or 0) > _SURE_DIGITS:
        return False
    leading = pc.starts_with(text, "0")
    if agreed or not leading.true_count:
        return True
    return pc.any(pc.and_(leading, pc.greater(pc.binary_length(text), 1))).as_py() is False


def _plain_cast(kind: pa.DataType) -> Caster:
    def cast(values: pa.Array) -> pa.Array:
        return values.cast(kind)

    return cast


def _tidied(text: pa.StringArray, kind: pa.DataType) -> pa.StringArray:
    """Remove what a declared number may carry and Arrow does not read: a plus, ``.0``."""
    if kind in (INTEGER, BIGINT) and pc.any(pc.match_substring_regex(text, r"[+.]")).as_py():
        return pc.replace_substring_regex(text, r"^\+|\.0*$", "")
    if pa.types.is_decimal(kind):
        return pc.replace_substring_regex(text, r"^\+", "")
    return text


def _booleans(text: pa.StringArray) -> pa.BooleanArray:
    low = pc.utf8_lower(text)
    yes = pc.is_in(low, value_set=_YES)
    return pc.if_else(pc.or_(yes, pc.is_in(low, value_set=_NO)), yes, pa.scalar(None, pa.bool_()))


def _instants(text: pa.StringArray) -> pa.Array:
    """Read ISO timestamps; those without a zone are UTC, digits beyond microseconds are cut.

    The first value tells which cast to try: one that fails takes 0.65 µs a value, 30 times what
    one that succeeds takes (2026-11-22).
    """
    first = pc.first(text).as_py() or ""
    zoned = len(first) > _DAY and re.search(_ZONE, first) is not None
    with suppress(pa.ArrowInvalid):
        return text.cast(TIMESTAMP if zoned else _NAIVE).cast(TIMESTAMP)
    short = pc.replace_substring_regex(text, r"(\.[0-9]{6})[0-9]+", r"\1")
    zoned = pc.fill_null(pc.match_substring_regex(short, _ZONE), False)
    zoned = pc.and_(zoned, pc.greater(pc.binary_length(short), _DAY))
    with_zone = blank(short, pc.fill_null(pc.invert(zoned), False)).cast(TIMESTAMP)
    without = blank(short, pc.fill_null(zoned, False)).cast(_NAIVE).cast(TIMESTAMP)
    return pc.coalesce(with_zone, without)


def _times(text: pa.StringArray) -> pa.Array:
    day = pc.binary_join_element_wise(pa.scalar("1970-01-01T"), text, pa.scalar(""))
    return day.cast(_NAIVE).cast(TIME)


_CASTS: dict[pa.DataType, Caster] = {BOOLEAN: _booleans, TIMESTAMP: _instants, TIME: _times}


def _exact(
    text: pa.StringArray, values: pa.Array, bad: pa.BooleanArray | None, agreed: bool
) -> Fit:
    """Find doubles that are not what was written: integers above 2**53, and overflow."""
    large = pc.greater_equal(pc.abs(values), pa.scalar(float(MAX_EXACT)))
    rows = pc.indices_nonzero(pc.fill_null(large, False)).to_pylist()
    lost = [row for row in rows if _differs(text[row].as_py(), values[row].as_py(), agreed)]
    if not lost:
        return Fit(values, bad)
    flags = [False] * len(text)
    for row in lost:
        flags[row] = True
    mask = pa.array(flags, pa.bool_())
    return Fit(blank(values, mask), either(bad, mask))


def _differs(written: str, value: float, agreed: bool) -> bool:
    if math.isinf(value):
        return "inf" not in written.lower()
    return not agreed and written.lstrip("-").isdigit() and int(written) != int(value)


def _strptime(text: pa.StringArray, kind: pa.DataType, format: str) -> Fit:
    """Read text by a strptime format; what the C library bends (30 February) is bad."""
    encoded = text.dictionary_encode()
    words = encoded.dictionary
    found = pc.strptime(words, format=format, unit="us", error_is_null=True)
    doubtful = pc.or_(found.is_null(), pc.less_equal(pc.fill_null(pc.day(found), 1), 3))
    rows = pc.indices_nonzero(doubtful).to_pylist()
    stamps = found.cast(TIMESTAMP)
    if rows:
        checked = pa.array([_checked(words[row].as_py(), format) for row in rows], TIMESTAMP)
        stamps = pc.replace_with_mask(stamps, doubtful, checked)
    values = stamps.take(encoded.indices)
    bad = either(pc.and_(values.is_null(), text.is_valid()), None)
    return Fit(values.cast(DATE) if kind == DATE else values, bad)


def _checked(text: str, format: str) -> datetime | None:
    """Read one value with Python's strptime, which knows the calendar and ``%f``; None if bad."""
    try:
        moment = datetime.strptime(text, format)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def parse_json(text: pa.StringArray) -> Fit:
    """Check that text is JSON; the text itself stays as it is."""
    bad = [value is not None and not _is_json(value) for value in text.to_pylist()]
    mask = either(pa.array(bad, pa.bool_()), None)
    return Fit(text if mask is None else blank(text, mask), mask)


def _is_json(text: Any) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True
