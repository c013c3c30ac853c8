"""The logs that Segment's AWS S3 destination writes: gzipped lines of JSON, by day of receipt.

``{path}/segment-logs/{source}/{day}/*.gz``, where the day is the UTC midnight of receipt in
milliseconds since 1970: https://segment.com/docs/connections/storage/catalog/aws-s3/#data-format.
Files come about every hour, some of a day after it has ended.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_spotify.core.clients.file_log import FileLog
from airflow_provider_spotify.core.clients.files import File, FileStore, dataset_name
from airflow_provider_spotify.core.errors import ImporterError
from airflow_provider_spotify.core.model import (
    Chunk,
    Credentials,
    Cursor,
    DatasetName,
    Health,
    Window,
)
from airflow_provider_spotify.core.sources.analytics._segment_messages import COLUMNS
from airflow_provider_spotify.core.sources.analytics._segment_resources import LOOKBACK
from airflow_provider_spotify.core.sources.analytics._segment_webhook import sorted_out
from airflow_provider_spotify.core.sources.web.progress import floor

if TYPE_CHECKING:
    from collections.abc import Generator

    import pyarrow as pa

    from airflow_provider_spotify.core.clients.ndjson import Block
    from airflow_provider_spotify.core.sources.analytics._segment_config import SegmentConfig

_DAY = timedelta(days=1)
_MANY = timedelta(days=60)
"""More days than these are listed all at once."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BYTES = 1000
"""Of one message, roughly."""


class Part(NamedTuple):
    """Some rows of a file, and how far into it they reach: bytes and line of the plain text."""

    batch: pa.RecordBatch
    at: list[int]
    rejected: pa.RecordBatch | None


class SegmentLogs:
    """The files of some sources' logs, and what of them was read."""

    def __init__(self, config: SegmentConfig, credentials: Credentials) -> None:
        self._config = config
        self._store = FileStore(credentials)

    @property
    def _root(self) -> str:
        return f"{str(self._config.path).rstrip('/')}/segment-logs"

    def dataset(self) -> DatasetName:
        """Name the folder of the logs."""
        return dataset_name(self._root)

    async def read(self, since: Cursor | None, window: Window | None) -> AsyncIterator[Chunk]:
        """Yield the messages of every new file, in the order in which the files came.

        A cursor says ``listed`` besides what a file source's says: up to when all was read. It
        moves on with the last chunk, once every file that was listed has been read.
        """
        log = FileLog.resume(None if window else since)
        listed = (since or {}).get("listed")
        _, end = self._days(since, window)
        files = await asyncio.to_thread(self.new, since, window)
        held: Chunk | None = None
        for file in files:
            with closing(self._parts(file, at=log.start(file), window=window)) as parts:
                for part in parts:
                    if held:
                        yield held
                    held = _chunk(part, log.reading(file, part.at), listed)
            done = log.finished(file)
            held = held and held._replace(cursor=_told(done, listed))
        if held:
            yield held._replace(cursor=_told(held.cursor, listed if self._config.files else end))

    def new(self, since: Cursor | None, window: Window | None) -> list[File]:
        """Return the files that are still to be read; blocks."""
        log = FileLog.resume(None if window else since)
        first, end = self._days(since, window)
        files = self._store.list(self._globs(first, end))
        chosen = [file for file in files if first <= day_of(file.path) < end]
        return log.pending(chosen, on_change="ignore")

    def _days(self, since: Cursor | None, window: Window | None) -> tuple[datetime, datetime]:
        """Return the days that may hold something new: the first, and the one after the last."""
        config = self._config
        if window:
            return floor(window.start, _DAY), window.end
        first, end = config.start or _EPOCH, datetime.now(UTC)
        end = min(end, config.end) if config.end else end
        if listed := (since or {}).get("listed"):
            back = LOOKBACK if config.lookback is None else config.lookback
            first = max(first, datetime.fromisoformat(listed) - back)
        return floor(first, _DAY), end

    def _globs(self, first: datetime, end: datetime) -> list[str]:
        config = self._config
        if config.files:
            return list(config.files)
        folders = [f"{self._root}/{source}" for source in config.sources]
        if end - first > _MANY or not self._root.startswith("s3"):
            return [f"{folder}/*/*.gz" for folder in folders]
        # A day at a time: years of logs are not listed again for the newest files.
        days = range(_milliseconds(first), _milliseconds(end), _milliseconds(_EPOCH + _DAY))
        return [f"{folder}/{day}/*.gz" for folder in folders for day in days]

    def _parts(self, file: File, *, at: Any, window: Window | None) -> Generator[Part, None, None]:
        from airflow_provider_spotify.core.clients.ndjson import BLOCK, blocks
        from airflow_provider_spotify.core.sources.web import rows

        offset, line = at or (0, 1)
        size = min(BLOCK, self._config.batch_size * _BYTES)
        with self._store.open(file, compression="gzip") as stream:
            _skip(stream, offset)
            for block in blocks(stream, offset=offset, line=line, size=size):
                records, rejected = sorted_out(_lines(block, file), source=source_of(file.path))
                batch, misfits = rows.rows(COLUMNS, records)
                refused = rows.rejected([*rejected, *misfits])
                batch = _within(batch, window, day_of(file.path))
                if batch.num_rows or refused:
                    yield Part(batch, [block.offset, block.line], refused)

    async def is_ready(self, since: Cursor | None, window: Window | None) -> bool:
        """Say whether a file has come since the cursor."""
        return any(file.size for file in await asyncio.to_thread(self.new, since, window))

    async def check(self) -> Health:
        """List the files of the last days; report how many there are."""
        begun = time.perf_counter()
        _, end = self._days(None, None)
        first = floor(end - LOOKBACK, _DAY)
        try:
            files = await asyncio.to_thread(self._store.list, self._globs(first, end))
        except ImporterError as error:
            return Health(ok=False, message=str(error), seconds=time.perf_counter() - begun)
        message = f"{len(files)} files of the last days in {self._root}"
        return Health(ok=True, message=message, seconds=time.perf_counter() - begun)

    async def piles(self, n: int, since: Cursor | None) -> Sequence[Sequence[str]]:
        """Deal the new files out to at most ``n`` piles of about equal bytes."""
        files = await asyncio.to_thread(self.new, since, None)
        piles: list[list[File]] = [[] for _ in range(max(1, min(n, len(files))))]
        for file in sorted(files, key=lambda f: -f.size):
            min(piles, key=lambda pile: sum(f.size for f in pile)).append(file)
        return [[file.path for file in pile] for pile in piles]


def _chunk(part: Part, cursor: Cursor, listed: str | None) -> Chunk:
    return Chunk(part.batch, _told(cursor, listed), part.rejected)


def _told(cursor: Cursor, listed: str | datetime | None) -> Cursor:
    """Add to a cursor up to when all was read."""
    text = listed.isoformat() if isinstance(listed, datetime) else listed
    return {**cursor, "listed": text} if text else cursor


def _lines(block: Block, file: File) -> Iterator[tuple[Any, str]]:
    """Yield each line's value and place; of one that is no JSON, its text."""
    from airflow_provider_spotify.core.clients.ndjson import decoded

    name = file.name
    for number, line in enumerate(block.data.split(b"\n"), block.first_line):
        if not line.strip():
            continue
        try:
            value = decoded(line)
        except ValueError:
            value = line.decode(errors="replace")
        yield value, f"{name}:{number}"


def _within(batch: pa.RecordBatch, window: Window | None, day: datetime) -> pa.RecordBatch:
    """Keep the rows that were received in a window; those that do not say so, by their folder."""
    if window is None:
        return batch
    import pyarrow.compute as pc

    received = pc.coalesce(batch.column("received_at"), day)
    inside = pc.and_(
        pc.greater_equal(received, window.start.astimezone(UTC)),
        pc.less(received, window.end.astimezone(UTC)),
    )
    return batch.filter(inside)


def day_of(path: str) -> datetime:
    """Return the day of receipt that a file's folder names; 1970 for a folder that names none."""
    name = path.rsplit("/", 2)[-2]
    return _EPOCH + timedelta(milliseconds=int(name)) if name.isdigit() else _EPOCH


def source_of(path: str) -> str:
    """Return the Segment source that a file's folder names."""
    return path.rsplit("/", 3)[-3]


def _milliseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _skip(stream: Any, size: int) -> None:
    while size > 0:
        size -= len(stream.read(min(size, 1 << 20))) or size
