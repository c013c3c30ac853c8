"""Imports a table or a query of ClickHouse, wholly or from a cursor column onwards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Generator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from airflow_provider_spotify.core.clients.clickhouse import (
    READING_SETTINGS,
    ClickHouseRefusal,
    database,
    identifier,
    literal,
    server,
)
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

    from airflow_provider_spotify.core.clients.clickhouse_rows import Converted
    from airflow_provider_spotify.core.clients.clickhouse_types import Selected
    from airflow_provider_spotify.core.sources.database._clickhouse_query import Key
    from airflow_provider_spotify.core.sources.database._clickhouse_reader import ClickHouseReader

Name = Annotated[str, StringConstraints(min_length=1)]


class ByColumn(Frozen):
    """Read only rows whose ``column`` grew past what was read before.

    Rows that arrive late, with a value already passed, need a ``lookback``: that much is read again
    each time (write by merge, or they double). Rows whose value is NULL are read once, at the end
    of the first read.
    """

    column: Name
    lookback: int | Duration = Field(0, description="a duration, or a number for integer columns")


class Slice(Frozen):
    """Read only a part of the rows; a fan-out sets it."""

    ids: tuple[str, ...] = Field((), description="partitions of the table, by partition_id")
    hash: str | None = Field(None, description="or an expression, whose hash decides")
    of: int = Field(1, ge=1, description="into how many parts the hash divides")
    number: int = Field(0, ge=0, description="which of them, from 0")
    upto: str | None = Field(None, description="the greatest value of the cursor column")


class ClickhouseConfig(SourceConfig):
    """What is read: a table (or view), or a query.

    Without a cursor column every read gives everything. A read cut short then goes on by counting
    rows: of a table only if its parts are still the same, of a query if it gives a stable order.
    """

    table: Name | None = Field(None, description="table or view, of the connection's database")
    database: Name | None = Field(None, description="where the table is, if elsewhere")
    query: str | None = Field(None, description="a SELECT, instead of a table")
    columns: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None
    where: str | None = Field(None, description="an SQL condition")
    final: bool = Field(False, description="merge rows as the table's engine would, while reading")
    cursor: ByColumn | None = None
    binary: tuple[Name, ...] = Field((), description="String columns that hold bytes, not text")
    partition: Slice | None = Field(None, description="one part of the rows; a fan-out sets it")
    max_block_size: int = Field(65_536, ge=1, description="rows per batch, at most")
    compression: Literal["none", "lz4", "zstd"] = Field(
        "none", description="of what the server sends: worth it where the network is slow"
    )
    settings: Mapping[str, int | float | str] = Field(
        {}, description="settings of ClickHouse, such as max_bytes_before_external_sort"
    )

    @field_validator("settings")
    @classmethod
    def _allowed(cls, value: Mapping[str, Any]) -> Mapping[str, Any]:
        if unknown := sorted(set(value) - READING_SETTINGS):
            allowed = ", ".join(sorted(READING_SETTINGS))
            raise ValueError(f"{unknown[0]} may not be set here; these may: {allowed}")
        return value

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.table is None) == (self.query is None):
            raise ValueError("give either table or query")
        if self.final and self.query is not None:
            raise ValueError("final goes with table; in a query write FINAL after the table's name")
        return self


class ClickhouseSource(Source[ClickhouseConfig]):
    """Reads one query's snapshot, read-only, in the order of the cursor column."""

    Config = ClickhouseConfig
    conn_type: ClassVar[str | None] = "clickhouse"
    extra: ClassVar[str | None] = "database"

    async def read(
        self, since: Cursor | None, window: Window | None = None
    ) -> AsyncIterator[Chunk]:
        """Yield rows after the cursor; see :class:`Source`.

        :raises ConfigurationError: if table, column or cursor are not there or do not fit
        :raises AuthenticationError, ForbiddenError, TransientError: as the server answers
        """
        with self._reader() as reader:
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

    def dataset(self) -> DatasetName:
        """Name the table, in the manner of OpenLineage; a query is named after its database."""
        return DatasetName(f"clickhouse://{server(self.credentials)}", self._place)

    async def partitions(self, n: int, since: Cursor | None = None) -> Sequence[Self]:
        """Share out the table's partitions if it has as many, else its rows by their hash.

        Rows with a greater value of the cursor column than there is now belong to none.
        """
        return await asyncio.to_thread(self._slices, n)

    def joined(self, cursors: Sequence[Cursor | None]) -> Cursor | None:
        """Return the greatest value that the partitions were bounded by."""
        known = [cursor for cursor in cursors if cursor is not None]
        if not known:
            return None
        if "rows" in known[0]:
            return {"rows": sum(int(cursor["rows"]) for cursor in known), "more": False}
        whole = next((c for c in known if c.get("upto") is not None), known[0])
        value = whole.get("upto", whole["value"])
        return {"column": whole["column"], "type": whole["type"], "value": value, "more": False}

    # ── reading ──────────────────────────────────────────────────────────────────────────────

    def _all(
        self, reader: ClickHouseReader, columns: Sequence[Selected], since: Cursor | None
    ) -> Generator[Chunk, None, None]:
        """Read everything; a read that was cut short goes on behind the rows it gave."""
        from airflow_provider_spotify.core.sources.database import _clickhouse_query as sql

        state = reader.state(self._database, self.config.table) if self.config.table else None
        done = int(since["rows"]) if since and since.get("more") else 0
        if done and since and since.get("state") != state:
            raise ConfigurationError(
                f"{self._place} changed since the read that gave {done} rows was cut short, so "
                "nobody knows which they were; run once with full refresh, or give a cursor column"
            )
        tail = f"LIMIT {2**63 - 1} OFFSET {done}" if done else ""
        statement = sql.select(_listed(columns), self._relation, self._conditions(None), tail=tail)
        # one thread reads the parts in their order; more would mix them
        settings = {**self.config.settings, "max_threads": 1}
        convert, held = self._converter(columns), None
        batches = reader.stream(statement, rows=self.config.max_block_size, settings=settings)
        with closing(batches):
            for batch in batches:
                if held:
                    cursor = {"rows": done, "more": True, "state": state}
                    yield Chunk(held.batch, cursor, held.rejected)
                done += batch.num_rows
                held = convert(batch)
            if held:
                yield Chunk(held.batch, {"rows": done, "more": False}, held.rejected)

    def _keyed(
        self,
        reader: ClickHouseReader,
        columns: Sequence[Selected],
        key: Key,
        since: Cursor | None,
        window: Window | None,
    ) -> Generator[Chunk, None, None]:
        """Read in the order of the key, cutting only where its value changes."""
        from airflow_provider_spotify.core.clients.boundaries import sections
        from airflow_provider_spotify.core.sources.database import _clickhouse_query as sql

        part = self.config.partition
        conditions = self._conditions(key)
        conditions += key.within(window) if window else key.after(since)
        what = f"{_listed(columns)}, {key.selected}"
        statement = sql.select(what, self._relation, conditions, tail=key.order)
        unset = not window and (since is None or bool(since.get("unset")))
        value = since.get("value") if since and not window else None
        convert, settings = self._converter(columns), self.config.settings
        batches = reader.stream(statement, rows=self.config.max_block_size, settings=settings)
        with closing(batches):
            for rows, upto, last in sections(batches, by=sql.KEY):
                batch, rejected = convert(rows)
                value = value if upto is None else sql.written(upto)
                cursor = key.saved(value, more=not last, unset=unset)
                if part and part.upto is not None:
                    cursor = {**cursor, "upto": part.upto}
                yield Chunk(batch, cursor, rejected)

    def _converter(self, columns: Sequence[Selected]) -> Callable[[pa.RecordBatch], Converted]:
        from airflow_provider_spotify.core.clients.clickhouse_rows import Converter

        return Converter(columns, place=self._place).convert

    # ── what is there ────────────────────────────────────────────────────────────────────────

    def _reader(self) -> ClickHouseReader:
        from airflow_provider_spotify.core.sources.database._clickhouse_reader import (
            ClickHouseReader,
        )

        return ClickHouseReader(
            self.credentials, settings=self.config.settings, compress=self.config.compression
        )

    @property
    def _database(self) -> str:
        return self.config.database or database(self.credentials)

    @property
    def _place(self) -> str:
        return f"{self._database}.{self.config.table or 'query'}"

    @property
    def _relation(self) -> str:
        if self.config.query is not None:
            return f"({self.config.query.strip().rstrip(';')}\n)"
        final = " FINAL" if self.config.final else ""
        return identifier(self._database, str(self.config.table)) + final

    def _conditions(self, key: Key | None) -> list[str]:
        found = [f"{self.config.where}\n"] if self.config.where else []
        part = self.config.partition
        if part is None:
            return found
        if part.ids:
            found.append(f"_partition_id IN ({', '.join(map(literal, part.ids))})")
        if part.hash is not None:
            found.append(f"cityHash64({part.hash}) % {part.of} = {part.number}")
        if part.upto is not None and key is not None:
            found.append(key.upto(part.upto))
        return found

    def _columns(self, reader: ClickHouseReader) -> list[Selected]:
        from airflow_provider_spotify.core.clients.clickhouse_types import selected

        named = ", ".join(identifier(name) for name in self.config.columns or ()) or "*"
        found = self._described(reader, named)
        return [selected(n, type_, as_bytes=n in self.config.binary) for n, type_ in found]

    def _key(self, reader: ClickHouseReader, window: Window | None) -> Key | None:
        from airflow_provider_spotify.core.sources.database._clickhouse_query import Key

        if by := self.config.cursor:
            ((_, type_),) = self._described(reader, identifier(by.column))
            return Key.of(by.column, type_, by.lookback)
        if window is not None:
            raise ConfigurationError(
                f"{self._place}: reading a window needs a time column: cursor: {{column: …}}"
            )
        return None

    def _described(self, reader: ClickHouseReader, what: str) -> list[tuple[str, str]]:
        from airflow_provider_spotify.core.sources.database._clickhouse_query import select

        try:
            return reader.columns(select(what, self._relation, ()))
        except ClickHouseRefusal as error:
            hint = reader.nearby(error, database=self._database, table=self.config.table)
            raise ConfigurationError(f"{error}; {hint}") from error

    def _looked_at(self) -> int:
        with self._reader() as reader:
            self._key(reader, None)
            return len(self._columns(reader))

    def _exists(self, since: Cursor | None, window: Window | None) -> bool:
        from airflow_provider_spotify.core.sources.database._clickhouse_query import select

        with self._reader() as reader:
            key, tail = self._key(reader, window), "LIMIT 1"
            conditions = self._conditions(key)
            if key is not None:
                conditions += key.within(window) if window else key.after(since)
            elif since and since.get("more"):
                tail += f" OFFSET {int(since['rows'])}"
            return bool(reader.rows(select("1 AS one", self._relation, conditions, tail=tail)))

    def _slices(self, n: int) -> list[Self]:
        from airflow_provider_spotify.core.sources.database import _clickhouse_slices as slices

        if n < 2 or self.config.partition is not None:
            return [self]
        with self._reader() as reader:
            key, upto = self._key(reader, None), None
            if key is not None:
                upto = slices.greatest(reader, key, self._relation, self._conditions(key))
            table = (self._database, self.config.table) if self.config.table else None
            found = slices.cut(reader, table, n, by=key.sql if key else None)
        if not found:
            return [self]
        return [self.narrowed(partition={**each, "upto": upto}) for each in found]


def _listed(columns: Sequence[Selected]) -> str:
    """Return what to select, under names that hide none: ClickHouse's WHERE would take those."""
    return ", ".join(f"{column.sql} AS _column_{n}" for n, column in enumerate(columns))


SOURCE = ClickhouseSource
