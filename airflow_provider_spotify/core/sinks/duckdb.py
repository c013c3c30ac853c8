"""DuckDB: one file for each tenant, the destination that needs no server."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import ConfigDict, Field

from airflow_provider_spotify.core.clients.duckdb import duckdb_errors
from airflow_provider_spotify.core.config.rules import Duration
from airflow_provider_spotify.core.errors import ConfigurationError, ImporterError
from airflow_provider_spotify.core.model import DatasetName, Health, rooted
from airflow_provider_spotify.core.sinks.base import SinkConfig
from airflow_provider_spotify.core.sinks.sql.sink import SqlSink

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_provider_spotify.core.sinks._duckdb_session import DuckDBDatabase

_BUFFER = 64 * 1024 * 1024


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


class DuckDBSink(SqlSink[DuckDBConfig]):
    """A DuckDB file.

    Only one process at a time can have it open. A load opens it for each write and closes it
    again, and so others read it in between. While a stream checkpoints several times a second, the
    file stays open between two of them, up to a second; those who wait for it get it then.
    """

    Config: ClassVar[type[SinkConfig]] = DuckDBConfig

    def database(self) -> DuckDBDatabase:
        """Return the file, closed."""
        from airflow_provider_spotify.core.sinks._duckdb_session import DuckDBDatabase

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
                connection.execute(f"USE {quote(database.catalog)}.{quote(database.schema)}")
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
