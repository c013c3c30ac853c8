"""Reads what was inserted, updated and deleted in a collection, from MongoDB's change streams."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
from bson import Timestamp
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo.errors import OperationFailure

from airflow_provider_spotify.core.clients.mongo import mongo_errors
from airflow_provider_spotify.core.clients.mongo_order import restored, saved
from airflow_provider_spotify.core.errors import ConfigurationError, DataError
from airflow_provider_spotify.core.model import Chunk, Cursor
from airflow_provider_spotify.core.sources.database._mongodb_documents import Documents, find
from airflow_provider_spotify.core.sources.database._mongodb_reader import MongoReader

if TYPE_CHECKING:
    from pymongo.change_stream import CollectionChangeStream

_RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)
_WRITES = ("insert", "update", "replace")
_ENDS = ("drop", "rename", "dropDatabase", "invalidate")
_LOST = (280, 286)
"""ChangeStreamFatalError, ChangeStreamHistoryLost."""
_NO_STREAMS = (59, 238, 40324, 40573)
"""What servers without change streams say: no such command or stage, no replica set."""
_SHORTEST_WAIT, _LONGEST_WAIT = 0.02, 0.25
"""Seconds that one request to a silent stream takes."""
_AT_ONCE = 10_000


class Event(NamedTuple):
    """What happened to one document: the document, or of a deleted one its key alone."""

    document: bytes
    operation: str
    seconds: int | None


def event(change: Mapping[str, Any], *, place: str) -> Event | None:
    """Read one event; None where there is no row to it.

    An updated document that was deleted since is looked up in vain; its deletion comes later.
    https://www.mongodb.com/docs/manual/reference/change-events/

    :raises ConfigurationError: if the collection was dropped or renamed
    """
    operation = str(change["operationType"])
    moment = change.get("clusterTime")
    seconds = None if moment is None else int(moment.time)
    if operation in _WRITES:
        document = change.get("fullDocument")
        return None if document is None else Event(document.raw, operation, seconds)
    if operation == "delete":
        return Event(change["documentKey"].raw, operation, seconds)
    if operation in _ENDS:
        raise ConfigurationError(
            f"{place} was dropped or renamed ({operation}), which ends its change stream; if it is"
            " there again, run once with full refresh"
        )
    return None


def rows(documents: Documents, events: Sequence[Event]) -> tuple[pa.RecordBatch, Any]:
    """Build the rows of events, and what is rejected among them."""
    found = documents.converted(find([each.document for each in events]))
    kept = [events[row] for row in found.kept]
    what, seconds = [each.operation for each in kept], [each.seconds for each in kept]
    return _marked(found.batch, what, seconds), found.rejected


async def changes(reader: MongoReader, since: Cursor | None) -> AsyncGenerator[Chunk, None]:
    """Yield all documents, if none were read yet, and what happened to them since.

    A cursor is where the stream goes on (``token``, ``time``); while the documents are still being
    read, it is the last ``value`` of theirs, and ``then`` is where the stream began.

    :raises DataError: if the server no longer knows what happened since the cursor
    """
    reader.described()
    documents, until = Documents(reader.place), _Until(reader)
    if since is None or "then" in since:
        begin = _now(reader) if since is None else since["then"]
        for chunk in _every_document(reader, documents, since, begin, until):
            since = chunk.cursor
            yield chunk
        if since is None or until.holds():
            return  # an empty collection: the next read begins anew, and so misses nothing
        since = begin
    with closing(_opened(reader, since)) as stream:
        following = _Following(reader, stream, documents, until)
        while not following.ended:
            if (new := following.chunk()) is not None:
                yield new
            await asyncio.sleep(0)  # where the caller may stop it


def waiting(reader: MongoReader, since: Cursor) -> bool:
    """Say whether something happened since a cursor."""
    if "then" in since:
        return True
    with closing(_opened(reader, since)) as stream:
        deadline = time.monotonic() + _LONGEST_WAIT
        while True:  # asked at least once, however late it is by then
            if _next(reader, stream) is not None:
                return True
            if time.monotonic() >= deadline:
                return False


class _Until:
    """How much may still be read."""

    def __init__(self, reader: MongoReader) -> None:
        self._until, self._begun = reader.config.until, time.monotonic()
        self.rows = 0

    def left(self) -> int | None:
        """Return how many rows may still come; None: any number."""
        return None if self._until.rows is None else self._until.rows - self.rows

    def holds(self, more: int = 0) -> bool:
        """Say whether it is enough, counting ``more`` rows that are on their way."""
        within, left = self._until.within, self.left()
        late = within is not None and time.monotonic() - self._begun >= within.total_seconds()
        return late or (left is not None and more >= left)


def _every_document(
    reader: MongoReader, documents: Documents, since: Cursor | None, begin: Cursor, until: _Until
) -> Iterator[Chunk]:
    inner = None if since is None else {"field": "_id", "value": since["value"], "more": True}
    found = reader.chunks(inner, None, documents=documents, most=until.left())
    with closing(found):
        for chunk in found:
            length = chunk.batch.num_rows
            until.rows += length + (chunk.rejected.num_rows if chunk.rejected else 0)
            batch = _marked(chunk.batch, ["read"] * length, [None] * length)
            more = chunk.cursor["more"] or until.holds()
            cursor = {"then": begin, "value": chunk.cursor["value"]} if more else begin
            yield Chunk(batch, cursor, chunk.rejected)
            if until.holds():
                return


class _Following:
    """Takes events from a change stream until the config says enough."""

    def __init__(
        self,
        reader: MongoReader,
        stream: CollectionChangeStream[Any],
        documents: Documents,
        until: _Until,
    ) -> None:
        self._reader, self._stream, self._documents = reader, stream, documents
        self._until, self._catches_up = until, reader.config.until.caught_up
        self._target = _operation_time(reader) if self._catches_up else None
        self._fault: ConfigurationError | None = None
        self.ended = False

    def chunk(self) -> Chunk | None:
        """Wait a moment; return what has come, if anything.

        :raises ConfigurationError: if the collection was dropped or renamed
        """
        events = self._taken()
        if not events and self._fault:
            raise self._fault
        if not events:
            return None
        batch, rejected = rows(self._documents, events)
        self._until.rows += len(events)
        return Chunk(batch, {"token": saved(dict(self._stream.resume_token or {}))}, rejected)

    def _taken(self) -> list[Event]:
        config, begun = self._reader.config, 0.0
        events: list[Event] = []
        while not (self.ended or self._fault or len(events) >= config.batch_size):
            change = _next(self._reader, self._stream)
            if change is None:
                self.ended = self._catches_up or self._until.holds(len(events))
                if time.monotonic() - begun >= config.linger.total_seconds():
                    break
                continue
            found = self._read(change)
            begun = begun if events else time.monotonic()
            events += [found] if found else []
            self.ended = self.ended or self._until.holds(len(events))
        return events

    def _read(self, change: Mapping[str, Any]) -> Event | None:
        moment = change.get("clusterTime")
        self.ended = bool(self._target and moment and moment > self._target)
        try:
            return event(change, place=self._reader.place)
        except ConfigurationError as fault:
            self._fault = fault  # said once the rows before it are on their way
            return None


def _marked(batch: pa.RecordBatch, what: list[str], seconds: list[int | None]) -> pa.RecordBatch:
    moments = pa.array(seconds, pa.int64()).cast(pa.timestamp("s", "UTC"))
    batch = batch.append_column("_op", pa.array(what, pa.string()))
    batch = batch.append_column("_deleted", pa.array([o == "delete" for o in what], pa.bool_()))
    return batch.append_column("_timestamp", moments)


def _now(reader: MongoReader) -> Cursor:
    """Return the cursor of this moment."""
    with closing(_opened(reader, None)) as stream:
        if token := stream.resume_token:
            return {"token": saved(dict(token))}
    last = _operation_time(reader)
    return {"time": saved(Timestamp(last.time, last.inc + 1))}  # what is at a time is given, too


def _operation_time(reader: MongoReader) -> Any:
    """Return the server's time of its last operation; None where it has none."""
    with mongo_errors(reader.credentials):
        return reader.collection.database.command("ping").get("operationTime")


def _opened(reader: MongoReader, since: Cursor | None) -> CollectionChangeStream[Any]:
    linger = reader.config.linger.total_seconds()
    words: dict[str, Any] = {
        "full_document": "updateLookup",
        "max_await_time_ms": int(1000 * min(max(linger, _SHORTEST_WAIT), _LONGEST_WAIT)),
        "batch_size": min(reader.config.batch_size, _AT_ONCE),
    }
    if since is not None and "token" in since:
        words["resume_after"] = restored(since["token"])
    elif since is not None and "time" in since:
        words["start_at_operation_time"] = restored(since["time"])
    elif since is not None:
        raise ConfigurationError(
            f"{reader.place}: the saved cursor is of no change stream; run once with full refresh"
        )
    collection = reader.collection.with_options(codec_options=_RAW)
    with _stream_errors(reader):
        return collection.watch(**words)


def _next(reader: MongoReader, stream: CollectionChangeStream[Any]) -> Mapping[str, Any] | None:
    with _stream_errors(reader):
        return stream.try_next()


@contextmanager
def _stream_errors(reader: MongoReader) -> Iterator[None]:
    with mongo_errors(reader.credentials):
        try:
            yield
        except OperationFailure as error:
            said = str(error).partition(", full error:")[0]
            if error.code in _NO_STREAMS:
                raise ConfigurationError(
                    f"{reader.place}: this server has no change streams ({said}); they need a"
                    " replica set or a sharded cluster; read by cursor: instead"
                ) from None
            if error.code in _LOST:
                raise DataError(
                    f"{reader.place}: the server no longer knows what happened since the last run"
                    f" ({said}); run once with full refresh, and more often than its oplog lasts"
                ) from None
            raise
