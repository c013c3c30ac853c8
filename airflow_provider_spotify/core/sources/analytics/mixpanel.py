"""Source ``mixpanel``: raw events, profiles, cohorts and annotations of a Mixpanel project.

Events come from the raw export, https://docs.mixpanel.com/reference/raw-event-export: days of the
project's clock, each a file of JSON lines without pages. Devices may send events days after they
happened (https://mixpanel.com/help/reference/exporting-raw-data), so each run reads the last five
days again: write by merge, keyed by ``distinct_id``, ``time``, ``event`` and ``insert_id``.

An export that Mixpanel breaks off ends with a line that is no event, below status 200; its last
line is looked at before any of its rows is given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from airflow_provider_spotify.core.clients.http.settings import Rate, RateLimit
from airflow_provider_spotify.core.errors import (
    ConfigurationError,
    ForbiddenError,
    ImporterError,
    TransientError,
)
from airflow_provider_spotify.core.model import Window
from airflow_provider_spotify.core.sources.analytics._mixpanel_resources import (
    RESOURCES,
    ResourceName,
)
from airflow_provider_spotify.core.sources.web.exports import ExportConfig, ExportSource
from airflow_provider_spotify.core.sources.web.progress import Slice
from airflow_provider_spotify.core.sources.web.resource import Call, Resource, Spans

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_provider_spotify.core.clients.http.auth import Auth
    from airflow_provider_spotify.core.clients.http.client import HttpClient, Response
    from airflow_provider_spotify.core.sources.web.export_text import Stream
    from airflow_provider_spotify.core.sources.web.pages import Position

_DAY = timedelta(days=1)
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_HOSTS = {
    "us": ("https://data.mixpanel.com", "https://mixpanel.com"),
    "eu": ("https://data-eu.mixpanel.com", "https://eu.mixpanel.com"),
    "in": ("https://data-in.mixpanel.com", "https://in.mixpanel.com"),
}
"""Where data live: the host of exports, and the host of everything else."""


class MixpanelConfig(ExportConfig):
    """The YAML keys of a Mixpanel source."""

    resource: ResourceName = Field(description="what is read; decides the columns")
    project_id: int | None = Field(
        None, ge=1, description="the project; by default the one that the connection names"
    )
    region: Literal["us", "eu", "in"] | None = Field(
        None, description="where the project's data live; by default as the connection says, or us"
    )
    timezone: str = Field(
        "UTC",
        description="the zone of the project's clock, for one made before 2023; others use UTC",
    )
    events: tuple[str, ...] = Field((), description="export: names of events; by default all")
    where: str | None = Field(
        None, description="export, profiles: only what this expression of Mixpanel's is true for"
    )
    days_per_request: int = Field(
        1, ge=1, le=90, description="export: days of one request, and of one file on disk"
    )
    rate_limit: RateLimit | None = Field(
        Rate(count=60, per=timedelta(hours=1)),
        description="requests each second, or a text such as 60/h, which is Mixpanel's own limit",
    )

    @field_validator("timezone")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{value!r} is no time zone; write one as Europe/Stockholm") from None
        return value


class MixpanelSource(ExportSource[MixpanelConfig]):
    """Reads one resource of a project."""

    Config = MixpanelConfig
    conn_type: ClassVar[str | None] = "mixpanel"
    extra: ClassVar[str | None] = "analytics"
    resources: ClassVar[Mapping[str, Resource]] = RESOURCES
    exports: ClassVar[Mapping[str, str]] = {"export": "event"}
    api_url = _HOSTS["us"][1]

    def sign_in(self) -> Auth:
        """Sign as a service account: https://developer.mixpanel.com/reference/service-accounts.

        :raises ConfigurationError: if the connection lacks its name or its secret
        """
        from airflow_provider_spotify.core.clients.http.auth import BasicAuth

        login, password = self.credentials.login, self.credentials.password
        if not login or password is None:
            raise ConfigurationError(
                "Mixpanel needs a service account: put its username into the connection's login "
                "and its secret into the password"
            )
        return BasicAuth(login, password)

    def classify(self, response: Response) -> ImporterError | None:
        """Name what a plan does not include (402), which Mixpanel does not call forbidden."""
        if response.status != 402:
            return None
        return ForbiddenError(
            f"{self.dataset().name} answered 402: the project's plan does not include this API"
        )

    # Where and what.

    @property
    def base_url(self) -> str:
        """The host of the region that has the resource."""
        given = self.config.api_url or self.credentials.extra.get("api_url")
        region = self.config.region or self.credentials.extra.get("region") or "us"
        if region not in _HOSTS:
            raise ConfigurationError(f"{region!r} is no region of Mixpanel's; take us, eu or in")
        return str(given or _HOSTS[region][0 if self.exported else 1])

    @cached_property
    def project(self) -> str:
        """The project's id.

        :raises ConfigurationError: if neither the source nor the connection names it
        """
        found = self.config.project_id or self.credentials.extra.get("project_id")
        if not found:
            raise ConfigurationError(
                "Mixpanel needs project_id, in the source or in the connection's extra"
            )
        return str(found)

    @property
    def zone(self) -> ZoneInfo | None:
        """The zone of the project's clock."""
        return None if self.config.timezone == "UTC" else ZoneInfo(self.config.timezone)

    @property
    def resource(self) -> Resource:
        """The resource, with as many days of one request as are wanted."""
        found = self.resources[self.config.resource]
        if isinstance(found.progress, Spans):
            step = _DAY * self.config.days_per_request
            return found._replace(progress=found.progress._replace(step=step))
        return found

    def call(self, now: Slice, position: Position, *, asked: Any, room: int | None) -> Call:
        """Return the request for a page of what is no export."""
        found = self.resource
        path = found.path.replace("{project}", quote(self.project, safe=""))
        if self.config.resource == "annotations":
            return Call(path)
        form = dict(found.pages.params(position, room=room))
        if self.config.resource == "profiles" and self.config.where:
            form["where"] = self.config.where
        return Call(path, {"project_id": self.project}, method="POST", json=form)

    async def ask(self, http: HttpClient, call: Call, now: Slice) -> tuple[Response, Any]:
        """Send what the query API takes as a form."""
        if call.method == "GET":
            return await super().ask(http, call, now)
        response = await http.request(
            "POST",
            call.url,
            params=call.params,
            headers=_FORM,
            body=urlencode(call.json).encode(),
            idempotent=True,
            is_json=True,
        )
        return response, response.json()

    # The export.

    def _asking(self, now: Slice, *, until: Slice | None = None) -> dict[str, Any]:
        end = (until or now).end
        assert now.start is not None
        assert end is not None
        import orjson

        events = orjson.dumps(self.config.events).decode() if self.config.events else None
        return {
            "project_id": self.project,
            "from_date": now.start.date().isoformat(),
            "to_date": (end - _DAY).date().isoformat(),
            "event": events,
            "where": self.config.where,
        }

    async def fetch(self, http: HttpClient, now: Slice, *, to: Path) -> bool:
        """Bring the events of some days; an empty answer says that there are none."""
        from airflow_provider_spotify.core.sources.analytics._mixpanel_export import complete

        await http.download(
            self.resource.path,
            to=to,
            params=self._asking(now),
            headers={"Accept": "text/plain"},
            max_bytes=self.config.max_export_bytes,
        )
        return complete(to, now)

    @contextmanager
    def text(self, path: Path) -> Iterator[Stream]:
        """Open the lines."""
        with path.open("rb", buffering=0) as file:
            yield file

    async def holds(self, http: HttpClient, due: Sequence[Slice]) -> bool:
        """Ask for a single event of all days together."""
        params = {**self._asking(due[0], until=due[-1]), "limit": 1}
        async with http.stream("GET", self.resource.path, params=params) as body:
            async for block in body.blocks():
                if block.strip():
                    return True
        return False

    def judge(self, body: Mapping[str, Any]) -> ImporterError | str | None:
        """Tell an error that Mixpanel reports within an export from a line that is no event."""
        if body.get("event") is not None:
            return None
        if "error" in body:
            return TransientError(f"Mixpanel broke the export off: {str(body['error'])[:200]}")
        return "it has no event"

    def in_window(self, batch: pa.RecordBatch, window: Window) -> pa.RecordBatch:
        """Return the events of a window, whose bounds need not be midnights."""
        import pyarrow as pa
        import pyarrow.compute as pc

        low, high = (
            pa.scalar(self.calendar(t), pa.timestamp("us", "UTC"))
            for t in (window.start, window.end)
        )
        time = batch.column("time")
        return batch.filter(pc.and_(pc.greater_equal(time, low), pc.less(time, high)))

    def finished(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Turn the project's clock into real time; an hour that occurs twice is the earlier one."""
        from airflow_provider_spotify.core.sources.analytics._mixpanel_export import identified

        batch = identified(batch)
        if self.zone is None:
            return batch
        import pyarrow as pa
        import pyarrow.compute as pc

        shown = batch.column("time").cast(pa.timestamp("us"))
        real = pc.assume_timezone(
            shown, self.config.timezone, ambiguous="earliest", nonexistent="latest"
        )
        at = batch.schema.get_field_index("time")
        return batch.set_column(at, batch.schema.field(at), real.cast(batch.schema.field(at).type))


SOURCE = MixpanelSource
