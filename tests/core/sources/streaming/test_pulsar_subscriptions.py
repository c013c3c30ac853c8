"""Pulsar's subscriptions: what was committed is acknowledged, and nothing else."""

from __future__ import annotations

import time

import pytest

from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.testing.sources import read
from tests.core.chunks import rejected
from tests.core.sources.streaming.pulsar_topics import Make, ids, plays, reading, trim
from tests.services.pulsar import admin, place, produce

make = pytest.fixture(reading)


def backlog(credentials: Credentials, topic: str, name: str, *, wanted: int) -> int:
    """Return how many entries, each of some messages, a subscription has not acknowledged.

    The broker answers before it has written an acknowledgement down: what is wanted is waited for.
    """
    deadline = time.monotonic() + 30
    while True:
        stats = admin(credentials, "GET", f"{place(topic)}/stats?getPreciseBacklog=true")
        found = int(stats["subscriptions"][name]["msgBacklog"])
        if found == wanted or time.monotonic() > deadline:
            return found
        time.sleep(0.05)


def test_messages_are_acknowledged_only_when_they_are_committed(
    pulsar: Credentials, pulsar_topic: str, make: Make
) -> None:
    """The named subscription moves with ``committed``, never back, and never past the cursor."""
    source = make(subscription="imports", batch_size=15)
    assert read(source) == []
    produce(pulsar, pulsar_topic, plays(0, 40), batch=10)
    chunks = read(source)
    assert ids(chunks) == list(range(40))
    assert backlog(pulsar, pulsar_topic, "imports", wanted=4) == 4
    source.committed(chunks[0].cursor)  # in the middle of the second entry
    assert backlog(pulsar, pulsar_topic, "imports", wanted=3) == 3
    source.committed(chunks[-1].cursor)
    source.committed(chunks[0].cursor)
    assert backlog(pulsar, pulsar_topic, "imports", wanted=0) == 0
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
        assert backlog(pulsar, f"{pulsar_topic}-partition-{number}", "imports", wanted=0) == 0


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
