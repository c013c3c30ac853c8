"""Invented events as Amplitude exports them, the same at each start."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import orjson

FIRST = datetime(2026, 3, 1, tzinfo=UTC)
APP = 187520
Hours = Mapping[datetime, Sequence[dict[str, Any]]]


def event(at: datetime, number: int, random: Random) -> dict[str, Any]:
    """Return one event that came in at a time."""
    shown = at.strftime("%Y-%m-%d %H:%M:%S.%f")
    earlier = (at - timedelta(seconds=3)).strftime("%Y-%m-%d %H:%M:%S.%f")
    found: dict[str, Any] = {
        "$insert_id": f"{random.getrandbits(64):016x}",
        "$schema": 12,
        "adid": None,
        "amplitude_id": random.getrandbits(40),
        "app": APP,
        "city": random.choice(["Malmö", "東京", None]),
        "client_event_time": earlier,
        "client_upload_time": shown,
        "country": random.choice(["Sweden", "Japan"]),
        "data": {"first_event": number % 9 == 0, "path": "/2/httpapi"},
        "device_family": "Apple iPhone",
        "device_id": f"{random.getrandbits(64):016x}",
        "device_type": "Apple iPhone 15",
        "event_id": number,
        "event_properties": {
            "track": f"t{random.randrange(99)}",
            "tags": ["ä", None],
            "share": 0.5,
        },
        "event_time": earlier,
        "event_type": random.choice(["play", "skip", "[Amplitude] Start Session", 'say "hi"\n']),
        "group_properties": {},
        "groups": {},
        "language": "Swedish",
        "location_lat": random.choice([None, 55.6]),
        "os_name": "ios",
        "paying": random.choice([None, "true"]),
        "platform": "iOS",
        "processed_time": shown,
        "server_received_time": shown,
        "server_upload_time": shown,
        "session_id": -1 if number % 4 == 0 else 1_700_000_000_000 + number,
        "user_creation_time": earlier,
        "user_id": None if number % 5 == 0 else f"user-{random.randrange(50)}",
        "user_properties": {"plan": random.choice(["free", "premium"])},
        "uuid": str(UUID(int=random.getrandbits(128))),
        "version_name": "9.1",
    }
    if number % 6 == 0:
        del found["location_lat"], found["language"]
    return found


def hours(count: int, *, each: int, first: datetime = FIRST, seed: int = 5) -> dict[Any, Any]:
    """Return the events of some hours."""
    random, found = Random(seed + int(first.timestamp())), {}
    for number in range(count):
        hour = first + timedelta(hours=number)
        found[hour] = [
            event(hour + timedelta(seconds=random.random() * 3600), number * each + n, random)
            for n in range(each)
        ]
    return found


def archive(found: Hours, *, files: int = 2) -> bytes:
    """Return the zip of some hours: several files an hour, gzipped JSON lines."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as into:
        for hour, events in found.items():
            for part in range(files):
                lines = b"\n".join(orjson.dumps(each) for each in events[part::files])
                name = f"{APP}/{APP}_{hour:%Y-%m-%d}_{hour.hour}#{part}.json.gz"
                into.writestr(name, gzip.compress(lines, 1, mtime=0))
    return written.getvalue()
