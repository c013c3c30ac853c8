"""A transaction in ClickHouse, which has none: work on copies, decide once, then swap.

What a transaction changes it changes in tables that nobody sees: a clone of the target (hard links,
so it costs no copying), a table of rows to attach, a new table. The commit is one insert into the
ledger that also says what is to be swapped, renamed or attached; from then on it is done, if not by
this process, then by the next one that loads.

Staging tables are written at once: a load cuts them to its last checkpoint before it goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any

from airflow_provider_spotify.core.clients.clickhouse import identifier
from airflow_provider_spotify.core.errors import ImporterError, TransientError
from airflow_provider_spotify.core.sinks._clickhouse_changes import INSERT, WRITES, Change
from airflow_provider_spotify.core.sinks._clickhouse_intents import Intent
from airflow_provider_spotify.core.sinks._clickhouse_locks import Holder, Lease, lock_table
from airflow_provider_spotify.core.sinks._clickhouse_publication import ClickHousePublication
from airflow_provider_spotify.core.sinks._clickhouse_types import ClickHouseDialect, bound
from airflow_provider_spotify.core.sinks.sql.dialect import Column
from airflow_provider_spotify.core.sinks.sql.session import Session

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_provider_spotify.core.sinks._clickhouse_database import ClickHouseDatabase
    from airflow_provider_spotify.core.sinks.sql.ledger import Record

_STAGING = "_staging_"
_TABLE_PATIENCE = 120.0
"""Seconds to wait for another loader that publishes into the same table."""


class ClickHouseSession(Session):
    """One transaction."""

    dialect = ClickHouseDialect()
    keeps_open = False

    def __init__(self, database: ClickHouseDatabase) -> None:
        super().__init__()
        self._database = database
        self.server = database.server
        self.schema = database.schema
        self.entries: dict[int, Record] = {}
        """Rows of the ledger that the commit writes."""
        self.tables = database.tables
        self._changes: dict[str, Change] = {}
        self._named: dict[str, str] = {}
        self._leases: dict[str, Lease] = {}
        self._drops: list[str] = []
        self._scratch: list[str] = []
        self._numbers = count(1)
        self._decided = False

    # ── the seam ─────────────────────────────────────────────────────────────────────────────

    def name(self, table: str) -> str:
        """Return the quoted name of the table that holds what the transaction sees."""
        change = self._changes.get(table)
        if change and change.kind == "added" and self.tables.count(change.prepared):
            self.copied(table)
            change = self._changes[table]
        prepared = change.prepared if change and change.kind != "added" else table
        quoted = identifier(self.schema, prepared)
        self._named[quoted] = table
        return quoted

    def publication(self, **words: Any) -> ClickHousePublication:
        """Return how staged rows are worked into a table here."""
        return ClickHousePublication(self, **words)

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows; one that writes goes where nobody sees it."""
        sql = bound(sql, parameters)
        verb = sql.split(maxsplit=1)[0].upper()
        if verb in ("SELECT", "WITH"):
            return self.server.rows(sql)
        for head, turned in WRITES.items():
            if sql.startswith(head):
                table, rest = self._meant(sql[len(head) :])
                held = self._into(table) if head == INSERT else self._rewritten(table)
                self.server.run(turned(held, rest.strip()))
                return []
        self.server.run(sql)
        return []

    def described(self, table: str) -> dict[str, Column]:
        """Return a table's columns in order, but for those that are computed."""
        change = self._changes.get(table)
        return self.tables.columns(change.prepared if change else table)

    def is_settled(self, table: str) -> bool:
        """Say yes: what another load may change is asked for again once it is locked."""
        return True

    def forget(self, table: str) -> None:
        """Ask for a table's columns again when they are next wanted."""
        self._known.pop(table, None)

    def ingest(
        self, table: str, *, columns: Sequence[Column], batches: Sequence[pa.RecordBatch]
    ) -> None:
        """Append batches by one insert."""
        self.server.fill(self._into(table), columns, batches)

    def lend(self, *, columns: Sequence[Column], batches: Sequence[pa.RecordBatch]) -> str:
        """Put batches into a table that lasts as long as the transaction."""
        name = self._fresh()
        self._scratch.append(name)
        self.tables.create(name, columns, key=())
        quoted = identifier(self.schema, name)
        self.server.fill(quoted, columns, batches)
        return quoted

    def claim(self, name: str) -> bool:
        """Take a lock until the transaction ends; say whether it was free."""
        if lock_table(name) in {lease.table for lease in self._database.locks.held}:
            return True
        taken = self._database.locks.take(name, patience=0)
        if isinstance(taken, Lease):
            self._leases[name] = taken
        return isinstance(taken, Lease)

    def prepare(self) -> None:
        """Do nothing: the lock of the load is in the database already."""

    def create(self, table: str, *, columns: Sequence[Column], scratch: bool = False) -> None:
        """Create a table, a staging at once, any other with the commit."""
        self.forget(table)
        if table.startswith(_STAGING):
            self._drop_now(table)
            like = None if scratch else self._database.target
            self.tables.create(table, columns, key=(), like=like)
            return
        self._hold(table)
        name = self._fresh()
        self.tables.create(name, columns, key=self._database.key_of(table))
        self._changes[table] = Change("created", name)

    def drop(self, table: str) -> None:
        """Drop a table once the transaction is committed."""
        self.forget(table)
        self._changes.pop(table, None)
        if table not in self._drops:
            self._drops.append(table)

    def add(self, table: str, *, column: Column) -> None:
        """Add a column."""
        self._altered(table, [f"ADD COLUMN IF NOT EXISTS {self.dialect.spell(column)}"])

    def omit(self, table: str, *, column: str) -> None:
        """Take a column away."""
        self._altered(table, [f"DROP COLUMN IF EXISTS {self.dialect.quote(column)}"])

    def widen(self, table: str, *, old: Column, new: Column) -> None:
        """Change a column's type and convert its values; one that orders the table is rewritten."""
        self.forget(table)
        change = self._changes.get(table)
        held = change.prepared if change else table
        if self.tables.can_modify(held, old=old, new=new):
            self._altered(table, [self.tables.modified(old=old, new=new)])
            return
        if table.startswith(_STAGING):
            self.tables.rewrite(table, old=old, new=new)
            return
        self.copied(table)
        self.tables.rewrite(self._changes[table].prepared, old=old, new=new)

    def swap(self, staging: str, *, target: str) -> bool:
        """Put a staging table in the place of another with the commit."""
        self._hold(target)
        self.forget(target)
        self._changes[target] = Change("swapped", staging)
        return True

    def alone(self, table: str) -> None:
        """Keep other loads of this package off the table until the transaction ends."""
        if not table.startswith(_STAGING):
            self._hold(table)

    def commit(self) -> None:
        """Decide, then do what was decided."""
        changes, steps = self._changes, []
        for table, change in changes.items():
            steps += change.steps(table, self.tables)
        prepared = [c.prepared for c in changes.values()]
        drops = [*dict.fromkeys([*self._drops, *prepared])]
        records, loads = [*self.entries.values()], [*self.entries]
        if not records and steps:
            raise AssertionError("a transaction that changes tables writes the ledger")
        intent = Intent(self._database.chain, steps, drops if records else [])
        if records:
            self._decided = True  # even if the answer is lost, it may be in the ledger
            self._database.intents.commit(records, intent)
            self._database.intents.fulfil(intent, loads)
        else:
            for table in drops:
                self._drop_now(table)
        self._end()

    def rollback(self) -> None:
        """Drop what was prepared, unless the ledger may say that it is to be used."""
        if not self._decided:
            prepared = [c.prepared for c in self._changes.values() if c.kind != "swapped"]
            self._scratch += prepared
        self._end()

    # ── where things are ─────────────────────────────────────────────────────────────────────

    def copied(self, table: str, *, empty: bool = False) -> str:
        """Return the quoted name of a copy of a table, in which it may be changed."""
        change = self._changes.get(table)
        if change is None or change.kind == "added":
            self._hold(table)
            name = self._fresh()
            self.tables.clone(table, name, empty=empty)
            self._changes[table] = Change("copied", name)
            if change is not None:
                self._take_over(change, name, empty=empty)
        return identifier(self.schema, self._changes[table].prepared)

    def scratch(self, query: str) -> str:
        """Put a query's answer into a table that lasts as long as the transaction."""
        name = self._fresh()
        self._scratch.append(name)
        quoted = identifier(self.schema, name)
        self.server.run(f"CREATE TABLE {quoted} ENGINE = MergeTree ORDER BY tuple() AS {query}")
        return quoted

    def _take_over(self, change: Change, name: str, *, empty: bool) -> None:
        """Bring a copy to the shape of the rows to attach, and those rows into it."""
        quoted = identifier(self.schema, name)
        for statement in change.altered:
            self.server.run(f"ALTER TABLE {quoted} {statement}")
        if not empty:
            prepared = identifier(self.schema, change.prepared)
            self.server.run(f"ALTER TABLE {quoted} ATTACH PARTITION ALL FROM {prepared}")
        self._scratch.append(change.prepared)

    def _into(self, table: str) -> str:
        """Return the quoted name of where rows for a table go."""
        if not table.startswith(_STAGING) and table not in self._changes:
            self._added(table)
        change = self._changes.get(table)
        return identifier(self.schema, change.prepared if change else table)

    def _added(self, table: str) -> Change:
        self._hold(table)
        name, number = self._fresh(), self._database.next_number()
        self.tables.like(table, name, number=number)
        self._changes[table] = Change("added", name, number=number)
        return self._changes[table]

    def _altered(self, table: str, statements: Sequence[str]) -> None:
        self.forget(table)
        if not table.startswith(_STAGING) and table not in self._changes:
            self._added(table)
        change = self._changes.get(table)
        quoted = identifier(self.schema, change.prepared if change else table)
        for statement in statements:
            self.server.run(f"ALTER TABLE {quoted} {statement}")
        if change and change.kind == "added":
            altered = [*change.altered, *statements]
            self._changes[table] = change._replace(altered=altered)

    def _rewritten(self, table: str) -> str:
        """Return where rows of a table may be changed or deleted."""
        if table.startswith(_STAGING):
            return identifier(self.schema, table)
        return self.copied(table)

    def _meant(self, sql: str) -> tuple[str, str]:
        """Return the table that a statement begins with, and the rest of the statement."""
        for quoted, table in self._named.items():
            if sql == quoted or sql.startswith(f"{quoted} "):
                return table, sql[len(quoted) :]
        raise AssertionError(f"a statement changes a table that nobody named: {sql[:100]}")

    def _fresh(self) -> str:
        return f"{self._database.prefix}{self._database.next_number()}_{next(self._numbers)}"

    def _hold(self, table: str) -> None:
        """Lock a table, and finish what a dead loader had decided to do to it."""
        name = f"table {table}"
        if name in self._leases:
            return
        taken = self._database.locks.take(name, patience=_TABLE_PATIENCE)
        if isinstance(taken, Holder):
            raise TransientError(f"another load publishes into {table!r} ({taken}); try again")
        self._leases[name] = taken
        self.forget(table)
        self._database.recover(lambda intent: table in {step.table for step in intent.steps})

    def _drop_now(self, table: str) -> None:
        if table in self._drops:
            self._drops.remove(table)
        self.server.run(f"DROP TABLE IF EXISTS {identifier(self.schema, table)} SYNC")

    def _end(self) -> None:
        try:
            for table in self._scratch:
                self._drop_now(table)
        except ImporterError:
            self._scratch.clear()  # the next load of this import clears them away
        for lease in self._leases.values():
            with suppress(ImporterError):  # then it expires
                self._database.locks.release(lease)
        self._leases.clear()
