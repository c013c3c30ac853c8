"""WebSockets on a real server: the suites where it can resume, and gaps where it cannot."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from pydantic import SecretStr, ValidationError

from airflow_provider_spotify.core.clients.websocket_receiver import Patience
from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    DataError,
    ForbiddenError,
    ImporterError,
    TransientError,
)
from airflow_provider_spotify.core.model import Chunk, Credentials, Window
from airflow_provider_spotify.core.sources.streaming.websocket import (
    WebsocketConfig,
    WebsocketSource,
)
from airflow_provider_spotify.core.testing.sources import read
from airflow_provider_spotify.core.testing.streams import StreamConformance
from tests.services.process import free_port
from tests.services.websocket_server import TOKEN, Feed

Make = Callable[..., WebsocketSource]
RESUME = {"field": "seq", "message": {"op": "subscribe", "after": "{position}"}}
FAST = {"attempts": 4, "delay": "50ms", "max_delay": "1s"}


def rows(chunks: list[Chunk]) -> list[dict[str, Any]]:
    return [row for chunk in chunks for row in chunk.batch.to_pylist()]


def numbers(chunks: list[Chunk]) -> list[int]:
    return [row["seq"] for row in rows(chunks)]


def rejected(chunks: list[Chunk]) -> list[dict[str, Any]]:
    return [row for c in chunks if c.rejected is not None for row in c.rejected.to_pylist()]


@pytest.fixture
def feed(websocket_server: Feed) -> Feed:
    """Give the server under the name that it has here."""
    return websocket_server


@pytest.fixture
def make(feed: Feed) -> Make:
    """Give a function from a Config's keys to a source of this test's server."""

    def source(*, credentials: Credentials = feed.credentials, **config: Any) -> WebsocketSource:
        given = {
            "url": "/feed",
            "subscribe": [{"op": "subscribe"}],
            "quiet": "300ms",
            "linger": "20ms",
            "metadata": [],
            "reconnect": FAST,
            **config,
        }
        return WebsocketSource(WebsocketConfig(**given), credentials=credentials)

    return source


class TestResumable(StreamConformance):
    """A server that sends again what comes after a number."""

    expected_rows = 200
    libraries: ClassVar[list[str]] = ["websockets", "orjson"]

    @pytest.fixture(autouse=True)
    def _served(self, feed: Feed) -> None:
        self.feed = feed
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

    @staticmethod
    def _source(credentials: Credentials, **config: Any) -> WebsocketSource:
        given = {
            "url": "/feed",
            "subscribe": [{"op": "subscribe"}],
            "resume": RESUME,
            "quiet": "200ms",
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
    source = make(subscribe=[{"op": "live"}], until={"rows": 5}, quiet="1500ms")
    feed.faults.append("drop:2")
    threading.Timer(0.3, lambda: feed.publish({}, {})).start()
    threading.Timer(1.2, lambda: feed.publish({}, {})).start()
    chunks = read(source)
    assert numbers(chunks) == [4, 5, 6, 7]
    (gap,) = rejected(chunks)
    assert gap["stage"] == "source"
    assert gap["reason"].startswith("gap: reconnected after 0.")
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


# ── where reading ends ───────────────────────────────────────────────────────────────────────


def test_reading_without_an_end_is_refused_with_the_ways_out(make: Make) -> None:
    """Nothing is ever the end of a WebSocket, so the YAML has to name one."""
    with pytest.raises(ConfigurationError, match=r"until: \{rows: ….*within.*quiet.*flush:"):
        read(make(quiet=None))
    window = Window(start=datetime.now(UTC), end=datetime.now(UTC) + timedelta(hours=1))
    with pytest.raises(ConfigurationError, match="has no past"):
        asyncio.run(anext(make().read(None, window)))


def test_normal_closing_by_the_server_ends_the_reading(feed: Feed, make: Make) -> None:
    """Close code 1000 says that nothing more comes; whoever follows connects again."""
    feed.publish({}, {}, {})
    feed.faults.append("close:3:1000:done")
    begun = time.monotonic()
    assert numbers(read(make(quiet="20s"))) == [1, 2, 3]
    assert time.monotonic() - begun < 5
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


# ── what is in a message ─────────────────────────────────────────────────────────────────────


def test_text_and_raw_messages_are_the_column_value(feed: Feed, make: Make) -> None:
    """What is no JSON is kept whole, as text or as bytes."""
    feed.publish("héllo", b"\x00\xff")
    assert rows(read(make(format="text"))) == [{"value": "héllo"}, {"value": "AP8="}]
    found = rows(read(make(format="raw")))
    assert found == [{"value": "héllo".encode()}, {"value": b"\x00\xff"}]


def test_garbage_is_rejected_and_the_rest_is_read(feed: Feed, make: Make) -> None:
    """A message that is no object costs itself only; its place is its number."""
    feed.publish({"a": 1}, "{broken", "[1, 2]", {"a": 2})
    chunks = read(make())
    assert numbers(chunks) == [1, 4]
    bad = rejected(chunks)
    assert [row["record"] for row in bad] == ["{broken", "[1, 2]"]
    assert bad[0]["location"] == f"ws://127.0.0.1:{feed.port}/feed message 2"


def test_records_inside_a_message_and_messages_that_are_none(feed: Feed, make: Make) -> None:
    """``record_path`` takes records out, ``ignore`` leaves messages out."""
    feed.publish(
        '{"type": "welcome"}',
        '{"type": "trades", "data": {"items": [{"p": 1}, {"p": 2}]}}',
        '{"type": "heartbeat", "p": 9}',
        '{"type": "trades", "data": {"items": [{"p": 3}]}}',
    )
    chunks = read(make(record_path="data.items"))
    assert rows(chunks) == [{"p": 1}, {"p": 2}, {"p": 3}]
    assert chunks[-1].cursor["received"] == 4
    ignore = {"type": ["welcome", "trades"]}
    assert rows(read(make(ignore=ignore))) == [{"type": "heartbeat", "p": 9}]


def test_rows_are_cut_exactly_also_inside_a_message(feed: Feed, make: Make) -> None:
    """``until: {rows: n}`` gives n rows, and the position of the last of them."""
    feed.publish('{"items": [{"seq": 1}, {"seq": 2}, {"seq": 3}]}', '{"items": [{"seq": 4}]}')
    chunks = read(make(record_path="items", position="seq", until={"rows": 2}))
    assert (numbers(chunks), chunks[-1].cursor["last"]) == ([1, 2], 2)


def test_arrival_is_a_column_if_wanted(feed: Feed, make: Make) -> None:
    """``_received_at`` is when a message came, in UTC."""
    begun = datetime.now(UTC)
    feed.publish({})
    (row,) = rows(read(make(metadata=["received_at"])))
    assert begun - timedelta(seconds=1) < row["_received_at"] < datetime.now(UTC)


def test_positions_may_be_texts(feed: Feed, make: Make) -> None:
    """A text has no order: what a server sends again is known by the last row itself."""
    for text in ("b", "a", "c", "d"):
        feed.publish(json.dumps({"id": text}))
    resume = {"field": "id", "message": {"op": "subscribe", "since": "id {position}"}}
    first = read(make(resume=resume, until={"rows": 3}))
    assert first[-1].cursor["last"] == "c"
    assert rows(read(make(resume=resume), first[-1].cursor)) == [{"id": "d"}]
    assert feed.heard[-1] == {"op": "subscribe", "since": "id c"}


# ── the connection ───────────────────────────────────────────────────────────────────────────


def test_buffer_is_bounded_and_the_server_has_to_wait(feed: Feed, make: Make) -> None:
    """A reader that rests holds a bounded number of bytes; TCP lets the server wait."""
    feed.publish(*(os.urandom(50_000).hex() for _ in range(300)))  # 30 MB
    source = make(
        format="text", buffer_bytes=1_000_000, batch_size=1, until={"rows": 300}, quiet=None
    )

    async def rest() -> tuple[int, int]:
        async with aclosing(source.read(None)) as stream:  # type: ignore[type-var]
            await anext(stream)
            await asyncio.sleep(1.5)
            sent = feed.sent
            count = 1 + len([chunk async for chunk in stream])
        return sent, count

    sent, count = asyncio.run(rest())
    assert count == 300
    assert sent < 200  # the buffer, the library's queue and the kernel's buffers of both sides


def test_pings_are_answered_while_rows_are_written(feed: Feed, make: Make) -> None:
    """A server that closes connections whose pings go unanswered keeps one that rests."""
    feed.ping_interval = 0.1
    feed.publish({}, {})

    async def rest() -> list[Chunk]:
        chunks = []
        async with aclosing(make(batch_size=1).read(None)) as stream:  # type: ignore[type-var]
            async for chunk in stream:
                chunks.append(chunk)
                time.sleep(1)  # noqa: ASYNC251 - nothing of this event loop runs
        return chunks

    chunks = asyncio.run(rest())
    assert numbers(chunks) == [1, 2]
    assert rejected(chunks) == []
    assert feed.lost == 0


def test_silent_connection_is_found_dead_by_pings(feed: Feed, make: Make) -> None:
    """A server that stops answering is connected to again after ``ping_timeout``."""
    feed.publish({}, {})
    feed.faults.append("silent")
    pings = {"ping_interval": "100ms", "ping_timeout": "200ms"}
    chunks = read(make(quiet="5s", until={"rows": 2}, **pings))
    assert numbers(chunks) == [1, 2]
    (gap,) = rejected(chunks)
    assert "keepalive ping timeout" in json.loads(gap["record"])["reason"]


def test_attempts_are_bounded_and_what_came_is_given(feed: Feed, make: Make) -> None:
    """After so many attempts in a row the run fails, to be tried again; its rows were given."""
    feed.publish({}, {})
    feed.faults.append("drop:2")
    chunks: list[Chunk] = []

    async def collect() -> None:
        async for chunk in make(quiet="20s").read(None):
            chunks.append(chunk)
            feed.refusals.extend([(503, {})] * 10)

    with pytest.raises(TransientError, match="answers 503; given up at attempt 4"):
        asyncio.run(collect())
    assert numbers(chunks) == [1, 2]


def test_wait_that_the_server_asks_for_is_kept(feed: Feed, make: Make) -> None:
    """A Retry-After longer than ``max_delay`` is handed to the caller, who frees the worker."""
    feed.refusals.append((429, {"Retry-After": "120"}))
    with pytest.raises(TransientError, match="answers 429") as caught:
        read(make())
    assert caught.value.retry_after == 120


def test_delays_double_with_jitter_up_to_a_bound() -> None:
    """The nth wait lies between half of and the whole of delay times 2^(n-1), or max_delay."""
    patience = Patience(attempts=9, delay=1, max_delay=10)
    for failures, whole in ((1, 1), (2, 2), (3, 4), (4, 8), (5, 10), (8, 10)):
        waits = [patience.wait(failures) for _ in range(50)]
        assert whole / 2 <= min(waits) < max(waits) <= whole


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("close:0:1008:policy", AuthenticationError),
        ("close:0:3000:unauthorized", AuthenticationError),
        ("close:0:4401:unauthorized", AuthenticationError),
        ("close:0:3003:forbidden", ForbiddenError),
        ("close:0:4403:forbidden", ForbiddenError),
    ],
)
def test_close_codes_of_refusal_are_final(
    feed: Feed, make: Make, fault: str, kind: type[ImporterError]
) -> None:
    """A server that closes because of who we are is not asked again."""
    feed.faults.extend([fault] * 4)
    with pytest.raises(kind, match=fault.split(":")[2]):
        read(make())
    assert len(feed.requests) == 1


@pytest.mark.parametrize("code", [1001, 1011, 1012, 1013])
def test_other_close_codes_are_tried_again(feed: Feed, make: Make, code: int) -> None:
    """Going away, an internal error, a restart and "try again later" lead to a new connection."""
    feed.publish({})
    feed.faults.append(f"close:0:{code}:later")
    chunks = read(make())
    assert numbers(chunks) == [1]
    assert len(rejected(chunks)) == 1
    feed.faults.extend([f"close:0:{code}:later"] * 5)
    with pytest.raises(TransientError, match=f"closed: {code} later; given up"):
        read(make())


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, AuthenticationError), (403, ForbiddenError), (404, ConfigurationError)],
)
def test_refused_handshakes_are_sorted_by_what_to_do(
    feed: Feed, make: Make, status: int, kind: type[ImporterError]
) -> None:
    """HTTP's status says whether credentials, permissions or the address are wrong."""
    feed.refusals.extend([(status, {})] * 2)
    with pytest.raises(kind, match=str(status)):
        read(make())
    assert asyncio.run(make().check()).ok is False


def test_server_that_is_away_is_transient(make: Make) -> None:
    """Nobody listening may be tried again."""
    nowhere = Credentials(host=f"ws://127.0.0.1:{free_port()}")
    with pytest.raises(TransientError, match="given up at attempt 4"):
        read(make(credentials=nowhere))
    with pytest.raises(TransientError, match="the time to read was over"):
        read(make(credentials=nowhere, until={"within": "100ms"}, reconnect={"delay": "5s"}))


def test_silence_counts_only_while_there_is_a_connection(feed: Feed, make: Make) -> None:
    """A slow reconnect is no sign of being caught up."""
    feed.publish({}, {})
    feed.faults.append("drop:1")
    slow = {"delay": "1200ms", "max_delay": "1200ms"}
    assert numbers(read(make(quiet="100ms", resume=RESUME, reconnect=slow))) == [1, 2]


def test_message_above_the_bound_says_which_key_to_raise(feed: Feed, make: Make) -> None:
    """An oversize message is the configuration's fault: it will come again."""
    feed.publish({"pad": "x" * 5_000})
    with pytest.raises(ConfigurationError, match=r"max_message_bytes \(1000\)"):
        read(make(max_message_bytes=1_000))


# ── signing in ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("auth", "login", "header", "value"),
    [
        (None, None, "authorization", f"Bearer {TOKEN}"),
        (None, "me", "authorization", "Basic bWU6dGhlLXRva2VuLW9mLXRoZS1mZWVk"),
        ({"kind": "bearer"}, "me", "authorization", f"Bearer {TOKEN}"),
        ({"kind": "api_key", "name": "X-Key"}, None, "x-key", TOKEN),
    ],
)
def test_secret_goes_where_the_kind_says(
    feed: Feed, make: Make, auth: Any, login: str | None, header: str, value: str
) -> None:
    """Bearer, basic and key headers; what the YAML's headers say stands beside them."""
    credentials = feed.credentials.model_copy(update={"login": login})
    feed.token = None
    feed.publish({})
    source = make(credentials=credentials, auth=auth, headers={"X-App": "imports"})
    assert numbers(read(source)) == [1]
    sent = {name.lower(): text for name, text in feed.requests[-1][1].items()}
    assert (sent[header], sent["x-app"]) == (value, "imports")


def test_key_in_the_query_is_in_no_name_and_no_message(
    feed: Feed, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """A key that has to be in the address is left out wherever the address is shown."""
    caplog.set_level(logging.DEBUG)
    feed.publish({}, "{broken")
    feed.faults.extend(["drop:2", f"close:0:1008:no {TOKEN}"])
    source = make(auth={"kind": "api_key", "name": "key", "place": "query"}, quiet="5s")
    with pytest.raises(AuthenticationError) as caught:
        read(source)
    assert feed.requests[0][0] == f"/feed?key={TOKEN}"
    assert source.dataset() == (f"ws://127.0.0.1:{feed.port}", "feed")
    feed.faults.append("drop:2")
    shown = [str(caught.value), repr(caught.value), caplog.text, *map(repr, read(make()))]
    assert not [text for text in shown if TOKEN in text]


def test_secret_may_be_part_of_a_first_message(feed: Feed, make: Make) -> None:
    """Servers that ask for a message to sign in get it before the subscription."""
    credentials, feed.token = feed.credentials, None
    feed.publish({})
    auth = {"kind": "message", "message": {"op": "auth"}, "field": "key"}
    assert numbers(read(make(credentials=credentials, auth=auth))) == [1]
    assert feed.heard == [{"op": "auth", "key": TOKEN}, {"op": "subscribe"}]


def test_kind_that_lacks_its_secret_is_said(make: Make) -> None:
    """Signing in with nothing is the configuration's fault."""
    bare = Credentials(host="ws://127.0.0.1:1")
    with pytest.raises(ConfigurationError, match="auth: bearer needs a password"):
        read(make(credentials=bare, auth={"kind": "bearer"}))
    broken = bare.model_copy(update={"password": SecretStr("secret\n")})
    with pytest.raises(ConfigurationError, match="holds a line break"):
        read(make(credentials=broken))


def test_subprotocol_is_agreed_on(feed: Feed, make: Make) -> None:
    """The subprotocols are offered in the handshake."""
    feed.subprotocols = ["graphql-ws"]
    feed.publish({})
    assert numbers(read(make(subprotocols=["graphql-ws"]))) == [1]
    sent = {name.lower(): text for name, text in feed.requests[-1][1].items()}
    assert sent["sec-websocket-protocol"] == "graphql-ws"


# ── words ────────────────────────────────────────────────────────────────────────────────────


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
