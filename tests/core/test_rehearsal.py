"""A rehearsal stands where a load would, and keeps nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from airflow_provider_spotify.core.config.plans import WritePlan
from airflow_provider_spotify.core.config.rules import Unique
from airflow_provider_spotify.core.model import Run, SchemaChange
from airflow_provider_spotify.core.rehearsal import Rehearsal
from airflow_provider_spotify.core.sinks.base import LoadSpec, Progress
from airflow_provider_spotify.core.testing.loads import rejected_records, report
from tests.core.imports import duckdb_sink, ids, landed, load

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def spec(**words: bool) -> LoadSpec:
    run = Run.model_validate({"run_id": "dry", "dry_run": True, **words})
    return LoadSpec("acme", "plays", "plays", WritePlan(), 1, run, NOW)


def test_it_starts_where_a_load_would_start(tmp_path: Path) -> None:
    sink = duckdb_sink(tmp_path)
    load(sink, ids(1))
    rehearsal = Rehearsal(sink, spec())
    assert (rehearsal.since, rehearsal.schema) == ({"batches": 1}, sink.schema("plays"))
    assert Rehearsal(sink, spec(full_refresh=True)).since is None


def test_it_takes_everything_and_keeps_nothing(tmp_path: Path) -> None:
    sink = duckdb_sink(tmp_path)
    with Rehearsal(sink, spec()) as rehearsal:
        rehearsal.write(ids(1))
        rehearsal.reject(rejected_records("{}"))
        rehearsal.checkpoint(Progress({"batches": 1}, ids(1).schema, 1, 1))
        rehearsal.abandon()
        rehearsal.publish(Progress({"batches": 1}, ids(1).schema, 1, 1), report(spec()))
    assert list(tmp_path.iterdir()) == []
    load(sink, ids(7))
    with Rehearsal(sink, spec()) as rehearsal:
        rehearsal.write(ids(8))
        rehearsal.publish(Progress({"batches": 2}, ids(1).schema, 1, 0), report(spec()))
    assert landed(sink) == [7]
    assert sink.cursor("plays") == {"batches": 1}


def test_it_repeats_how_the_table_would_change(tmp_path: Path) -> None:
    change = SchemaChange(column="late", change="added", new="string")
    rehearsal = Rehearsal(duckdb_sink(tmp_path), spec())
    told = report(spec()).model_copy(update={"schema_changes": (change,)})
    assert rehearsal.publish(Progress(None, None, 0, 0), told) == (change,)


def test_it_says_of_a_check_that_only_a_table_can_judge_it(tmp_path: Path) -> None:
    check = Unique(check="unique", columns=["id"], severity="warn")
    result = Rehearsal(duckdb_sink(tmp_path), spec()).audit(check)
    assert (result.check, result.columns, result.severity) == ("unique", ("id",), "warn")
    assert result.passed
    assert result.message == "not judged in a dry run"
