"""What a reader is: it yields pages in a fixed order and says where to resume."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import timedelta
from typing import NamedTuple

from airflow_provider_spotify.core.errors import ForbiddenError
from airflow_provider_spotify.core.model import Cursor, Window
from airflow_provider_spotify.core.sources.audio._spotify_api import SpotifyApi
from airflow_provider_spotify.core.sources.audio._spotify_resources import Resource, ResourceName
from airflow_provider_spotify.core.sources.web.rows import Record, Reject

NO_ID = "not a Spotify id: 22 letters and digits, a spotify: URI or an open.spotify.com link"


class Task(NamedTuple):
    """What is to be read.

    :param keys: ids, or the parts of a listing, in the order of reading
    :param group: keys of one request; :param limit: rows of one page
    :param query: what to search for
    :param market: part of what a cursor is good for: another market gives other rows
    :param first: place of the first key in the list of all parts, if this is one of them
    """

    name: ResourceName
    resource: Resource
    keys: Sequence[str]
    group: int = 1
    limit: int = 50
    query: str | None = None
    market: str | None = None
    refresh: timedelta | None = None
    window: Window | None = None
    first: int | None = None


class Page(NamedTuple):
    """What one request brought. ``refused`` says why its key is closed to this app, if it is."""

    records: Sequence[Record]
    rejected: Sequence[Reject] = ()
    refused: str | None = None


class Reader(ABC):
    """Reads one task; ``cursor`` is where reading resumes after the page last yielded."""

    opened = False
    """Something could be read, so a refusal concerns one key and not the whole app."""

    def __init__(self, api: SpotifyApi, task: Task) -> None:
        self.api = api
        self.task = task

    @abstractmethod
    def pages(self) -> AsyncGenerator[Page, None]:
        """Yield page after page."""

    @abstractmethod
    def cursor(self) -> Cursor:
        """Return where to resume after the page last yielded."""


async def answered(reader: Reader) -> AsyncGenerator[Page, None]:
    """Yield the pages, holding refusals back until something could be read.

    :raises ForbiddenError: if nothing could: then it is the app that is refused
    """
    held: list[Page] = []
    async with aclosing(reader.pages()) as pages:
        async for page in pages:
            held.append(page)
            if reader.opened or not any(each.refused for each in held):
                # One page, because the reader's cursor is by now after all of them.
                yield Page(page.records, [reject for each in held for reject in each.rejected])
                held.clear()
    if held and not reader.opened:
        raise ForbiddenError(
            f"{held[0].refused}. In development mode an app reads only the playlists that its user "
            "owns or works on: put such a user's refresh_token into the connection's extra"
        )
    if held:
        yield Page((), [reject for each in held for reject in each.rejected])
