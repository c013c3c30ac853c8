"""PostgreSQL: a schema for each tenant, filled by binary COPY."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import ConfigDict, Field

from airflow_provider_spotify.core.clients.postgres import connect, postgres_errors
from airflow_provider_spotify.core.errors import ImporterError
from airflow_provider_spotify.core.model import DatasetName, Health
from airflow_provider_spotify.core.sinks.base import SinkConfig
from airflow_provider_spotify.core.sinks.sql.sink import SqlSink

if TYPE_CHECKING:
    import psycopg
    import pyarrow as pa

    from airflow_provider_spotify.core.sinks._postgres_session import PostgresDatabase

_OLDEST = 150_000
"""MERGE came with PostgreSQL 15 (https://www.postgresql.org/docs/15/release-15.html)."""
_OID_TYPES = {
    16: "bool_",
    17: "binary",
    20: "int64",
    21: "int16",
    23: "int32",
    700: "float32",
    701: "float64",
    1082: "date32",
}
_NUMERIC, _TIME, _TIMESTAMP, _TIMESTAMPTZ, _INTERVAL = 1700, 1083, 1114, 1184, 1186


class PostgresConfig(SinkConfig):
    """Where in the database of the connection the tables are."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    schema_: str = Field("public", alias="schema", description="created if missing")
    buffer_bytes: int = Field(
        32 * 1024 * 1024, ge=1, description="rows kept in memory between writes"
    )
    unlogged: bool = Field(
        True, description="keep staging out of the write-ahead log; a crash restarts the load"
    )


class PostgresSink(SqlSink[PostgresConfig]):
    """A schema of a PostgreSQL database, version 15 or later."""

    Config: ClassVar[type[SinkConfig]] = PostgresConfig
    conn_type = "postgres"
    extra = "database"

    def database(self) -> PostgresDatabase:
        """Return the schema, unconnected."""
        from airflow_provider_spotify.core.sinks._postgres_session import PostgresDatabase

        config = self.config
        return PostgresDatabase(
            self.credentials,
            schema=config.schema_,
            unlogged=config.unlogged,
            buffer_bytes=config.buffer_bytes,
        )

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        """Run a read-only query; ``$1``, ``$2`` … stand for the parameters.

        The tenant's schema comes first in the search path. JSON, and types that Arrow does not
        have, come as text.
        """
        database = self.database()
        quoted = database.dialect.quote(database.schema)
        try:
            with postgres_errors(self.credentials):
                database.connection.execute(b"BEGIN READ ONLY")
                database.connection.execute(f"SET LOCAL search_path = {quoted}, public".encode())
                cursor = database.connection.execute(sql.encode(), list(parameters) or None)
                return _table(cursor)
        finally:
            database.close()

    def check(self) -> Health:
        """Connect, and look at the version and at the rights."""
        started = time.monotonic()
        try:
            with connect(self.credentials) as connection, postgres_errors(self.credentials):
                found = connection.execute(_RIGHTS, [self.config.schema_]).fetchone()
                version = connection.info.server_version
        except ImporterError as error:
            return Health(ok=False, message=str(error), seconds=time.monotonic() - started)
        shown = f"PostgreSQL {version // 10_000}.{version % 10_000}"
        ok, message = True, f"{shown}, schema {self.config.schema_}"
        if version < _OLDEST:
            ok, message = False, f"{shown} has no MERGE; version 15 or later is needed"
        elif not (found and found[0]):
            ok = False
            message = f"the login may not create tables in schema {self.config.schema_!r}"
        return Health(ok=ok, message=message, seconds=time.monotonic() - started)

    def dataset(self, table: str) -> DatasetName:
        """Name a table: https://openlineage.io/docs/spec/naming/#postgres."""
        host, port = self.credentials.host or "localhost", self.credentials.port or 5432
        database = self.credentials.database or self.credentials.login or "postgres"
        name = f"{database}.{self.config.schema_}.{table}"
        return DatasetName(f"postgres://{host}:{port}", name)


_RIGHTS = b"""
SELECT coalesce(
    (SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace WHERE nspname = $1),
    has_database_privilege(current_database(), 'CREATE'))
"""


def _table(cursor: psycopg.Cursor[tuple[Any, ...]]) -> pa.Table:
    """Return the rows of a query as Arrow, also when there are none."""
    import pyarrow as pa

    described = cursor.description or []
    rows = cursor.fetchall() if described else []
    columns = list(zip(*rows, strict=True)) or [()] * len(described)
    arrays = [
        _array(values, oid=column.type_code)
        for values, column in zip(columns, described, strict=True)
    ]
    return pa.Table.from_arrays(arrays, names=[column.name for column in described])


def _array(values: Sequence[Any], *, oid: int) -> pa.Array:
    import pyarrow as pa

    if oid in _OID_TYPES:
        return pa.array(values, getattr(pa, _OID_TYPES[oid])())
    if oid in (_TIMESTAMP, _TIMESTAMPTZ):
        return pa.array(values, pa.timestamp("us", "UTC" if oid == _TIMESTAMPTZ else None))
    if oid == _TIME:
        return pa.array(values, pa.time64("us"))
    if oid == _INTERVAL:
        return pa.array(values, pa.duration("us"))
    if oid == _NUMERIC:
        known = any(value is not None for value in values)
        return pa.array(values) if known else pa.nulls(len(values), pa.decimal128(38, 9))
    if any(isinstance(value, list) for value in values):
        return pa.array(values)
    return pa.array([None if v is None else str(v) for v in values], pa.string())


SINK = PostgresSink
