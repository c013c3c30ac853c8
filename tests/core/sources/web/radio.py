"""A source of an API that has a listing of each kind of progress: nobody's, for these tests."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Literal, Protocol

from pydantic import Field, SecretStr

from airflow_provider_spotify.core.clients.http.auth import Auth, BearerAuth
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sources.web.base import WebSource
from airflow_provider_spotify.core.sources.web.columns import Column
from airflow_provider_spotify.core.sources.web.config import WebConfig
from airflow_provider_spotify.core.sources.web.pages import NoPages, Offsets, Tokens
from airflow_provider_spotify.core.sources.web.resource import (
    Bounds,
    Newest,
    Resource,
    Spans,
    Whole,
)

TOKEN = "radio-token-5f0d"
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
NOW = BEGIN + timedelta(hours=60, minutes=30)
LATER = NOW + timedelta(hours=2)


_PLAY = (
    Column("channel", "string", "@key", "the channel"),
    Column("id", "bigint", "id", "number of the play"),
    Column("at", "timestamp", "at", "when it began"),
    Column("title", "string", "title", "title"),
)
_OFFSETS = Offsets(kind="offset", limit=20, total="total")


class RadioConfig(WebConfig):
    """The keys of these tests' source."""

    resource: Literal["plays", "all", "by_id", "chart", "log"] = Field(description="what is read")
    channels: tuple[str, ...] = ("one", "two")


class RadioSource(WebSource[RadioConfig]):
    """Reads the API of ``radio_api``."""

    Config = RadioConfig
    conn_type: ClassVar[str | None] = "http"
    api_url = "https://radio.example"
    clock: ClassVar[datetime | None] = None
    resources: ClassVar[Mapping[str, Resource]] = {
        "plays": Resource(
            "plays/{key}",
            _PLAY,
            "plays, newest first",
            records="plays",
            pages=_OFFSETS,
            progress=Newest(Bounds("at", "since", "before", "%Y-%m-%dT%H:%M:00+00:00")),
            key="channels",
            identity=("id",),
        ),
        "all": Resource(
            "all/{key}",
            _PLAY,
            "plays, newest first; the API takes no bounds",
            records="plays",
            pages=Tokens(kind="cursor", next="next", size_param="size", size=10),
            progress=Newest(Bounds("at")),
            key="channels",
            identity=("id",),
            price=0.005,
        ),
        "by_id": Resource(
            "all/{key}",
            _PLAY,
            "plays by number, newest first",
            records="plays",
            pages=Tokens(kind="cursor", next="next"),
            progress=Newest(Bounds("at"), id="id"),
            key="channels",
        ),
        "chart": Resource(
            "chart/{key}",
            _PLAY,
            "the most heard plays",
            records="plays",
            pages=NoPages(kind="none"),
            progress=Whole(timedelta(hours=2)),
            key="channels",
        ),
        "log": Resource(
            "log",
            (Column("id", "bigint", "id", "number"), Column("at", "timestamp", "at", "when")),
            "lines of the log by the hour",
            records="lines",
            pages=Offsets(kind="offset", limit=5, total="total"),
            progress=Spans(
                unit=timedelta(hours=1),
                step=timedelta(hours=4),
                by=Bounds("at", "from", "to", "%Y-%m-%dT%H"),
            ),
            identity=("id",),
        ),
    }

    def sign_in(self) -> Auth:
        """Sign by the token of the connection."""
        return BearerAuth(self.credentials.password or SecretStr(""))

    def now(self) -> datetime:
        """Return the time that stands still, if one does."""
        return self.clock or super().now()


class Served(Protocol):
    """Whatever says where the API is."""

    @property
    def url(self) -> str:
        """The address."""
        ...


def radio(
    api: Served,
    resource: str,
    *,
    token: str = TOKEN,
    clock: datetime | None = None,
    **config: Any,
) -> RadioSource:
    """Return a source of a server, with small chunks."""
    given = {"resource": resource, "api_url": api.url, "batch_size": 15, "start": BEGIN, **config}
    return _SOURCES[clock](RadioConfig(**given), credentials=Credentials(password=SecretStr(token)))


class _AtNow(RadioSource):
    clock = NOW


class _Later(RadioSource):
    clock = LATER


_SOURCES = {None: RadioSource, NOW: _AtNow, LATER: _Later}
