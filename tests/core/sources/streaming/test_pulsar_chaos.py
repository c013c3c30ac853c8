"""Imports of Pulsar topics survive being killed, and so does a reader whose broker is."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_spotify.core.ahead import drain
from airflow_provider_spotify.core.config.plans import ImportPlan
from airflow_provider_spotify.core.errors import Cancelled
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.opening import open_plan
from airflow_provider_spotify.core.sinks.base import Sink
from airflow_provider_spotify.core.sinks.duckdb import DuckDBConfig
from airflow_provider_spotify.core.sources.streaming.pulsar import PulsarConfig, PulsarSource
from tests.core.imports import records
from tests.core.victims import Order, moments, story
from tests.services.pulsar import Standalone, admin, place, produce

KILLS = int(os.environ.get("SPOTIFY_IMPORTS_KILLS", "20"))
SEED = int(os.environ.get("SPOTIFY_IMPORTS_SEED", "2026"))
MESSAGES = 6_000


def plays(start: int, stop: int) -> list[bytes]:
    """Return messages of which one in a hundred is poison."""
    return [
        b"{poison %d" % n if n % 100 == 7 else json.dumps({"id": n, "track": f"t{n}"}).encode()
        for n in range(start, stop)
    ]


class Place:
    """A warehouse, and the topic that imports bring there."""

    def __init__(self, folder: Path, credentials: Credentials, topic: str) -> None:
        self._path = str(folder / "acme.duckdb")
        self._credentials = credentials
        self._topic = topic
        self.count = 0

    def add(self) -> None:
        """Produce so many messages more, in batches of fifty."""
        messages = plays(self.count, self.count + MESSAGES)
        produce(self._credentials, self._topic, messages, batch=50)
        self.count += MESSAGES

    def order(self, table: str, run_id: str) -> Order:
        """Describe a load of the topic into a table."""
        config = PulsarConfig(topics=(self._topic,), batch_size=500, subscription=table)
        plan = {
            "tenant": "acme",
            "name": table,
            "source": {"type": "pulsar", "connection": "acme__pulsar", "config": config},
            "destination": {
                "type": "duckdb",
                "config": DuckDBConfig(path=self._path, schema="acme"),
            },
            "table": table,
            "checkpoint": {"rows": 1_000},
        }
        return Order(ImportPlan.model_validate(plan), self._credentials, run_id)

    @property
    def sink(self) -> Sink[Any]:
        """The warehouse."""
        plan = self.order("any", "any").plan
        return open_plan(plan, resolve=lambda _: self._credentials).sink


@pytest.fixture
def there(tmp_path: Path, pulsar: Credentials, pulsar_topic: str) -> Place:
    """Give a partitioned topic with messages, and an empty warehouse."""
    admin(pulsar, "PUT", f"{place(pulsar_topic)}/partitions", 3)
    found = Place(tmp_path, pulsar, pulsar_topic)
    found.add()
    return found


@pytest.mark.chaos
@pytest.mark.timeout(1800)  # 250 s were seen on a machine with eighteen times its work
def test_killed_imports_of_a_topic_equal_an_undisturbed_one(there: Place) -> None:
    """Kill reading, writing, publishing and acknowledging; nothing is lost, nothing comes twice."""
    dice = random.Random(f"{SEED} pulsar")
    undisturbed = story(there.order("whole", "once"))
    assert not undisturbed.error, undisturbed.error
    run, hits, wanted = 0, 0, max(2, KILLS // 5)
    for moment in islice(moments(dice, undisturbed), 10 * wanted):
        said = story(there.order("killed", f"run {run}"), until=moment)
        assert not said.error, said.error
        reached = said.stages[-1][0] if said.stages else "nothing"
        print(f"seed {SEED}, pulsar: kill at {moment}; reached {reached}")
        hits += reached != "end"
        if hits == wanted:
            break
        # a run that may have committed, or is given up now and then, leaves the rest to the next
        run += dice.random() < 0.25
        if reached in ("publish", "after publish", "end"):
            run += 1
            there.add()
    assert hits >= wanted / 2, "most loads had ended before they were to be killed"
    for table, last in (("killed", f"run {run}"), ("killed", "last"), ("whole", "last")):
        said = story(there.order(table, last))
        assert not said.error, said.error
    sink = there.sink
    for table in ("whole", "killed"):
        count, apart = counted(sink, f"SELECT count(*), count(DISTINCT id) FROM {table}")
        assert count == apart == there.count - there.count // 100
        assert len(records(sink, table)) == there.count // 100
    assert sink.cursor("killed") == sink.cursor("whole")


def counted(sink: Sink[Any], sql: str) -> tuple[int, ...]:
    """Return the one row of integers that a query gives."""
    return tuple(int(column[0].as_py()) for column in sink.query(sql).columns)


@pytest.mark.slow
@pytest.mark.chaos
def test_reader_goes_on_where_a_killed_broker_comes_back(tmp_path: Path) -> None:
    """``kill -9`` of the broker costs a reader that follows time, and no message."""
    broker, found = Standalone(tmp_path), []
    source = PulsarSource(
        PulsarConfig(topics=("plays",), batch_size=300, operation_timeout=timedelta(minutes=5)),
        credentials=broker.credentials,
    )
    stop = threading.Event()

    def follow() -> None:
        with suppress(Cancelled):
            for chunk in drain(source.following().read(None), stop=stop):
                found.extend(chunk.batch.column("id").to_pylist())

    thread = threading.Thread(target=follow)
    with broker.run() as process:
        produce(broker.credentials, "plays", plays(0, 1_000), batch=50)
        thread.start()
        assert waited(lambda: len(found) == 990), len(found)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    with broker.run():
        produce(broker.credentials, "plays", plays(1_000, 2_000), batch=50)
        assert waited(lambda: len(found) >= 1_980), len(found)
        stop.set()
        thread.join(10)
    assert sorted(found) == [n for n in range(2_000) if n % 100 != 7]


def waited(done: Callable[[], bool], *, seconds: float = 90) -> bool:
    """Wait until something is so; say whether it came to that."""
    deadline = time.monotonic() + seconds
    while not done() and time.monotonic() < deadline:
        time.sleep(0.05)
    return done()
