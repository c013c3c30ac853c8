"""One read of some Redis streams: rounds of commands, batches, and the end."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_spotify.core.clients.redis import Link
from airflow_provider_spotify.core.model import Chunk, Cursor, Window
from airflow_provider_spotify.core.sources.streaming import _redis_streams_ids as ids
from airflow_provider_spotify.core.sources.streaming._redis_streams_group import Grouped
from airflow_provider_spotify.core.sources.streaming._redis_streams_plain import Plain
from airflow_provider_spotify.core.sources.streaming._redis_streams_rows import Rows

if TYPE_CHECKING:
    from airflow_provider_spotify.core.sources.streaming.redis_streams import RedisStreamsSource

Stream = Plain | Grouped
ROUND = 1_000
"""Entries that are asked for at once, at most."""
ROUND_BYTES = 4 << 20
"""What a round may bring, about: fewer entries are asked for where they are large."""
BATCH_BYTES = 16 << 20
IDLE = 0.2
"""Seconds of one wait for entries; between two of them the caller may end the reading."""
APART = 0.01
"""Seconds between two looks at streams that several nodes hold, so that none can be waited for."""


class Reading:
    """Reads from the cursor on until the end that the config names; a context manager.

    :raises ImporterError: as :meth:`RedisStreamsSource.read`
    """

    def __init__(
        self, source: RedisStreamsSource, since: Cursor | None, window: Window | None
    ) -> None:
        self._source = source
        self._config = source.config
        self._before: dict[str, Any] = dict((since or {}).get("streams", {}))
        self._window = window
        self._stack = ExitStack()
        self._lanes: list[tuple[Link, list[Stream]]] = []
        self._rows: Rows
        self._left = self._config.until.rows
        within = self._config.until.within
        self._deadline = time.monotonic() + within.total_seconds() if within else None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for link, names in self._source.links():
                stack.enter_context(link)
                self._lanes.append((link, [self._stream(link, name) for name in names]))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _stream(self, link: Link, name: str) -> Stream:
        part = (self._config.slices or {}).get(name)
        state = self._before.get(name)
        if self._window is None and self._config.group is not None:
            return Grouped(link, name, config=self._config, state=state, part=part)
        bounds = ids.span(self._window) if self._window else None
        if bounds and part:
            low = max(bounds[0], part.after or ids.FIRST, key=ids.order)
            high = bounds[1] if part.last else min(bounds[1], part.upto, key=ids.order)
            bounds = (low, high)
        return Plain(link, name, config=self._config, state=state, part=part, bounds=bounds)

    # ── reading ──────────────────────────────────────────────────────────────────────────────

    def chunks(self) -> Generator[Chunk | None, None, None]:
        """Yield chunks, and None where the caller may want to go."""
        self._rows = Rows(self._config)
        for stream in self._streams:
            stream.open()
        begun = 0.0
        while True:
            held = self._rows.count
            got = self._round()
            if self._rows.count and not held:
                begun = time.monotonic()
            ended = self._ended()
            if self._rows.count and (ended or self._is_due(begun, more=got > 0)):
                yield self._chunk()
            if ended:
                return
            yield None
            for stream in self._streams:
                stream.renew()
            if not got:
                self._wait(begun if self._rows.count else None)

    def _round(self) -> int:
        """Ask every link once; return how many entries came."""
        got = 0
        for link, streams in self._lanes:
            waiting = [s for s in streams if not self._is_done(s)]
            counts = self._counts(waiting)
            asked = [stream.commands(count) for stream, count in counts]
            if not asked:
                continue
            replies = iter(link.atomic([command for each in asked for command in each]))
            for (stream, count), commands in zip(counts, asked, strict=True):
                entries = stream.taken([next(replies) for _ in commands], count)
                if entries:
                    self._rows.add(stream.name, entries)
                    got += len(entries)
                    self._left = None if self._left is None else self._left - len(entries)
        return got

    def _counts(self, streams: Sequence[Stream]) -> list[tuple[Stream, int]]:
        """Say how many entries to ask each stream for, so that no bound is passed."""
        room = self._config.batch_size - self._rows.count
        room = room if self._left is None else min(room, self._left)
        streams = streams[: max(room, 0)]
        share = room // len(streams) if streams else 0
        most = [min(share, ROUND, max(1, ROUND_BYTES // max(s.size, 1))) for s in streams]
        return list(zip(streams, most, strict=True))

    def _is_done(self, stream: Stream) -> bool:
        bounded = self._window is not None or self._config.slices is not None
        return stream.caught_up and (bounded or self._config.until.caught_up)

    def _ended(self) -> bool:
        if self._left is not None and self._left <= 0:
            return True
        if self._deadline is not None and time.monotonic() >= self._deadline:
            return True
        return all(map(self._is_done, self._streams))

    def _is_due(self, begun: float, *, more: bool) -> bool:
        full = self._rows.count >= self._config.batch_size or self._rows.bytes >= BATCH_BYTES
        late = time.monotonic() - begun >= self._config.linger.total_seconds()
        return full or (late and not more) or (late and self._config.until.never)

    def _wait(self, begun: float | None) -> None:
        """Wait for an entry, but not beyond the next thing that is due."""
        now = time.monotonic()
        ends = [now + IDLE]
        ends += [] if self._deadline is None else [self._deadline]
        ends += [] if begun is None else [begun + self._config.linger.total_seconds()]
        seconds = min(ends) - now
        if seconds <= 0:
            return
        if len(self._lanes) > 1:
            time.sleep(min(seconds, APART))
            return
        ((link, streams),) = self._lanes
        names, after = [s.name for s in streams], [s.wake() for s in streams]
        block = max(1, round(seconds * 1000))
        link.do("XREAD", "COUNT", 1, "BLOCK", block, "STREAMS", *names, *after)

    def _chunk(self) -> Chunk:
        batch, rejected = self._rows.take()
        states = {stream.name: stream.state() for stream in self._streams}
        streams = {**self._before, **{name: state for name, state in states.items() if state}}
        return Chunk(batch, {"streams": self._before if self._window else streams}, rejected)

    @property
    def _streams(self) -> list[Stream]:
        return [stream for _, streams in self._lanes for stream in streams]

    # ── looking ──────────────────────────────────────────────────────────────────────────────

    def any(self) -> bool:
        """Say whether there is an entry to read, without reading it."""
        return any(stream.is_due() for stream in self._streams)
