"""Where reading Pulsar begins and ends: busy, trimmed and compacted topics, windows and parts."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_spotify.core.errors import ConfigurationError, DataError
from airflow_provider_spotify.core.model import Chunk, Credentials, Window
from airflow_provider_spotify.core.sources.streaming import _pulsar_feed
from airflow_provider_spotify.core.sources.streaming.pulsar import PulsarSource
from airflow_provider_spotify.core.testing.sources import read
from tests.core.chunks import rejected, rows
from tests.core.sources.streaming.pulsar_topics import Make, ids, plays, reading, trim
from tests.services.pulsar import admin, place, produce

make = pytest.fixture(reading)


def test_busy_topic_ends_where_it_ended_when_reading_began(
    pulsar: Credentials, pulsar_topic: str, make: Make
) -> None:
    """What is produced during a read is left to the next one."""
    produce(pulsar, pulsar_topic, plays(0, 20))

    async def read_on() -> list[Chunk]:
        chunks = []
        async for chunk in make(batch_size=5).read(None):
            chunks.append(chunk)
            if len(chunks) == 1:
                await asyncio.to_thread(produce, pulsar, pulsar_topic, plays(20, 30))
        return chunks

    chunks = asyncio.run(read_on())
    assert ids(chunks) == list(range(20))
    assert ids(read(make(), chunks[-1].cursor)) == list(range(20, 30))


def test_trimmed_topic_ends_and_the_gap_is_recorded(
    pulsar: Credentials, pulsar_topic: str, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the message read last is gone, a record says between which ids others may be, too."""
    produce(pulsar, pulsar_topic, plays(0, 10))
    since = read(make(batch_size=4))[0].cursor
    trim(pulsar, pulsar_topic)
    assert read(make()) == []
    assert asyncio.run(make().is_ready(None)) is False
    assert read(make(), since) == []
    produce(pulsar, pulsar_topic, plays(10, 12))
    chunks = read(make(), since)
    assert ids(chunks) == [10, 11]
    (gap,) = rejected(chunks)
    assert gap["reason"].startswith("gap: the message at ")
    assert gap["location"] == f"{pulsar_topic} {since['positions'][pulsar_topic]}"
    assert "messages between may be lost" in caplog.text
    assert rejected(read(make(), chunks[-1].cursor)) == []
    with pytest.raises(DataError, match="on_gap: continue"):
        read(make(on_gap="fail"), since)


def test_compacted_topic_gives_the_newest_of_each_key_and_ends(
    pulsar: Credentials, pulsar_topic: str, make: Make
) -> None:
    """``compacted: true`` skips what a newer message of its key replaces."""
    messages = [
        {"content": json.dumps({"id": n}).encode(), "partition_key": str(n % 3)} for n in range(20)
    ]
    produce(pulsar, pulsar_topic, messages)
    admin(pulsar, "PUT", f"{place(pulsar_topic)}/compaction")
    deadline = time.monotonic() + 200
    while admin(pulsar, "GET", f"{place(pulsar_topic)}/compaction")["status"] != "SUCCESS":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    chunks = read(make(compacted=True))
    assert ids(chunks) == [17, 18, 19]
    assert read(make(compacted=True), chunks[-1].cursor) == []
    assert ids(read(make())) == list(range(20))


def test_window_is_of_the_time_of_publishing(
    pulsar: Credentials, pulsar_topic: str, make: Make
) -> None:
    """A window gives what was published in it, whatever the cursor is, and nothing else."""
    moments = []
    for start in (0, 10, 20):
        moments.append(datetime.now(UTC))
        time.sleep(0.05)
        produce(pulsar, pulsar_topic, plays(start, start + 10), batch=10)
        time.sleep(0.05)
    window = Window(start=moments[1], end=moments[2])
    last = read(make())[-1].cursor

    async def give(source: PulsarSource) -> list[Chunk]:
        return [chunk async for chunk in source.read(last, window)]

    for lateness in ("5m", "0s"):
        assert ids(asyncio.run(give(make(lateness=lateness)))) == list(range(10, 20))
    assert asyncio.run(make().is_ready(last, window)) is True
    later = Window(start=datetime.now(UTC), end=datetime.now(UTC) + timedelta(hours=1))
    assert asyncio.run(make().is_ready(None, later)) is False
    since_then = make(start=moments[2].isoformat())
    assert ids(read(since_then)) == list(range(20, 30))


def test_topics_are_listed_or_found_by_a_pattern(
    pulsar: Credentials, pulsar_topic: str, make: Make
) -> None:
    """Several topics are read at once, each with a position; a pattern is asked of the REST API."""
    one, two = f"{pulsar_topic}-one", f"{pulsar_topic}-two"
    admin(pulsar, "PUT", f"{place(two)}/partitions", 2)
    produce(pulsar, one, plays(0, 5))
    produce(pulsar, two, plays(5, 15))
    listed = read(make(topics=[one, two.rpartition("/")[2]]))
    pattern = f"public/default/{pulsar_topic.rpartition('/')[2]}-(one|two)"
    found = read(make(topics=None, topics_pattern=pattern))
    for chunks in (listed, found):
        assert sorted(ids(chunks)) == list(range(15))
        names = [one, f"{two}-partition-0", f"{two}-partition-1"]
        assert sorted(chunks[-1].cursor["positions"]) == names
    assert {row["_partition"] for row in rows(found)} == {None, 0, 1}
    without = Credentials(**{**pulsar.model_dump(), "extra": {}})
    with pytest.raises(ConfigurationError, match="admin_url"):
        read(make(topics=None, topics_pattern=pattern, credentials=without))


def test_parts_end_where_the_topic_ended_and_join_without_a_gap(
    pulsar: Credentials, pulsar_topic: str, make: Make
) -> None:
    """What arrives after a fan-out belongs to no part, and comes behind the joined cursor."""
    admin(pulsar, "PUT", f"{place(pulsar_topic)}/partitions", 4)
    produce(pulsar, pulsar_topic, plays(0, 40))
    source = make()
    since = read(source.narrowed(until={"rows": 15}))[-1].cursor
    parts = asyncio.run(source.partitions(3, since))
    assert len(parts) == 3
    produce(pulsar, pulsar_topic, plays(40, 60))
    read_by_parts = [read(part, since) for part in parts]
    found = [n for chunks in read_by_parts for n in ids(chunks)]
    assert len(found) == len(set(found)) == 25
    joined = source.joined([chunks[-1].cursor if chunks else None for chunks in read_by_parts])
    assert sorted(ids(read(source, joined))) == list(range(40, 60))
    assert source.joined([None, None]) is None


def test_followed_topic_gives_a_message_within_a_moment(
    pulsar: Credentials, pulsar_topic: str, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From producing to the chunk, a message in a quiet partitioned topic takes no poll."""
    monkeypatch.setattr(_pulsar_feed, "_LOOK", 3_600.0)  # what waits for a poll waits in vain
    admin(pulsar, "PUT", f"{place(pulsar_topic)}/partitions", 4)
    source = make().following()

    async def follow() -> list[Chunk]:
        found = []
        async with aclosing(source.read(None)) as stream:  # type: ignore[type-var]
            for n in range(5):
                waiting = asyncio.ensure_future(anext(stream))
                await asyncio.sleep(0.2)
                await asyncio.to_thread(produce, pulsar, pulsar_topic, plays(n, n + 1))
                found.append(await asyncio.wait_for(waiting, 60))
        return found

    assert ids(asyncio.run(follow())) == [0, 1, 2, 3, 4]


def test_busy_topic_ends_after_as_much_time_as_asked(
    pulsar: Credentials, pulsar_topic: str, make: Make
) -> None:
    """``until: {within: …}`` ends the reading of a stream that is never silent."""
    stop = threading.Event()
    produce(pulsar, pulsar_topic, plays(0, 50))

    def busy() -> None:
        n = 50
        while not stop.is_set():
            produce(pulsar, pulsar_topic, plays(n, n + 50))
            n += 50

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        begun = time.monotonic()
        until = {"caught_up": False, "within": "5s"}
        assert read(make(until=until, linger="10ms", batch_size=20))
        assert time.monotonic() - begun < 60
    finally:
        stop.set()
        thread.join()


def test_topic_that_is_trimmed_while_it_is_read_ends(
    pulsar: Credentials, pulsar_topic: str, make: Make
) -> None:
    """A part whose messages were deleted after the fan-out ends, since the broker has nothing."""
    produce(pulsar, pulsar_topic, plays(0, 10))
    (part,) = asyncio.run(make().partitions(1))
    trim(pulsar, pulsar_topic)
    assert part.config.slices is not None
    assert read(part) == []
