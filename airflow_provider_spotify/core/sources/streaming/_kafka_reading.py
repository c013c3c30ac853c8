"""One read of Kafka's topics: gathers messages into batches, and decodes them in a thread."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_spotify.core.clients.kafka import Place
from airflow_provider_spotify.core.clients.payloads import Decoded
from airflow_provider_spotify.core.model import Chunk, Cursor, Window
from airflow_provider_spotify.core.sources.streaming import _kafka_messages as messages
from airflow_provider_spotify.core.sources.streaming import _kafka_offsets as offsets
from airflow_provider_spotify.core.sources.streaming._kafka_consumer import Assigned, Shared
from airflow_provider_spotify.core.sources.streaming._kafka_messages import Gathered

if TYPE_CHECKING:
    from airflow_provider_spotify.core.sources.streaming._kafka_stream import (
        KafkaStream,
        KafkaStreamConfig,
    )

LONGEST = 16 * 1024 * 1024
"""Bytes of messages that become one batch, about."""
IDLE = 0.2
"""Seconds of one wait for messages; between two of them the caller may end the reading."""
AHEAD = 2
"""Batches that are decoded while the next is gathered, each in a thread."""
_LEAST = 64.0


class _Held(NamedTuple):
    """A batch that is being decoded, and where reading goes on behind it."""

    decoded: Future[Decoded]
    positions: Mapping[Place, int]


class Reading:
    """Reads from the cursor on until the end that the config names.

    :raises ImporterError: as :meth:`KafkaStream.read`
    """

    def __init__(
        self, stream: KafkaStream[Any], since: Cursor | None, window: Window | None
    ) -> None:
        config: KafkaStreamConfig = stream.config
        self._config = config
        self._window = window
        self._pins = since is None and window is None and config.start == "latest"
        self._following = config.until.never and window is None
        self._begun = time.monotonic()
        self._rows = 0
        self._size = 1024.0  # bytes of a message, as seen last
        self._columns = messages.Columns(config.metadata, text=config.key == "text")
        self._payloads = stream.payloads()
        bounded = config.until.caught_up or window is not None or config.slices is not None
        reads: type[Assigned] = Assigned
        words: dict[str, Any] = {"isolation.level": "read_committed"}
        if not self._following:
            # only an answer without messages tells the end, and the broker keeps it back so long
            words |= {"enable.partition.eof": True, "fetch.wait.max.ms": 50}
        if config.assignment == "group":
            reads, words = Shared, words | {"partition.assignment.strategy": "cooperative-sticky"}
        self._pool = ThreadPoolExecutor(AHEAD, thread_name_prefix="kafka-decode")
        self._pool.submit(self._columns.empty)  # Arrow imports pandas first, while we connect
        try:
            self._from = reads(stream, since, window, bounded=bounded, **words)
        except BaseException:
            self._pool.shutdown()
            raise
        self.over = False
        """Everything was given; the client is still there."""

    def close(self) -> None:
        """Free the client and the thread."""
        self._pool.shutdown(cancel_futures=True)
        self._from.close()

    def commit(self, at: Mapping[Place, int], *, wait: bool) -> bool:
        """Commit offsets of the group by the client that reads; False if it is closed."""
        return self._from.commit(at, wait=wait)

    def chunks(self) -> Generator[Chunk | None, None, None]:
        """Yield chunks; None where the caller may end the reading.

        Batches are held back while further ones are gathered, so that both go on at once, and so
        that the last one's cursor passes over what comes after it without being a message.
        """
        if self._pins:
            yield Chunk(self._columns.empty(), offsets.cursor(self._from.positions))
        held: deque[_Held] = deque()
        while not self._ended:
            found = self._gather()
            waits = bool(found.messages) or self._from.bounded
            keep = AHEAD if waits and not self._following else 0
            if found.messages:
                held += self._held(found)
            while len(held) > max(keep, self._ended):
                yield _chunk(held.popleft())
            yield None
        while held:
            each = held.popleft()
            yield _chunk(each if held else each._replace(positions=self._from.positions))
        self.over = True

    def _held(self, found: Gathered) -> list[_Held]:
        """Begin to decode messages; none of them may be wanted."""
        self._rows += len(found.messages)
        if self._window is not None:
            found = messages.within(found, self._window)
            if not found.messages:
                return []
        decoded = self._pool.submit(messages.decode, found, self._payloads, self._columns)
        return [_Held(decoded, dict(self._from.positions))]

    # ── the end ──────────────────────────────────────────────────────────────────────────────

    @property
    def _ended(self) -> bool:
        rows = self._config.until.rows
        return self._from.ended or self._left <= 0 or (rows is not None and self._rows >= rows)

    @property
    def _left(self) -> float:
        """The seconds that are left."""
        within = self._config.until.within
        if within is None:
            return float("inf")
        return within.total_seconds() - (time.monotonic() - self._begun)

    # ── gathering ────────────────────────────────────────────────────────────────────────────

    def _gather(self) -> Gathered:
        """Return the messages of one batch; none if none came for a moment."""
        first = self._take(1 if self._following else self._most(0), IDLE)
        parts = [first]
        count = len(first.messages)
        deadline = time.monotonic() + self._config.linger.total_seconds()
        while count and not self._from.ended and (most := self._most(count)) > 0:
            wait = deadline - time.monotonic()
            if wait <= 0 and len(parts) > 1:
                break
            some = self._take(most, max(0.0, min(wait, IDLE)))
            count += len(some.messages)
            parts.append(some)
        return messages.together([part for part in parts if part.messages] or [first])

    def _take(self, most: int, wait: float) -> Gathered:
        found = self._from.take(most, min(wait, max(self._left, 0.0)))
        if found.messages:
            sample = found.messages[:: max(1, len(found.messages) // 16)]
            self._size = max(_LEAST, sum(len(m.value() or b"") for m in sample) / len(sample))
        return found

    def _most(self, count: int) -> int:
        """Return how many messages a batch of so many still takes."""
        most = min(self._config.batch_size, max(1, round(LONGEST / self._size))) - count
        if self._config.until.rows is not None:
            most = min(most, self._config.until.rows - self._rows - count)
        if self._from.ends and self._window is None:
            most = min(most, max(1, self._from.behind))
        return most


def _chunk(held: _Held) -> Chunk:
    decoded = held.decoded.result()
    return Chunk(decoded.batch, offsets.cursor(held.positions), decoded.rejected)
