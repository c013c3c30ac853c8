"""A ClickHouse database as one load sees it: its locks, its transactions, and what a crash left."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from airflow_provider_spotify.core.clients.clickhouse import identifier, literal
from airflow_provider_spotify.core.errors import ImporterError, TransientError
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sinks._clickhouse_intents import Intent, Intents
from airflow_provider_spotify.core.sinks._clickhouse_locks import Holder, Locks, lock_table
from airflow_provider_spotify.core.sinks._clickhouse_server import ClickHouseServer
from airflow_provider_spotify.core.sinks._clickhouse_session import ClickHouseSession
from airflow_provider_spotify.core.sinks._clickhouse_tables import ClickHouseTables
from airflow_provider_spotify.core.sinks.sql.session import Database


class ClickHouseDatabase(Database):
    """A database of a server, as one load sees it.

    :param target: the table of the load, and its key if it is merged or versioned
    """

    dialect = ClickHouseSession.dialect
    keeps_open = False

    def __init__(
        self,
        credentials: Credentials,
        *,
        schema: str,
        buffer_bytes: int,
        compress: str | None,
        target: str | None = None,
        key: Sequence[str] = (),
    ) -> None:
        self.schema = schema
        self.buffer_bytes = buffer_bytes
        self.target = target
        self._key = key
        self.server = ClickHouseServer(credentials, compress=compress)
        self.locks = Locks(self.server, database=schema)
        self.intents = Intents(self.server, self.locks, database=schema)
        self.tables = ClickHouseTables(self.server, schema, dialect=self.dialect)
        self.chain = ""

    @property
    def prefix(self) -> str:
        """How the names of what this load prepares begin."""
        return f"_tx_{self.chain}_"

    def key_of(self, table: str) -> Sequence[str]:
        """Return what a new table is ordered by."""
        return self._key if table == self.target else ()

    def next_number(self) -> int:
        """Return a number that no other transaction has."""
        return secrets.randbits(62) + 1

    def begin(self) -> ClickHouseSession:
        """Begin a transaction; nothing is asked of the server yet."""
        return ClickHouseSession(self)

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Exclude others who lock the same name, and finish what a dead one had decided."""
        taken = self.locks.take(name, patience=0)
        if isinstance(taken, Holder):
            raise TransientError(f"a load of {name} is under way: {taken}; try again later")
        self.chain = lock_table(name).removeprefix("_lock_")
        try:
            self.recover(lambda intent: intent.chain == self.chain)
            self._clear()
            yield
        finally:
            with suppress(ImporterError):  # then it expires
                self.locks.release(taken)

    def recover(self, wanted: Callable[[Intent], bool]) -> None:
        """Finish what dead loaders had decided, as far as it is wanted."""
        for intent, loads in self.intents.pending(wanted):
            self.intents.fulfil(intent, loads, again=True)

    def exists(self) -> bool:
        """Say whether the database is there."""
        its = f"SELECT 1 FROM system.databases WHERE name = {literal(self.schema)}"
        return bool(self.server.rows(its))

    def close(self) -> None:
        """Disconnect."""
        self.server.close()

    def _clear(self) -> None:
        """Drop what earlier loads of this import prepared and nobody needs any more."""
        for table in self.tables.beginning(self.prefix):
            self.server.run(f"DROP TABLE IF EXISTS {identifier(self.schema, table)} SYNC")
