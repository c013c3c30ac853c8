"""What the fault suite of web sources looks at: readings, log lines, secrets and memory."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import threading
import time
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from typing import NamedTuple

import psutil

from airflow_provider_spotify.core.model import Chunk, Cursor
from airflow_provider_spotify.core.testing.sources import AnySource

_SECRET_NAME = re.compile(r"(?i)token|secret|password|key|private|credential")


class Attempt(NamedTuple):
    """One reading: the chunks that came, and the error that ended it."""

    chunks: list[Chunk]
    error: BaseException | None

    @property
    def cursor(self) -> Cursor | None:
        """Where to go on, after a round trip through JSON."""
        if not self.chunks:
            return None
        cursor: Cursor = json.loads(json.dumps(self.chunks[-1].cursor, allow_nan=False))
        return cursor


def attempt(source: AnySource, since: Cursor | None = None) -> Attempt:
    """Read until the end or an error."""
    chunks: list[Chunk] = []

    async def collect() -> None:
        async with aclosing(source.read(since)) as stream:  # type: ignore[type-var]
            async for chunk in stream:
                chunks.append(chunk)  # noqa: PERF401 - what came before an error is kept

    try:
        asyncio.run(collect())
    except Exception as error:  # the suite judges whatever comes
        return Attempt(chunks, error)
    return Attempt(chunks, None)


class Lines(logging.Handler):
    """Keeps the text of every record."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self._kept = lines

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        self._kept.append(record.getMessage())


def secrets_of(source: AnySource) -> set[str]:
    """Return the secrets of a source's connection."""
    extra = source.credentials.extra
    named = [source.credentials.secret(name) for name in extra if _SECRET_NAME.search(name)]
    found = {source.credentials.secret(), *named}
    return {text for text in found if text and len(text) > 3 and "://" not in text}


@contextmanager
def peak() -> Iterator[list[int]]:
    """Measure how many bytes this process grows by."""
    process, over = psutil.Process(), threading.Event()
    start = process.memory_info().rss
    most = [0]

    def watch() -> None:
        while not over.is_set():
            most[0] = max(most[0], process.memory_info().rss - start)
            time.sleep(0.01)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield most
    finally:
        over.set()
        watcher.join()
