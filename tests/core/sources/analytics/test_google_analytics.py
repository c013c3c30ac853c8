"""What is special to the google_analytics source: types, days, quota, and how reports are made."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from pydantic import ValidationError

from airflow_provider_spotify.core.clients.http.limits import forget_limits
from airflow_provider_spotify.core.clients.http.messages import Response
from airflow_provider_spotify.core.errors import (
    DataError,
    ForbiddenError,
    QuotaExhausted,
    TransientError,
)
from airflow_provider_spotify.core.model import Run, Window
from airflow_provider_spotify.core.pipeline import run_import
from airflow_provider_spotify.core.sources.analytics import _google_analytics_quota as quotas
from airflow_provider_spotify.core.sources.analytics._google_analytics_columns import flat
from airflow_provider_spotify.core.sources.analytics._google_analytics_config import (
    GoogleAnalyticsConfig,
)
from airflow_provider_spotify.core.sources.analytics.google_analytics import SCOPE, calendar
from airflow_provider_spotify.core.testing.sources import read
from tests.core.imports import duckdb_sink, plan, rows
from tests.core.sources.analytics.reports import GIVEN, SPAN, analytics
from tests.services.google_analytics_api.figures import Property
from tests.services.google_analytics_api.server import PROPERTY, GoogleAnalyticsApi
from tests.services.web_api.openapi import check

CLOSED = "213025599"


@pytest.fixture
def api() -> Iterator[GoogleAnalyticsApi]:
    with GoogleAnalyticsApi() as server:
        yield server
    forget_limits()


def listed(chunks: Any) -> list[dict[str, Any]]:
    return [row for chunk in chunks for row in chunk.batch.to_pylist()]


def asked(api: GoogleAnalyticsApi, method: str = "runReport") -> list[dict[str, Any]]:
    return [each for each in api.asked_for if each["method"] == method]


def test_rows_hold_the_sums_of_the_days_in_the_headers_types(api: GoogleAnalyticsApi) -> None:
    """Each day, country and city is one row; whole metrics are integers, money is a fraction."""
    chunks = read(analytics(api))
    types = {field.name: str(field.type) for field in chunks[0].batch.schema}
    assert types["date"] == "date32[day]"
    assert (types["eventCount"], types["purchaseRevenue"]) == ("int64", "double")
    events = api.properties[PROPERTY].events
    wanted = {
        (e["day"], e["country"], e["city"]): (e["count"], e["revenue"])
        for e in events
        if e["count"] and e["day"] < date(2026, 4, 10)
    }
    found = {
        (r["date"], r["country"], r["city"]): (r["eventCount"], r["purchaseRevenue"])
        for r in listed(chunks)
    }
    assert found == wanted
    assert {row["_property"] for row in listed(chunks)} == {PROPERTY}
    assert {row["_currency_code"] for row in listed(chunks)} == {"SEK"}


def test_the_date_is_asked_for_even_if_it_is_not_named(api: GoogleAnalyticsApi) -> None:
    """Without it no row would tell its day; rows come in an order that stays."""
    read(analytics(api, concurrency=1))
    first = asked(api)[0]
    assert [each["name"] for each in first["dimensions"]] == ["date", "country", "city"]
    assert [each["dimension"]["dimensionName"] for each in first["orderBys"]] == [
        "date",
        "country",
        "city",
    ]
    assert first["dateRanges"] == [{"startDate": "2026-03-20", "endDate": "2026-03-26"}]
    assert "metricAggregations" not in first


def test_hours_are_instants_by_the_propertys_clock(api: GoogleAnalyticsApi) -> None:
    """07 in Stockholm is 06 UTC in winter, 05 in summer; months and weeks are their first day."""
    source = analytics(
        api, dimensions=["dateHour", "yearMonth", "isoYearIsoWeek", "firstSessionDate"]
    )
    rows = listed(read(source))
    hours = {(e["day"], e["hour"]) for e in api.properties[PROPERTY].events}
    zone = ZoneInfo("Europe/Stockholm")
    for row in rows:
        local = row["dateHour"].astimezone(zone)
        assert (local.date(), local.hour) in hours
        assert local.date() == row["date"]
        assert row["yearMonth"] == row["date"].replace(day=1)
        assert row["isoYearIsoWeek"] == row["date"] - timedelta(days=row["date"].weekday())
    assert {row["firstSessionDate"] for row in rows} == {date(2026, 3, 1), None}


def test_a_row_that_sums_up_others_has_no_day_and_is_set_aside() -> None:
    """``(other)`` in a date stays as it came, so that the row is rejected and not lost."""
    body: dict[str, Any] = {
        "kind": "analyticsData#runReport",
        "dimensionHeaders": [{"name": "date"}, {"name": "city"}],
        "metricHeaders": [{"name": "eventCount", "type": "TYPE_INTEGER"}],
        "rows": [{"dimensionValues": [{"value": "(other)"}, {}], "metricValues": [{"value": "3"}]}],
    }
    assert list(flat(body, method="runReport", zone=UTC)) == [
        {"date": "(other)", "city": "", "eventCount": "3"}
    ]


def test_another_body_is_no_empty_report() -> None:
    """A body of another kind, or a row with a column too few, is an error."""
    others: list[Any] = [None, [], {}, {"kind": "analyticsData#runPivotReport"}]
    for body in others:
        with pytest.raises(DataError, match="something else than a report"):
            list(flat(body, method="runReport", zone=UTC))
    short = {
        "kind": "analyticsData#runReport",
        "dimensionHeaders": [{"name": "city"}],
        "rows": [{}],
    }
    with pytest.raises(DataError, match="other columns"):
        list(flat(short, method="runReport", zone=UTC))


def test_how_a_report_was_made_stands_in_its_rows_and_in_the_log(
    api: GoogleAnalyticsApi, caplog: pytest.LogCaptureFixture
) -> None:
    """Sampling, thresholds, (other) rows, truncation and restrictions are seen by who reads."""
    api.properties[PROPERTY].metadata = {
        "samplingMetadatas": [{"samplesReadCount": "250", "samplingSpaceSize": "1000"}],
        "subjectToThresholding": True,
        "dataLossFromOtherRow": True,
        "dataTruncationReasons": [{"dataTruncationType": "DATA_TRUNCATION_TYPE_DATE_RANGE"}],
        "schemaRestrictionResponse": {
            "activeMetricRestrictions": [
                {"metricName": "purchaseRevenue", "restrictedMetricTypes": ["REVENUE_DATA"]}
            ]
        },
    }
    with caplog.at_level(logging.WARNING):
        row = listed(read(analytics(api), limit=1))[0]
    assert row["_sampled_share"] == 0.25
    made = ("_thresholded", "_other_row", "_truncated", "_restricted")
    assert [row[name] for name in made] == [True] * 4
    for word in ("sampled from 25.0%", "thresholding", "(other)", "not served", "cost or revenue"):
        assert word in caplog.text


def test_whole_reports_say_so(api: GoogleAnalyticsApi) -> None:
    """Without remarks of the API the share is null and everything else false."""
    row = listed(read(analytics(api), limit=1))[0]
    assert (row["_sampled_share"], row["_thresholded"], row["_other_row"]) == (None, False, False)


def test_filters_orders_and_empty_rows_are_sent_as_they_are(api: GoogleAnalyticsApi) -> None:
    """The API's own filters decide which rows come."""
    swedish = {"filter": {"fieldName": "country", "stringFilter": {"value": "sweden"}}}
    source = analytics(
        api,
        dimension_filter={"andGroup": {"expressions": [swedish]}},
        metric_filter={
            "notExpression": {
                "filter": {
                    "fieldName": "eventCount",
                    "numericFilter": {"operation": "GREATER_THAN", "value": {"int64Value": 7}},
                }
            }
        },
        order_bys=[{"metric": {"metricName": "eventCount"}, "desc": True}],
        keep_empty_rows=True,
        page_size=1000,
        days_per_request=21,
    )
    rows = listed(read(source))
    assert {row["country"] for row in rows} == {"Sweden"}
    counts = [row["eventCount"] for row in rows]
    assert counts == sorted(counts, reverse=True)
    assert {max(counts), min(counts)} == {7, 0}


def test_metrics_may_be_expressions_and_custom_names(api: GoogleAnalyticsApi) -> None:
    """An expression is sent with its name; custom dimensions keep theirs."""
    source = analytics(
        api,
        dimensions=["customEvent:level"],
        metrics=[{"name": "eventCount", "expression": "eventCount*1"}],
    )
    rows = listed(read(source, limit=1))
    assert asked(api)[0]["metrics"] == [{"name": "eventCount", "expression": "eventCount*1"}]
    assert "customEvent:level" in rows[0]


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


# ---- quota -----------------------------------------------------------------------------------


def told(**quota: Any) -> Response:
    body = orjson.dumps({"kind": "analyticsData#runReport", "propertyQuota": quota})
    return Response(200, {"content-type": "application/json"}, body, "https://x/y")


NOW = datetime(2026, 11, 22, 23, 15, tzinfo=UTC)  # 15:15 in California


def test_tokens_are_counted_in_requests_like_the_last_one() -> None:
    """4,000 tokens are good for 40 requests of 100; the hour's end renews them."""
    found = quotas.quota(told(tokensPerHour={"consumed": 100, "remaining": 4000}), NOW)
    assert found is not None
    assert (found.remaining, found.reset) == (40, 45 * 60)
    day = quotas.quota(
        told(
            tokensPerDay={"consumed": 100},  # 0 remaining is left out of the JSON
            tokensPerHour={"consumed": 100, "remaining": 4000},
        ),
        NOW,
    )
    assert day is not None
    assert (day.remaining, day.reset) == (0, (8 * 60 + 45) * 60)


def test_asking_stops_before_server_errors_block_the_property() -> None:
    """With two of ten errors left, nothing more is asked in this hour."""
    tokens = {"consumed": 1, "remaining": 4000}
    for left, remaining in ((3, 4000), (2, 0), (0, 0)):
        errors = {"remaining": left} if left else {}
        found = quotas.quota(told(tokensPerHour=tokens, serverErrorsPerProjectPerHour=errors), NOW)
        assert found is not None
        assert found.remaining == remaining


def test_requests_that_may_be_thresholded_have_a_quota_of_their_own() -> None:
    """It counts where this request used it."""
    tokens = {"consumed": 1, "remaining": 4000}
    for consumed, remaining in ((1, 7), (0, 4000)):
        used = {"consumed": consumed, "remaining": 7} if consumed else {"remaining": 7}
        found = quotas.quota(
            told(tokensPerHour=tokens, potentiallyThresholdedRequestsPerHour=used), NOW
        )
        assert found is not None
        assert found.remaining == remaining


@pytest.mark.parametrize(
    ("message", "wait"),
    [
        ("Exhausted property tokens for a project per hour. These quota tokens will return in"
         " under an hour.", 45 * 60),
        ("Exhausted property tokens per day. These quota tokens will return in under 24 hours.",
         (8 * 60 + 45) * 60),
    ],
)  # fmt: skip
def test_spent_tokens_free_the_worker_until_they_return(message: str, wait: float) -> None:
    """The wait is until the hour or the day, by Pacific time, turns."""
    error = {"code": 429, "message": message, "status": "RESOURCE_EXHAUSTED"}
    found = quotas.exhausted(_refusal(error), NOW)
    assert isinstance(found, QuotaExhausted)
    assert found.retry_after == wait


@pytest.mark.parametrize(
    "error",
    [
        {"message": "Exhausted concurrent requests quota."},
        {"message": "Quota exceeded", "details": [{"reason": "RATE_LIMIT_EXCEEDED"}]},
    ],
)
def test_too_many_at_once_are_asked_again(error: dict[str, Any]) -> None:
    """That is no spent quota: it passes within a minute."""
    found = quotas.exhausted(_refusal({**error, "status": "RESOURCE_EXHAUSTED"}), NOW)
    assert isinstance(found, TransientError)
    assert not isinstance(found, QuotaExhausted)
    assert quotas.exhausted(_refusal({"message": "no", "status": "PERMISSION_DENIED"})) is None


def _refusal(error: dict[str, Any]) -> Response:
    body = orjson.dumps({"error": error})
    return Response(429, {"content-type": "application/json"}, body, "https://x/y")


def test_a_spent_quota_ends_the_run_with_a_cursor(api: GoogleAnalyticsApi) -> None:
    """With no token left the next request is not even sent; the rest comes later."""
    source = analytics(api, concurrency=1, days_per_request=3, max_wait="100ms")
    whole = len(listed(read(analytics(api, days_per_request=3))))
    forget_limits()
    api.properties[PROPERTY].tokens["tokensPerHour"] = 10
    chunks: list[Any] = []

    async def collect() -> None:
        async for chunk in source.read(None):
            chunks.append(chunk)

    sent = len(asked(api))
    with pytest.raises(QuotaExhausted) as caught:
        asyncio.run(collect())
    assert 0 < (caught.value.retry_after or 0) <= 3600
    assert len(asked(api)) - sent == 2
    api.properties[PROPERTY].tokens.clear()
    forget_limits()
    rest = listed(read(analytics(api, days_per_request=3), chunks[-1].cursor))
    assert len(listed(chunks)) + len(rest) == whole


def test_a_server_error_is_tried_twice_and_no_more(api: GoogleAnalyticsApi) -> None:
    """Ten of them in an hour would block the property."""
    api.fault("unavailable", ":runReport", times=100)
    with pytest.raises(TransientError):
        read(analytics(api, concurrency=1, retry_attempts=5))
    assert len([c for c in api.asked("/v1beta") if c.path.endswith(":runReport")]) == 2


# ---- config ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"properties": ["UA-1234-5"]}, "no number of a GA4 property"),
        ({"metrics": []}, "report needs metrics"),
        ({"start": None}, "report needs start"),
        ({"dimensions": [f"customEvent:{n}" for n in range(9)]}, "at most 9 dimensions"),
        ({"dimensions": ["country", "country"]}, "named twice"),
        ({"timezone": "Mars/Base"}, "no time zone"),
        ({"dimension_filter": {}}, "exactly one of andGroup"),
        ({"dimension_filter": {"filter": {"fieldName": "city"}}}, "'city' needs exactly one"),
        ({"dimension_filter": {"filter": {"fieldname": "city"}}}, "fieldName"),
        ({"order_bys": [{"desc": True}]}, "either dimension or metric"),
        ({"pivots": [{"fieldNames": ["country"]}]}, "report has no pivots"),
        ({"resource": "pivot_report"}, "pivot_report needs pivots"),
        (
            {"resource": "pivot_report", "pivots": [{"fieldNames": ["country"]}]},
            "stands in exactly one pivot",
        ),
        (
            {
                "resource": "pivot_report",
                "pivots": [{"fieldNames": ["country"]}, {"fieldNames": ["city"]}],
            },
            "needs a limit",
        ),
    ],
)
def test_a_request_that_the_api_would_refuse_is_found_in_the_yaml(
    changes: dict[str, Any], said: str
) -> None:
    """The message says what is wrong, before anything is asked."""
    with pytest.raises(ValidationError, match=said):
        GoogleAnalyticsConfig(**{**GIVEN, **SPAN, **changes})


def test_a_property_may_be_written_as_the_api_writes_it() -> None:
    """``properties/1`` and 1 are the same."""
    given = {**GIVEN, **SPAN, "properties": ["properties/1", 2]}
    assert GoogleAnalyticsConfig(**given).properties == ("1", "2")


# ---- as an import ----------------------------------------------------------------------------


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


# ---- the stand-in ----------------------------------------------------------------------------


def test_requests_and_answers_are_those_of_the_discovery_document(
    api: GoogleAnalyticsApi,
) -> None:
    """What the source sends and what the local server answers is as Google publishes it."""
    api.recording = True
    api.properties[PROPERTY].metadata = {
        "samplingMetadatas": [{"samplesReadCount": "250", "samplingSpaceSize": "1000"}],
        "subjectToThresholding": True,
    }
    city = {"filter": {"fieldName": "city", "stringFilter": {"value": "Umeå"}}}
    given: dict[str, Any] = {"timezone": None, "dimension_filter": {"notExpression": city}}
    asyncio.run(analytics(api, **given).check())
    read(analytics(api, order_bys=[{"metric": {"metricName": "eventCount"}}], **given))
    pivots = [{"fieldNames": ["country"]}, {"fieldNames": ["deviceCategory"], "limit": 2}]
    names = ["country", "deviceCategory"]
    read(analytics(api, resource="pivot_report", dimensions=names, pivots=pivots))
    ranges = [{"startMinutesAgo": 9}]
    read(analytics(api, resource="realtime", dimensions=["city"], minute_ranges=ranges))
    read(analytics(api, resource="metadata"))
    methods = {each.call.path.rpartition(":")[2] for each in api.exchanges}
    assert len(methods) == 5
    assert check("google_analytics", api.exchanges) == []
