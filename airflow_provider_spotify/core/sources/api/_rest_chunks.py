"""Gathers the pages of a REST listing to chunks of a good size, as Arrow from the first."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_spotify.core.clients.json_arrow import JsonArrow
from airflow_provider_spotify.core.model import Chunk, Cursor
from airflow_provider_spotify.core.sources.api._rest_reader import Reader


class Gathered:
    """Pages on their way to one chunk.

    A full chunk is held back until a page with rows follows: so the last one's cursor says that
    the listing was read to its end, even where that took one more, empty, page to find out.

    :param rows: of a full chunk; more if a page has more
    :param seconds: after which a chunk is given, so that slow reading is checkpointed too
    """

    def __init__(self, reader: Reader, *, rows: int, seconds: float) -> None:
        self._arrow = JsonArrow()
        self._reader = reader
        self._most = rows
        self._seconds = seconds
        self._cursor: Cursor = {}
        self._since = time.monotonic()
        self.given = False
        """A chunk was given."""

    @property
    def _full(self) -> bool:
        late = time.monotonic() - self._since >= self._seconds
        held = len(self._arrow)
        return held > 0 and (late or held >= self._most)

    def take(self, records: Sequence[Mapping[str, Any]]) -> Chunk | None:
        """Add a page; return the chunk before it if that was full."""
        chunk = self.rest() if records and self._full else None
        self._arrow.add(records)
        self._cursor = self._reader.cursor()
        return chunk

    def rest(self, *, even_if_empty: bool = False) -> Chunk | None:
        """Return everything taken, with the cursor after it, and start anew."""
        if not len(self._arrow) and not even_if_empty:
            return None
        chunk = Chunk(self._arrow.batch(), self._cursor)
        self._since = time.monotonic()
        self.given = True
        return chunk
