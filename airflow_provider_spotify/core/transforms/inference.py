"""Finds the type of a column that arrives as text, from the values themselves."""

from __future__ import annotations

import re
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_spotify.core.transforms.arrow_types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    STRING,
    TIME,
    TIMESTAMP,
)

EMPTY = pa.array(["", "\\N"])
"""Text that means "no value" in every column: nothing at all, and PostgreSQL's ``\\N``."""
NULL_TOKENS = pa.array(["NULL", "null"])
"""Words that mean "no value" where the column is not text; in a text column they are text."""

_SAMPLE = 256
_EXPONENT = r"[eE][+-]?[0-9]{1,3}"

SHAPES: dict[pa.DataType, str] = {
    BOOLEAN: r"^(?i:true|false)$",
    BIGINT: r"^(?:0|-?[1-9][0-9]{0,18})$",
    # "12E5" is more often a code than a number: without a point, an exponent needs its sign.
    DOUBLE: (
        rf"^-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*(?:{_EXPONENT})?|[eE][+-][0-9]{{1,3}})?"
        rf"|\.[0-9]+(?:{_EXPONENT})?)$|^(?:[nN]a[nN]|-?[iI]nf(?:inity)?)$"
    ),
    DATE: r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
    TIMESTAMP: (
        r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?"
        r"(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)?)?$"
    ),
    TIME: r"^[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?$",
}
"""RE2 patterns of text that reads as a type without losing anything: ``007`` is no number."""

_INFERRED = (BOOLEAN, BIGINT, DOUBLE, DATE, TIMESTAMP)
_LOCAL_DATE = re.compile(r"\d{1,2}([-/.])\d{1,2}[-/.]\d{4}(?:[ T](\d{1,2}:\d{2}(:\d{2})?))?")
_LOCAL_SHAPE = r"^[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}"
_YEAR_FIRST = r"^[0-9]{4}/[0-9]{1,2}/[0-9]{1,2}$"
_OVER_12 = r"(?:1[3-9]|2[0-9]|3[01])"


class Guess(NamedTuple):
    """A type, and the strptime format that reads it where it is not ISO 8601."""

    type: pa.DataType
    format: str | None = None


def infer(values: pa.StringArray) -> Guess | None:
    """Return the narrowest type that all the values of a text column seem to have.

    ``true``/``false`` are booleans; integers and decimals without leading zeros are numbers; ISO
    dates and timestamps are those; day-first or month-first dates (``14-06-2019``) are dates if
    some value decides which of the two it is (dots are day-first). Everything else is text.

    :param values: text, with null for "no value"
    :return: None if there is no value to judge by
    """
    present = values.drop_null()
    present = present.filter(pc.invert(pc.is_in(present, value_set=NULL_TOKENS)))
    if len(present) == 0:
        return None
    sample = present[:_SAMPLE]
    for kind in _INFERRED:
        if _all(sample, SHAPES[kind]) and _all(present, SHAPES[kind]):
            return Guess(_with_digits(present, kind))
    return _local_date(sample, present) or Guess(STRING)


def date_format(values: pa.StringArray) -> str | None:
    """Return the format of the day-first or month-first dates among values that are not all so.

    For columns declared to be dates: a few values of another shape must not hide the format.
    """
    dates = values.filter(pc.match_substring_regex(values, _LOCAL_SHAPE)).drop_null()
    guess = _local_date(dates[:_SAMPLE], dates) if len(dates) else None
    return None if guess is None else guess.format


def _all(values: pa.StringArray, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(values, pattern)).as_py())


def _any(values: pa.StringArray, pattern: str) -> bool:
    return bool(pc.any(pc.match_substring_regex(values, pattern)).as_py())


def _with_digits(values: pa.StringArray, kind: pa.DataType) -> pa.DataType:
    """Keep a column that says nothing but "nan" as text: it may be somebody's name."""
    return STRING if kind == DOUBLE and not _any(values, "[0-9]") else kind


def _local_date(sample: pa.StringArray, present: pa.StringArray) -> Guess | None:
    """Recognise dates written day-first, month-first or ``2019/06/14``."""
    if _all(sample, _YEAR_FIRST) and _all(present, _YEAR_FIRST):
        return Guess(DATE, "%Y/%m/%d")
    first = _LOCAL_DATE.fullmatch(sample[0].as_py())
    if first is None:
        return None
    mark, clock, seconds = first.groups()
    mark = re.escape(mark)
    time = "" if clock is None else r"[ T][0-9]{1,2}:[0-9]{2}" + (":[0-9]{2}" if seconds else "")
    pattern = rf"^[0-9]{{1,2}}{mark}[0-9]{{1,2}}{mark}[0-9]{{4}}{time}$"
    if not (_all(sample, pattern) and _all(present, pattern)):
        return None
    order = _order(present, first[1])
    if order is None:
        return None
    if clock is None:
        return Guess(DATE, order)
    gap = "T" if "T" in sample[0].as_py() else " "
    return Guess(TIMESTAMP, f"{order}{gap}%H:%M" + (":%S" if seconds else ""))


def _order(values: pa.StringArray, mark: str) -> str | None:
    """Decide between day-first and month-first; None where the values do not, or disagree."""
    day_first = _any(values, f"^{_OVER_12}{re.escape(mark)}")
    month_first = _any(values, rf"^[0-9]{{1,2}}{re.escape(mark)}{_OVER_12}{re.escape(mark)}")
    if day_first == month_first:
        return "%d.%m.%Y" if mark == "." and not day_first else None
    first, second = ("%d", "%m") if day_first else ("%m", "%d")
    return mark.join((first, second, "%Y"))
