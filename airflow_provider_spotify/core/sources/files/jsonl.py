"""Imports JSON lines: one object per line, nested values kept nested."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from typing import Any

from airflow_provider_spotify.core.clients.files import File
from airflow_provider_spotify.core.sources.files.base import (
    Compression,
    FilesConfig,
    FileSource,
    Part,
)


class JsonlConfig(FilesConfig):
    """Where the lines lie.

    A line that is no JSON object is rejected with file and line; empty lines are passed over.
    Texts that look like times stay texts until the contract declares a type.
    """

    compression: Compression = "auto"


class JsonlSource(FileSource[JsonlConfig]):
    """Reads JSON lines; a field whose types differ becomes double, or else text."""

    Config = JsonlConfig

    def parts(self, file: File, *, at: Any) -> Generator[Part, None, None]:
        """Yield rows; ``at`` is ``[bytes, line]`` of the decompressed text."""
        from airflow_provider_spotify.core.clients.ndjson import blocks, parse_all

        offset, line = at or (0, 1)
        with self.store.open(file, compression=self.config.compression) as stream:
            _skip(stream, offset)
            source = blocks(stream, offset=offset, line=line)
            with closing(parse_all(source, name=file.name)) as parsed:
                for block, (batch, rejected) in parsed:
                    if batch.num_rows or rejected:
                        yield Part(batch, [block.offset, block.line], rejected)


def _skip(stream: Any, size: int) -> None:
    if size and stream.seekable():
        stream.seek(size)
        return
    while size > 0:
        size -= len(stream.read(min(size, 1 << 20))) or size


SOURCE = JsonlSource
