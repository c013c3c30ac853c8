"""What the file sources share: finding what is new, reading it in order, knowing how far."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections.abc import AsyncIterator, Generator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from airflow_provider_spotify.core.clients.file_log import FileLog, OnChange
from airflow_provider_spotify.core.clients.files import (
    File,
    FileStore,
    absolute,
    dataset_name,
    is_local,
    shown,
)
from airflow_provider_spotify.core.errors import ImporterError
from airflow_provider_spotify.core.model import Chunk, Cursor, DatasetName, Health, Window
from airflow_provider_spotify.core.sources.base import Source, SourceConfig

if TYPE_CHECKING:
    import pyarrow as pa

Compression = Literal["auto", "none", "gzip", "zstd", "bz2"]


def _open_place(path: str) -> str:
    if "::" in path:
        raise ValueError("chained URLs (a::b) are not read; name the file itself")
    if not is_local(path) and "@" in urlsplit(path).netloc:
        raise ValueError("holds a login: put it into the connection, not into the path")
    return path


Place = Annotated[str, Field(min_length=1), AfterValidator(_open_place)]


class FilesConfig(SourceConfig):
    """The keys that every file source has.

    A file that changes after it was read (its size, date or ETag) is read again from its start, so
    an append then holds its rows twice: write by merge, or set ``on_change: ignore``.
    """

    path: Place | Annotated[Sequence[Place], Field(min_length=1)] = Field(
        description="local path, glob or URL (s3://, https://, memory:// …), or several of them"
    )
    on_change: OnChange = Field(
        "read_again", description="a file that changes after it was read: read_again or ignore"
    )

    @property
    def paths(self) -> Sequence[str]:
        """Every path or glob, as written."""
        return [self.path] if isinstance(self.path, str) else self.path


class Part(NamedTuple):
    """Some rows of one file, and how far into it they reach (JSON, the format's own unit)."""

    batch: pa.RecordBatch
    at: Any
    rejected: pa.RecordBatch | None = None


C = TypeVar("C", bound=FilesConfig)


class FileSource(Source[C]):
    """Reads files one after the other, in the order in which they arrived.

    A window is read by modification time. A file without rows yields no chunk of its own.
    """

    extra: ClassVar[str | None] = "files"
    conn_type: ClassVar[str | None] = "aws"

    @abstractmethod
    def parts(self, file: File, *, at: Any) -> Generator[Part, None, None]:
        """Yield the rows of a file after ``at`` (None: all); closing it frees the file."""

    @property
    def store(self) -> FileStore:
        """The files' place, with this source's credentials."""
        return FileStore(self.credentials)

    async def read(
        self, since: Cursor | None, window: Window | None = None
    ) -> AsyncIterator[Chunk]:
        """Yield the rows of every new file; see :class:`Source`.

        :raises DataError: if a file is not what its format says
        :raises ConfigurationError, AuthenticationError, ForbiddenError, TransientError: as the
            files' place answers
        """
        log = FileLog.resume(None if window else since)
        for file in self._new(log, window):
            held: Part | None = None
            with closing(self.parts(file, at=log.start(file))) as parts:
                for part in parts:
                    if held:
                        yield Chunk(held.batch, log.reading(file, held.at), held.rejected)
                    held = part
            # The last part is held back until the end is known, so that its cursor says "done".
            cursor = log.finished(file)
            if held:
                yield Chunk(held.batch, cursor, held.rejected)

    async def check(self) -> Health:
        """List the files; report how many there are."""
        begun = time.perf_counter()
        try:
            files = await asyncio.to_thread(self.store.list, self.config.paths)
        except ImporterError as error:
            return Health(ok=False, message=str(error), seconds=time.perf_counter() - begun)
        size = sum(file.size for file in files)
        message = (
            f"{len(files)} files, {size:,} bytes match {', '.join(map(shown, self.config.paths))}"
        )
        return Health(ok=True, message=message, seconds=time.perf_counter() - begun)

    async def is_ready(self, since: Cursor | None, window: Window | None = None) -> bool:
        """Say whether a file that is not empty has come or changed since the cursor."""
        log = FileLog.resume(None if window else since)
        return any(file.size for file in await asyncio.to_thread(self._new, log, window))

    def dataset(self) -> DatasetName:
        """Name the first path or glob."""
        return dataset_name(self.config.paths[0])

    async def partitions(self, n: int, since: Cursor | None = None) -> Sequence[Self]:
        """Deal the new files out to at most ``n`` sources of about equal bytes."""
        files = await asyncio.to_thread(self._new, FileLog.resume(since), None)
        if not files:
            return [self]
        piles: list[list[File]] = [[] for _ in range(max(1, min(n, len(files))))]
        for file in sorted(files, key=lambda f: -f.size):
            min(piles, key=lambda pile: sum(f.size for f in pile)).append(file)
        return [self.narrowed(path=[_literal(f.path) for f in pile]) for pile in piles if pile]

    def joined(self, cursors: Sequence[Cursor | None]) -> Cursor | None:
        """Return the cursor that names the files of every partition."""
        found = [cursor for cursor in cursors if cursor is not None]
        return FileLog.joined(found) if found else None

    def _new(self, log: FileLog, window: Window | None) -> list[File]:
        files = self.store.list(self.config.paths)
        if window:
            files = [f for f in files if window.start <= f.modified_at < window.end]
        return log.pending(files, on_change=self.config.on_change)


def _literal(path: str) -> str:
    """Write a path so that no character of it is taken for a wildcard."""
    if not is_local(path):
        return path
    import glob

    return glob.escape(absolute(path))
