"""ClickHouse: a database for each tenant, whose parts and tables are swapped to publish."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from airflow_provider_spotify.core.clients.clickhouse import (
    database,
    identifier,
    literal,
    server,
)
from airflow_provider_spotify.core.errors import ConfigurationError, ImporterError
from airflow_provider_spotify.core.model import DatasetName, Health
from airflow_provider_spotify.core.sinks.base import LoadSpec, SinkConfig
from airflow_provider_spotify.core.sinks.sql.sink import SqlSink

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_provider_spotify.core.sinks._clickhouse_database import ClickHouseDatabase
    from airflow_provider_spotify.core.sinks._clickhouse_ledger import ClickHouseLedger
    from airflow_provider_spotify.core.sinks.sql.load import SqlLoad
    from airflow_provider_spotify.core.sinks.sql.session import Database

_OLDEST = (25, 8)
"""Time64, CLONE AS and IS DISTINCT FROM in any condition are there since then."""
_VERB = re.compile(r"(?:\s|\(|--[^\n]*\n|/\*.*?\*/)*([A-Za-z]+)", re.DOTALL)
_READS = ("SELECT", "WITH")


class ClickhouseConfig(SinkConfig):
    """Where on the server of the connection the tables are."""

    database: str | None = Field(
        None, description="created if missing; the connection's own by default"
    )
    buffer_bytes: int = Field(
        128 * 1024 * 1024, ge=1, description="rows kept in memory between inserts"
    )
    compression: Literal["none", "lz4", "zstd"] = Field(
        "none", description="of what is sent: worth it where the network is slow"
    )


class ClickhouseSink(SqlSink[ClickhouseConfig]):
    """A database of a ClickHouse server, version 25.8 or later."""

    Config: ClassVar[type[SinkConfig]] = ClickhouseConfig
    conn_type = "clickhouse"
    extra = "database"

    def _for_load(self, spec: LoadSpec) -> tuple[Database, type[SqlLoad]]:
        from airflow_provider_spotify.core.sinks._clickhouse_load import ClickHouseLoad

        return self.database(spec), ClickHouseLoad

    def database(self, spec: LoadSpec | None = None) -> ClickHouseDatabase:
        """Return the database, unconnected; of a load, it knows what the table is ordered by."""
        from airflow_provider_spotify.core.sinks._clickhouse_database import ClickHouseDatabase

        dialect, keyed = ClickHouseDatabase.dialect, ("merge", "scd2")
        key = spec.write.key if spec and spec.write.mode in keyed else ()
        compression = self.config.compression
        return ClickHouseDatabase(
            self.credentials,
            schema=self._database,
            buffer_bytes=self.config.buffer_bytes,
            compress=None if compression == "none" else compression,
            target=dialect.fit(spec.table) if spec else None,
            key=[dialect.fit(name) for name in key],
        )

    @property
    def _database(self) -> str:
        return self.config.database or database(self.credentials)

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        """Run a read-only query; ``$1``, ``$2`` … stand for the parameters.

        JSON comes as text. A String column comes as bytes where a table of this database says so
        of a column of that name, or where it is not UTF-8.

        :raises ConfigurationError: if the query is wrong, or is none
        """
        from airflow_provider_spotify.core.sinks import _clickhouse_types as types

        statement = types.bound(sql, parameters).strip().rstrip(";")
        if not (verb := _VERB.match(statement)) or verb[1].upper() not in _READS:
            raise ConfigurationError(
                f"a destination is queried read-only, by {', '.join(_READS)}; "
                f"this statement begins with {statement[:20]!r}"
            )
        opened = self.database()
        try:
            settings = {"readonly": "2", "database": self._database}
            found = opened.server.table(statement, **settings)
            described = opened.server.rows(f"DESCRIBE TABLE ({statement}\n)", **settings)
            marked = opened.server.rows(
                "SELECT DISTINCT name FROM system.columns WHERE comment = 'binary' "
                f"AND database = {literal(self._database)}"
            )
            binary = frozenset(str(name) for (name,) in marked)
            return types.restored(found, [str(row[1]) for row in described], binary=binary)
        finally:
            opened.close()

    def check(self) -> Health:
        """Connect, and look at the version and at the rights."""
        started = time.monotonic()
        opened = self.database()
        try:
            ((version,),) = opened.server.rows("SELECT version()")
            rights = f"CHECK GRANT CREATE TABLE, INSERT, SELECT ON {identifier(self._database)}.*"
            granted = opened.server.said(rights) == "1"
        except ImporterError as error:
            return Health(ok=False, message=str(error), seconds=time.monotonic() - started)
        finally:
            opened.close()
        ok, message = True, f"ClickHouse {version}, database {self._database}"
        if tuple(int(part) for part in str(version).split(".")[:2]) < _OLDEST:
            ok, message = False, f"ClickHouse {version} is too old; 25.8 or later is needed"
        elif not granted:
            ok = False
            message = f"the login may not create tables in database {self._database!r}"
        return Health(ok=ok, message=message, seconds=time.monotonic() - started)

    def dataset(self, table: str) -> DatasetName:
        """Name a table in the manner of OpenLineage."""
        return DatasetName(f"clickhouse://{server(self.credentials)}", f"{self._database}.{table}")

    @contextmanager
    def _ledger(self, import_name: str) -> Iterator[ClickHouseLedger | None]:
        """Yield the ledger of an import; None where nothing was ever loaded."""
        from airflow_provider_spotify.core.sinks._clickhouse_ledger import ClickHouseLedger
        from airflow_provider_spotify.core.sinks.sql.ledger import TABLE

        opened = self.database()
        try:
            session = opened.begin()
            known = opened.exists() and bool(session.columns(TABLE))
            ledger = ClickHouseLedger(session, tenant=self.tenant, import_name=import_name)
            yield ledger if known else None
        finally:
            opened.close()


SINK = ClickhouseSink
