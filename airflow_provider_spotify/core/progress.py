"""Counts what a load does and tells whoever watches, every few seconds."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, TypeAlias

logger = logging.getLogger("airflow_provider_spotify.imports")


class Snapshot(NamedTuple):
    """Where a load stands. ``bytes`` is Arrow memory, ``seconds`` since it began."""

    name: str
    rows: int
    rejected: int
    bytes: int
    seconds: float

    @property
    def rate(self) -> float:
        """Rows a second since the beginning."""
        return self.rows / self.seconds if self.seconds else 0.0


Watcher: TypeAlias = Callable[[Snapshot], None]


def log_line(snapshot: Snapshot) -> None:
    """Write one line about a load to the log."""
    logger.info(
        "%s: %s rows, %s rows/s, %.1f MB, %s rejected",
        snapshot.name,
        f"{snapshot.rows:,}",
        f"{snapshot.rate:,.0f}",
        snapshot.bytes / 1e6,
        f"{snapshot.rejected:,}",
    )


class Meter:
    """The counters and stopwatches of one load.

    :param name: what the watcher calls the load
    :param watch: told every ``every`` seconds and once at the end
    """

    def __init__(self, name: str, *, watch: Watcher | None = None, every: float = 5.0) -> None:
        self.name = name
        self.rows = 0
        self.rejected = 0
        self.bytes = 0
        self.seconds: dict[str, float] = defaultdict(float)
        self._watch = watch or log_line
        self._every = every
        self._began = self._told = time.monotonic()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time spent inside to a stage: read, transform, write or publish."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - began

    def add(self, *, rows: int, size: int, rejected: int) -> None:
        """Count rows that reached the sink, and tell the watcher if it is time."""
        self.rows += rows
        self.bytes += size
        self.rejected += rejected
        if time.monotonic() - self._told >= self._every:
            self.tell()

    def tell(self) -> None:
        """Tell the watcher where the load stands. One that fails is no reason to stop a load."""
        self._told = time.monotonic()
        since = self._told - self._began
        try:
            self._watch(Snapshot(self.name, self.rows, self.rejected, self.bytes, since))
        except Exception:
            logger.exception("%s: the progress watcher failed; the load goes on", self.name)
