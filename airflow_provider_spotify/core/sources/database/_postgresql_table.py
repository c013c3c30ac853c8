"""Reads a table or a query of PostgreSQL: everything, or in the order of the cursor column."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

import pyarrow as pa

from airflow_provider_spotify.core.clients import postgres_query as sql
from airflow_provider_spotify.core.clients.boundaries import sections
from airflow_provider_spotify.core.clients.postgres_columns import (
    Column,
    Converted,
    Converter,
    columns_of,
    pg_type,
    select_list,
)
from airflow_provider_spotify.core.clients.postgres_reader import PostgresReader, identifier
from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Chunk, Credentials, Cursor, Window

if TYPE_CHECKING:
    from airflow_provider_spotify.core.sources.database.postgresql import PostgresqlConfig


class Table:
    """What an import reads: a table or a query, with what its configuration leaves of it."""

    def __init__(self, config: PostgresqlConfig, *, credentials: Credentials, place: str) -> None:
        self._config = config
        self._credentials = credentials
        self._place = place

    def chunks(self, since: Cursor | None, window: Window | None) -> Generator[Chunk, None, None]:
        """Yield the rows after the cursor, of one snapshot."""
        with PostgresReader(self._credentials) as reader:
            columns, key = self._columns(reader), self.key(reader, window)
            if key is None:
                yield from self._all(reader, columns, since)
            else:
                yield from self._keyed(reader, columns, key, since, window)

    def looked_at(self) -> int:
        """Return how many columns there are; read no row."""
        with PostgresReader(self._credentials) as reader:
            self.key(reader, None)
            return len(self._columns(reader))

    def exists(self, since: Cursor | None, window: Window | None) -> bool:
        """Say whether there is a row to read."""
        with PostgresReader(self._credentials) as reader:
            key = self.key(reader, window)
            conditions = self.conditions()
            tail = "LIMIT 1"
            if key is not None:
                conditions += key.within(window) if window else key.after(since)
            elif since and since.get("more"):
                tail += f" OFFSET {int(since['rows'])}"
            return bool(reader.rows(sql.select("1 AS one", self.relation, conditions, tail=tail)))

    # ── reading ──────────────────────────────────────────────────────────────────────────────

    def _all(
        self, reader: PostgresReader, columns: Sequence[Column], since: Cursor | None
    ) -> Generator[Chunk, None, None]:
        """Read everything; a read that was cut short goes on behind the rows it gave."""
        done = int(since["rows"]) if since and since.get("more") else 0
        tail = f"OFFSET {done}" if done else ""
        statement = sql.select(select_list(columns), self.relation, self.conditions(), tail=tail)
        convert = self._converter(columns)
        with closing(reader.stream(statement, rows=self._config.batch_size)) as batches:
            held: Converted | None = None
            for batch in batches:
                if held:
                    yield Chunk(held.batch, {"rows": done, "more": True}, held.rejected)
                done += batch.num_rows
                held = convert(batch)
            if held:
                yield Chunk(held.batch, {"rows": done, "more": False}, held.rejected)

    def _keyed(
        self,
        reader: PostgresReader,
        columns: Sequence[Column],
        key: sql.Key,
        since: Cursor | None,
        window: Window | None,
    ) -> Generator[Chunk, None, None]:
        """Read in the order of the key, cutting only where its value changes."""
        conditions = [*self.conditions(), *(key.within(window) if window else key.after(since))]
        what = f"{select_list(columns)}, {key.selected}"
        statement = sql.select(what, self.relation, conditions, tail=key.order)
        unset = not window and (since is None or bool(since.get("unset")))
        before = since.get("value") if since and not window else None
        convert = self._converter(columns)
        with closing(reader.stream(statement, rows=self._config.batch_size)) as batches:
            for rows, upto, last in sections(batches, by=sql.KEY):
                batch, rejected = convert(rows)
                value = before if upto is None else saved(upto)
                if last and key.upto is not None:
                    value = key.upto  # whatever the greatest value of this part is
                yield Chunk(batch, key.saved(value, more=not last, unset=unset), rejected)

    def _converter(self, columns: Sequence[Column]) -> Callable[[pa.RecordBatch], Converted]:
        return Converter(columns, place=self._place).convert

    # ── what is there ────────────────────────────────────────────────────────────────────────

    @property
    def relation(self) -> str:
        """What to select from."""
        if self._config.query is not None:
            return f"({self._config.query.strip().rstrip(';')}\n) AS {sql.FROM}"
        return f"{identifier(self._config.schema_, str(self._config.table))} AS {sql.FROM}"

    def conditions(self) -> list[str]:
        """Return what the configuration leaves of the rows."""
        part = self._config.partition
        bounds = [] if part is None else sql.between(part.column, part.lower, part.upper)
        return ([f"{self._config.where}\n"] if self._config.where else []) + bounds

    def key(self, reader: PostgresReader, window: Window | None = None) -> sql.Key | None:
        """Return the cursor column with its type.

        :raises ConfigurationError: if a window is to be read and there is none
        """
        by = self._config.cursor
        if by is not None:
            field = self.schema(reader, identifier(by.column)).field(0)
            return sql.Key(by.column, pg_type(field), by.lookback, by.upto)
        if window is not None:
            raise ConfigurationError(
                f"{self._place}: reading a window needs a time column: cursor: {{column: …}}"
            )
        return None

    def schema(self, reader: PostgresReader, what: str) -> pa.Schema:
        """Return the types of some expressions.

        :raises ConfigurationError: if something is not there; with what may have been meant
        """
        try:
            return reader.schema(sql.select(what, self.relation, ()))
        except ConfigurationError as error:
            with PostgresReader(self._credentials) as another:
                hint = self._nearby(another, str(error))
            raise ConfigurationError(f"{error}; {hint}") from error

    def _columns(self, reader: PostgresReader) -> list[Column]:
        named = ", ".join(identifier(name) for name in self._config.columns or ()) or "*"
        return columns_of(self.schema(reader, named), numeric=self._config.numeric)

    def _nearby(self, reader: PostgresReader, message: str) -> str:
        """Offer names for the one that is not there: columns, tables or schemas."""
        missing = sql.missing_column(message)
        if missing and self._config.table:
            return sql.near_names(
                reader.rows(sql.column_names(self._config.schema_, self._config.table)), missing
            )
        if self._config.table is None:
            return "look at query:"
        return sql.near_names(reader.rows(sql.TABLE_NAMES), self._place)


def saved(value: pa.Scalar) -> int | str:
    """Write a value so that JSON keeps it and PostgreSQL reads it."""
    if pa.types.is_integer(value.type):
        return int(value.as_py())
    return str(value.cast(pa.string()).as_py())
