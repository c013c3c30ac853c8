"""Reads and writes times as APIs do: ISO 8601, dates, seconds or milliseconds since 1970."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

TIME_FORMATS = ("iso", "date", "epoch", "epoch_ms")


def write_time(time: datetime, form: str) -> str | int:
    """Write a time in one of ``TIME_FORMATS`` or a strftime pattern; what is finer is cut."""
    if form == "iso":
        return time.isoformat().replace("+00:00", "Z")
    if form == "date":
        return time.date().isoformat()
    if form == "epoch":
        return int(time.timestamp())
    if form == "epoch_ms":
        return (time - _EPOCH) // timedelta(milliseconds=1)
    return time.strftime(form)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_time(raw: Any) -> datetime | None:
    """Read a time: ISO 8601, RFC 2822, or seconds, milliseconds or microseconds since 1970.

    Also 2026/01/31 12:23:00 +0000. A time without a zone is UTC. What is no time gives None.
    """
    # Eight digits are a date (20260131), not the seconds of a day in 1970.
    if isinstance(raw, str) and (not raw.isdigit() or len(raw) == 8):
        return _parse_text(raw.strip())
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        return None
    try:
        return _since_1970(float(raw))
    except (ValueError, OverflowError):  # no number that Python knows, or no year that it knows
        return None


def _since_1970(stamp: float) -> datetime:
    for unit in (1e6, 1e3):
        # 1e11 seconds are the year 5138: a larger number counts something finer.
        if abs(stamp) >= 1e11 * unit / 1e3:
            return _EPOCH + timedelta(microseconds=round(stamp * 1e6 / unit))
    return _EPOCH + timedelta(microseconds=round(stamp * 1e6))


def _parse_text(raw: str) -> datetime | None:
    for read in (datetime.fromisoformat, parsedate_to_datetime, _with_slashes):
        try:
            found = read(raw)
        except (ValueError, TypeError):
            continue
        try:
            return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
        except OverflowError:  # the first day of the year 1, east of Greenwich
            return None
    return None


def _with_slashes(raw: str) -> datetime:
    """Read a time as SoundCloud writes it."""
    return datetime.strptime(raw, "%Y/%m/%d %H:%M:%S %z")
