"""The Delta tables of one schema as one import sees them: numbers, intents and locks."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING

import pyarrow as pa

from airflow_provider_spotify.core.clients.delta import Place, delta_errors, retried
from airflow_provider_spotify.core.errors import TransientError
from airflow_provider_spotify.core.sinks import _delta_rejects as rejects
from airflow_provider_spotify.core.sinks._delta_engine import Engine
from airflow_provider_spotify.core.sinks._delta_ledger import Book, Intent
from airflow_provider_spotify.core.sinks._delta_locks import lock
from airflow_provider_spotify.core.sinks._delta_session import DeltaSession
from airflow_provider_spotify.core.sinks._delta_staging import Staging
from airflow_provider_spotify.core.sinks._delta_types import DIALECT
from airflow_provider_spotify.core.sinks.sql.session import Database, Session

if TYPE_CHECKING:
    from deltalake import CommitProperties, DeltaTable

    from airflow_provider_spotify.core.sinks.delta import DeltaConfig

_NO_CHAIN = ""


class DeltaDatabase(Database):
    """The tables of one schema as one import sees them."""

    dialect = DIALECT
    keeps_open = False

    def __init__(
        self, config: DeltaConfig, place: Place, *, tenant: str, import_name: str, app: str
    ) -> None:
        self.place = place
        self.schema = config.schema_
        self.buffer_bytes = config.buffer_bytes
        self.staging = Staging(place, config.schema_)
        self.book = Book(place, schema=config.schema_, tenant=tenant, import_name=import_name)
        self.app = app
        self.chain = _NO_CHAIN
        self._config = config
        self._engine: Engine | None = None
        self._opened: dict[str, DeltaTable] = {}
        self.facts: dict[str, str] = {}
        """What the information of a data commit says of the load."""
        self._number = 0

    def begin(self) -> Session:
        """Read what is new in the ledger; end what others who are dead had begun."""
        self.book.sync()
        self._resolve()
        engine = self.engine()
        engine.learn(self.book.told(), self.book.rows)
        return DeltaSession(self)

    def engine(self) -> Engine:
        """Return the engine, started when first asked for."""
        if self._engine is None:
            config = self._config
            self._engine = Engine(memory_limit=config.memory_limit, threads=config.threads)
            self._engine.learn(self.book.rows.keys(), self.book.rows)
        return self._engine

    def opened(self, table: str) -> DeltaTable | None:
        """Return a table as it is now; None if it is not there."""
        if (known := self._opened.get(table)) is not None:
            known.update_incremental()
            return known
        found = self.place.table(self.schema, table)
        if found is not None:
            self._opened[table] = found
        return found

    def forget(self) -> None:
        """Close the engine; the next transaction starts another."""
        self._opened.clear()
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def close(self) -> None:
        """Close the engine, and tidy the ledger up if this was a load."""
        self.forget()
        if self.chain:
            with suppress(TransientError):  # the next load tries again
                self.book.tidy()

    def exists(self) -> bool:
        """Say whether anything was ever written here."""
        return bool(self.place.names(self.schema))

    # ── numbers and intents ──────────────────────────────────────────────────────────────────

    def next_number(self) -> int:
        """Return the number of a transaction: higher than all before.

        The first is taken from the clock once the lock is held, and others count on from it: a
        load that lost its lock for long has lower numbers than the one that took over.
        """
        first = self._number or time.time_ns()
        self._number = max(first, self.book.newest) + 1
        return self._number

    def properties(self, number: int) -> CommitProperties:
        """Return what a data commit carries."""
        from deltalake import CommitProperties, Transaction

        return CommitProperties(
            custom_metadata=self.facts, app_transactions=[Transaction(self.app, number)]
        )

    def _resolve(self) -> None:
        """End intents that were left half-way.

        Those of a load that is still under way are taken as what they are at this moment.
        """
        for intent in self.book.pending():
            if intent.chain == self.chain:
                self._settle(intent)
                continue
            held = self.claimed(intent.chain)
            try:
                held.__enter__()
            except TransientError:
                if self._is_done(intent):
                    self.book.presume(intent)
                continue
            try:
                self.book.sync()
                if intent in self.book.pending():
                    self._settle(intent)
            finally:
                held.__exit__(None, None, None)

    def _settle(self, intent: Intent) -> None:
        with delta_errors(self.place.uri(self.schema)):
            done = retried(lambda: self._is_done(intent) or not self._fence(intent))
        if done:
            self.fulfil(intent)
        else:
            self.book.end(intent, done=False)

    def _is_done(self, intent: Intent) -> bool:
        """Say whether the data commit was made: nothing follows it before its intent is ended."""
        if intent.table is None:
            return True
        table = self.place.table(self.schema, intent.table)
        return table is not None and table.transaction_version(intent.app) == intent.number

    def _fence(self, intent: Intent) -> bool:
        """See that a data commit which is still on its way to an object store cannot succeed.

        On a local disk its process is dead, for else it would hold the lock.

        :returns: yes
        """
        assert intent.table is not None
        table = self.place.table(self.schema, intent.table)
        if table is None or self.place.local:
            return True
        from deltalake import CommitProperties, Transaction, write_deltalake

        schema = pa.schema(table.schema().to_arrow())
        number = Transaction(intent.app, self.next_number())
        write_deltalake(
            table,
            pa.RecordBatchReader.from_batches(schema, iter(())),
            mode="append",
            commit_properties=CommitProperties(app_transactions=[number], max_commit_retries=0),
        )
        return True

    def fulfil(self, intent: Intent) -> None:
        """Do what comes after the data commit; each step may be done twice."""
        if intent.rejects is not None:
            rejects.apply(self.place, self.staging, self.schema, intent)
        for table in intent.drops:
            self.staging.drop(table)
        self.book.end(intent, done=True)

    # ── locks ────────────────────────────────────────────────────────────────────────────────

    def lock(self, name: str) -> AbstractContextManager[None]:
        """Exclude others who lock the same name."""
        self.chain = name
        return lock(self.place, self.schema, name)

    def claimed(self, name: str) -> AbstractContextManager[None]:
        """Return a lock beside the one of this load."""
        return lock(self.place, self.schema, name)
