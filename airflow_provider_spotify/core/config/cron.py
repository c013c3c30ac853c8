"""Judges cron expressions and time zones, without a scheduler's libraries."""

from __future__ import annotations

import re
from collections.abc import Sequence
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from airflow_provider_spotify.core.config.problems import did_you_mean

PRESETS = ("@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly")
"""The presets that Airflow's interval timetable takes."""

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_FIELDS = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 7, _DAYS),
)
_PART = re.compile(r"(?:(\*)|(\w+)(?:-(\w+))?)(?:/(\d+))?")
_SPECIAL = {"day of month": re.compile(r"l"), "day of week": re.compile(r"[0-7]#[1-5]|l[0-7]")}


def cron_problem(expression: str) -> str | None:
    """Say what is wrong with a cron expression of five fields or a preset; None if nothing is."""
    text = expression.strip().lower()
    if text.startswith("@"):
        known = text in PRESETS
        return None if known else f"{expression!r} is no preset; {did_you_mean(text, PRESETS)}"
    fields = text.split()
    if len(fields) != len(_FIELDS):
        return (
            f"a cron expression has five fields (minute, hour, day of month, month, day of week), "
            f"{expression!r} has {len(fields)}"
        )
    for field, (name, low, high, names) in zip(fields, _FIELDS, strict=True):
        for part in field.split(","):
            if not _fits(part, name, low, high, names):
                return f"{part!r} is not a {name} ({low}-{high}) in {expression!r}"
    return _never(fields, expression)


def _fits(part: str, name: str, low: int, high: int, names: Sequence[str]) -> bool:
    if name in _SPECIAL and _SPECIAL[name].fullmatch(part):
        return True
    match = _PART.fullmatch(part)
    if not match:
        return False
    star, first, last, step = match.groups()
    numbers = [_number(word, low, names) for word in (first, last) if word is not None]
    if any(number is None or not low <= number <= high for number in numbers):
        return False
    ordered = last is None or (numbers[0] or 0) <= (numbers[1] or 0)
    stepped = step is None or (int(step) >= 1 and (star is not None or last is not None))
    return ordered and stepped


def _number(word: str, low: int, names: Sequence[str]) -> int | None:
    if word.isdecimal():
        return int(word)
    return names.index(word) + low if word in names else None


def _never(fields: list[str], expression: str) -> str | None:
    """Say so if the day does not exist in any of the months, as in ``0 0 30 2 *``."""
    _, _, day, month, weekday = fields
    if weekday != "*" or not day.isdecimal() or not re.fullmatch(r"[\w,]+", month):
        return None
    numbers = [_number(word, 1, _MONTHS) for word in month.split(",")]
    if all(number and int(day) > _LONGEST[number - 1] for number in numbers):
        return f"{expression!r} never comes: no such month has a day {day}"
    return None


def timezone_problem(name: str) -> str | None:
    """Say that a time zone does not exist and offer the nearest; None if it does."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        near = did_you_mean(name, sorted(available_timezones()))
        hint = near if near.startswith("did") else "write it as in Europe/Stockholm"
        return f"there is no time zone {name!r}; {hint}"
    return None
