"""Days of Google Analytics: they settle late, and end by the clock of their property."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from airflow_provider_spotify.core.model import Run, Window
from airflow_provider_spotify.core.pipeline import run_import
from airflow_provider_spotify.core.sources.analytics.google_analytics import calendar
from airflow_provider_spotify.core.testing.sources import read
from tests.core.chunks import rows as listed
from tests.core.imports import duckdb_sink, plan, rows
from tests.core.sources.analytics.report_calls import asked, serving
from tests.core.sources.analytics.reports import analytics
from tests.services.google_analytics_api.server import PROPERTY, GoogleAnalyticsApi

api = pytest.fixture(serving)


def test_a_run_goes_three_days_back(api: GoogleAnalyticsApi) -> None:
    """Days settle for some time, so the last three come again and must be merged."""
    since = read(analytics(api, lookback=None))[-1].cursor
    api.asked_for.clear()
    later = analytics(api, lookback=None, end="2026-04-12T00:00:00Z")
    days = {row["date"] for row in listed(read(later, since))}
    assert asked(api)[0]["dateRanges"] == [{"startDate": "2026-04-07", "endDate": "2026-04-11"}]
    assert days == {date(2026, 4, day) for day in range(7, 12)}
    assert later.rereads() == (
        "report goes back 3 days, 0:00:00 each time, for rows that come late "
        "(rows are told apart by _property, date, country, city)"
    )
    assert analytics(api).rereads() is None


def test_days_are_those_of_the_propertys_clock(api: GoogleAnalyticsApi) -> None:
    """Without ``timezone`` the property tells it; a window is the days that end in it there."""
    api.properties[PROPERTY].time_zone = "America/New_York"
    source = analytics(api, timezone=None, start="2026-03-20T00:00:00Z", end=None)
    begin = datetime(2026, 4, 1, 6, tzinfo=UTC)  # 02:00 in New York
    window = Window(start=begin, end=begin + timedelta(days=2))
    assert asyncio.run(source.is_ready(None, window))

    async def rows() -> set[date]:
        return {r["date"] async for c in source.read(None, window) for r in c.batch.to_pylist()}

    assert asyncio.run(rows()) == {date(2026, 4, 1), date(2026, 4, 2)}
    assert {row["_time_zone"] for row in listed(read(analytics(api), limit=1))} == {
        "America/New_York"
    }
    hour = Window(start=begin, end=begin + timedelta(hours=1))
    assert not asyncio.run(source.is_ready(None, hour))


def test_of_several_zones_the_last_to_end_a_day_decides() -> None:
    """A day is read when it is over for every property."""
    noon = datetime(2026, 11, 22, 12, tzinfo=UTC)
    zones = [ZoneInfo("Asia/Tokyo"), ZoneInfo("America/Los_Angeles")]
    assert calendar(noon, zones) == datetime(2026, 11, 22, 4, tzinfo=UTC)
    assert calendar(noon, []) == noon


def test_days_that_come_again_replace_what_they_were(
    api: GoogleAnalyticsApi, tmp_path: Path
) -> None:
    """A figure that changed after its day was read is in the table once, as it is now."""
    write = {"mode": "merge", "key": ["_property", "date", "country", "city"]}
    sink = duckdb_sink(tmp_path)
    first = analytics(api, lookback=None)
    run_import(plan(write=write), source=first, sink=sink, run=Run(run_id="one"))
    event = next(e for e in api.properties[PROPERTY].events if e["day"] == date(2026, 4, 9))
    event["count"] += 1000
    later = analytics(api, lookback=None, end="2026-04-11T00:00:00Z")
    run_import(plan(write=write), source=later, sink=sink, run=Run(run_id="two"))
    table = rows(sink)
    found = {(row["date"], row["country"], row["city"]): row["event_count"] for row in table}
    assert found[(event["day"], event["country"], event["city"])] == event["count"]
    assert len(found) == len(table) > 90
    assert {row["_property"] for row in table} == {PROPERTY}
