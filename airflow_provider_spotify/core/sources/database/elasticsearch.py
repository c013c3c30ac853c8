"""Imports documents of Elasticsearch: indices, patterns, aliases and data streams."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, StringConstraints, field_validator

from airflow_provider_spotify.core.clients.elasticsearch import (
    PORT,
    Elastic,
    PointLost,
    near,
    spoken,
)
from airflow_provider_spotify.core.config.rules import Duration
from airflow_provider_spotify.core.errors import ConfigurationError, ForbiddenError, ImporterError
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

    from airflow_provider_spotify.core.sources.database._elasticsearch_mapping import Mapped
    from airflow_provider_spotify.core.sources.database._elasticsearch_order import Order, Pass

Name = Annotated[str, StringConstraints(min_length=1)]
Metadata = Literal["_index", "_id", "_version", "_seq_no", "_primary_term", "_routing", "_ignored"]


class ByField(Frozen):
    """Read only documents whose ``field`` grew past what was read before.

    Elasticsearch shows a document only after a refresh (by default within a second), each shard for
    itself. One that is seen late, with a value already passed, is missed, unless ``delay`` leaves
    the newest to the next read (enough where the field is the time of indexing), or ``lookback``
    reads that much again each time (write by merge, or rows double). Documents without a value are
    read once, at the end of the first read.
    """

    field: Name = Field(description="dates, numbers or keyword; every document should have it")
    lookback: int | Duration = Field(0, description="a duration, or a number for integer fields")
    delay: Duration = Field(
        timedelta(0), description="leave what is younger than this to the next read; dates only"
    )


class Slice(Frozen):
    """One of several parts, of a range of the cursor field or of a point in time they share."""

    over: int | float | None = Field(None, description="read only values above this one")
    upto: int | float | None = Field(None, description="read no value above this one")
    point: str | None = Field(None, description="the point in time that the parts share")
    number: int = Field(0, ge=0, description="which part of the point in time, from 0")
    of: int = Field(1, ge=1, description="how many parts the point in time has")


class ElasticsearchConfig(SourceConfig):
    """What is read: every document of an index that matches a query.

    Without a cursor every read gives everything. A list stays a list; where a field holds lists in
    some documents only, name it in ``lists``, or its column becomes text (JSON) when the first one
    turns up.
    """

    index: Name = Field(
        description="index, alias or data stream; several with commas, patterns with *",
        examples=["plays-*"],
    )
    query: Mapping[str, Any] | None = Field(
        None, description="a query (Query DSL) without scripts", examples=[{"term": {"kind": "a"}}]
    )
    fields: Annotated[tuple[Name, ...], Field(min_length=1)] | None = Field(
        None, description="read only these fields of the documents; patterns with *"
    )
    exclude_fields: tuple[Name, ...] = Field((), description="leave these fields out")
    lists: tuple[Name, ...] = Field(
        (), description="fields (dotted paths) that are lists, also where they hold one value"
    )
    metadata: tuple[Metadata, ...] = Field(("_index", "_id"), description="columns of the hits")
    cursor: ByField | None = Field(None, description="how to tell what is new")
    slice: Slice | None = Field(None, description="one part of the documents; a fan-out sets it")
    batch_size: int = Field(
        10_000, ge=1, description="documents of one answer, at most index.max_result_window"
    )
    keep_alive: Duration = Field(
        timedelta(minutes=5), description="how long the server keeps the point in time unasked"
    )
    request_timeout: Duration = Field(
        timedelta(minutes=2), description="longest time of one request"
    )

    @field_validator("query")
    @classmethod
    def _no_script(cls, query: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        if path := _script(query):
            raise ValueError(f"{path}: a query holds no scripts; write it with ranges and terms")
        return query


def _script(value: Any, path: str = "query") -> str | None:
    """Return where a query runs code, if it does."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            if key in ("script", "script_score", "script_fields", "runtime_mappings"):
                return f"{path}.{key}"
            if found := _script(each, f"{path}.{key}"):
                return found
    elif isinstance(value, list | tuple):
        for position, each in enumerate(value):
            if found := _script(each, f"{path}[{position}]"):
                return found
    return None


class ElasticsearchSource(Source[ElasticsearchConfig]):
    """Reads a point in time, so that one read is of one moment, in the cursor field's order."""

    Config = ElasticsearchConfig
    conn_type: ClassVar[str | None] = "elasticsearch"
    extra: ClassVar[str | None] = "database"

    async def read(
        self, since: Cursor | None, window: Window | None = None
    ) -> AsyncIterator[Chunk]:
        """Yield documents after the cursor; see :class:`Source`.

        :raises ConfigurationError: if index, query, field or cursor are not there or do not fit
        :raises AuthenticationError, ForbiddenError, TransientError: as the server answers
        """
        async with self._client() as client:
            fields = await self._fields(client)
            if fields is None:
                return
            order = self._order(fields, window)
            at, held = order.begin(since), None
            async with aclosing(self._sections(client, fields, order, since, window)) as found:  # type: ignore[type-var]
                async for name, rows, upto in found:
                    if held:
                        yield Chunk(held, order.saved(at, more=True))
                    held, at = rows, {**at, name: upto}
            if held:
                yield Chunk(held, order.saved(at, more=False))

    async def check(self) -> Health:
        """Read the mapping, and the version where the credentials may see it; no document."""
        begun = time.perf_counter()
        try:
            message = await self._looked_at()
        except ImporterError as error:
            return Health(ok=False, message=str(error), seconds=time.perf_counter() - begun)
        return Health(ok=True, message=message, seconds=time.perf_counter() - begun)

    async def is_ready(self, since: Cursor | None, window: Window | None = None) -> bool:
        """Ask whether one document exists that ``read`` would give."""
        async with self._client() as client:
            fields = await self._fields(client)
            if fields is None:
                return False
            for one in self._order(fields, window).passes(since, window):
                if await client.matches(self.config.index, self._query(one)):
                    return True
        return False

    def dataset(self) -> DatasetName:
        """Name the cluster by its address, and the index; OpenLineage has no rule for it."""
        host = (self.credentials.host or "localhost").partition("://")[2] or self.credentials.host
        name = str(host or "localhost").partition("/")[0]
        place = name if ":" in name else f"{name}:{self.credentials.port or PORT}"
        return DatasetName(f"elasticsearch://{place}", self.config.index)

    async def partitions(self, n: int, since: Cursor | None = None) -> Sequence[Self]:
        """Split the documents by ranges of the cursor field, if it holds dates or numbers.

        The greatest value now bounds the last range. Otherwise the parts share one point in time,
        which the server keeps for an hour, or ``keep_alive`` if longer, after the last request.
        """
        if n < 2 or self.config.slice is not None:
            return [self]
        async with self._client() as client:
            fields = await self._fields(client)
            if fields is None:
                return [self]
            parts = await self._parts(client, self._order(fields, None), since, n)
        return [self.narrowed(slice=part) for part in parts] or [self]

    def joined(self, cursors: Sequence[Cursor | None]) -> Cursor | None:
        """Go on after the greatest value that any part has read."""
        found = [cursor for cursor in cursors if cursor is not None]
        values = [cursor["value"] for cursor in found if cursor["value"] is not None]
        if not found:
            return None
        return {**found[0], "value": max(values, default=None), "more": False}

    # ── reading ──────────────────────────────────────────────────────────────────────────────

    async def _sections(
        self,
        client: Elastic,
        fields: Mapping[str, Mapped],
        order: Order,
        since: Cursor | None,
        window: Window | None,
    ) -> AsyncIterator[tuple[str, pa.RecordBatch, Any]]:
        from airflow_provider_spotify.core.sources.database import _elasticsearch_mapping as mapping
        from airflow_provider_spotify.core.sources.database import _elasticsearch_pages as pages
        from airflow_provider_spotify.core.sources.database import _elasticsearch_reader as reader

        config = self.config
        named = mapping.chosen(fields, include=config.fields, exclude=config.exclude_fields)
        documents = pages.Documents(named, lists=config.lists, metadata=config.metadata)
        async with self._point(client) as point:
            for one in order.passes(since, window):
                body = {**self._body(one, fields), "pit": point}
                async with aclosing(
                    reader.sections(client, documents, one, body=body)  # type: ignore[type-var]
                ) as found:
                    async for rows, upto in found:
                        yield one.name, rows, upto

    @asynccontextmanager
    async def _point(self, client: Elastic) -> AsyncIterator[Mapping[str, str]]:
        """Hold a point in time of this read, or go on holding the one that parts share."""
        from airflow_provider_spotify.core.sources.database import _elasticsearch_parts as parts

        part, kept = self.config.slice, self.config.keep_alive
        if part and part.point:
            try:
                yield {"id": part.point, "keep_alive": spoken(max(parts.SHARED, kept))}
            except PointLost as error:
                raise ConfigurationError(
                    f"{self.config.index}: the point in time that the parts share is gone; run all "
                    "of them anew, with a longer keep_alive or a cursor field of dates or numbers"
                ) from error
            return
        point = await client.hold(self.config.index, keep_alive=kept)
        try:
            yield {"id": point, "keep_alive": spoken(kept)}
        finally:
            await client.let_go(point)

    def _body(self, one: Pass, fields: Mapping[str, Mapped]) -> dict[str, Any]:
        from airflow_provider_spotify.core.sources.database._elasticsearch_mapping import (
            holds_vectors,
        )

        config = self.config
        source: dict[str, Any] = {"includes": list(config.fields or ["*"])}
        source["excludes"] = list(config.exclude_fields)
        if holds_vectors(fields):
            source["exclude_vectors"] = False
        body: dict[str, Any] = {
            "size": config.batch_size,
            "query": self._query(one),
            "sort": [one.sort],
            "track_total_hits": False,
        }
        if config.fields or config.exclude_fields or holds_vectors(fields):
            body["_source"] = source
        if "_version" in config.metadata:
            body["version"] = True
        if {"_seq_no", "_primary_term"} & set(config.metadata):
            body["seq_no_primary_term"] = True
        if config.slice and config.slice.of > 1:
            body["slice"] = {"id": config.slice.number, "max": config.slice.of}
        return body

    def _query(self, one: Pass) -> dict[str, Any]:
        own = [self.config.query] if self.config.query else []
        return {"bool": {"filter": [*own, *one.filters]}}

    async def _parts(
        self, client: Elastic, order: Order, since: Cursor | None, n: int
    ) -> Sequence[Mapping[str, Any]]:
        from airflow_provider_spotify.core.sources.database import _elasticsearch_parts as parts

        one = order.passes(since, None)[0]
        if self.config.cursor and order.kind != "text":
            index, query = self.config.index, self._query(one)
            return await parts.ranges(client, order, one, index=index, query=query, n=n)
        kept = max(parts.SHARED, self.config.keep_alive)
        return parts.slices(await client.hold(self.config.index, keep_alive=kept), n)

    # ── what is there ────────────────────────────────────────────────────────────────────────

    def _client(self) -> Elastic:
        return Elastic(self.credentials, tenant=self.tenant, timeout=self.config.request_timeout)

    async def _fields(self, client: Elastic) -> dict[str, Mapped] | None:
        """Return the fields of all indices; None if a pattern means none."""
        from airflow_provider_spotify.core.sources.database._elasticsearch_mapping import fields_of

        found = await client.mappings(self.config.index)
        return fields_of(found) if found else None

    async def _looked_at(self) -> str:
        async with self._client() as client:
            found = await client.mappings(self.config.index)
            if not found:
                raise ConfigurationError(f"no index matches {self.config.index!r}")
            fields = await self._fields(client) or {}
            one = self._order(fields, None).passes(None, None)[0]
            await client.matches(self.config.index, self._query(one))
            try:
                version = f", Elasticsearch {await client.version()}"
            except ForbiddenError:
                version = ""
        place = self.dataset().namespace.partition("://")[2]
        return (
            f"{self.config.index} at {place}{version}: {len(found)} indices, {len(fields)} fields"
        )

    def _order(self, fields: Mapping[str, Mapped], window: Window | None) -> Order:
        from airflow_provider_spotify.core.sources.database import _elasticsearch_order as order
        from airflow_provider_spotify.core.sources.database._elasticsearch_mapping import (
            find,
            paths,
        )

        by = self.config.cursor
        if by is None:
            if window is not None:
                raise ConfigurationError(
                    f"{self.config.index}: reading a window needs a date: cursor: {{field: …}}"
                )
            return order.Order(order.SEQUENCE, "integer")
        mapped = find(fields, by.field)
        if mapped is None:
            hint = near(list(paths(fields)), by.field)
            raise ConfigurationError(f"{self.config.index} has no field {by.field!r}; {hint}")
        kind = order.kind_of(by.field, mapped)
        part = self.config.slice or Slice()
        mixed = len(mapped.types) > 1
        return order.Order(by.field, kind, by.lookback, by.delay, part.over, part.upto, mixed)


SOURCE = ElasticsearchSource
