"""Judges the rows of a batch: one function per row check, each returning a mask of failures."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time
from functools import singledispatch
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_spotify.core.config.rules import InSet, Length, Matches, NotNull, Range
from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.transforms.arrow_types import is_list, is_text, type_name


@singledispatch
def failing(check: Any, columns: list[pa.Array]) -> pa.BooleanArray:
    """Return a mask of the rows that fail a check; a missing value fails only ``not_null``.

    :param columns: the check's columns, in its order
    :raises ConfigurationError: if the check cannot be asked of a column of that type
    """
    raise TypeError(f"{type(check).__name__} is not a check of rows ({len(columns)} columns)")


@failing.register
def _(check: NotNull, columns: list[pa.Array]) -> pa.BooleanArray:  # noqa: ARG001
    missing = columns[0].is_null()
    for column in columns[1:]:
        missing = pc.or_(missing, column.is_null())
    return missing


@failing.register
def _(check: InSet, columns: list[pa.Array]) -> pa.BooleanArray:
    column = columns[0]
    try:
        values: list[Any] = list(check.values)
        if is_text(column.type):
            values = [str(value) for value in values]
        wanted = pa.array(values).cast(column.type)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise ConfigurationError(_mismatch(check, column, "values")) from error
    return pc.and_(column.is_valid(), pc.invert(pc.is_in(column, value_set=wanted)))


@failing.register
def _(check: Range, columns: list[pa.Array]) -> pa.BooleanArray:
    column = columns[0]
    outside = pa.scalar(False)
    if check.min is not None:
        outside = pc.invert(pc.greater_equal(column, _bound(check, column, check.min, math.ceil)))
    if check.max is not None:
        above = pc.invert(pc.less_equal(column, _bound(check, column, check.max, math.floor)))
        outside = above if check.min is None else pc.or_(outside, above)
    return pc.fill_null(outside, False)


@failing.register
def _(check: Length, columns: list[pa.Array]) -> pa.BooleanArray:
    column = columns[0]
    if is_text(column.type):
        length = pc.utf8_length(column)
    elif is_list(column.type):
        length = pc.list_value_length(column)
    else:
        raise ConfigurationError(_mismatch(check, column, "min and max"))
    outside = pc.less(length, check.min)
    if check.max is not None:
        outside = pc.or_(outside, pc.greater(length, check.max))
    return pc.fill_null(outside, False)


@failing.register
def _(check: Matches, columns: list[pa.Array]) -> pa.BooleanArray:
    column = columns[0]
    if not is_text(column.type):
        raise ConfigurationError(_mismatch(check, column, "a pattern"))
    found = pc.match_substring_regex(column, check.pattern)
    return pc.fill_null(pc.invert(found), False)


def _mismatch(check: Any, column: pa.Array, asked: str) -> str:
    return (
        f"quality check {check.check} on {check.column}: {asked} cannot be compared with a column "
        f"of type {type_name(column.type)}; change the check, or declare the column's type"
    )


def _bound(check: Range, column: pa.Array, bound: float | str, rounded: Any) -> pa.Scalar:
    """Return a bound in the column's own type, so that comparing is exact."""
    kind = column.type
    try:
        if isinstance(bound, str) and not is_text(kind):
            return _moment(bound, kind) if pa.types.is_temporal(kind) else pa.scalar(float(bound))
        if isinstance(bound, str) == is_text(kind) and not pa.types.is_temporal(kind):
            whole = pa.types.is_integer(kind) and math.isfinite(float(bound))
            return pa.scalar(max(-(2**63), min(rounded(bound), 2**63 - 1)) if whole else bound)
    except ValueError as error:
        raise ConfigurationError(_mismatch(check, column, f"the bound {bound!r}")) from error
    raise ConfigurationError(_mismatch(check, column, f"the bound {bound!r}"))


def _moment(text: str, kind: pa.DataType) -> pa.Scalar:
    """Read an ISO date, timestamp or time; one without a zone is UTC."""
    if pa.types.is_time(kind):
        return pa.scalar(time.fromisoformat(text), kind)
    if pa.types.is_date(kind):
        return pa.scalar(date.fromisoformat(text), kind)
    moment = datetime.fromisoformat(text)
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return pa.scalar(aware, kind)
