"""One import, from its source to its report: what lands, what is told, what stays as it was."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from airflow_provider_spotify.core.errors import QualityViolation, TransientError
from airflow_provider_spotify.core.model import Chunk, Run, Window
from airflow_provider_spotify.core.pipeline import run_import
from airflow_provider_spotify.core.progress import Snapshot
from airflow_provider_spotify.core.rejects import rejects
from tests.core.imports import (
    MemorySource,
    duckdb_sink,
    ids,
    landed,
    load,
    plan,
    records,
    rows,
    tables,
)

POSITIVE = {"check": "range", "column": "n", "min": 0}
DAY = Window(start=datetime(2026, 3, 1, tzinfo=UTC), end=datetime(2026, 3, 2, tzinfo=UTC))


def test_the_report_counts_what_landed_and_what_was_rejected(tmp_path: Path) -> None:
    sink = duckdb_sink(tmp_path)
    batches = [ids(1, 2, n=[5, -6]), ids(3, n=[7])]
    report = load(sink, *batches, quality=[POSITIVE])
    assert (report.rows, report.rejected) == (2, 1)
    assert report.bytes >= 2 * 2 * 8  # two rows of two columns of eight bytes
    assert rows(sink) == [{"id": 1, "n": 5}, {"id": 3, "n": 7}]
    assert [json.loads(record) for record in records(sink)] == [{"id": 2, "n": -6}]


def test_the_report_names_the_load_and_both_of_its_ends(tmp_path: Path) -> None:
    sink = duckdb_sink(tmp_path)
    report = load(sink, ids(1), run="monday")
    assert (report.tenant, report.import_name, report.table) == ("acme", "plays", "plays")
    assert report.run_id == "monday"
    assert report.source == ("memory", "batches")
    assert report.destination == sink.dataset("plays")
    assert report.started_at <= report.finished_at
    loads = sink.query("SELECT DISTINCT _load_id FROM plays").column(0).to_pylist()
    assert loads == [report.load_id]


def test_the_report_times_every_stage(tmp_path: Path) -> None:
    report = load(duckdb_sink(tmp_path), ids(1), ids(2))
    assert set(report.seconds) == {"read", "transform", "write", "publish"}
    assert all(seconds >= 0 for seconds in report.seconds.values())
    assert report.seconds["publish"] > 0


def test_each_load_goes_on_where_the_last_one_ended(tmp_path: Path) -> None:
    sink, batches = duckdb_sink(tmp_path), [ids(1), ids(2), ids(3)]
    first = load(sink, *batches[:2], run="one")
    second = load(sink, *batches, run="two")
    assert (first.cursor_before, first.cursor_after) == (None, {"batches": 2})
    assert (second.cursor_before, second.cursor_after) == ({"batches": 2}, {"batches": 3})
    assert second.rows == 1
    assert landed(sink) == [1, 2, 3]
    assert sink.cursor("plays") == {"batches": 3}


def test_a_load_that_finds_nothing_new_leaves_table_and_cursor(tmp_path: Path) -> None:
    sink = duckdb_sink(tmp_path)
    load(sink, ids(1), run="one")
    report = load(sink, ids(1), run="two")
    assert (report.rows, report.cursor_before, report.cursor_after) == (
        0,
        {"batches": 1},
        {"batches": 1},
    )
    assert landed(sink) == [1]
    assert sink.cursor("plays") == {"batches": 1}
    assert [entry.rows for entry in sink.history("plays")] == [0, 1]


def test_an_import_of_an_empty_source_leaves_a_row_in_the_ledger_only(tmp_path: Path) -> None:
    sink = duckdb_sink(tmp_path)
    report = load(sink)
    assert (report.rows, report.cursor_after) == (0, None)
    assert tables(sink) == {"_imports"}
    assert [entry.status for entry in sink.history("plays")] == ["committed"]


def test_replace_reads_everything_each_time(tmp_path: Path) -> None:
    """If it read only what is new, a run without news would leave an empty table."""
    sink, words = duckdb_sink(tmp_path), {"write": {"mode": "replace"}}
    load(sink, ids(1, 2), run="one", **words)
    assert load(sink, ids(1, 2), run="two", **words).rows == 2
    assert landed(sink) == [1, 2]


def test_replace_by_an_empty_source_empties_the_table_unless_a_check_forbids_it(
    tmp_path: Path,
) -> None:
    sink, words = duckdb_sink(tmp_path), {"write": {"mode": "replace"}}
    load(sink, ids(1, 2), run="one", **words)
    with pytest.raises(QualityViolation, match="row_count"):
        load(sink, run="two", quality=[{"check": "row_count", "min": 1}], **words)
    assert landed(sink) == [1, 2]
    load(sink, run="three", **words)
    assert landed(sink) == []


@pytest.mark.parametrize(
    "settings",
    [{"max_rejected": 0}, {"contract": {"mode": "freeze"}}, {"pii": {"undeclared": "fail"}}],
)
def test_what_may_be_stopped_as_a_whole_is_not_seen_before_its_end(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    """A checkpoint of an append is visible only if nothing can find the load bad later."""
    sink = duckdb_sink(tmp_path)
    torn = MemorySource([ids(1), ids(2)], fails_at=1, failure=lambda: TransientError("later"))
    with pytest.raises(TransientError):
        run_import(plan(**settings), source=torn, sink=sink, run=Run(run_id="run"))
    assert landed(sink) == []


def test_replace_empties_the_table_when_the_source_says_that_nothing_is_there(
    tmp_path: Path,
) -> None:
    """An empty batch is news: the source has no rows any more."""
    sink, words = duckdb_sink(tmp_path), {"write": {"mode": "replace"}}
    load(sink, ids(1, 2), run="one", **words)
    report = load(sink, ids(1).slice(0, 0), run="two", **words)
    assert (report.rows, report.cursor_after) == (0, {"batches": 1})
    assert landed(sink) == []


def test_replace_reads_everything_and_holds_what_the_last_load_read(tmp_path: Path) -> None:
    """Read from the cursor on, it would leave only what is new."""
    sink, words = duckdb_sink(tmp_path), {"write": {"mode": "replace"}}
    load(sink, ids(1), ids(2), run="one", **words)
    source = MemorySource([ids(1), ids(3)])
    run_import(plan(**words), source=source, sink=sink, run=Run(run_id="two"))
    assert source.read_from == [None]
    assert landed(sink) == [1, 3]


@pytest.mark.parametrize("mode", ["discard_row", "discard_value", "freeze"])
@pytest.mark.parametrize("empty", [[], [ids(1).slice(0, 0)]])
def test_a_load_without_rows_agrees_on_nothing(
    tmp_path: Path, mode: str, empty: list[pa.RecordBatch]
) -> None:
    """Otherwise the declared columns would be the whole contract, and the rest be refused."""
    sink = duckdb_sink(tmp_path)
    words = {"contract": {"mode": mode, "columns": {"said": {"type": "string"}}}}
    load(sink, *empty, run="one", **words)
    report = load(sink, *empty, ids(1, said=["x"], n=[2]), run="two", **words)
    assert (report.rows, report.rejected) == (1, 0)
    assert rows(sink) == [{"id": 1, "said": "x", "n": 2}]


def test_the_report_tells_how_the_table_changed(tmp_path: Path) -> None:
    sink = duckdb_sink(tmp_path)
    first = load(sink, ids(1, n=[1]), run="one")
    second = load(sink, ids(1, n=[1]), ids(2, n=[0.5], late=["x"]), run="two")
    assert first.schema_changes == ()
    changes = {(c.column, c.change, c.old, c.new) for c in second.schema_changes}
    assert {(column, change) for column, change, _, _ in changes} == {
        ("n", "widened"),
        ("late", "added"),
    }
    assert rows(sink) == [{"id": 1, "n": 1.0, "late": None}, {"id": 2, "n": 0.5, "late": "x"}]


def test_the_report_profiles_the_columns_and_names_the_masked_ones(tmp_path: Path) -> None:
    sink = duckdb_sink(tmp_path)
    columns = {"email": {"pii": "hash"}}
    report = load(sink, ids(1, 2, email=["a@b.example", None]), contract={"columns": columns})
    assert {(column.name, column.nulls) for column in report.columns} == {("id", 0), ("email", 1)}
    assert [(masked.name, masked.action) for masked in report.masked] == [("email", "hash")]
    assert "a@b.example" not in str(report)
    assert "a@b.example" not in str(rows(sink))


def test_records_that_the_source_rejects_are_kept_too(tmp_path: Path) -> None:
    class Torn(MemorySource):
        async def read(self, since: object, window: object = None) -> object:  # type: ignore[override]
            torn = rejects(["torn"], stage="source", reason=["not a row"])
            yield Chunk(ids(1), {"batches": 1}, torn)

    sink = duckdb_sink(tmp_path)
    report = run_import(plan(), source=Torn([]), sink=sink, run=Run(run_id="run"))
    assert (report.rows, report.rejected) == (1, 1)
    assert records(sink) == ["torn"]


def test_the_ledger_keeps_the_report(tmp_path: Path) -> None:
    sink = duckdb_sink(tmp_path)
    report = load(sink, ids(1, -2, n=[1, -1]), quality=[POSITIVE])
    (entry,) = sink.history("plays")
    assert entry.report is not None
    later = {"seconds", "finished_at"}  # publishing is not over when the ledger is written
    kept = entry.report.model_dump(mode="json", exclude=later)
    assert kept == report.model_dump(mode="json", exclude=later)
    assert (entry.rows, entry.rejected) == (1, 1)


def test_a_dry_run_reads_and_judges_and_writes_nothing(tmp_path: Path) -> None:
    sink = duckdb_sink(tmp_path)
    report = load(sink, ids(1, 2, n=[1, -1]), run=Run(run_id="x", dry_run=True), quality=[POSITIVE])
    assert report.dry_run
    assert (report.rows, report.rejected) == (1, 1)
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_starts_at_the_cursor_and_leaves_it(tmp_path: Path) -> None:
    sink, batches = duckdb_sink(tmp_path), [ids(1), ids(2, late=["x"])]
    load(sink, batches[0], run="one")
    report = load(sink, *batches, run=Run(run_id="two", dry_run=True))
    assert report.rows == 1
    assert [(change.column, change.change) for change in report.schema_changes] == [
        ("late", "added")
    ]
    assert rows(sink) == [{"id": 1}]
    assert sink.cursor("plays") == {"batches": 1}
    assert len(sink.history("plays")) == 1


def test_a_window_is_loaded_without_moving_the_cursor(tmp_path: Path) -> None:
    """Nor does its report say so: Airflow copies the report's cursor to where sensors look."""
    sink = duckdb_sink(tmp_path)
    load(sink, ids(1), run="one")
    source = MemorySource([ids(7), ids(8), ids(9)])
    report = run_import(plan(), source=source, sink=sink, run=Run(run_id="two", window=DAY))
    assert source.windows == [DAY]
    assert report.rows == 3
    assert sink.cursor("plays") == {"batches": 1}
    assert (report.cursor_before, report.cursor_after) == ({"batches": 1}, {"batches": 1})
    assert landed(sink) == [1, 7, 8, 9]


def test_a_window_loaded_again_is_there_once(tmp_path: Path) -> None:
    sink = duckdb_sink(tmp_path)
    load(sink, ids(7), ids(8), run=Run(run_id="one", window=DAY))
    load(sink, ids(7), ids(80), run=Run(run_id="two", window=DAY))
    assert landed(sink) == [7, 80]
    assert sink.cursor("plays") is None


def test_a_full_refresh_forgets_the_cursor_and_doubles_nothing(tmp_path: Path) -> None:
    sink = duckdb_sink(tmp_path)
    load(sink, ids(1), ids(2), run="one")
    report = load(sink, ids(1), ids(2), ids(3), run=Run(run_id="two", full_refresh=True))
    assert (report.rows, report.cursor_before) == (3, None)
    assert landed(sink) == [1, 2, 3]


def test_a_committed_load_run_again_replaces_its_rows(tmp_path: Path) -> None:
    """The second run of a load starts where the first did, also after others have followed."""
    sink, batches = duckdb_sink(tmp_path), [ids(1), ids(2), ids(3)]
    for number, run in enumerate(("one", "two", "three"), 1):
        load(sink, *batches[:number], run=run)
    report = load(sink, ids(1), ids(20), ids(30), run="two")
    assert report.cursor_before == {"batches": 1}
    assert landed(sink) == [1, 20, 30]
    statuses = {entry.run_id: entry.status for entry in sink.history("plays")}
    assert statuses == {"one": "committed", "two": "committed", "three": "superseded"}


@pytest.mark.parametrize("mode", ["merge", "scd2"])
def test_rows_of_one_key_meet_in_the_table(tmp_path: Path, mode: str) -> None:
    sink, words = duckdb_sink(tmp_path), {"write": {"mode": mode, "key": ["id"]}}
    load(sink, ids(1, 2, n=[1, 1]), run="one", **words)
    load(sink, ids(1, 2, n=[1, 1]), ids(2, 3, n=[2, 2]), run="two", **words)
    current = "" if mode == "merge" else "WHERE _is_current"
    found = sink.query(f"SELECT id, n FROM plays {current} ORDER BY id").to_pylist()
    assert found == [{"id": 1, "n": 1}, {"id": 2, "n": 2}, {"id": 3, "n": 2}]


def test_whoever_watches_is_told_the_end(tmp_path: Path) -> None:
    told: list[Snapshot] = []
    source = MemorySource([ids(1, 2), ids(3)])
    run = Run(run_id="run")
    report = run_import(
        plan(), source=source, sink=duckdb_sink(tmp_path), run=run, progress=told.append
    )
    assert (told[-1].name, told[-1].rows, told[-1].bytes) == ("acme__plays", 3, report.bytes)


def test_without_a_watcher_the_log_tells_the_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "airflow_provider_spotify.imports"):
        load(duckdb_sink(tmp_path), ids(1, 2))
    assert "acme__plays: 2 rows" in caplog.messages[-1]


def test_tenants_in_one_process_do_not_meet(tmp_path: Path) -> None:
    """The same import of two tenants has two cursors and two load ids."""
    (tmp_path / "b").mkdir()
    acme, borg = duckdb_sink(tmp_path), duckdb_sink(tmp_path / "b")
    borg.tenant = "borg"
    one = load(acme, ids(1))
    two = load(borg, ids(2), tenant="borg")
    assert one.load_id != two.load_id
    assert (landed(acme), landed(borg)) == ([1], [2])


def test_an_older_clock_changes_nothing_in_what_is_read(tmp_path: Path) -> None:
    """The order of loads is the order of their commits, not of their clocks."""
    sink = duckdb_sink(tmp_path)
    first = load(sink, ids(1), run="one")
    assert first.finished_at - first.started_at < timedelta(minutes=5)
    assert load(sink, ids(1), ids(2), run="two").cursor_before == first.cursor_after


def test_nested_and_wide_values_pass_unharmed(tmp_path: Path) -> None:
    sink = duckdb_sink(tmp_path)
    deep = {"a": [1, 2], "b": {"c": "é"}}
    big = 2**62
    batch = pa.RecordBatch.from_pylist([{"id": big, "deep": deep, "said": "\U0001f3b5 'x' \"y\""}])
    load(sink, batch)
    assert rows(sink) == [{"id": big, "deep": deep, "said": "\U0001f3b5 'x' \"y\""}]


def test_the_same_key_gives_the_same_values_in_every_load(tmp_path: Path) -> None:
    """What is hashed can be joined, whichever load brought it."""
    sink, words = duckdb_sink(tmp_path), {"contract": {"columns": {"said": {"pii": "hash"}}}}
    load(sink, ids(1, said=["a"]), run="one", **words)
    load(sink, ids(1, said=["a"]), ids(2, 3, said=["a", "b"]), run="two", **words)
    one, two, three = (row["said"] for row in rows(sink))
    assert one == two != three


def test_rows_that_the_destination_cannot_hold_are_reported_as_rejected(
    tmp_path: Path,
) -> None:
    """A key without a value cannot be merged; the row is kept among the rejects."""
    sink = duckdb_sink(tmp_path)
    batch = pa.RecordBatch.from_pydict({"id": [1, None, 3]})
    report = load(sink, batch, write={"mode": "merge", "key": ["id"]})
    assert (report.rows, report.rejected) == (2, 1)
    assert landed(sink) == [1, 3]
    entry = sink.history("plays")[0]
    assert (entry.rows, entry.rejected) == (2, 1)
