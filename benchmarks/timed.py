"""Times one import, or one read, inside a process that has imported everything, as a worker has."""

from __future__ import annotations

import asyncio
import os
import pkgutil
import time
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from airflow_provider_spotify.core import clients, sinks, sources, transforms
from airflow_provider_spotify.core.model import Run
from airflow_provider_spotify.core.opening import open_sink, open_source
from airflow_provider_spotify.core.pipeline import run_import
from benchmarks.ours import plan, resolve

_LIBRARIES = ("pandas", "pyarrow.compute", "pyarrow.json", "duckdb", "psycopg", "aiohttp")
"""pandas is pyarrow's wish: it imports it at the first array of Python values."""
_CLIENTS = {
    "mongodb": ("pymongo",),
    "clickhouse": ("clickhouse_connect",),
    "postgresql": ("adbc_driver_postgresql.dbapi",),
    "postgres": ("pgpq",),
    "delta": ("deltalake",),
}


def import_all(*systems: str) -> None:
    """Import libraries, and this package's own modules of some systems."""
    for library in (*_LIBRARIES, *(each for name in systems for each in _CLIENTS.get(name, ()))):
        import_module(library)
    for package in (clients, sources, sinks, transforms):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            last = found.name.rpartition(".")[2].lstrip("_")
            if package is transforms or ".sql." in found.name or last.startswith(systems):
                import_module(found.name)


def read(source: dict[str, Any]) -> Mapping[str, object]:
    """Read by this package's source into Arrow, and drop the batches."""
    import_all(source["type"])
    planned = plan({"source": source, "destination": {"type": "duckdb", "path": ":memory:"}})
    opened = open_source(planned.source, tenant="bench", resolve=resolve)

    async def count() -> int:
        return sum([chunk.batch.num_rows async for chunk in opened.read(None)])

    began = time.perf_counter()
    found = asyncio.run(count())
    return {"rows": found, "seconds": time.perf_counter() - began}


def load(source: dict[str, Any], destination: dict[str, Any]) -> Mapping[str, object]:
    """Import, in full: types, profile, ledger, one atomic publish; ``replace``."""
    import_all(source["type"], destination["type"], "duckdb")
    words = {"source": source, "destination": destination, "write": {"mode": "replace"}}
    planned = plan(words)
    opened = open_source(planned.source, tenant="bench", resolve=resolve)
    sink = open_sink(planned.destination, tenant="bench", resolve=resolve)
    began = time.perf_counter()
    report = run_import(planned, source=opened, sink=sink, run=Run(run_id="bench"))
    return {"rows": report.rows, "seconds": time.perf_counter() - began}


def duckdb_file(name: str) -> dict[str, Any]:
    """Return an empty DuckDB destination as the YAML says it."""
    path = Path(os.environ["BENCH_WORK"]) / f"{name}.duckdb"
    path.unlink(missing_ok=True)
    return {"type": "duckdb", "path": str(path)}
