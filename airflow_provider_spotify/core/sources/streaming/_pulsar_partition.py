"""One topic partition of Pulsar that is being read: where it stands, and where it ends."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import _pulsar
from _pulsar import Message

from airflow_provider_spotify.core.clients.pulsar_positions import Position

SAMPLE = 16
"""Of so many messages the size of one is looked up; each look costs a tenth of reading one."""


class Span(NamedTuple):
    """What is to be read of a topic partition.

    :param name: ``persistent://tenant/namespace/topic``, with ``-partition-n`` where it has some
    :param topic: the topic without its partition
    :param after: the position that was read last; None: begin with the first message
    :param end: the last position to read; None: there is no end
    :param gone: the message at ``after`` is not there any more
    """

    name: str
    topic: str
    after: Position | None
    end: Position | None
    gone: bool = False


class Partition:
    """Takes messages in their order, each once, to the end of the span."""

    def __init__(self, span: Span, reader: _pulsar.Reader) -> None:
        self.span = span
        self.reader = reader
        self.position = span.after
        self.done = False
        self.gap: Position | None = None
        """The first message that was found where the one at ``after`` was gone."""
        self._gone = span.gone
        self._came: deque[tuple[str, Message]] = deque()
        self._awaited = False

    def drain(self, room: int, size: int) -> list[Message]:
        """Take what is here now, no more than ``room`` messages and about ``size`` bytes.

        :raises _pulsar.PulsarException: as the reader says
        """
        found = self._behind(self._raw(room, size))
        if found and self._gone:
            self._gone, self.gap = False, Position.of(found[0].message_id())
        return self._before_end(found) if found else found

    def _raw(self, room: int, size: int) -> list[Message]:
        found: list[Message] = []
        while self._came:
            result, message = self._came.popleft()
            self._awaited = False
            if result != "Ok":
                raise getattr(_pulsar, result, _pulsar.PulsarException)(result)
            found.append(message)
        if self._awaited:
            return found
        take = self.reader.read_next
        try:
            while len(found) < room and size > 0:
                found.append(message := take(0))
                if len(found) % SAMPLE == 0:
                    size -= SAMPLE * message.length()
        except _pulsar.Timeout:
            pass  # nothing more is here now
        return found

    def _behind(self, found: list[Message]) -> list[Message]:
        """Drop what was taken before: a reader that was cut off may be given it once more."""
        if self.position is None:
            return found
        known, count = self.position.order, 0
        while count < len(found) and Position.of(found[count].message_id()).order <= known:
            count += 1
        return found[count:]

    def _before_end(self, found: list[Message]) -> list[Message]:
        end, last = self.span.end, Position.of(found[-1].message_id())
        if end is not None and last.order >= end.order:
            self.done = True
            while last.order > end.order:
                found.pop()
                if not found:
                    return found
                last = Position.of(found[-1].message_id())
        self.position = last
        return found

    def listen(self, woken: Callable[[], None]) -> None:
        """Ask for the next message, and call ``woken``, in another thread, when it is there."""
        if self._awaited or self.done:
            return

        def came(result: _pulsar.Result, message: Message) -> None:
            self._came.append((result.name, message))
            woken()

        self._awaited = True
        self.reader.read_next_async(came)
