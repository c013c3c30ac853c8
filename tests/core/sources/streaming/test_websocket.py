"""WebSockets on a real server: the suites where it can resume, and gaps where it cannot."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from pydantic import SecretStr, ValidationError

from airflow_provider_spotify.core.errors import ConfigurationError, DataError
from airflow_provider_spotify.core.model import Chunk, Credentials, Window
from airflow_provider_spotify.core.sources.streaming.websocket import (
    WebsocketConfig,
    WebsocketSource,
)
from airflow_provider_spotify.core.testing.sources import read
from airflow_provider_spotify.core.testing.streams import StreamConformance
from tests.core.chunks import rejected
from tests.core.sources.streaming.websocket_feed import RESUME, Make, numbers, reading, serving
from tests.services.websocket_server import Feed

feed = pytest.fixture(serving)
make = pytest.fixture(reading)


class TestResumable(StreamConformance):
    """A server that sends again what comes after a number."""

    expected_rows = 200
    libraries: ClassVar[list[str]] = ["websockets", "orjson"]

    @pytest.fixture(autouse=True)
    def _served(self, feed: Feed) -> None:
        self.feed, self.quiet = feed, "60s"
        feed.publish(*({"track": f"t{n}"} for n in range(200)))

    def make_source(self) -> WebsocketSource:
        return self._source(self.feed.credentials)

    def make_empty(self) -> WebsocketSource:
        return self._source(self.feed.credentials, subscribe=[{"op": "live"}])

    def make_bad_credentials(self) -> WebsocketSource:
        wrong = {"password": SecretStr("wrong-but-unmistakable")}
        return self._source(self.feed.credentials.model_copy(update=wrong))

    def add_more(self) -> int:
        self.feed.publish(*({"track": "new"} for _ in range(7)))
        return 7

    def stay_connected(self) -> None:
        """Let silence be the only end."""
        self.feed.ends, self.quiet = False, "2s"

    def test_ends_after_as_much_time_as_asked(self) -> None:
        """The server keeps the connection, and sends nothing."""
        self.stay_connected()
        super().test_ends_after_as_much_time_as_asked()

    def test_is_followed(self) -> None:
        """What is produced comes over the connection that is there."""
        self.stay_connected()
        super().test_is_followed()

    def test_following_ends_when_closed(self) -> None:
        """The connection is there, and nothing comes."""
        self.stay_connected()
        super().test_following_ends_when_closed()

    def _source(self, credentials: Credentials, **config: Any) -> WebsocketSource:
        given = {
            "url": "/feed",
            "subscribe": [{"op": "subscribe"}],
            "resume": RESUME,
            "quiet": self.quiet,
            "linger": "20ms",
            "batch_size": 23,
            "metadata": [],
            **config,
        }
        return WebsocketSource(WebsocketConfig(**given), credentials=credentials)


def test_lost_connection_is_recorded_as_a_gap(
    feed: Feed, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """Without resume, messages sent in between are lost, and a rejected record says so."""
    feed.publish({}, {}, {})
    feed.ends = False
    feed.faults.append("drop:2")

    def publish() -> None:
        for number in (1, 2):
            feed.wait_for(lambda: len(feed.heard) == number)  # noqa: B023 - it is over by then
            feed.publish({}, {})

    publishing = threading.Thread(target=publish)
    publishing.start()
    begun = time.monotonic()
    chunks = read(make(subscribe=[{"op": "live"}], until={"rows": 4}))
    took = time.monotonic() - begun
    publishing.join()
    assert numbers(chunks) == [4, 5, 6, 7]
    (gap,) = rejected(chunks)
    assert gap["stage"] == "source"
    said = re.match(r"gap: reconnected after (\d+\.\d) s", gap["reason"])
    assert said is not None
    assert float(said[1]) <= took + 0.1  # it is rounded
    assert gap["location"] == f"ws://127.0.0.1:{feed.port}/feed"
    assert json.loads(gap["record"])["received"] == 2
    assert "gap: reconnected after" in caplog.text
    assert chunks[-1].cursor["received"] == 4


def test_resumed_connection_loses_nothing_and_doubles_nothing(feed: Feed, make: Make) -> None:
    """With resume, the server is told the position, and what it sends again is dropped."""
    feed.publish(*({"n": n} for n in range(100)))
    feed.faults.extend(["drop:30", "drop:1", "drop:25", ""])
    overlapping = {"field": "seq", "message": {"op": "subscribe", "after": 0, "at": "{position}"}}
    for resume in (RESUME, overlapping):
        chunks = read(make(resume=resume, batch_size=7))
        assert numbers(chunks) == list(range(1, 101))
        assert rejected(chunks) == []
        feed.faults.extend(["drop:30", "drop:60", ""])
    told = [heard["at"] for heard in feed.heard if "at" in heard]
    assert 0 < told[0] <= 30  # what was on its way when the line was cut may not have arrived


def test_connection_lost_before_its_first_rows_were_read_is_resumed(feed: Feed, make: Make) -> None:
    """Rows that linger hold the first position: connecting again waits for it."""
    feed.ends = False
    feed.faults.append("drop:2")

    def publish() -> None:
        feed.wait_for(lambda: len(feed.heard) == 1)
        feed.publish({}, {}, {})  # of which the first connection gives two

    publishing = threading.Thread(target=publish)
    publishing.start()
    words = {"subscribe": [{"op": "live"}], "resume": RESUME, "linger": "1s"}
    chunks = read(make(until={"rows": 3}, quiet="5s", **words))
    publishing.join()
    assert numbers(chunks) == [1, 2, 3]
    assert rejected(chunks) == []
    assert feed.heard == [{"op": "live"}, {"op": "subscribe", "after": 2}]


def test_reading_without_an_end_is_refused_with_the_ways_out(make: Make) -> None:
    """Nothing is ever the end of a WebSocket, so the YAML has to name one."""
    with pytest.raises(ConfigurationError, match=r"until: \{rows: ….*within.*quiet.*flush:"):
        read(make(quiet=None))
    window = Window(start=datetime.now(UTC), end=datetime.now(UTC) + timedelta(hours=1))
    with pytest.raises(ConfigurationError, match="has no past"):
        asyncio.run(anext(make().read(None, window)))  # type: ignore[arg-type]


def test_normal_closing_by_the_server_ends_the_reading(feed: Feed, make: Make) -> None:
    """Close code 1000 says that nothing more comes; whoever follows connects again."""
    feed.publish({}, {}, {})
    feed.ends = False
    feed.faults.append("close:3:1000:done")
    begun = time.monotonic()
    assert numbers(read(make(quiet="60s"))) == [1, 2, 3]
    assert time.monotonic() - begun < 30
    feed.faults.append("close:3:1000:done")

    async def follow() -> list[Chunk]:
        found: list[Chunk] = []
        async with aclosing(make(resume=RESUME).following().read(None)) as stream:  # type: ignore[type-var]
            async for chunk in stream:
                found.append(chunk)
                if len(numbers(found)) == 3:
                    feed.publish({}, {})
                if len(numbers(found)) == 5:
                    break
        return found

    assert numbers(asyncio.run(follow())) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "words",
    [
        {"url": "https://example.com"},
        {"url": "wss://me:secret@example.com"},
        {"format": "text", "record_path": "a"},
        {"format": "raw", "resume": RESUME},
        {"position": "id", "resume": RESUME},
    ],
)
def test_words_that_do_not_fit_are_refused(words: dict[str, Any]) -> None:
    """An address with credentials and keys of another format are errors of the YAML."""
    with pytest.raises(ValidationError):
        WebsocketConfig(**words)


@pytest.mark.parametrize(
    ("host", "port", "url", "name"),
    [
        ("stream.example.com", None, "/v1/feed", ("wss://stream.example.com", "v1/feed")),
        ("https://example.com", 8443, "/feed", ("wss://example.com:8443", "feed")),
        ("wss://example.com/feed", 8443, "/", ("wss://example.com:8443", "feed")),
        (None, None, "wss://example.com/feed?topic=a", ("wss://example.com", "feed")),
        ("ws://other.example.com", None, "ws://example.com", ("ws://example.com", "/")),
    ],
)
def test_address_is_of_the_yaml_or_the_connection(
    host: str | None, port: int | None, url: str, name: tuple[str, str]
) -> None:
    """A path is below the connection's host; a whole address needs none."""
    credentials = Credentials(host=host, port=port)
    assert WebsocketSource(WebsocketConfig(url=url), credentials=credentials).dataset() == name


def test_cursor_of_another_source_is_refused(make: Make) -> None:
    """A cursor that is not of this source is an error, not a reading from now on."""
    with pytest.raises(DataError, match="not one of a WebSocket's"):
        read(make(), {"positions": {}})
