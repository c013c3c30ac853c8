"""What each quality check accepts, rejects and reports."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from pydantic import TypeAdapter

from airflow_provider_spotify.core.config.rules import Check
from airflow_provider_spotify.core.errors import ConfigurationError, DataError
from airflow_provider_spotify.core.transforms.contract import DEFERRED
from airflow_provider_spotify.core.transforms.quality import Quality, table_checks

NOW = datetime(2026, 1, 10, 12, tzinfo=UTC)
CHECKS: TypeAdapter[list[Check]] = TypeAdapter(list[Check])


def quality(*checks: dict[str, Any]) -> Quality:
    return Quality(CHECKS.validate_python(list(checks)))


def kept(check: dict[str, Any], values: list[Any], kind: pa.DataType | None = None) -> list[Any]:
    batch = pa.RecordBatch.from_pydict({"a": pa.array(values, kind)})
    return list(quality(check).apply(batch).batch["a"].to_pylist())


DAYS = [date(2026, 1, 1), date(2026, 1, 5), None]
MOMENTS = [datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 5, tzinfo=UTC)]


@pytest.mark.parametrize(
    ("check", "values", "good"),
    [
        ({"check": "not_null", "columns": ["a"]}, [1, None], [1]),
        ({"check": "in_set", "column": "a", "values": ["x", "y"]}, ["x", "z", None], ["x", None]),
        ({"check": "in_set", "column": "a", "values": [1, 2]}, [1, 3], [1]),
        ({"check": "in_set", "column": "a", "values": [1]}, ["1", "2"], ["1"]),
        ({"check": "range", "column": "a", "min": 1, "max": 2.5}, [0, 1, 2, 3, None], [1, 2, None]),
        ({"check": "range", "column": "a", "min": 0}, [float("nan"), 1.0, -1.0], [1.0]),
        ({"check": "range", "column": "a", "min": "2026-01-02"}, DAYS, DAYS[1:]),
        ({"check": "range", "column": "a", "max": "2026-01-02T00:00:00Z"}, MOMENTS, MOMENTS[:1]),
        ({"check": "range", "column": "a", "max": "m"}, ["a", "z"], ["a"]),
        ({"check": "range", "column": "a", "min": 2**53}, [2**53 - 1, 2**53], [2**53]),
        ({"check": "length", "column": "a", "min": 1, "max": 3}, ["", "abc", "abcd"], ["abc"]),
        ({"check": "length", "column": "a", "max": 1}, ["é", "ab"], ["é"]),
        ({"check": "length", "column": "a", "max": 1}, [[1], [1, 2]], [[1]]),
        (
            {"check": "regex", "column": "a", "pattern": "^[A-Z]{2}$"},
            ["SE", "se", None],
            ["SE", None],
        ),
        ({"check": "expression", "sql": "a % 2 = 0"}, [1, 2, None], [2, None]),
        ({"check": "expression", "sql": "a > 1 -- or so"}, [1, 2], [2]),
    ],
)
def test_rows_that_fail_an_error_check_are_rejected(
    check: dict[str, Any], values: list[Any], good: list[Any]
) -> None:
    assert kept(check, values) == good


def test_a_rejected_row_keeps_its_record_and_its_reason_holds_no_value() -> None:
    checks = quality({"check": "range", "column": "age", "max": 120})
    _, rejected = checks.apply(pa.RecordBatch.from_pydict({"age": [7, 999], "who": ["a", "b"]}))
    assert rejected is not None
    [row] = rejected.to_pylist()
    assert (row["stage"], row["column_name"]) == ("quality", "age")
    assert row["reason"] == "age is above 120.0"
    assert json.loads(row["record"]) == {"age": 999, "who": "b"}


def test_a_warning_counts_and_keeps_the_rows() -> None:
    checks = quality({"check": "not_null", "columns": ["a", "b"], "severity": "warn"})
    batch = pa.RecordBatch.from_pydict({"a": [1, None, 3], "b": [1, None, None]})
    applied = checks.apply(batch)
    assert (applied.batch.num_rows, applied.rejected) == (3, None)
    [result] = checks.finish(rows=3, history=[], now=NOW)
    assert (result.passed, result.failed_rows, result.severity) == (False, 2, "warn")


def test_a_check_on_a_column_that_does_not_exist_offers_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match=r"no column 'emial'; did you mean 'email'"):
        quality({"check": "not_null", "columns": ["emial"]}).apply(
            pa.RecordBatch.from_pydict({"email": ["x"]})
        )


def test_a_column_without_any_value_yet_counts_as_missing_values() -> None:
    batch = pa.RecordBatch.from_pydict({"a": [1]}).replace_schema_metadata({DEFERRED: b"b"})
    assert quality({"check": "not_null", "columns": ["b"]}).apply(batch).batch.num_rows == 0
    assert quality({"check": "length", "column": "b", "min": 2}).apply(batch).batch.num_rows == 1


def test_a_pattern_that_re2_does_not_know_is_refused_at_once() -> None:
    with pytest.raises(ConfigurationError, match="RE2"):
        quality({"check": "regex", "column": "a", "pattern": "(?=x)"})


@pytest.mark.parametrize(
    "check",
    [
        {"check": "range", "column": "a", "min": 1},
        {"check": "range", "column": "t", "min": "soon"},
        {"check": "range", "column": "t", "min": 3},
        {"check": "regex", "column": "t", "pattern": "x"},
        {"check": "length", "column": "t", "max": 1},
        {"check": "in_set", "column": "n", "values": ["x"]},
        {"check": "freshness", "column": "a", "within": "1d"},
    ],
)
def test_a_check_that_does_not_suit_its_column_is_a_configuration_error(
    check: dict[str, Any],
) -> None:
    batch = pa.RecordBatch.from_pydict({"a": ["x"], "t": [NOW], "n": [1]})
    with pytest.raises(ConfigurationError):
        quality(check).apply(batch)


@pytest.mark.parametrize(
    "sql",
    [
        "exists (select * from read_text('/etc/passwd'))",
        "exists (select * from '/etc/passwd')",
        "exists (select * from read_csv('https://example.com/x.csv'))",
        "true); copy rows to '/tmp/leak.csv'; select (true",
        "true); set enable_external_access=true; select (true",
        "true); attach '/tmp/leak.db'; select (true",
        "(select count(*) from duckdb_secrets()) > missing_column",
        "a >",
        "true) FROM rows LIMIT 1 --",
        "true AS x FROM rows WHERE a = 1 UNION SELECT (true",
        "checks",
    ],
)
def test_an_expression_can_be_nothing_but_a_condition_over_the_rows(sql: str) -> None:
    checks = quality({"check": "expression", "sql": sql})
    with pytest.raises(ConfigurationError):
        checks.apply(pa.RecordBatch.from_pydict({"a": [1, 2]}))


def test_an_expression_that_fails_on_a_value_does_not_repeat_it() -> None:
    checks = quality({"check": "expression", "sql": "a::INTEGER > 0"})
    with pytest.raises(DataError, match="TRY_CAST") as caught:
        checks.apply(pa.RecordBatch.from_pydict({"a": ["anna@example.com"]}))
    assert "anna" not in str(caught.value)
    assert caught.value.__cause__ is None


def finished(check: dict[str, Any], *, rows: int = 10, history: list[int] | None = None) -> bool:
    [result] = quality(check).finish(rows=rows, history=history or [], now=NOW)
    return result.passed


def test_row_count_holds_the_load_between_its_bounds() -> None:
    assert finished({"check": "row_count", "min": 10, "max": 10})
    assert not finished({"check": "row_count", "min": 11})
    assert not finished({"check": "row_count", "max": 9})


@pytest.mark.parametrize(
    ("rows", "history", "passed"),
    [
        (10, [1000, 1000], True),
        (1005, [1000, 1000, 1000], True),
        (10, [1000, 1010, 990, 1005], False),
        (1020, [1000, 1010, 990, 1005], True),
        (1000, [1000, 1010, 990, 1_000_000], True),
        (5000, [1000, 1010, 990, 1_000_000], False),
        (140, [100, 120, 80, 110, 90], True),
        (150, [100, 120, 80, 110, 90], False),
        (0, [0, 0, 0], True),
    ],
)
def test_an_anomalous_row_count_is_told_from_a_usual_one(
    rows: int, history: list[int], passed: bool
) -> None:
    assert finished({"check": "row_count_anomaly"}, rows=rows, history=history) is passed


def test_an_anomaly_is_judged_by_the_newest_loads_only() -> None:
    check = {"check": "row_count_anomaly", "history": 3}
    assert finished(check, rows=10, history=[10, 10, 10, 5000, 5000, 5000, 5000])


@pytest.mark.parametrize(
    ("newest", "passed"),
    [
        (NOW - timedelta(hours=23), True),
        (NOW - timedelta(hours=25), False),
        (NOW + timedelta(days=1), True),
        (date(2026, 1, 9), True),
        (date(2026, 1, 8), False),
    ],
)
def test_freshness_is_judged_by_the_newest_value_of_all_batches(newest: Any, passed: bool) -> None:
    checks = quality({"check": "freshness", "column": "a", "within": "1d"})
    for value in (newest, newest - timedelta(days=30)):
        checks.apply(pa.RecordBatch.from_pydict({"a": [value, None]}))
    [result] = checks.finish(rows=4, history=[], now=NOW)
    assert result.passed is passed


def test_freshness_without_a_value_fails_and_without_rows_is_not_judged() -> None:
    check = {"check": "freshness", "column": "a", "within": "1d"}
    assert not finished(check, rows=3)
    assert finished(check, rows=0)


def test_only_error_checks_of_the_table_need_staging() -> None:
    checks = CHECKS.validate_python(
        [
            {"check": "unique", "columns": ["a"]},
            {"check": "row_count", "min": 1, "severity": "warn"},
            {"check": "not_null", "columns": ["a"]},
            {"check": "freshness", "column": "a", "within": "1d"},
            {"check": "row_count_anomaly"},
        ]
    )
    assert [check.check for check in table_checks(checks)] == ["unique", "freshness"]


def test_unique_is_left_to_the_sink() -> None:
    assert quality({"check": "unique", "columns": ["a"]}).finish(rows=1, history=[], now=NOW) == []
