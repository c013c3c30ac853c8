"""What a source of a web API is: resources as data, how it signs in, and what is special to it."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar
from urllib.parse import quote, urlsplit

from airflow_provider_spotify.core.clients.http.settings import HttpSettings
from airflow_provider_spotify.core.errors import ConfigurationError, ImporterError
from airflow_provider_spotify.core.model import Chunk, Cursor, DatasetName, Health, Window
from airflow_provider_spotify.core.sources.base import Source
from airflow_provider_spotify.core.sources.web.bodies import require_page
from airflow_provider_spotify.core.sources.web.config import WebConfig
from airflow_provider_spotify.core.sources.web.newest import NewestOrder
from airflow_provider_spotify.core.sources.web.pages import Position
from airflow_provider_spotify.core.sources.web.progress import (
    Extent,
    Slice,
    cut,
    furthest,
    shape_digest,
    until_of,
)
from airflow_provider_spotify.core.sources.web.resource import (
    Call,
    Newest,
    Resource,
    Spans,
    Whole,
)

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_provider_spotify.core.clients.http.auth import Auth
    from airflow_provider_spotify.core.clients.http.client import (
        HttpClient,
        Request,
        Response,
        Told,
    )
    from airflow_provider_spotify.core.sources.web.pages import Page
    from airflow_provider_spotify.core.sources.web.rows import Record, Reject


W = TypeVar("W", bound=WebConfig)


class WebSource(Source[W], Generic[W]):
    """Reads one resource of a web API, key by key, span by span, page by page."""

    resources: ClassVar[Mapping[str, Resource]]
    api_url: ClassVar[str]
    """The API's public address."""
    ping: ClassVar[str | None] = None
    """The path of a cheap call for the connection test; None: the first page of the resource."""
    quota_group: ClassVar[str | None] = None
    """What all connections have in common that the API limits together, such as an address."""
    chunk_seconds: ClassVar[float] = 5.0
    server_error_attempts: ClassVar[int | None] = None
    """How often a request that the API fails at (5xx) is tried in all; None: as any other."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Let the keys of a source be judged by what its resources are."""
        super().__init_subclass__(**kwargs)
        config = cls.__dict__.get("Config")
        if config is not None and issubclass(config, WebConfig):
            config.read_by = cls

    # What a source says of itself.

    @abstractmethod
    def sign_in(self) -> Auth | None:
        """Return what signs the requests.

        :raises ConfigurationError: if the connection lacks a secret; the message names its field
        """

    def classify(self, response: Response) -> ImporterError | None:
        """Name the error of an answer whose status misleads; None: it is what it says."""
        return None

    def learn(self, response: Response) -> Told | None:
        """Read what an answer tells of its limit; by default the headers in common use."""
        from airflow_provider_spotify.core.clients.http.learning import rate_headers

        return rate_headers(response)

    def bucket(self, request: Request) -> str:
        """Name the limit that a request counts against; empty where there is one for all."""
        return ""

    async def ask(self, http: HttpClient, call: Call, now: Slice) -> tuple[Response, Any]:
        """Send the request for a page; return the answer, and its body with what it leaves out."""
        response = await http.request(
            call.method,
            call.url,
            params=call.params,
            json=call.json,
            headers=call.headers,
            idempotent=True,
            is_json=True,
        )
        return response, response.json()

    def call(self, now: Slice, position: Position, *, asked: Any, room: int | None) -> Call:
        """Return the request for a page.

        :param asked: the lower bound: a time, or the number of ``Newest.id``; None: from the first
        :param room: how many records may be asked for; None: any number
        """
        resource = self.resource
        if "url" in position:
            return Call(str(position["url"]))
        path = resource.path.replace("{key}", quote(now.key, safe=""))
        params = {
            **resource.params,
            **self.bounds(now, asked),
            **resource.pages.params(position, room=room),
        }
        if resource.method == "POST":
            return Call(path, method="POST", json=params)
        return Call(path, params)

    def bounds(self, now: Slice, asked: Any) -> Mapping[str, Any]:
        """Return the parameters that ask for a span of time, or for what is new."""
        progress = self.resource.progress
        if isinstance(progress, Newest):
            return progress.params(asked, now.end)
        return progress.params(now.start, now.end) if isinstance(progress, Spans) else {}

    def records(self, body: Any, now: Slice) -> Sequence[Mapping[str, Any] | None]:
        """Return the records of a body, None for a place that holds none.

        :raises DataError: if a good status brought something that is no page
        """
        resource = self.resource
        name = f"{self.config.resource} {now.key}".rstrip()
        require_page(body, resource.records, always=resource.always, name=name)
        found: Sequence[Mapping[str, Any] | None] = self._pick(body)
        return found

    def rejected(self, body: Any, now: Slice) -> Sequence[Reject]:
        """Return what a good answer says it could not give."""
        return ()

    def context(self, now: Slice, page: Page) -> Mapping[str, Any]:
        """Return what the request knew of its records: the columns ``@name``."""
        return {"key": now.key}

    def now(self) -> datetime:
        """Return the time by the API's calendar, labelled UTC."""
        return datetime.now(UTC)

    # What follows from it.

    @property
    def resource(self) -> Resource:
        """The resource that is read."""
        return self.resources[self.config.resource]

    @cached_property
    def keys(self) -> Sequence[str]:
        """What is read one after the other; one empty key where there are none."""
        if self.resource.key is None:
            return [""]
        return list(dict.fromkeys(str(key) for key in getattr(self.config, self.resource.key)))

    @cached_property
    def _pick(self) -> Any:
        from airflow_provider_spotify.core.clients.json_arrow import pick

        return pick(self.resource.records)

    @property
    def extent(self) -> Extent:
        """What the configuration says about time."""
        config, progress = self.config, self.resource.progress
        lookback, refresh = config.lookback, config.refresh
        if lookback is None:
            lookback = timedelta(0) if isinstance(progress, Whole) else progress.lookback
        if refresh is None and isinstance(progress, Whole):
            refresh = progress.refresh
        return Extent(config.start, config.end, lookback, refresh)

    @cached_property
    def order(self) -> NewestOrder:
        """How new a record is."""
        progress = self.resource.progress
        assert isinstance(progress, Newest)
        lookback = self.extent.lookback
        # Within a lookback a record that has changed is new again, so all of it tells.
        told_by = () if lookback else self.resource.identity
        return NewestOrder(progress, identity=told_by, lookback=lookback)

    @cached_property
    def time_order(self) -> NewestOrder:
        """The time of a record."""
        progress = self.resource.progress
        assert isinstance(progress, Newest)
        return NewestOrder(progress._replace(id=None), identity=(), lookback=timedelta(0))

    @property
    def base_url(self) -> str:
        """The address that paths are below."""
        return self.config.api_url or self.credentials.extra.get("api_url") or self.api_url

    @property
    def shape(self) -> str:
        """The digest of what a position in the pages is good for: not the keys, nor how fast."""
        tuning = set(WebConfig.model_fields) - {"resource"}
        key = {self.resource.key, f"{self.resource.key}_from"} if self.resource.key else set()
        return shape_digest(self.config.model_dump(mode="json", exclude=tuning | key))

    def rereads(self) -> str | None:
        """Say that a lookback or a whole reading brings rows again."""
        name, progress = self.config.resource, self.resource.progress
        if self.extent.lookback and not isinstance(progress, Whole):
            return f"{name} goes back {self.extent.lookback} each time, for rows that come late"
        if isinstance(progress, Whole) and self.extent.refresh is not None:
            return f"{name} has no order of time and is read as a whole each time"
        return None

    def dataset(self) -> DatasetName:
        """Name the API's address and the resource's path."""
        parts = urlsplit(self.config.api_url or self.api_url)
        path = f"{parts.path.rstrip('/')}/{self.resource.path.lstrip('/')}"
        return DatasetName(f"{parts.scheme}://{parts.netloc}", path)

    def client(self) -> HttpClient:
        """Return the client of this source's credentials."""
        from airflow_provider_spotify.core.clients.http.client import HttpClient

        config = self.config
        settings = HttpSettings(
            base_url=self.base_url,
            timeout=config.timeout,
            concurrency=config.concurrency,
            rate_limit=config.rate_limit,
            retry_attempts=config.retry_attempts,
            server_error_attempts=self.server_error_attempts,
            max_wait=config.max_wait,
            cache_ttl=config.cache_ttl,
            cache=config.cache,
            cache_url=self.credentials.extra.get("cache_url") or None,
            redis_url=self.credentials.extra.get("redis_url"),
            quota_group=self.credentials.extra.get("quota_group") or self.quota_group,
        )
        return HttpClient(
            settings,
            auth=self.sign_in(),
            tenant=self.tenant,
            classify=self.classify,
            usage=self.usage,
            learn=self.learn,
            bucket=self.bucket,
        )

    async def read(
        self, since: Cursor | None, window: Window | None = None
    ) -> AsyncIterator[Chunk]:
        """Yield chunks; what came before an error is yielded before it is raised.

        :raises QuotaExhausted: if the API asks for a longer wait than ``max_wait``
        :raises BudgetSpent: if the run's budget ends before the listing does
        """
        from airflow_provider_spotify.core.sources.web.chunks import chunks

        self._timed(window)
        async with (
            self.client() as http,
            aclosing(chunks(self, http, since=since, window=window)) as found,
        ):
            async for chunk in found:
                yield chunk

    def rows(
        self, records: Sequence[Record], rejected: Sequence[Reject]
    ) -> tuple[pa.RecordBatch, pa.RecordBatch | None]:
        """Build the batch of some records, and the batch of what is none."""
        from airflow_provider_spotify.core.sources.web import rows

        batch, misfits = rows.rows(self.resource.columns, records)
        return batch, rows.rejected([*rejected, *misfits])

    async def check(self) -> Health:
        """Make the cheapest call there is."""
        started = time.monotonic()
        try:
            message = await self._checked()
        except ImporterError as error:
            return Health(ok=False, message=str(error), seconds=time.monotonic() - started)
        return Health(ok=True, message=message, seconds=time.monotonic() - started)

    async def _checked(self) -> str:
        if self.ping is None:
            found = await self._first(None, None)
            return f"{self.dataset().namespace} answers; {len(found or ())} records at first"
        async with self.client() as http:
            await http.get_json(self.ping)
        return f"{self.dataset().namespace} answers and accepts the credentials"

    async def is_ready(self, since: Cursor | None, window: Window | None = None) -> bool:
        """Say whether something is due, and where only the API knows, whether it has it."""
        self._timed(window)
        if window is None and since and since.get("pass"):
            return True
        return bool(await self._first(since, window))

    async def _first(self, since: Cursor | None, window: Window | None) -> Sequence[Any] | None:
        """Return the first records that reading would give; None if nothing is due."""
        from airflow_provider_spotify.core.sources.web.chunks import first

        async with self.client() as http:
            return await first(self, http, since=since, window=window)

    async def partitions(self, n: int, since: Cursor | None = None) -> Sequence[Self]:
        """Split the keys into runs of equal length; without keys, the span of time."""
        resource, extent = self.resource, self.extent
        until = until_of(resource.progress, now=self.now(), extent=extent)
        if resource.key and n > 1 and len(self.keys) > 1:
            size = -(-len(self.keys) // n)
            runs = [self.keys[at : at + size] for at in range(0, len(self.keys), size)]
            return [self.narrowed(**{resource.key: run}, end=until) for run in runs]
        cuts: list[tuple[datetime, datetime]] = []
        if isinstance(resource.progress, Spans) and n > 1:
            cuts = cut(resource.progress, n, since=since, until=until, extent=extent)
        parts = [self.narrowed(start=low, end=high) for low, high in cuts]
        return parts or [self.narrowed(end=until)]

    def joined(self, cursors: Sequence[Cursor | None]) -> Cursor | None:
        """Return how far each key was read by whichever part had it."""
        return {"marks": furthest(cursors)} if any(cursors) else None

    def _timed(self, window: Window | None) -> None:
        progress = self.resource.progress
        if window is not None and isinstance(progress, Whole):
            raise ConfigurationError(
                f"{self.config.resource} has no time to select a window by; leave the window out "
                "(incremental: {by: cursor})"
            )
