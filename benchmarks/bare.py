"""The plainest way to do each job with the library that is best at it, in a fresh process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

POSTGRES = "BENCH_POSTGRES_URL"
COLUMNS = (
    "event_id bigint, user_id bigint, user_name text, track text, duration_s int, "
    "volume double precision, skipped boolean, played_at timestamp"
)


def duckdb_read_csv(path: str, database: str) -> int:
    """CSV to DuckDB by DuckDB itself."""
    import duckdb

    Path(database).unlink(missing_ok=True)
    with duckdb.connect(database) as db:
        db.execute("create table bench as select * from read_csv(?)", [path])
        return int(db.execute("select count(*) from bench").fetchone()[0])


def psql_copy(path: str) -> int:
    r"""CSV to PostgreSQL by psql's \copy, into a table that somebody typed by hand."""
    statements = (
        f"create schema psql_bench; create table psql_bench.plays ({COLUMNS})",
        f"\\copy psql_bench.plays from '{path}' with (format csv, header)",
        "select count(*) from psql_bench.plays",
    )
    command = ["psql", os.environ[POSTGRES], "-qAt"]
    for statement in statements:
        command += ["-c", statement]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(done.stdout.split()[-1])


def connectorx_stream(database: str) -> int:
    """PostgreSQL to DuckDB: a bare connectorx stream, inserted as it comes."""
    import connectorx
    import duckdb

    Path(database).unlink(missing_ok=True)
    reader = connectorx.read_sql(
        os.environ[POSTGRES],
        "select * from plays",
        return_type="arrow_stream",
        batch_size=100_000,
    )
    with duckdb.connect(database) as db:
        db.register("arriving", reader)
        db.execute("create table bench as select * from arriving")
        return int(db.execute("select count(*) from bench").fetchone()[0])


def adbc_read(database: str) -> int:
    """PostgreSQL to DuckDB: an ADBC reader, inserted as it comes."""
    import adbc_driver_postgresql.dbapi as adbc
    import duckdb

    Path(database).unlink(missing_ok=True)
    with (
        adbc.connect(os.environ[POSTGRES]) as connection,
        connection.cursor() as cursor,
        duckdb.connect(database) as db,
    ):
        cursor.execute("select * from plays")
        reader = cursor.fetch_record_batch()
        db.register("arriving", reader)
        db.execute("create table bench as select * from arriving")
        return int(db.execute("select count(*) from bench").fetchone()[0])


def tidy(schema: str, *files: str) -> int:
    """Prepare a run: forget what an earlier one left, and let the server settle."""
    import psycopg

    for file in files:
        Path(file).unlink(missing_ok=True)
    with psycopg.connect(os.environ[POSTGRES], autocommit=True) as connection:
        connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        connection.execute("CHECKPOINT")
    return 0


def fill(path: str) -> int:
    """Prepare a case: put a CSV file into the table ``plays``, once for each server."""
    import psycopg

    with psycopg.connect(os.environ[POSTGRES], autocommit=True) as connection:
        if connection.execute("SELECT to_regclass('plays')").fetchone() == (None,):
            connection.execute(f"CREATE TABLE plays ({COLUMNS})")
            statement = "COPY plays FROM STDIN (FORMAT csv, HEADER)"
            with Path(path).open("rb") as file, connection.cursor().copy(statement) as copy:
                while part := file.read(1 << 20):
                    copy.write(part)
            connection.execute("VACUUM ANALYZE plays")
        return int(connection.execute("SELECT count(*) FROM plays").fetchone()[0])


WAYS = {
    way.__name__: way
    for way in (duckdb_read_csv, psql_copy, connectorx_stream, adbc_read, tidy, fill)
}

if __name__ == "__main__":
    print(json.dumps({"rows": WAYS[sys.argv[1]](*sys.argv[2:])}))
