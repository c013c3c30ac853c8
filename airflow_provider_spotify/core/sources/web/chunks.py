"""What a pass gives: its pages as chunks, or only the first of its records."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from airflow_provider_spotify.core.errors import ImporterError
from airflow_provider_spotify.core.model import Chunk, Cursor, Window
from airflow_provider_spotify.core.sources.web.gathered import Gathered
from airflow_provider_spotify.core.sources.web.reader import Reader
from airflow_provider_spotify.core.sources.web.resource import Newest

if TYPE_CHECKING:
    from airflow_provider_spotify.core.clients.http.client import HttpClient
    from airflow_provider_spotify.core.sources.web.base import WebSource
    from airflow_provider_spotify.core.sources.web.rows import Record


async def chunks(
    source: WebSource[Any], http: HttpClient, *, since: Cursor | None, window: Window | None
) -> AsyncGenerator[Chunk, None]:
    """Yield what a pass reads; what came before an error is yielded before it is raised."""
    reader = Reader(source, http, since=since, window=window)
    gathered: Gathered[Record] = Gathered(
        source.rows,
        cursor=reader.cursor,
        rows=source.config.batch_size,
        seconds=source.chunk_seconds,
    )
    failure: ImporterError | None = None
    async with aclosing(reader.pages()) as pages:
        try:
            async for found in pages:
                if chunk := gathered.take(found.records, found.rejected):
                    yield chunk
        except ImporterError as error:
            failure = error
    # However many pages without rows there are, the next run must get past them.
    told = gathered.moved if failure else _ends_silently(source, reader, gathered, since)
    if chunk := gathered.rest(even_if_empty=told):
        yield chunk
    if failure:
        raise failure


def _ends_silently(
    source: WebSource[Any], reader: Reader, gathered: Gathered[Record], since: Cursor | None
) -> bool:
    """Say whether a pass without rows must be told to have ended: else it would be repeated.

    One that asks for what is new costs a request for each key, and is repeated.
    """
    asks = isinstance(source.resource.progress, Newest) and not reader.resumed
    due = bool(since and reader.slices) and not asks
    return due and reader.finished and not gathered.given


async def first(
    source: WebSource[Any], http: HttpClient, *, since: Cursor | None, window: Window | None
) -> Sequence[Any] | None:
    """Return the records of the first page that has any that are new; None if nothing is due."""
    reader = Reader(source, http, since=since, window=window)
    async with aclosing(reader.pages()) as pages:
        async for found in pages:
            if both := [*found.records, *found.rejected]:
                return both
    return None
