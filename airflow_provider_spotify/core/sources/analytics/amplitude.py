"""Source ``amplitude``: raw events, event types, cohorts and their members of an Amplitude project.

Events come from the Export API, https://amplitude.com/docs/apis/analytics/export: hours by
``server_upload_time``, complete some two hours later, as a zip of gzipped JSON lines. An hour once
exported does not change, so ``append`` does; ``uuid`` tells events apart. No events is 404; a span
of more than 4 GB is 400, one that takes too long 504: it is then asked for in two halves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from airflow_provider_spotify.core.config.rules import Duration
from airflow_provider_spotify.core.errors import ConfigurationError, ImporterError, TransientError
from airflow_provider_spotify.core.model import Window
from airflow_provider_spotify.core.sources.analytics._amplitude_resources import (
    RESOURCES,
    ResourceName,
)
from airflow_provider_spotify.core.sources.web.exports import (
    ExportConfig,
    ExportSource,
    TooLarge,
)
from airflow_provider_spotify.core.sources.web.progress import Slice
from airflow_provider_spotify.core.sources.web.resource import Call, Resource, Spans

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_provider_spotify.core.clients.http.auth import Auth
    from airflow_provider_spotify.core.clients.http.client import HttpClient, Response
    from airflow_provider_spotify.core.sources.web.export_text import Stream

_HOUR = timedelta(hours=1)
_HOSTS = {"us": "https://amplitude.com", "eu": "https://analytics.eu.amplitude.com"}
_TOO_MUCH = (400, 504)


class AmplitudeConfig(ExportConfig):
    """The YAML keys of an Amplitude source."""

    resource: ResourceName = Field(description="what is read; decides the columns")
    region: Literal["us", "eu"] | None = Field(
        None, description="where the project's data live; by default as the connection says, or us"
    )
    hours_per_request: int = Field(
        24, ge=1, le=365 * 24, description="events: hours of one request, and of one file on disk"
    )
    cohorts: tuple[str, ...] = Field((), description="cohort_members: ids of the cohorts")
    cohort_wait: Duration = Field(
        timedelta(minutes=10), description="cohort_members: longest wait for one to be computed"
    )
    concurrency: int = Field(4, ge=1, le=5, description="requests under way at once, at most")

    @model_validator(mode="after")
    def _cohorts_named(self) -> Self:
        if self.resource == "cohort_members" and not self.cohorts:
            raise ValueError(
                "cohort_members needs cohorts: the ids that the resource cohorts lists"
            )
        return self


class _Refused(ConfigurationError):
    """An export was refused (400): it may be too large."""


class _TooSlow(ImporterError):
    """An export took Amplitude too long (504); another attempt at the same would do so too."""


class AmplitudeSource(ExportSource[AmplitudeConfig]):
    """Reads one resource of a project."""

    Config = AmplitudeConfig
    conn_type: ClassVar[str | None] = "amplitude"
    extra: ClassVar[str | None] = "analytics"
    resources: ClassVar[Mapping[str, Resource]] = RESOURCES
    exports: ClassVar[Mapping[str, str]] = {"events": "event_type"}
    api_url = _HOSTS["us"]

    def sign_in(self) -> Auth:
        """Sign with the project's two keys.

        :raises ConfigurationError: if the connection lacks one
        """
        from airflow_provider_spotify.core.clients.http.auth import BasicAuth

        login, password = self.credentials.login, self.credentials.password
        if not login or password is None:
            raise ConfigurationError(
                "Amplitude needs two keys of the project: put the API key into the connection's "
                "login and the secret key into the password"
            )
        return BasicAuth(login, password)

    def classify(self, response: Response) -> ImporterError | None:
        """Tell what a shorter span mends from other refusals."""
        if response.status not in _TOO_MUCH or not self.exported:
            return None
        said = f"{self.dataset().name} answered {response.status} ({response.text(200)})"
        if response.status == 400:
            return _Refused(f"{said}; an hour above 4 GB has to be exported to S3 instead")
        return _TooSlow(said)

    @property
    def base_url(self) -> str:
        """The host of the region."""
        given = self.config.api_url or self.credentials.extra.get("api_url")
        region = self.config.region or self.credentials.extra.get("region") or "us"
        if region not in _HOSTS:
            raise ConfigurationError(f"{region!r} is no region of Amplitude's; take us or eu")
        return str(given or _HOSTS[region])

    @property
    def resource(self) -> Resource:
        """The resource, with as many hours of one request as are wanted."""
        found = self.resources[self.config.resource]
        if isinstance(found.progress, Spans):
            step = _HOUR * self.config.hours_per_request
            return found._replace(progress=found.progress._replace(step=step))
        return found

    async def ask(self, http: HttpClient, call: Call, now: Slice) -> tuple[Response, Any]:
        """Ask for a page; the members of a cohort are computed first."""
        if self.config.resource != "cohort_members":
            return await super().ask(http, call, now)
        from airflow_provider_spotify.core.sources.analytics._amplitude_cohorts import members

        return await members(http, call.url, patience=self.config.cohort_wait.total_seconds())

    # The export.

    def _asking(self, now: Slice) -> dict[str, str]:
        assert now.start is not None
        assert now.end is not None
        return {"start": f"{now.start:%Y%m%dT%H}", "end": f"{now.end - _HOUR:%Y%m%dT%H}"}

    async def fetch(self, http: HttpClient, now: Slice, *, to: Path) -> bool:
        """Bring the events of some hours; 404 says that there are none.

        :raises TooLarge: if they are too many
        """
        from airflow_provider_spotify.core.sources.analytics._amplitude_archive import of_span

        try:
            done = await http.download(
                self.resource.path,
                to=to,
                params=self._asking(now),
                max_bytes=self.config.max_export_bytes,
                missing_ok=True,
            )
        except _Refused as error:
            raise TooLarge(error) from None
        except _TooSlow as error:
            raise TooLarge(TransientError(str(error))) from None
        return done.status < 300 and of_span(to, now)

    def text(self, path: Path) -> AbstractContextManager[Stream]:
        """Open the lines of all files of the archive."""
        from airflow_provider_spotify.core.sources.analytics._amplitude_archive import opened

        return opened(path, most=self.config.max_export_bytes)

    async def holds(self, http: HttpClient, due: Sequence[Slice]) -> bool:
        """Ask for span after span, and hang up when one begins to come."""
        for now in due:
            asking = http.stream(
                "GET", self.resource.path, params=self._asking(now), missing_ok=True
            )
            try:
                async with asking as body:
                    if body.status < 300:
                        return True
            except (_Refused, _TooSlow):
                return True
        return False

    def judge(self, body: Mapping[str, Any]) -> ImporterError | str | None:
        """Refuse what has no type."""
        return None if body.get("event_type") is not None else "it has no event_type"

    def in_window(self, batch: pa.RecordBatch, window: Window) -> pa.RecordBatch:
        """Return the events that came in within a window, whose bounds need not be whole hours."""
        import pyarrow as pa
        import pyarrow.compute as pc

        kind = pa.timestamp("us", "UTC")
        low, high = pa.scalar(window.start, kind), pa.scalar(window.end, kind)
        time = batch.column("server_upload_time")
        return batch.filter(pc.and_(pc.greater_equal(time, low), pc.less(time, high)))


SOURCE = AmplitudeSource
