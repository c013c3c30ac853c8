"""Source ``moody``: answers each question with the next line of a file."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from airflow_provider_spotify.core import errors
from airflow_provider_spotify.core.model import Chunk, Cursor, DatasetName, Health, Window
from airflow_provider_spotify.core.sources.base import Source, SourceConfig


class MoodyConfig(SourceConfig):
    """Where the answers are."""

    moods: str = Field(description="file of JSON lines: a number of rows, or an error")
    ids: list[str] = Field(default=[], description="what to read")
    timeout: int = Field(5, description="an option whose name Airflow's sensors use too")


class MoodySource(Source[MoodyConfig]):
    """Takes the first line of its file and does what it says."""

    Config = MoodyConfig
    conn_type: ClassVar[str | None] = "moody"

    async def read(
        self, since: Cursor | None, window: Window | None = None
    ) -> AsyncIterator[Chunk]:
        """Yield as many rows as the next mood says."""
        import pyarrow as pa

        rows = self._next()
        start = int(since["at"]) if since else 0
        for _ in range(rows // 1_000_000):  # so many rows take their time
            await asyncio.sleep(1)
        if rows:
            numbers = pa.array(range(start, start + rows), pa.int64())
            yield Chunk(pa.record_batch({"id": numbers}), {"at": start + rows})

    async def check(self) -> Health:
        """Report the login it was given."""
        return Health(ok=True, message=f"hello {self.credentials.login}")

    async def is_ready(self, since: Cursor | None, window: Window | None = None) -> bool:
        """Say whether the next mood has rows."""
        return self._next() > 0

    def dataset(self) -> DatasetName:
        """Name the file."""
        return DatasetName("file", self.config.moods)

    def _next(self) -> int:
        path = Path(self.config.moods)
        first, *rest = path.read_text().splitlines()
        path.write_text("\n".join(rest) + "\n" if rest else first + "\n")
        mood: Any = json.loads(first)
        if isinstance(mood, int):
            return mood
        kind = getattr(errors, mood.pop("error"))
        raise kind("in a mood", **mood)


SOURCE = MoodySource
