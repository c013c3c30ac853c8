"""The bodies of requests for reports, and how a pivot report is paged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from math import prod
from typing import TYPE_CHECKING, Any

from airflow_provider_spotify.core.sources.web.pages import Offsets, Page, Position
from airflow_provider_spotify.core.sources.web.progress import Slice

if TYPE_CHECKING:
    from airflow_provider_spotify.core.sources.analytics._google_analytics_config import (
        GoogleAnalyticsConfig,
    )

MOST_ROWS = 250_000
"""Rows of one answer, and the product of the limits of a request's pivots."""
Body = dict[str, Any]
CHEAPEST: Mapping[str, Any] = {
    "dateRanges": [{"startDate": "yesterday", "endDate": "yesterday"}],
    "metrics": [{"name": "activeUsers"}],
    "limit": "1",
    "returnPropertyQuota": True,
}
"""A report that costs least: it tells the property's time zone."""


def dimensions(config: GoogleAnalyticsConfig) -> list[str]:
    """Return the names of a report's dimensions; one of days has ``date``, asked for or not."""
    given = list(config.dimensions)
    dated = config.resource in ("report", "pivot_report")
    return ["date", *given] if dated and "date" not in given else given


def metrics(config: GoogleAnalyticsConfig) -> list[str]:
    """Return the names of a report's metrics."""
    return [each if isinstance(each, str) else each["name"] for each in config.metrics]


def fields(config: GoogleAnalyticsConfig) -> Body:
    """Return the part of a request that says what is counted, by what, under which conditions."""
    found: Body = {
        "dimensions": [{"name": name} for name in dimensions(config)],
        "metrics": [{"name": each} if isinstance(each, str) else each for each in config.metrics],
    }
    if config.dimension_filter:
        found["dimensionFilter"] = config.dimension_filter
    if config.metric_filter:
        found["metricFilter"] = config.metric_filter
    return found


def report(config: GoogleAnalyticsConfig, now: Slice, position: Position) -> Body:
    """Return the body of ``runReport``."""
    return {
        **_spanned(config, now),
        "orderBys": _ordered(config.order_bys, dimensions(config)),
        "limit": str(position.get("rows") or config.page_size),  # int64 is text in its JSON
        "offset": str(position["offset"]),
    }


def pivot_report(config: GoogleAnalyticsConfig, now: Slice, position: Position) -> Body:
    """Return the body of ``runPivotReport``; its first pivot is paged."""
    first, *others = pivots(config)
    paged = {**first, "limit": str(first_limit(config)), "offset": str(position["offset"])}
    limited = [{**pivot, "limit": str(pivot["limit"])} for pivot in others]
    return {**_spanned(config, now), "pivots": [paged, *limited]}


def realtime(config: GoogleAnalyticsConfig) -> Body:
    """Return the body of ``runRealtimeReport``, which cannot be paged."""
    ranges = {"minuteRanges": list(config.minute_ranges)} if config.minute_ranges else {}
    return {
        **fields(config),
        **ranges,
        "orderBys": _ordered(config.order_bys, dimensions(config)),
        "limit": str(MOST_ROWS),
        "returnPropertyQuota": True,
    }


def body(config: GoogleAnalyticsConfig, now: Slice, position: Position) -> Body | None:
    """Return the body of a request for a page; None for metadata, which takes none."""
    if config.resource == "report":
        return report(config, now, position)
    if config.resource == "pivot_report":
        return pivot_report(config, now, position)
    return realtime(config) if config.resource == "realtime" else None


def place(body: Mapping[str, Any] | None) -> str | None:
    """Return the offset that a body asks for, if it does."""
    asked = body or {}
    first: Mapping[str, Any] = asked if "offset" in asked else (asked.get("pivots") or [{}])[0]
    return first.get("offset")


def pivots(config: GoogleAnalyticsConfig) -> list[Body]:
    """Return the pivots of a request: with ``date`` in one of them, and in an order that stays."""
    given: list[Body] = [dict(pivot) for pivot in config.pivots]
    if all("date" not in pivot["fieldNames"] for pivot in given):
        given[0]["fieldNames"] = ["date", *given[0]["fieldNames"]]
    for pivot in given:
        pivot["orderBys"] = _ordered(pivot.get("orderBys", ()), pivot["fieldNames"])
    return given


def first_limit(config: GoogleAnalyticsConfig) -> int:
    """Return the combinations of the first pivot that one page may have."""
    first, *others = config.pivots
    most = MOST_ROWS // prod(pivot.get("limit", 1) for pivot in others)
    return max(1, min(first.get("limit", config.page_size), most))


def _spanned(config: GoogleAnalyticsConfig, now: Slice) -> Body:
    assert now.start is not None
    assert now.end is not None
    last = now.end - timedelta(days=1)
    currency = {"currencyCode": config.currency_code} if config.currency_code else {}
    return {
        **fields(config),
        **currency,
        "dateRanges": [{"startDate": f"{now.start:%Y-%m-%d}", "endDate": f"{last:%Y-%m-%d}"}],
        "keepEmptyRows": config.keep_empty_rows,
        "returnPropertyQuota": True,
    }


def _ordered(given: Iterable[Mapping[str, Any]], names: Sequence[str]) -> list[Body]:
    """Return what rows are ordered by: at last by every dimension, so that pages do not shift."""
    found = [dict(each) for each in given]
    done = {each["dimension"]["dimensionName"] for each in found if "dimension" in each}
    rest = [{"dimension": {"dimensionName": name}} for name in names if name not in done]
    return [*found, *rest]


class PivotRows(Offsets):
    """Pages of a pivot report: by combinations of its first pivot, each of several rows."""

    def following(self, position: Position, page: Page) -> Position | None:
        """Return the offset after this page's combinations, unless they were the last."""
        offset = position["offset"] + self.limit
        return {"offset": offset} if offset < self._count(page) else None

    def ahead(self, position: Position, page: Page) -> Iterable[Position]:
        """Return every later offset."""
        starts = range(position["offset"] + self.limit, self._count(page), self.limit)
        return ({"offset": at} for at in starts)

    @staticmethod
    def _count(page: Page) -> int:
        headers = page.body.get("pivotHeaders") or [{}]
        return int(headers[0].get("rowCount", 0))


def cut(config: GoogleAnalyticsConfig, body: Mapping[str, Any]) -> list[str]:
    """Return what the limits of the later pivots left out of a report, in words."""
    headers = body.get("pivotHeaders") or [{}]
    return [
        f"the pivot of {', '.join(pivot['fieldNames'])} has {header.get('rowCount')} combinations, "
        f"of which its limit of {pivot['limit']} gives the first"
        for pivot, header in zip(config.pivots[1:], headers[1:], strict=False)
        if int(header.get("rowCount", 0)) > pivot["limit"]
    ]
