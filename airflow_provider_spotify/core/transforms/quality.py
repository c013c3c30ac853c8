"""Judges rows as they pass and the load at its end, by the checks of an import."""

from __future__ import annotations

import difflib
import statistics
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_spotify.core.config.rules import (
    Anomaly,
    Check,
    Expression,
    Freshness,
    InSet,
    Length,
    Matches,
    NotNull,
    Range,
    RowCount,
    Unique,
)
from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import CheckResult
from airflow_provider_spotify.core.transforms.applied import Applied
from airflow_provider_spotify.core.transforms.conditions import failing
from airflow_provider_spotify.core.transforms.contract import DEFERRED
from airflow_provider_spotify.core.transforms.expressions import Expressions
from airflow_provider_spotify.core.transforms.faults import Fault, Faults

RowCheck = NotNull | InSet | Range | Length | Matches | Expression
_MIN_HISTORY = 3
_NORMAL = 1.4826  # makes the median absolute deviation comparable to a standard deviation


def table_checks(checks: Sequence[Check]) -> list[Check]:
    """Return the checks that must pass before a load may be seen: of the table, and errors."""
    return [check for check in checks if check.table_level and check.severity == "error"]


def columns_of(check: Check) -> tuple[str, ...]:
    """Return the columns that a check names; an expression or a count names none."""
    if isinstance(check, NotNull | Unique):
        return tuple(check.columns)
    return () if isinstance(check, RowCount | Anomaly | Expression) else (check.column,)


class Quality:
    """The checks of one load, and what they found so far.

    Row checks of severity ``error`` reject the rows that fail, those of ``warn`` count them. A
    missing value fails only ``not_null``. ``unique`` is the sink's to judge.

    :param newest: what ``newest`` was after earlier attempts of the load
    :raises ConfigurationError: if a pattern is not one that RE2 knows
    """

    def __init__(self, checks: Sequence[Check], *, newest: Mapping[str, str] | None = None) -> None:
        self._checks = checks
        self._failed = [0] * len(checks)
        self._newest = {c: datetime.fromisoformat(text) for c, text in (newest or {}).items()}
        self._expressions = Expressions()
        self._bound: pa.Schema | None = None
        for check in checks:
            if isinstance(check, Matches):
                _require_re2(check)

    def apply(self, batch: pa.RecordBatch) -> Applied:
        """Return the rows that pass, and records of those that do not.

        A record is the row as the contract left it, under the table's column names.

        :raises ConfigurationError: if a check names a column that is not there, or cannot be asked
            of a column of its type
        """
        if not self._checks or batch.num_rows == 0:
            return Applied(batch, None)
        self._bind(batch.schema)
        faults = Faults(batch, stage="quality")
        for position, check in enumerate(self._checks):
            if isinstance(check, RowCheck):
                mask = self._failing(check, batch)
                count = mask.true_count
                self._failed[position] += count
                if count and check.severity == "error":
                    column = columns_of(check)
                    faults.add(Fault(mask, column[0] if len(column) == 1 else None, _reason(check)))
        applied = faults.split(batch)
        self._watch(applied.batch)
        return applied

    @property
    def newest(self) -> dict[str, str]:
        """The newest moment so far, as ISO text, of each column whose freshness is asked."""
        return {column: moment.isoformat() for column, moment in self._newest.items()}

    def finish(self, *, rows: int, history: Sequence[int], now: datetime) -> list[CheckResult]:
        """Return the outcome of every check but ``unique``.

        :param rows: how many rows the load has
        :param history: the row counts of earlier loads, newest first
        :param now: the moment against which freshness is measured
        """
        results = []
        for position, check in enumerate(self._checks):
            if isinstance(check, RowCheck):
                results.append(_row_result(check, self._failed[position]))
            elif not isinstance(check, Unique):
                passed, message = self._table_verdict(check, rows, history, now)
                results.append(_result(check, passed=passed, message=message))
        return results

    def _bind(self, schema: pa.Schema) -> None:
        """Make sure that every column a check names is there.

        A column without any value yet is there too: the contract names it in the metadata.
        """
        if self._bound is not None and self._bound.equals(schema, check_metadata=True):
            return
        known = {*schema.names, *_deferred(schema)}
        for check in self._checks:
            for name in columns_of(check):
                if name not in known:
                    near = difflib.get_close_matches(name, known, n=1)
                    hint = f"did you mean {near[0]!r}?" if near else f"it has {sorted(known)}"
                    raise ConfigurationError(
                        f"quality check {check.check}: the data has no column {name!r}; {hint} "
                        f"(if some loads lack it, declare it with its type in contract.columns)"
                    )
        self._bound = schema

    def _failing(self, check: RowCheck, batch: pa.RecordBatch) -> pa.BooleanArray:
        if isinstance(check, Expression):
            return self._expressions.failing(check.sql, batch)
        names = columns_of(check)
        there = [name for name in names if name in batch.schema.names]
        if len(there) < len(names):  # one of them has no value in any row
            return pa.array([isinstance(check, NotNull)] * batch.num_rows, pa.bool_())
        return failing(check, [batch.column(name) for name in there])

    def _watch(self, batch: pa.RecordBatch) -> None:
        """Remember the newest value of the columns whose freshness is asked."""
        for check in self._checks:
            if not isinstance(check, Freshness) or check.column not in batch.schema.names:
                continue
            column = batch.column(check.column)
            if not (pa.types.is_timestamp(column.type) or pa.types.is_date(column.type)):
                raise ConfigurationError(
                    f"quality check freshness: {check.column!r} is neither a date nor a timestamp; "
                    f"declare its type (and format) in contract.columns"
                )
            newest = _moment(pc.max(column).as_py())
            if newest is not None:
                known = self._newest.get(check.column, newest)
                self._newest[check.column] = max(known, newest)

    def _table_verdict(
        self, check: Any, rows: int, history: Sequence[int], now: datetime
    ) -> tuple[bool, str]:
        if isinstance(check, RowCount):
            passed = check.min <= rows and (check.max is None or rows <= check.max)
            most = "or more" if check.max is None else f"to {check.max}"
            return passed, f"{rows} rows; expected {check.min} {most}"
        if isinstance(check, Freshness):
            return _fresh(check, self._newest.get(check.column), rows, now)
        return _usual(check, rows, list(history)[: check.history])


def _require_re2(check: Matches) -> None:
    try:
        pc.match_substring_regex(pa.array([""]), check.pattern)
    except pa.ArrowInvalid as error:
        raise ConfigurationError(
            f"quality check regex on {check.column}: {check.pattern!r} is not RE2 syntax "
            f"({error}); lookarounds and backreferences are not supported: "
            f"https://github.com/google/re2/wiki/Syntax"
        ) from error


def _deferred(schema: pa.Schema) -> list[str]:
    named = (schema.metadata or {}).get(DEFERRED, b"").decode()
    return named.split(",") if named else []


def _reason(check: RowCheck) -> str:
    """Say what a row fails, without its values: the record holds those, protected."""
    if isinstance(check, NotNull):
        return f"no value in {', '.join(check.columns)}"
    if isinstance(check, InSet):
        return f"{check.column} is not one of the {len(check.values)} allowed values"
    if isinstance(check, Matches):
        return f"{check.column} does not match {check.pattern!r}"
    if isinstance(check, Expression):
        return f"the condition does not hold: {check.sql}"
    what = "the length of " if isinstance(check, Length) else ""
    low = "" if check.min is None else f" below {check.min}"
    high = "" if check.max is None else f" above {check.max}"
    return f"{what}{check.column} is{low}{' or' if low and high else ''}{high}"


def _row_result(check: RowCheck, failed: int) -> CheckResult:
    message = f"{failed} rows: {_reason(check)}" if failed else ""
    return _result(check, passed=failed == 0, message=message, failed_rows=failed)


def _result(check: Check, *, passed: bool, message: str, failed_rows: int = 0) -> CheckResult:
    return CheckResult(
        check=check.check,
        columns=columns_of(check),
        severity=check.severity,
        passed=passed,
        failed_rows=failed_rows,
        message=message,
    )


def _moment(value: datetime | date | None) -> datetime | None:
    """Return a newest value as a moment in UTC; a date lasts until its day ends."""
    if value is None or isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value
    if value == date.max:
        return datetime.max.replace(tzinfo=UTC)
    return datetime.combine(value + timedelta(days=1), clock(), UTC)


def _fresh(check: Freshness, newest: datetime | None, rows: int, now: datetime) -> tuple[bool, str]:
    if rows == 0:
        return True, "no new rows to judge"
    if newest is None:
        return False, f"no row has a value in {check.column}"
    age = max(now - newest, timedelta(0))
    return age <= check.within, f"the newest {check.column} is {age} old; expected {check.within}"


def _usual(check: Anomaly, rows: int, history: list[int]) -> tuple[bool, str]:
    """Compare a row count with the median of earlier ones, in robust standard deviations.

    The scale is never below 1 % of the median or one row, so that a table that never changed
    may grow a little.
    """
    if len(history) < _MIN_HISTORY:
        return True, f"{len(history)} earlier loads; at least {_MIN_HISTORY} are needed"
    median = statistics.median(history)
    spread = _NORMAL * statistics.median(abs(count - median) for count in history)
    scale = max(spread, 0.01 * median, 1.0)
    off = abs(rows - median) / scale
    return off <= check.deviations, (
        f"{rows} rows, {off:.1f} deviations from the usual {median:.0f} "
        f"(of {len(history)} loads); allowed {check.deviations:g}"
    )
