"""What a load has staged: in a table of its own, or in those of the parts that it publishes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from airflow_provider_spotify.core.sinks.sql.evolution import widest
from airflow_provider_spotify.core.sinks.sql.statements import DELETED, RESERVED, SEQUENCE

if TYPE_CHECKING:
    from airflow_provider_spotify.core.sinks.sql.dialect import Column, Dialect
    from airflow_provider_spotify.core.sinks.sql.session import Session

_PART_ROWS = 1 << 40
"""How far apart the numbers of the rows of two parts are, so that the later part's come later."""


def staging_tables(load_id: int) -> tuple[str, str]:
    """Return the names of the tables where a load keeps rows and rejects until it publishes."""
    return f"_staging_{load_id}", f"_staging_{load_id}_rejected"


class Staged:
    """Staged rows as one relation, whichever tables they are in.

    :param loads: whose rows, in the order in which they count
    :param ordered: the relation needs the column ``SEQUENCE``
    """

    def __init__(self, session: Session, *, loads: Sequence[int], ordered: bool) -> None:
        self._session = session
        self._dialect = session.dialect
        self._ordered = ordered
        names = [staging_tables(load) for load in loads]
        self.tables = [rows for rows, _ in names]
        self.rejects = [rejects for _, rejects in names]

    def present(self) -> dict[str, dict[str, Column]]:
        """Return the columns of each table that is there, those that loads add included."""
        found = {table: self._session.columns(table) for table in self.tables}
        return {table: columns for table, columns in found.items() if columns}

    def columns(self) -> dict[str, Column]:
        """Return the columns that the rows bring, without those that loads add."""
        widened = widest([*self.present().values()], dialect=self._dialect)
        reserved = {self._dialect.fold(name) for name in RESERVED}
        return {name: column for name, column in widened.items() if name not in reserved}

    def deletes(self) -> bool:
        """Say whether some rows may take others away."""
        fold = self._dialect.fold(DELETED)
        return any(fold in columns for columns in self.present().values())

    def relation(self) -> str:
        """Return what to select from: a table's name, or a query in brackets."""
        if len(self.tables) == 1:
            return self._session.name(self.tables[0])
        wanted, deletes = self.columns(), self.deletes()
        return "({})".format(
            " UNION ALL ".join(
                self._select(number, wanted, deletes=deletes)
                for number, table in enumerate(self.tables)
                if self._session.columns(table)
            )
        )

    def _select(self, number: int, wanted: Mapping[str, Column], *, deletes: bool) -> str:
        """Return the query of one part, with the columns that all have together."""
        session, dialect, table = self._session, self._dialect, self.tables[number]
        present, quote = session.columns(table), self._dialect.quote
        values = {
            column.name: _value(name, column, present, dialect) for name, column in wanted.items()
        }
        if self._ordered:
            values[SEQUENCE] = f"p.{quote(SEQUENCE)} + {number * _PART_ROWS}"
        if deletes:
            there = dialect.fold(DELETED) in present
            values[DELETED] = f"p.{quote(DELETED)}" if there else "FALSE"
        chosen = ", ".join(f"{value} AS {quote(name)}" for name, value in values.items())
        return f"SELECT {chosen} FROM {session.name(table)} AS p"

    def settle(self) -> None:
        """Let the planner know what is staged."""
        for table in self.present():
            self._session.settle(table)


def _value(name: str, column: Column, present: Mapping[str, Column], dialect: Dialect) -> str:
    if name not in present:
        return f"CAST(NULL AS {column.native})"
    value = f"p.{dialect.quote(present[name].name)}"
    return dialect.cast(value, old=present[name], new=column)
