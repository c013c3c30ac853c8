"""Writes logs as Segment's AWS S3 destination does, to a bucket or a folder."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import orjson

SOURCE = "mnVRbFEG8V"
DAY = datetime(2026, 11, 18, tzinfo=UTC)


class Put(Protocol):
    """Stores a file below the place."""

    def __call__(self, name: str, data: bytes) -> None:
        """Store it."""


def messages(count: int, *, day: datetime = DAY, first: int = 0) -> list[dict[str, Any]]:
    """Make messages of every type, with the odd values that clients send."""
    types = ("track", "identify", "page", "screen", "group", "alias")
    return [_message(n, types[n % 6], day) for n in range(first, first + count)]


def _message(n: int, kind: str, day: datetime) -> dict[str, Any]:
    at = (day + timedelta(seconds=n)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    odd: Any = n if n % 5 == 0 else f"u{n}"
    own: dict[str, dict[str, Any]] = {
        "track": {
            "event": "Track Played",
            "properties": {"position": n, "title": "Näktergal 夜"},
        },
        "identify": {"traits": {"plan": "family", "friends": n}},
        "page": {"name": "Home", "category": "Start", "properties": {"path": "/"}},
        "screen": {"name": "Player", "properties": {}},
        "group": {"groupId": f"g{n}", "traits": {"employees": 329}},
        "alias": {"previousId": f"anon-{n}"},
    }
    return {
        "messageId": f"msg-{day:%d}-{n}",
        "type": kind,
        "userId": odd,
        "anonymousId": None,
        "timestamp": at,
        "originalTimestamp": at,
        "sentAt": at,
        "receivedAt": at,
        "channel": "client",
        "context": {
            "ip": "192.0.2.7",
            "library": {"name": "analytics.js", "version": "2.11.1"},
            "app": {"build": 88},
            "page": {"url": "https://acme.example/", "path": "/"},
            "campaign": {"source": "newsletter"},
        },
        "integrations": {"All": True},
        "version": 2,
        **own[kind],
    }


def packed(found: list[Any]) -> bytes:
    """Return messages as a gzipped file of lines; a text is a line as it is."""
    lines = [each.encode() if isinstance(each, str) else orjson.dumps(each) for each in found]
    return gzip.compress(b"\n".join(lines) + b"\n")


def name_of(day: datetime, file: str, *, source: str = SOURCE) -> str:
    """Return where a file of a day stands."""
    return f"segment-logs/{source}/{int(day.timestamp() * 1000)}/{file}.gz"


def into(folder: Path) -> Put:
    """Return what stores files in a folder."""

    def put(name: str, data: bytes) -> None:
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)

    return put
