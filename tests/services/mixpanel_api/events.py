"""Invented events and profiles as Mixpanel stores them, the same at each start."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

FIRST = date(2026, 3, 1)
_NAMES = ("Play", "Skip", "Sök efter låt", "Sign up", 'Quote "q"')


def event(at: datetime, number: int, random: Random) -> dict[str, Any]:
    """Return one event at a time of the project's clock, which is shown as if it were UTC."""
    properties: dict[str, Any] = {
        "time": int(at.replace(tzinfo=UTC).timestamp()),
        "distinct_id": f"listener-{random.randrange(50)}",
        "$insert_id": f"{number:08x}{random.getrandbits(32):08x}",
        "$city": random.choice(["Malmö", "東京", None]),
        "mp_country_code": random.choice(["SE", "JP"]),
        "mp_lib": "web",
        "mp_processing_time_ms": int(at.replace(tzinfo=UTC).timestamp()) * 1000 + 250,
        "track": {"id": random.randrange(10**6), "tags": ["a", "ö", None], "share": 0.25},
        "note": 'a "properties": {} line\nbreak',
    }
    if random.random() < 0.5:
        properties["$os"] = "iOS"
        properties["$app_version_string"] = random.choice(["9.1", 9])
    if random.random() < 0.2:
        del properties["$insert_id"]
    return {"event": random.choice(_NAMES), "properties": properties}


def days(count: int, *, each: int, seed: int = 11) -> dict[date, list[dict[str, Any]]]:
    """Return the events of some days, in the order in which an export gives them: none."""
    random, found = Random(seed), {}
    for number in range(count):
        day = FIRST + timedelta(days=number)
        midnight = datetime(day.year, day.month, day.day)
        found[day] = [
            event(midnight + timedelta(seconds=random.randrange(86_400)), number * each + n, random)
            for n in range(each)
        ]
    return found


def profiles(count: int, *, seed: int = 12) -> list[dict[str, Any]]:
    """Return profiles; some lack what others have."""
    random, found = Random(seed), []
    for number in range(count):
        properties: dict[str, Any] = {
            "$last_seen": f"2026-03-{1 + number % 28:02d}T10:{number % 60:02d}:00",
            "plan": random.choice(["free", "premium"]),
            "$city": random.choice(["Malmö", None]),
        }
        if number % 3:
            properties |= {"$name": f"Listener {number}", "$created": "2025-01-01T00:00:00"}
        found.append({"$distinct_id": f"listener-{number}", "$properties": properties})
    return found
