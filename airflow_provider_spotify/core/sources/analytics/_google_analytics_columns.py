"""The columns of a report: its dimensions and metrics by what they hold, and how it was made."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, tzinfo
from typing import Any

from airflow_provider_spotify.core.errors import DataError, TransientError
from airflow_provider_spotify.core.sources.web.columns import Column, ColumnType
from airflow_provider_spotify.core.sources.web.rows import Json

log = logging.getLogger(__name__)

PROPERTY = Column("_property", "string", "@property", "number of the property")
READ_AT = Column("_read_at", "timestamp", "@read_at", "when the snapshot was taken, UTC")
MADE = (
    Column(
        "_sampled_share",
        "double",
        "@sampled_share",
        "share of the events that the figures were computed from, 0 to 1; null: all of them",
    ),
    Column(
        "_thresholded",
        "boolean",
        "@thresholded",
        "rows of few users may be withheld, so that nobody is recognised",
    ),
    Column(
        "_other_row", "boolean", "@other_row", "some combinations are summed up in rows (other)"
    ),
    Column("_truncated", "boolean", "@truncated", "some of the span is not served any more"),
    Column(
        "_restricted",
        "boolean",
        "@restricted",
        "cost or revenue is closed to these credentials: such metrics are 0",
    ),
    Column("_currency_code", "string", "@currency_code", "currency of amounts of money, ISO 4217"),
    Column("_time_zone", "string", "@time_zone", "time zone of the property (IANA)"),
)
"""How a report was made, of each row: https://developers.google.com/analytics/devguides/reporting/data/v1/rest/v1beta/ResponseMetaData"""

METADATA = (
    PROPERTY,
    Column("kind", "string", "kind", "dimension or metric"),
    Column("api_name", "string", "apiName", "name in requests"),
    Column("ui_name", "string", "uiName", "name in Google Analytics"),
    Column("description", "string", "description", "what it is and how it is calculated"),
    Column("category", "string", "category", "what it is listed under"),
    Column("type", "string", "type", "of a metric: TYPE_INTEGER, TYPE_SECONDS …"),
    Column("expression", "string", "expression", "of a metric that is derived from others"),
    Column("custom", "boolean", "customDefinition", "defined for this property"),
    Column("deprecated_names", "list<string>", "deprecatedApiNames", "names that still work"),
    Column("blocked", "list<string>", "blockedReasons", "why the metric is 0 for us, if it is"),
)

_NONE = ("", "(not set)")
_INSTANTS = {"dateHour": "%Y%m%d%H", "dateHourMinute": "%Y%m%d%H%M"}
_DAYS: Mapping[str, Callable[[str], str]] = {
    "date": str,
    "firstSessionDate": str,
    "yearMonth": lambda text: f"{text}01",
    "isoYearIsoWeek": lambda text: date.fromisocalendar(
        int(text[:4]), int(text[4:]), 1
    ).isoformat(),
}
_DAY_DOCS = {
    "date": "day in the property's time zone",
    "firstSessionDate": "day of the user's first session, in the property's time zone",
    "yearMonth": "first day of the month",
    "isoYearIsoWeek": "Monday of the ISO week",
}
_UNITS = {
    "TYPE_SECONDS": "seconds",
    "TYPE_MILLISECONDS": "milliseconds",
    "TYPE_MINUTES": "minutes",
    "TYPE_HOURS": "hours",
    "TYPE_FEET": "feet",
    "TYPE_MILES": "miles",
    "TYPE_METERS": "meters",
    "TYPE_KILOMETERS": "kilometers",
    "TYPE_CURRENCY": "amount in _currency_code",
}


def dimension(name: str) -> Column:
    """Return the column of a dimension; those that tell a time have its type, others are text.

    Names and formats: https://developers.google.com/analytics/devguides/reporting/data/v1/api-schema
    """
    if name in _DAYS:
        return Column(name, "date", name, _DAY_DOCS[name])
    if name in _INSTANTS:
        return Column(name, "timestamp", name, "when it began, UTC")
    return Column(name, "string", name, f"dimension {name}")


def metric(name: str, kind: str | None) -> Column:
    """Return the column of a metric.

    :param kind: the type that the report's header gives; None: no report came yet
    """
    whole: ColumnType = "bigint" if kind == "TYPE_INTEGER" else "double"
    unit = _UNITS.get(kind or "")
    return Column(name, whole, name, f"metric {name}" + (f", {unit}" if unit else ""))


def flat(body: Any, *, method: str, zone: tzinfo) -> Iterator[Json]:
    """Yield each row of a report as names and texts.

    :param method: what was asked: ``runReport`` and the like
    :param zone: the property's, for dimensions that tell an hour
    :raises DataError: if the body is no such report, or its rows do not fit its headers
    """
    require(body, method=method)
    dimensions, metrics = names(body, "dimensionHeaders"), names(body, "metricHeaders")
    readers = [_reader(name, zone) for name in dimensions]
    for row in body.get("rows", ()):
        keys, values = row.get("dimensionValues", ()), row.get("metricValues", ())
        if len(keys) != len(dimensions) or len(values) != len(metrics):
            raise DataError(f"{method}: a row has other columns than the report's headers name")
        found: Json = {
            # A field that holds its default, an empty text, is left out of the JSON.
            name: read(cell.get("value", ""))
            for name, read, cell in zip(dimensions, readers, keys, strict=True)
        }
        found.update(zip(metrics, (cell.get("value", "") for cell in values), strict=True))
        yield found


def require(body: Any, *, method: str) -> None:
    """Make sure that a body is the answer to a method.

    :raises DataError: if it is something else
    """
    kind = body.get("kind") if isinstance(body, dict) else None
    if kind != f"analyticsData#{method}":
        raise DataError(f"{method} was answered with something else than a report (kind {kind!r})")


def require_days(
    rows: Iterable[Json], start: datetime | None, end: datetime | None, *, where: str
) -> None:
    """Make sure that rows are of the days that were asked for.

    :raises TransientError: if one is not: the answer belongs to another request
    """
    assert start is not None
    assert end is not None
    first, beyond = f"{start:%Y%m%d}", f"{end:%Y%m%d}"
    for row in rows:
        day = row["date"]
        if day is not None and day.isdigit() and not first <= day < beyond:
            raise TransientError(f"{where}: asked for days from {first}, answered with {day}")


def names(body: Mapping[str, Any], headers: str) -> list[str]:
    """Return the names in some headers of a report."""
    return [str(header.get("name")) for header in body.get(headers, ())]


def kinds(body: Mapping[str, Any]) -> dict[str, str]:
    """Return the type of each metric of a report."""
    return {str(h.get("name")): str(h.get("type")) for h in body.get("metricHeaders", ())}


def _reader(name: str, zone: tzinfo) -> Callable[[str], str | None]:
    if name in _DAYS:
        return lambda text: None if text in _NONE else _tried(_DAYS[name], text)
    if form := _INSTANTS.get(name):
        return lambda text: (
            None if text in _NONE else _tried(lambda t: _instant(t, form, zone), text)
        )
    return str


def _instant(text: str, form: str, zone: tzinfo) -> str:
    return datetime.strptime(text, form).replace(tzinfo=zone).astimezone(UTC).isoformat()


def _tried(read: Callable[[str], str], text: str) -> str:
    """Read a value; one that cannot be, such as ``(other)``, stays, and its row is rejected."""
    try:
        return read(text)
    except ValueError:
        return text


def made(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return how a report was made, by the names of ``MADE``."""
    told = body.get("metadata") or {}
    restricted = (told.get("schemaRestrictionResponse") or {}).get("activeMetricRestrictions")
    return {
        "sampled_share": _share(told.get("samplingMetadatas") or ()),
        "thresholded": bool(told.get("subjectToThresholding")),
        "other_row": bool(told.get("dataLossFromOtherRow")),
        "truncated": bool(told.get("dataTruncationReasons")),
        "restricted": bool(restricted),
        "currency_code": told.get("currencyCode"),
        "time_zone": told.get("timeZone"),
    }


def _share(samples: Sequence[Mapping[str, Any]]) -> float | None:
    """Return the share of events that was read; the counts are int64, hence texts."""
    space = sum(int(each.get("samplingSpaceSize", 0)) for each in samples)
    return sum(int(each.get("samplesReadCount", 0)) for each in samples) / space if space else None


def warn(where: str, told: Mapping[str, Any]) -> None:
    """Log what makes the figures of a report less than whole."""
    share = told["sampled_share"]
    notes = {
        f"it is sampled from {share or 0:.1%} of the events": share is not None,
        "rows of few users may be withheld (thresholding)": told["thresholded"],
        "some combinations are summed up in rows (other)": told["other_row"],
        "some of the span is not served any more": told["truncated"],
        "metrics of cost or revenue are closed to these credentials": told["restricted"],
    }
    if said := [note for note, holds in notes.items() if holds]:
        log.warning("%s: %s", where, "; ".join(said))
