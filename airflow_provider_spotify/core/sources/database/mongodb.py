"""Imports a collection, an aggregation or the changes of a MongoDB database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, closing
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from airflow_provider_spotify.core.clients.mongo import server
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
from airflow_provider_spotify.core.sources.base import Source
from airflow_provider_spotify.core.sources.database._mongodb_rules import Document, Stages
from airflow_provider_spotify.core.sources.streaming.base import StreamConfig, StreamSource, Until

if TYPE_CHECKING:
    from airflow_provider_spotify.core.sources.database._mongodb_reader import MongoReader

Name = Annotated[str, StringConstraints(min_length=1, max_length=255)]


class ByField(Frozen):
    """Read only documents whose ``field`` grew past what was read before.

    Documents that arrive late, with a value already passed, need a ``lookback``: that much is read
    again each time (write by merge, or they double). So do ObjectIds made by several clients, which
    keep their order from second to second only. Documents without the field are read once, at the
    beginning of the first read.
    """

    field: Name = Field(description="_id, or a field with an index; a.b for one inside an object")
    lookback: int | Duration = Field(
        0, description="a duration for dates and ObjectIds, a number for numbers"
    )


class ByRange(Frozen):
    """Read only the documents after one value of the field, up to another. A fan-out sets it."""

    after: Mapping[str, Any] | None = Field(None, description="{value: …}, not included")
    upto: Mapping[str, Any] | None = Field(None, description="{value: …}, included")


class MongodbConfig(StreamConfig):
    """What is read: a collection (or view), the result of a pipeline, or changes.

    Documents are read in the order of the cursor's field, else of ``_id``, so a read that was cut
    short goes on exactly. A pipeline without a cursor goes on by counting what it gave, which is
    exact only if it gives the same again.

    ``changes`` reads all documents first, then what was inserted, updated or deleted since, from a
    change stream. ``_op`` says what happened, ``_deleted`` that the document is gone,
    ``_timestamp`` when. Write them with ``{mode: merge, key: [_id], deleted: _deleted}``: a
    document that changes while all are read first comes twice. It needs a replica set or a sharded
    cluster whose oplog holds what happened since the last run.

    Types in Arrow, when a field holds values of one of them:

    ===================================  ==========================================================
    BSON                                 Arrow
    ===================================  ==========================================================
    string, symbol, JavaScript           string
    32-bit integer, 64-bit integer       int64
    double                               double; with integers up to 2^53, too
    boolean                              bool
    date                                 timestamp[ms, UTC]
    ObjectId                             string, 24 hexadecimal digits
    Decimal128                           string, exact
    binary                               binary; UUID (subtype 4): string
    object                               struct; with more than 200 different fields: string, JSON
    array                                list
    timestamp, regular expression,       string, relaxed Extended JSON
    MinKey, MaxKey, DBPointer, scoped
    JavaScript
    null, undefined, no field            null
    ===================================  ==========================================================

    A field whose values do not agree becomes string: texts, ObjectIds, UUIDs and decimals as they
    are, dates in ISO 8601, numbers and booleans as in JSON, everything else as relaxed Extended
    JSON. NaN stays NaN. An object without fields is null while no other has fields. Documents with
    a text that is not UTF-8 are rejected.
    """

    database: Name | None = Field(None, description="none: the connection's")
    collection: Name
    mode: Literal["documents", "changes"] = "documents"
    filter: Document | None = Field(None, description="a query; dates and ids as Extended JSON")
    projection: Document | None = Field(None, description="fields to read, or not to")
    pipeline: Stages | None = Field(None, description="stages of an aggregation, instead")
    cursor: ByField | None = None
    partition: ByRange | None = None
    batch_size: int = Field(
        8_192, ge=1, description="documents per batch, at most; few enough for the CPU's cache"
    )
    snapshot: bool = Field(
        False,
        description="read one moment of a replica set; it must be read within the server's"
        " minSnapshotHistoryWindowInSeconds, by default 5 minutes",
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        given = [
            name
            for name in ("filter", "projection", "pipeline", "cursor", "partition")
            if getattr(self, name) is not None
        ]
        if self.mode == "changes" and (given or self.snapshot):
            raise ValueError(f"mode: changes reads a whole collection; take {given} away")
        if self.mode == "documents" and self.until != Until():
            raise ValueError("until: is for mode: changes")
        if self.pipeline is not None and (self.filter is not None or self.projection is not None):
            raise ValueError("put filter and projection into the pipeline, as $match and $project")
        if self.partition is not None and self.pipeline is not None and self.cursor is None:
            raise ValueError("a partition of a pipeline needs a cursor")
        return self

    @property
    def field(self) -> str | None:
        """The field that documents are read in the order of."""
        if self.cursor is not None:
            return self.cursor.field
        return None if self.pipeline is not None else "_id"

    @property
    def lookback(self) -> int | timedelta:
        """How far a new read goes back."""
        return self.cursor.lookback if self.cursor else 0


class MongodbSource(StreamSource[MongodbConfig]):
    """Reads documents in the order of a field, or follows the changes of a collection."""

    Config = MongodbConfig
    conn_type: ClassVar[str | None] = "mongo"
    extra: ClassVar[str | None] = "database"

    async def read(
        self, since: Cursor | None, window: Window | None = None
    ) -> AsyncIterator[Chunk]:
        """Yield documents after the cursor, or changes; see :class:`Source`.

        :raises ConfigurationError: if there is no such collection, or the cursor does not fit
        :raises DataError: if the change stream cannot go on from where it was
        :raises AuthenticationError, ForbiddenError, TransientError: as the server answers
        """
        with self._reader() as reader:
            if self.config.mode == "changes":
                async with aclosing(self._changes(reader, since, window)) as changes:
                    async for chunk in changes:
                        yield chunk
                return
            with closing(reader.chunks(since, window)) as chunks:
                for chunk in chunks:
                    yield chunk

    async def check(self) -> Health:
        """Connect and look for the collection; read no document."""
        begun = time.perf_counter()
        try:
            kind = await asyncio.to_thread(self._looked_at)
        except ImporterError as error:
            return Health(ok=False, message=str(error), seconds=time.perf_counter() - begun)
        message = f"{self._place} at {server(self.credentials)}: a {kind}"
        return Health(ok=True, message=message, seconds=time.perf_counter() - begun)

    async def is_ready(self, since: Cursor | None, window: Window | None = None) -> bool:
        """Ask for one document that ``read`` would give; of changes, for one event."""
        return await asyncio.to_thread(self._exists, since, window)

    def dataset(self) -> DatasetName:
        """Name the collection."""
        return DatasetName(f"mongodb://{server(self.credentials)}", self._place)

    def following(self) -> Self:
        """Return this source as one that never ends.

        :raises ConfigurationError: if it reads documents, which end
        """
        return super().following() if self.config.mode == "changes" else Source.following(self)

    async def partitions(self, n: int, since: Cursor | None = None) -> Sequence[Self]:
        """Cut the order of the field into ranges of about as many documents."""
        if n < 2 or self.config.mode == "changes" or self.config.field is None:
            return [self]
        return await asyncio.to_thread(self._ranges, n, since)

    def joined(self, cursors: Sequence[Cursor | None]) -> Cursor | None:
        """Return the cursor of the last range that held documents.

        :raises ConfigurationError: if it reads changes, which have no ranges
        """
        if self.config.mode == "changes":
            return super().joined(cursors)
        return next((each for each in reversed(cursors) if each is not None), None)

    # ── the parts ────────────────────────────────────────────────────────────────────────────

    @property
    def _place(self) -> str:
        database = self.config.database or self.credentials.database or "test"
        return f"{database}.{self.config.collection}"

    def _reader(self) -> MongoReader:
        from airflow_provider_spotify.core.sources.database._mongodb_reader import MongoReader

        return MongoReader(self.config, self.credentials, place=self._place)

    def _changes(
        self, reader: MongoReader, since: Cursor | None, window: Window | None
    ) -> AsyncGenerator[Chunk, None]:
        from airflow_provider_spotify.core.sources.database._mongodb_changes import changes

        if window is not None:
            raise ConfigurationError(f"{self._place}: changes are read from a cursor, not a window")
        return changes(reader, since)

    def _looked_at(self) -> str:
        with self._reader() as reader:
            kind = str(reader.described().get("type", "collection"))
            reader.one([])
            return kind

    def _exists(self, since: Cursor | None, window: Window | None) -> bool:
        from airflow_provider_spotify.core.sources.database._mongodb_changes import waiting

        with self._reader() as reader:
            if self.config.mode == "changes" and since is not None:
                return waiting(reader, since)
            return reader.exists(since, window)

    def _ranges(self, n: int, since: Cursor | None) -> list[Self]:
        from airflow_provider_spotify.core.sources.database._mongodb_ranges import ranges

        with self._reader() as reader:
            return [self.narrowed(partition=part) for part in ranges(reader, n, since)] or [self]


SOURCE = MongodbSource
