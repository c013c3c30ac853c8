"""The days by which Meta counts: those of Los Angeles, so each ends at 07:00 or 08:00 UTC.

https://developers.facebook.com/docs/instagram-platform/insights shows it in ``end_time``.
"""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

_META = ZoneInfo("America/Los_Angeles")


def wall(time: datetime) -> datetime:
    """Return what clocks there show, labelled UTC."""
    return time.astimezone(_META).replace(tzinfo=UTC)


def moment(shown: datetime) -> datetime:
    """Return when clocks there show a time that is labelled UTC."""
    return shown.replace(tzinfo=_META).astimezone(UTC)
