"""Gathers the pages of a Spotify reader to chunks of a good size."""

from __future__ import annotations

import time
from collections.abc import Sequence

from airflow_provider_spotify.core.model import Chunk
from airflow_provider_spotify.core.sources.audio._spotify_readers import Page, Reader
from airflow_provider_spotify.core.sources.web.columns import Column
from airflow_provider_spotify.core.sources.web.rows import Record, Reject, rejected, rows


class Gathered:
    """Pages on their way to one chunk.

    Only the last chunk of a read may be without rows: it then says which playlists are empty.
    """

    def __init__(
        self, reader: Reader, columns: Sequence[Column], *, rows: int, seconds: float
    ) -> None:
        self._reader = reader
        self._columns = columns
        self._most = rows
        self._seconds = seconds
        self._clear()

    def _clear(self) -> None:
        self.begun = False
        self._records: list[Record] = []
        self._rejected: list[Reject] = []
        self._since = time.monotonic()

    def take(self, page: Page) -> bool:
        """Add a page; say whether it is time for a chunk."""
        self.begun = True
        self._records += page.records
        self._rejected += page.rejected
        held = len(self._records) + len(self._rejected)
        late = time.monotonic() - self._since >= self._seconds
        return held >= self._most or (held > 0 and late)

    def chunk(self) -> Chunk:
        """Return everything taken, with the cursor after it, and start anew."""
        batch, misfits = rows(self._columns, self._records)
        found = rejected([*self._rejected, *misfits])
        self._clear()
        return Chunk(batch, self._reader.cursor(), found)
