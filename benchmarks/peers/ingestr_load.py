"""CSV or a PostgreSQL table to another place with ingestr's own program, then a count of rows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path


def main(source: str, table: str, destination: str) -> None:
    """Load once; ``postgres`` stands for the server of this benchmark."""
    url = os.environ["BENCH_POSTGRES_URL"] + "?sslmode=disable"
    program = Path(sysconfig.get_path("scripts"), "ingestr")
    command = [program, "ingest", "--yes", "--progress", "log"]
    command += ["--source-uri", url if source == "postgres" else source, "--source-table", table]
    command += ["--dest-uri", url if destination == "postgres" else destination]
    command += ["--dest-table", "ingestr_bench.plays"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{done.stdout[-400:]}\n{done.stderr[-400:]}")
    print(json.dumps({"rows": count(destination)}))


def count(destination: str) -> int:
    """Count the rows that arrived."""
    query = "select count(*) from ingestr_bench.plays"
    if destination == "postgres":
        import psycopg2

        connection = psycopg2.connect(os.environ["BENCH_POSTGRES_URL"])
        cursor = connection.cursor()
        cursor.execute(query)
        return int(cursor.fetchone()[0])
    import duckdb

    return int(duckdb.connect(destination.removeprefix("duckdb:///")).sql(query).fetchall()[0][0])


if __name__ == "__main__":
    main(*sys.argv[1:])
