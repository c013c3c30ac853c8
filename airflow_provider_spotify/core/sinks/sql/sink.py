"""The SQL sink: what every database answers the same way."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import LOAD_ID, Cursor
from airflow_provider_spotify.core.sinks.base import (
    LedgerEntry,
    Load,
    LoadSpec,
    Sink,
    SinkConfig,
)
from airflow_provider_spotify.core.sinks.sql import ledger as books

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_provider_spotify.core.sinks.sql.load import SqlLoad
    from airflow_provider_spotify.core.sinks.sql.session import Database, Session

C = TypeVar("C", bound=SinkConfig)
_PAGE = 10_000


class SqlSink(Sink[C]):
    """A sink whose state is the ledger ``_imports`` beside the tables."""

    @abstractmethod
    def database(self) -> Database:
        """Return the database, unconnected; each load has its own."""

    def _for_load(self, spec: LoadSpec) -> tuple[Database, type[SqlLoad]]:
        """Return the database of one load, and what its loads are."""
        from airflow_provider_spotify.core.sinks.sql.load import SqlLoad  # loads pyarrow

        return self.database(), SqlLoad

    def begin(self, spec: LoadSpec) -> Load:
        """Open a load; see the base class. Different partitions or parts do not exclude each other.

        :raises ConfigurationError: if the load belongs to another tenant than the sink
        :raises TransientError: if another load of the same import is under way
        """
        from airflow_provider_spotify.core.sinks.sql.parts import lock_name  # loads pyarrow

        if spec.tenant != self.tenant:
            raise ConfigurationError(
                f"a load of tenant {spec.tenant!r} was begun in a sink of tenant {self.tenant!r}"
            )
        database, load = self._for_load(spec)
        try:
            lock = database.lock(lock_name(spec, part=spec.run.part))
            lock.__enter__()
            try:
                return load(spec, database=database, lock=lock)
            except BaseException:
                lock.__exit__(None, None, None)
                raise
        except BaseException:
            database.close()
            raise

    @contextmanager
    def _ledger(self, import_name: str) -> Iterator[books.Ledger | None]:
        """Yield the ledger of an import; None where nothing was ever loaded."""
        database = self.database()
        if not database.exists():
            yield None
            return
        try:
            with database.transaction() as session:
                known = bool(session.columns(books.TABLE))
                tenant = self.tenant
                ledger = books.Ledger(session, tenant=tenant, import_name=import_name)
                yield ledger if known else None
        finally:
            database.close()

    def cursor(self, import_name: str) -> Cursor | None:
        """Return the committed cursor of an import."""
        with self._ledger(import_name) as ledger:
            latest = ledger.latest() if ledger else None
        return latest.cursor_after if latest else None

    def schema(self, import_name: str) -> pa.Schema | None:
        """Return the contract's schema of an import as last committed."""
        with self._ledger(import_name) as ledger:
            return books.decoded(ledger.schema()) if ledger else None

    def history(self, import_name: str, *, limit: int = 20) -> Sequence[LedgerEntry]:
        """Return the latest ledger rows of an import, newest first."""
        with self._ledger(import_name) as ledger:
            records = ledger.all(limit=limit) if ledger else []
        return [record.entry() for record in records]

    def rejected(self, table: str, *, replayed: bool = False) -> Iterator[pa.RecordBatch]:
        """Yield the rejected records of a table that no replay has taken yet (or all).

        After the columns of ``REJECTED_SCHEMA`` come ``_load_id``, ``rejected_at`` and
        ``replayed_by``.
        """
        import pyarrow as pa

        from airflow_provider_spotify.core.rejects import REJECTED_SCHEMA
        from airflow_provider_spotify.core.sinks.sql.rejected import REJECTED_AT, REPLAYED_BY
        from airflow_provider_spotify.core.sinks.sql.types import UTC

        own = [(LOAD_ID, pa.int64()), (REJECTED_AT, UTC), (REPLAYED_BY, pa.int64())]
        schema = pa.schema([*REJECTED_SCHEMA, *(pa.field(*field) for field in own)])
        rows = self._rejected_rows(table, names=schema.names, replayed=replayed)
        for start in range(0, len(rows), _PAGE):
            columns = zip(*rows[start : start + _PAGE], strict=True)
            arrays = [pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    def values(
        self, table: str, column: str, *, missing_from: tuple[str, str] | None = None
    ) -> Sequence[Any]:
        """Return the distinct values of a column, in order; none if there is no such table.

        :param missing_from: a table and column; leave out the values that stand there
        :raises ConfigurationError: if the table has no such column
        """
        with self._reading(table) as session:
            if session is None:
                return []
            if column not in session.columns(table):
                raise ConfigurationError(f"table {table!r} has no column {column!r}")
            quote, wanted = session.dialect.quote, session.dialect.quote(column)
            sql = f"SELECT DISTINCT {wanted} FROM {session.name(table)} WHERE {wanted} IS NOT NULL"
            if missing_from and missing_from[1] in session.columns(missing_from[0]):
                own, held = session.name(missing_from[0]), quote(missing_from[1])
                sql += f" AND {wanted} NOT IN (SELECT {held} FROM {own} WHERE {held} IS NOT NULL)"
            return [value for (value,) in session.execute(f"{sql} ORDER BY 1")]

    def _rejected_rows(
        self, table: str, *, names: Sequence[str], replayed: bool
    ) -> list[tuple[object, ...]]:
        from airflow_provider_spotify.core.sinks.sql.rejected import REPLAYED_BY, rejected_table

        name = rejected_table(table, self.database().dialect)
        with self._reading(name) as session:
            if session is None:
                return []
            open_ = "" if replayed else f" WHERE {session.dialect.quote(REPLAYED_BY)} IS NULL"
            listed = session.dialect.names(names)
            return session.execute(f"SELECT {listed} FROM {session.name(name)}{open_}")

    @contextmanager
    def _reading(self, table: str) -> Iterator[Session | None]:
        """Yield a session that may read a table, or None if it is not there."""
        database = self.database()
        if not database.exists():
            yield None
            return
        try:
            with database.transaction() as session:
                yield session if session.columns(table) else None
        finally:
            database.close()
