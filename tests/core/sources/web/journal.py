"""A source of every kind of listing, paged in every way: for the test of exactly once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sources.web.base import WebSource
from airflow_provider_spotify.core.sources.web.columns import Column
from airflow_provider_spotify.core.sources.web.config import WebConfig
from airflow_provider_spotify.core.sources.web.pages import (
    NextUrls,
    Offsets,
    PageNumbers,
    Pagination,
    Tokens,
)
from airflow_provider_spotify.core.sources.web.resource import (
    Bounds,
    Newest,
    Progress,
    Resource,
    Spans,
    Whole,
)

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
SIZE = 7
_MINUTES = "%Y-%m-%dT%H:%M:00+00:00"
_COLUMNS = (
    Column("id", "bigint", "id", "number of the entry"),
    Column("at", "timestamp", "at", "when it was written"),
)
LISTINGS: Mapping[str, Progress] = {
    "bounded": Newest(Bounds("at", "since", "before", _MINUTES)),
    "since": Newest(Bounds("at", "since", None, _MINUTES), upper=False),
    "open": Newest(Bounds("at")),
    "late": Newest(Bounds("at", "since", "before", _MINUTES), lookback=timedelta(days=60)),
    "by_id": Newest(Bounds("at"), id="id"),
    "after_id": Newest(Bounds("at"), id="id", since_id="after"),
    "spans": Spans(
        unit=timedelta(hours=1),
        step=timedelta(hours=6),
        by=Bounds("at", "from", "to", "%Y-%m-%dT%H"),
    ),
    "once": Whole(None),
    "whole": Whole(timedelta(hours=1)),
}
PAGES: Mapping[str, Pagination] = {
    "offset": Offsets(kind="offset", limit=SIZE, total="total"),
    "blind": Offsets(kind="offset", limit=SIZE),
    "page": PageNumbers(kind="page", size_param="size", size=SIZE, total="total"),
    "pages": PageNumbers(kind="page", size_param="size", size=SIZE, pages="pages"),
    "token": Tokens(kind="cursor", next="next", size_param="size", size=SIZE),
    "last": Tokens(kind="cursor", param="below", last="place", size_param="size", size=SIZE),
    "url": NextUrls(kind="next_url", next="url"),
}


class JournalConfig(WebConfig):
    """The keys of this test's source."""


class JournalSource(WebSource[JournalConfig]):
    """Reads the API of ``journal_api``."""

    Config = JournalConfig
    api_url = "https://journal.example"
    chunk_seconds = 600.0
    moment: datetime
    resources: ClassVar[Mapping[str, Resource]] = {
        f"{listing}_{style}": Resource(
            f"{listing}/{style}",
            _COLUMNS,
            "entries",
            records="entries",
            pages=pages,
            progress=progress,
            identity=("id",),
        )
        for listing, progress in LISTINGS.items()
        for style, pages in PAGES.items()
    }

    def sign_in(self) -> None:
        """Need no credentials."""

    def now(self) -> datetime:
        """Return the time of the run."""
        return self.moment


def journal(
    url: str, resource: str, *, moment: datetime, concurrency: int, batch_size: int
) -> JournalSource:
    """Return a source of a server at a moment."""
    config = JournalConfig(
        resource=resource,
        api_url=url,
        start=BEGIN,
        concurrency=concurrency,
        batch_size=batch_size,
        retry_attempts=1,
    )
    source = JournalSource(config, credentials=Credentials())
    source.moment = moment
    return source
