"""Kafka into DuckDB while importers and brokers are killed: nothing lost, nothing twice."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_spotify.core.config.plans import ImportPlan
from airflow_provider_spotify.core.errors import TransientError
from airflow_provider_spotify.core.model import Credentials, LoadReport, Run
from airflow_provider_spotify.core.opening import open_plan
from airflow_provider_spotify.core.pipeline import run_import
from airflow_provider_spotify.core.sinks.base import Sink
from airflow_provider_spotify.core.sinks.duckdb import DuckDBConfig, DuckDBSink
from airflow_provider_spotify.core.sources.streaming.kafka import KafkaConfig
from tests.core.victims import Order, Story, moments, story
from tests.services.kafka import Broker, make_topic, produce

KILLS = int(os.environ.get("SPOTIFY_IMPORTS_KILLS", "6"))
SEED = int(os.environ.get("SPOTIFY_IMPORTS_SEED", "2026"))
COUNT = 20_000
PARTITIONS = [0, 1, 2, 3]
FINGERPRINT = "count(*), count(DISTINCT (_topic, _partition, _offset)), bit_xor(hash(id, said))"


def messages(start: int, count: int) -> list[bytes]:
    """Return messages, one in a hundred of them poison."""
    return [
        b"poison" if n % 100 == 99 else b'{"id": %d, "said": "%x"}' % (n, n * n)
        for n in range(start, start + count)
    ]


def plan(topic: str, folder: Path, *, table: str) -> ImportPlan:
    """Describe an import of a topic that is durable every few thousand rows."""
    words = {
        "tenant": "acme",
        "name": table,
        "source": {
            "type": "kafka",
            "connection": "acme__kafka",
            "config": KafkaConfig(topics=[topic], batch_size=500),
        },
        "destination": {"type": "duckdb", "config": warehouse(folder)},
        "table": table,
        "checkpoint": {"rows": 2_000},
    }
    return ImportPlan.model_validate(words)


def warehouse(folder: Path) -> DuckDBConfig:
    return DuckDBConfig(path=str(folder / "acme.duckdb"), schema="acme")


def fingerprint(sink: Sink[Any], table: str) -> tuple[Any, ...]:
    """Return how many rows there are, how many of them differ, and a hash of all."""
    (row,) = sink.query(f"SELECT {FINGERPRINT} FROM {table}").to_pylist()
    return tuple(row.values())


def compare(sink: Sink[Any], *, count: int) -> None:
    """Assert that the killed import left what the undisturbed one did, and that that is all."""
    rows, different, hashed = fingerprint(sink, "whole")
    assert rows == different == count - count // 100
    assert fingerprint(sink, "killed") == (rows, different, hashed)
    for table in ("whole", "killed"):
        rejected = f"SELECT count(*) AS n, count(DISTINCT location) AS d FROM {table}__rejected"
        assert sink.query(rejected).to_pylist() == [{"n": count // 100, "d": count // 100}]
    assert sink.cursor("killed") == sink.cursor("whole")


@pytest.mark.chaos
def test_an_importer_that_is_killed_loses_and_doubles_nothing(
    kafka: Credentials, tmp_path: Path
) -> None:
    """Killed while it reads, checkpoints or publishes, and run again, it ends as if it were not."""
    topic, dice = make_topic(kafka, partitions=len(PARTITIONS)), random.Random(SEED)
    produce(kafka, topic, messages(0, COUNT), partition=PARTITIONS)

    def told(table: str, run: str, **words: Any) -> Story:
        return story(Order(plan(topic, tmp_path, table=table), kafka, run), **words)

    undisturbed = told("whole", "once")
    assert not undisturbed.error, undisturbed.error
    run, hits, published = 0, 0, False
    for moment in islice(moments(dice, undisturbed), 10 * KILLS):
        said = told("killed", f"run {run}", until=moment)
        assert not said.error, said.error
        hits += said.stages[-1][0] != "end"
        print(f"seed {SEED}: kill at {moment}; reached {said.stages[-1][0]}")
        if hits == KILLS:
            break
        published |= "publish" in dict(said.stages)
        run += not published and dice.random() < 0.25
    assert hits >= KILLS / 2, "most loads had ended before they were to be killed"
    last = told("killed", f"run {run}")
    assert not last.error, last.error
    compare(DuckDBSink(warehouse(tmp_path), tenant="acme"), count=COUNT)


@pytest.fixture
def broker(tmp_path: Path) -> Broker:
    """Give a broker of this test alone, not yet running."""
    folder = tmp_path / "broker"
    folder.mkdir()
    return Broker(folder)


def load(broker: Broker, topic: str, folder: Path, *, table: str, run: str) -> LoadReport:
    """Run the import, again and again as Airflow would, while there is no broker."""
    described = plan(topic, folder, table=table)
    for _ in range(10):
        opened = open_plan(described, resolve=lambda _: broker.credentials)
        try:
            return run_import(
                described, source=opened.source, sink=opened.sink, run=Run(run_id=run)
            )
        except TransientError as error:
            print(f"tried again: {error}")
    raise AssertionError("ten attempts were not enough")


@pytest.mark.chaos
def test_a_broker_that_is_killed_loses_and_doubles_nothing(broker: Broker, tmp_path: Path) -> None:
    """Killed while it is read, and run again, the broker's messages are all there, once."""
    dice, rounds = random.Random(SEED), -(-KILLS // 3)
    up = broker.run()
    process = up.__enter__()
    topic = make_topic(broker.credentials, partitions=len(PARTITIONS))
    try:
        for number in range(rounds):
            produce(
                broker.credentials, topic, messages(number * COUNT, COUNT), partition=PARTITIONS
            )
            words = {"table": "killed", "run": f"run {number}"}
            reading = threading.Thread(
                target=load, args=(broker, topic, tmp_path), kwargs=words, daemon=True
            )
            reading.start()
            time.sleep(dice.uniform(0.1, 0.8))
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)
            up.__exit__(None, None, None)
            print(f"seed {SEED}: the broker was killed; the import goes on: {reading.is_alive()}")
            up = broker.run()
            process = up.__enter__()
            print("up")
            reading.join(120)
            assert not reading.is_alive()
            print("read")
        load(broker, topic, tmp_path, table="killed", run="last")
        load(broker, topic, tmp_path, table="whole", run="once")
    finally:
        up.__exit__(None, None, None)
    compare(DuckDBSink(warehouse(tmp_path), tenant="acme"), count=rounds * COUNT)
