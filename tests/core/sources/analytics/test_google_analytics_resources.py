"""What else Google Analytics gives: pivots, realtime, metadata, and who may read it."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, date, datetime
from typing import Any

import pytest

from airflow_provider_spotify.core.errors import ForbiddenError
from airflow_provider_spotify.core.sources.analytics.google_analytics import SCOPE
from airflow_provider_spotify.core.testing.sources import read
from tests.core.chunks import rows as listed
from tests.core.sources.analytics.report_calls import asked, serving
from tests.core.sources.analytics.reports import analytics
from tests.services.google_analytics_api.figures import Property
from tests.services.google_analytics_api.server import PROPERTY, GoogleAnalyticsApi

api = pytest.fixture(serving)
CLOSED = "213025599"


def test_a_property_that_is_closed_to_us_is_set_aside(api: GoogleAnalyticsApi) -> None:
    """The others are read; if all are closed, the run fails."""
    api.properties[CLOSED] = Property(closed=True)
    both: dict[str, Any] = {"timezone": None, "properties": [CLOSED, PROPERTY], "concurrency": 1}
    chunks = read(analytics(api, **both))
    assert {row["_property"] for row in listed(chunks)} == {PROPERTY}
    reasons = [r for c in chunks if c.rejected for r in c.rejected.column("reason").to_pylist()]
    assert reasons
    assert "sufficient permissions" in reasons[0]
    with pytest.raises(ForbiddenError, match="sufficient permissions"):
        read(analytics(api, properties=[CLOSED]))


def test_pivots_are_read_to_the_end_of_the_first(
    api: GoogleAnalyticsApi, caplog: pytest.LogCaptureFixture
) -> None:
    """Every day and country comes; a later pivot gives its limit, and the log says what it left."""
    pivots = [{"fieldNames": ["country"]}, {"fieldNames": ["deviceCategory"], "limit": 1}]
    source = analytics(
        api,
        resource="pivot_report",
        dimensions=["country", "deviceCategory"],
        pivots=pivots,
        page_size=4,
    )
    with caplog.at_level(logging.WARNING):
        rows = listed(read(source))
    wanted = {
        (e["day"], e["country"])
        for e in api.properties[PROPERTY].events
        if e["count"] and e["device"] == "desktop" and e["day"] < date(2026, 4, 10)
    }
    assert {(row["date"], row["country"]) for row in rows} == wanted
    assert {row["deviceCategory"] for row in rows} == {"desktop"}
    assert asked(api, "runPivotReport")[0]["pivots"][0]["fieldNames"] == ["date", "country"]
    assert "2 combinations" in caplog.text


def test_realtime_has_its_minutes_and_the_time_of_the_snapshot(api: GoogleAnalyticsApi) -> None:
    """Two minute ranges are told apart by the column that the API adds."""
    ranges = [{"name": "now", "startMinutesAgo": 9}, {"startMinutesAgo": 29, "endMinutesAgo": 10}]
    source = analytics(
        api,
        resource="realtime",
        dimensions=["country"],
        minute_ranges=ranges,
        end="2026-04-10T00:00:00Z",
    )
    rows = listed(read(source))
    assert {row["dateRange"] for row in rows} == {"now", "date_range_1"}
    assert {row["_read_at"] for row in rows} == {datetime(2026, 4, 10, tzinfo=UTC)}
    assert source.rereads() is not None


def test_metadata_says_what_is_custom_and_what_is_blocked(api: GoogleAnalyticsApi) -> None:
    """A metric that is 0 for these credentials is known by its reasons."""
    rows = {r["api_name"]: r for r in listed(read(analytics(api, resource="metadata")))}
    assert rows["customEvent:level"]["custom"] is True
    assert rows["purchaseRevenue"]["blocked"] == ["NO_REVENUE_METRICS"]
    assert (rows["eventCount"]["kind"], rows["eventCount"]["type"]) == ("metric", "TYPE_INTEGER")


def test_the_check_finds_what_may_not_stand_in_one_report(api: GoogleAnalyticsApi) -> None:
    """Incompatible dimensions are known before a run; checking costs no report."""
    assert asyncio.run(analytics(api).check()).ok
    health = asyncio.run(analytics(api, dimensions=["city", "firstSessionDate"]).check())
    assert not health.ok
    assert "remove city to make the request compatible" in health.message
    assert not asked(api)
    assert asyncio.run(analytics(api, resource="metadata").check()).ok


def test_the_token_is_for_reading_only(api: GoogleAnalyticsApi) -> None:
    """The service account asks for the one scope that it needs."""
    read(analytics(api), limit=1)
    assert {claims["scope"] for claims in api.oauth.claims} == {SCOPE}
