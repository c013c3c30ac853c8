"""Imports Parquet, one bounded batch at a time."""

from __future__ import annotations

import difflib
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from airflow_provider_spotify.core.clients.files import File
from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.sources.files.base import FilesConfig, FileSource, Part

if TYPE_CHECKING:
    import pyarrow as pa


class ParquetConfig(FilesConfig):
    """Where the files lie and which of their columns are read."""

    columns: Annotated[Sequence[str], Field(min_length=1)] | None = Field(
        None, description="read only these; a file that lacks some of them gives the others"
    )
    batch_size: int = Field(65_536, ge=1, description="rows per batch")


class ParquetSource(FileSource[ParquetConfig]):
    """Reads Parquet row group by row group; files of different schemas arrive as they are."""

    Config = ParquetConfig

    def parts(self, file: File, *, at: Any) -> Generator[Part, None, None]:
        """Yield rows; ``at`` is the number of rows given so far."""
        from pyarrow import parquet

        done = int(at or 0)
        with (
            self.store.open(file) as stream,
            parquet.ParquetFile(stream, pre_buffer=False) as opened,
        ):
            names = self._names(file, opened.schema_arrow)
            first, groups = _groups_after(opened.metadata, done)
            for batch in opened.iter_batches(self.config.batch_size, groups, columns=names):
                rows = batch.slice(max(0, done - first))
                first += batch.num_rows
                if rows.num_rows:
                    yield Part(rows, first)

    def _names(self, file: File, schema: pa.Schema) -> list[str] | None:
        if self.config.columns is None:
            return None
        names = [name for name in self.config.columns if name in schema.names]
        if not names:
            near = difflib.get_close_matches(self.config.columns[0], schema.names, n=1)
            there = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(schema.names)}"
            wanted = ", ".join(self.config.columns)
            raise ConfigurationError(f"{file.name} has none of the columns {wanted}; {there}")
        return names


def _groups_after(metadata: Any, done: int) -> tuple[int, list[int]]:
    """Return the row groups not wholly read yet, and the number of rows before them."""
    before = 0
    for group in range(metadata.num_row_groups):
        rows = metadata.row_group(group).num_rows
        if before + rows > done:
            return before, list(range(group, metadata.num_row_groups))
        before += rows
    return before, []


SOURCE = ParquetSource
