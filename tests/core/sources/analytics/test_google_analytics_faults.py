"""The google_analytics source when its server fails, cuts, shifts and redirects."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any, ClassVar

import pytest

from airflow_provider_spotify.core.sources.analytics.google_analytics import GoogleAnalyticsSource
from airflow_provider_spotify.core.testing.web_faults import WebFaults
from tests.core.sources.analytics.reports import analytics
from tests.services.google_analytics_api.server import PROPERTY, GoogleAnalyticsApi


class TestGoogleAnalyticsFaults(WebFaults):
    """A report of four spans, some with more than one page."""

    data = r":runReport$"
    error_bodies: ClassVar[tuple[Any, ...]] = (
        {"error": {"code": 500, "message": "backend failed", "status": "INTERNAL"}},
    )
    identity = ("date", "country", "city")

    @pytest.fixture(autouse=True)
    def _serve(self) -> Iterator[None]:
        with GoogleAnalyticsApi() as self.api:
            yield

    def upstream(self) -> str:
        return self.api.url

    def make_source(self, url: str) -> GoogleAnalyticsSource:
        return analytics(
            self.api, url=url, timeout="3s", retry_attempts=2, page_size=20, batch_size=20
        )

    def insert(self) -> object:
        with self.api.lock:
            events = self.api.properties[PROPERTY].events
            events.append({**events[0], "country": "Albania", "city": "Berat", "count": 9})
        return True

    def delete(self) -> object:
        with self.api.lock:
            events = self.api.properties[PROPERTY].events
            first = min(
                (e for e in events if e["day"] == date(2026, 3, 20) and e["count"]),
                key=lambda e: (e["country"], e["city"]),
            )
            events.remove(first)
        return True
