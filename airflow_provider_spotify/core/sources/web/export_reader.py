"""One pass over an export: span by span, each brought to disk, parsed and given in batches."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from airflow_provider_spotify.core.clients.http.body import Damaged
from airflow_provider_spotify.core.errors import DataError, ImporterError
from airflow_provider_spotify.core.model import Chunk, Cursor, Window
from airflow_provider_spotify.core.sources.web.export_rows import LineParser
from airflow_provider_spotify.core.sources.web.export_text import (
    Changed,
    Placed,
    Position,
    begun,
)
from airflow_provider_spotify.core.sources.web.exports import ExportSource, TooLarge
from airflow_provider_spotify.core.sources.web.paging import cancel
from airflow_provider_spotify.core.sources.web.progress import Slice, floor, marks_of

if TYPE_CHECKING:
    from airflow_provider_spotify.core.clients.http.client import HttpClient

log = logging.getLogger(__name__)

_THREADS = 2
"""Blocks that are parsed at once."""
_PAUSE = 0.5
"""Seconds before an export that is none is asked for again, more each time."""
_AHEAD = 2
"""Blocks that wait to be given; with those being parsed they bound the memory."""


_Rows = tuple[pa.RecordBatch, pa.RecordBatch | None]


class _Given(NamedTuple):
    """Rows of a block, and where reading goes on after it."""

    batch: pa.RecordBatch
    rejected: pa.RecordBatch | None
    after: Position


class ExportReader:
    """Reads the spans that are due."""

    def __init__(
        self,
        source: ExportSource[Any],
        http: HttpClient,
        *,
        since: Cursor | None,
        window: Window | None = None,
    ) -> None:
        self._source = source
        self._http = http
        self._window = window
        self._since = None if window else since
        self._marks = marks_of(self._since)
        source.begins()
        due, self._begun, self._until = source.due(since, window)
        self._due = deque(due)
        self._some = bool(due)
        needed = source.exports[source.config.resource]
        columns = source.resource.columns
        self._parser = LineParser(columns, needed=needed, judge=source.judge)

    async def chunks(self) -> AsyncGenerator[Chunk, None]:
        """Yield chunk after chunk; the last one's cursor says that all was read.

        A chunk is held back until another one follows, for the cursor to say whether its span, or
        everything, ended with it.

        :raises ImporterError: after what came before it was yielded
        """
        held: Chunk | None = None
        failure: ImporterError | None = None
        given = False
        with tempfile.TemporaryDirectory(prefix="export-") as folder:
            async with aclosing(self._spans(Path(folder))) as found:
                try:
                    async for chunk in found:
                        if chunk is None:
                            held = held._replace(cursor=self._cursor()) if held else None
                            continue
                        if held:
                            yield held
                        held, given = chunk, True
                except ImporterError as error:
                    failure = error
        if held:
            yield held
        elif not (given or failure) and self._since and self._some:
            # Nothing was there: that it was looked at is worth a cursor, or it is asked for again.
            yield Chunk(self._source.rows((), ())[0], self._cursor())
        if failure:
            raise failure

    def _cursor(self, now: Slice | None = None, at: Position | None = None) -> Cursor:
        """Return where to resume: within a span, at the next one, or after all."""
        now = now or (self._due[0] if self._due else None)
        if now is None or now.start is None or now.end is None:
            return {"marks": dict(self._marks)}
        passed: dict[str, Any] = {
            "of": self._source.shape,
            "until": self._until.isoformat(),
            "key": now.mark,
            "at": now.start.isoformat(),
        }
        if at:
            passed |= {"to": now.end.isoformat(), "page": dict(at)}
        return {"marks": dict(self._marks), "pass": passed}

    async def _spans(self, folder: Path) -> AsyncGenerator[Chunk | None, None]:
        """Yield the chunks of span after span, and None where one ends.

        The next span's file comes while this one's is parsed.
        """
        coming: dict[Slice, asyncio.Task[bool]] = {}
        try:
            while self._due:
                now = self._due[0]
                for near in list(self._due)[:2]:
                    if near not in coming:
                        coming[near] = asyncio.create_task(self._fetched(near, folder))
                try:
                    there = await coming.pop(now)
                except TooLarge as error:
                    self._split(now, error)
                    continue
                if there:
                    async with aclosing(self._span(now, folder)) as chunks:
                        async for chunk in chunks:
                            yield chunk
                    _file(now, folder).unlink()
                self._ended(now)
                yield None
        finally:
            await cancel(coming.values())
            self._parser.close()

    def _ended(self, now: Slice) -> None:
        self._due.popleft()
        if now.last and self._window is None:
            self._marks[now.mark] = {"to": self._until.isoformat()}

    async def _fetched(self, now: Slice, folder: Path) -> bool:
        """Bring a span's file; once more if what came is no export, though it came whole."""
        self._source.usage.room()
        attempts = self._source.config.retry_attempts
        for attempt in range(1, attempts + 1):
            try:
                return await self._source.fetch(self._http, now, to=_file(now, folder))
            except Damaged:
                if attempt == attempts:
                    raise
                await asyncio.sleep(_PAUSE * attempt)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _split(self, now: Slice, error: TooLarge) -> None:
        """Put two halves in a span's place.

        :raises ImporterError: what the system said, if it is as short as can be
        """
        spans = self._source.spans
        assert now.start is not None
        assert now.end is not None
        middle = floor(now.start + (now.end - now.start) / 2, spans.unit, offset=spans.offset)
        if middle <= now.start:
            raise error.cause
        log.info("%s is exported in two: %s", self._where(now), error)
        self._due.popleft()
        self._due.extendleft([now._replace(start=middle), now._replace(end=middle, last=False)])

    async def _span(self, now: Slice, folder: Path) -> AsyncGenerator[Chunk, None]:
        """Yield the chunks of a span whose file is there."""
        here = now.start is not None and self._begun.get("at") == now.start.isoformat()
        position: Position | None = self._begun.get("page") if here else None
        attempts = self._source.config.retry_attempts
        while True:
            try:
                async with aclosing(self._given(now, folder, position)) as found:
                    async for given in found:
                        self._source.usage.room()
                        position = given.after
                        if given.batch.num_rows or given.rejected:
                            self._source.usage.charge(given.batch.num_rows)
                            cursor = self._cursor(now, position)
                            yield Chunk(given.batch, cursor, given.rejected)
            except Damaged:
                attempts -= 1
                if attempts <= 0:
                    raise
                await self._fetched(now, folder)
            except Changed:
                self._again(now)
                position = None
            else:
                return

    def _again(self, now: Slice) -> None:
        """Read a span from its start whose export has changed since a part of it was given.

        :raises DataError: if its rows may not come twice
        """
        said = f"{self._where(now)}: the export has changed since a part of it was read"
        if not self._source.rereads():
            raise DataError(
                f"{said}, so the rest cannot be told from it; read that span again by a window, or "
                "give a lookback and write by merge"
            )
        log.warning("%s, so it is read from its start", said)

    async def _given(
        self, now: Slice, folder: Path, position: Position | None
    ) -> AsyncGenerator[_Given, None]:
        """Yield the blocks of a span's file in order, parsed by several threads at once."""
        loop = asyncio.get_running_loop()
        under_way: deque[tuple[Position, asyncio.Future[_Rows]]] = deque()
        where, size = self._where(now), self._source.config.batch_bytes
        # The pools end first: nothing reads a text that is being closed.
        with (
            self._source.text(_file(now, folder)) as stream,
            _pool(1, "export-text") as reading,
            _pool(_THREADS, "export-rows") as parsing,
        ):
            blocks = begun(stream, position, size=size)
            while (placed := await loop.run_in_executor(reading, _next, blocks)) is not None:
                done = loop.run_in_executor(parsing, self._parsed, placed, where)
                under_way.append((placed.after, done))
                if len(under_way) >= _THREADS + _AHEAD:
                    after, first = under_way.popleft()
                    yield _Given(*await first, after)
            while under_way:
                after, first = under_way.popleft()
                yield _Given(*await first, after)

    def _parsed(self, placed: Placed, where: str) -> _Rows:
        batch, rejected = self._parser.parse(placed.block, where=where)
        if self._window:
            batch = self._source.in_window(batch, self._window)
        return self._source.finished(batch), rejected

    def _where(self, now: Slice) -> str:
        span = f"{now.start:%Y-%m-%dT%H} to {now.end:%Y-%m-%dT%H}"
        return f"{self._source.config.resource} from {span}"


@contextmanager
def _pool(threads: int, name: str) -> Iterator[ThreadPoolExecutor]:
    pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _file(now: Slice, folder: Path) -> Path:
    return folder / f"{now.start:%Y%m%dT%H}-{now.end:%Y%m%dT%H}"


def _next(blocks: Iterator[Placed]) -> Placed | None:
    return next(blocks, None)
