"""One read of a WebSocket: from what the receiver holds to chunks."""

from __future__ import annotations

import asyncio
import json
import logging
import time
import uuid
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from airflow_provider_spotify.core.clients.websocket import Line
from airflow_provider_spotify.core.clients.websocket_receiver import (
    Closed,
    Event,
    Patience,
    Payload,
    Received,
    Receiver,
    Reconnected,
)
from airflow_provider_spotify.core.errors import DataError, TransientError
from airflow_provider_spotify.core.model import Chunk, Cursor
from airflow_provider_spotify.core.sources.streaming._websocket_rows import (
    Decoder,
    Position,
    gap,
)
from airflow_provider_spotify.core.sources.streaming.base import Until

if TYPE_CHECKING:
    from airflow_provider_spotify.core.sources.streaming.websocket import WebsocketConfig

log = logging.getLogger(__name__)

GLANCE = 2.0
"""Seconds to wait for a message before a silent stream is said not to be ready."""
_PLACE = "{position}"
_SLICE = 0.2  # seconds that waiting may block before a caller who closes is noticed


class Reading:
    """Reads until there is an end.

    :param first: a message that signs in, if one does
    """

    def __init__(
        self, config: WebsocketConfig, line: Line, *, first: str | None, since: Cursor | None
    ) -> None:
        self._config = config
        self._line = line
        self._first = first
        self._session = uuid.uuid4().hex
        self._received = 0
        self._last = position_of(since)
        self._left = config.until.rows
        self._over = False
        within = config.until.within
        self._deadline = None if within is None else time.monotonic() + within.total_seconds()
        quiet = config.quiet if config.until.caught_up else None
        self._quiet = None if quiet is None else quiet.total_seconds()
        self._decoder = Decoder(
            config.format,
            place=line.place,
            record_path=config.record_path,
            ignore=config.ignore,
            position=config.resume.field if config.resume else config.position,
            stamped="received_at" in config.metadata,
        )
        self._gap: pa.RecordBatch | None = None
        if since is not None and config.resume is None:
            log.info("%s: what was sent since the last reading is lost", line.place)

    async def chunks(self) -> AsyncGenerator[Chunk, None]:
        """Yield chunks; the connection is closed at the end."""
        with self._receiver() as receiver:
            while not self._over and self._left != 0:
                events = await self._batch(receiver)
                for chunk in self._chunks(events):
                    yield chunk
            if not receiver.met:
                said = receiver.complaint or f"{self._line.place}: no connection was made"
                raise TransientError(f"{said}; the time to read was over before")
        if self._gap is not None:
            yield Chunk(_none(), self._cursor(), self._gap)

    def _receiver(self) -> Receiver:
        config, again = self._config, self._config.reconnect
        return Receiver(
            self._line,
            greeting=self._greeting,
            unread=self._unread,
            patience=Patience(
                again.attempts, again.delay.total_seconds(), again.max_delay.total_seconds()
            ),
            buffer_bytes=config.buffer_bytes,
            ends=config.until.caught_up,
        )

    def _greeting(self) -> list[Payload]:
        """Return what to send after connecting; called in the receiver's thread."""
        messages = greeting(self._config, self._last)
        return [self._first, *messages] if self._first else messages

    def _unread(self, received: int) -> bool:
        """Say whether a first position may be in messages not read yet; in the receiver's thread.

        Subscribed to without it, the server would send only what comes from then on.
        """
        resumes = self._config.resume is not None
        return resumes and self._last is None and self._received < received

    async def _batch(self, receiver: Receiver) -> list[Event]:
        """Take events until a batch is full, has lingered, or reading ends."""
        taken: list[Event] = []
        begun: float | None = None
        heard, room = time.monotonic(), self._room()
        while room > len(taken) and not self._over:
            now = time.monotonic()
            linger = None if begun is None else begun + self._config.linger.total_seconds()
            end = self._end(receiver, heard)
            left = min((each - now for each in (linger, end) if each is not None), default=_SLICE)
            if left <= 0:
                self._over = end is not None and now >= end
                break
            if found := receiver.take(room - len(taken), min(_SLICE, left)):
                taken += found
                heard = time.monotonic()
                begun = begun or heard
                self._over = any(isinstance(each, Closed) for each in found)
            await asyncio.sleep(0)
        return taken

    def _room(self) -> int:
        """Return how many messages a batch may take; one may hold several records."""
        if self._left is None or self._config.record_path is not None:
            return self._config.batch_size
        return min(self._config.batch_size, self._left)

    def _end(self, receiver: Receiver, heard: float) -> float | None:
        """Return when reading ends if nothing comes; silence counts while there is a connection."""
        ends = [self._deadline]
        if self._quiet is not None and (since := receiver.open_since) is not None:
            ends.append(max(heard, since) + self._quiet)
        return min((end for end in ends if end is not None), default=None)

    def _chunks(self, events: Sequence[Event]) -> Iterator[Chunk]:
        """Turn events into chunks; a new one begins where the connection was lost.

        :raises ImporterError: what ended the receiving, after what came before it
        """
        messages: list[Received] = []
        for event in events:
            if isinstance(event, Received):
                messages.append(event)
                continue
            yield from self._chunk(messages)
            messages = []
            if isinstance(event, Reconnected):
                self._lost(event)
            elif event.error is not None:
                raise event.error
        yield from self._chunk(messages)

    def _chunk(self, messages: Sequence[Received]) -> Iterator[Chunk]:
        if not messages:
            return
        after = self._last if self._config.resume else None
        rows = self._decoder.rows(messages, number=self._received, after=after)
        batch, rejected, last = rows
        if self._left is not None:
            aside = rejected.num_rows if rejected else 0
            if batch.num_rows > max(0, self._left - aside):
                batch = batch.slice(0, max(0, self._left - aside))
                last = self._decoder.last_of(batch)
            self._left = max(0, self._left - batch.num_rows - aside)
        self._last = self._last if last is None else last
        self._received += len(messages)  # after the position: see _unread
        found = [each for each in (self._gap, rejected) if each]
        self._gap = None
        if batch.num_rows or found:
            whole = pa.Table.from_batches(found).combine_chunks().to_batches() if found else [None]
            yield Chunk(batch, self._cursor(), whole[0])

    def _lost(self, event: Reconnected) -> None:
        """Record that messages may be missing, unless the server sends them again."""
        place = self._line.place
        if self._config.resume is not None and self._last is not None:
            log.info("%s: reconnected after %.1f s and resumed", place, event.seconds)
            return
        log.warning("%s: gap: reconnected after %.1f s", place, event.seconds)
        record = gap(
            place,
            seconds=event.seconds,
            reason=event.reason,
            session=self._session,
            received=self._received,
        )
        found = [each for each in (self._gap, record) if each]
        self._gap = pa.Table.from_batches(found).combine_chunks().to_batches()[0]

    def _cursor(self) -> Cursor:
        return {"session": self._session, "received": self._received, "last": self._last}


def position_of(cursor: Cursor | None) -> Position | None:
    """Return the position that a cursor remembers, if it does.

    :raises DataError: if it is not a cursor of this source
    """
    if cursor is None:
        return None
    last = cursor.get("last")
    if "session" not in cursor or not isinstance(last, int | float | str | None):
        raise DataError("the cursor is not one of a WebSocket's; reset it (full_refresh)")
    return last


def greeting(config: WebsocketConfig, last: Position | None) -> list[Payload]:
    """Return the messages to subscribe with: to what comes, or after a position."""
    if config.resume is not None and last is not None:
        return [_sent(_filled(config.resume.message, last))]
    return [_sent(message) for message in config.subscribe]


def speaks(config: WebsocketConfig, line: Line, first: str | None, since: Cursor | None) -> bool:
    """Say whether a row comes within a while."""
    one = {"until": Until(rows=1), "quiet": config.quiet or timedelta(seconds=GLANCE)}
    reading = Reading(config.model_copy(update=one), line, first=first, since=since)

    async def comes() -> bool:
        async with aclosing(reading.chunks()) as chunks:
            async for chunk in chunks:
                if chunk.batch.num_rows:
                    return True
        return False

    return asyncio.run(comes())


def _sent(message: str | Mapping[str, Any]) -> str:
    return message if isinstance(message, str) else json.dumps(message)


def _filled(message: Any, last: Position) -> Any:
    """Put the position where ``{position}`` stands: as it is, or within a text."""
    if message == _PLACE:
        return last
    if isinstance(message, str):
        return message.replace(_PLACE, str(last))
    if isinstance(message, Mapping):
        return {key: _filled(value, last) for key, value in message.items()}
    return [_filled(each, last) for each in message] if isinstance(message, list) else message


def _none() -> pa.RecordBatch:
    return pa.RecordBatch.from_struct_array(pa.array([], pa.struct([])))
