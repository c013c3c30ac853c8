"""One read-only connection to ClickHouse: streams, small answers, and what a table is made of."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any, NamedTuple, Self

import pyarrow as pa

from airflow_provider_spotify.core.clients.clickhouse import (
    UNKNOWN_COLUMN,
    UNKNOWN_DATABASE,
    UNKNOWN_TABLE,
    ClickHouseRefusal,
    clickhouse_errors,
    connect,
    literal,
)
from airflow_provider_spotify.core.clients.clickhouse_stream import stream
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sources.database._clickhouse_query import near_names, select

READ_ONLY: Mapping[str, Any] = {"readonly": "2"}
"""Reading and settings only (https://clickhouse.com/docs/operations/settings/permissions-for-queries)."""
_UNKNOWN = re.compile(r"(?:identifier|column)s? [`'](.+?)[`']")


class Made(NamedTuple):
    """How a table is made.

    :param primary_key: an SQL expression, perhaps of several columns; empty without one
    """

    engine: str
    primary_key: str
    sorting_key: str


class ClickHouseReader(AbstractContextManager["ClickHouseReader"]):
    """A context manager; what it runs cannot write.

    :param settings: of ClickHouse, for every query
    :param compress: how the buffers of Arrow are compressed: ``lz4``, ``zstd`` or ``none``
    """

    def __init__(
        self, credentials: Credentials, *, settings: Mapping[str, Any], compress: str = "none"
    ) -> None:
        self._credentials = credentials
        method = {"none": "none", "lz4": "lz4_frame", "zstd": "zstd"}[compress]
        fixed = {**READ_ONLY, "output_format_arrow_compression_method": method}
        self._settings = {**settings, **fixed}
        self._stack = ExitStack()
        self._client: Any = None

    def __enter__(self) -> Self:
        self._client = self._stack.enter_context(connect(self._credentials))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def stream(
        self, sql: str, *, rows: int, settings: Mapping[str, Any]
    ) -> Generator[pa.RecordBatch, None, None]:
        """Run a query; yield batches of at most ``rows`` rows. Closing it ends the query."""
        bounded = {**self._settings, **settings, "max_block_size": rows}
        batches = stream(self._client, sql, credentials=self._credentials, settings=bounded)
        for batch in batches:
            for start in range(0, batch.num_rows, rows):
                yield batch.slice(start, rows)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a query with a small answer."""
        with clickhouse_errors(self._credentials):
            found: Sequence[tuple[Any, ...]] = self._client.query(
                sql, settings=self._settings
            ).result_rows
        return list(found)

    def columns(self, sql: str) -> list[tuple[str, str]]:
        """Return names and types of a query's columns."""
        return [(str(row[0]), str(row[1])) for row in self.rows(f"DESCRIBE TABLE ({sql}\n)")]

    def made(self, database: str, table: str) -> Made | None:
        """Return how a table is made; None if this login may not see it."""
        its = _of(database, name=table)
        found = self.rows(select("engine, primary_key, sorting_key", "system.tables", its))
        return Made(*found[0]) if found else None

    def parts(self, database: str, table: str) -> list[tuple[str, str, int]]:
        """Return name, partition and rows of each part of a table."""
        its = ["active", *_of(database, table=table)]
        sql = select("name, partition_id, rows", "system.parts", its, tail="ORDER BY name")
        return [(str(name), str(partition), int(rows)) for name, partition, rows in self.rows(sql)]

    def state(self, database: str, table: str) -> str | None:
        """Name what a table is made of now; None where there is nothing to name."""
        parts = self.parts(database, table)
        named = "\0".join(name for name, _, _ in parts)
        return hashlib.blake2b(named.encode(), digest_size=8).hexdigest() if parts else None

    def nearby(self, error: ClickHouseRefusal, *, database: str, table: str | None) -> str:
        """Offer names for the one that is not there: columns, tables or databases."""
        if error.code in UNKNOWN_DATABASE:
            return near_names(self._names("system.databases", []), database)
        if error.code in UNKNOWN_TABLE and table is not None:
            return near_names(self._names("system.tables", _of(database)), table)
        unknown = _UNKNOWN.search(str(error))
        if error.code in UNKNOWN_COLUMN and unknown and table is not None:
            names = self._names("system.columns", _of(database, table=table))
            return near_names(names, unknown[1].rpartition(".")[2])
        return "look at query:" if table is None else "look at columns:, where: and cursor:"

    def _names(self, relation: str, conditions: Sequence[str]) -> list[str]:
        sql = select("name", relation, conditions, tail="ORDER BY name LIMIT 5000")
        return [str(row[0]) for row in self.rows(sql)]


def _of(database: str, **named: str) -> list[str]:
    return [f"{k} = {literal(v)}" for k, v in {"database": database, **named}.items()]
