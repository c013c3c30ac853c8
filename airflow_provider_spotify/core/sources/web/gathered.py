"""Gathers pages to chunks of a good size."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from airflow_provider_spotify.core.model import Chunk, Cursor

if TYPE_CHECKING:
    import pyarrow as pa

R = TypeVar("R")
Build = Callable[[Sequence[R], Sequence[Any]], "tuple[pa.RecordBatch, pa.RecordBatch | None]"]


class Gathered(Generic[R]):
    """Pages on their way to one chunk.

    A full chunk is held back until a page with rows follows: so the last one's cursor says that
    the listing was read to its end, even where that took one more, empty, page to find out.

    :param build: makes the batch, and the batch of what was rejected
    :param cursor: says where to resume after the page that was taken last
    :param rows: of a full chunk; more if a page has more
    :param seconds: after which a chunk is given, so that slow reading is checkpointed too
    """

    def __init__(
        self, build: Build[R], *, cursor: Callable[[], Cursor], rows: int, seconds: float
    ) -> None:
        self._build = build
        self._now = cursor
        self._most = rows
        self._seconds = seconds
        self._records: list[R] = []
        self._rejected: list[Any] = []
        self._cursor: Cursor = {}
        self._since = time.monotonic()
        self.given = False
        """A chunk was given."""
        self.moved = False
        """Pages were taken since the last chunk, though perhaps without rows."""

    @property
    def _held(self) -> int:
        return len(self._records) + len(self._rejected)

    @property
    def _full(self) -> bool:
        late = time.monotonic() - self._since >= self._seconds
        return self._held > 0 and (late or self._held >= self._most)

    def take(self, records: Sequence[R], rejected: Sequence[Any] = ()) -> Chunk | None:
        """Add a page; return the chunk before it if that was full."""
        chunk = self.rest() if (records or rejected) and self._full else None
        self._records += records
        self._rejected += rejected
        self._cursor = self._now()
        self.moved = True
        return chunk

    def rest(self, *, even_if_empty: bool = False) -> Chunk | None:
        """Return everything taken, with the cursor after it, and start anew."""
        if not self._held and not even_if_empty:
            return None
        batch, rejected = self._build(self._records, self._rejected)
        self._records, self._rejected = [], []
        self._since = time.monotonic()
        self.given, self.moved = True, False
        return Chunk(batch, self._cursor, rejected)
