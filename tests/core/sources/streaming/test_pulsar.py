"""Pulsar on a real broker: the suites, schemas, ends, gaps, windows, and what it acknowledges."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from pydantic import SecretStr, ValidationError

from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    DataError,
    ForbiddenError,
    TransientError,
)
from airflow_provider_spotify.core.model import Chunk, Credentials, Window
from airflow_provider_spotify.core.sources.streaming.pulsar import PulsarConfig, PulsarSource
from airflow_provider_spotify.core.testing.sources import read
from airflow_provider_spotify.core.testing.streams import StreamConformance
from tests.services.process import free_port
from tests.services.pulsar import admin, place, produce

Make = Callable[..., PulsarSource]
PLAY = {
    "type": "record",
    "name": "Play",
    "fields": [
        {"name": "id", "type": "int"},
        {"name": "track", "type": ["null", "string"], "default": None},
    ],
}
PLAYED = {
    **PLAY,
    "fields": [*PLAY["fields"], {"name": "skipped", "type": "boolean", "default": False}],
}


def plays(start: int, stop: int) -> list[bytes]:
    return [json.dumps({"id": n, "track": f"t{n}"}).encode() for n in range(start, stop)]


def rows(chunks: list[Chunk]) -> list[dict[str, Any]]:
    return [row for chunk in chunks for row in chunk.batch.to_pylist()]


def ids(chunks: list[Chunk]) -> list[int]:
    return [row["id"] for row in rows(chunks)]


def rejected(chunks: list[Chunk]) -> list[dict[str, Any]]:
    return [row for c in chunks if c.rejected is not None for row in c.rejected.to_pylist()]


def trim(credentials: Credentials, topic: str) -> None:
    """Delete what a topic holds: its ledger is closed first, for an open one stays."""
    admin(credentials, "PUT", f"{place(topic)}/unload")
    admin(credentials, "DELETE", f"{place(topic)}/truncate")


@pytest.fixture
def make(pulsar: Credentials, pulsar_topic: str) -> Make:
    """Give a function from a Config's keys to a source of this test's topic."""

    def source(*, credentials: Credentials = pulsar, **config: Any) -> PulsarSource:
        given = {"topics": [pulsar_topic], "linger": "100ms", **config}
        return PulsarSource(PulsarConfig(**given), credentials=credentials)

    return source


class _Plays(StreamConformance):
    expected_rows = 200
    libraries: ClassVar[list[str]] = ["pulsar", "_pulsar", "fastavro", "aiohttp"]
    partitions = 0
    batch = 0

    @pytest.fixture(autouse=True)
    def _topic(self, pulsar: Credentials, pulsar_topic: str) -> None:
        self.credentials, self.topic = pulsar, pulsar_topic
        self.count = 200
        if self.partitions:
            admin(pulsar, "PUT", f"{place(pulsar_topic)}/partitions", self.partitions)
        produce(pulsar, pulsar_topic, plays(0, 200), batch=self.batch)

    def make_source(self) -> PulsarSource:
        config = PulsarConfig(topics=[self.topic], batch_size=23, linger=timedelta(seconds=0.1))
        return PulsarSource(config, credentials=self.credentials)

    def make_empty(self) -> PulsarSource:
        config = PulsarConfig(topics=[f"{self.topic}-empty"])
        return PulsarSource(config, credentials=self.credentials)

    def make_bad_credentials(self) -> PulsarSource:
        wrong = SecretStr("wrong.but.unmistakable")
        credentials = self.credentials.model_copy(update={"password": wrong})
        return PulsarSource(PulsarConfig(topics=[self.topic]), credentials=credentials)

    def add_more(self) -> int:
        produce(self.credentials, self.topic, plays(self.count, self.count + 7), batch=self.batch)
        self.count += 7
        return 7


class TestOneByOne(_Plays):
    """Every message is an entry of its own."""


class TestBatched(_Plays):
    """Ten messages share an entry, so cursors stand in the middle of one."""

    batch = 10


class TestPartitioned(_Plays):
    """A topic of three partitions."""

    partitions = 3
    batch = 10


# ── what is in a message ─────────────────────────────────────────────────────────────────────


def test_columns_tell_where_and_when_a_message_was(
    pulsar: Credentials, pulsar_topic: str, make: Make
) -> None:
    """Topic, partition, id, both times, key and properties stand beside the payload."""
    begun = datetime.now(UTC).replace(microsecond=0)
    message = {
        "content": b'{"id": 1}',
        "partition_key": "k",
        "properties": {"b": "2", "a": "1"},
        "event_timestamp": 1_700_000_000_123,
    }
    produce(pulsar, pulsar_topic, [message, b'{"id": 2}'])
    first, second = rows(read(make()))
    assert (first["_topic"], first["_partition"], first["_key"]) == (pulsar_topic, None, "k")
    assert first["_id"].split(":")[1:] == ["0", "-1", "-1"]
    assert begun <= first["_timestamp"] <= datetime.now(UTC)
    assert first["_event_time"] == datetime(2023, 11, 14, 22, 13, 20, 123_000, tzinfo=UTC)
    assert first["_properties"] == [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}]
    assert (second["_event_time"], second["_key"], second["_properties"]) == (None, None, None)


def test_only_the_wanted_columns_are_added(
    pulsar: Credentials, pulsar_topic: str, make: Make
) -> None:
    """``metadata`` names the columns beside the payload's."""
    produce(pulsar, pulsar_topic, plays(0, 1))
    assert [*rows(read(make(metadata=["id"])))[0]] == ["id", "track", "_id"]
    assert [*rows(read(make(metadata=[])))[0]] == ["id", "track"]


def test_what_is_no_object_is_rejected_with_its_place(
    pulsar: Credentials, pulsar_topic: str, make: Make
) -> None:
    """A poison message costs itself only, and can be found again by its id."""
    produce(pulsar, pulsar_topic, [*plays(0, 2), b"{broken", b"[1]", b"\xff\x00", *plays(2, 4)])
    chunks = read(make())
    assert ids(chunks) == [0, 1, 2, 3]
    bad = rejected(chunks)
    assert [row["record"] for row in bad] == ["{broken", "[1]", "/wA="]
    entries = [int(row["location"].removeprefix(f"{pulsar_topic} ").split(":")[1]) for row in bad]
    assert entries == [2, 3, 4]
    assert {row["stage"] for row in bad} == {"source"}


def test_raw_messages_stay_bytes(pulsar: Credentials, pulsar_topic: str, make: Make) -> None:
    """``format: raw`` gives the payload as it is."""
    produce(pulsar, pulsar_topic, [b"\x00\xff", b"{broken"])
    found = rows(read(make(format="raw", metadata=[])))
    assert found == [{"value": b"\x00\xff"}, {"value": b"{broken"}]


def test_avro_messages_are_read_by_the_schema_each_was_written_with(
    pulsar: Credentials, pulsar_topic: str, make: Make
) -> None:
    """A topic's schema may grow: the broker's registry knows every version."""
    from pulsar.schema import AvroSchema

    for definition, extra in ((PLAY, {}), (PLAYED, {"skipped": True})):
        message = {"content": {"id": len(extra), "track": None, **extra}}
        schema = AvroSchema(None, schema_definition=definition)
        produce(pulsar, pulsar_topic, [message, message], schema=schema)
    chunks = read(make(metadata=[]))
    old, new = {"id": 0, "track": None}, {"id": 1, "track": None, "skipped": True}
    assert rows(chunks) == [old, old, new, new]
    assert rows(read(make(metadata=[]), chunks[0].cursor)) == [new, new]


def test_format_follows_the_schema_of_the_topic(
    pulsar: Credentials, pulsar_topic: str, make: Make
) -> None:
    """A JSON schema means JSON; one of a type that is no table is refused with a way out."""
    from pulsar.schema import JsonSchema, Record, String, StringSchema

    class Play(Record):  # type: ignore[misc]
        track = String()

    produce(pulsar, pulsar_topic, [{"content": Play(track="x")}], schema=JsonSchema(Play))
    assert rows(read(make(metadata=[]))) == [{"track": "x"}]
    texts = f"{pulsar_topic}-texts"
    produce(pulsar, texts, [{"content": "x"}], schema=StringSchema())
    with pytest.raises(ConfigurationError, match=r"schema type STRING .* format: raw"):
        read(make(topics=[texts]))
    with pytest.raises(ConfigurationError, match="no Avro schema"):
        read(make(format="avro"))


# ── where reading begins and ends ────────────────────────────────────────────────────────────


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
    deadline = time.monotonic() + 60
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
    pulsar: Credentials, pulsar_topic: str, make: Make
) -> None:
    """From producing to the chunk, a message in a quiet partitioned topic takes no poll."""
    admin(pulsar, "PUT", f"{place(pulsar_topic)}/partitions", 4)
    source = make().following()

    async def measure() -> list[float]:
        waits = []
        stream = source.read(None)
        for n in range(5):
            waiting = asyncio.ensure_future(anext(stream))
            await asyncio.sleep(0.2)
            await asyncio.to_thread(produce, pulsar, pulsar_topic, plays(n, n + 1))
            chunk = await waiting
            published = chunk.batch.column("_timestamp")[0].as_py()
            waits.append((datetime.now(UTC) - published).total_seconds())
        await stream.aclose()  # type: ignore[attr-defined]
        return waits

    assert min(asyncio.run(measure())) < 0.25


# ── subscriptions ────────────────────────────────────────────────────────────────────────────


def backlog(credentials: Credentials, topic: str, name: str) -> int:
    """Return how many entries, each of some messages, a subscription has not acknowledged."""
    stats = admin(credentials, "GET", f"{place(topic)}/stats?getPreciseBacklog=true")
    return int(stats["subscriptions"][name]["msgBacklog"])


def test_messages_are_acknowledged_only_when_they_are_committed(
    pulsar: Credentials, pulsar_topic: str, make: Make
) -> None:
    """The named subscription moves with ``committed``, never back, and never past the cursor."""
    source = make(subscription="imports", batch_size=15)
    assert read(source) == []
    produce(pulsar, pulsar_topic, plays(0, 40), batch=10)
    chunks = read(source)
    assert ids(chunks) == list(range(40))
    assert backlog(pulsar, pulsar_topic, "imports") == 4
    source.committed(chunks[0].cursor)  # in the middle of the second entry
    assert backlog(pulsar, pulsar_topic, "imports") == 3
    source.committed(chunks[-1].cursor)
    source.committed(chunks[0].cursor)
    assert backlog(pulsar, pulsar_topic, "imports") == 0
    assert ids(read(source, chunks[0].cursor)) == list(range(15, 40))


def test_subscription_keeps_partitions_apart(
    pulsar: Credentials, pulsar_topic: str, make: Make
) -> None:
    """Each topic partition is acknowledged up to its own position."""
    admin(pulsar, "PUT", f"{place(pulsar_topic)}/partitions", 2)
    source = make(subscription="imports")
    assert read(source) == []
    produce(pulsar, pulsar_topic, plays(0, 20))
    source.committed(read(source)[-1].cursor)
    for number in (0, 1):
        assert backlog(pulsar, f"{pulsar_topic}-partition-{number}", "imports") == 0


def test_trimming_what_was_acknowledged_is_no_gap(
    pulsar: Credentials, pulsar_topic: str, make: Make
) -> None:
    """With a subscription, only what was committed may be deleted, so nothing is rejected."""
    source = make(subscription="imports")
    produce(pulsar, pulsar_topic, plays(0, 5))
    since = read(source)[-1].cursor
    source.committed(since)
    trim(pulsar, pulsar_topic)
    produce(pulsar, pulsar_topic, plays(5, 8))
    chunks = read(source, since)
    assert (ids(chunks), rejected(chunks)) == ([5, 6, 7], [])


# ── what goes wrong ──────────────────────────────────────────────────────────────────────────


def test_role_without_permission_is_forbidden(pulsar: Credentials, make: Make) -> None:
    """Good credentials of a role that may not consume are told apart from bad ones."""
    guest = SecretStr(str(pulsar.extra["guest_token"]))
    credentials = pulsar.model_copy(update={"password": guest})
    with pytest.raises(ForbiddenError, match="no permission"):
        read(make(credentials=credentials))


def test_broker_refuses_in_its_own_words(pulsar: Credentials, make: Make) -> None:
    """No token and a token of another key are refused at once, not after a timeout."""
    begun = time.monotonic()
    token = str(pulsar.secret())
    for secret in (None, SecretStr(f"{token[:-5]}AAAAA")):
        with pytest.raises(AuthenticationError, match="the broker refuses the credentials"):
            read(make(credentials=pulsar.model_copy(update={"password": secret})))
    assert time.monotonic() - begun < 5


def test_broker_that_is_away_is_transient(pulsar: Credentials, make: Make) -> None:
    """Nobody listening is said at once, and may be tried again."""
    nowhere = pulsar.model_copy(update={"port": free_port()})
    with pytest.raises(TransientError, match=r"no broker answers: .*refused"):
        read(make(credentials=nowhere))
    assert asyncio.run(make(credentials=nowhere).check()).ok is False


def test_namespace_that_is_not_there_is_said(make: Make) -> None:
    """A wrong tenant or namespace is the configuration's fault."""
    with pytest.raises(ConfigurationError, match="no such topic, namespace or tenant"):
        read(make(topics=["public/nowhere/plays"]))


@pytest.mark.parametrize("topic", ["non-persistent://public/default/plays", "a/b", "a/b/c/d"])
def test_topic_that_cannot_be_read_again_is_refused(make: Make, topic: str) -> None:
    """Only a persistent topic has positions; its name has three parts, or is its last one."""
    with pytest.raises(ConfigurationError, match=topic):
        make(topics=[topic]).dataset()


def test_config_needs_topics_or_a_pattern() -> None:
    """One of both, not none."""
    for words in ({}, {"topics": ["a"], "topics_pattern": "public/default/.*"}, {"topics": []}):
        with pytest.raises(ValidationError):
            PulsarConfig(**words)


def test_cursor_of_another_source_is_refused(make: Make) -> None:
    """A cursor that is not of this source is an error, not a read from the beginning."""
    for cursor in ({"offset": 1}, {"positions": {"t": "somewhere"}}, {"positions": None}):
        with pytest.raises(DataError):
            read(make(), cursor)


def test_dataset_is_named_by_broker_and_full_topic(make: Make) -> None:
    """OpenLineage knows a topic by its broker and its full name."""
    credentials = Credentials(host="pulsar+ssl://broker.example.com", database="acme/music")
    name = make(topics=["plays"], credentials=credentials).dataset()
    expected = ("pulsar+ssl://broker.example.com:6651", "persistent://acme/music/plays")
    assert tuple(name) == expected


def test_lines_of_the_client_library_come_by_our_logger(pulsar: Credentials) -> None:
    """The C++ client's warnings are log records of a fresh process, which ends in peace."""
    code = f"""
import logging, time
logging.basicConfig(level=logging.INFO, format="%(name)s|%(levelname)s|%(message)s")
from airflow_provider_spotify.core.clients.pulsar_connection import connect
from airflow_provider_spotify.core.model import Credentials
client = connect(Credentials(host="127.0.0.1", port={free_port()}), timeout=1)
try:
    client.get_topic_partitions("persistent://public/default/plays")
except Exception as error:
    print(type(error).__name__)
client.close()
time.sleep(0.2)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "Timeout"
    lines = done.stderr.splitlines()
    assert any("pulsar_log|WARNING|" in line and "Connection refused" in line for line in lines)


def test_busy_topic_ends_after_as_much_time_as_asked(
    pulsar: Credentials, pulsar_topic: str, make: Make
) -> None:
    """``until: {within: …}`` ends the reading of a stream that is never silent."""
    stop = threading.Event()

    def busy() -> None:
        n = 0
        while not stop.is_set():
            produce(pulsar, pulsar_topic, plays(n, n + 50))
            n += 50

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        begun = time.monotonic()
        until = {"caught_up": False, "within": "700ms"}
        assert read(make(until=until, linger="10ms", batch_size=20))
        assert time.monotonic() - begun < 5
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
