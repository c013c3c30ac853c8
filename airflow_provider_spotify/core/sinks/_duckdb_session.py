"""Transactions and locks of a DuckDB file."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from airflow_provider_spotify.core.clients.duckdb import (
    duckdb_errors,
    file_lock,
    open_file,
    turn,
)
from airflow_provider_spotify.core.errors import TransientError
from airflow_provider_spotify.core.model import rooted
from airflow_provider_spotify.core.sinks._duckdb_types import DuckDBDialect, column_of
from airflow_provider_spotify.core.sinks.sql.dialect import Column
from airflow_provider_spotify.core.sinks.sql.session import Database, Session

if TYPE_CHECKING:
    import duckdb

    from airflow_provider_spotify.core.sinks.duckdb import DuckDBConfig


_LENT = "_lent_rows"
_LINGER, _LONGEST_OPEN = 0.25, 1.0
"""Seconds that a stream leaves the file open after a checkpoint, and that it stays open at all."""


class DuckDBSession(Session):
    """One transaction."""

    dialect = DuckDBDialect()
    keeps_open = False

    def __init__(self, connection: duckdb.DuckDBPyConnection, *, database: DuckDBDatabase) -> None:
        super().__init__()
        self._connection = connection
        self._database = database
        self._lends = False
        self._claims: dict[str, AbstractContextManager[None]] = {}
        self.schema = database.schema
        self._catalog = self.dialect.quote(database.catalog)

    def name(self, table: str) -> str:
        """Return a table's quoted name with its database, whose name a schema may share."""
        return f"{self._catalog}.{super().name(table)}"

    def prepare(self) -> None:
        """Create the schema if it is missing."""
        schema = self.dialect.quote(self.schema)
        self.execute(f"CREATE SCHEMA IF NOT EXISTS {self._catalog}.{schema}")

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows."""
        with duckdb_errors(self._database.path):
            relation: Any = self._connection.sql(sql, params=list(parameters) or None)
            if relation is None:
                return []
            columns = relation.to_arrow_table().columns
        return list(zip(*(column.to_pylist() for column in columns), strict=True))

    def is_settled(self, table: str) -> bool:
        """Say yes: nobody else writes to the file while this transaction lasts."""
        return True

    def described(self, table: str) -> dict[str, Column]:
        """Return a table's columns in order; empty where there is no table."""
        if not self._exists(table):
            return {}
        with duckdb_errors(self._database.path):
            relation = self._connection.sql(f"SELECT * FROM {self.name(table)} LIMIT 0")
            schema, types = relation.to_arrow_table().schema, relation.types
        found = (column_of(f, str(native)) for f, native in zip(schema, types, strict=True))
        return {self.dialect.fold(column.name): column for column in found}

    def _exists(self, table: str) -> bool:
        """Ask the catalogue first: DuckDB takes a missing table named csv or json for a file.

        Asking takes 10 ms in a file just opened (2026-11-22), so a table that was there is not
        asked for again.
        """
        listed = (
            "SELECT 1 FROM information_schema.tables WHERE table_catalog = current_database() "
            "AND lower(table_schema) = lower($1) AND lower(table_name) = lower($2)"
        )
        seen = self._database.seen
        if table not in seen and self.execute(listed, [self.schema, table]):
            seen.add(table)
        return table in seen

    def drop(self, table: str) -> None:
        """Drop a table if it is there."""
        self._database.seen.discard(table)
        super().drop(table)

    def ingest(
        self, table: str, *, columns: Sequence[Column], batches: Sequence[pa.RecordBatch]
    ) -> None:
        """Append batches."""
        names = self.dialect.names([column.name for column in columns])
        rows = pa.Table.from_batches(batches)
        if not rows.num_rows:
            return
        with duckdb_errors(self._database.path):
            self._connection.register("_arrow_rows", rows)
            sql = f"INSERT INTO {self.name(table)} ({names}) SELECT {names} FROM _arrow_rows"
            self._connection.execute(sql)
            self._connection.unregister("_arrow_rows")

    def lend(self, *, columns: Sequence[Column], batches: Sequence[pa.RecordBatch]) -> str:
        """Let DuckDB read the batches where they are."""
        self._connection.register(_LENT, pa.Table.from_batches(batches))
        self._lends = True
        quoted = [(self.dialect.quote(column.name), column.native) for column in columns]
        chosen = ", ".join(f"CAST({name} AS {native}) AS {name}" for name, native in quoted)
        return f"(SELECT {chosen} FROM {_LENT})"

    def claim(self, name: str) -> bool:
        """Lock a file until the transaction ends, if nobody has."""
        if name not in self._claims:
            lock = self._database.lock(name)
            try:
                lock.__enter__()
            except TransientError:
                return False
            self._claims[name] = lock
        return True

    def commit(self) -> None:
        """Commit, and close the file unless the next transaction follows soon."""
        with duckdb_errors(self._database.path):
            self._connection.execute("COMMIT")
            if self._lends:
                self._connection.unregister(_LENT)
        self._end(lingers=self._database.lingers)

    def rollback(self) -> None:
        """Close the file without committing."""
        self._database.seen.clear()
        self._end(lingers=False)

    def _end(self, *, lingers: bool) -> None:
        if self._connection is not None:
            self._database.give_back(self._connection, lingers=lingers)
            for lock in self._claims.values():
                lock.__exit__(None, None, None)
            self._claims.clear()
            self._connection = None  # type: ignore[assignment]


class DuckDBDatabase(Database):
    """A file that one transaction at a time has open."""

    dialect = DuckDBSession.dialect
    keeps_open = False

    def __init__(self, config: DuckDBConfig) -> None:
        self.path = rooted(config.path)
        self.schema = config.schema_
        self.buffer_bytes = config.buffer_bytes
        self.catalog = ""
        """The name that DuckDB gives to the file, known once it was open."""
        self.seen: set[str] = set()
        """Tables that were there; one that another drops meanwhile fails the load."""
        self._config = config
        self._turn = turn(self.path)
        self._lingering = Lingering()

    def begin(self) -> Session:
        """Wait for the file, open it and begin."""
        timeout = self._config.lock_timeout.total_seconds()
        started = time.monotonic()
        if not self._turn.acquire(timeout=timeout):
            raise TransientError(
                f"{self.path} is still in use by a thread of this process after {timeout:.0f} s"
            )
        try:
            connection = self._lingering.take()
            if connection is None:
                connection = self.connect(max(timeout - (time.monotonic() - started), 0))
                self._lingering.opened()
            session = DuckDBSession(connection, database=self)
        except BaseException:
            self._turn.release()
            raise
        try:
            with duckdb_errors(self.path):
                connection.execute("BEGIN")
        except BaseException:
            session.rollback()
            raise
        return session

    def connect(self, timeout: float) -> duckdb.DuckDBPyConnection:
        """Open the file with the settings of the destination."""
        connection = open_file(self.path, timeout=timeout)
        try:
            with duckdb_errors(self.path):
                connection.execute("SET TimeZone = 'UTC'")
                connection.execute("SET memory_limit = $1", [self._config.memory_limit])
                connection.execute("SET python_enable_replacements = false")
                if self._config.threads:
                    connection.execute("SET threads = $1", [self._config.threads])
                ((self.catalog,),) = connection.execute("SELECT current_database()").fetchall()
        except BaseException:
            connection.close()
            raise
        return connection

    def give_back(self, connection: duckdb.DuckDBPyConnection, *, lingers: bool) -> None:
        """Take the connection of a transaction that ended, and let the next thread write."""
        if not (lingers and self._lingering.keep(connection)):
            connection.close()
        self._turn.release()

    def close(self) -> None:
        """Close the file if it is still open."""
        self._lingering.end()

    def lock(self, name: str) -> AbstractContextManager[None]:
        """Lock a file beside the database."""
        safe = re.sub(r"[^A-Za-z0-9_.\-]", "_", name)
        return file_lock(Path(f"{self.path}.{safe}.lock"), what=f"a load of {name}")

    def exists(self) -> bool:
        """Say whether the file is there."""
        return Path(self.path).exists()


class Lingering:
    """A connection that waits a moment for the next transaction before it is closed.

    Opening and closing the file takes 20 of the 30 ms that a checkpoint of 100 rows does
    (2026-11-22).
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._timer: threading.Timer | None = None
        self._since = 0.0

    def opened(self) -> None:
        """Remember when the file was opened."""
        self._since = time.monotonic()

    def keep(self, connection: duckdb.DuckDBPyConnection) -> bool:
        """Keep a connection for a moment; say no if the file was open for long."""
        if time.monotonic() - self._since > _LONGEST_OPEN:
            return False
        with self._guard:
            self._connection = connection
            self._timer = threading.Timer(_LINGER, self.end)
            self._timer.daemon = True
            self._timer.start()
        return True

    def take(self) -> duckdb.DuckDBPyConnection | None:
        """Return the connection that was kept, if it is still open."""
        with self._guard:
            if self._timer is not None:
                self._timer.cancel()
            kept, self._connection, self._timer = self._connection, None, None
        return kept

    def end(self) -> None:
        """Close the connection that was kept."""
        if (kept := self.take()) is not None:
            kept.close()
