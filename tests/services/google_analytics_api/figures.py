"""The figures of an invented property, and how reports are made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Any

Event = dict[str, Any]
Names = tuple[str, ...]

DIMENSIONS: Mapping[str, Callable[[Event], str]] = {
    "date": lambda e: f"{e['day']:%Y%m%d}",
    "dateHour": lambda e: f"{e['day']:%Y%m%d}{e['hour']:02}",
    "yearMonth": lambda e: f"{e['day']:%Y%m}",
    "isoYearIsoWeek": lambda e: f"{e['day']:%G%V}",
    "hour": lambda e: f"{e['hour']:02}",
    "country": lambda e: e["country"],
    "city": lambda e: e["city"],
    "eventName": lambda e: e["event"],
    "deviceCategory": lambda e: e["device"],
    "firstSessionDate": lambda e: e["first"],
    "customEvent:level": lambda e: e["level"],
    "minutesAgo": lambda e: f"{e['minutes_ago']:02}",
}
METRICS: Mapping[str, tuple[str, Callable[[Event], float]]] = {
    "eventCount": ("TYPE_INTEGER", lambda e: e["count"]),
    "activeUsers": ("TYPE_INTEGER", lambda e: e["users"]),
    "purchaseRevenue": ("TYPE_CURRENCY", lambda e: e["revenue"]),
    "userEngagementDuration": ("TYPE_SECONDS", lambda e: e["seconds"]),
}
REALTIME = {"country", "city", "eventName", "deviceCategory", "minutesAgo"}
APART = {"firstSessionDate", "city"}
"""Two dimensions that may not stand in one report of this property."""
_CITIES = {"Sweden": ("Malmö", "Umeå"), "Japan": ("大阪", "(not set)"), "Brazil": ("Belém", "")}


@dataclass
class Property:
    """One property: its calendar, its events by the hour, and what its answers tell of it."""

    time_zone: str = "Europe/Stockholm"
    currency: str = "SEK"
    events: list[Event] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    closed: bool = False
    tokens: dict[str, int] = field(default_factory=dict)

    def add(self, first: date, days: int, *, seed: int = 11) -> None:
        """Let some days pass: a few events an hour in each country."""
        random = Random(f"{seed}{first}")
        for number in range(days):
            for country, cities in _CITIES.items():
                for city in cities:
                    self.events.append(
                        _event(random, first + timedelta(days=number), country, city)
                    )


def _event(random: Random, day: date, country: str, city: str) -> Event:
    count = random.choice([0, 3, 7, 12])
    return {
        "day": day,
        "hour": random.randrange(24),
        "country": country,
        "city": city,
        "event": random.choice(["play", "skip", "purchase"]),
        "device": random.choice(["mobile", "desktop"]),
        "first": random.choice(["20260301", "(not set)"]),
        "level": random.choice(["1", "(not set)"]),
        "minutes_ago": random.randrange(30),
        "count": count,
        "users": min(count, 2),
        "revenue": round(count * random.random(), 2),
        "seconds": count * 1.5,
    }


def table(
    events: Iterable[Event], dimensions: Names, metrics: Names
) -> dict[Names, dict[str, float]]:
    """Sum the metrics up by every combination of the dimensions that there is."""
    found: dict[Names, dict[str, float]] = {}
    for event in events:
        key = tuple(DIMENSIONS[name](event) for name in dimensions)
        sums = found.setdefault(key, dict.fromkeys(metrics, 0.0))
        for name in metrics:
            sums[name] += METRICS[name][1](event)
    return found


def written(name: str, value: float) -> str:
    """Write a metric as the API does: whole ones without a point."""
    return str(int(value)) if METRICS[name][0] == "TYPE_INTEGER" else str(round(value, 6))
