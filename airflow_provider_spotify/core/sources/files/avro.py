"""Imports Avro, every codec; records stay nested, logical types become times and decimals."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from pydantic import Field

from airflow_provider_spotify.core.clients.files import File
from airflow_provider_spotify.core.errors import MissingDependency
from airflow_provider_spotify.core.sources.files.base import FilesConfig, FileSource, Part


class AvroConfig(FilesConfig):
    """Where the files lie.

    A union with null is a column that may be null, one of numbers the widest of them if it holds
    all values of the others. Any other union, and a record inside of itself, becomes text: texts
    as they are, everything else as JSON. A UUID becomes text, an unknown logical type is passed
    over.
    """

    batch_size: int = Field(8192, ge=1, description="rows per batch, fewer if they are long")


class AvroSource(FileSource[AvroConfig]):
    """Reads Avro block by block; files of different schemas arrive as they are."""

    Config = AvroConfig

    def parts(self, file: File, *, at: Any) -> Generator[Part, None, None]:
        """Yield rows; ``at`` is ``[byte, rows]``: where a block begins, and rows given of it."""
        try:
            from airflow_provider_spotify.core.sources.files import _avro_blocks
        except ModuleNotFoundError as error:
            raise MissingDependency(error.name or "fastavro", extra="files") from error
        if not file.size:
            return
        with self.store.open(file) as stream:
            found = _avro_blocks.read(stream, name=file.name, at=at, most=self.config.batch_size)
            for batch, reached in found:
                yield Part(batch, reached)


SOURCE = AvroSource
