"""Reads several topic partitions of Pulsar at once, batch by batch, until there is an end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

import _pulsar
from _pulsar import Message

from airflow_provider_spotify.core.clients.pulsar import Pulsar
from airflow_provider_spotify.core.sources.streaming._pulsar_partition import (
    SAMPLE,
    Partition,
    Span,
)

MAX_BYTES = 16 * 1024 * 1024
"""Payload of one batch, about."""
SILENCE = 5.0
"""Seconds without a message after which the broker is asked whether there is one.

Compacting or trimming may take away the message that a topic was to be read to.
"""
_LOOK = 0.5  # seconds between two looks at the connection
_TURN = 4_096  # messages that one partition may give before it is another's turn


class Taken(NamedTuple):
    """Messages of one partition, in order."""

    partition: Partition
    messages: list[Message]


def _size(taken: Taken) -> int:
    """Return the bytes of the payloads, about."""
    return SAMPLE * sum(int(message.length()) for message in taken.messages[::SAMPLE])


class Ends(NamedTuple):
    """When a feed ends by itself, besides where its partitions do.

    :param silent: end in a silence in which the broker has nothing; else wait on
    :param rows: messages, at most
    :param deadline: of the monotonic clock
    """

    silent: bool
    rows: int | None
    deadline: float | None


class Feed:
    """The partitions of one read.

    :param queue_size: messages that wait in the client for each partition, at most
    :param compacted: read the newest message of each key where the topic was compacted
    :param begin: moves a reader before it is read, to a time for example
    """

    def __init__(
        self,
        client: Pulsar,
        spans: Sequence[Span],
        *,
        ends: Ends,
        queue_size: int,
        compacted: bool,
        begin: Callable[[_pulsar.Reader, Span], None] | None = None,
    ) -> None:
        self._client = client
        self._ends = ends
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()
        self._away: float | None = None
        self._asked = 0.0
        readers = client.readers(
            [(span.name, span.after) for span in spans],
            queue_size=queue_size,
            compacted=compacted,
        )
        self.partitions = [
            Partition(span, reader) for span, reader in zip(spans, readers, strict=True)
        ]
        for partition in self.partitions if begin else ():
            begin(partition.reader, partition.span)  # type: ignore[misc]

    def close(self) -> None:
        """Close every reader."""
        for partition in self.partitions:
            with suppress(_pulsar.PulsarException):  # the client closes it, too
                partition.reader.close()

    async def batches(self, *, size: int, linger: float) -> AsyncGenerator[list[Taken], None]:
        """Yield messages as they come, at most ``size`` at a time; a list is never empty.

        :param linger: seconds that a begun batch waits for more
        :raises TransientError: if the broker is away for longer than an operation may take
        """
        left = self._ends.rows
        while (left is None or left > 0) and not self._late():
            taken = await self._batch(size if left is None else min(size, left), linger)
            if not taken:
                return
            yield taken
            if left is not None:
                left -= sum(len(each.messages) for each in taken)

    async def _batch(self, room: int, linger: float) -> list[Taken]:
        taken: list[Taken] = []
        begun: float | None = None
        heard, size = time.monotonic(), MAX_BYTES
        while True:
            found = self._drain(min(room, _TURN), size)
            if found:
                taken += found
                room -= sum(len(each.messages) for each in found)
                size -= sum(map(_size, found))
                heard = time.monotonic()
                begun = begun or heard
            now = time.monotonic()
            if room <= 0 or size <= 0 or self._over(now, heard):
                return taken
            if begun is not None and now >= begun + linger:
                return taken
            if not found:
                await self._wait(min(_LOOK, begun + linger - now) if begun else _LOOK)
            else:
                await asyncio.sleep(0)

    def _drain(self, room: int, size: int) -> list[Taken]:
        """Take something of every partition that has something."""
        found = []
        for partition in self.partitions:
            if room <= 0 or size <= 0:
                break
            if partition.done:
                continue
            try:
                messages = partition.drain(room, size)
            except _pulsar.PulsarException as error:
                raise self._client.translated(type(error).__name__, partition.span.name) from error
            if messages:
                found.append(Taken(partition, messages))
                room -= len(messages)
                size -= _size(found[-1])
        self.partitions.append(self.partitions.pop(0))  # another one is first the next time
        return found

    def _over(self, now: float, heard: float) -> bool:
        if all(partition.done for partition in self.partitions):
            return True
        if self._late():
            return True
        if self._ends.silent and now - max(heard, self._asked) > SILENCE:
            self._ask(now - heard)
            return all(partition.done for partition in self.partitions)
        return False

    def _late(self) -> bool:
        return self._ends.deadline is not None and time.monotonic() >= self._ends.deadline

    def _ask(self, silence: float) -> None:
        """Ask the broker, after a long silence, whether there is anything left to wait for.

        :raises TransientError: if there is, and it has not come for as long as may be
        """
        open_ = [partition for partition in self.partitions if not partition.done]
        there = self._client.available([partition.reader for partition in open_])
        for partition, more in zip(open_, there, strict=True):
            partition.done = not more
            if more and silence > self._client.timeout:
                raise self._client.translated("Timeout", partition.span.name)
        self._asked = time.monotonic()

    async def _wait(self, seconds: float) -> None:
        """Wait until a message comes, no longer than some seconds."""
        self._woken.clear()
        if self._ends.deadline is not None:
            seconds = min(seconds, max(0.0, self._ends.deadline - time.monotonic()))
        for partition in self.partitions:
            partition.listen(self._wake)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), seconds)
        self._look()

    def _look(self) -> None:
        """Give up on a broker that is away; the client connects again by itself until then."""
        away = [p.span.name for p in self.partitions if not p.reader.is_connected()]
        now = time.monotonic()
        if not away:
            self._away = None
        elif self._away is None:
            self._away = now
        elif now - self._away > self._client.timeout:
            raise self._client.translated("NotConnected", away[0])

    def _wake(self) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._woken.set)
