"""Imports a table or a query of PostgreSQL, wholly or from a cursor column on, or its changes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager, aclosing, closing
from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from airflow_provider_spotify.core.clients.postgres_reader import database, server
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
from airflow_provider_spotify.core.sources.streaming.base import StreamConfig, StreamSource, Until

if TYPE_CHECKING:
    from airflow_provider_spotify.core.sources.database._postgresql_cdc import Changes
    from airflow_provider_spotify.core.sources.database._postgresql_table import Table

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
    upto: Bound = Field(None, description="read no value above this; a fan-out sets it")


class ByRange(Frozen):
    """Read only the rows whose ``column``, or page, lies from ``lower`` to below ``upper``.

    A fan-out sets the bounds. By pages it cuts any table, but rows that are updated meanwhile may
    move between pages: without a cursor column that updates move on, they may be missed or come
    twice.
    """

    by: Literal["key", "ctid"] = Field(
        "key", description="cut by a column (the primary key, if none is named) or by pages"
    )
    column: Name | None = None
    lower: Bound = None
    upper: Bound = None

    @model_validator(mode="after")
    def _of_one_kind(self) -> Self:
        bounded = self.lower is not None or self.upper is not None
        if self.by == "ctid" and self.column is not None:
            raise ValueError("by: ctid cuts by pages; take column: away")
        if self.by == "key" and self.column is None and bounded:
            raise ValueError("bounds need a column")
        return self


class Replicated(Frozen):
    """How the changes of a table are read from PostgreSQL's log.

    The slot keeps the log until a later load has begun where this one ended, so that the last
    load can be run again. Remove the slot when you remove the import, or the disk fills up:
    ``SELECT pg_drop_replication_slot('…')``.
    """

    slot: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,63}$")] | None = Field(
        None, description="made at the first read; none: named after tenant, schema and table"
    )
    publication: Name | None = Field(None, description="none: called like the slot")
    create: bool = Field(True, description="make slot and publication where they are missing")
    snapshot: Literal["initial", "never"] = Field(
        "initial", description="initial: begin with the rows that are there; never: changes only"
    )
    truncate: Literal["error", "row"] = Field(
        "error", description="what TRUNCATE does: stop the import, or come as a row"
    )
    upto: int | None = Field(
        None, description="read nothing that commits from this position on; a fan-out sets it"
    )
    idle_bytes: int = Field(
        64 * 1024 * 1024,
        ge=1,
        description="move on after so much log without a change of the table, to let it go",
    )


class PostgresqlConfig(StreamConfig):
    """What is read: a table (or view), or a query; or, by ``mode: cdc``, the changes of a table.

    Without a cursor column every read gives everything. A read cut short then goes on by counting
    rows, which is exact only while nobody changes them.

    ``mode: cdc`` needs ``wal_level = logical`` and a login with REPLICATION. Its rows have six more
    columns: ``_op`` (snapshot, insert, update, delete, truncate), ``_lsn`` (of the commit, as a
    number) and ``_index`` (within it), which together order them, ``_commit_time``, ``_xid`` and
    ``_deleted``. Write them by merge with ``deleted: _deleted``, or append them as a log. An update
    of the key is a delete and an insert. Of a deleted row only the key is known, unless the table
    has REPLICA IDENTITY FULL.
    """

    model_config = ConfigDict(populate_by_name=True)

    mode: Literal["table", "cdc"] = Field("table", description="read the rows, or their changes")
    table: Name | None = Field(None, description="table or view")
    query: str | None = Field(None, description="a SELECT, instead of a table")
    schema_: Name = Field("public", alias="schema", description="where the table is")
    columns: Annotated[Sequence[Name], Field(min_length=1)] | None = None
    where: str | None = Field(None, description="an SQL condition")
    cursor: ByColumn | None = None
    partition: ByRange | None = Field(None, description="how a fan-out cuts it; one part of it")
    cdc: Replicated = Replicated()
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

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if self.mode == "cdc":
            wrong = [k for k in ("query", "where", "cursor", "partition") if getattr(self, k)]
            if wrong:
                raise ValueError(
                    f"mode: cdc reads every change of one table; take {wrong[0]}: away"
                )
        elif self.cdc != Replicated():
            raise ValueError("cdc: needs mode: cdc")
        elif self.until != Until():
            raise ValueError("until: is for streams; it needs mode: cdc")
        return self


class PostgresqlSource(StreamSource[PostgresqlConfig]):
    """Reads one snapshot, in a read-only transaction, in the order of the cursor column.

    With ``mode: cdc`` it is a stream: what was committed, in the order of the commits.
    """

    Config = PostgresqlConfig
    conn_type: ClassVar[str | None] = "postgres"
    extra: ClassVar[str | None] = "database"

    async def read(
        self, since: Cursor | None, window: Window | None = None
    ) -> AsyncIterator[Chunk]:
        """Yield rows after the cursor; see :class:`Source`.

        :raises ConfigurationError: if table, column or cursor are not there or do not fit
        :raises DataError: if the log no longer holds what comes after the cursor
        :raises AuthenticationError, ForbiddenError, TransientError: as the server answers
        """
        with self._slot():
            if self.config.mode == "cdc":
                async with aclosing(self._changes(window).read(since)) as stream:
                    async for chunk in stream:
                        yield chunk
            else:
                with closing(self._table().chunks(since, window)) as chunks:
                    for chunk in chunks:
                        yield chunk

    async def check(self) -> Health:
        """Connect and look at the columns; read no row."""
        begun = time.perf_counter()
        try:
            if self.config.mode == "cdc":
                found = await asyncio.to_thread(self._changes().looked_at)
            else:
                found = f"{await asyncio.to_thread(self._table().looked_at)} columns"
        except ImporterError as error:
            return Health(ok=False, message=str(error), seconds=time.perf_counter() - begun)
        message = f"{self._place} at {server(self.credentials)}: {found}"
        return Health(ok=True, message=message, seconds=time.perf_counter() - begun)

    async def is_ready(self, since: Cursor | None, window: Window | None = None) -> bool:
        """Ask whether one row exists that ``read`` would give."""
        if self.config.mode == "cdc":
            return await self._changes(window).exists(since)
        return await asyncio.to_thread(self._table().exists, since, window)

    def following(self) -> Self:
        """Return this source as one that never ends; only ``mode: cdc`` is a stream.

        :raises ConfigurationError: in any other mode
        """
        if self.config.mode != "cdc":
            raise ConfigurationError(
                f"{self._place} is read as a table and ends when all is read; take flush: away, "
                "or read its changes: mode: cdc"
            )
        return super().following()

    def committed(self, cursor: Cursor) -> None:
        """Let the replication slot forget what no load of this import will ask for again."""
        if self.config.mode == "cdc":
            self._changes().committed(cursor)

    def dataset(self) -> DatasetName:
        """Name the table; a query is named after its database and schema."""
        name = f"{database(self.credentials)}.{self._place}"
        return DatasetName(f"postgres://{server(self.credentials)}", name)

    async def partitions(self, n: int, since: Cursor | None = None) -> Sequence[Self]:
        """Cut by ranges of ``partition``'s column or the primary key, else by the table's pages."""
        if self.config.mode == "cdc":  # in one part: changes have an order
            upto = await asyncio.to_thread(self._changes().ends)
            return [self.narrowed(cdc={**self.config.cdc.model_dump(), "upto": upto})]
        if n < 2:
            return [self]
        from airflow_provider_spotify.core.sources.database._postgresql_parts import Cutter

        cutter = Cutter(self.config, credentials=self.credentials, place=self._place)
        changes = await asyncio.to_thread(cutter.parts, n, since)
        return [self.narrowed(**change) for change in changes]

    def joined(self, cursors: Sequence[Cursor | None]) -> Cursor | None:
        """Return where the whole goes on: at the value that was the greatest when it was cut."""
        if len(cursors) == 1:
            return cursors[0]
        from airflow_provider_spotify.core.sources.database._postgresql_parts import joined

        return joined(cursors)

    def _slot(self) -> AbstractContextManager[None]:
        config = self.config
        most = None if config.pool_size is None else config.pool_size + config.max_overflow
        place = f"{self.credentials.login}@{server(self.credentials)}"
        return slot(place, most=most, timeout=config.pool_timeout.total_seconds())

    def _table(self) -> Table:
        from airflow_provider_spotify.core.sources.database._postgresql_table import Table

        return Table(self.config, credentials=self.credentials, place=self._place)

    def _changes(self, window: Window | None = None) -> Changes:
        from airflow_provider_spotify.core.sources.database._postgresql_cdc import Changes

        if window is not None:
            raise ConfigurationError(f"{self._place}: mode: cdc reads on from a cursor; no window")
        return Changes(self.config, credentials=self.credentials, tenant=self.tenant)

    @property
    def _place(self) -> str:
        return f"{self.config.schema_}.{self.config.table or 'query'}"


SOURCE = PostgresqlSource
