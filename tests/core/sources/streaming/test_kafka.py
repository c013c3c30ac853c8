"""Kafka on a real broker: the conformance suites, columns, poison, windows, what is committed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from pydantic import SecretStr, ValidationError

from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    TransientError,
)
from airflow_provider_spotify.core.model import Chunk, Credentials, Window
from airflow_provider_spotify.core.sources.streaming.kafka import KafkaConfig, KafkaSource
from airflow_provider_spotify.core.testing.sources import read
from airflow_provider_spotify.core.testing.streams import StreamConformance
from tests.core.chunks import rows
from tests.services.kafka import make_topic, produce

LIBRARIES = ("confluent_kafka", "fastavro", "numpy", "pandas", "psycopg", "duckdb")
ROWS = 1000
Make = Callable[..., KafkaSource]


def plays(count: int, *, start: int = 0) -> list[bytes]:
    """Return so many messages."""
    numbers = range(start, start + count)
    return [json.dumps({"id": n, "track": f"t{n % 7}"}).encode() for n in numbers]


def ids(chunks: Iterable[Chunk]) -> list[int]:
    return sorted(row["id"] for row in rows(chunks))


@pytest.fixture
def make(kafka: Credentials) -> Make:
    """Return a function that makes a source of some topics."""

    def source(*topics: str, **words: Any) -> KafkaSource:
        return KafkaSource(KafkaConfig(topics=list(topics), **words), credentials=kafka)

    return source


class TestKafka(StreamConformance):
    """Three partitions on the listener that asks for a password."""

    expected_rows = ROWS
    libraries = LIBRARIES

    @pytest.fixture(autouse=True)
    def _topics(self, kafka: Credentials, kafka_sasl: Credentials) -> None:
        self.plain, self.sasl = kafka, kafka_sasl
        self.topic = make_topic(kafka, partitions=3)
        produce(kafka, self.topic, plays(ROWS), partition=[0, 1, 2])

    def make_source(self) -> KafkaSource:
        config = KafkaConfig(topics=[self.topic], group="suite", batch_size=100)
        return KafkaSource(config, credentials=self.sasl)

    def make_empty(self) -> KafkaSource:
        config = KafkaConfig(topics=[make_topic(self.plain)])
        return KafkaSource(config, credentials=self.plain)

    def make_bad_credentials(self) -> KafkaSource:
        wrong = self.sasl.model_copy(update={"password": SecretStr("wr0ng-and-like-nothing")})
        return KafkaSource(self.make_source().config, credentials=wrong)

    def add_more(self) -> int:
        produce(self.plain, self.topic, plays(50, start=ROWS), partition=[0, 1, 2])
        return 50


def test_what_surrounds_a_payload_becomes_columns(kafka: Credentials, make: Make) -> None:
    """Topic, partition, offset, time, key and headers stand beside the payload's columns."""
    topic, at = make_topic(kafka, partitions=2), datetime(2026, 3, 1, 12, tzinfo=UTC)
    headers = [("trace", b"t1"), ("trace", b"\xff"), ("empty", None)]
    words = {"timestamp": int(at.timestamp() * 1000), "partition": 1}
    produce(kafka, topic, [b'{"id": 1}'], key=b"k1", headers=headers, **words)
    produce(kafka, topic, [b'{"id": 2}'], key=b"\xfe", **words)
    (one, two) = rows(read(make(topic)))
    names = [{"name": n, "value": v} for n, v in (("trace", "t1"), ("trace", "/w=="))]
    assert one == {
        "id": 1,
        "_topic": topic,
        "_partition": 1,
        "_offset": 0,
        "_timestamp": at,
        "_key": "k1",
        "_headers": [*names, {"name": "empty", "value": None}],
    }
    assert (two["_key"], two["_headers"]) == ("/g==", None)
    unread: dict[str, Any] = {"key": "bytes", "format": "raw", "linger": "1h"}
    (raw,) = read(make(topic, metadata=["key", "offset"], **unread))
    assert raw.batch.to_pylist()[1] == {"value": b'{"id": 2}', "_key": b"\xfe", "_offset": 1}


def test_poison_is_set_aside_with_its_place(kafka: Credentials, make: Make) -> None:
    """Messages that are no JSON objects are rejected, with topic, partition and offset."""
    topic = make_topic(kafka)
    produce(kafka, topic, [b'{"id": 1}', b"no json", None, b"[2]", b"\xff", b'{"id": 3}'])
    (chunk,) = read(make(topic, linger="1h"))
    assert [(r["id"], r["_offset"]) for r in rows([chunk])] == [(1, 0), (None, 2), (3, 5)]
    assert chunk.rejected is not None
    found = chunk.rejected.to_pylist()
    assert [(r["record"], r["location"]) for r in found] == [
        ("no json", f"{topic}/0/1"),
        ("[2]", f"{topic}/0/3"),
        ("/w==", f"{topic}/0/4"),
    ]
    assert {r["stage"] for r in found} == {"source"}
    assert chunk.cursor == {topic: {"0": 6}}


def test_a_read_of_poison_alone_goes_on_behind_it(kafka: Credentials, make: Make) -> None:
    """Where no message becomes a row, the rejects still carry the cursor on."""
    topic = make_topic(kafka)
    produce(kafka, topic, [b"x", b"y"])
    (chunk,) = read(make(topic, linger="1h"))
    assert chunk.batch.num_rows == 0
    assert chunk.cursor == {topic: {"0": 2}}
    assert read(make(topic), chunk.cursor) == []


def test_topics_of_a_pattern_are_read_and_new_ones_from_their_beginning(
    kafka: Credentials, make: Make
) -> None:
    """A pattern takes every topic that matches; one made later loses nothing to start: latest."""
    first = make_topic(kafka, partitions=2)
    pattern = f"^{first}"
    source = make(pattern, start="latest")
    (pin,) = read(source)
    assert pin.cursor == {first: {"0": 0, "1": 0}}
    second = make_topic(kafka, name=f"{first}b")
    produce(kafka, first, plays(3))
    produce(kafka, second, plays(3, start=3))
    chunks = read(source, pin.cursor)
    assert ids(chunks) == list(range(6))
    assert {row["_topic"] for row in rows(chunks)} == {first, second}
    assert set(chunks[-1].cursor) == {first, second}


def test_unknown_topics_come_with_near_names(kafka: Credentials, make: Make) -> None:
    """A topic that is not there, or a pattern that matches none, offers what there is."""
    topic = make_topic(kafka)
    with pytest.raises(ConfigurationError, match=f"no topic '{topic}s'.*did you mean '{topic}'"):
        read(make(f"{topic}s"))
    with pytest.raises(ConfigurationError, match=r"matches \^nothing-like-it; there are: "):
        read(make("^nothing-like-it"))
    health = asyncio.run(make(f"{topic}s").check())
    assert not health.ok
    assert topic in health.message


def test_latest_keeps_where_it_began(kafka: Credentials, make: Make) -> None:
    """The first read from the end gives no row but a cursor, so the next one misses nothing."""
    topic = make_topic(kafka)
    produce(kafka, topic, plays(5))
    source = make(topic, start="latest")
    assert asyncio.run(source.is_ready(None)) is True
    (pin,) = read(source)
    assert (pin.batch.num_rows, pin.cursor) == (0, {topic: {"0": 5}})
    assert asyncio.run(source.is_ready(pin.cursor)) is False
    produce(kafka, topic, plays(2, start=5))
    assert ids(read(source, pin.cursor)) == [5, 6]


HOUR = datetime(2026, 3, 1, 12, tzinfo=UTC)


def hourly(kafka: Credentials) -> str:
    """Make a topic of a message for each of six hours, the fourth behind the fifth."""
    topic = make_topic(kafka)
    for number in (0, 1, 2, 4, 3, 5):
        millis = int((HOUR + timedelta(hours=number)).timestamp() * 1000)
        produce(kafka, topic, plays(1, start=number), timestamp=millis)
    return topic


def test_reading_begins_at_a_time(kafka: Credentials, make: Make) -> None:
    """``start`` may be a moment; a topic without later messages begins behind its end."""
    topic = hourly(kafka)
    assert ids(read(make(topic, start=HOUR + timedelta(minutes=90)))) == [2, 3, 4, 5]
    assert read(make(topic, start=HOUR + timedelta(days=1))) == []


@pytest.mark.parametrize(("lateness", "found"), [("0s", [2]), ("5m", [2, 3])])
def test_windows_are_exact(kafka: Credentials, make: Make, lateness: str, found: list[int]) -> None:
    """A window gives the messages of its time; one that came late if it is within the lateness."""
    source = make(hourly(kafka), lateness=lateness)
    window = Window(start=HOUR + timedelta(hours=2), end=HOUR + timedelta(hours=4))

    async def within() -> list[Chunk]:
        return [chunk async for chunk in source.read({}, window)]

    assert ids(asyncio.run(within())) == found
    assert asyncio.run(source.is_ready(None, window)) is True
    later = Window(start=HOUR + timedelta(days=1), end=HOUR + timedelta(days=2))
    assert asyncio.run(source.is_ready(None, later)) is False


def committed(kafka: Credentials, group: str, *places: tuple[str, int]) -> list[int]:
    """Return what a group committed."""
    consumer = Consumer({**kafka.extra, "group.id": group})
    try:
        asked = [TopicPartition(*place) for place in places]
        return [each.offset for each in consumer.committed(asked, timeout=60)]
    finally:
        consumer.close()


def test_the_group_shows_what_was_imported(kafka: Credentials, make: Make) -> None:
    """Offsets are committed once the rows are visible; they are never where reading begins."""
    topic = make_topic(kafka, partitions=2)
    produce(kafka, topic, plays(10), partition=[0, 1])
    source = make(topic, group=f"g-{topic}")
    last = read(source)[-1].cursor
    assert committed(kafka, f"g-{topic}", (topic, 0), (topic, 1)) == [-1001, -1001]
    source.committed(last)
    assert committed(kafka, f"g-{topic}", (topic, 0), (topic, 1)) == [5, 5]
    assert len(rows(read(source))) == 10
    assert asyncio.run(source.lag(last)) == {f"{topic}/0": 0, f"{topic}/1": 0}
    assert asyncio.run(source.lag({topic: {"0": 2}})) == {f"{topic}/0": 3, f"{topic}/1": 5}
    assert "10 messages" in asyncio.run(source.check()).message


def test_partitions_outnumber_those_of_the_topic(kafka: Credentials, make: Make) -> None:
    """A large partition is cut by offsets; what comes later belongs to none; joined leaves none."""
    topic = make_topic(kafka, partitions=2)
    produce(kafka, topic, plays(90), partition=0)
    produce(kafka, topic, plays(10, start=90), partition=1)
    source = make(topic, batch_size=7)
    begun = read(source, limit=1)[0].cursor
    parts = asyncio.run(source.partitions(4, begun))
    produce(kafka, topic, plays(5, start=100), partition=0)
    chunks = [read(part, begun) for part in parts]
    assert [sum(c.batch.num_rows for c in each) for each in chunks] == [24, 24, 24, 21]
    joined = source.joined([each[-1].cursor for each in chunks])
    assert joined == {topic: {"0": 90, "1": 10}}
    assert ids(read(source, joined)) == [100, 101, 102, 103, 104]
    again = read(parts[1], chunks[1][0].cursor)
    assert ids(again) == ids(chunks[1][1:])
    assert source.joined([None, None]) is None


def test_refusals_are_told_apart(kafka: Credentials, kafka_sasl: Credentials, make: Make) -> None:
    """A wrong password, no broker, and a setting that librdkafka does not know."""
    topic = make_topic(kafka)

    def attempt(credentials: Credentials, **extra: Any) -> None:
        words = credentials.model_copy(update={"extra": {**credentials.extra, **extra}})
        read(KafkaSource(KafkaConfig(topics=[topic]), credentials=words))

    with pytest.raises(AuthenticationError, match="user and password"):
        attempt(kafka_sasl, **{"sasl.password": "wrong"})
    with pytest.raises(TransientError, match=r"no broker answers at 127\.0\.0\.1:9"):
        attempt(kafka, **{"bootstrap.servers": "127.0.0.1:9"})
    with pytest.raises(ConfigurationError, match=r"no\.such\.setting"):
        attempt(kafka, **{"no.such.setting": "1"})
    with pytest.raises(ConfigurationError, match="names no broker"):
        read(KafkaSource(KafkaConfig(topics=[topic])))


def test_datasets_are_named_as_openlineage_does() -> None:
    """The namespace is the first broker, the name the topics."""
    credentials = Credentials(extra={"bootstrap.servers": "b.example.org:9092,a.example.org:9092"})
    source = KafkaSource(KafkaConfig(topics=["plays", "skips"]), credentials=credentials)
    assert source.dataset() == ("kafka://a.example.org:9092", "plays,skips")


@pytest.mark.parametrize(
    "words",
    [
        {"topics": []},
        {"format": "avro"},
        {"avro_schema": '"string"'},
        {"assignment": "group"},
        {"format": "avro", "avro_schema": '"int"', "schema_registry": {"url": "http://r"}},
    ],
)
def test_settings_that_do_not_go_together(words: dict[str, Any]) -> None:
    """A config that could not be read by is refused."""
    with pytest.raises(ValidationError):
        KafkaConfig(**{"topics": ["t"], **words})
