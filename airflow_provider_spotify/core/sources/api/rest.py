"""Source ``rest``: any HTTP API that answers JSON, page by page.

What is read is data: path, parameters, pagination, the place of the records in the body, and the
parameter that asks for what is new. Secrets are in the connection, never here.
"""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from airflow_provider_spotify.core.clients.http.settings import BaseUrl, HttpSettings, RateLimit
from airflow_provider_spotify.core.config.rules import Duration
from airflow_provider_spotify.core.errors import ConfigurationError, ImporterError
from airflow_provider_spotify.core.model import Chunk, Cursor, DatasetName, Health, Window
from airflow_provider_spotify.core.sources.api._rest_auth import AuthConfig, sign_in
from airflow_provider_spotify.core.sources.api._rest_reader import (
    Reader,
    Task,
    listed,
    path_names,
    targets,
)
from airflow_provider_spotify.core.sources.api._rest_since import Incremental
from airflow_provider_spotify.core.sources.base import Source, SourceConfig
from airflow_provider_spotify.core.sources.web.boundary import Record
from airflow_provider_spotify.core.sources.web.pages import (
    NoPages,
    Pagination,
    PaginationConfig,
)
from airflow_provider_spotify.core.sources.web.progress import furthest
from airflow_provider_spotify.core.usage import Estimate

if TYPE_CHECKING:
    from airflow_provider_spotify.core.clients.http.client import HttpClient

_SECRET_HEADER = re.compile(r"authorization|cookie|token|secret|api-?key", re.IGNORECASE)


class RestConfig(SourceConfig):
    """The keys of ``source: {type: rest, …}``."""

    path: str = Field(
        description="below base_url; {name} is filled from params. A list there is read value by"
        " value",
        examples=["users/{user}/events"],
    )
    base_url: BaseUrl | None = Field(None, description="by default from the connection's host")
    params: Mapping[str, Any] = Field(
        default_factory=dict, description="query of a GET, JSON body of a POST"
    )
    add_params: tuple[str, ...] = Field((), description="parameters of the path to add to each row")
    headers: Mapping[str, str] = Field(default_factory=dict, description="never a secret")
    method: Literal["GET", "POST"] = Field("GET", description="POST for APIs that read by POST")
    auth: AuthConfig | None = Field(
        None, description="by default basic where the connection has login and password"
    )
    records: str | None = Field(
        None, description="path of the records in the body", examples=["data.items"]
    )
    always: str | None = Field(
        None,
        description="path of what every good answer holds, for APIs that leave the records out"
        " where they have none; by default an answer without records' path is an error",
        examples=["meta.result_count"],
    )
    pagination: PaginationConfig = NoPages(kind="none")
    incremental: Incremental | None = Field(None, description="how to ask for what is new")
    refresh: Duration = Field(
        timedelta(minutes=5),
        description="without incremental: read everything again once the last whole read is this"
        " old; a sooner run, such as a retry, finds nothing to do",
    )
    missing_ok: bool = Field(False, description="404 means that there are no records")
    allowed_hosts: tuple[str, ...] = Field((), description="other hosts that may see credentials")
    rate_limit: RateLimit | None = Field(
        None, description="requests each second, or a text such as 100/30s"
    )
    concurrency: int = Field(8, ge=1, le=64, description="requests under way at once")
    retry_attempts: int = Field(5, ge=1, le=20, description="how often a request is tried in all")
    timeout: Duration = Field(timedelta(seconds=60), description="longest time of one attempt")
    max_wait: Duration = Field(
        timedelta(seconds=60), description="a longer wait asked for frees the worker"
    )
    cache_ttl: Duration | None = Field(None, description="keep answers this long; none: no cache")
    cache: Literal["sqlite", "redis"] = Field(
        "sqlite", description="where: a file of the worker, or Redis for all workers"
    )
    cache_dir: Path | None = Field(None, description="folder of the cache on the worker")
    batch_size: int = Field(10_000, ge=1, description="rows of one batch; more if a page has more")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if "://" in self.path:
            raise ValueError("path is below base_url: put scheme and host into base_url")
        secret = next((name for name in self.headers if _SECRET_HEADER.search(name)), None)
        if secret:
            raise ValueError(f"header {secret!r} looks like a secret: use auth and the connection")
        try:
            targets(self.path, self.params)
        except ConfigurationError as error:
            raise ValueError(str(error)) from error
        unknown = [name for name in self.add_params if name not in path_names(self.path)]
        if unknown:
            raise ValueError(f"add_params: {', '.join(unknown)} is not in the path")
        return self

    @property
    def pages(self) -> Pagination:
        """The pagination, whichever kind it is."""
        return self.pagination

    @property
    def pick(self) -> Callable[[Any], list[Record | None]]:
        """What takes the records out of a body."""
        from airflow_provider_spotify.core.clients.json_arrow import pick

        return pick(self.records)


class RestSource(Source[RestConfig]):
    """Reads one listing of an HTTP API.

    With ``incremental`` every run asks for what is at or above the highest value seen; rows of
    exactly that value which were read already are recognised and left out (up to 5,000 of them;
    of more, all come again where they are merged by key, and else the next run is an error). A
    list in the path has such a value for each of its own values; one that is new is read from its
    start. A cursor within a listing holds the next page. Where the API lets page tokens end, the
    listing is then read from its start again.
    """

    Config = RestConfig
    conn_type: ClassVar[str | None] = "http"
    extra: ClassVar[str | None] = "api"
    chunk_seconds: ClassVar[float] = 5.0
    """A chunk is given after this long, so that slow reading is checkpointed too."""

    def dataset(self) -> DatasetName:
        """Name the API's origin and the path as it is configured, without ids and query."""
        from urllib.parse import urlsplit

        parts = urlsplit(self.base_url)
        path = f"{parts.path}/{self.config.path.partition('?')[0].lstrip('/')}"
        return DatasetName(f"{parts.scheme}://{parts.netloc}", path)

    @property
    def base_url(self) -> str:
        """The API's address: of the config, else of the connection.

        :raises ConfigurationError: if neither has one
        """
        if self.config.base_url:
            return self.config.base_url
        host = self.credentials.host
        if not host:
            raise ConfigurationError("rest: neither base_url nor the connection's host is set")
        if "://" not in host:
            scheme = self.credentials.database or self.credentials.extra.get("scheme") or "https"
            host = f"{scheme}://{host}"
        if self.credentials.port and not re.search(r":\d+", host.split("://")[1]):
            name, slash, path = host.split("://")[1].partition("/")
            host = f"{host.split('://')[0]}://{name}:{self.credentials.port}{slash}{path}"
        try:
            return TypeAdapter(BaseUrl).validate_python(host)
        except ValidationError as error:
            said = error.errors()[0]["msg"]
            raise ConfigurationError(f"rest: the connection's host is no address: {said}") from None

    async def read(
        self, since: Cursor | None, window: Window | None = None
    ) -> AsyncIterator[Chunk]:
        """Yield chunks; what came before an error is yielded before it is raised.

        :raises QuotaExhausted: if the API asks for a longer wait than ``max_wait``
        """
        from airflow_provider_spotify.core.sources.api._rest_chunks import Gathered

        task = self._task(window)
        if window is None and not self._due(since):
            return
        async with self._client() as http:
            reader = Reader(http, task, since=since)
            gathered = Gathered(reader, rows=self.config.batch_size, seconds=self.chunk_seconds)
            failure: ImporterError | None = None
            async with aclosing(reader.pages()) as pages:
                try:
                    async for records in pages:
                        if chunk := gathered.take(records):
                            yield chunk
                except ImporterError as error:
                    failure = error
            # A pass that was resumed and has no more rows must still be told to have ended.
            ended = reader.finished and not window and bool(since and since.get("pass"))
            if chunk := gathered.rest(even_if_empty=ended and not gathered.given):
                yield chunk
            if failure:
                raise failure

    async def check(self) -> Health:
        """Read the first page."""
        started = time.monotonic()
        try:
            async with self._client() as http:
                task = self._task(None)
                async with aclosing(Reader(http, task, since=None).pages()) as pages:
                    found = len(await anext(pages))
        except ImporterError as error:
            return Health(ok=False, message=str(error), seconds=time.monotonic() - started)
        message = f"{self.dataset().namespace} answers; {found} records on the first page"
        return Health(ok=True, message=message, seconds=time.monotonic() - started)

    async def is_ready(self, since: Cursor | None, window: Window | None = None) -> bool:
        """Read until a page has something new; as a rule that is the first."""
        if window is None and not self._due(since):
            return False
        if window is None and since and since.get("pass"):
            return True
        async with self._client() as http:
            reader = Reader(http, self._task(window), since=since)
            async with aclosing(reader.pages()) as pages:
                async for records in pages:
                    if records:
                        return True
        return False

    async def partitions(self, n: int, since: Cursor | None = None) -> Sequence[Self]:
        """Split the list that fills the path into runs of equal length, if there is one.

        An API that takes a lower bound takes no upper one as a rule, so a part also reads what
        comes after the split; each value has its own bound, so nothing is lost.
        """
        config = self.config
        name = listed(config.path, config.params)
        if name is None or n < 2:
            return [self]
        values = list(dict.fromkeys(config.params[name]))
        size = -(-len(values) // n) or 1
        runs = [values[at : at + size] for at in range(0, len(values), size)]
        return [self.narrowed(params={**config.params, name: run}) for run in runs] or [self]

    def joined(self, cursors: Sequence[Cursor | None]) -> Cursor | None:
        """Return how far each value of the list was read by whichever part had it."""
        if len(cursors) == 1:
            return cursors[0]
        if self.config.incremental:
            return {"marks": furthest(cursors)} if any(cursors) else None
        ended = [cursor.get("finished") for cursor in cursors if cursor]
        return {"finished": min(map(str, ended))} if ended and all(ended) else None

    def rereads(self) -> str | None:
        """Say that a whole listing, which is to be read again at times, brings every row again."""
        config = self.config
        if config.incremental or config.refresh == RestConfig.model_fields["refresh"].default:
            return None
        return f"without incremental, {config.path} is read as a whole again after {config.refresh}"

    async def estimate(self, since: Cursor | None, window: Window | None = None) -> Estimate | None:
        """Read the first page, where it says how many rows there are; else count the requests.

        Where the path is read value by value nothing is asked.
        """
        task, pages = self._task(window), self.config.pages
        if window is None and not self._due(since):
            return Estimate(requests=0, records=0, exact=True)
        if isinstance(pages, NoPages):
            return Estimate(requests=len(task.targets))
        if pages.counted is None or task.listed:
            return None
        async with self._client() as http:
            return await Reader(http, task, since=since).estimate()

    def _due(self, since: Cursor | None) -> bool:
        """Say whether there may be anything to read: a whole listing is read once in a while."""
        if not since or self.config.incremental or "finished" not in since:
            return True
        finished = datetime.fromisoformat(str(since["finished"]))
        return datetime.now(UTC) - finished >= self.config.refresh

    def _task(self, window: Window | None) -> Task:
        config = self.config
        by_time = config.incremental is not None and config.incremental.format != "value"
        if window is not None and not by_time:
            raise ConfigurationError(
                f"rest {config.path}: a window needs incremental with the param and field of a time"
            )
        return Task(config, targets(config.path, config.params), window, once=not self.repeatable)

    def _client(self) -> HttpClient:
        from airflow_provider_spotify.core.clients.http.client import HttpClient

        config = self.config
        settings = HttpSettings(
            base_url=self.base_url,
            allowed_hosts=config.allowed_hosts,
            timeout=config.timeout,
            concurrency=config.concurrency,
            rate_limit=config.rate_limit,
            retry_attempts=config.retry_attempts,
            max_wait=config.max_wait,
            cache_ttl=config.cache_ttl,
            cache=config.cache,
            cache_url=self.credentials.extra.get("cache_url") or None,
            cache_dir=config.cache_dir,
            redis_url=self.credentials.extra.get("redis_url"),
            quota_group=self.credentials.extra.get("quota_group"),
        )
        return HttpClient(
            settings,
            auth=sign_in(config.auth, self.credentials),
            tenant=self.tenant,
            usage=self.usage,
        )


SOURCE = RestSource
