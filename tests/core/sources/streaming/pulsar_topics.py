"""Topics of a real Pulsar broker, and sources that read them, for tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from airflow_provider_spotify.core.model import Chunk, Credentials
from airflow_provider_spotify.core.sources.streaming.pulsar import PulsarConfig, PulsarSource
from tests.core.chunks import rows
from tests.services.pulsar import admin, place

Make = Callable[..., PulsarSource]


def plays(start: int, stop: int) -> list[bytes]:
    return [json.dumps({"id": n, "track": f"t{n}"}).encode() for n in range(start, stop)]


def ids(chunks: list[Chunk]) -> list[int]:
    return [row["id"] for row in rows(chunks)]


def trim(credentials: Credentials, topic: str) -> None:
    """Delete what a topic holds: its ledger is closed first, for an open one stays."""
    admin(credentials, "PUT", f"{place(topic)}/unload")
    admin(credentials, "DELETE", f"{place(topic)}/truncate")


def reading(pulsar: Credentials, pulsar_topic: str) -> Make:
    """Give a function from a Config's keys to a source of this test's topic; a fixture ``make``."""

    def source(*, credentials: Credentials = pulsar, **config: Any) -> PulsarSource:
        given = {"topics": [pulsar_topic], "linger": "100ms", **config}
        return PulsarSource(PulsarConfig(**given), credentials=credentials)

    return source
