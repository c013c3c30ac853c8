"""Source ``spotify``: the catalogue of the Web API, and its users' libraries, plays and favourites.

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
from typing import TYPE_CHECKING, Any, ClassVar, Self
from urllib.parse import urlsplit

from airflow_provider_spotify.core.clients.http.settings import HttpSettings
from airflow_provider_spotify.core.errors import (
    ConfigurationError,
    ForbiddenError,
    ImporterError,
)
from airflow_provider_spotify.core.model import Chunk, Cursor, DatasetName, Health, Window
from airflow_provider_spotify.core.sources.audio import _spotify_catalogue, _spotify_playlists
from airflow_provider_spotify.core.sources.audio._spotify_api import SpotifyApi, encrypted, sign_in
from airflow_provider_spotify.core.sources.audio._spotify_catalogue import (
    ObjectReader,
    PageReader,
    place,
)
from airflow_provider_spotify.core.sources.audio._spotify_config import (
    API_URL,
    CLOSED,
    TOKEN_URL,
    SpotifyConfig,
)
from airflow_provider_spotify.core.sources.audio._spotify_gathered import Gathered
from airflow_provider_spotify.core.sources.audio._spotify_ids import distinct, read_ids
from airflow_provider_spotify.core.sources.audio._spotify_playlists import PlaylistReader
from airflow_provider_spotify.core.sources.audio._spotify_readers import Reader, Task, answered
from airflow_provider_spotify.core.sources.audio._spotify_resources import (
    RESOURCES,
    SEARCH_PAGE_IN_DEVELOPMENT,
    Resource,
)
from airflow_provider_spotify.core.sources.audio._spotify_users import LAST_PLAYS
from airflow_provider_spotify.core.sources.base import Source, Wanted
from airflow_provider_spotify.core.usage import Estimate

if TYPE_CHECKING:
    from airflow_provider_spotify.core.sources.audio._spotify_library import Library

__all__ = ["SOURCE", "SpotifyConfig", "SpotifySource"]


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
        if not self.resource.by_id:
            kinds = self.config.search_types if self.config.resource == "search" else ("album",)
            return list(dict.fromkeys(kinds))
        given = read_ids(self.config.ids_from) if self.config.ids_from else self.config.ids
        return distinct(given, kind=self.resource.id_type)

    def library(self, since: Cursor | None = None) -> Library | None:
        """Return what the kit of web sources reads instead of this one, if it does.

        :param since: only what is new after it is read: one page mostly, and none ahead of it
        """
        if self.resource.shape != "kit":
            return None
        from airflow_provider_spotify.core.sources.audio._spotify_library import (
            Library,
            LibraryConfig,
        )

        config = self.config
        kept = ("resource", "refresh", "rate_limit", "concurrency", "retry_attempts", "timeout",
                "time_ranges", "market")  # fmt: skip
        options = {name: getattr(config, name) for name in kept} | {
            "api_url": config.api_url or self._extra("api_url") or API_URL,
            "token_url": config.token_url or self._extra("token_url") or TOKEN_URL,
            "batch_size": self.chunk_rows,
            "page_size": config.batch_size,
        }
        if since and since.get("marks"):
            options["concurrency"] = 1
        found = Library(LibraryConfig(**options), credentials=self.credentials, tenant=self.tenant)
        found.chunk_seconds = self.chunk_seconds  # type: ignore[misc]
        found.repeatable = self.repeatable
        found.usage = self.usage
        return found

    def wants(self) -> Wanted | None:
        """Name the column of the destination whose ids are to be read, if any."""
        place = self.config.ids_from
        if place is None or place.table is None or place.column is None:
            return None
        return Wanted(place.table, place.column, own=self.resource.asked_by)

    def given(self, ids: Iterable[Any]) -> Self:
        """Return this source with the ids of the table that it wants; there may be none."""
        source = type(self)(self.config, credentials=self.credentials, tenant=self.tenant)
        source.usage = self.usage
        source.keys = distinct(ids, kind=self.resource.id_type)
        return source

    def dataset(self) -> DatasetName:
        """Name the API's address and the resource's path."""
        parts = urlsplit(self.config.api_url or API_URL)
        return DatasetName(f"{parts.scheme}://{parts.netloc}", f"/v1/{self.resource.path}")

    async def check(self) -> Health:
        """Get a token and make one cheap call."""
        if library := self.library():
            return await library.check()
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
        if library := self.library(since):
            return await library.is_ready(since, window)
        if self.wants() and "keys" not in self.__dict__:
            return True
        task = self._task(window)
        if not task.keys:
            return False
        if self.resource.shape != "playlists":
            return place(since, task).position < len(task.keys)
        async with self._api() as api:
            return await PlaylistReader(api, task, since=None if window else since).changed()

    async def estimate(self, since: Cursor | None, window: Window | None = None) -> Estimate | None:
        """Foretell the requests for ids; the mode, which decides, may cost one to find out."""
        if self.config.resource == "recently_played":
            return Estimate(requests=1, records=LAST_PLAYS)
        if self.resource.shape not in ("objects", "playlists") or (
            self.wants() and "keys" not in self.__dict__
        ):
            return None
        task = self._task(window)
        if self.resource.shape == "playlists":
            count = len(task.keys)
            return Estimate(requests=count, records=count) if task.name == "playlists" else None
        count = len(task.keys) - place(since, task).position
        async with self._api() as api:
            group = 1 if count and await api.mode() == "development" else task.limit
        return Estimate(requests=-(-count // group), records=count)

    def rereads(self) -> str | None:
        """Say that whole lists come again; playlists do as another version, with its id."""
        if library := self.library():
            return library.rereads()
        name, refresh = self.config.resource, self._refresh
        if self.resource.shape == "playlists" or refresh is None:
            return None
        return f"{name} are read as a whole again after {refresh}"

    async def partitions(self, n: int, since: Cursor | None = None) -> Sequence[Self]:
        """Split the ids that are not read yet into runs of equal length; a list cannot be split."""
        if not self.resource.by_id or n < 2:
            return [self]
        task = self._task(None)
        skipped = 0 if self.resource.shape == "playlists" else place(since, task).position
        keys = self.keys[skipped:]
        size = -(-len(keys) // n)
        return [
            self.narrowed(ids=keys[at : at + size], ids_from=None, first=skipped + at)
            for at in range(0, len(keys), size or 1)
        ] or [self]

    def joined(self, cursors: Sequence[Cursor | None]) -> Cursor | None:
        """Return where all ids go on, from how far each run of them was read."""
        if len(cursors) == 1 or not any(cursors):
            return cursors[0]
        if not self.resource.by_id:
            return super().joined(cursors)
        if self.resource.shape == "playlists":
            return _spotify_playlists.joined(cursors)
        return _spotify_catalogue.joined(cursors, self._task(None))

    async def read(
        self, since: Cursor | None, window: Window | None = None
    ) -> AsyncIterator[Chunk]:
        """Yield chunks; what came before an error is yielded before it is raised.

        A window is one of ``added_at``, so only playlist items have it.

        :raises QuotaExhausted: if Spotify asks to wait longer than a minute
        :raises ForbiddenError: if nothing at all is open to this app
        """
        if library := self.library(since):
            async with aclosing(library.read(since, window)) as chunks:  # type: ignore[type-var]
                async for chunk in chunks:
                    yield chunk
            return
        task = self._task(window)
        async with self._api() as api:
            reader = await self._reader(api, task, since=None if window else since)
            gathered = Gathered(
                reader,
                self.resource.columns,
                rows=self.chunk_rows,
                seconds=self.chunk_seconds,
            )
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
        return Task(
            config.resource,
            self.resource,
            self.keys,
            limit=min(config.batch_size or self.resource.most, self.resource.most),
            query=config.query,
            market=config.market,
            refresh=self._refresh,
            window=window,
            first=config.first,
        )

    @property
    def _refresh(self) -> timedelta | None:
        daily = timedelta(days=1) if self.resource.shape == "listing" else None
        return self.config.refresh or daily

    async def _reader(self, api: SpotifyApi, task: Task, *, since: Cursor | None) -> Reader:
        if self.resource.shape == "playlists":
            return PlaylistReader(api, task, since=since)
        if self.resource.shape == "pages" or not task.keys:
            return PageReader(api, task, since=since)
        development = await api.mode() == "development"
        if development and task.name in CLOSED:
            raise ForbiddenError(f"spotify {task.name}: {CLOSED[task.name]}")
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
            usage=self.usage,
        )

    def _extra(self, name: str) -> Any:
        return self.credentials.extra.get(name) or None


SOURCE = SpotifySource
