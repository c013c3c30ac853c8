"""PostgreSQL to DuckDB with dlt's sql_database source: backend `pyarrow` or `connectorx`."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

import dlt
from dlt.sources.sql_database import sql_table


def main(backend: str, database: str) -> None:
    """Load the table once."""
    Path(database).unlink(missing_ok=True)
    url = os.environ["BENCH_POSTGRES_URL"]
    with tempfile.TemporaryDirectory() as home:
        pipeline = dlt.pipeline(
            "bench",
            pipelines_dir=home,
            destination=dlt.destinations.duckdb(database),
            dataset_name="bench",
        )
        table = sql_table(
            credentials=url.replace(":", "+psycopg2:", 1),  # SQLAlchemy 2.1 means psycopg else
            table="plays",
            schema="public",
            backend=backend,
            chunk_size=100_000,
            backend_kwargs={"conn": url} if backend == "connectorx" else None,
        )
        pipeline.run(table, write_disposition="replace")
        with pipeline.sql_client() as client:
            count = client.execute_sql("select count(*) from plays")[0][0]
    print(json.dumps({"rows": count}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
