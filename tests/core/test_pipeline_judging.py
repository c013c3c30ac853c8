"""What is bad is never seen: checks, contracts and bounds stop a load before anyone reads it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pytest

from airflow_provider_spotify.core.errors import (
    ConfigurationError,
    ContractViolation,
    DataError,
    QualityViolation,
    TooManyRejected,
    TransientError,
)
from airflow_provider_spotify.core.model import Run
from airflow_provider_spotify.core.pipeline import run_import
from airflow_provider_spotify.core.sinks.base import LedgerEntry, Sink
from airflow_provider_spotify.core.sinks.duckdb import DuckDBSink
from tests.core.imports import MemorySource, duckdb_sink, ids, landed, load, plan, records, tables

OFTEN = {"rows": 1}
"""A checkpoint after every batch: what is bad must not be seen even if it was checkpointed."""
UNIQUE = {"check": "unique", "columns": ["id"]}
TABLE_CHECKS: list[dict[str, Any]] = [
    UNIQUE,
    {"check": "row_count", "max": 2},
    {"check": "freshness", "column": "at", "within": "1d"},
]
AT = [pa.scalar(0, pa.timestamp("us", "UTC"))] * 2


def bad() -> list[pa.RecordBatch]:
    """Return batches that fail every one of the table-level checks."""
    return [ids(1, 2, at=AT), ids(2, 3, at=AT)]


def nothing_left(sink: Sink[Any]) -> None:
    """Assert that of a load nothing can be seen, and nothing is staged."""
    assert tables(sink) <= {"_imports"}
    assert sink.cursor("plays") is None
    assert sink.history("plays") == []


@pytest.mark.parametrize("check", TABLE_CHECKS, ids=lambda check: check["check"])
@pytest.mark.parametrize("mode", ["append", "replace", "merge", "scd2"])
def test_data_that_fails_a_check_of_the_whole_load_is_never_visible(
    tmp_path: Path, check: dict[str, Any], mode: str
) -> None:
    if check is UNIQUE and mode in ("merge", "scd2"):
        check = UNIQUE | {"columns": ["n"]}
    sink = duckdb_sink(tmp_path)
    batches = [b.append_column("n", pa.array([7, 7])) for b in bad()]
    write = {"mode": mode, "key": ["id"] if mode in ("merge", "scd2") else []}
    with pytest.raises(QualityViolation, match=f"acme__plays: nothing was .* {check['check']}"):
        load(sink, *batches, quality=[check], checkpoint=OFTEN, write=write)
    nothing_left(sink)


@pytest.mark.parametrize("check", TABLE_CHECKS, ids=lambda check: check["check"])
def test_a_warning_is_reported_and_the_load_passes(tmp_path: Path, check: dict[str, Any]) -> None:
    sink = duckdb_sink(tmp_path)
    report = load(sink, *bad(), quality=[check | {"severity": "warn"}], checkpoint=OFTEN)
    (result,) = report.checks
    assert (result.check, result.severity, result.passed) == (check["check"], "warn", False)
    assert result.message
    assert sorted(landed(sink)) == [1, 2, 2, 3]
    assert sink.cursor("plays") == {"batches": 2}


def test_a_bad_load_leaves_the_one_before_as_it_was(tmp_path: Path) -> None:
    """The cursor stays too, so the same rows are judged again once the data was mended."""
    sink, words = duckdb_sink(tmp_path), {"quality": [UNIQUE], "checkpoint": OFTEN}
    load(sink, ids(1), run="one", **words)
    with pytest.raises(QualityViolation):
        load(sink, ids(1), ids(2), ids(1), run="two", **words)
    assert landed(sink) == [1]
    assert sink.cursor("plays") == {"batches": 1}
    assert load(sink, ids(1), ids(2), ids(3), run="two", **words).rows == 2
    assert landed(sink) == [1, 2, 3]


def test_unique_also_looks_at_the_rows_of_earlier_loads(tmp_path: Path) -> None:
    sink = duckdb_sink(tmp_path)
    load(sink, ids(1), run="one", quality=[UNIQUE])
    with pytest.raises(QualityViolation, match="unique"):
        load(sink, ids(1), ids(1), run="two", quality=[UNIQUE])


@pytest.mark.parametrize(
    ("severity", "left", "aside"), [("error", [1, 3], 1), ("warn", [1, 2, 3], 0)]
)
def test_a_row_that_fails_a_row_check_is_set_aside_or_counted(
    tmp_path: Path, severity: str, left: list[int], aside: int
) -> None:
    sink = duckdb_sink(tmp_path)
    check = {"check": "not_null", "columns": ["n"], "severity": severity}
    report = load(sink, ids(1, 2, 3, n=[1, None, 1]), quality=[check])
    (result,) = report.checks
    assert (result.passed, result.failed_rows) == (False, 1)
    assert landed(sink) == left
    assert (report.rows, report.rejected) == (len(left), aside)


def test_row_counts_are_held_against_the_earlier_loads(tmp_path: Path) -> None:
    sink = duckdb_sink(tmp_path)
    words: dict[str, Any] = {
        "quality": [{"check": "row_count_anomaly", "history": 3, "severity": "error"}],
        "write": {"mode": "merge", "key": ["id"]},
    }
    batches = [ids(*range(100))]
    for number in range(3):
        load(sink, *batches, run=f"run {number}", **words)
        batches.append(ids(*range(100)))
    assert load(sink, *batches, run="usual", **words).checks[0].passed
    with pytest.raises(QualityViolation, match="row_count_anomaly: 1 rows"):
        load(sink, *batches, ids(1), run="few", **words)


def test_the_ledger_is_asked_for_as_many_loads_as_the_check_compares(tmp_path: Path) -> None:
    """``history: 30`` looks at thirty loads, not at the twenty that a ledger shows by default."""

    class Asked(DuckDBSink):
        limits: ClassVar[list[int]] = []

        def history(self, import_name: str, *, limit: int = 20) -> Sequence[LedgerEntry]:
            self.limits.append(limit)
            return super().history(import_name, limit=limit)

    sink = Asked(duckdb_sink(tmp_path).config, tenant="acme")
    load(sink, ids(1), run="one")
    assert Asked.limits == []
    check = {"check": "row_count_anomaly", "history": 30, "severity": "warn"}
    load(sink, ids(1), run="two", quality=[check])
    assert Asked.limits[0] >= 30


def test_a_load_run_again_is_not_compared_with_itself(tmp_path: Path) -> None:
    sink = duckdb_sink(tmp_path)
    check = {"check": "row_count_anomaly", "severity": "warn"}
    for _ in range(2):
        report = load(sink, ids(1), run="one", quality=[check])
        assert report.checks[0].message.startswith("0 earlier loads")


def test_a_frozen_contract_stops_a_load_whose_shape_is_new(tmp_path: Path) -> None:
    sink, words = duckdb_sink(tmp_path), {"contract": {"mode": "freeze"}}
    load(sink, ids(1), run="one", **words)
    with pytest.raises(ContractViolation, match="frozen"):
        load(sink, ids(1), ids(2, late=["x"]), run="two", **words)
    assert landed(sink) == [1]
    assert sink.cursor("plays") == {"batches": 1}


def test_a_bad_load_is_forgotten_so_that_a_retry_reads_it_afresh(tmp_path: Path) -> None:
    """Resuming behind the bad rows would publish half of what was agreed."""
    sink, words = duckdb_sink(tmp_path), {"checkpoint": OFTEN, "quality": [UNIQUE]}
    with pytest.raises(QualityViolation):
        load(sink, ids(1), ids(1), **words)
    mended = MemorySource([ids(1), ids(2)])
    report = run_import(plan(**words), source=mended, sink=sink, run=Run(run_id="run"))
    assert mended.read_from == [None]
    assert report.rows == 2
    assert landed(sink) == [1, 2]


NATURAL = {"contract": {"columns": {"n": {"type": "bigint", "required": True}}}}


def test_more_rejected_rows_than_allowed_stop_the_load_and_it_says_why(tmp_path: Path) -> None:
    sink = duckdb_sink(tmp_path)
    batches = [ids(1, 2, n=[1, None]), ids(3, 4, n=[None, 2])]
    with pytest.raises(TooManyRejected, match=r"2 of 4 rows .* max_rejected: 1\. .* 2 x .* n") as e:
        load(sink, *batches, max_rejected=1, **NATURAL)
    assert isinstance(e.value, DataError)
    nothing_left(sink)
    assert load(sink, *batches, max_rejected=2, **NATURAL).rejected == 2
    assert len(records(sink)) == 2


def test_what_an_earlier_attempt_rejected_counts_too(tmp_path: Path) -> None:
    """Otherwise a load that is often interrupted could reject any number of rows."""
    sink, words = duckdb_sink(tmp_path), {"max_rejected": 1, "checkpoint": OFTEN, **NATURAL}
    batches = [ids(1, 2, n=[1, None]), ids(3, 4, n=[1, None])]
    torn = MemorySource(batches, fails_at=1, failure=lambda: TransientError("gone"))
    run = Run(run_id="run")
    with pytest.raises(TransientError):
        run_import(plan(**words), source=torn, sink=sink, run=run)
    with pytest.raises(TooManyRejected, match="2 of 4"):
        run_import(plan(**words), source=MemorySource(batches), sink=sink, run=run)


def personal() -> pa.RecordBatch:
    return ids(*range(20), mail=[f"user{n}@mail.example.com" for n in range(20)])


def test_undeclared_personal_data_is_named_and_let_through(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    report = load(duckdb_sink(tmp_path), personal(), pii={"undeclared": "warn"})
    assert dict(report.undeclared_pii) == {"mail": "e-mail"}
    assert "acme__plays: mail looks like e-mail; declare it" in caplog.text
    assert "example.com" not in caplog.text


def test_undeclared_personal_data_stops_the_load_where_it_must(tmp_path: Path) -> None:
    sink = duckdb_sink(tmp_path)
    with pytest.raises(DataError, match="mail looks like e-mail") as caught:
        load(sink, personal(), pii={"undeclared": "fail"})
    assert "example.com" not in str(caught.value)
    nothing_left(sink)


@pytest.mark.parametrize(
    ("columns", "undeclared"), [({"mail": {"pii": "keep"}}, "fail"), ({}, "ignore")]
)
def test_declared_or_ignored_personal_data_passes(
    tmp_path: Path, columns: dict[str, Any], undeclared: str
) -> None:
    words: dict[str, Any] = {"contract": {"columns": columns}, "pii": {"undeclared": undeclared}}
    assert load(duckdb_sink(tmp_path), personal(), **words).undeclared_pii == {}


def test_a_check_of_a_column_that_is_not_there_is_a_mistake_of_the_plan(tmp_path: Path) -> None:
    check = {"check": "not_null", "columns": ["idd"]}
    with pytest.raises(ConfigurationError, match="did you mean 'id'"):
        load(duckdb_sink(tmp_path), ids(1), quality=[check])
