"""Imports a table or a query of PostgreSQL, wholly or from a cursor column onwards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from contextlib import AbstractContextManager, closing
from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from airflow_provider_spotify.core.clients import postgres_query as sql
from airflow_provider_spotify.core.clients.postgres_reader import (
    PostgresReader,
    database,
    identifier,
    server,
)
from airflow_provider_spotify.core.clients.slots import slot
from airflow_provider_spotify.core.config.rules import Duration
from airflow_provider_spotify.core.errors import ConfigurationError, ImporterError
from airflow_provider_spotify.core.model import (
    Chunk,
    Cursor,
    DatasetName,
    Frozen,
    Health,
    Window,
)
from airflow_provider_spotify.core.sources.base import Source, SourceConfig

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_provider_spotify.core.clients.postgres_columns import Column, Converted

Name = Annotated[str, StringConstraints(min_length=1, max_length=63)]


def _written(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


Bound = Annotated[int | str | None, BeforeValidator(_written)]


class ByColumn(Frozen):
    """Read only rows whose ``column`` grew past what was read before.

    Rows that arrive late, with a value already passed, need a ``lookback``: that much is read again
    each time (write by merge, or they double). Rows whose value is NULL or infinite are read once,
    at the end of the first read.
    """

    column: Name
    lookback: int | Duration = Field(0, description="a duration, or a number for integer columns")


class ByRange(Frozen):
    """Read only the part of the rows whose ``column`` lies from ``lower`` to below ``upper``."""

    column: Name
    lower: Bound = None
    upper: Bound = None


class PostgresqlConfig(SourceConfig):
    """What is read: a table (or view), or a query.

    Without a cursor column every read gives everything. A read cut short then goes on by counting
    rows, which is exact only while nobody changes them.
    """

    model_config = ConfigDict(populate_by_name=True)

    table: Name | None = Field(None, description="table or view")
    query: str | None = Field(None, description="a SELECT, instead of a table")
    schema_: Name = Field("public", alias="schema", description="where the table is")
    columns: Annotated[Sequence[Name], Field(min_length=1)] | None = None
    where: str | None = Field(None, description="an SQL condition")
    cursor: ByColumn | None = None
    partition: ByRange | None = Field(None, description="one key range; a fan-out sets it")
    batch_size: int = Field(65_536, ge=1, description="rows per batch, at most")
    pool_size: int | None = Field(
        None, ge=1, description="connections this process may hold to the server; none: no bound"
    )
    max_overflow: int = Field(0, ge=0, description="connections above pool_size, when it is full")
    pool_timeout: Duration = Field(
        timedelta(seconds=30), description="how long to wait for a connection"
    )
    numeric: Annotated[
        str,
        StringConstraints(pattern=r"^(text|double|decimal\(([1-9]|[12]\d|3[0-8]),\s*\d{1,2}\))$"),
    ] = Field("text", description="what numeric without bounds becomes: text, double, decimal(p,s)")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.table is None) == (self.query is None):
            raise ValueError("give either table or query")
        return self


class PostgresqlSource(Source[PostgresqlConfig]):
    """Reads one snapshot, in a read-only transaction, in the order of the cursor column."""

    Config = PostgresqlConfig
    conn_type: ClassVar[str | None] = "postgres"
    extra: ClassVar[str | None] = "database"

    async def read(
        self, since: Cursor | None, window: Window | None = None
    ) -> AsyncIterator[Chunk]:
        """Yield rows after the cursor; see :class:`Source`.

        :raises ConfigurationError: if table, column or cursor are not there or do not fit
        :raises AuthenticationError, ForbiddenError, TransientError: as the server answers
        """
        with self._slot(), PostgresReader(self.credentials) as reader:
            columns, key = self._columns(reader), self._key(reader, window)
            if key is None:
                chunks = self._all(reader, columns, since)
            else:
                chunks = self._keyed(reader, columns, key, since, window)
            with closing(chunks):
                for chunk in chunks:
                    yield chunk

    async def check(self) -> Health:
        """Connect and look at the columns; read no row."""
        begun = time.perf_counter()
        try:
            columns = await asyncio.to_thread(self._looked_at)
        except ImporterError as error:
            return Health(ok=False, message=str(error), seconds=time.perf_counter() - begun)
        message = f"{self._place} at {server(self.credentials)}: {columns} columns"
        return Health(ok=True, message=message, seconds=time.perf_counter() - begun)

    async def is_ready(self, since: Cursor | None, window: Window | None = None) -> bool:
        """Ask whether one row exists that ``read`` would give."""
        return await asyncio.to_thread(self._exists, since, window)

    def _slot(self) -> AbstractContextManager[None]:
        config = self.config
        most = None if config.pool_size is None else config.pool_size + config.max_overflow
        place = f"{self.credentials.login}@{server(self.credentials)}"
        return slot(place, most=most, timeout=config.pool_timeout.total_seconds())

    def dataset(self) -> DatasetName:
        """Name the table; a query is named after its database and schema."""
        name = f"{database(self.credentials)}.{self._place}"
        return DatasetName(f"postgres://{server(self.credentials)}", name)

    async def partitions(self, n: int, since: Cursor | None = None) -> Sequence[Self]:
        """Cut the table by ranges of an integer or time column: ``partition``'s or the key's."""
        return await asyncio.to_thread(self._ranges, n)

    # ── reading ──────────────────────────────────────────────────────────────────────────────

    def _all(
        self, reader: PostgresReader, columns: Sequence[Column], since: Cursor | None
    ) -> Generator[Chunk, None, None]:
        """Read everything; a read that was cut short goes on behind the rows it gave."""
        done = int(since["rows"]) if since and since.get("more") else 0
        tail = f"OFFSET {done}" if done else ""
        statement = sql.select(_listed(columns), self._relation, self._conditions(), tail=tail)
        convert = self._converter(columns)
        with closing(reader.stream(statement, rows=self.config.batch_size)) as batches:
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
        from airflow_provider_spotify.core.clients.boundaries import sections

        conditions = [*self._conditions(), *(key.within(window) if window else key.after(since))]
        what = f"{_listed(columns)}, {key.selected}"
        statement = sql.select(what, self._relation, conditions, tail=key.order)
        unset = not window and (since is None or bool(since.get("unset")))
        before = since.get("value") if since and not window else None
        convert = self._converter(columns)
        with closing(reader.stream(statement, rows=self.config.batch_size)) as batches:
            for rows, upto, last in sections(batches, by=sql.KEY):
                batch, rejected = convert(rows)
                value = before if upto is None else _saved(upto)
                yield Chunk(batch, key.saved(value, more=not last, unset=unset), rejected)

    def _converter(self, columns: Sequence[Column]) -> Callable[[pa.RecordBatch], Converted]:
        from airflow_provider_spotify.core.clients.postgres_columns import Converter

        return Converter(columns, place=self._place).convert

    # ── what is there ────────────────────────────────────────────────────────────────────────

    @property
    def _place(self) -> str:
        return f"{self.config.schema_}.{self.config.table or 'query'}"

    @property
    def _relation(self) -> str:
        if self.config.query is not None:
            return f"({self.config.query.strip().rstrip(';')}\n) AS {sql.FROM}"
        return f"{identifier(self.config.schema_, str(self.config.table))} AS {sql.FROM}"

    def _conditions(self) -> list[str]:
        part = self.config.partition
        bounds = sql.between(part.column, part.lower, part.upper) if part else []
        return ([f"{self.config.where}\n"] if self.config.where else []) + bounds

    def _columns(self, reader: PostgresReader) -> list[Column]:
        from airflow_provider_spotify.core.clients.postgres_columns import columns_of

        named = ", ".join(identifier(name) for name in self.config.columns or ()) or "*"
        found = self._schema(reader, named)
        return columns_of(found, numeric=self.config.numeric)

    def _key(self, reader: PostgresReader, window: Window | None) -> sql.Key | None:
        from airflow_provider_spotify.core.clients.postgres_columns import pg_type

        by = self.config.cursor
        if by is not None:
            field = self._schema(reader, identifier(by.column)).field(0)
            return sql.Key(by.column, pg_type(field), by.lookback)
        if window is not None:
            raise ConfigurationError(
                f"{self._place}: reading a window needs a time column: cursor: {{column: …}}"
            )
        return None

    def _schema(self, reader: PostgresReader, what: str) -> pa.Schema:
        try:
            return reader.schema(sql.select(what, self._relation, ()))
        except ConfigurationError as error:
            with PostgresReader(self.credentials) as another:
                hint = self._nearby(another, str(error))
            raise ConfigurationError(f"{error}; {hint}") from error

    def _nearby(self, reader: PostgresReader, message: str) -> str:
        """Offer names for the one that is not there: columns, tables or schemas."""
        missing = sql.missing_column(message)
        if missing and self.config.table:
            return sql.near_names(
                reader.rows(sql.column_names(self.config.schema_, self.config.table)), missing
            )
        if self.config.table is None:
            return "look at query:"
        return sql.near_names(reader.rows(sql.TABLE_NAMES), self._place)

    def _looked_at(self) -> int:
        with PostgresReader(self.credentials) as reader:
            self._key(reader, None)
            return len(self._columns(reader))

    def _exists(self, since: Cursor | None, window: Window | None) -> bool:
        with PostgresReader(self.credentials) as reader:
            key = self._key(reader, window)
            conditions = self._conditions()
            tail = "LIMIT 1"
            if key is not None:
                conditions += key.within(window) if window else key.after(since)
            elif since and since.get("more"):
                tail += f" OFFSET {int(since['rows'])}"
            return bool(reader.rows(sql.select("1 AS one", self._relation, conditions, tail=tail)))

    def _ranges(self, n: int) -> list[Self]:
        with PostgresReader(self.credentials) as reader:
            whole = self.config.partition
            column = whole.column if whole else self._own_key(reader)
            if column is None or n < 2:
                return [self]
            found = self._schema(reader, identifier(column))
            cuts = sql.cuts(reader, self._relation, self._conditions(), found.field(0), n)
        lower, upper = (whole.lower, whole.upper) if whole else (None, None)
        edges = [lower, *cuts, upper]
        return [
            self.narrowed(partition=ByRange(column=column, lower=low, upper=high))
            for low, high in pairwise(edges)
        ]

    def _own_key(self, reader: PostgresReader) -> str | None:
        """Return the primary key of the table, if it is one column."""
        if self.config.table is None:
            return None
        found = reader.rows(sql.primary_key(self.config.schema_, self.config.table))
        return str(found[0]["name"]) if len(found) == 1 else None


def _listed(columns: Sequence[Column]) -> str:
    from airflow_provider_spotify.core.clients.postgres_columns import select_list

    return select_list(columns)


def _saved(value: pa.Scalar) -> int | str:
    """Write a value so that JSON keeps it and PostgreSQL reads it."""
    import pyarrow as pa

    if pa.types.is_integer(value.type):
        return int(value.as_py())
    return str(value.cast(pa.string()).as_py())


SOURCE = PostgresqlSource
