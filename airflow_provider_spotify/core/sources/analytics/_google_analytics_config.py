"""The keys of a Google Analytics import, and what the API's four methods are, as data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from airflow_provider_spotify.core.sources.analytics._google_analytics_columns import (
    MADE,
    METADATA,
    PROPERTY,
    READ_AT,
)
from airflow_provider_spotify.core.sources.analytics._google_analytics_requests import (
    MOST_ROWS,
    dimensions,
    first_limit,
    metrics,
)
from airflow_provider_spotify.core.sources.analytics._google_analytics_words import (
    FilterExpression,
    MetricExpression,
    MinuteRange,
    OrderBy,
    Pivot,
)
from airflow_provider_spotify.core.sources.web.config import WebConfig
from airflow_provider_spotify.core.sources.web.resource import Resource, Spans, Whole

ResourceName = Literal["report", "pivot_report", "realtime", "metadata"]
_DATED = ("report", "pivot_report")

_DAYS = Spans(lookback=timedelta(days=3))
RESOURCES: Mapping[str, Resource] = {
    "report": Resource(
        "properties/{key}:runReport",
        (PROPERTY, *MADE),
        "metrics by day and other dimensions",
        progress=_DAYS,
        method="POST",
        key="properties",
    ),
    "pivot_report": Resource(
        "properties/{key}:runPivotReport",
        (PROPERTY, *MADE),
        "metrics by day and the combinations of several pivots",
        progress=_DAYS,
        method="POST",
        key="properties",
    ),
    "realtime": Resource(
        "properties/{key}:runRealtimeReport",
        (PROPERTY, READ_AT),
        "metrics of the last half hour, a snapshot",
        progress=Whole(timedelta(minutes=1)),
        method="POST",
        key="properties",
    ),
    "metadata": Resource(
        "properties/{key}/metadata",
        METADATA,
        "the dimensions and metrics that reports may ask for, own ones included",
        key="properties",
        identity=("kind", "apiName"),
    ),
}
"""What is known without a request; a report's own columns come before these."""


def _number(value: Any) -> str:
    text = str(value).removeprefix("properties/")
    if not re.fullmatch(r"\d{1,20}", text):
        raise ValueError(
            f"{str(value)[:40]!r} is no number of a GA4 property, which is found in Google "
            "Analytics under Admin, Property details (UA-… and G-… are something else)"
        )
    return text


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone, such as Europe/Stockholm") from None
    return name


PropertyId = Annotated[str, BeforeValidator(_number)]
FieldName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*(:[^|.\s]+)?$")]


class GoogleAnalyticsConfig(WebConfig):
    """The keys of ``source: {type: google_analytics, …}``."""

    resource: ResourceName = Field("report", description="what is read; decides the columns")
    properties: tuple[PropertyId, ...] = Field(
        min_length=1, description="numbers of the GA4 properties that are read"
    )
    dimensions: tuple[FieldName, ...] = Field(
        (),
        max_length=9,
        description="what the metrics are counted by, in the API's names; a report and a pivot"
        " report have date even if it is not named",
    )
    metrics: tuple[FieldName | MetricExpression, ...] = Field(
        (),
        max_length=10,
        description="what is counted, in the API's names, or as name and expression",
    )
    dimension_filter: FilterExpression | None = Field(
        None, description="the API's FilterExpression on dimensions"
    )
    metric_filter: FilterExpression | None = Field(
        None, description="the API's FilterExpression on metrics"
    )
    order_bys: tuple[OrderBy, ...] = Field(
        (), description="the API's OrderBy list of a report; by all dimensions in any case"
    )
    pivots: tuple[Pivot, ...] = Field(
        (),
        description="the API's pivots of a pivot report; the first is read to its end, each other"
        " one gives as many combinations as its limit says",
    )
    minute_ranges: tuple[MinuteRange, ...] = Field(
        (), max_length=2, description="the API's minute ranges of realtime; the last 30 minutes"
    )
    keep_empty_rows: bool = Field(False, description="keep rows whose metrics are all 0")
    currency_code: str | None = Field(
        None, pattern=r"^[A-Z]{3}$", description="currency of amounts of money; the property's own"
    )
    timezone: Annotated[str, AfterValidator(_zone)] | None = Field(
        None,
        description="time zone of the properties; without it each run asks each of them for it",
    )
    days_per_request: int = Field(
        7,
        ge=1,
        le=366,
        description="days of one report: fewer are less often sampled, more cost fewer tokens",
    )
    page_size: int = Field(50_000, ge=1, le=MOST_ROWS, description="rows of one answer")
    concurrency: int = Field(
        4, ge=1, le=50, description="requests under way at once; a property takes 10, of all users"
    )

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.resource == "metadata":
            return self
        if not self.metrics:
            raise ValueError(f"{self.resource} needs metrics, such as [activeUsers]")
        if self.resource in _DATED and self.start is None:
            raise ValueError(f"{self.resource} needs start: the first day that is read")
        if len(dimensions(self)) > 9:
            raise ValueError("at most 9 dimensions, date included, fit into a report")
        twice = [*dimensions(self), *metrics(self)]
        if len(set(twice)) != len(twice):
            raise ValueError("a dimension or metric is named twice")
        return self

    @model_validator(mode="after")
    def _pivoted(self) -> Self:
        if self.resource != "pivot_report":
            if self.pivots:
                raise ValueError(f"{self.resource} has no pivots; pivot_report has")
            return self
        if not self.pivots:
            raise ValueError("pivot_report needs pivots, such as [{fieldNames: [country]}]")
        named = [name for pivot in self.pivots for name in pivot["fieldNames"]]
        if {*named, "date"} != set(dimensions(self)) or len(named) != len(set(named)):
            raise ValueError("each dimension stands in exactly one pivot, and no other name does")
        if any("limit" not in pivot for pivot in self.pivots[1:]):
            raise ValueError("each pivot after the first needs a limit of its combinations")
        if first_limit(self) * _later(self) > MOST_ROWS:
            raise ValueError(f"the limits of the pivots multiply to more than {MOST_ROWS:,}")
        return self


def _later(config: GoogleAnalyticsConfig) -> int:
    product = 1
    for pivot in config.pivots[1:]:
        product *= pivot["limit"]
    return product
