"""Times as APIs write them, and units that do not begin with 1970."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_spotify.core.sources.web.progress import Extent, floor, slices, until_of
from airflow_provider_spotify.core.sources.web.resource import Spans
from airflow_provider_spotify.core.sources.web.times import parse_time

NOON = datetime(2026, 1, 31, 12, 23, tzinfo=UTC)
WEEKS = Spans(
    unit=timedelta(days=7),
    step=timedelta(days=7),
    offset=timedelta(days=3, hours=12),
)


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31T12:23:00Z",
        "2026-01-31T13:23:00+01:00",
        "2026/01/31 12:23:00 +0000",
        "2026/01/31 07:23:00 -0500",
        "Sat, 31 Jan 2026 12:23:00 GMT",
        str(int(NOON.timestamp())),
        int(NOON.timestamp()) * 1000,
    ],
)
def test_a_time_is_read_however_it_is_written(text: str | int) -> None:
    """ISO 8601, slashes, RFC 2822 and numbers since 1970 are the same instant."""
    assert parse_time(text) == NOON


@pytest.mark.parametrize("text", ["", "yesterday", "2026/13/31 12:23:00 +0000", True, None, []])
def test_what_is_no_time_is_none(text: object) -> None:
    """No error is raised, so that the caller decides."""
    assert parse_time(text) is None


def test_units_may_begin_elsewhere_than_in_1970() -> None:
    """Weeks with an offset of three days and a half begin on Sundays at noon."""
    week = floor(NOON, WEEKS.unit, offset=WEEKS.offset)
    assert (week.weekday(), week.hour, NOON - week < WEEKS.unit) == (6, 12, True)
    until = until_of(WEEKS, now=NOON, extent=Extent())
    assert until == week
    extent = Extent(start=week - timedelta(days=17))
    found = slices(WEEKS, ["a"], marks={}, until=until, extent=extent)
    assert [each.start for each in found] == [week - timedelta(days=7 * n) for n in (3, 2, 1)]
