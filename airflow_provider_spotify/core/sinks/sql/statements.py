"""The write modes as SQL, the same for every dialect but for names and types."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from airflow_provider_spotify.core.errors import DataError
from airflow_provider_spotify.core.model import LOAD_ID
from airflow_provider_spotify.core.sinks.sql.dialect import Column, Dialect
from airflow_provider_spotify.core.sinks.sql.types import UTC

if TYPE_CHECKING:
    from airflow_provider_spotify.core.sinks.sql.session import Session

SEQUENCE = "_load_seq"
"""In staging only: the order in which rows arrived, so that the last of a key wins."""
VALID_FROM, VALID_TO, IS_CURRENT = "_valid_from", "_valid_to", "_is_current"
DELETED = "_load_deleted"
"""In staging only: where a merge deletes, whether the row takes the one of its key away."""
_RANK = "_load_rank"
RESERVED = frozenset({LOAD_ID, SEQUENCE, DELETED, VALID_FROM, VALID_TO, IS_CURRENT, _RANK})


def load_column(dialect: Dialect) -> Column:
    """Return the column that names the load of every row."""
    return dialect.column(LOAD_ID, pa.int64())


def sequence_column(dialect: Dialect) -> Column:
    """Return the column that keeps the order of staged rows."""
    return dialect.column(SEQUENCE, pa.int64())


def version_columns(dialect: Dialect) -> list[Column]:
    """Return what scd2 adds: a version holds from ``_valid_from`` until ``_valid_to``."""
    kinds = ((VALID_FROM, UTC), (VALID_TO, UTC), (IS_CURRENT, pa.bool_()))
    return [dialect.column(name, kind) for name, kind in kinds]


class Publication:
    """Moves a load's staged rows into its table, inside one transaction.

    :param source: what to select the rows from: a table's quoted name, or a query in brackets
    :param columns: what the load brings, without the columns that loads add
    :param key: the columns that name a row, for merge and scd2
    :param deletes: the source has the column ``DELETED``
    """

    def __init__(
        self,
        session: Session,
        *,
        target: str,
        source: str,
        columns: Mapping[str, Column],
        key: Sequence[str],
        load_id: int,
        deletes: bool = False,
    ) -> None:
        self.session = session
        self.dialect = session.dialect
        self.target = target
        self.source = source
        self.columns = columns
        self.load_id = load_id
        self.deletes = deletes
        self.present = session.columns(target)
        self.key = spelled_key(key, columns=columns, dialect=self.dialect, table=target)

    def append(self) -> None:
        """Add the staged rows."""
        session, names = self.session, self.dialect.names([*self._names(), LOAD_ID])
        session.execute(
            f"INSERT INTO {session.name(self.target)} ({names}) "
            f"SELECT {', '.join(self._each('s'))}, {self.load_id} "
            f"FROM {self.source} AS s"
        )

    def merge(self) -> None:
        """Update rows of the same key that differ, insert the others, and delete what is gone."""
        session, dialect = self.session, self.dialect
        rest = [name for name in self._names() if name not in self.key]
        changes = [f"{dialect.quote(n)} = s.{dialect.quote(n)}" for n in rest]
        changes.append(f"{dialect.quote(LOAD_ID)} = {self.load_id}")
        update = (
            f"WHEN MATCHED AND ({self._differs(rest)}) THEN UPDATE SET {', '.join(changes)} "
            if rest
            else ""
        )
        gone = deleted(dialect, alias="s") if self.deletes else ""
        session.execute(
            f"MERGE INTO {session.name(self.target)} AS t USING ({self._latest()}) AS s "
            f"ON {self._same_key()} {f'WHEN MATCHED AND {gone} THEN DELETE ' if gone else ''}"
            f"{update}WHEN NOT MATCHED{f' AND NOT {gone}' if gone else ''} "
            f"THEN INSERT ({dialect.names([*self._names(), LOAD_ID])}) "
            f"VALUES ({dialect.names(self._names(), alias='s')}, {self.load_id})"
        )

    def version(self, at: datetime) -> None:
        """Close the current version of rows that differ; open one of those and of new rows.

        :param at: when the old versions end and the new ones begin
        """
        session, dialect = self.session, self.dialect
        rest = [name for name in self._names() if name not in self.key]
        current = f"t.{dialect.quote(IS_CURRENT)}"
        table = session.name(self.target)
        if rest:
            session.execute(
                f"UPDATE {table} AS t SET {dialect.quote(VALID_TO)} = $1, "
                f"{dialect.quote(IS_CURRENT)} = FALSE FROM ({self._latest()}) AS s "
                f"WHERE {current} AND {self._same_key()} AND ({self._differs(rest)})",
                [at],
            )
        added = dialect.names([*self._names(), LOAD_ID, VALID_FROM, VALID_TO, IS_CURRENT])
        session.execute(
            f"INSERT INTO {table} ({added}) SELECT {dialect.names(self._names(), alias='s')}, "
            f"{self.load_id}, CAST($1 AS {dialect.native(UTC)}), NULL, TRUE "
            f"FROM ({self._latest()}) AS s WHERE NOT EXISTS "
            f"(SELECT 1 FROM {table} AS t WHERE {current} AND {self._same_key()})",
            [at],
        )

    def unversion(self, loads: Collection[int]) -> None:
        """Take back what loads did: remove the versions they opened, reopen what they closed."""
        session, dialect = self.session, self.dialect
        table, key = session.name(self.target), dialect.names(self.key)
        current, start = dialect.quote(IS_CURRENT), dialect.quote(VALID_FROM)
        remove(session, table=self.target, loads=loads)
        newest = (
            f"SELECT {key}, max({start}) AS newest, bool_or({current}) AS open "
            f"FROM {table} GROUP BY {key}"
        )
        session.execute(
            f"UPDATE {table} AS t SET {dialect.quote(VALID_TO)} = NULL, {current} = TRUE "
            f"FROM ({newest}) AS s "
            f"WHERE NOT s.open AND t.{start} = s.newest AND {self._same_key()}"
        )

    # ── parts ────────────────────────────────────────────────────────────────────────────────

    def _names(self) -> list[str]:
        return [column.name for column in self.columns.values()]

    def _each(self, alias: str) -> list[str]:
        """Return the staged values, each as its column in the target needs it."""
        values = []
        for name, column in self.columns.items():
            value = f"{alias}.{self.dialect.quote(column.name)}"
            values.append(self.dialect.cast(value, old=column, new=self.present.get(name, column)))
        return values

    def _latest(self) -> str:
        """Return a query for the last staged row of each key, as the target needs its values."""
        named = ", ".join(
            f"{value} AS {self.dialect.quote(name)}"
            for value, name in zip(self._each("r"), self._names(), strict=True)
        )
        if self.deletes:
            named += f", r.{self.dialect.quote(DELETED)}"
        return f"SELECT {named} FROM ({last_of_key(self.dialect, self.source, key=self.key)}) AS r"

    def _same_key(self) -> str:
        quoted = [self.dialect.quote(name) for name in self.key]
        return " AND ".join(f"t.{name} = s.{name}" for name in quoted)

    def _differs(self, names: Sequence[str]) -> str:
        tests = []
        for name in names:
            column = self.present[self.dialect.fold(name)]
            sides = (self.dialect.compared(f"{a}.{self.dialect.quote(name)}", column) for a in "ts")
            tests.append(" IS DISTINCT FROM ".join(sides))
        return " OR ".join(tests)


def spelled_key(
    key: Sequence[str], *, columns: Mapping[str, Column], dialect: Dialect, table: str
) -> list[str]:
    """Return the columns of the key as the data spells them.

    :raises DataError: if the data lacks one
    """
    for name in key:
        if dialect.fold(name) not in columns:
            raise DataError(
                f"the data for {table!r} has no column {name!r}, which write.key names; "
                f"it has {', '.join(column.name for column in columns.values())}"
            )
    return [columns[dialect.fold(name)].name for name in key]


def remove(session: Session, *, table: str, loads: Collection[int], mark: str = LOAD_ID) -> None:
    """Delete the rows of these loads from a table, if it is there."""
    if loads and session.columns(table):
        listed = ", ".join(str(int(load)) for load in sorted(loads))
        column = session.dialect.quote(mark)
        session.execute(f"DELETE FROM {session.name(table)} WHERE {column} IN ({listed})")


def deleted(dialect: Dialect, *, alias: str) -> str:
    """Return the condition that a staged row takes the one of its key away."""
    return f"coalesce({alias}.{dialect.quote(DELETED)}, FALSE)"


def last_of_key(dialect: Dialect, source: str, *, key: Sequence[str]) -> str:
    """Return a query for the row of each key that came last."""
    order, rank = dialect.quote(SEQUENCE), dialect.quote(_RANK)
    ranked = (
        f"SELECT *, row_number() OVER (PARTITION BY {dialect.names(key)} ORDER BY {order} DESC) "
        f"AS {rank} FROM {source} AS q"
    )
    return f"SELECT * FROM ({ranked}) AS a WHERE {rank} = 1"
