"""A feed of a real WebSocket server, and sources that read it, for tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_provider_spotify.core.model import Chunk, Credentials
from airflow_provider_spotify.core.sources.streaming.websocket import (
    WebsocketConfig,
    WebsocketSource,
)
from tests.core.chunks import rows
from tests.services.websocket_server import Feed

Make = Callable[..., WebsocketSource]
RESUME = {"field": "seq", "message": {"op": "subscribe", "after": "{position}"}}
FAST = {"attempts": 4, "delay": "50ms", "max_delay": "1s"}


def numbers(chunks: list[Chunk]) -> list[int]:
    return [row["seq"] for row in rows(chunks)]


def serving(websocket_server: Feed) -> Feed:
    """Give the server under the name that it has here; a module's fixture ``feed``.

    It closes the connection once it has sent all there is, so that a read ends at its end, however
    long this machine takes, and not in a silence.
    """
    websocket_server.ends = True
    return websocket_server


def reading(feed: Feed) -> Make:
    """Give a function from a Config's keys to a source of this test's server, as ``make``."""

    def source(*, credentials: Credentials = feed.credentials, **config: Any) -> WebsocketSource:
        given = {
            "url": "/feed",
            "subscribe": [{"op": "subscribe"}],
            "quiet": "60s",
            "linger": "20ms",
            "metadata": [],
            "reconnect": FAST,
            **config,
        }
        return WebsocketSource(WebsocketConfig(**given), credentials=credentials)

    return source
