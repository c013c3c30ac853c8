"""Describes what the columns of a load look like, at a bounded cost."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_spotify.core.model import ColumnProfile
from airflow_provider_spotify.core.transforms.arrow_types import STRING, is_nested, type_name
from airflow_provider_spotify.core.transforms.casting import to_text
from airflow_provider_spotify.core.transforms.detect import kind_of
from airflow_provider_spotify.core.transforms.privacy import PII

SAMPLE = 10_000
"""Rows from which distinct values and quantiles are counted: evenly spread, at most twice this."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Which quantiles a numeric column's profile gives, in this order."""
_LONGEST = 64

_Plain = bool | int | float | str | date | datetime | time | Decimal


class _Column:
    """What is known of one column: exact nulls and ends, and a sample."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.type: pa.DataType = pa.null()
        self.nulls = 0
        self.ends: tuple[Any, Any] | None = None
        self.lost = False
        self.hidden = False
        self.sample: list[pa.Array] = []

    def observe(self, field: pa.Field, array: pa.Array) -> None:
        self._become(field)
        self.nulls += array.null_count
        if self.hidden or not _has_ends(field.type) or array.null_count == len(array):
            return
        found = pc.min_max(array).as_py()
        low, high = found["min"], found["max"]
        if self.ends is not None:
            low, high = min(low, self.ends[0]), max(high, self.ends[1])
        self.ends = (low, high)

    def _become(self, field: pa.Field) -> None:
        """Follow a column that widened; ends that cannot be compared any more are given up."""
        action = (field.metadata or {}).get(PII)
        self.hidden = self.hidden or action not in (None, b"generalize")
        if field.type == self.type:
            return
        numbers = pa.types.is_integer(self.type) and _is_number(field.type)
        if self.ends is not None and not numbers:
            self.lost = True
            self.ends = None
        self.type = field.type
        self.sample = [_as(array, field.type) for array in self.sample]

    def profile(self) -> ColumnProfile:
        sample = pa.concat_arrays(self.sample) if self.sample else pa.array([], self.type)
        low, high = (None, None) if self.ends is None or self.lost else self.ends
        if any(isinstance(end, str) and kind_of(end) for end in (low, high)):
            low = high = None  # undeclared personal data must not reach a report
        return ColumnProfile(
            name=self.name,
            type=type_name(self.type),
            nulls=self.nulls,
            distinct=_distinct(sample),
            min=_shown(low),
            max=_shown(high),
            quantiles=None if self.hidden else _quantiles(sample),
        )


class Profile:
    """Profiles the columns of one load, after privacy, so that no personal value is in it.

    ``nulls``, ``min`` and ``max`` are exact; text is cut to 64 characters. ``distinct`` and
    ``quantiles`` (see ``QUANTILES``; numbers only) are those of a sample of every n-th row, where
    n doubles as the load grows. Nested and binary columns have no ends; personal columns that were
    not generalized have neither ends nor quantiles.
    """

    def __init__(self) -> None:
        self._columns: dict[str, _Column] = {}
        self._rows = 0
        self._stride = 1
        self._sampled = 0

    def observe(self, batch: pa.RecordBatch) -> None:
        """Take one batch into account."""
        self._make_room(batch.num_rows)
        rows = self._chosen(batch.num_rows)
        for field, array in zip(batch.schema, batch.columns, strict=True):
            column = self._columns.get(field.name)
            if column is None:
                column = self._columns[field.name] = _Column(field.name)
                column.nulls = self._rows  # it was missing, hence null, so far
            column.observe(field, array)
            column.sample.append(array if rows is None else array.take(rows))
        for name, column in self._columns.items():
            if name not in batch.schema.names:
                column.nulls += batch.num_rows
        self._rows += batch.num_rows

    def columns(self) -> list[ColumnProfile]:
        """Return the profile of every column, in the order they appeared."""
        return [column.profile() for column in self._columns.values()]

    def _chosen(self, count: int) -> pa.Array | None:
        """Return the rows of the next batch that belong to the sample; None for all."""
        start = -self._rows % self._stride
        chosen = range(start, count, self._stride)
        self._sampled += len(chosen)
        return None if self._stride == 1 else pa.array(chosen, pa.int64())

    def _make_room(self, count: int) -> None:
        """Sample half as densely, as often as it takes for the next batch to fit."""
        while self._sampled + count // self._stride > 2 * SAMPLE:
            self._stride *= 2
            for column in self._columns.values():
                if column.sample:
                    whole = pa.concat_arrays(column.sample)
                    column.sample = [whole.take(pa.array(range(0, len(whole), 2), pa.int64()))]
            self._sampled = (self._sampled + 1) // 2


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _has_ends(kind: pa.DataType) -> bool:
    return not (
        is_nested(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_null(kind)
        or pa.types.is_duration(kind)
        or pa.types.is_interval(kind)
    )


def _as(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """Bring an earlier sample into the type its column has widened to."""
    try:
        return to_text(array) if kind == STRING else array.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.array([], kind)


def _distinct(sample: pa.Array) -> int | None:
    if is_nested(sample.type) or pa.types.is_null(sample.type):
        return None
    return len(sample.drop_null().unique())


def _quantiles(sample: pa.Array) -> tuple[float, ...] | None:
    if not (_is_number(sample.type) or pa.types.is_decimal(sample.type)):
        return None
    values = sample.cast(pa.float64()) if pa.types.is_decimal(sample.type) else sample
    found = pc.quantile(values, q=list(QUANTILES)).to_pylist()
    return tuple(found) if found and None not in found else None


def _shown(value: _Plain | None) -> _Plain | None:
    if isinstance(value, str) and len(value) > _LONGEST:
        return value[: _LONGEST - 1] + "…"
    return value
