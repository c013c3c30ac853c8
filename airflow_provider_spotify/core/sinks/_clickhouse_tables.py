"""The tables of a ClickHouse database: what they hold, and making, cloning and changing them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_spotify.core.clients.clickhouse import identifier, literal
from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import LOAD_ID
from airflow_provider_spotify.core.sinks._clickhouse_server import ClickHouseServer
from airflow_provider_spotify.core.sinks._clickhouse_types import (
    HIDDEN,
    ClickHouseDialect,
    hidden,
    layout,
)
from airflow_provider_spotify.core.sinks.sql.dialect import Column
from airflow_provider_spotify.core.sinks.sql.statements import SEQUENCE


class ClickHouseTables:
    """The tables of one database, under the names that the server knows them by."""

    def __init__(
        self, server: ClickHouseServer, database: str, *, dialect: ClickHouseDialect
    ) -> None:
        self._server = server
        self._database = database
        self._dialect = dialect
        self._fit: set[str] = set()

    # ── looking ──────────────────────────────────────────────────────────────────────────────

    def columns(self, table: str) -> dict[str, Column]:
        """Return a table's columns in order, but for those that are computed."""
        rows = self._asked(
            "name, type, comment",
            "columns",
            table,
            tail=" AND default_kind NOT IN "
            "('MATERIALIZED', 'ALIAS', 'EPHEMERAL') ORDER BY position",
        )
        return {
            name: Column(name, native, self._dialect.arrow(native, comment))
            for name, native, comment in rows
        }

    def count(self, table: str) -> int:
        """Return how many rows a table has."""
        ((rows,),) = self._server.rows(f"SELECT count() FROM {self.name(table)}")
        return int(rows)

    def exists(self, table: str) -> bool:
        """Say whether there is such a table."""
        return bool(self._asked("1", "tables", table))

    def uuid(self, table: str) -> str:
        """Return what names a table whatever it is called."""
        ((uuid,),) = self._asked("toString(uuid)", "tables", table)
        return str(uuid)

    def beginning(self, prefix: str) -> list[str]:
        """Return the tables whose names begin so."""
        rows = self._server.rows(
            f"SELECT name FROM system.tables WHERE database = {literal(self._database)} "
            f"AND startsWith(name, {literal(prefix)})"
        )
        return [str(row[0]) for row in rows]

    def can_modify(self, table: str, *, old: Column, new: Column) -> bool:
        """Say whether MODIFY COLUMN converts the values as it should."""
        name = self._dialect.quote(old.name)
        plain = self._dialect.cast(name, old=old, new=new)
        if plain not in (name, f"CAST({name} AS {new.native})"):
            return False
        rows = self._asked(
            "is_in_sorting_key OR is_in_partition_key OR is_in_primary_key",
            "columns",
            table,
            tail=f" AND name = {literal(old.name)}",
        )
        return not (rows and rows[0][0])

    # ── making ───────────────────────────────────────────────────────────────────────────────

    def create(
        self, table: str, columns: Sequence[Column], *, key: Sequence[str], like: str | None = None
    ) -> None:
        """Create a table.

        :param key: what it is ordered by
        :param like: a table whose engine, order and partitions it takes over, if it can
        """
        whole = {*key, LOAD_ID, SEQUENCE}
        spelled = [self._dialect.spell(c, key=c.name in whole) for c in columns]
        listed = ", ".join([*spelled, hidden(0)])
        engine = self._engine(like, columns) or layout(key=key, dialect=self._dialect)
        self._server.run(f"CREATE TABLE {self.name(table)} ({listed}) {engine}")

    def clone(self, table: str, name: str, *, empty: bool) -> None:
        """Make a table that has the same rows as another, without copying them.

        :raises ConfigurationError: if its engine has no parts to share
        """
        self._require_parts(table)
        how = "AS" if empty else "CLONE AS"
        self._server.run(f"CREATE TABLE {self.name(name)} {how} {self.name(table)}")

    def like(self, table: str, name: str, *, number: int) -> None:
        """Make a table for rows that are to be attached to another, which bear a number."""
        target = self.name(table)
        if table not in self._fit:
            self._require_parts(table)
            if not self._asked("1", "columns", table, tail=f" AND name = {literal(HIDDEN)}"):
                self._server.run(f"ALTER TABLE {target} ADD COLUMN IF NOT EXISTS {hidden(0)}")
            self._fit.add(table)
        self._server.run(f"CREATE TABLE {self.name(name)} AS {target}")
        self._server.run(f"ALTER TABLE {self.name(name)} MODIFY COLUMN {hidden(number)}")

    def modified(self, *, old: Column, new: Column) -> str:
        """Return what an ALTER TABLE says to change a column's type."""
        mark = f" COMMENT {literal(self._dialect.comment(new))}"
        return f"MODIFY COLUMN {self._dialect.quote(old.name)} {new.native}{mark}"

    def rewrite(self, table: str, *, old: Column, new: Column) -> None:
        """Change a column's type by writing the whole table anew, in its order."""
        name, again = self.name(table), self.name(table + "_wide")
        ((engine,),) = self._asked("engine_full", "tables", table)
        columns = self.columns(table)
        spelled, values = [], []
        for column in columns.values():
            wide = new._replace(name=column.name) if column.name == old.name else column
            spelled.append(self._dialect.spell(wide, key="Nullable(" not in column.native))
            quoted = self._dialect.quote(column.name)
            values.append(self._dialect.cast(quoted, old=column, new=wide))
        self._server.run(f"DROP TABLE IF EXISTS {again} SYNC")
        self._server.run(
            f"CREATE TABLE {again} ({', '.join([*spelled, hidden(0)])}) ENGINE = {engine}"
        )
        self._server.run(
            f"INSERT INTO {again} ({self._dialect.names(columns)}) "
            f"SELECT {', '.join(values)} FROM {name}"
        )
        self._server.run(f"EXCHANGE TABLES {again} AND {name}")
        self._server.run(f"DROP TABLE {again} SYNC")

    # ── parts ────────────────────────────────────────────────────────────────────────────────

    def _engine(self, like: str | None, columns: Sequence[Column]) -> str | None:
        """Return the engine of the table that is to be replaced, if these columns can follow it."""
        if like is None:
            return None
        rows = self._asked("engine_full, sorting_key, partition_key", "tables", like)
        if not rows or rows[0][1:] == ("", ""):
            return None
        needed = self._asked(
            "name", "columns", like, tail=" AND (is_in_sorting_key OR is_in_partition_key)"
        )
        if not {name for (name,) in needed} <= {column.name for column in columns}:
            return None
        full = str(rows[0][0])
        allowed = "allow_nullable_key = 1"
        return f"ENGINE = {full}" + (
            f", {allowed}" if "SETTINGS" in full else f" SETTINGS {allowed}"
        )

    def _require_parts(self, table: str) -> None:
        rows = self._asked("engine", "tables", table)
        if rows and "MergeTree" not in rows[0][0]:
            raise ConfigurationError(
                f"table {table!r} has the engine {rows[0][0]}; a load needs one of the MergeTree "
                "family, whose parts can be attached at once"
            )

    def _asked(self, what: str, about: str, table: str, *, tail: str = "") -> list[tuple[Any, ...]]:
        named = "table" if about == "columns" else "name"
        return self._server.rows(
            f"SELECT {what} FROM system.{about} WHERE database = {literal(self._database)} "
            f"AND {named} = {literal(table)}{tail}"
        )

    def name(self, table: str) -> str:
        """Return a table's quoted name with its database."""
        return identifier(self._database, table)
