"""The connection of a WebSocket: bounded, kept alive, and made again or given up."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import aclosing
from functools import partial

import pytest

from airflow_provider_spotify.core.clients.websocket_receiver import Patience
from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    ForbiddenError,
    ImporterError,
    TransientError,
)
from airflow_provider_spotify.core.model import Chunk, Credentials
from airflow_provider_spotify.core.testing.sources import read
from tests.core.chunks import rejected
from tests.core.sources.streaming.websocket_feed import RESUME, Make, numbers, reading, serving
from tests.services.process import free_port
from tests.services.websocket_server import Feed

feed = pytest.fixture(serving)
make = pytest.fixture(reading)


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


def answered(feed: Feed, count: int) -> bool:
    return feed.pongs >= count


def test_pings_are_answered_while_rows_are_written(feed: Feed, make: Make) -> None:
    """A server that closes connections whose pings go unanswered keeps one that rests."""
    feed.ping_interval = 0.05
    feed.publish({}, {})

    async def rest() -> list[Chunk]:
        chunks = []
        async with aclosing(make(batch_size=1, until={"rows": 2}).read(None)) as stream:  # type: ignore[type-var]
            async for chunk in stream:
                chunks.append(chunk)
                feed.wait_for(partial(answered, feed, feed.pongs + 3))  # this loop stands still
        return chunks

    feed.ends = False
    chunks = asyncio.run(rest())
    assert numbers(chunks) == [1, 2]
    assert rejected(chunks) == []


def test_silent_connection_is_found_dead_by_pings(feed: Feed, make: Make) -> None:
    """A server that stops answering is connected to again after ``ping_timeout``."""
    feed.publish({}, {})
    feed.faults.append("silent")
    pings = {"ping_interval": "100ms", "ping_timeout": "1s"}
    chunks = read(make(until={"rows": 2}, **pings))
    assert numbers(chunks) == [1, 2]
    (gap,) = rejected(chunks)
    assert "keepalive ping timeout" in json.loads(gap["record"])["reason"]


def test_attempts_are_bounded_and_what_came_is_given(feed: Feed, make: Make) -> None:
    """After so many attempts in a row the run fails, to be tried again; its rows were given."""
    feed.publish({}, {})
    feed.faults.append("drop:2")
    feed.refusals.extend([(101, {}), *[(503, {})] * 10])
    chunks: list[Chunk] = []

    async def collect() -> None:
        async for chunk in make().read(None):
            chunks.append(chunk)

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
    slow = {"delay": "4s", "max_delay": "4s"}  # of which it waits half at least
    assert numbers(read(make(quiet="1500ms", resume=RESUME, reconnect=slow))) == [1, 2]


def test_message_above_the_bound_says_which_key_to_raise(feed: Feed, make: Make) -> None:
    """An oversize message is the configuration's fault: it will come again."""
    feed.publish({"pad": "x" * 5_000})
    with pytest.raises(ConfigurationError, match=r"max_message_bytes \(1000\)"):
        read(make(max_message_bytes=1_000))
