"""The jobs that read streams and servers, and who does each of them."""

from __future__ import annotations

from benchmarks.case import Case, Goal
from benchmarks.measure import Way
from benchmarks.places import Place

GOAL = 1 / 0.7
"""Reading, parsing and writing are to reach 70 % of the rate of the bare client."""


def kafka(place: Place, rows: int | None) -> Case:
    """Kafka to DuckDB and PostgreSQL."""
    rows = rows or 1_000_000

    def way(name: str, kind: str) -> Way:
        command = [place.python, "-m", "benchmarks.kafka_ways", kind, str(rows)]
        return Way(name, command, environment={"BENCH_WORK": str(place.work)})

    names = {
        "ours, to DuckDB": "duckdb",
        "ours, to PostgreSQL": "postgres",
        "ours, source alone": "source",
        "confluent-kafka consume loop": "loop",
        "the loop, fetch.queue.backoff.ms: 5": "tuned_loop",
        "kafka-consumer-perf-test": "perf_test",
    }
    bare = ("confluent-kafka consume loop", "the loop, fetch.queue.backoff.ms: 5")
    return Case(
        name="kafka",
        title=f"Kafka topic of {rows:,} JSON messages of 200 bytes",
        rows=rows,
        ways=[way(name, kind) for name, kind in names.items()],
        goals=[Goal("ours, to DuckDB", peer, GOAL, "seconds") for peer in bare],
        of="seconds",
        needs=["kafka"],
        before=["benchmarks.kafka_ways", "fill", str(rows)],
    )


def latency(place: Place, _: int | None) -> Case:
    """How long an event takes from the producer to the eyes of a reader, under steady load."""
    seconds = 20

    def way(name: str, sink: str, rate: int) -> Way:
        command = [place.python, "-m", "benchmarks.latency", sink, str(rate), str(seconds)]
        return Way(name, command, environment={"BENCH_WORK": str(place.work)})

    ways = [
        way("to PostgreSQL, 1,000 events a second", "postgres", 1_000),
        way("to PostgreSQL, 5,000 events a second", "postgres", 5_000),
        way("to DuckDB, 1,000 events a second", "duckdb", 1_000),
    ]
    return Case(
        name="latency",
        title="Kafka event to visible row, flush within 50 ms: seconds at the 99th percentile",
        ways=ways,
        goals=[Goal(each.name, "", 0.1, "seconds") for each in ways[:2]],
        of="seconds",
        needs=["kafka"],
        warm_up=0,
    )
