"""What a ClickHouse transaction does to a table that readers see, and the steps that show it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from airflow_provider_spotify.core.sinks._clickhouse_intents import Step
from airflow_provider_spotify.core.sinks._clickhouse_tables import ClickHouseTables


class Change(NamedTuple):
    """What a transaction does to a table that readers see.

    :param kind: ``copied``, ``added`` (rows to attach), ``created`` or ``swapped``
    :param prepared: the table that holds it until the commit
    :param number: what marks the rows to attach
    :param altered: statements that bring the table to the shape of those rows
    """

    kind: str
    prepared: str
    number: int = 0
    altered: Sequence[str] = ()

    def steps(self, table: str, tables: ClickHouseTables) -> list[Step]:
        """Return what is to be done once the transaction is decided."""
        if self.kind == "added":
            return self._attaching(table, tables)
        kind = "exchange" if tables.exists(table) else "rename"
        return [Step(kind, table, self.prepared, uuid=tables.uuid(self.prepared))]

    def _attaching(self, table: str, tables: ClickHouseTables) -> list[Step]:
        steps = []
        if self.altered:
            sql = [f"ALTER TABLE {tables.name(table)} {statement}" for statement in self.altered]
            steps.append(Step("alter", table, sql=sql))
        if rows := tables.count(self.prepared):
            steps.append(Step("attach", table, self.prepared, number=self.number, rows=rows))
        return steps


INSERT = "INSERT INTO "
WRITES: Mapping[str, Callable[[str, str], str]] = {
    INSERT: lambda table, rest: f"INSERT INTO {table} {rest}",
    "DELETE FROM ": lambda table, rest: f"DELETE FROM {table} {rest or 'WHERE 1'}",
    "UPDATE ": lambda table, rest: f"ALTER TABLE {table} UPDATE {rest.removeprefix('SET ')}",
}
"""How a statement that changes a table is spelled here."""
