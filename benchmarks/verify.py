"""Compares, value by value, what this package loaded with what another way loaded.

``python -m benchmarks.verify ONE OTHER``, where each is ``duckdb:FILE:TABLE``, ``csv:FILE``,
``postgres:TABLE``, ``clickhouse:TABLE`` or ``delta:FOLDER``; prints how many rows are in one and
not in the other.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import duckdb

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = (
    "event_id::BIGINT, user_id::BIGINT, user_name, track, duration_s::BIGINT, volume, skipped, "
    "played_at::TIMESTAMPTZ"
)


def view(db: duckdb.DuckDBPyConnection, name: str, place: str) -> None:
    """Make one side readable under a name."""
    kind, _, rest = place.partition(":")
    if kind == "duckdb":
        file, _, table = rest.rpartition(":")
        db.execute(f"ATTACH '{file}' AS {name}_file (READ_ONLY)")
        source = f"{name}_file.{table}"
    elif kind == "csv":
        source = f"read_csv('{rest}')"
    else:
        db.register(f"{name}_rows", ARROW[kind](rest))
        source = f"{name}_rows"
    db.execute(f"CREATE TEMP VIEW {name} AS SELECT {COLUMNS} FROM {source}")


def _postgres(table: str) -> pa.Table:
    import adbc_driver_postgresql.dbapi as adbc

    url = os.environ["BENCH_POSTGRES_URL"]
    with adbc.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table}")
        return cursor.fetch_arrow_table()


def _clickhouse(table: str) -> pa.Table:
    from airflow_provider_spotify.core.clients.clickhouse import connect
    from benchmarks.servers import credentials

    with connect(credentials("clickhouse")) as client:
        return client.query_arrow(f"SELECT * FROM {table}", use_strings=True)


def _delta(folder: str) -> pa.Table:
    from deltalake import DeltaTable

    return DeltaTable(folder).to_pyarrow_table()


ARROW: Mapping[str, Callable[[str], pa.Table]] = {
    "postgres": _postgres,
    "clickhouse": _clickhouse,
    "delta": _delta,
}


def main(one: str, other: str) -> None:
    """Print how many rows the two do not share; EXCEPT ALL counts repeated rows too."""
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        view(db, "one", one)
        view(db, "other", other)
        differing = 0
        for left, right in (("one", "other"), ("other", "one")):
            query = f"SELECT count(*) FROM (FROM {left} EXCEPT ALL FROM {right})"
            differing += int(db.execute(query).fetchall()[0][0])
        rows = int(db.execute("SELECT count(*) FROM one").fetchall()[0][0])
    print(json.dumps({"rows": rows, "differing": differing}))


if __name__ == "__main__":
    main(*sys.argv[1:])
