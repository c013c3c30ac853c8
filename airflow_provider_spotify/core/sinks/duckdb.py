"""DuckDB: one file for each tenant, the destination that needs no server."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import ConfigDict, Field

from airflow_provider_spotify.core.clients.duckdb import (
    duckdb_errors,
    file_lock,
    open_file,
    turn,
)
from airflow_provider_spotify.core.config.rules import Duration
from airflow_provider_spotify.core.errors import ConfigurationError, ImporterError, TransientError
from airflow_provider_spotify.core.model import DatasetName, Health, rooted
from airflow_provider_spotify.core.sinks.base import SinkConfig
from airflow_provider_spotify.core.sinks.sql.dialect import Column, Dialect
from airflow_provider_spotify.core.sinks.sql.session import Database, Session
from airflow_provider_spotify.core.sinks.sql.sink import SqlSink

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_BUFFER = 64 * 1024 * 1024
_NATIVE = {
    "bool": "BOOLEAN",
    "int8": "TINYINT",
    "int16": "SMALLINT",
    "int32": "INTEGER",
    "int64": "BIGINT",
    "uint8": "UTINYINT",
    "uint16": "USMALLINT",
    "uint32": "UINTEGER",
    "uint64": "UBIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "string": "VARCHAR",
    "binary": "BLOB",
    "date32[day]": "DATE",
    "time64[us]": "TIME",
    "timestamp[us]": "TIMESTAMP",
    "timestamp[us, tz=UTC]": "TIMESTAMP WITH TIME ZONE",
    "duration[us]": "INTERVAL",
    "null": "VARCHAR",
}


class DuckDBConfig(SinkConfig):
    """Where the file is and how DuckDB may use the machine."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    path: str = Field(description="the database file; created with its folder if missing")
    schema_: str = Field("main", alias="schema", description="created if missing")
    lock_timeout: Duration = Field(
        timedelta(minutes=5), description="how long to wait while another process writes"
    )
    memory_limit: str = Field("512MB", description="above it DuckDB spills to disk")
    buffer_bytes: int = Field(_BUFFER, ge=1, description="rows kept in memory between writes")
    threads: int | None = Field(None, ge=1, description="one for each core by default")


class DuckDBDialect(Dialect):
    """DuckDB compares names without regard to ASCII case, and keeps nested values nested."""

    def fold(self, name: str) -> str:
        """Return the name in lower case, as far as DuckDB does so."""
        return name.encode().lower().decode()

    def store(self, type_: pa.DataType) -> pa.DataType:
        """Return the Arrow type under which values are stored; decimals above 38 digits as text."""
        import pyarrow as pa

        from airflow_provider_spotify.core.sinks.sql.types import plain

        stored = plain(type_)
        return pa.string() if pa.types.is_decimal256(stored) else stored

    def native(self, type_: pa.DataType) -> str:
        """Spell a type in DuckDB's SQL."""
        import pyarrow as pa

        from airflow_provider_spotify.core.sinks.sql.types import is_json

        if is_json(type_):
            return "JSON"
        if pa.types.is_decimal(type_):
            return f"DECIMAL({type_.precision},{type_.scale})"
        if pa.types.is_struct(type_):
            fields = (f"{self.quote(f.name)} {self.native(f.type)}" for f in type_)
            return f"STRUCT({', '.join(fields)})"
        if pa.types.is_map(type_):
            return f"MAP({self.native(type_.key_type)}, {self.native(type_.item_type)})"
        if pa.types.is_list(type_):
            return f"{self.native(type_.value_type)}[]"
        return _NATIVE[str(type_)]

    def cast(self, expression: str, *, old: Column, new: Column) -> str:
        """Return SQL that converts a value; a nested one becomes JSON when it becomes text."""
        import pyarrow as pa

        nested = old.type is not None and pa.types.is_nested(old.type)
        if nested and new.native in ("VARCHAR", "JSON"):
            return f"CAST(to_json({expression}) AS {new.native})"
        return super().cast(expression, old=old, new=new)


class DuckDBSession(Session):
    """One transaction; the file is open only as long as it lasts."""

    dialect = DuckDBDialect()
    keeps_open = False

    def __init__(self, connection: duckdb.DuckDBPyConnection, *, database: DuckDBDatabase) -> None:
        self._connection = connection
        self._database = database
        self.schema = database.schema
        self._catalog = self.dialect.quote(catalog(connection))

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

    def columns(self, table: str) -> dict[str, Column]:
        """Return a table's columns in order; empty where there is no table."""
        # Asked of the catalogue first: DuckDB takes a missing table named csv or json for a file.
        listed = (
            "SELECT 1 FROM information_schema.tables WHERE table_catalog = current_database() "
            "AND lower(table_schema) = lower($1) AND lower(table_name) = lower($2)"
        )
        if not self.execute(listed, [self.schema, table]):
            return {}
        with duckdb_errors(self._database.path):
            relation = self._connection.sql(f"SELECT * FROM {self.name(table)} LIMIT 0")
            schema, types = relation.to_arrow_table().schema, relation.types
        found = (_column(f, str(native)) for f, native in zip(schema, types, strict=True))
        return {self.dialect.fold(column.name): column for column in found}

    def ingest(
        self, table: str, *, columns: Sequence[Column], batches: Sequence[pa.RecordBatch]
    ) -> None:
        """Append batches."""
        import pyarrow as pa

        names = self.dialect.names([column.name for column in columns])
        rows = pa.Table.from_batches(batches)
        if not rows.num_rows:
            return
        with duckdb_errors(self._database.path):
            self._connection.register("_arrow_rows", rows)
            sql = f"INSERT INTO {self.name(table)} ({names}) SELECT {names} FROM _arrow_rows"
            self._connection.execute(sql)
            self._connection.unregister("_arrow_rows")

    def commit(self) -> None:
        """Commit and close the file."""
        with duckdb_errors(self._database.path):
            self._connection.execute("COMMIT")
        self._close()

    def rollback(self) -> None:
        """Close the file without committing."""
        self._close()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._database.release()
            self._connection = None  # type: ignore[assignment]


def catalog(connection: duckdb.DuckDBPyConnection) -> str:
    """Return the name that DuckDB gave to the open file."""
    return str(connection.sql("SELECT current_database()").fetchall()[0][0])


def _column(field: pa.Field, native: str) -> Column:
    """Return a column; a type that this package would spell otherwise is the user's own."""
    import pyarrow as pa

    dialect = DuckDBSession.dialect
    if native == "INTERVAL":
        return Column(field.name, native, pa.duration("us"))
    if native == "JSON":
        return Column(field.name, native, pa.json_(pa.string()))
    stored = dialect.store(field.type)
    ours = pa.types.is_nested(stored) or dialect.native(stored) == native
    return Column(field.name, native, stored if ours else None)


class DuckDBDatabase(Database):
    """A file that one transaction at a time has open."""

    dialect = DuckDBSession.dialect
    keeps_open = False

    def __init__(self, config: DuckDBConfig) -> None:
        self.path = rooted(config.path)
        self.schema = config.schema_
        self.buffer_bytes = config.buffer_bytes
        self._config = config
        self._turn = turn(self.path)

    def begin(self) -> Session:
        """Wait for the file, open it and begin."""
        timeout = self._config.lock_timeout.total_seconds()
        started = time.monotonic()
        if not self._turn.acquire(timeout=timeout):
            raise TransientError(
                f"{self.path} is still in use by a thread of this process after {timeout:.0f} s"
            )
        try:
            connection = self.connect(max(timeout - (time.monotonic() - started), 0))
            session = DuckDBSession(connection, database=self)
        except BaseException:
            self.release()
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
        except BaseException:
            connection.close()
            raise
        return connection

    def release(self) -> None:
        """Let the next thread of this process write."""
        self._turn.release()

    def lock(self, name: str) -> AbstractContextManager[None]:
        """Lock a file beside the database."""
        safe = re.sub(r"[^A-Za-z0-9_.\-]", "_", name)
        return file_lock(Path(f"{self.path}.{safe}.lock"), what=f"a load of {name}")

    def exists(self) -> bool:
        """Say whether the file is there."""
        return Path(self.path).exists()


class DuckDBSink(SqlSink[DuckDBConfig]):
    """A DuckDB file."""

    Config: ClassVar[type[SinkConfig]] = DuckDBConfig

    def database(self) -> DuckDBDatabase:
        """Return the file, closed."""
        return DuckDBDatabase(self.config)

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        """Run a read-only query; ``$1``, ``$2`` … or ``?`` stand for the parameters.

        :raises ConfigurationError: if there is no database yet, or the query is wrong
        """
        database = self.database()
        if not database.exists():
            raise ConfigurationError(f"{database.path} is not there: nothing was imported yet")
        connection = database.connect(self.config.lock_timeout.total_seconds())
        try:
            with duckdb_errors(database.path):
                connection.execute("BEGIN TRANSACTION READ ONLY")
                quote = database.dialect.quote
                connection.execute(f"USE {quote(catalog(connection))}.{quote(database.schema)}")
                return connection.sql(sql, params=list(parameters) or None).to_arrow_table()
        finally:
            connection.close()

    def check(self) -> Health:
        """Open the file, creating it if it is missing."""
        started = time.monotonic()
        try:
            with self.database().transaction() as session:
                ((version,),) = session.execute("SELECT version()")
        except (ImporterError, OSError) as error:
            return Health(ok=False, message=str(error), seconds=time.monotonic() - started)
        message = f"DuckDB {version}, {rooted(self.config.path)}"
        return Health(ok=True, message=message, seconds=time.monotonic() - started)

    def dataset(self, table: str) -> DatasetName:
        """Name a table by its file: OpenLineage has no convention for DuckDB."""
        path = Path(rooted(self.config.path))
        return DatasetName(f"duckdb://{path}", f"{path.stem}.{self.config.schema_}.{table}")


SINK = DuckDBSink
