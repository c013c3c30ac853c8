"""Ways to read and fill a table of ClickHouse: `python -m benchmarks.clickhouse_ways way argument`.

The clock starts when libraries are imported and stops at the last row; connecting counts. The
argument is a number of rows, or a CSV file.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from benchmarks import timed
from benchmarks.servers import credentials

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

TABLE = "plays"
SOURCE = {"type": "clickhouse", "connection": "clickhouse", "table": TABLE}
OURS, BARE = "ours_bench", "bare_bench"
"""The databases that imports are written to."""
_COLUMNS = (
    "event_id Int64, user_id Int64, user_name String, track String, duration_s Int32, "
    "volume Float64, skipped Bool, played_at DateTime64(6, 'UTC')"
)


@contextmanager
def _client() -> Iterator[Client]:
    import clickhouse_connect

    place = credentials("clickhouse")
    client = clickhouse_connect.get_client(
        host=place.host,
        port=place.port,
        username=place.login,
        password=place.secret() or "",
        compress=False,
    )
    try:
        yield client
    finally:
        client.close()


def fill(rows: str) -> Mapping[str, object]:
    """Insert the rows, once for each server."""
    from benchmarks.documents import blocks

    with _client() as client:
        if not client.command(f"EXISTS TABLE {TABLE}"):
            _create(client, TABLE)
            for table in blocks(int(rows)):
                client.insert_arrow(TABLE, table)
    return {"rows": int(rows)}


def _create(client: Client, table: str) -> None:
    client.command(f"CREATE TABLE {table} ({_COLUMNS}) ENGINE = MergeTree ORDER BY event_id")


def stream(_: str) -> Mapping[str, object]:
    """Read Arrow by clickhouse-connect, and drop it: the client's fastest way."""
    import clickhouse_connect  # noqa: F401

    timed.import_all()
    began, found = time.perf_counter(), 0
    with _client() as client, client.query_arrow_stream(f"SELECT * FROM {TABLE}") as batches:
        for batch in batches:
            found += batch.num_rows
    return {"rows": found, "seconds": time.perf_counter() - began}


def source(_: str) -> Mapping[str, object]:
    """Read by this package."""
    return timed.read(SOURCE)


def duckdb(_: str) -> Mapping[str, object]:
    """Import into DuckDB."""
    return timed.load(SOURCE, timed.duckdb_file("clickhouse"))


def tidy(database: str) -> Mapping[str, object]:
    """Prepare a run: forget what an earlier one left."""
    with _client() as client:
        client.command(f"DROP DATABASE IF EXISTS {database} SYNC")
    return {}


def csv(path: str) -> Mapping[str, object]:
    """Import a CSV file by this package: types from its text, staged, one atomic publish."""
    destination = {"type": "clickhouse", "connection": "clickhouse", "database": OURS}
    return timed.load({"type": "csv", "path": path}, destination)


def insert(path: str, *, read_before: bool = True) -> Mapping[str, object]:
    """Insert Arrow that is in memory, into a table that somebody typed by hand."""
    import clickhouse_connect  # noqa: F401
    import pyarrow.csv as pa_csv

    timed.import_all()
    table = pa_csv.read_csv(path) if read_before else None
    began = time.perf_counter()
    if table is None:
        table = pa_csv.read_csv(path)
    with _client() as client:
        client.command(f"CREATE DATABASE {BARE}")
        _create(client, f"{BARE}.{TABLE}")
        client.insert_arrow(f"{BARE}.{TABLE}", table)
        taken = time.perf_counter() - began
        found = client.command(f"SELECT count() FROM {BARE}.{TABLE}")
    return {"rows": int(str(found)), "seconds": taken}


def read_and_insert(path: str) -> Mapping[str, object]:
    """Do the same, and count the reading of the CSV file by pyarrow."""
    return insert(path, read_before=False)


WAYS = {
    way.__name__: way for way in (fill, stream, source, duckdb, tidy, csv, insert, read_and_insert)
}

if __name__ == "__main__":
    print(json.dumps(WAYS[sys.argv[1]](sys.argv[2])))
