"""What every source must do: subclass, give it a source, and pytest runs the suite.

::

    class TestPlays(SourceConformance):
        expected_rows = 1000

        def make_source(self) -> PlaysSource:
            return PlaysSource(PlaysConfig(batch_size=100), credentials=...)

It needs pytest and psutil (extra ``test``). A check whose ``make_…`` gives None is skipped.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import subprocess
import sys
import time
import traceback
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from typing import Any, ClassVar

import psutil
import pytest

from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    ForbiddenError,
)
from airflow_provider_spotify.core.model import Chunk, Cursor, DatasetName
from airflow_provider_spotify.core.sources.base import Source

AnySource = Source[Any]


def read(
    source: AnySource, since: Cursor | None = None, *, limit: int | None = None
) -> list[Chunk]:
    """Read a source to its end, or close it after ``limit`` chunks."""

    async def collect() -> list[Chunk]:
        chunks: list[Chunk] = []
        async with aclosing(source.read(since)) as stream:  # type: ignore[type-var]
            async for chunk in stream:
                chunks.append(chunk)
                if len(chunks) == limit:
                    break
        return chunks

    return asyncio.run(collect())


def rows_of(chunks: Iterable[Chunk]) -> Counter[str]:
    """Return the rows and rejected records of chunks, order and batch bounds aside.

    A null counts as absent: batches of one source may have different columns.
    """
    found: Counter[str] = Counter()
    for chunk in chunks:
        for row in chunk.batch.to_pylist():
            kept = {key: value for key, value in row.items() if value is not None}
            found[json.dumps(_plain(kept), sort_keys=True, default=str)] += 1
        for record in chunk.rejected.column("record").to_pylist() if chunk.rejected else ():
            found[f"rejected {record}"] += 1
    return found


def _plain(value: Any) -> Any:
    """Make 1 of 1.0: a batch without fractions may be typed as integers."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _some(items: Sequence[Chunk], count: int = 12) -> list[int]:
    """Return evenly spread positions, the first and the last among them."""
    step = max(1, len(items) // count)
    return sorted({*range(0, len(items), step), len(items) - 1})


class SourceConformance(ABC):
    """The suite; each method states one behaviour."""

    expected_rows: ClassVar[int | None] = None
    """How many rows ``make_source`` has, rejected records not counted."""
    incremental: ClassVar[bool] = True
    """False where a source has no cursor to go on from once it has read everything."""
    parts_read_on: ClassVar[bool] = False
    """Its API takes no upper bound, so that a part also reads what comes after the split."""
    libraries: ClassVar[Sequence[str]] = ("pandas", "boto3", "aiohttp", "psycopg", "duckdb")
    """Modules, besides airflow and pyarrow, that importing the source must not load."""

    @abstractmethod
    def make_source(self) -> AnySource:
        """Return a source with enough data for several chunks; the same data at each call."""

    def make_empty(self) -> AnySource | None:  # noqa: B027 - may stay as it is
        """Return a source that has no data."""

    def make_bad_credentials(self) -> AnySource | None:  # noqa: B027 - may stay as it is
        """Return a source whose password is wrong and like no other text."""

    def add_more(self) -> int | None:  # noqa: B027 - may stay as it is
        """Add rows behind what ``make_source`` reads; return how many."""

    def test_reads_every_row(self) -> None:
        """Reading gives all rows, in several chunks that are never empty."""
        chunks = read(self.make_source())
        assert len(chunks) > 1, "give make_source more data, or a smaller batch size"
        assert all(c.batch.num_rows or c.rejected for c in chunks)
        if self.expected_rows is not None:
            assert sum(c.batch.num_rows for c in chunks) == self.expected_rows

    def test_reads_the_same_twice(self) -> None:
        """Two reads of the same data give the same rows."""
        assert rows_of(read(self.make_source())) == rows_of(read(self.make_source()))

    def test_cursors_are_json(self) -> None:
        """Every cursor is the same after a round trip through JSON."""
        for chunk in read(self.make_source()):
            assert json.loads(json.dumps(chunk.cursor, allow_nan=False)) == dict(chunk.cursor)

    def test_resumes_from_any_cursor(self) -> None:
        """From every cursor but the last, reading gives exactly the rows that came after it."""
        chunks = read(self.make_source())
        for position in _some(chunks[:-1]):
            since = json.loads(json.dumps(chunks[position].cursor))
            resumed = rows_of(read(self.make_source(), since))
            assert resumed == rows_of(chunks[position + 1 :]), f"after chunk {position}: {since}"

    def test_resumes_more_than_once(self) -> None:
        """Reading one chunk at a time, each time anew, gives every row exactly once."""
        whole = rows_of(read(self.make_source()))
        found: Counter[str] = Counter()
        since: Cursor | None = None
        for _ in range(20):
            one = read(self.make_source(), since, limit=1)
            found += rows_of(one)
            since = one[-1].cursor
            if found.total() >= whole.total():
                break
        else:
            found += rows_of(read(self.make_source(), since))
        assert found == whole

    def test_nothing_new_gives_no_chunk(self) -> None:
        """After the last cursor there is nothing, and ``is_ready`` says so."""
        self._needs_increments()
        last = read(self.make_source())[-1].cursor
        assert read(self.make_source(), last) == []
        assert asyncio.run(self.make_source().is_ready(last)) is False

    def test_new_data_comes_alone(self) -> None:
        """What is added after the last cursor is read, and nothing else."""
        self._needs_increments()
        before = read(self.make_source())
        added = self.add_more()
        if added is None:
            pytest.skip("add_more adds nothing")
        assert asyncio.run(self.make_source().is_ready(before[-1].cursor)) is True
        new = read(self.make_source(), before[-1].cursor)
        assert sum(rows_of(new).values()) == added
        assert rows_of(before) + rows_of(new) == rows_of(read(self.make_source()))

    def test_is_ready_when_there_is_data(self) -> None:
        """Before the first read, ``is_ready`` says yes."""
        assert asyncio.run(self.make_source().is_ready(None)) is True

    def test_empty_input_gives_no_chunk(self) -> None:
        """A source without data gives nothing, without an error, and is not ready."""
        source = self._given(self.make_empty(), "make_empty")
        assert read(source) == []
        assert asyncio.run(source.is_ready(None)) is False

    def test_closing_early_frees_everything(self) -> None:
        """Reads closed after their first chunk leave no thread and no open file behind.

        A pool that lives as long as the process, a driver's or a test server's, may still grow by
        a thread, but it ends growing. What leaks does so in every round: one must leave nothing.
        """
        for _ in range(2):  # most pools come up now
            read(self.make_source(), limit=1)
            read(self.make_source())
        rounds = []
        for _ in range(4):
            before = _held()
            for _ in range(4):
                read(self.make_source(), limit=1)
            deadline = time.monotonic() + 15
            while (left := _held() - before) and time.monotonic() < deadline:
                time.sleep(0.05)
            if not left:
                return
            rounds.append(dict(left))
        pytest.fail(f"each round of four reads left something behind: {rounds}")

    def test_check_says_it_is_well(self) -> None:
        """The connection test finds a good source well."""
        health = asyncio.run(self.make_source().check())
        assert health.ok, health.message

    def test_bad_credentials_are_refused(self) -> None:
        """A wrong password gives an error that no retry follows, and a bad health report."""
        source = self._given(self.make_bad_credentials(), "make_bad_credentials")
        with pytest.raises((AuthenticationError, ForbiddenError, ConfigurationError)):
            read(source)
        assert asyncio.run(source.check()).ok is False

    def test_secrets_stay_secret(self, caplog: pytest.LogCaptureFixture) -> None:
        """The password is in no message, traceback, repr, health report or log line."""
        source = self._given(self.make_bad_credentials(), "make_bad_credentials")
        secret = source.credentials.secret()
        assert secret, "make_bad_credentials needs a password"
        caplog.set_level(logging.DEBUG)
        with pytest.raises((AuthenticationError, ForbiddenError, ConfigurationError)) as caught:
            read(source)
        shown = [*traceback.format_exception(caught.value), repr(caught.value)]
        shown += [repr(source), repr(source.credentials), repr(source.config)]
        shown += [repr(asyncio.run(source.check())), repr(source.dataset()), caplog.text]
        assert not [text for text in shown if secret in text]

    def test_config_survives_json(self) -> None:
        """The Config is the same after a round trip through JSON and through Python values."""
        config = self.make_source().config
        assert type(config).model_validate(json.loads(config.model_dump_json())) == config
        assert type(config).model_validate(config.model_dump()) == config

    def test_dataset_needs_no_connection(self) -> None:
        """The dataset is named without reaching the system: its address leads nowhere."""
        source = self.make_source()
        nowhere = source.credentials.model_copy(update={"password": None})
        name = type(source)(source.config, credentials=nowhere).dataset()
        assert isinstance(name, DatasetName)
        assert name.namespace
        assert name.name

    def test_importing_it_loads_no_library(self) -> None:
        """A fresh interpreter that imports the module has loaded neither airflow nor an SDK."""
        heavy = ["airflow", "pyarrow", *self.libraries]
        module = type(self.make_source()).__module__
        code = f"import sys, {module}; print([m for m in {heavy!r} if m in sys.modules])"
        result = subprocess.run(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert result.stdout.strip() == "[]"

    def test_partitions_read_the_same_rows(self) -> None:
        """Its partitions together give every row exactly once."""
        source = self.make_source()
        whole = rows_of(read(source))
        for n in (1, 3):
            parts = asyncio.run(source.partitions(n))
            assert 1 <= len(parts) <= n
            assert sum((rows_of(read(part)) for part in parts), Counter()) == whole

    def test_partitions_leave_one_cursor(self) -> None:
        """After its partitions were read, the whole goes on with what came after the split."""
        self._needs_increments()
        source = self.make_source()
        if type(source).joined is Source.joined:
            pytest.skip("this source has no way to join the cursors of partitions")
        first = read(source, limit=1)
        begun = first[-1].cursor
        parts = asyncio.run(source.partitions(3, begun))
        added = self.add_more()
        read_apart = [read(part, begun) for part in reversed(parts)][::-1]
        cursor = source.joined([chunks[-1].cursor if chunks else None for chunks in read_apart])
        later = rows_of(read(self.make_source(), cursor or begun))
        apart = sum((rows_of(chunks) for chunks in read_apart), Counter())
        assert rows_of(first) + apart + later == rows_of(read(self.make_source()))
        assert later.total() == (0 if self.parts_read_on else added or 0)

    def _needs_increments(self) -> None:
        if not self.incremental:
            pytest.skip("this source reads everything each time")

    @staticmethod
    def _given(source: AnySource | None, method: str) -> AnySource:
        if source is None:
            pytest.skip(f"{method} gives no source")
        return source


def _held() -> Counter[str]:
    """Count this process's threads and open files."""
    gc.collect()
    process = psutil.Process()
    return Counter({"threads": process.num_threads(), "open files": process.num_fds()})
