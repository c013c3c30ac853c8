"""Imports for the tests of the pipeline: a plan of a few words, a sink in a folder, batches."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from airflow_provider_spotify.core.config.plans import ImportPlan
from airflow_provider_spotify.core.model import LOAD_ID, Chunk, Cursor, LoadReport, Run, Window
from airflow_provider_spotify.core.pipeline import run_import
from airflow_provider_spotify.core.sinks.base import Load, LoadSpec, Sink
from airflow_provider_spotify.core.sinks.duckdb import DuckDBConfig, DuckDBSink
from airflow_provider_spotify.core.testing.memory import MemoryConfig
from airflow_provider_spotify.core.testing.memory import MemorySource as MemorySource

KEY = b"0123456789abcdef0123456789abcdef"


def plan(**settings: Any) -> ImportPlan:
    """Plan the import ``acme__plays``; ``settings`` are keys of its YAML."""
    place = {"type": "duckdb", "config": DuckDBConfig(path="unused")}
    words = {
        "tenant": "acme",
        "name": "plays",
        "source": {"type": "memory", "config": MemoryConfig()},
        "destination": place,
        "table": "plays",
    }
    return ImportPlan.model_validate(words | settings)


def duckdb_sink(folder: Path, **config: Any) -> DuckDBSink:
    """Return the warehouse of the tenant ``acme`` in a folder."""
    words = {"path": str(folder / "acme.duckdb"), "schema": "acme", **config}
    return DuckDBSink(DuckDBConfig.model_validate(words), tenant="acme")


def ids(*numbers: int, **more: list[Any]) -> pa.RecordBatch:
    """Build a batch with a column ``id`` and perhaps others."""
    return pa.RecordBatch.from_pydict({"id": [*numbers], **more})


def load(
    sink: Sink[Any], *batches: pa.RecordBatch, run: str | Run = "run", **settings: Any
) -> LoadReport:
    """Run an import of these batches: what its source has altogether, not what is new."""
    run = Run(run_id=run) if isinstance(run, str) else run
    return run_import(plan(**settings), source=MemorySource(batches), sink=sink, run=run, key=KEY)


def rows(sink: Sink[Any], table: str = "plays") -> list[dict[str, Any]]:
    """Return the rows of a table, ordered, without the column that names their load."""
    found = sink.query(f'SELECT * FROM "{table}" ORDER BY 1').to_pylist()
    return [{k: v for k, v in row.items() if k != LOAD_ID} for row in found]


def landed(sink: Sink[Any], table: str = "plays") -> list[int]:
    """Return the ids in a table, in their order; none where there is no table."""
    return [row["id"] for row in rows(sink, table)] if table in tables(sink) else []


def records(sink: Sink[Any], table: str = "plays") -> list[str]:
    """Return the rejected records of a table."""
    return sorted(r for batch in sink.rejected(table) for r in batch.column("record").to_pylist())


def tables(sink: Sink[Any]) -> set[str]:
    """Return the names of the tables in the sink's schema, staging and ledger too."""
    found = sink.query(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = $1",
        [sink.config.schema_],
    )
    return set(found.column("table_name").to_pylist())


class Noting(DuckDBSink):
    """A DuckDB sink that notes what its load is asked to do."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.noted: list[Any] = []
        self.schemas: list[pa.Schema | None] = []
        self.before: Callable[[str], None] = lambda _: None

    def begin(self, spec: LoadSpec) -> Load:
        load = super().begin(spec)
        for name in ("write", "checkpoint", "audit", "publish", "abandon"):
            setattr(load, name, self._noting(name, getattr(load, name)))
        return load

    def _noting(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def noting(*args: Any) -> Any:
            self.noted.append((name, args[0].rows) if name == "checkpoint" else name)
            if name == "checkpoint":
                self.schemas.append(args[0].schema)
            self.before(name)
            return method(*args)

        return noting


def noting(folder: Path) -> Noting:
    return Noting(duckdb_sink(folder).config, tenant="acme")


class Waiting(MemorySource):
    """Yields its batches, then waits for an hour as a source does for a slow answer."""

    def __init__(self, batches: Sequence[pa.RecordBatch]) -> None:
        super().__init__(batches)
        self.waits = threading.Event()

    async def read(
        self, since: Cursor | None, window: Window | None = None
    ) -> AsyncIterator[Chunk]:
        async for chunk in super().read(since, window):
            yield chunk
        self.waits.set()
        await asyncio.sleep(3600)
