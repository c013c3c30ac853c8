"""What a committed transaction still has to do to tables, and doing it, if need be after a crash.

The ledger's row says what was decided. Each step is one statement that ClickHouse does wholly or
not at all, as far as clients can tell; whether it was done can be seen from the tables:

- ``exchange``, ``rename``: the table has the UUID of the one that was prepared;
- ``attach``: the rows bear the transaction's number in a hidden column, and all of them are there.

Before a step is done again for a dead loader, what it works from gets another name: a statement of
the dead one that is still on its way then finds nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from airflow_provider_spotify.core.clients.clickhouse import (
    ClickHouseRefusal,
    identifier,
    literal,
)
from airflow_provider_spotify.core.errors import TransientError
from airflow_provider_spotify.core.sinks._clickhouse_ledger import NAMES, written
from airflow_provider_spotify.core.sinks._clickhouse_locks import Locks
from airflow_provider_spotify.core.sinks._clickhouse_server import ClickHouseServer
from airflow_provider_spotify.core.sinks._clickhouse_types import HIDDEN
from airflow_provider_spotify.core.sinks.sql.ledger import TABLE, Record

_AGAIN = "_again"
_UNKNOWN = (60, 218)
_NEWER = (
    "greatest(toUInt64(toUnixTimestamp64Nano(now64(9))), "
    "(SELECT max(version) + 1 FROM {ledger}), 1) AS version"
)
_LOST = "the lock of this load is held by another now"


class Step(NamedTuple):
    """One statement that is still to be done.

    :param kind: exchange, rename, attach or alter
    :param table: the one that readers see
    :param prepared: the one that was prepared
    :param uuid: of the prepared one
    :param number: what marks the rows of an attach
    :param rows: how many they are
    :param sql: of an alter, the statements; each may be done twice
    """

    kind: str
    table: str
    prepared: str = ""
    uuid: str = ""
    number: int = 0
    rows: int = 0
    sql: Sequence[str] = ()


class Intent(NamedTuple):
    """What a transaction decided.

    :param chain: whose it is: the loads that exclude each other
    :param drops: tables that nobody needs afterwards
    """

    chain: str
    steps: Sequence[Step]
    drops: Sequence[str]

    def text(self) -> str:
        """Write it for the ledger."""
        steps = [step._asdict() for step in self.steps]
        return json.dumps({"chain": self.chain, "steps": steps, "drops": [*self.drops]})

    @classmethod
    def read(cls, text: str) -> Intent:
        """Read it from the ledger."""
        found = json.loads(text)
        return cls(found["chain"], [Step(**step) for step in found["steps"]], found["drops"])


class Intents:
    """The intents of one database."""

    def __init__(self, server: ClickHouseServer, locks: Locks, *, database: str) -> None:
        self._server = server
        self._locks = locks
        self._database = database
        self._ledger = identifier(database, TABLE)

    def commit(self, records: Sequence[Record], intent: Intent) -> None:
        """Write rows of the ledger, and what is to be done, by one insert.

        :raises TransientError: if a lock was lost, so that nothing was written
        """
        text = intent.text() if intent.steps or intent.drops else ""
        version = _NEWER.format(ledger=self._ledger)
        try:
            self._server.run(
                f"INSERT INTO {self._ledger} ({NAMES}, intent, version) "
                f"SELECT {NAMES}, {literal(text)} AS intent, {version} FROM {written(records)} "
                f"WHERE throwIf(NOT ({self._locks.fence()}), {literal(_LOST)}) = 0",
                max_threads=1,
            )
        except Exception as error:
            if _LOST in str(error):
                raise TransientError(f"{_LOST}; try again") from error
            raise

    def fulfil(self, intent: Intent, loads: Sequence[int], *, again: bool = False) -> None:
        """Do what was decided and note that it is done.

        :param again: somebody who is dead may have done some of it
        """
        for step in intent.steps:
            _STEPS[step.kind](self, step, again)
        for table in intent.drops:
            for name in (table, table + _AGAIN) if again else (table,):
                self._server.run(f"DROP TABLE IF EXISTS {self._name(name)} SYNC")
        if intent.steps or intent.drops:
            listed, version = ", ".join(map(str, loads)), _NEWER.format(ledger=self._ledger)
            self._server.run(
                f"INSERT INTO {self._ledger} ({NAMES}, intent, version) SELECT {NAMES}, '', "
                f"{version} FROM {self._ledger} FINAL WHERE load_id IN ({listed}) "
                f"AND intent = {literal(intent.text())}"
            )

    def pending(self, wanted: Callable[[Intent], bool]) -> list[tuple[Intent, list[int]]]:
        """Return the intents that are wanted and not fulfilled, with the loads that say so."""
        try:
            rows = self._server.rows(
                f"SELECT intent, groupArray(load_id) FROM {self._ledger} FINAL WHERE intent != '' "
                "GROUP BY intent ORDER BY max(version)"
            )
        except ClickHouseRefusal as error:
            if error.code in _UNKNOWN:
                return []  # nothing was ever loaded
            raise
        read = [(Intent.read(text), [int(load) for load in loads]) for text, loads in rows]
        return [(intent, loads) for intent, loads in read if wanted(intent)]

    # ── steps ────────────────────────────────────────────────────────────────────────────────

    def _alter(self, step: Step, again: bool) -> None:
        for statement in step.sql:
            self._server.run(statement)

    def _exchange(self, step: Step, again: bool) -> None:
        prepared = self._aside(step.prepared) if again else step.prepared
        if not again or self._uuid(step.table) != step.uuid:
            names = f"{self._name(prepared)} AND {self._name(step.table)}"
            self._server.run(f"EXCHANGE TABLES {names}")

    def _rename(self, step: Step, again: bool) -> None:
        prepared = self._aside(step.prepared) if again else step.prepared
        if not again or self._uuid(step.table) != step.uuid:
            names = f"{self._name(prepared)} TO {self._name(step.table)}"
            self._server.run(f"RENAME TABLE {names}")

    def _attach(self, step: Step, again: bool) -> None:
        prepared, table = step.prepared, self._name(step.table)
        if again:
            prepared = self._aside(step.prepared)
            mine = f"{identifier(HIDDEN)} = {step.number}"
            ((found,),) = self._server.rows(f"SELECT count() FROM {table} WHERE {mine}")
            if int(found) == step.rows:
                return
            if found:
                self._server.run(f"DELETE FROM {table} WHERE {mine}")
        if self._feeds(step.table):
            names = ", ".join(identifier(name) for name in self._stored(step.table))
            self._server.run(
                f"INSERT INTO {table} ({names}) SELECT {names} FROM {self._name(prepared)}",
                insert_allow_materialized_columns=1,
            )
        else:
            self._server.run(
                f"ALTER TABLE {table} ATTACH PARTITION ALL FROM {self._name(prepared)}"
            )

    def _aside(self, prepared: str) -> str:
        """Give a prepared table another name, and wait for whoever uses it; return the name."""
        name = prepared + _AGAIN
        try:
            self._server.run(f"RENAME TABLE {self._name(prepared)} TO {self._name(name)}")
        except ClickHouseRefusal as error:
            if error.code not in _UNKNOWN:
                raise
        self._server.settle(prepared)
        return name

    # ── looking ──────────────────────────────────────────────────────────────────────────────

    def _name(self, table: str) -> str:
        return identifier(self._database, table)

    def _look(self, what: str, table: str) -> list[tuple[Any, ...]]:
        its = f"database = {literal(self._database)} AND name = {literal(table)}"
        return self._server.rows(f"SELECT {what} FROM system.tables WHERE {its}")

    def _uuid(self, table: str) -> str:
        rows = self._look("toString(uuid)", table)
        return str(rows[0][0]) if rows else ""

    def _feeds(self, table: str) -> bool:
        """Say whether materialised views hang on a table: they see inserts only."""
        rows = self._look("length(dependencies_table)", table)
        return bool(rows and rows[0][0])

    def _stored(self, table: str) -> list[str]:
        rows = self._server.rows(
            f"SELECT name FROM system.columns WHERE database = {literal(self._database)} "
            f"AND table = {literal(table)} AND (default_kind != 'ALIAS') ORDER BY position"
        )
        return [str(row[0]) for row in rows]


_STEPS: Mapping[str, Callable[[Intents, Step, bool], None]] = {
    "alter": Intents._alter,
    "exchange": Intents._exchange,
    "rename": Intents._rename,
    "attach": Intents._attach,
}
