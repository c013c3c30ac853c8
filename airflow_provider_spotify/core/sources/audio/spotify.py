"""Source ``spotify``: tracks, albums, artists, playlists, searches and releases of the Web API.

Modes, limits and errors: https://developer.spotify.com/documentation/web-api/concepts/quota-modes.
Apps in development mode (the default) read object by object and lack some columns; apps in extended
mode read batches. Which one an app is in is found out with one request.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from datetime import timedelta
from functools import cached_property
from typing import Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from airflow_provider_spotify.core.clients.http_settings import BaseUrl, HttpSettings, RateLimit
from airflow_provider_spotify.core.config.rules import Duration
from airflow_provider_spotify.core.errors import (
    ConfigurationError,
    ForbiddenError,
    ImporterError,
)
from airflow_provider_spotify.core.model import Chunk, Cursor, DatasetName, Health, Window
from airflow_provider_spotify.core.sources.audio._spotify_api import SpotifyApi, encrypted, sign_in
from airflow_provider_spotify.core.sources.audio._spotify_catalogue import (
    ObjectReader,
    PageReader,
    place,
)
from airflow_provider_spotify.core.sources.audio._spotify_ids import IdsFrom, distinct, read_ids
from airflow_provider_spotify.core.sources.audio._spotify_playlists import PlaylistReader
from airflow_provider_spotify.core.sources.audio._spotify_readers import (
    Page,
    Reader,
    Task,
    answered,
)
from airflow_provider_spotify.core.sources.audio._spotify_resources import (
    RESOURCES,
    SEARCH_PAGE_IN_DEVELOPMENT,
    Resource,
    ResourceName,
)
from airflow_provider_spotify.core.sources.base import Source, SourceConfig, Wanted
from airflow_provider_spotify.core.sources.web.rows import Record, Reject, rejected, rows

API_URL = "https://api.spotify.com/v1"
TOKEN_URL = "https://accounts.spotify.com/api/token"  # noqa: S105 - an address
SearchType = Literal["track", "album", "artist", "playlist"]


class SpotifyConfig(SourceConfig):
    """The keys of ``source: {type: spotify, …}``."""

    resource: ResourceName = Field(description="what is read; decides the columns")
    ids: tuple[str, ...] = Field(
        (), description="ids, spotify: URIs or open.spotify.com links, read in this order"
    )
    ids_from: IdsFrom | None = Field(None, description="read the ids from files or a table instead")
    query: str | None = Field(None, min_length=1, description="search: what to look for")
    search_types: tuple[SearchType, ...] = Field(
        ("track",), min_length=1, description="search: the kinds of things to find"
    )
    market: str | None = Field(
        None, pattern="^[A-Z]{2}$", description="country (ISO 3166-1 alpha-2) to answer for"
    )
    app_mode: Literal["auto", "development", "extended"] = Field(
        "auto", description="the app's quota mode; auto finds out with one request"
    )
    refresh: Duration | None = Field(
        None,
        description="read everything again once the last whole read is this old; by default"
        " never, but search and new_releases after 1d. Playlists follow their versions instead",
    )
    rate_limit: RateLimit | None = Field(
        None, description="requests each second, or a text such as 100/30s; none: as answered"
    )
    concurrency: int = Field(8, ge=1, le=64, description="requests under way at once")
    batch_size: int | None = Field(
        None, ge=1, le=100, description="ids or rows of one request; at most, and by default, all"
        " that the API allows"
    )  # fmt: skip
    cache_ttl: Duration | None = Field(
        None, description="keep answers this long, except those about playlists; none: no cache"
    )
    cache: Literal["sqlite", "redis"] = Field(
        "sqlite", description="where: a file of the worker, or Redis for all workers"
    )
    retry_attempts: int = Field(5, ge=1, le=20, description="how often a request is tried in all")
    timeout: Duration = Field(timedelta(seconds=30), description="longest time of one attempt")
    api_url: BaseUrl | None = Field(None, description=f"address of the Web API; {API_URL}")
    token_url: BaseUrl | None = Field(
        None, description=f"address of the token service; {TOKEN_URL}"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        needs_ids = RESOURCES[self.resource].shape != "listing"
        if needs_ids and bool(self.ids) == bool(self.ids_from):
            raise ValueError(f"{self.resource} needs either ids or ids_from")
        if not needs_ids and (self.ids or self.ids_from):
            raise ValueError(f"{self.resource} takes no ids")
        if (self.resource == "search") != (self.query is not None):
            raise ValueError("query belongs to resource: search, and search needs one")
        if self.resource in _CLOSED and self.app_mode == "development":
            raise ValueError(f"{self.resource}: {_CLOSED[self.resource]}")
        return self


_CLOSED: dict[ResourceName, str] = {
    "new_releases": "closed to apps in development mode since February 2026",
    "audio_features": "closed to apps in development mode, and to all from after 2024-11-27;"
    " compute them from audio files instead",
}


class SpotifySource(Source[SpotifyConfig]):
    """Reads one resource of Spotify's Web API."""

    Config = SpotifyConfig
    conn_type: ClassVar[str | None] = "spotify"
    extra: ClassVar[str | None] = "audio"
    chunk_rows: int = 2000
    chunk_seconds: float = 5.0
    """A chunk is given after either, so that slow reading is checkpointed too."""

    @property
    def resource(self) -> Resource:
        """The resource that is read."""
        return RESOURCES[self.config.resource]

    @cached_property
    def keys(self) -> Sequence[str]:
        """The ids once each, or the parts of a listing, in the order of reading."""
        if self.resource.shape == "listing":
            kinds = self.config.search_types if self.config.resource == "search" else ("album",)
            return list(dict.fromkeys(kinds))
        given = read_ids(self.config.ids_from) if self.config.ids_from else self.config.ids
        return distinct(given, kind=self.resource.id_type)

    def wants(self) -> Wanted | None:
        """Name the column of the destination whose ids are to be read, if any."""
        place = self.config.ids_from
        if place is None or place.table is None or place.column is None:
            return None
        return Wanted(place.table, place.column, own=self.resource.asked_by)

    def given(self, ids: Iterable[Any]) -> Self:
        """Return this source with the ids of the table that it wants; there may be none."""
        source = type(self)(self.config, credentials=self.credentials, tenant=self.tenant)
        source.keys = distinct(ids, kind=self.resource.id_type)
        return source

    def dataset(self) -> DatasetName:
        """Name the API's address and the resource's path."""
        parts = urlsplit(self.config.api_url or API_URL)
        return DatasetName(f"{parts.scheme}://{parts.netloc}", f"/v1/{self.resource.path}")

    async def check(self) -> Health:
        """Get a token and make one cheap call."""
        started = time.monotonic()
        try:
            async with self._api(cached=False) as api:
                await api.ping()
        except ImporterError as error:
            return Health(ok=False, message=str(error), seconds=time.monotonic() - started)
        message = "the token was granted and the Web API answers"
        return Health(ok=True, message=message, seconds=time.monotonic() - started)

    async def is_ready(self, since: Cursor | None, window: Window | None = None) -> bool:
        """Say whether an id is unread or due again, or a playlist has another version.

        Where the ids stand in a table that has not been given, they may be new: it says yes.
        """
        if self.wants() and "keys" not in self.__dict__:
            return True
        task = self._task(window)
        if not task.keys:
            return False
        if self.resource.shape != "playlists":
            return place(since, task).position < len(task.keys)
        async with self._api() as api:
            return await PlaylistReader(api, task, since=None if window else since).changed()

    async def partitions(self, n: int, since: Cursor | None = None) -> Sequence[Self]:
        """Split the ids into runs of equal length; a listing cannot be split."""
        if self.resource.shape == "listing" or n < 2 or len(self.keys) < 2:
            return [self]
        size = -(-len(self.keys) // n)
        parts = [self.keys[at : at + size] for at in range(0, len(self.keys), size)]
        return [self.narrowed(ids=part, ids_from=None) for part in parts]

    async def read(
        self, since: Cursor | None, window: Window | None = None
    ) -> AsyncIterator[Chunk]:
        """Yield chunks; what came before an error is yielded before it is raised.

        A window is one of ``added_at``, so only playlist items have it.

        :raises QuotaExhausted: if Spotify asks to wait longer than a minute
        :raises ForbiddenError: if nothing at all is open to this app
        """
        task = self._task(window)
        async with self._api() as api:
            reader = await self._reader(api, task, since=None if window else since)
            gathered = _Gathered(reader, self)
            failure: ImporterError | None = None
            async with aclosing(answered(reader)) as pages:
                try:
                    async for page in pages:
                        if gathered.take(page):
                            yield gathered.chunk()
                except ImporterError as error:
                    failure = error
            if gathered.begun:
                yield gathered.chunk()
            if failure:
                raise failure

    def _task(self, window: Window | None) -> Task:
        config = self.config
        if window is not None and config.resource != "playlist_items":
            raise ConfigurationError(
                f"spotify {config.resource} have no time to select a window by; leave the window"
                " out (incremental: {by: cursor})"
            )
        refresh = config.refresh
        if refresh is None and self.resource.shape == "listing":
            refresh = timedelta(days=1)
        return Task(
            config.resource,
            self.resource,
            self.keys,
            limit=min(config.batch_size or self.resource.most, self.resource.most),
            query=config.query,
            market=config.market,
            refresh=refresh,
            window=window,
        )

    async def _reader(self, api: SpotifyApi, task: Task, *, since: Cursor | None) -> Reader:
        if self.resource.shape == "playlists":
            return PlaylistReader(api, task, since=since)
        if self.resource.shape == "pages" or not task.keys:
            return PageReader(api, task, since=since)
        development = await api.mode() == "development"
        if development and task.name in _CLOSED:
            raise ForbiddenError(f"spotify {task.name}: {_CLOSED[task.name]}")
        if self.resource.shape == "objects":
            group = 1 if development else task.limit
            return ObjectReader(api, task._replace(group=group), since=since)
        if development and task.name == "search":
            task = task._replace(limit=min(task.limit, SEARCH_PAGE_IN_DEVELOPMENT))
        return PageReader(api, task, since=since)

    def _api(self, *, cached: bool = True) -> SpotifyApi:
        config = self.config
        # Playlists have versions instead: a kept page of an older one would pass for the new.
        cached = cached and self.resource.shape != "playlists"
        settings = HttpSettings(
            base_url=encrypted(config.api_url or self._extra("api_url") or API_URL),
            timeout=config.timeout,
            concurrency=config.concurrency,
            rate_limit=config.rate_limit,
            retry_attempts=config.retry_attempts,
            cache_ttl=config.cache_ttl if cached else None,
            cache=config.cache,
            cache_url=self._extra("cache_url"),
            redis_url=self._extra("redis_url"),
            quota_group=self._extra("quota_group"),
        )
        return SpotifyApi(
            settings,
            auth=sign_in(
                self.credentials,
                token_url=encrypted(config.token_url or self._extra("token_url") or TOKEN_URL),
            ),
            tenant=self.tenant,
            market=config.market,
            mode=None if config.app_mode == "auto" else config.app_mode,
        )

    def _extra(self, name: str) -> Any:
        return self.credentials.extra.get(name) or None


class _Gathered:
    """Pages on their way to one chunk.

    Only the last chunk of a read may be without rows: it then says which playlists are empty.
    """

    def __init__(self, reader: Reader, source: SpotifySource) -> None:
        self._reader = reader
        self._source = source
        self._clear()

    def _clear(self) -> None:
        self.begun = False
        self._records: list[Record] = []
        self._rejected: list[Reject] = []
        self._since = time.monotonic()

    def take(self, page: Page) -> bool:
        """Add a page; say whether it is time for a chunk."""
        self.begun = True
        self._records += page.records
        self._rejected += page.rejected
        held = len(self._records) + len(self._rejected)
        late = time.monotonic() - self._since >= self._source.chunk_seconds
        return held >= self._source.chunk_rows or (held > 0 and late)

    def chunk(self) -> Chunk:
        """Return everything taken, with the cursor after it, and start anew."""
        batch, misfits = rows(self._source.resource.columns, self._records)
        found = rejected([*self._rejected, *misfits])
        self._clear()
        return Chunk(batch, self._reader.cursor(), found)


SOURCE = SpotifySource
