"""The keys that every source of a web API has."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from airflow_provider_spotify.core.clients.http.settings import BaseUrl, RateLimit
from airflow_provider_spotify.core.config.rules import Duration
from airflow_provider_spotify.core.sources.base import SourceConfig
from airflow_provider_spotify.core.sources.web.resource import Newest, Whole

if TYPE_CHECKING:
    from airflow_provider_spotify.core.sources.web.base import WebSource


class WebConfig(SourceConfig):
    """The keys that every source of a web API has; ``resource`` is each one's own."""

    read_by: ClassVar[type[WebSource[Any]] | None] = None
    """The source whose keys these are: it knows how its resources go on."""

    resource: str = Field(description="what is read; decides the columns")
    start: AwareDatetime | None = Field(
        None, description="the first run reads from here; by default everything the API has"
    )
    end: AwareDatetime | None = Field(None, description="read no further than this, exclusive")
    lookback: Duration | None = Field(
        None,
        description="how far each run goes back for rows that come late; by default as the"
        " resource needs. Rows then come again: write by merge",
    )
    refresh: Duration | None = Field(
        None,
        description="read what has no order of time again once the last whole reading is this old",
    )
    api_url: BaseUrl | None = Field(None, description="another address of the API")
    rate_limit: RateLimit | None = Field(
        None, description="requests each second, or a text such as 100/30s; none: as answered"
    )
    concurrency: int = Field(8, ge=1, le=64, description="requests under way at once, at most")
    batch_size: int = Field(10_000, ge=1, description="rows of one batch; more if a page has more")
    retry_attempts: int = Field(5, ge=1, le=20, description="how often a request is tried in all")
    timeout: Duration = Field(timedelta(seconds=60), description="longest time of one attempt")
    max_wait: Duration = Field(
        timedelta(seconds=60), description="a longer wait asked for frees the worker"
    )
    cache_ttl: Duration | None = Field(None, description="keep answers this long; none: no cache")
    cache: Literal["sqlite", "redis"] = Field(
        "sqlite", description="where: a file of the worker, or Redis for all workers"
    )

    @model_validator(mode="after")
    def _fits_how_the_resource_goes_on(self) -> Self:
        if self.read_by is None or not (self.lookback or self.refresh):
            return self
        progress = self.read_by(self).resource.progress
        whole = isinstance(progress, Whole)
        if self.lookback and whole:
            raise ValueError(
                f"lookback: {self.resource} has no order of time and is read as a whole, so there"
                " is nothing to go back by; to read it again, write refresh"
            )
        if self.lookback and isinstance(progress, Newest) and progress.id:
            raise ValueError(
                f"lookback: {self.resource} goes on by the number in {progress.id!r}, which rises"
                " as rows are added, so there is no time to go back by; take lookback away"
            )
        if self.refresh and not whole:
            raise ValueError(
                f"refresh: {self.resource} is never read as a whole again, for each run reads what"
                " is new; to read the last days again, write lookback"
            )
        return self
