"""A stream is read on and on: rows are seen soon, and the load ends by the clock or in silence."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_spotify.core import pace
from airflow_provider_spotify.core.errors import Cancelled, ConfigurationError, Idle
from airflow_provider_spotify.core.model import LoadReport, Run
from airflow_provider_spotify.core.pipeline import run_import
from airflow_provider_spotify.core.sinks.base import Sink
from airflow_provider_spotify.core.testing.memory import MemoryStream
from tests.core.imports import (
    MemorySource,
    Noting,
    duckdb_sink,
    ids,
    landed,
    noting,
    plan,
)

SOON = {"within": "50ms", "run_for": "1h", "idle": "400ms"}
PATIENCE = 60


class Clock:
    """The time of a load's pace: what a test says, not what this machine takes."""

    def __init__(self) -> None:
        self._now = 1_000.0

    def monotonic(self) -> float:
        """Return the seconds, which pass in ``move`` alone."""
        return self._now

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Let the test say how late it is for every load of it."""
    clock = Clock()
    monkeypatch.setattr(pace, "time", clock)
    return clock


class Following:
    """A load of a stream in a thread of its own.

    :param words: arguments of ``run_import``
    """

    def __init__(self, stream: MemoryStream, sink: Noting, words: Any = None, **flush: Any) -> None:
        self.cancel = threading.Event()
        self.report: LoadReport | None = None
        self.error: BaseException | None = None
        self._sink, self._before = sink, sink.noted.count("write")
        self._arguments = (plan(flush={**SOON, **flush}), stream, words or {})
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        made, stream, words = self._arguments
        given = {"run": Run(run_id="run"), "cancel": self.cancel, **words}
        try:
            self.report = run_import(made, source=stream, sink=self._sink, **given)
        except BaseException as error:
            self.error = error

    @property
    def goes_on(self) -> bool:
        return self._thread.is_alive()

    @property
    def written(self) -> int:
        """How many chunks the sink was given."""
        return self._sink.noted.count("write") - self._before

    def writes(self, chunks: int) -> None:
        """Wait until the sink was given so many chunks."""
        deadline = time.monotonic() + PATIENCE
        while self.written < chunks:
            assert self.goes_on, self.error
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def join(self, clock: Clock | None = None) -> LoadReport:
        """Wait for the end; let a clock run fast until then."""
        deadline = time.monotonic() + PATIENCE
        while self.goes_on and time.monotonic() < deadline:
            if clock:
                clock.move(0.1)
            self._thread.join(0.05)
        assert not self.goes_on
        if self.error:
            raise self.error
        assert self.report
        return self.report


def seen(sink: Sink[Any], wanted: list[int], *, seconds: float = PATIENCE) -> bool:
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
    stream, sink = MemoryStream([ids(1)]), noting(tmp_path)
    following = Following(stream, sink, idle="10m")
    assert seen(sink, [1])
    stream.produce(ids(2, 3))
    assert seen(sink, [1, 2, 3])
    assert following.report is None
    following.cancel.set()
    with pytest.raises(Cancelled):
        following.join()


def test_silence_ends_the_load(tmp_path: Path, clock: Clock) -> None:
    """A stream that gives nothing for ``idle`` ends its load with a report of all its rows."""
    stream, sink = MemoryStream([ids(1), ids(2)]), noting(tmp_path)
    following = Following(stream, sink)
    following.writes(2)
    report = following.join(clock)
    assert (report.rows, report.cursor_after) == (2, {"batches": 2})
    assert sink.cursor("plays") == {"batches": 2}


def test_the_clock_ends_the_load_of_a_busy_stream(tmp_path: Path, clock: Clock) -> None:
    """A stream that never falls silent ends after ``run_for``."""
    stream, sink = MemoryStream([ids(0)]), noting(tmp_path)
    following = Following(stream, sink, run_for="600ms", idle="10m")
    deadline = time.monotonic() + PATIENCE
    while following.goes_on and time.monotonic() < deadline:
        stream.produce(ids(len(stream.batches)))
        time.sleep(0.01)
        if following.written > 5:
            clock.move(0.05)
    report = following.join()
    assert 5 < report.rows <= len(stream.batches)
    assert landed(sink) == list(range(report.rows))


def test_it_ends_at_the_moment_its_caller_names(tmp_path: Path, clock: Clock) -> None:
    """``until`` comes before ``run_for``."""
    stream, sink = MemoryStream([ids(1)]), noting(tmp_path)
    until = datetime.now(UTC) + timedelta(minutes=1)
    following = Following(stream, sink, {"until": until}, idle="1h")
    following.writes(1)
    assert following.goes_on
    clock.move(60)
    following.join()
    assert landed(sink) == [1]


def test_a_silent_stream_may_be_left_and_the_same_load_goes_on(
    tmp_path: Path, clock: Clock
) -> None:
    """Idle leaves what came visible, and the same run adds to it without reading it again."""
    stream, sink = MemoryStream([ids(1)]), noting(tmp_path)
    left = Following(stream, sink, {"when_idle": "raise"})
    left.writes(1)
    with pytest.raises(Idle):
        left.join(clock)
    assert landed(sink) == [1]
    stream.produce(ids(2))
    again = Following(stream, sink)
    again.writes(1)
    report = again.join(clock)
    assert landed(sink) == [1, 2]
    assert report.rows == 2


def test_a_load_that_was_cancelled_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelling keeps what is visible; the same run adds the rest once."""
    stream, sink = MemoryStream([ids(1)]), noting(tmp_path)
    following = Following(stream, sink, idle="10m")
    assert seen(sink, [1])
    following.cancel.set()
    with pytest.raises(Cancelled):
        following.join()
    stream.produce(ids(2))
    clock = Clock()
    monkeypatch.setattr(pace, "time", clock)
    again = Following(stream, sink)
    again.writes(1)
    assert again.join(clock).rows == 2
    assert landed(sink) == [1, 2]


def test_a_flush_waits_for_its_rows_or_its_time(tmp_path: Path, clock: Clock) -> None:
    """A flush comes when enough rows wait, not with each chunk."""
    batches = [ids(number) for number in range(20)]
    sink = noting(tmp_path)
    following = Following(MemoryStream(batches), sink, rows=5, within="20s")
    following.writes(20)
    following.join(clock)
    flushed = [note[1] for note in sink.noted if note[0] == "checkpoint"]
    assert flushed[:4] == [5, 10, 15, 20]


def test_the_source_learns_what_is_visible(tmp_path: Path, clock: Clock) -> None:
    """The last receipt is the committed cursor, and none goes beyond what was visible then."""
    stream, sink = MemoryStream([ids(1), ids(2)]), noting(tmp_path)
    following = Following(stream, sink)
    following.writes(2)
    following.join(clock)
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
        Following(MemorySource([ids(1)]), noting(tmp_path)).join()  # type: ignore[arg-type]
