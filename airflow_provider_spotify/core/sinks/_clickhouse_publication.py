"""Merge and scd2 in ClickHouse, which has neither MERGE nor UPDATE … FROM.

They work on a copy of the table that nobody sees (see ``_clickhouse_session``): the rows that
differ are found by a join, then deleted and inserted again. Each step leaves a small table behind
for the next, so that no step asks what an earlier one has changed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_provider_spotify.core.model import LOAD_ID
from airflow_provider_spotify.core.sinks._clickhouse_types import moment
from airflow_provider_spotify.core.sinks.sql.statements import (
    IS_CURRENT,
    VALID_FROM,
    VALID_TO,
    Publication,
    deleted,
    remove,
)

if TYPE_CHECKING:
    from airflow_provider_spotify.core.sinks._clickhouse_session import ClickHouseSession


class ClickHousePublication(Publication):
    """Works staged rows into a copy of the table."""

    session: ClickHouseSession

    def merge(self) -> None:
        """Update rows of the same key that differ, insert the others, and delete what is gone."""
        session, dialect = self.session, self.dialect
        target, latest = session.copied(self.target), session.scratch(self._latest())
        wanted = f"WHERE NOT {deleted(dialect, alias='l')}" if self.deletes else ""
        kept = [c.name for c in self.present.values() if c.name not in (*self._names(), LOAD_ID)]
        chosen = [f"l.{dialect.quote(n)} AS {dialect.quote(n)}" for n in self._names()]
        chosen += [f"t.{dialect.quote(n)} AS {dialect.quote(n)}" for n in kept]
        changed = session.scratch(
            f"SELECT {', '.join(chosen)} FROM (SELECT * FROM {latest} AS l {wanted}) AS l "
            f"LEFT JOIN ({self._met(target, latest)}) AS t ON {self._joined('l')} "
            f"WHERE {self._unlike('l')}"
        )
        if self.deletes:
            gone = f"SELECT * FROM {latest} AS l WHERE {deleted(dialect, alias='l')}"
            self._delete(target, session.scratch(gone))
        self._delete(target, changed)
        names = [*self._names(), *kept]
        session.server.run(
            f"INSERT INTO {target} ({dialect.names([*names, LOAD_ID])}) "
            f"SELECT {dialect.names(names)}, {self.load_id} FROM {changed}"
        )

    def version(self, at: datetime) -> None:
        """Close the current version of rows that differ; open one of those and of new rows."""
        session, dialect = self.session, self.dialect
        target, latest = session.copied(self.target), session.scratch(self._latest())
        current = dialect.quote(IS_CURRENT)
        open_ = f"SELECT * FROM ({self._met(target, latest)}) AS c WHERE {current}"
        changed = session.scratch(
            f"SELECT l.* FROM {latest} AS l LEFT JOIN ({open_}) AS t ON {self._joined('l')} "
            f"WHERE {self._unlike('l')}"
        )
        session.server.run(
            f"ALTER TABLE {target} UPDATE {dialect.quote(VALID_TO)} = {moment(at)}, "
            f"{current} = false WHERE {current} AND {self._among(changed)}"
        )
        added = dialect.names([*self._names(), LOAD_ID, VALID_FROM, VALID_TO, IS_CURRENT])
        session.server.run(
            f"INSERT INTO {target} ({added}) SELECT {dialect.names(self._names())}, "
            f"{self.load_id}, {moment(at)}, NULL, true FROM {changed}"
        )

    def unversion(self, loads: Collection[int]) -> None:
        """Take back what loads did: remove the versions they opened, reopen what they closed."""
        session, dialect = self.session, self.dialect
        remove(session, table=self.target, loads=loads)
        target, key = session.copied(self.target), dialect.names(self.key)
        current, start = dialect.quote(IS_CURRENT), dialect.quote(VALID_FROM)
        closed = session.scratch(
            f"SELECT {key}, max({start}) AS newest FROM {target} "
            f"GROUP BY {key} HAVING NOT max({current})"
        )
        session.server.run(
            f"ALTER TABLE {target} UPDATE {dialect.quote(VALID_TO)} = NULL, {current} = true "
            f"WHERE ({key}, {start}) IN (SELECT {key}, newest FROM {closed})"
        )

    # ── parts ────────────────────────────────────────────────────────────────────────────────

    def _met(self, target: str, latest: str) -> str:
        """Return a query for the rows of the table that have a key of the load."""
        return f"SELECT * FROM {target} WHERE {self._among(latest)}"

    def _among(self, keys: str) -> str:
        listed = self.dialect.names(self.key)
        return f"({listed}) IN (SELECT {listed} FROM {keys})"

    def _delete(self, target: str, keys: str) -> None:
        self.session.server.run(f"DELETE FROM {target} WHERE {self._among(keys)}")

    def _joined(self, alias: str) -> str:
        quoted = [self.dialect.quote(name) for name in self.key]
        return " AND ".join(f"{alias}.{name} = t.{name}" for name in quoted)

    def _unlike(self, alias: str) -> str:
        """Return the condition that a row has no equal, or none at all, in the table."""
        names: Sequence[str] = [n for n in self._names() if n not in self.key]
        quoted = [self.dialect.quote(name) for name in names]
        differ = [f"{alias}.{name} IS DISTINCT FROM t.{name}" for name in quoted]
        return " OR ".join([f"t.{self.dialect.quote(self.key[0])} IS NULL", *differ])
