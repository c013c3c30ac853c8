"""What every stream must do besides what every source must: end when told, and be followed.

A stream's test gives ``add_more`` (it produces rows), besides what ``SourceConformance`` asks for.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import Any

import pytest

from airflow_provider_spotify.core.model import Chunk, Cursor
from airflow_provider_spotify.core.sources.base import Source
from airflow_provider_spotify.core.testing.sources import SourceConformance, read, rows_of

PATIENCE = 60.0
"""Seconds that a stream may take to give what was produced."""


class StreamConformance(SourceConformance):
    """The suite of sources, and that of streams."""

    def test_ends_after_as_many_rows_as_asked(self) -> None:
        """``until: {rows: n}`` gives n rows, and the cursor goes on with the next one."""
        source = self.make_source()
        whole = rows_of(read(source))
        wanted = whole.total() // 2
        first = read(source.narrowed(until={"rows": wanted}))
        assert rows_of(first).total() == wanted
        assert rows_of(first) + rows_of(read(source, first[-1].cursor)) == whole

    def test_ends_after_as_much_time_as_asked(self) -> None:
        """``until: {within: …}`` ends the reading of a stream that stays silent."""
        source = self.make_source()
        last = read(source)[-1].cursor
        begun = time.monotonic()
        quiet = source.narrowed(until={"caught_up": False, "within": "500ms"})
        assert read(quiet, last) == []
        assert 0.4 < time.monotonic() - begun < PATIENCE

    def test_is_followed(self) -> None:
        """A stream that is followed gives what is produced while it is read, and does not end."""
        source = self.make_source()
        last = read(source)[-1].cursor
        found: list[Chunk] = []
        produced = asyncio.run(self._follow(source.following(), last, found))
        if produced is None:
            pytest.skip("add_more adds nothing")
        assert rows_of(found).total() == produced
        assert read(source, found[-1].cursor) == []

    def test_following_ends_when_closed(self) -> None:
        """Closing a silent stream that is followed takes less than two seconds."""
        source = self.make_source()
        last = read(source)[-1].cursor

        async def wait_and_close() -> float:
            waiting = asyncio.ensure_future(anext(source.following().read(last)))
            await asyncio.sleep(0.5)
            assert not waiting.done()
            begun = time.monotonic()
            waiting.cancel()
            await asyncio.wait([waiting])
            return time.monotonic() - begun

        assert asyncio.run(wait_and_close()) < 2

    def test_telling_it_twice_what_is_committed_does_no_harm(self) -> None:
        """What is acknowledged again, or late, takes nothing away from those who read on."""
        source = self.make_source()
        chunks = read(source)
        middle = chunks[len(chunks) // 2]
        rest = rows_of(chunks[len(chunks) // 2 + 1 :])
        source.committed(middle.cursor)
        source.committed(chunks[0].cursor)
        source.committed(middle.cursor)
        assert rows_of(read(self.make_source(), middle.cursor)) == rest

    async def _follow(self, source: Source[Any], since: Cursor, found: list[Chunk]) -> int | None:
        """Produce while following; return how many rows were produced."""
        async with aclosing(source.read(since)) as stream:  # type: ignore[type-var]
            waiting = asyncio.ensure_future(anext(stream))
            await asyncio.sleep(0.3)
            produced = await asyncio.to_thread(self.add_more)
            if produced is None:
                waiting.cancel()
                await asyncio.wait([waiting])
                return None
            while True:
                found.append(await asyncio.wait_for(waiting, PATIENCE))
                if rows_of(found).total() >= produced:
                    return produced
                waiting = asyncio.ensure_future(anext(stream))
