"""Cuts what a PostgreSQL import reads into parts, and joins where they ended.

A part never sees what comes after it was planned: where there is a cursor column, each part ends
at the value that was the greatest then, and ``joined`` goes on from that one value. (An exported
snapshot would be exact too, but it lasts only while the transaction that exported it is open, and
nobody holds one open between the task that plans and the tasks that read.)

Ranges of a key hold whatever happens to the rows meanwhile, as long as their keys stay. Pages do
not: an update may move a row to another page. A row whose update also moves its cursor value on
is left to the next run, so it comes exactly once; without a cursor column, or with one that
updates do not touch, a row that is updated meanwhile may be missed or come twice. The last part
of pages is open above, so rows that moved to new pages at the end are found.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_spotify.core.clients import postgres_query as sql
from airflow_provider_spotify.core.clients.postgres_cuts import cuts, page_cuts, primary_key
from airflow_provider_spotify.core.clients.postgres_reader import PostgresReader, identifier
from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Credentials, Cursor
from airflow_provider_spotify.core.sources.database._postgresql_table import Table, saved

if TYPE_CHECKING:
    from airflow_provider_spotify.core.sources.database.postgresql import PostgresqlConfig

_PAGED = ("r", "p", "m")
"""Relations whose rows lie in pages: tables, partitioned tables, materialized views."""


class Cutter:
    """Plans the parts of one import."""

    def __init__(self, config: PostgresqlConfig, *, credentials: Credentials, place: str) -> None:
        self._config = config
        self._credentials = credentials
        self._table = Table(config, credentials=credentials, place=place)
        self._place = place

    def parts(self, n: int, since: Cursor | None) -> list[dict[str, Any]]:
        """Return the changes to the configuration that make up to ``n`` parts.

        :raises ConfigurationError: if it cannot be cut as it was asked for
        """
        with PostgresReader(self._credentials) as reader:
            key = self._table.key(reader)
            conditions = [*self._table.conditions(), *(key.after(since) if key else ())]
            cursor = self._bounded(reader, key, conditions)
            if key is not None and cursor is None:
                return [{}]  # only rows without a value: nothing bounds what comes
            by, column = self._way(reader)
            edges = self._edges(reader, by, column, conditions, n)
        bound = {} if cursor is None else {"cursor": cursor}
        if len(edges) < 3:
            return [bound]
        return [
            {"partition": {"by": by, "column": column, "lower": low, "upper": high}} | bound
            for low, high in pairwise(edges)
        ]

    def _bounded(
        self, reader: PostgresReader, key: sql.Key | None, conditions: Sequence[str]
    ) -> dict[str, Any] | None:
        """Return the cursor column's configuration with the greatest value there is now."""
        if key is None or self._config.cursor is None:
            return None
        found = reader.batch(key.greatest(self._table.relation, conditions))
        if not found.num_rows:
            return None
        return {**self._config.cursor.model_dump(), "upto": saved(found.column(0)[0])}

    def _way(self, reader: PostgresReader) -> tuple[Literal["key", "ctid"], str | None]:
        """Choose what to cut by: what was asked for, else the key, the pages, the cursor column."""
        asked = self._config.partition
        if asked is not None and (asked.by == "ctid" or asked.column):
            return asked.by, asked.column
        if column := self._own_key(reader):
            return "key", column
        if self._pages(reader):
            return "ctid", None
        return "key", self._config.cursor.column if self._config.cursor else None

    def _edges(
        self,
        reader: PostgresReader,
        by: str,
        column: str | None,
        conditions: Sequence[str],
        n: int,
    ) -> list[int | str | None]:
        whole = self._config.partition
        ends = (whole.lower, whole.upper) if whole else (None, None)
        if by == "ctid":
            if not self._pages(reader):
                raise ConfigurationError(f"{self._place} has no pages; cut it by a column")
            inner: Sequence[int | str] = self._page_cuts(reader, n, ends)
        elif column is None:
            return []
        else:
            field = self._table.schema(reader, identifier(column)).field(0)
            inner = cuts(reader, self._table.relation, conditions, field, n)
        return [ends[0], *inner, ends[1]]

    def _page_cuts(self, reader: PostgresReader, n: int, ends: tuple[Any, Any]) -> list[int]:
        if ends != (None, None):
            raise ConfigurationError(f"{self._place}: a range of pages cannot be cut again")
        return page_cuts(reader, self._config.schema_, str(self._config.table), n)

    def _pages(self, reader: PostgresReader) -> bool:
        if self._config.table is None:
            return False
        found = reader.rows(sql.kind_of(self._config.schema_, self._config.table))
        return bool(found) and found[0]["kind"] in _PAGED

    def _own_key(self, reader: PostgresReader) -> str | None:
        """Return the primary key of the table, if it is one column."""
        if self._config.table is None:
            return None
        found = reader.rows(primary_key(self._config.schema_, self._config.table))
        return str(found[0]["name"]) if len(found) == 1 else None


def joined(cursors: Sequence[Cursor | None]) -> Cursor | None:
    """Return where the whole goes on; parts of an incremental read all end at the same value."""
    known = [cursor for cursor in cursors if cursor is not None]
    if not known:
        return None
    if "rows" in known[0]:
        return {"rows": sum(int(cursor["rows"]) for cursor in known), "more": False}
    return known[0]
