"""The google_analytics source as every source must be, once for each kind of progress."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_spotify.core.sources.analytics.google_analytics import GoogleAnalyticsSource
from airflow_provider_spotify.core.testing.sources import SourceConformance
from tests.core.sources.analytics.reports import analytics
from tests.services.google_analytics_api.figures import Property
from tests.services.google_analytics_api.server import PROPERTY, GoogleAnalyticsApi, new_key

SECOND = "213025503"
STRANGER = new_key()


class _Reports(SourceConformance):
    """What the suites share: a server of their own for each test."""

    @pytest.fixture(autouse=True)
    def _serve(self) -> Iterator[None]:
        with GoogleAnalyticsApi() as self.api:
            yield


class TestReport(_Reports):
    """Days, oldest first, in pages."""

    @pytest.fixture(autouse=True)
    def _end(self) -> None:
        self.end = datetime(2026, 4, 10, tzinfo=UTC)

    def make_source(self) -> GoogleAnalyticsSource:
        return analytics(self.api, end=self.end)

    def make_empty(self) -> GoogleAnalyticsSource:
        return analytics(self.api, start="2026-01-01T00:00:00Z", end="2026-01-05T00:00:00Z")

    def make_bad_credentials(self) -> GoogleAnalyticsSource:
        return analytics(self.api, key=STRANGER)

    def add_more(self) -> int:
        self.end += timedelta(days=2)
        days = {self.end.date() - timedelta(days=n) for n in (1, 2)}
        events = self.api.properties[PROPERTY].events
        return len({(e["day"], e["city"]) for e in events if e["day"] in days and e["count"]})


class TestPivotReport(_Reports):
    """Days, with pivots."""

    def make_source(self) -> GoogleAnalyticsSource:
        pivots = [{"fieldNames": ["country"]}, {"fieldNames": ["deviceCategory"], "limit": 5}]
        return analytics(
            self.api,
            resource="pivot_report",
            dimensions=["country", "deviceCategory"],
            pivots=pivots,
            page_size=10,
        )


class TestRealtime(_Reports):
    """A snapshot of each property."""

    def make_source(self) -> GoogleAnalyticsSource:
        self.api.properties.setdefault(
            SECOND, Property(events=self.api.properties[PROPERTY].events)
        )
        return analytics(
            self.api,
            resource="realtime",
            properties=[PROPERTY, SECOND],
            dimensions=["country", "minutesAgo"],
            end="2026-04-10T00:00:00Z",
        )


class TestMetadata(_Reports):
    """The dimensions and metrics of each property."""

    expected_rows = 32

    def make_source(self) -> GoogleAnalyticsSource:
        self.api.properties.setdefault(SECOND, Property())
        return analytics(
            self.api,
            resource="metadata",
            properties=[PROPERTY, SECOND],
            end="2026-04-10T00:00:00Z",
        )
