"""Imports a table of PostgreSQL by so many parts at once: `python -m benchmarks.parts n`.

Each part has a process of its own; 0 is an ordinary load in this one.

The processes live and have imported everything, as workers have, when the clock starts. It runs
from the split until the rows of all parts are published: between them nothing is left out but
Airflow's own way from task to task.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

from benchmarks import timed
from benchmarks.ours import plan, resolve

if TYPE_CHECKING:
    from multiprocessing.synchronize import Barrier

    from airflow_provider_spotify.core.model import LoadReport

SOURCE = {"type": "postgresql", "connection": "postgres", "table": "plays"}
DESTINATION = {"type": "postgres", "connection": "postgres", "schema": "ours_bench"}


def _plan(parts: int, source: dict[str, Any]) -> Any:
    words = {"source": source, "destination": DESTINATION, "write": {"mode": "replace"}}
    return plan(words | {"partitions": parts})


def _ready() -> None:
    """Import what a worker has imported."""
    timed.import_all("postgresql", "postgres")


def _wait(barrier: Barrier) -> None:
    """Begin a process: import, and say so."""
    _ready()
    barrier.wait(timeout=120)


def _part(options: dict[str, Any], number: int, of: int) -> LoadReport:
    """Read one part and hold it, as a mapped task does."""
    from airflow_provider_spotify.core.model import Run
    from airflow_provider_spotify.core.opening import open_plan
    from airflow_provider_spotify.core.parts import part_of
    from airflow_provider_spotify.core.pipeline import run_import

    own = _plan(of, SOURCE | options)
    opened = open_plan(own, resolve=resolve)
    run = part_of(Run(run_id="bench"), number=number, of=of)
    return run_import(own, source=opened.source, sink=opened.sink, run=run)


def by_parts(parts: int) -> Mapping[str, object]:
    """Split, read all parts at once, publish."""
    from airflow_provider_spotify.core.model import Run
    from airflow_provider_spotify.core.opening import open_plan
    from airflow_provider_spotify.core.parts import publish_parts, split

    _ready()
    whole, run, context = _plan(parts, SOURCE), Run(run_id="bench"), get_context("spawn")
    opened = open_plan(whole, resolve=resolve)
    barrier = context.Barrier(parts + 1)
    with context.Pool(parts, initializer=_wait, initargs=(barrier,)) as workers:
        barrier.wait(timeout=120)
        began = time.perf_counter()
        found = split(whole, source=opened.source, sink=opened.sink, run=run)
        planned = time.perf_counter() - began
        each = [(options, number, len(found)) for number, options in enumerate(found, 1)]
        reports = workers.starmap(_part, each, chunksize=1)
        read = time.perf_counter() - began
        report = publish_parts(
            whole, source=opened.source, sink=opened.sink, run=run, reports=reports
        )
        taken = time.perf_counter() - began
        workers.close()
        workers.join()  # so that their processor time is counted
    stages = {"split": planned, "parts": read - planned, "publish": taken - read}
    return {"rows": report.rows, "seconds": taken, "parts": len(found)} | {"stages": stages}


def ordinary() -> Mapping[str, object]:
    """Import the same table in one load that knows of no parts."""
    _ready()
    return timed.load(SOURCE, DESTINATION)


if __name__ == "__main__":
    print(json.dumps(ordinary() if sys.argv[1] == "0" else by_parts(int(sys.argv[1]))))
