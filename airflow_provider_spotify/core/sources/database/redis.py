"""Imports the keys of a Redis and their values: strings, hashes, sets, sorted sets, lists, JSON."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import closing
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from airflow_provider_spotify.core.clients.redis import Link, database, masters, server
from airflow_provider_spotify.core.errors import ConfigurationError, ImporterError
from airflow_provider_spotify.core.model import Chunk, Cursor, DatasetName, Health, Window
from airflow_provider_spotify.core.sources.base import Source, SourceConfig


class RedisConfig(SourceConfig):
    """Which keys are read, and what becomes of their values.

    Every read gives all keys that match: Redis has no order of what changed. A read that was cut
    short goes on where it was. A key that comes or goes while it is read may be in it or not; one
    that is there all the time comes once. Only where a read was cut short and the server's table
    of keys shrank before it went on may a key come twice: write by merge or replace.

    Columns: ``_key``, ``_type``, ``_ttl`` (milliseconds left; null: it stays) or ``_expires_at``,
    and for a string ``value``; for JSON a column per member; for a hash a column per field, or with
    ``layout: rows`` a row per field (``field``, ``value``); for a set a row per ``member``; for a
    sorted set also its ``score``; for a list a row per ``value`` with its ``index``. Keys and texts
    that are not UTF-8 are rejected; ``format: raw`` gives values as bytes.
    """

    match: str = Field("*", min_length=1, description="pattern of the keys, as SCAN's MATCH")
    data_type: Literal["string", "hash", "list", "set", "zset", "json", "any"] = Field(
        "string", description="of the keys to read; any: of all, without their values"
    )
    format: Literal["text", "json", "raw"] = Field(
        "text", description="what a value is: text, a JSON object (of strings), or bytes"
    )
    layout: Literal["columns", "rows"] = Field(
        "columns", description="of hashes: a column, or a row, for each field"
    )
    ttl: Literal["milliseconds", "expires_at", "none"] = Field(
        "milliseconds",
        description="a column with what is left of a key's life, the moment it ends (Redis 7), or"
        " none, which is faster",
    )
    batch_size: int = Field(65_536, ge=1, description="rows per batch, about")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.format == "json" and self.data_type != "string":
            raise ValueError("format: json is for data_type: string")
        columns = self.data_type == "hash" and self.layout == "columns"
        if self.format == "raw" and (columns or self.data_type in ("json", "any")):
            raise ValueError("format: raw has no bytes to give here; hashes need layout: rows")
        return self


class RedisSource(Source[RedisConfig]):
    """Reads all keys that match, a few thousand in a round trip."""

    Config = RedisConfig
    conn_type: ClassVar[str | None] = "redis"
    extra: ClassVar[str | None] = "database"

    def __init__(self, config: RedisConfig, **reach: Any) -> None:
        super().__init__(config, **reach)
        texts = config.format == "text" and config.data_type not in ("json", "any")
        self.textual = texts  # type: ignore[misc]  # of this one, not of the class

    async def read(
        self, since: Cursor | None, window: Window | None = None
    ) -> AsyncIterator[Chunk]:
        """Yield all keys that match, or the rest of them; see :class:`Source`.

        :raises ConfigurationError: if a window is asked for, or a type the server does not have
        :raises DataError: if the server was restarted since a read that is to go on
        :raises AuthenticationError, ForbiddenError, TransientError: as the server answers
        """
        from airflow_provider_spotify.core.sources.database._redis_scan import Walk

        self._refuse(window)
        with closing(Walk(self).chunks(since)) as chunks:
            for chunk in chunks:
                yield chunk

    async def check(self) -> Health:
        """Count the keys of the database."""
        begun = time.perf_counter()
        try:
            count = await asyncio.to_thread(self._size)
        except ImporterError as error:
            return Health(ok=False, message=str(error), seconds=time.perf_counter() - begun)
        place = f"database {database(self.credentials)} at {server(self.credentials)}"
        seconds = time.perf_counter() - begun
        return Health(ok=True, message=f"{place}: {count} keys", seconds=seconds)

    async def is_ready(self, since: Cursor | None, window: Window | None = None) -> bool:
        """Look until one key that matches is found."""
        from airflow_provider_spotify.core.sources.database._redis_scan import Walk

        self._refuse(window)
        return bool(await asyncio.to_thread(self._size)) and await asyncio.to_thread(Walk(self).any)

    def dataset(self) -> DatasetName:
        """Name the keys by server, database and pattern."""
        name = f"{database(self.credentials)}.{self.config.match}"
        return DatasetName(f"redis://{server(self.credentials)}", name)

    def _size(self) -> int:
        count = 0
        for credentials in masters(self.credentials):
            with Link(credentials) as link:
                count += int(link.do("DBSIZE"))
        return count

    @staticmethod
    def _refuse(window: Window | None) -> None:
        if window is not None:
            raise ConfigurationError("a key of Redis has no time to read a window by")


SOURCE = RedisSource
