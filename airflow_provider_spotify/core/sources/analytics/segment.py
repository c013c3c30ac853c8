"""Source ``segment``: messages from the logs of its S3 destination, profiles, tracking plans.

Segment has no API that exports events. They are read from the bucket that its AWS S3 destination
fills (https://segment.com/docs/connections/storage/catalog/aws-s3/), by an ``aws`` connection or a
key pair in its own; from a warehouse that it fills, source ``postgresql`` reads them. A message may
come twice: merge by ``message_id``. Profiles and tracking plans come from two APIs, with a token
for each.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import SecretStr

from airflow_provider_spotify.core.clients.file_log import FileLog
from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Chunk, Cursor, DatasetName, Health, Window
from airflow_provider_spotify.core.sources.analytics._segment_config import SegmentConfig
from airflow_provider_spotify.core.sources.analytics._segment_logs import SegmentLogs
from airflow_provider_spotify.core.sources.analytics._segment_resources import RESOURCES
from airflow_provider_spotify.core.sources.web.bodies import require_page
from airflow_provider_spotify.core.sources.web.keys import KeyedSource
from airflow_provider_spotify.core.sources.web.progress import Slice
from airflow_provider_spotify.core.sources.web.resource import Call, Resource

if TYPE_CHECKING:
    from airflow_provider_spotify.core.clients.http.auth import Auth
    from airflow_provider_spotify.core.sources.web.pages import Page, Position

log = logging.getLogger(__name__)

_HOSTS = {
    ("profile", "us"): "https://profiles.segment.com",
    ("profile", "eu"): "https://profiles.euw1.segment.com",
    ("tracking", "us"): "https://api.segmentapis.com",
    ("tracking", "eu"): "https://eu1.api.segmentapis.com",
}
_VERSION = "application/vnd.segment.v1+json"
_LINKS = 20
"""The most links that the API gives of a profile."""


class SegmentSource(KeyedSource[SegmentConfig]):
    """Reads one resource of Segment."""

    Config = SegmentConfig
    conn_type: ClassVar[str | None] = "segment"
    extra: ClassVar[str | None] = "analytics"
    resources: ClassVar[Mapping[str, Resource]] = RESOURCES
    api_url = "https://api.segmentapis.com"

    @property
    def _family(self) -> str:
        return self.config.resource.partition("_")[0]

    @cached_property
    def _logs(self) -> SegmentLogs | None:
        if self.config.resource != "events":
            return None
        return SegmentLogs(self.config, self.credentials)

    # The two APIs.

    @property
    def base_url(self) -> str:
        """The address of the API that has the resource, in the workspace's region."""
        given = self.config.api_url or self.credentials.extra.get("api_url")
        return str(given or _HOSTS[self._family, self.config.region])

    @property
    def _space(self) -> str:
        space = self.config.space or self.credentials.extra.get("space")
        if not space:
            raise ConfigurationError(
                f"{self.config.resource} needs space: the id beside the token in Unify settings, "
                "API access; in the import, or in the connection's extra"
            )
        return str(space)

    def sign_in(self) -> Auth:
        """Sign with the connection's token, as its API wants it.

        :raises ConfigurationError: if the connection has none
        """
        from airflow_provider_spotify.core.clients.http.auth import BasicAuth, BearerAuth

        token = self.credentials.secret()
        if not token:
            raise ConfigurationError(
                "a Segment connection needs a token as password: of the Profile API for profiles, "
                "of the Public API for tracking plans"
            )
        if self._family == "profile":
            return BasicAuth(token, SecretStr(""))
        return BearerAuth(SecretStr(token))

    def call(self, now: Slice, position: Position, *, asked: Any, room: int | None) -> Call:
        """Ask for a page; the path names the space, or a header the API's version."""
        found = super().call(now, position, asked=asked, room=room)
        if self._family == "tracking":
            return found._replace(headers={"Accept": _VERSION})
        names = {"{space}": self._space, "{collection}": self.config.collection}
        url = found.url
        for name, value in names.items():
            url = url.replace(name, value)
        return found._replace(url=url)

    def bounds(self, now: Slice, asked: Any) -> Mapping[str, Any]:
        """Return the span of events to ask for; ``start`` itself may be outside of what it gives.

        What is asked for too much is left out by the reader, which knows where the span begins.
        """
        if isinstance(asked, datetime) and asked == now.start:
            asked -= timedelta(milliseconds=1)
        return super().bounds(now, asked)

    def records(self, body: Any, now: Slice) -> Sequence[Mapping[str, Any] | None]:
        """Return the records of a page; traits by name, links one id at a time.

        :raises DataError: if the body is no page
        """
        where = f"segment {self.config.resource}"
        if self.config.resource == "profile_traits":
            require_page(body, "traits", always=None, name=where)
            return [_trait(name, told) for name, told in body["traits"].items()]
        if self.config.resource == "profile_metadata":
            require_page(body, "metadata", always=None, name=where)
            return [body["metadata"]]
        require_page(body, self.resource.records, always=None, name=where)
        found = super().records(body, now)
        if self.config.resource != "profile_links":
            return found
        if len(found) >= _LINKS and not body.get("cursor"):
            log.warning(
                "%s: a profile has %s links or more; the API gives no others", where, _LINKS
            )
        return [
            {**each, "to_collection": link.get("to_collection")}
            for link in found
            if link
            for each in link.get("external_ids", ())
        ]

    def context(self, now: Slice, page: Page) -> Mapping[str, Any]:
        """Return the key, and the space of profiles."""
        return {"key": now.key, "space": self._space if self._family == "profile" else None}

    # What events do in their own way.

    async def read(
        self, since: Cursor | None, window: Window | None = None
    ) -> AsyncIterator[Chunk]:
        """Yield chunks; events in the order in which their files came. See :class:`WebSource`."""
        chunks = self._logs.read(since, window) if self._logs else super().read(since, window)
        async with aclosing(chunks) as found:  # type: ignore[type-var]
            async for chunk in found:
                yield chunk

    async def is_ready(self, since: Cursor | None, window: Window | None = None) -> bool:
        """Say whether something is new."""
        if self._logs:
            return await self._logs.is_ready(since, window)
        return await super().is_ready(since, window)

    async def check(self) -> Health:
        """List the bucket, or make the cheapest call there is."""
        return await self._logs.check() if self._logs else await super().check()

    async def partitions(self, n: int, since: Cursor | None = None) -> Sequence[Self]:
        """Deal out the files, or split the keys."""
        if not self._logs:
            return await super().partitions(n, since)
        piles = await self._logs.piles(n, since)
        return [self.narrowed(files=pile) if pile else self for pile in piles]

    def joined(self, cursors: Sequence[Cursor | None]) -> Cursor | None:
        """Return where the whole goes on."""
        if not self._logs:
            return super().joined(cursors)
        found = [cursor for cursor in cursors if cursor is not None]
        listed = [cursor["listed"] for cursor in found if cursor.get("listed")]
        told = {"listed": min(listed)} if listed else {}
        return {**FileLog.joined(found), **told} if found else None

    def rereads(self) -> str | None:
        """Say that profiles and plans are read as a whole; files are read once."""
        return None if self._logs else super().rereads()

    def dataset(self) -> DatasetName:
        """Name the folder of the logs, or the API's resource."""
        if self._logs:
            return self._logs.dataset()
        path = self.resource.path.replace("{collection}", self.config.collection)
        space = self.config.space or str(self.credentials.extra.get("space") or "{space}")
        return DatasetName(self.base_url, path.replace("{space}", space))


def _trait(name: str, told: Any) -> dict[str, Any]:
    """Return one trait; verbose answers say with each value where it is from."""
    if isinstance(told, dict) and "value" in told and {"source_id", "updated_at"} & told.keys():
        return {"trait": name, **told}
    return {"trait": name, "value": told}


SOURCE = SegmentSource
