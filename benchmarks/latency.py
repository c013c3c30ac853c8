"""Measures a stream from its producer to a visible row: `python -m benchmarks.latency sink rate s`.

Events carry the moment at which they were handed to the producer. A row is visible when the
checkpoint that wrote it returns; that it is visible then, another connection checks at the end of
each run by counting. The first five seconds do not count: a worker that lives is warm.
"""

from __future__ import annotations

import json
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from typing import Any

from benchmarks.kafka_ways import import_all, place_of
from benchmarks.servers import credentials

WARM = 5.0


class Producing(threading.Thread):
    """Hands events to Kafka at a steady rate, every five milliseconds, and keeps when it did."""

    def __init__(self, topic: str, *, rate: int, seconds: float) -> None:
        super().__init__()
        self.topic = topic
        self.stamps: list[float] = []
        self._each, self._end = max(1, rate // 200), time.monotonic() + seconds

    def run(self) -> None:
        """Produce until the time is up."""
        from confluent_kafka import Producer

        producer = Producer({**credentials("kafka").extra, "linger.ms": 1})
        beat = time.monotonic()
        while beat < self._end:
            for _ in range(self._each):
                event = {"event_id": len(self.stamps), "track": "t" * 100, "duration_s": 200}
                producer.produce(self.topic, json.dumps(event).encode())
                self.stamps.append(time.monotonic())
            producer.poll(0)
            beat += 0.005
            time.sleep(max(0.0, beat - time.monotonic()))
        producer.flush(30)


def measure(kind: str, rate: int, seconds: int) -> Mapping[str, object]:
    """Follow a topic while events are produced; return percentiles in seconds."""
    from airflow_provider_spotify.core.model import Run
    from airflow_provider_spotify.core.opening import open_sink, open_source
    from airflow_provider_spotify.core.pipeline import run_import
    from benchmarks.ours import plan, resolve
    from tests.services.kafka import make_topic

    import_all()
    topic = make_topic(credentials("kafka"), name=f"latency-{uuid.uuid4().hex[:8]}")
    flush = {"within": "50ms", "run_for": f"{seconds + WARM + 3}s", "idle": "2s"}
    made = plan(
        {
            "source": {"type": "kafka", "connection": "kafka", "topics": [topic]},
            "destination": place_of(kind),
            "flush": flush,
        }
    )
    source = open_source(made.source, tenant="bench", resolve=resolve)
    sink = open_sink(made.destination, tenant="bench", resolve=resolve)
    shown = _noting(sink)
    producing = Producing(topic, rate=rate, seconds=seconds + WARM)
    producing.start()
    report = run_import(made, source=source, sink=sink, run=Run(run_id="bench"))
    producing.join()
    visible = sink.query("SELECT count(*) AS n FROM bench").column("n")[0].as_py()
    if not report.rows == visible == len(producing.stamps):
        raise SystemExit(f"{len(producing.stamps)} events, {report.rows} rows, {visible} visible")
    return _percentiles(producing.stamps, shown)


def _noting(sink: Any) -> list[tuple[float, int]]:
    """Note when each checkpoint of a sink's loads returned, and how many rows it had shown."""
    shown: list[tuple[float, int]] = []
    begin = sink.begin

    def beginning(spec: Any) -> Any:
        load = begin(spec)
        checkpoint = load.checkpoint

        def noting(progress: Any) -> None:
            checkpoint(progress)
            shown.append((time.monotonic(), progress.rows))

        load.checkpoint = noting
        return load

    sink.begin = beginning
    return shown


def _percentiles(stamps: list[float], shown: list[tuple[float, int]]) -> Mapping[str, object]:
    taken, row = [], 0
    for moment, rows in shown:
        while row < rows:
            if stamps[row] >= stamps[0] + WARM:
                taken.append(moment - stamps[row])
            row += 1
    taken.sort()
    at = {f"p{int(share * 100)}": taken[int(len(taken) * share)] for share in (0.5, 0.95, 0.99)}
    return {"seconds": at["p99"], "events": len(taken), "flushes": len(shown), **at}


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
