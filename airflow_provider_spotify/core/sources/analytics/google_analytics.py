"""Source ``google_analytics``: reports of Google Analytics 4 by day, pivots, realtime, metadata.

The Data API, v1beta: https://developers.google.com/analytics/devguides/reporting/data/v1. A report
is read by days of the property's time zone; the dimension ``date`` is added where it is not asked
for, since no row would tell its day without it. Figures of a day change for some days after it
(https://support.google.com/analytics/answer/11198161), so each run reads the last three again:
write by merge, keyed by ``_property`` and the dimensions.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self
from urllib.parse import quote
from zoneinfo import ZoneInfo

from airflow_provider_spotify.core.errors import (
    DataError,
    ForbiddenError,
    ImporterError,
    TransientError,
)
from airflow_provider_spotify.core.model import Chunk, Cursor, DatasetName, Window
from airflow_provider_spotify.core.sources.analytics import _google_analytics_columns as reports
from airflow_provider_spotify.core.sources.analytics import _google_analytics_quota as quotas
from airflow_provider_spotify.core.sources.analytics import _google_analytics_requests as bodies
from airflow_provider_spotify.core.sources.analytics._google_analytics_config import (
    RESOURCES,
    GoogleAnalyticsConfig,
)
from airflow_provider_spotify.core.sources.web.base import WebSource
from airflow_provider_spotify.core.sources.web.pages import NoPages, Offsets, Pagination
from airflow_provider_spotify.core.sources.web.progress import Slice, floor
from airflow_provider_spotify.core.sources.web.resource import Call, Resource, Spans

if TYPE_CHECKING:
    from airflow_provider_spotify.core.clients.http.auth import Auth
    from airflow_provider_spotify.core.clients.http.client import (
        HttpClient,
        Request,
        Response,
        Told,
    )
    from airflow_provider_spotify.core.sources.web.pages import Page, Position

log = logging.getLogger(__name__)

SCOPE = "https://www.googleapis.com/auth/analytics.readonly"
_DAY = timedelta(days=1)
_METHODS = {
    "report": "runReport",
    "pivot_report": "runPivotReport",
    "realtime": "runRealtimeReport",
}


class GoogleAnalyticsSource(WebSource[GoogleAnalyticsConfig]):
    """Reads one kind of report of some properties."""

    Config = GoogleAnalyticsConfig
    conn_type: ClassVar[str | None] = "google_analytics"
    extra: ClassVar[str | None] = "analytics"
    resources: ClassVar[Mapping[str, Resource]] = RESOURCES
    api_url = "https://analyticsdata.googleapis.com/v1beta"
    server_error_attempts: ClassVar[int | None] = 2
    """Ten server errors in an hour block a property."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._zones: dict[str, tzinfo] = {}
        self._kinds: dict[str, str] = {}
        self._begins: dict[tuple[str, str, str], str] = {}

    def sign_in(self) -> Auth:
        """Sign as the service account whose key the connection holds.

        :raises ConfigurationError: if it holds none, or no usable one
        """
        from airflow_provider_spotify.core.clients.oauth.service_account import (
            ServiceAccount,
            service_account_key,
        )

        return ServiceAccount(service_account_key(self.credentials), scopes=[SCOPE])

    def classify(self, response: Response) -> ImporterError | None:
        """Tell a quota that is used up from too many requests at once."""
        return quotas.exhausted(response)

    def learn(self, response: Response) -> Told | None:
        """Read what is left of the property's quota."""
        return quotas.quota(response)

    def bucket(self, request: Request) -> str:
        """Name the property's quota."""
        return quotas.bucket(request)

    # What is asked for.

    @cached_property
    def _static(self) -> Resource:
        """The resource with this configuration's dimensions, pages and spans."""
        config, found = self.config, RESOURCES[self.config.resource]
        if config.resource == "metadata":
            return found
        progress = found.progress
        if isinstance(progress, Spans):
            progress = progress._replace(step=_DAY * config.days_per_request)
        names = self._row_names
        return found._replace(progress=progress, pages=self._pages, identity=names)

    @property
    def _row_names(self) -> list[str]:
        """What tells a row from every other one."""
        ranges = ["dateRange"] if len(self.config.minute_ranges) > 1 else []
        return [*bodies.dimensions(self.config), *ranges]

    @property
    def _pages(self) -> Pagination:
        config = self.config
        if config.resource == "report":
            return Offsets(kind="offset", limit=config.page_size, total="rowCount")
        if config.resource == "pivot_report":
            return bodies.PivotRows(kind="offset", limit=bodies.first_limit(config))
        return NoPages(kind="none")

    @property
    def resource(self) -> Resource:
        """The resource, with the columns of the report as far as their types are known."""
        found = self._static
        if self.config.resource == "metadata":
            return found
        counted = [reports.metric(n, self._kinds.get(n)) for n in bodies.metrics(self.config)]
        told, *made = found.columns
        by = [reports.dimension(name) for name in self._row_names]
        return found._replace(columns=(told, *by, *counted, *made))

    def call(self, now: Slice, position: Position, *, asked: Any, room: int | None) -> Call:
        """Ask for a page of a report; everything is said in the body."""
        path = self._static.path.replace("{key}", quote(now.key, safe=""))
        body = bodies.body(self.config, now, position)
        return Call(path, method="POST", json=body) if body else Call(path)

    async def ask(self, http: HttpClient, call: Call, now: Slice) -> tuple[Response, Any]:
        """Ask, and notice a page that is the answer to another request.

        :raises TransientError: if it begins as another page of the same report did
        """
        response, body = await super().ask(http, call, now)
        rows = body.get("rows") if isinstance(body, dict) else None
        if rows and (place := bodies.place(call.json)):
            begin = (now.mark, str(now.start), str(rows[0].get("dimensionValues")))
            if self._begins.setdefault(begin, place) != place:
                raise TransientError(f"{call.url}: two pages begin alike; one answer was repeated")
        return response, body

    def records(self, body: Any, now: Slice) -> Sequence[Mapping[str, Any] | None]:
        """Return a report's rows by name.

        :raises DataError: if the body is no report, or one that was cut
        :raises TransientError: if it is the report of other days
        """
        if self.config.resource == "metadata":
            return _described(body)
        method = _METHODS[self.config.resource]
        found = list(reports.flat(body, method=method, zone=self._zone(now.key, body)))
        self._kinds |= reports.kinds(body)
        if self.config.resource != "realtime":
            reports.require_days(found, now.start, now.end, where=f"{method} of {now.key}")
        if self.config.resource == "realtime" and body.get("rowCount", 0) > len(found):
            raise DataError(
                f"realtime of {now.key} has {body['rowCount']} rows and gives {len(found)}, and it "
                "cannot be paged: ask for fewer dimensions, or filter"
            )
        return found

    def context(self, now: Slice, page: Page) -> Mapping[str, Any]:
        """Return the property, and how the report was made; say what makes it less than whole."""
        known = {"property": now.key, "read_at": now.end.isoformat() if now.end else None}
        if self.config.resource not in ("report", "pivot_report"):
            return known
        told = reports.made(page.body)
        where = f"{self.config.resource} of {now.key} from {now.start:%Y-%m-%d}"
        reports.warn(where, told)
        for lack in bodies.cut(self.config, page.body) if self.config.pivots else ():
            log.warning("%s: %s", where, lack)
        return {**known, **told}

    def rereads(self) -> str | None:
        """Say that days are read again until they have settled, and what tells rows apart."""
        said = super().rereads()
        key = ", ".join(["_property", *self._row_names])
        told = said is not None and self.config.resource != "metadata"
        return f"{said} (rows are told apart by {key})" if told else said

    def dataset(self) -> DatasetName:
        """Name the properties and the method."""
        name = super().dataset()
        return name._replace(name=name.name.replace("{key}", ",".join(self.config.properties)))

    # The properties' calendar.

    def now(self) -> datetime:
        """Return the time on the properties' clocks; of several zones, the earliest."""
        return calendar(datetime.now(UTC), self._zones.values())

    def _zone(self, key: str, body: Any) -> tzinfo:
        if key not in self._zones and isinstance(body, dict):
            told = (body.get("metadata") or {}).get("timeZone")
            self._zones[key] = ZoneInfo(self.config.timezone or told or "UTC")
        return self._zones.get(key, UTC)

    async def _set_clocks(self) -> None:
        """Learn the properties' time zones, which only a report tells; one token for each."""
        if self.config.timezone:
            self._zones = dict.fromkeys(self.keys, ZoneInfo(self.config.timezone))
        missing = [key for key in self.keys if key not in self._zones]
        if not missing or not isinstance(self._static.progress, Spans):
            return
        async with self.client() as http:
            for key in missing:
                try:
                    body = await http.post_json(
                        f"properties/{key}:runReport", json=bodies.CHEAPEST, idempotent=True
                    )
                except ForbiddenError:
                    continue  # reading says so, and goes on with the others
                reports.require(body, method="runReport")
                self._zone(key, body)

    def _days(self, window: Window) -> Window | None:
        """Return the whole days of the properties' calendar that end in a window."""
        begin, end = (
            floor(calendar(each, self._zones.values()), _DAY) for each in (window.start, window.end)
        )
        return Window(start=begin, end=end) if begin < end else None

    async def read(
        self, since: Cursor | None, window: Window | None = None
    ) -> AsyncIterator[Chunk]:
        """Yield chunks; see :class:`WebSource`. A window stands for the days that end in it."""
        self._timed(window)
        await self._set_clocks()
        days = self._days(window) if window else None
        if window and not days:
            return
        async with aclosing(super().read(since, days)) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                yield chunk

    async def _first(self, since: Cursor | None, window: Window | None) -> Sequence[Any] | None:
        await self._set_clocks()
        days = self._days(window) if window else None
        return None if window and not days else await super()._first(since, days)

    async def partitions(self, n: int, since: Cursor | None = None) -> Sequence[Self]:
        """Split the properties, or the days of one; see :class:`WebSource`."""
        await self._set_clocks()
        return await super().partitions(n, since)

    async def _checked(self) -> str:
        """Ask whether the dimensions and metrics may stand in one report; it costs no tokens."""
        method = "checkCompatibility"
        async with self.client() as http:
            for key in self.keys:
                if self.config.resource in ("report", "pivot_report"):
                    asked = {**bodies.fields(self.config), "compatibilityFilter": "INCOMPATIBLE"}
                    await http.post_json(f"properties/{key}:{method}", json=asked, idempotent=True)
                else:
                    _described(await http.get_json(f"properties/{key}/metadata"))
        count = len(self.keys)
        return f"Google Analytics answers; {count} {'property' if count == 1 else 'properties'}"


def calendar(moment: datetime, zones: Iterable[tzinfo]) -> datetime:
    """Return the time that clocks show at a moment, labelled UTC; of several, the earliest."""
    shown = (moment.astimezone(zone).replace(tzinfo=UTC, fold=0) for zone in zones)
    return min(shown, default=moment.astimezone(UTC))


def _described(body: Any) -> list[dict[str, Any]]:
    """Return the dimensions and metrics of a property.

    :raises DataError: if the body describes none
    """
    if not isinstance(body, dict) or not str(body.get("name", "")).endswith("/metadata"):
        raise DataError("getMetadata was answered with something else than a property's metadata")
    by, counted = body.get("dimensions", ()), body.get("metrics", ())
    return [
        *({**each, "kind": "dimension"} for each in by),
        *({**each, "kind": "metric"} for each in counted),
    ]


SOURCE = GoogleAnalyticsSource
