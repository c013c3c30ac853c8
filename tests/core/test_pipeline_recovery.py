"""A load that stops half-way goes on from its last checkpoint, whatever stopped it."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_spotify.core.errors import (
    Cancelled,
    ImporterError,
    QuotaExhausted,
    TransientError,
)
from airflow_provider_spotify.core.model import Chunk, Cursor, LoadReport, Run, Window
from airflow_provider_spotify.core.pipeline import run_import
from airflow_provider_spotify.core.progress import Snapshot
from airflow_provider_spotify.core.sinks.base import Sink
from tests.core.imports import (
    MemorySource,
    Waiting,
    duckdb_sink,
    ids,
    landed,
    load,
    noting,
    plan,
    records,
)

RUN = Run(run_id="run")
BATCHES = [ids(1), ids(2), ids(3), ids(4)]
MODES: list[dict[str, Any]] = [
    {"write": {"mode": "append"}},
    {"write": {"mode": "append"}, "quality": [{"check": "unique", "columns": ["id"]}]},
    {"write": {"mode": "replace"}},
    {"write": {"mode": "merge", "key": ["id"]}},
]
NEVER = {"rows": 1_000_000, "every": "1h"}


def run(sink: Sink[Any], source: MemorySource, **settings: Any) -> LoadReport:
    return run_import(plan(**settings), source=source, sink=sink, run=RUN)


def failing(at: int, failure: Callable[[], ImporterError]) -> MemorySource:
    return MemorySource(BATCHES, fails_at=at, failure=failure)


def later() -> ImporterError:
    return TransientError("the source is away", retry_after=7)


@pytest.mark.parametrize("words", MODES, ids=["append", "staged append", "replace", "merge"])
def test_the_same_run_goes_on_where_a_failure_left_it(
    tmp_path: Path, words: dict[str, Any]
) -> None:
    sink = duckdb_sink(tmp_path)
    with pytest.raises(TransientError, match="away") as caught:
        run(sink, failing(2, later), checkpoint=NEVER, **words)
    assert caught.value.retry_after == 7
    source = MemorySource(BATCHES)
    report = run(sink, source, **words)
    assert source.read_from == [{"batches": 2}]
    assert (report.rows, report.cursor_after) == (4, {"batches": 4})
    assert landed(sink) == [1, 2, 3, 4]
    assert [(entry.status, entry.rows) for entry in sink.history("plays")] == [("committed", 4)]


def test_a_failure_of_a_load_with_checks_shows_nothing(tmp_path: Path) -> None:
    sink = duckdb_sink(tmp_path)
    check = {"check": "row_count", "min": 4}
    with pytest.raises(TransientError):
        run(sink, failing(3, later), quality=[check])
    assert landed(sink) == []
    assert sink.cursor("plays") is None
    assert run(sink, MemorySource(BATCHES), quality=[check]).rows == 4


def test_a_quota_that_is_used_up_keeps_the_cursor(tmp_path: Path) -> None:
    """The worker is free at once; the run that comes after the wait reads on from there."""
    sink = duckdb_sink(tmp_path)
    with pytest.raises(QuotaExhausted) as caught:
        run(sink, failing(2, lambda: QuotaExhausted("come back", retry_after=80_000)))
    assert caught.value.retry_after == 80_000
    assert sink.cursor("plays") == {"batches": 2}
    source = MemorySource(BATCHES)
    run(sink, source)
    assert source.read_from == [{"batches": 2}]


def test_rejects_of_both_attempts_are_kept_once(tmp_path: Path) -> None:
    sink, check = duckdb_sink(tmp_path), {"check": "range", "column": "n", "min": 0}
    batches = [ids(number, -number, n=[1, -1]) for number in range(1, 5)]
    torn = MemorySource(batches, fails_at=2, failure=later)
    with pytest.raises(TransientError):
        run(sink, torn, quality=[check])
    report = run(sink, MemorySource(batches), quality=[check])
    assert (report.rows, report.rejected) == (4, 4)
    assert len(records(sink)) == 4


def test_checkpoints_come_after_so_many_rows(tmp_path: Path) -> None:
    sink = noting(tmp_path)
    load(sink, *[ids(1, 2)] * 5, checkpoint={"rows": 4, "every": "1h"})
    checkpoints = [note[1] for note in sink.noted if note[0] == "checkpoint"]
    assert checkpoints == [4, 8]


def test_checkpoints_come_after_so_much_time(tmp_path: Path) -> None:
    sink = noting(tmp_path)
    sink.before = lambda name: time.sleep(0.03 if name == "write" else 0)
    load(sink, *[ids(1)] * 4, checkpoint={"rows": 1_000_000, "every": "20ms"})
    checkpoints = [note[1] for note in sink.noted if note[0] == "checkpoint"]
    early = checkpoints[0] == 0  # reading began later than that
    assert checkpoints[early:] == [1, 2, 3]


@pytest.mark.parametrize("mode", ["append", "replace"])
def test_a_source_that_begins_anew_is_not_doubled_when_publishing_fails(
    tmp_path: Path, mode: str
) -> None:
    """Its last cursor means "from the start", so a load is never checkpointed with it."""

    class Anew(MemorySource):
        async def read(
            self, since: Cursor | None, window: Window | None = None
        ) -> AsyncIterator[Chunk]:
            async for batch, cursor, rejected in super().read(since, window):
                last = cursor["batches"] == len(self.batches)
                yield Chunk(batch, {"batches": 0} if last else cursor, rejected)

    sink = noting(tmp_path)

    def once(name: str) -> None:
        if name == "publish":
            sink.before = lambda _: None
            raise TransientError("the warehouse is away")

    sink.before = once
    words = {"write": {"mode": mode}, "checkpoint": {"rows": 1}, "max_rejected": 9}
    with pytest.raises(TransientError, match="warehouse"):
        run(sink, Anew(BATCHES), **words)
    run(sink, Anew(BATCHES), **words)
    assert landed(sink) == [1, 2, 3, 4]


def test_a_checkpoint_knows_nothing_of_what_is_still_to_be_written(tmp_path: Path) -> None:
    """The transforms run ahead; the schema kept with a cursor is of the rows before it."""
    sink = noting(tmp_path)
    arrived = threading.Event()
    sink.before = lambda name: arrived.wait(5) if name == "write" else None

    class Ahead(MemorySource):
        async def read(
            self, since: Cursor | None, window: Window | None = None
        ) -> AsyncIterator[Chunk]:
            async for chunk in super().read(since, window):
                yield chunk
            threading.Timer(0.2, arrived.set).start()  # time for the transforms to finish

    source = Ahead([ids(1), ids(2, late=["x"]), ids(3, late=["y"])])
    run(sink, source, checkpoint={"rows": 1})
    assert [schema.names for schema in sink.schemas if schema] == [["id"], ["id", "late"]]


@pytest.mark.parametrize("fails", ["write", "checkpoint", "publish"])
def test_a_sink_that_cannot_answer_loses_and_doubles_nothing(tmp_path: Path, fails: str) -> None:
    sink = noting(tmp_path)

    def once(name: str) -> None:
        if name == fails and sink.noted.count("write") >= 2:
            sink.before = lambda _: None
            raise TransientError("the warehouse is away")

    sink.before = once
    with pytest.raises(TransientError, match="warehouse"):
        run(sink, MemorySource(BATCHES), checkpoint={"rows": 2})
    assert run(sink, MemorySource(BATCHES), checkpoint={"rows": 2}).rows == 4
    assert landed(sink) == [1, 2, 3, 4]


def test_two_loads_of_one_import_exclude_each_other(tmp_path: Path) -> None:
    """The second is told to try again; the first is not disturbed."""
    sink, hold, began = duckdb_sink(tmp_path), threading.Event(), threading.Event()

    class Begun(MemorySource):
        async def read(
            self, since: Cursor | None, window: Window | None = None
        ) -> AsyncIterator[Chunk]:
            began.set()
            async for chunk in super().read(since, window):
                yield chunk

    reports: list[LoadReport] = []
    first = threading.Thread(
        target=lambda: reports.append(run(sink, Begun([ids(1)], hold=hold))), daemon=True
    )
    first.start()
    try:
        assert began.wait(60)
        with pytest.raises(TransientError, match="under way"):
            load(sink, ids(2), run="second")
        load(sink, ids(3), run="third", name="other", table="other")
    finally:
        hold.set()
        first.join(60)
    assert [report.rows for report in reports] == [1]
    assert load(sink, ids(1), ids(2), run="second").rows == 1
    assert (landed(sink), landed(sink, "other")) == ([1, 2], [3])


def test_a_cancelled_load_ends_within_a_second_and_keeps_what_it_read(tmp_path: Path) -> None:
    sink, cancel, told = noting(tmp_path), threading.Event(), []
    source, written = Waiting(BATCHES), threading.Event()

    def when_all_is_written(name: str) -> None:
        if sink.noted.count("write") == len(BATCHES):
            written.set()

    def when_it_waits() -> None:
        source.waits.wait(60)
        written.wait(60)
        told.append(time.monotonic())
        cancel.set()

    sink.before = when_all_is_written
    threading.Thread(target=when_it_waits, daemon=True).start()
    with pytest.raises(Cancelled):
        run_import(plan(), source=source, sink=sink, run=RUN, cancel=cancel)
    assert time.monotonic() - told[0] < 3  # a second, on a machine that has other work
    assert sink.cursor("plays") == {"batches": 4}
    assert run(sink, MemorySource([*BATCHES, ids(5)])).rows == 5
    assert landed(sink) == [1, 2, 3, 4, 5]


def test_a_cancel_is_heard_when_everything_was_read_already(tmp_path: Path) -> None:
    """A slow sink behind a source that has ended still stops at the next batch."""
    sink, cancel = noting(tmp_path), threading.Event()

    def cancel_after_reading(name: str) -> None:
        while any(thread.name == "read" for thread in threading.enumerate()):
            time.sleep(0.01)
        if name == "write":
            cancel.set()

    sink.before = cancel_after_reading
    with pytest.raises(Cancelled, match="writing"):
        run_import(plan(), source=MemorySource(BATCHES), sink=sink, run=RUN, cancel=cancel)
    assert sink.noted.count("write") == 1
    assert landed(sink) == [1]
    assert run(duckdb_sink(tmp_path), MemorySource(BATCHES)).rows == 4


def test_a_watcher_that_fails_is_no_reason_to_fail_the_load(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sink = duckdb_sink(tmp_path)

    def broken(snapshot: Snapshot) -> None:
        raise OSError("the terminal is gone")

    report = run_import(plan(), source=MemorySource(BATCHES), sink=sink, run=RUN, progress=broken)
    assert report.rows == 4
    assert landed(sink) == [1, 2, 3, 4]
    assert "the terminal is gone" in caplog.text


def test_freshness_also_knows_the_rows_of_earlier_attempts(tmp_path: Path) -> None:
    sink = duckdb_sink(tmp_path)
    words = plan(quality=[{"check": "freshness", "column": "at", "within": "1d"}])
    batches = [ids(1, at=[datetime.now(UTC)]), ids(2, at=[datetime(2020, 1, 1, tzinfo=UTC)])]
    torn = MemorySource(batches, fails_at=1, failure=lambda: TransientError("later"))
    with pytest.raises(TransientError):
        run_import(words, source=torn, sink=sink, run=Run(run_id="run"))
    report = run_import(words, source=MemorySource(batches), sink=sink, run=Run(run_id="run"))
    assert report.rows == 2
    assert report.checks[0].passed


def test_the_report_of_a_resumed_load_says_where_the_load_began(tmp_path: Path) -> None:
    sink, batches = duckdb_sink(tmp_path), [ids(1), ids(2)]
    torn = MemorySource(batches, fails_at=1, failure=lambda: TransientError("later"))
    with pytest.raises(TransientError):
        run_import(plan(), source=torn, sink=sink, run=Run(run_id="run"))
    report = run_import(plan(), source=MemorySource(batches), sink=sink, run=Run(run_id="run"))
    assert report.rows == 2
    assert report.cursor_before is None
    assert sink.history("plays")[0].cursor_before is None
