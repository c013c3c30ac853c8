"""What Kafka's topics go through: retention, compaction, transactions, growth, groups."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import NewPartitions

from airflow_provider_spotify.core.errors import DataError
from airflow_provider_spotify.core.model import Chunk, Credentials
from airflow_provider_spotify.core.sources.streaming.kafka import KafkaConfig, KafkaSource
from airflow_provider_spotify.core.testing.sources import read
from tests.core.sources.streaming.test_kafka import committed, ids, plays
from tests.services.kafka import admin, await_topic, make_topic, produce

Make = Callable[..., KafkaSource]


@pytest.fixture
def make(kafka: Credentials) -> Make:
    """Return a function that makes a source of some topics, which looks for new ones often."""
    often = {**kafka.extra, "topic.metadata.refresh.interval.ms": 300}
    credentials = kafka.model_copy(update={"extra": often})

    def source(*topics: str, **words: Any) -> KafkaSource:
        return KafkaSource(KafkaConfig(topics=list(topics), **words), credentials=credentials)

    return source


def forget(kafka: Credentials, topic: str, upto: int) -> None:
    """Delete the messages of partition 0 before an offset, as retention does."""
    client, where = admin(kafka), TopicPartition(topic, 0, upto)
    client.delete_records([where])[where].result(60)


def add_partition(kafka: Credentials, topic: str) -> None:
    """Give a topic of one partition a second one."""
    client = admin(kafka)
    client.create_partitions([NewPartitions(topic, 2)])[topic].result(60)
    await_topic(kafka, topic, partitions=2)


def test_messages_that_are_gone_are_counted(
    kafka: Credentials, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """A cursor before what retention left is an error that counts; or it is logged, and read on."""
    topic = make_topic(kafka)
    produce(kafka, topic, plays(10))
    forget(kafka, topic, 7)
    with pytest.raises(DataError, match=rf"4 messages of {topic}/0 are gone.*on_gap: continue"):
        read(make(topic), {topic: {"0": 3}})
    caplog.set_level(logging.WARNING)
    assert ids(read(make(topic, on_gap="continue"), {topic: {"0": 3}})) == [7, 8, 9]
    assert f"4 messages of {topic}/0 are gone" in caplog.text
    assert ids(read(make(topic))) == [7, 8, 9]


def test_a_topic_made_anew_is_told_from_one_that_goes_on(kafka: Credentials, make: Make) -> None:
    """A cursor behind the end of a topic is an error, for what it stands for is not there."""
    topic = make_topic(kafka)
    produce(kafka, topic, plays(2))
    with pytest.raises(DataError, match=rf"{topic}/0 ends at offset 2, before the cursor's 9"):
        read(make(topic), {topic: {"0": 9}})
    assert ids(read(make(topic, on_gap="continue"), {topic: {"0": 9}})) == [0, 1]


async def test_messages_that_go_away_while_they_are_waited_for(kafka: Credentials) -> None:
    """A read that is under way counts what it lost, too; or it logs that and goes on."""
    slow = {"queued.min.messages": 1, "queued.max.messages.kbytes": 1}
    slow |= {"fetch.message.max.bytes": 4096}  # not all of them by one fetch, however late it is
    credentials = kafka.model_copy(update={"extra": {**kafka.extra, **slow}})
    topic = make_topic(kafka)
    produce(kafka, topic, plays(3))

    async def follow(**words: Any) -> list[Chunk]:
        source = KafkaSource(KafkaConfig(topics=[topic], **words), credentials=credentials)
        async with aclosing(source.following().read(None)) as stream:  # type: ignore[type-var]
            found = [await anext(stream)]
            begun = found[0].cursor[topic]["0"]
            await asyncio.to_thread(produce, kafka, topic, [b'{"id": -1}'] * 20_000)
            await asyncio.to_thread(forget, kafka, topic, begun + 20_000)
            await asyncio.to_thread(produce, kafka, topic, plays(1, start=7))
            while ids(found)[-1] != 7:
                found.append(await asyncio.wait_for(anext(stream), 60))
        return found

    with pytest.raises(DataError, match=rf"\d+ messages of {topic}/0 are gone"):
        await follow()
    assert len(ids(await follow(on_gap="continue"))) < 20_000


def settle(kafka: Credentials, topic: str, end: int) -> None:
    """Wait for the marks of transactions: they are written after the producer has its answer."""
    words = {"group.id": "settled", "isolation.level": "read_committed"}
    consumer, deadline = Consumer({**kafka.extra, **words}), time.monotonic() + 60
    try:
        where = [TopicPartition(topic, 0, -1)]
        while consumer.offsets_for_times(where, timeout=30)[0].offset < end:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        consumer.close()


def test_transactions_are_read_when_they_are_committed(kafka: Credentials, make: Make) -> None:
    """Aborted messages never come, open ones hold the end back, and the marks do not confuse it."""
    topic = make_topic(kafka)
    producer = Producer({**kafka.extra, "transactional.id": uuid.uuid4().hex})
    producer.init_transactions(60)

    def transaction(*numbers: int) -> None:
        producer.begin_transaction()
        for number in numbers:
            producer.produce(topic, plays(1, start=number)[0])
        producer.flush(60)

    transaction(0, 1)
    producer.commit_transaction(60)
    transaction(2, 3)
    producer.abort_transaction(60)
    settle(kafka, topic, 6)
    chunks = read(make(topic, batch_size=1))
    assert ids(chunks) == [0, 1]
    last = chunks[-1].cursor
    assert last == {topic: {"0": 6}}
    assert asyncio.run(make(topic).is_ready(last)) is False
    assert asyncio.run(make(topic).is_ready({topic: {"0": 2}})) is False
    transaction(4)
    assert read(make(topic), last) == []
    assert asyncio.run(make(topic).is_ready(last)) is False
    producer.commit_transaction(60)
    settle(kafka, topic, 8)
    assert asyncio.run(make(topic).is_ready(last)) is True
    assert ids(read(make(topic), last)) == [4]
    assert sum(len(ids(read(p))) for p in asyncio.run(make(topic).partitions(3))) == 3


@pytest.mark.slow
def test_compacted_topics_end(kafka: Credentials, make: Make) -> None:
    """Offsets that compaction took, also the last ones before a bound, do not keep a read going."""
    words = {"cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.001"}
    words |= {"max.compaction.lag.ms": "200", "min.compaction.lag.ms": "0"}
    topic = make_topic(kafka, config=words)
    produce(kafka, topic, plays(50), key=b"same")
    deadline = time.monotonic() + 120
    while len(found := ids(read(make(topic)))) > 10 and time.monotonic() < deadline:
        time.sleep(0.5)
        produce(kafka, topic, plays(1, start=99), key=b"same")  # rolls the segment
    assert len(found) <= 10
    before, after = found, []
    while before != after:  # compaction goes on until nothing is left to take
        assert time.monotonic() < deadline
        before = ids(read(make(topic)))
        parts = asyncio.run(make(topic).partitions(3))
        apart = sorted(i for part in parts for i in ids(read(part)))
        after = ids(read(make(topic)))
    assert apart == after


async def test_new_partitions_and_topics_are_taken_up_while_following(
    kafka: Credentials, make: Make
) -> None:
    """What is made while a pattern is followed is read from its beginning."""
    topic = make_topic(kafka)
    source = make(f"^{topic}", start="latest").following()
    found: list[Chunk] = []
    async with aclosing(source.read(None)) as stream:  # type: ignore[type-var]
        found.append(await anext(stream))

        async def follow() -> None:
            while len(ids(found)) < 6:
                found.append(await anext(stream))

        following = asyncio.ensure_future(follow())
        await asyncio.to_thread(_grow, kafka, topic)
        await asyncio.wait_for(following, 60)
    assert ids(found) == list(range(6))
    assert found[-1].cursor == {topic: {"0": 2, "1": 2}, f"{topic}b": {"0": 2}}


def _grow(kafka: Credentials, topic: str) -> None:
    """Give a topic a second partition and a sibling, and two messages to each of the three."""
    add_partition(kafka, topic)
    make_topic(kafka, name=f"{topic}b")
    produce(kafka, topic, plays(2, start=0), partition=0)
    produce(kafka, topic, plays(2, start=2), partition=1)
    produce(kafka, f"{topic}b", plays(2, start=4))


def test_a_partition_added_since_is_read_from_its_beginning(kafka: Credentials, make: Make) -> None:
    """``start: latest`` is for topics that are new to the import, not for their new partitions."""
    topic = make_topic(kafka)
    (pin,) = read(make(topic, start="latest"))
    add_partition(kafka, topic)
    produce(kafka, topic, plays(4), partition=[0, 1])
    assert ids(read(make(topic, start="latest"), pin.cursor)) == [0, 1, 2, 3]


# ── groups ───────────────────────────────────────────────────────────────────────────────────


def test_a_group_goes_on_where_it_committed(kafka: Credentials, make: Make) -> None:
    """In a group the committed offsets count; what was not committed comes again."""
    topic, group = make_topic(kafka, partitions=2), uuid.uuid4().hex
    produce(kafka, topic, plays(10), partition=[0, 1])
    source = make(topic, group=group, assignment="group")
    chunks = read(source)
    assert ids(chunks) == list(range(10))
    source.committed(chunks[-1].cursor)
    assert committed(kafka, group, (topic, 0), (topic, 1)) == [5, 5]
    produce(kafka, topic, plays(2, start=10), partition=[0, 1])
    again = make(topic, group=group, assignment="group")
    assert ids(read(again)) == [10, 11]
    again.committed({topic: {"0": 6, "1": 6}})
    third = make(topic, group=group, assignment="group")
    assert read(third) == []
    third.committed({})


def test_members_share_a_topic_and_lose_nothing(kafka: Credentials, make: Make) -> None:
    """Members that come and go while they read give every message, none twice once committed."""
    topic, group = make_topic(kafka, partitions=4), uuid.uuid4().hex
    produce(kafka, topic, plays(4000), partition=[0, 1, 2, 3])
    found: dict[tuple[int, int], int] = {}
    lock, errors = threading.Lock(), []

    def work(times: int) -> None:
        for _ in range(times):
            source = make(topic, group=group, assignment="group", batch_size=100)
            try:
                chunks = read(source)
            except Exception as error:
                errors.append(error)
                raise
            with lock:
                for chunk in chunks:
                    rows = chunk.batch.to_pylist()
                    found.update({(r["_partition"], r["_offset"]): r["id"] for r in rows})
            source.committed(chunks[-1].cursor if chunks else {})

    members = [threading.Thread(target=work, args=(4,)) for _ in range(2)]
    for member in members:
        member.start()
        time.sleep(0.2)
    for member in members:
        member.join(120)
    work(1)  # whoever was last may have lost its partitions to one that had come before it
    assert not errors
    assert sorted(found.values()) == list(range(4000))
    assert sum(committed(kafka, group, *((topic, n) for n in range(4)))) == 4000
