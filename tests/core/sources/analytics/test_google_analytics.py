"""What is special to the google_analytics source: types, rows, and how reports are made."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from airflow_provider_spotify.core.errors import DataError
from airflow_provider_spotify.core.sources.analytics._google_analytics_columns import flat
from airflow_provider_spotify.core.testing.sources import read
from tests.core.chunks import rows as listed
from tests.core.sources.analytics.report_calls import asked, serving
from tests.core.sources.analytics.reports import analytics
from tests.services.google_analytics_api.server import PROPERTY, GoogleAnalyticsApi
from tests.services.web_api.openapi import check

api = pytest.fixture(serving)


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
