"""The API's own words for filters, orders, pivots and metrics, checked in shape before a request.

They are written in YAML as the API writes them in JSON:
https://developers.google.com/analytics/devguides/reporting/data/v1/rest/v1beta/FilterExpression
and the pages beside it.
"""

from __future__ import annotations

from typing import Annotated, Literal, Required, TypeAlias

from pydantic import AfterValidator, ConfigDict, Field, with_config
from typing_extensions import TypedDict

_closed = with_config(ConfigDict(extra="forbid"))


@_closed
class NumericValue(TypedDict, total=False):
    """A whole number, or one with a fraction."""

    int64Value: int | str
    doubleValue: float


@_closed
class StringFilter(TypedDict, total=False):
    """The value is, begins with, contains … a text."""

    value: Required[str]
    matchType: Literal[
        "EXACT", "BEGINS_WITH", "ENDS_WITH", "CONTAINS", "FULL_REGEXP", "PARTIAL_REGEXP"
    ]
    caseSensitive: bool


@_closed
class InListFilter(TypedDict, total=False):
    """The value is one of a list."""

    values: Required[Annotated[list[str], Field(min_length=1)]]
    caseSensitive: bool


@_closed
class NumericFilter(TypedDict):
    """The value is less than, equal to … a number."""

    operation: Literal[
        "EQUAL", "LESS_THAN", "LESS_THAN_OR_EQUAL", "GREATER_THAN", "GREATER_THAN_OR_EQUAL"
    ]
    value: NumericValue


@_closed
class BetweenFilter(TypedDict):
    """The value lies between two numbers, both included."""

    fromValue: NumericValue
    toValue: NumericValue


@_closed
class EmptyFilter(TypedDict):
    """The value is empty or ``(not set)``."""


@_closed
class Filter(TypedDict, total=False):
    """A condition on one dimension or metric."""

    fieldName: Required[str]
    stringFilter: StringFilter
    inListFilter: InListFilter
    numericFilter: NumericFilter
    betweenFilter: BetweenFilter
    emptyFilter: EmptyFilter


@_closed
class FilterExpressionList(TypedDict):
    """Several conditions."""

    expressions: Annotated[list[FilterExpression], Field(min_length=1)]


def _one_kind(found: _FilterExpression) -> _FilterExpression:
    if len(found) != 1:
        raise ValueError("needs exactly one of andGroup, orGroup, notExpression and filter")
    if (condition := found.get("filter")) and len(condition) != 2:
        raise ValueError(
            f"the filter of {condition['fieldName']!r} needs exactly one of stringFilter, "
            "inListFilter, numericFilter, betweenFilter and emptyFilter"
        )
    return found


@_closed
class _FilterExpression(TypedDict, total=False):
    """A condition, or several joined by and, or, not."""

    andGroup: FilterExpressionList
    orGroup: FilterExpressionList
    notExpression: FilterExpression
    filter: Filter


FilterExpression: TypeAlias = Annotated[_FilterExpression, AfterValidator(_one_kind)]


@_closed
class DimensionOrderBy(TypedDict, total=False):
    """By the values of a dimension."""

    dimensionName: Required[str]
    orderType: Literal["ALPHANUMERIC", "CASE_INSENSITIVE_ALPHANUMERIC", "NUMERIC"]


@_closed
class MetricOrderBy(TypedDict):
    """By the values of a metric."""

    metricName: str


def _one_order(found: _OrderBy) -> _OrderBy:
    if ("dimension" in found) == ("metric" in found):
        raise ValueError("needs either dimension or metric")
    return found


@_closed
class _OrderBy(TypedDict, total=False):
    dimension: DimensionOrderBy
    metric: MetricOrderBy
    desc: bool


OrderBy: TypeAlias = Annotated[_OrderBy, AfterValidator(_one_order)]


@_closed
class Pivot(TypedDict, total=False):
    """Some dimensions, and how many combinations of their values are given."""

    fieldNames: Required[Annotated[list[str], Field(min_length=1)]]
    limit: Annotated[int, Field(ge=1, le=250_000)]
    orderBys: list[OrderBy]


@_closed
class MetricExpression(TypedDict):
    """A metric that is calculated from others, such as ``eventCount/totalUsers``."""

    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_]+$")]
    expression: str


@_closed
class MinuteRange(TypedDict, total=False):
    """Minutes before now, both ends included: from 29 (59 for Analytics 360) to 0."""

    name: str
    startMinutesAgo: Annotated[int, Field(ge=0, le=59)]
    endMinutesAgo: Annotated[int, Field(ge=0, le=59)]
