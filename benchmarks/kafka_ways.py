"""Ways to read a Kafka topic, each timed inside its process: `python -m benchmarks.kafka_ways way`.

The clock starts when libraries are imported and stops at the last message. A message is JSON of
about 200 bytes, in four partitions.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.servers import credentials

if TYPE_CHECKING:
    from airflow_provider_spotify.core.sources.base import Source

TOPIC = "plays"
PARTITIONS = 4
_TOOLS = ("org.apache.kafka:kafka-tools:4.1.2", "org.slf4j:slf4j-simple:1.7.36")


def fill(rows: int) -> Mapping[str, object]:
    """Write the messages, once for each broker."""
    from confluent_kafka.admin import AdminClient

    from tests.services.kafka import make_topic, produce

    place = credentials("kafka")
    known = AdminClient(dict(place.extra)).list_topics(timeout=10).topics
    if TOPIC not in known:
        make_topic(place, partitions=PARTITIONS, name=TOPIC)
        for first in range(0, rows, 100_000):
            batch = list(_messages(first, min(rows, first + 100_000)))
            produce(place, TOPIC, batch, partition=list(range(PARTITIONS)))
    return {"rows": rows}


def _messages(first: int, end: int) -> Iterator[bytes]:
    for number in range(first, end):
        event = {
            "event_id": number,
            "user_id": number * 7 % 300_000,
            "user_name": f"listener-{number % 1000}",
            "track": "t" * 50,
            "duration_s": number % 600,
            "volume": number / 7,
            "played_at": "2026-01-01T00:00:00Z",
        }
        yield json.dumps(event).encode()


def loop(rows: int, *, backoff: int | None = None) -> Mapping[str, object]:
    """Consume in batches of 10,000 and drop the messages: the client library itself."""
    from confluent_kafka import Consumer, TopicPartition

    settings = {"group.id": "bench", "enable.auto.commit": False, **credentials("kafka").extra}
    if backoff is not None:
        settings["fetch.queue.backoff.ms"] = backoff
    began = time.perf_counter()
    consumer = Consumer(settings)
    consumer.assign([TopicPartition(TOPIC, number, 0) for number in range(PARTITIONS)])
    found = 0
    while found < rows:
        found += len(consumer.consume(10_000, 1.0))
    taken = time.perf_counter() - began
    consumer.close()
    return {"rows": found, "seconds": taken}


def tuned_loop(rows: int) -> Mapping[str, object]:
    """Do the same without librdkafka's pause of a second whenever its queue is full."""
    return loop(rows, backoff=5)


def perf_test(rows: int) -> Mapping[str, object]:
    """Run Kafka's own consumer, in Java: kafka-consumer-perf-test; its own fetch time counts."""
    from tests.services.maven import jars

    java = shutil.which("java")
    assert java, "Java is not installed"
    command = [java, "-cp", f"{jars('kafka-tools', _TOOLS)}/*"]
    command += ["org.apache.kafka.tools.ConsumerPerformance", "--topic", TOPIC]
    command += ["--bootstrap-server", credentials("kafka").extra["bootstrap.servers"]]
    command += ["--messages", str(rows), "--timeout", "30000", "--hide-header"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    # start, end, MB, MB/s, messages, messages/s, rebalance ms, fetch ms, fetch MB/s, fetch n/s
    line = next(row for row in done.stdout.splitlines() if re.match(r"\d{4}-", row))
    fields = line.split(", ")
    return {"rows": min(rows, int(fields[4])), "seconds": int(fields[7]) / 1000}


def source(_: int) -> Mapping[str, object]:
    """Read and parse by this package, and drop the batches."""
    made = _source()

    async def read() -> int:
        return sum([chunk.batch.num_rows async for chunk in made.read(None)])

    began = time.perf_counter()
    found = asyncio.run(read())
    return {"rows": found, "seconds": time.perf_counter() - began}


def duckdb(_: int) -> Mapping[str, object]:
    """Import into DuckDB: parsed, profiled, one transaction with cursor and ledger."""
    return _load(place_of("duckdb"))


def postgres(_: int) -> Mapping[str, object]:
    """Import into PostgreSQL, likewise."""
    return _load(place_of("postgres"))


def place_of(kind: str) -> dict[str, object]:
    """Empty a destination and return it as the YAML says it."""
    if kind == "postgres":
        from benchmarks.bare import tidy

        tidy("ours_bench")
        return {"type": "postgres", "connection": "postgres", "schema": "ours_bench"}
    path = Path(os.environ["BENCH_WORK"]) / "kafka.duckdb"
    path.unlink(missing_ok=True)
    return {"type": "duckdb", "path": str(path)}


def _source() -> Source[Any]:
    from airflow_provider_spotify.core.sources.streaming.kafka import KafkaConfig, KafkaSource

    import_all()
    return KafkaSource(KafkaConfig(topics=[TOPIC]), credentials=credentials("kafka"))


def import_all() -> None:
    """Import what a long-lived worker has imported already; pandas is pyarrow's wish."""
    import confluent_kafka  # noqa: F401
    import duckdb  # noqa: F401
    import pandas  # noqa: F401
    import psycopg  # noqa: F401
    import pyarrow.compute  # noqa: F401


def _load(destination: dict[str, object]) -> Mapping[str, object]:
    from airflow_provider_spotify.core.model import Run
    from airflow_provider_spotify.core.opening import open_sink
    from airflow_provider_spotify.core.pipeline import run_import
    from benchmarks.ours import plan, resolve

    made = _source()
    document = {"source": {"type": "kafka", "connection": "kafka", "topics": [TOPIC]}}
    planned = plan(document | {"destination": destination})
    sink = open_sink(planned.destination, tenant="bench", resolve=resolve)
    began = time.perf_counter()
    report = run_import(planned, source=made, sink=sink, run=Run(run_id="bench"))
    return {"rows": report.rows, "seconds": time.perf_counter() - began}


WAYS = {way.__name__: way for way in (fill, loop, tuned_loop, perf_test, source, duckdb, postgres)}

if __name__ == "__main__":
    print(json.dumps(WAYS[sys.argv[1]](int(sys.argv[2]))))
