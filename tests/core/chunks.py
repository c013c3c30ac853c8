"""What a test sees of the chunks that a source gave: their rows, as Python has them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import aclosing
from typing import Any

from airflow_provider_spotify.core.errors import ImporterError
from airflow_provider_spotify.core.model import Chunk, Cursor
from airflow_provider_spotify.core.sources.base import Source


def rows(chunks: Iterable[Chunk]) -> list[dict[str, Any]]:
    """Return the rows of chunks, in their order."""
    return [row for chunk in chunks for row in chunk.batch.to_pylist()]


def rejected(chunks: Iterable[Chunk]) -> list[dict[str, Any]]:
    """Return the records that were rejected on the way, in the order of their chunks."""
    return [row for chunk in chunks if chunk.rejected for row in chunk.rejected.to_pylist()]


def until_error(
    source: Source[Any], since: Cursor | None = None
) -> tuple[list[Chunk], ImporterError | None]:
    """Read until the end or an error; return both."""

    async def collect() -> tuple[list[Chunk], ImporterError | None]:
        chunks: list[Chunk] = []
        try:
            async with aclosing(source.read(since)) as stream:  # type: ignore[type-var]
                async for chunk in stream:
                    chunks.append(chunk)
        except ImporterError as error:
            return chunks, error
        return chunks, None

    return asyncio.run(collect())
