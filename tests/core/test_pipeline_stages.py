"""The three stages of a load overlap in bounded memory, and end together whatever happens."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from airflow_provider_spotify.core.errors import ConfigurationError, ContractViolation
from airflow_provider_spotify.core.flow import LANE_BYTES
from airflow_provider_spotify.core.model import Chunk, Cursor, Run, Window
from airflow_provider_spotify.core.pipeline import run_import
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
    tables,
)

RUN = Run(run_id="run")


@pytest.fixture(autouse=True)
def _no_thread_stays() -> Iterator[None]:
    """After every load, however it ended, there is no thread that was not there before it."""
    before = set(threading.enumerate())  # some of them may end meanwhile
    yield
    assert not set(threading.enumerate()) - before


class Broken(MemorySource):
    """Yields a batch, then what no source should: an error of its own, or something odd."""

    def __init__(self, *, yields: Any = None) -> None:
        super().__init__([ids(1)])
        self.yields = yields
        self.closed = False

    async def read(
        self, since: Cursor | None, window: Window | None = None
    ) -> AsyncIterator[Chunk]:
        try:
            yield Chunk(ids(1), {"batches": 1})
            if self.yields is None:
                raise LookupError("the source has a bug")
            for number in range(2, 1000):
                yield Chunk(self.yields, {"batches": number})
        finally:
            self.closed = True


def nothing_is_left(sink: Sink[Any]) -> None:
    """Assert that nothing can be seen or waits, and that the import can be loaded at once."""
    assert tables(sink) <= {"_imports"}
    assert sink.history("plays") == []
    load(sink, ids(1), run="next")
    assert landed(sink) == [1]


def test_an_error_in_the_source_ends_the_load(tmp_path: Path) -> None:
    sink = duckdb_sink(tmp_path)
    with pytest.raises(LookupError, match="bug"):
        run_import(plan(), source=Broken(), sink=sink, run=RUN)
    nothing_is_left(sink)


def test_an_error_in_a_transform_ends_the_source_too(tmp_path: Path) -> None:
    """A source in the middle of its reading is closed, so that it frees what it holds."""
    sink, source = duckdb_sink(tmp_path), Broken(yields="no batch")
    with pytest.raises(AttributeError):
        run_import(plan(), source=source, sink=sink, run=RUN)
    assert source.closed
    nothing_is_left(sink)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ({"contract": {"mode": "freeze", "columns": {"id": {"type": "date"}}}}, ContractViolation),
        ({"quality": [{"check": "not_null", "columns": ["x"]}]}, ConfigurationError),
    ],
)
def test_a_refusal_of_the_transforms_ends_the_load(
    tmp_path: Path, words: dict[str, Any], error: type[Exception]
) -> None:
    sink = duckdb_sink(tmp_path)
    with pytest.raises(error):
        load(sink, *[ids(1)] * 50, **words)
    nothing_is_left(sink)


@pytest.mark.parametrize("fails", ["write", "publish"])
def test_an_error_in_the_sink_ends_the_stages_before_it(tmp_path: Path, fails: str) -> None:
    sink, source = noting(tmp_path), Broken(yields=ids(2))

    def bug(name: str) -> None:
        if name == fails:
            raise ZeroDivisionError("the sink has a bug")

    sink.before = bug
    with pytest.raises(ZeroDivisionError):
        run_import(plan(), source=source, sink=sink, run=RUN)
    assert source.closed
    nothing_is_left(duckdb_sink(tmp_path))


def test_a_sink_that_fails_does_not_wait_for_a_source_that_waits(tmp_path: Path) -> None:
    """The source may be hours from its next row; the error is known at once."""
    sink, source = noting(tmp_path), Waiting([ids(1)])

    def bug(name: str) -> None:
        source.waits.wait(60)
        raise ZeroDivisionError("the sink has a bug")

    sink.before = bug
    began = time.monotonic()
    with pytest.raises(ZeroDivisionError):
        run_import(plan(), source=source, sink=sink, run=RUN)
    assert time.monotonic() - began < 30


def test_a_caller_that_is_interrupted_does_not_wait_for_a_source_that_waits(
    tmp_path: Path,
) -> None:
    """Ctrl-C and Airflow's end of a task arrive as an exception wherever the caller stands."""
    source = Waiting([ids(1)])

    def interrupted(name: str) -> None:
        raise KeyboardInterrupt

    sink = noting(tmp_path)
    sink.before = interrupted
    with pytest.raises(KeyboardInterrupt):
        run_import(plan(), source=source, sink=sink, run=RUN)
    nothing_is_left(duckdb_sink(tmp_path))


def test_a_fast_source_waits_for_a_slow_sink(tmp_path: Path) -> None:
    """No more than two lanes of bytes wait, however much there is to read."""
    batch = pa.RecordBatch.from_pydict({"id": pa.array(range(1 << 17), pa.int64())})
    lanes = 2 * LANE_BYTES // batch.nbytes
    read: list[int] = []
    peak: list[int] = []

    class Fast(MemorySource):
        async def read(
            self, since: Cursor | None, window: Window | None = None
        ) -> AsyncIterator[Chunk]:
            async for chunk in super().read(since, window):
                read.append(1)
                yield chunk

    def slow(name: str) -> None:
        if name == "write" and not peak:
            deadline, seen = time.monotonic() + 60, -1
            # until the lanes are filled, and reading stands still
            while (len(read) < lanes or seen < len(read)) and time.monotonic() < deadline:
                seen = len(read)
                time.sleep(0.5)
            peak.append(len(read))

    sink = noting(tmp_path)
    sink.before = slow
    run_import(plan(), source=Fast([batch] * (lanes + 10)), sink=sink, run=RUN)
    in_hands = 3  # one in each stage besides the lanes
    assert lanes <= peak[0] <= lanes + in_hands
    assert len(read) == lanes + 10


def test_reading_and_writing_overlap(tmp_path: Path) -> None:
    """The sink has the first batch in hand while the source is at a later one."""
    written, sink = threading.Event(), noting(tmp_path)
    sink.before = lambda name: written.set() if name == "write" else None

    class Patient(MemorySource):
        async def read(
            self, since: Cursor | None, window: Window | None = None
        ) -> AsyncIterator[Chunk]:
            yield Chunk(ids(1), {"batches": 1})
            assert written.wait(60), "the first batch did not reach the sink"
            yield Chunk(ids(2), {"batches": 2})

    assert run_import(plan(), source=Patient([]), sink=sink, run=RUN).rows == 2
