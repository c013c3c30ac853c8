"""A source that yields what it is given: a fake that keeps the protocol."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence

import pyarrow as pa

from airflow_provider_spotify.core.errors import ImporterError
from airflow_provider_spotify.core.model import Chunk, Cursor, DatasetName, Health, Window
from airflow_provider_spotify.core.sources.base import Source, SourceConfig


class MemoryConfig(SourceConfig):
    """The fake's Config: how it behaves, not what it holds."""

    textual: bool = False


class MemorySource(Source[MemoryConfig]):
    """Yields its batches in order; the cursor is the number of batches read.

    :param batches: what a full read yields
    :param fails_at: raise ``failure`` in the place of the batch of this number
    :param hold: wait for this event before every batch, so that a test can look in between
    """

    Config = MemoryConfig

    def __init__(
        self,
        batches: Sequence[pa.RecordBatch],
        *,
        config: MemoryConfig | None = None,
        fails_at: int | None = None,
        failure: Callable[[], ImporterError] | None = None,
        hold: threading.Event | None = None,
    ) -> None:
        super().__init__(config or MemoryConfig())
        self.batches = list(batches)
        self.fails_at = fails_at
        self.failure = failure
        self.hold = hold
        self.read_from: list[Cursor | None] = []
        self.windows: list[Window | None] = []
        self.textual = self.config.textual  # type: ignore[misc]

    async def read(
        self, since: Cursor | None, window: Window | None = None
    ) -> AsyncIterator[Chunk]:
        """Yield the batches after ``since``; a window is all of them, wherever reading stands."""
        self.read_from.append(since)
        self.windows.append(window)
        first = int(since["batches"]) if since and window is None else 0
        for number in range(first, len(self.batches)):
            if self.hold is not None:
                self.hold.wait()
            if number == self.fails_at and self.failure is not None:
                raise self.failure()
            yield Chunk(self.batches[number], {"batches": number + 1})

    async def check(self) -> Health:
        """Be well."""
        return Health(ok=True, message=f"{len(self.batches)} batches in memory")

    async def is_ready(self, since: Cursor | None, window: Window | None = None) -> bool:
        """Say whether batches are left."""
        return (int(since["batches"]) if since else 0) < len(self.batches)

    def dataset(self) -> DatasetName:
        """Name a place that no other process can reach."""
        return DatasetName("memory", "batches")


class MemoryStream(MemorySource):
    """A stream in memory: it can be followed, more can be produced, and it notes receipts."""

    def __init__(self, batches: Sequence[pa.RecordBatch], *, follow: bool = False) -> None:
        super().__init__(batches)
        self.follow = follow
        self.receipts: list[Cursor] = []

    async def read(
        self, since: Cursor | None, window: Window | None = None
    ) -> AsyncIterator[Chunk]:
        """Yield the batches after ``since``; when followed, wait for those still to come."""
        self.read_from.append(since)
        number = int(since["batches"]) if since else 0
        while self.follow or number < len(self.batches):
            if number < len(self.batches):
                number += 1
                yield Chunk(self.batches[number - 1], {"batches": number})
            else:
                await asyncio.sleep(0.001)

    def produce(self, batch: pa.RecordBatch) -> None:
        """Add a batch behind the others; another thread may be reading."""
        self.batches.append(batch)

    def following(self) -> MemoryStream:
        """Return the same stream, followed: what is produced in either is there in both."""
        other = MemoryStream((), follow=True)
        other.batches, other.receipts = self.batches, self.receipts
        return other

    def committed(self, cursor: Cursor) -> None:
        """Note the receipt."""
        self.receipts.append(cursor)
