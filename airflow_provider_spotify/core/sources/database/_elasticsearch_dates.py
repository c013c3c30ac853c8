"""Reads dates in the formats that Elasticsearch's mappings name.

Formats: https://www.elastic.co/docs/reference/elasticsearch/mapping-reference/mapping-date-format
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

Parser = Callable[[pa.StringArray, str], pa.Array]
"""Takes texts and a unit (us, ns); gives timestamps in UTC, null for what it cannot read."""

DEFAULT = "strict_date_optional_time||epoch_millis"
_DAY = ("date", "year", "year_month", "year_month_day", "date_time", "date_time_no_millis")
_CLOCK = ("", "_minute", "_minute_second", "_minute_second_millis", "_minute_second_fraction")
_PLAIN = (*_DAY, *(f"date_hour{rest}" for rest in _CLOCK), "date_optional_time")
_NANOS = "strict_date_optional_time_nanos"
_ISO = frozenset({*_PLAIN, *(f"strict_{name}" for name in _PLAIN), _NANOS, "iso8601"})
_WHOLE = r"^\d{4}-\d\d-\d\d([T ]\d\d(:\d\d(:\d\d(\.\d{1,9})?)?)?(Z|[+-]\d\d(:?\d\d)?)?)?$"
_ZONED = r"[T ].*(Z|[+-]\d\d(:?\d\d)?)$"
_LETTERS = {"yyyy": "%Y", "uuuu": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}
_TOKEN = re.compile(r"'([^']*)'|([A-Za-z])\2*|[^A-Za-z']")


def parsers_of(formats: str | None) -> Sequence[Parser] | None:
    """Return what reads a mapping's ``format``, in its order; None if part of it is not known."""
    found = [_parser(name.strip()) for name in (formats or DEFAULT).split("||")]
    return None if None in found else [each for each in found if each is not None]


def parse(texts: pa.StringArray, parsers: Sequence[Parser], *, unit: str) -> pa.Array:
    """Read texts by the first parser that can, each; the numbers of a mapping count as texts.

    :raises pa.ArrowInvalid: if a text is left that none can read
    """
    found = parsers[0](texts, unit)
    for parser in parsers[1:]:
        if found.null_count == texts.null_count:
            return found
        rest = pc.if_else(found.is_null(), texts, pa.scalar(None, pa.string()))
        found = pc.coalesce(found, parser(rest, unit))
    if found.null_count != texts.null_count:
        raise pa.ArrowInvalid("a date is in none of its mapping's formats")
    return found


def _parser(name: str) -> Parser | None:
    if name in _ISO:
        return _iso
    if name in ("epoch_millis", "epoch_second"):
        return partial(_epoch, millis=1 if name == "epoch_millis" else 1000)
    if name in ("basic_date", "strict_basic_date"):
        name = "yyyyMMdd"
    pattern = _strptime(name)
    return partial(_formatted, pattern=pattern) if pattern else None


def _strptime(java: str) -> str | None:
    """Translate a pattern of Java's DateTimeFormatter whose every letter strptime knows."""
    parts: list[str] = []
    for token in _TOKEN.finditer(java):
        text = token[0]
        if token[2]:
            if text not in _LETTERS:
                return None
            parts.append(_LETTERS[text])
        else:
            literal = (token[1] or "'") if text.startswith("'") else text
            parts.append(literal.replace("%", "%%"))
    written = "".join(parts)
    return written if {"%Y", "%m", "%d"} <= set(re.findall("%.", written)) else None


def _iso(texts: pa.StringArray, unit: str) -> pa.Array:
    kind = pa.timestamp(unit, "UTC")
    try:
        return texts.cast(kind)
    except pa.ArrowInvalid:
        pass
    texts = pc.replace_substring(texts, ",", ".")
    texts = pc.replace_substring_regex(texts, r"^(\d{4})$", r"\1-01")
    texts = pc.replace_substring_regex(texts, r"^(\d{4}-\d\d)$", r"\1-01")
    if unit == "us":  # a date means milliseconds to Elasticsearch, whatever was written
        texts = pc.replace_substring_regex(texts, r"(\.\d{6})\d+", r"\1")
    nothing = pa.scalar(None, pa.string())
    whole, zoned = (pc.match_substring_regex(texts, each) for each in (_WHOLE, _ZONED))
    with_zone = pc.if_else(pc.and_(whole, zoned), texts, nothing).cast(kind)
    in_utc = pc.if_else(pc.and_(whole, pc.invert(zoned)), texts, nothing).cast(pa.timestamp(unit))
    return pc.coalesce(with_zone, in_utc.cast(kind))


def _epoch(texts: pa.StringArray, unit: str, *, millis: int) -> pa.Array:
    digits = pc.match_substring_regex(texts, r"^-?\d{1,15}$")
    numbers = pc.if_else(digits, texts, pa.scalar(None, pa.string())).cast(pa.int64())
    factor = millis * (1000 if unit == "us" else 1_000_000)
    return pc.multiply_checked(numbers, factor).cast(pa.timestamp(unit, "UTC"))


def _formatted(texts: pa.StringArray, unit: str, *, pattern: str) -> pa.Array:
    found = pc.strptime(texts, format=pattern, unit=unit, error_is_null=True)
    return found.cast(pa.timestamp(unit, "UTC"))
