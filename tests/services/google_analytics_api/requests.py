"""Reads request bodies as strictly as proto3 JSON: unknown fields and wrong types are refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

Refuse = Callable[[str], Exception]
_FIELDS = {
    "runReport": {
        "property", "dimensions", "metrics", "dateRanges", "dimensionFilter", "metricFilter",
        "offset", "limit", "metricAggregations", "orderBys", "currencyCode", "cohortSpec",
        "keepEmptyRows", "returnPropertyQuota", "comparisons",
    },
    "runPivotReport": {
        "property", "dimensions", "metrics", "dateRanges", "pivots", "dimensionFilter",
        "metricFilter", "currencyCode", "cohortSpec", "keepEmptyRows", "returnPropertyQuota",
        "comparisons",
    },
    "runRealtimeReport": {
        "dimensions", "metrics", "dimensionFilter", "metricFilter", "limit", "metricAggregations",
        "orderBys", "returnPropertyQuota", "minuteRanges",
    },
    "checkCompatibility": {
        "dimensions", "metrics", "dimensionFilter", "metricFilter", "compatibilityFilter",
    },
}  # fmt: skip


def known(body: Any, method: str, refuse: Refuse) -> dict[str, Any]:
    """Return a body whose fields the method has."""
    if not isinstance(body, dict):
        raise refuse("Invalid JSON payload received.")
    if unknown := sorted(set(body) - _FIELDS[method]):
        raise refuse(
            f'Invalid JSON payload received. Unknown name "{unknown[0]}": Cannot find field.'
        )
    return body


def int64(value: Any, *, default: int, refuse: Refuse) -> int:
    """Read an int64: JSON may give it as a number or as text."""
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | str) or not str(value).isdigit():
        raise refuse(f"Invalid value (TYPE_INT64), {value!r}")
    return int(value)


def named(items: Any, refuse: Refuse, *, kind: str, most: int) -> list[str]:
    """Return the names of dimensions or metrics."""
    if not isinstance(items, list) or any(not isinstance(i.get("name"), str) for i in items):
        raise refuse(f"Invalid {kind}")
    if len(items) > most:
        raise refuse(f"Requests are limited to {most} {kind} within a nested request.")
    return [item["name"] for item in items]


def day(text: Any, zone: str, refuse: Refuse) -> date:
    """Read a date, ``today``, ``yesterday`` or ``NdaysAgo`` by the property's calendar."""
    today = datetime.now(ZoneInfo(zone)).date()
    if text in ("today", "yesterday"):
        return today - timedelta(days=text == "yesterday")
    if isinstance(text, str) and text.endswith("daysAgo"):
        return today - timedelta(days=int(text.removesuffix("daysAgo")))
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()
    except (TypeError, ValueError):
        raise refuse(f"Invalid startDate/endDate: {text}") from None


def keeps(expression: Mapping[str, Any] | None, cell: Callable[[str], str], refuse: Refuse) -> bool:
    """Evaluate a FilterExpression.

    :param cell: returns the text of a dimension or metric
    """
    if not expression:
        return True
    if len(expression) != 1:
        raise refuse("oneof field 'expr' is already set.")
    ((kind, inner),) = expression.items()
    if kind in ("andGroup", "orGroup"):
        found = [keeps(each, cell, refuse) for each in inner["expressions"]]
        return all(found) if kind == "andGroup" else any(found)
    if kind == "notExpression":
        return not keeps(inner, cell, refuse)
    if kind != "filter":
        raise refuse(f'Invalid JSON payload received. Unknown name "{kind}": Cannot find field.')
    return _condition(inner, cell, refuse)


def _condition(found: Mapping[str, Any], cell: Callable[[str], str], refuse: Refuse) -> bool:
    value = cell(found["fieldName"])
    if text := found.get("stringFilter"):
        ours, theirs = text["value"], value
        if not text.get("caseSensitive"):
            ours, theirs = ours.lower(), theirs.lower()
        kinds = {"EXACT": theirs == ours, "CONTAINS": ours in theirs}
        kinds |= {"BEGINS_WITH": theirs.startswith(ours), "ENDS_WITH": theirs.endswith(ours)}
        return bool(kinds[text.get("matchType", "EXACT")])
    if several := found.get("inListFilter"):
        return bool(value in several["values"])
    if number := found.get("numericFilter"):
        bound = float(next(iter(number["value"].values())))
        kinds = {"EQUAL": float(value) == bound, "LESS_THAN": float(value) < bound}
        kinds |= {"GREATER_THAN": float(value) > bound}
        return bool(kinds[number["operation"]])
    if "emptyFilter" in found:
        return value in ("", "(not set)")
    raise refuse("Filter is missing its condition")
