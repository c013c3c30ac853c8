"""A source of changes for the suite of streams: it has a beginning other than all documents."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import ClassVar

from airflow_provider_spotify.core.model import Chunk, Cursor, Window
from airflow_provider_spotify.core.sources.base import Source
from airflow_provider_spotify.core.sources.database.mongodb import MongodbSource


class FromTheStart(MongodbSource):
    """Reads all changes since a moment, where the real one would read the documents first."""

    start: ClassVar[Cursor]
    joined = Source.joined  # changes have one order, and so come in one part

    async def read(
        self, since: Cursor | None, window: Window | None = None
    ) -> AsyncIterator[Chunk]:
        async with aclosing(super().read(since or self.start)) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                yield chunk

    async def is_ready(self, since: Cursor | None, window: Window | None = None) -> bool:
        return await super().is_ready(since or self.start)
