"""A stream is read on and on: rows are seen soon, and the load ends by the clock or in silence."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_spotify.core.errors import Cancelled, ConfigurationError, Idle
from airflow_provider_spotify.core.model import LoadReport, Run
from airflow_provider_spotify.core.pipeline import run_import
from airflow_provider_spotify.core.sinks.base import Sink
from airflow_provider_spotify.core.testing.memory import MemoryStream
from tests.core.imports import MemorySource, duckdb_sink, ids, landed, noting, plan

SOON = {"within": "50ms", "run_for": "20s", "idle": "400ms"}


class Following:
    """A load of a stream in a thread of its own."""

    def __init__(self, stream: MemoryStream, sink: Sink[Any], **flush: Any) -> None:
        self.cancel = threading.Event()
        self.report: LoadReport | None = None
        self.error: BaseException | None = None
        self._arguments = (plan(flush={**SOON, **flush}), stream, sink)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        made, stream, sink = self._arguments
        try:
            run = Run(run_id="run")
            self.report = run_import(made, source=stream, sink=sink, run=run, cancel=self.cancel)
        except BaseException as error:
            self.error = error

    def join(self) -> LoadReport:
        self._thread.join(30)
        assert not self._thread.is_alive()
        if self.error:
            raise self.error
        assert self.report
        return self.report


def seen(sink: Sink[Any], wanted: list[int], *, seconds: float = 10) -> bool:
    """Wait until a reader of the table sees these ids."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(ConfigurationError):  # nothing was imported yet
            if landed(sink) == wanted:
                return True
        time.sleep(0.02)
    return False


def test_rows_are_seen_while_the_load_goes_on(tmp_path: Path) -> None:
    """What is produced is in the table while the load is still under way."""
    stream, sink = MemoryStream([ids(1)]), duckdb_sink(tmp_path)
    following = Following(stream, sink, idle="5s")
    assert seen(sink, [1])
    stream.produce(ids(2, 3))
    assert seen(sink, [1, 2, 3])
    assert following.report is None
    following.cancel.set()
    with pytest.raises(Cancelled):
        following.join()


def test_silence_ends_the_load(tmp_path: Path) -> None:
    """A stream that gives nothing for ``idle`` ends its load with a report of all its rows."""
    stream, sink = MemoryStream([ids(1), ids(2)]), duckdb_sink(tmp_path)
    report = Following(stream, sink).join()
    assert (report.rows, report.cursor_after) == (2, {"batches": 2})
    assert sink.cursor("plays") == {"batches": 2}


def test_the_clock_ends_the_load_of_a_busy_stream(tmp_path: Path) -> None:
    """A stream that never falls silent ends after ``run_for``."""
    stream, sink = MemoryStream([ids(0)]), duckdb_sink(tmp_path)
    following = Following(stream, sink, run_for="600ms")
    for number in range(1, 40):
        time.sleep(0.03)
        stream.produce(ids(number))
    report = following.join()
    assert 0 < report.rows < 40
    assert landed(sink) == list(range(report.rows))


def test_it_ends_at_the_moment_its_caller_names(tmp_path: Path) -> None:
    """``until`` comes before ``run_for``."""
    stream, sink = MemoryStream([ids(1)]), duckdb_sink(tmp_path)
    begun = time.monotonic()
    until = datetime.now(UTC) + timedelta(milliseconds=300)
    made = plan(flush={**SOON, "idle": "30s"})
    run_import(made, source=stream, sink=sink, run=Run(run_id="run"), until=until)
    assert time.monotonic() - begun < 5
    assert landed(sink) == [1]


def test_a_silent_stream_may_be_left_and_the_same_load_goes_on(tmp_path: Path) -> None:
    """Idle leaves what came visible, and the same run adds to it without reading it again."""
    stream, sink = MemoryStream([ids(1)]), duckdb_sink(tmp_path)
    made, run = plan(flush=SOON), Run(run_id="run")
    with pytest.raises(Idle):
        run_import(made, source=stream, sink=sink, run=run, when_idle="raise")
    assert landed(sink) == [1]
    stream.produce(ids(2))
    report = run_import(made, source=stream, sink=sink, run=run)
    assert landed(sink) == [1, 2]
    assert report.rows == 2


def test_a_load_that_was_cancelled_goes_on_where_it_was(tmp_path: Path) -> None:
    """Cancelling keeps what is visible; the same run adds the rest once."""
    stream, sink = MemoryStream([ids(1)]), duckdb_sink(tmp_path)
    following = Following(stream, sink, idle="10s")
    assert seen(sink, [1])
    following.cancel.set()
    with pytest.raises(Cancelled):
        following.join()
    stream.produce(ids(2))
    assert Following(stream, sink).join().rows == 2
    assert landed(sink) == [1, 2]


def test_a_flush_waits_for_its_rows_or_its_time(tmp_path: Path) -> None:
    """A flush comes when enough rows wait, not with each chunk."""
    batches = [ids(number) for number in range(20)]
    sink = noting(tmp_path)
    Following(MemoryStream(batches), sink, rows=5, within="20s").join()
    flushed = [note[1] for note in sink.noted if note[0] == "checkpoint"]
    assert flushed[:4] == [5, 10, 15, 20]


def test_the_source_learns_what_is_visible(tmp_path: Path) -> None:
    """The last receipt is the committed cursor, and none goes beyond what was visible then."""
    stream, sink = MemoryStream([ids(1), ids(2)]), duckdb_sink(tmp_path)
    Following(stream, sink).join()
    assert stream.receipts[-1] == {"batches": 2} == sink.cursor("plays")


def test_an_ordinary_load_gives_one_receipt_after_it_is_published(tmp_path: Path) -> None:
    """Without ``flush`` the source learns of the commit, too; a dry run tells nothing."""
    stream, sink = MemoryStream([ids(1)]), duckdb_sink(tmp_path)
    run_import(plan(), source=stream, sink=sink, run=Run(run_id="dry", dry_run=True))
    assert stream.receipts == []
    run_import(plan(), source=stream, sink=sink, run=Run(run_id="run"))
    assert stream.receipts == [{"batches": 1}]


def test_what_is_no_stream_cannot_be_followed(tmp_path: Path) -> None:
    """``flush`` for a source that ends is a configuration error that says so."""
    with pytest.raises(ConfigurationError, match="no stream"):
        Following(MemorySource([ids(1)]), duckdb_sink(tmp_path)).join()  # type: ignore[arg-type]
