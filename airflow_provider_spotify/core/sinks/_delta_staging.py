"""Rows and rejected records that wait: Parquet files under ``_staging/<load id>``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from uuid import uuid4

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from airflow_provider_spotify.core.clients.delta import Place
from airflow_provider_spotify.core.sinks._delta_types import DIALECT
from airflow_provider_spotify.core.sinks.sql.dialect import Column
from airflow_provider_spotify.core.sinks.sql.evolution import widest
from airflow_provider_spotify.core.sinks.sql.statements import SEQUENCE

FOLDER = "_staging"
_TABLE = re.compile(r"_staging_(\d+)(_rejected)?")
_FILE = re.compile(r"(\d{15})-(\d{10})-[0-9a-f]{8}\.parquet")


class StagedFile(NamedTuple):
    """A file of staged rows: the number of the first, and how many they are."""

    name: str
    first: int
    rows: int


class Staging:
    """What loads have staged; a staging table is a folder.

    Rows are numbered in their order. Each file holds what came between two flushes, so a
    checkpoint always ends where a file does, and what came after it can be deleted whole.
    """

    def __init__(self, place: Place, schema: str) -> None:
        self._place = place
        self._schema = schema
        self._shapes: dict[str, pa.Schema] = {}

    @staticmethod
    def is_staging(table: str) -> bool:
        """Say whether a name is of a staging table."""
        return _TABLE.fullmatch(table) is not None

    def folder(self, table: str) -> tuple[str, ...]:
        """Return the steps to a staging table's folder."""
        match = _TABLE.fullmatch(table)
        assert match is not None
        return (self._schema, FOLDER, match[1], "rejected" if match[2] else "rows")

    def listed(self, table: str) -> list[StagedFile]:
        """Return the files of a table in the order of their rows."""
        names = self._place.names(*self.folder(table))
        matches = (_FILE.fullmatch(name) for name in names)
        return [StagedFile(m[0], int(m[1]), int(m[2])) for m in matches if m]

    def add(self, table: str, batches: Sequence[pa.RecordBatch]) -> None:
        """Write rows, whose last column is their number."""
        rows = pa.Table.from_batches(batches)
        first = rows.column(SEQUENCE)[0].as_py() if rows.num_rows else 0
        name = f"{first:015d}-{rows.num_rows:010d}-{uuid4().hex[:8]}.parquet"
        self._place.write(rows, *self.folder(table), name)

    def cut(self, table: str, *, rows: int) -> bool:
        """Delete what came after so many rows; say whether those are all there."""
        kept = 0
        for file in self.listed(table):
            if file.rows and file.first >= rows:
                self._place.delete(*self.folder(table), file.name)
            else:
                kept += file.rows
        return kept == rows

    def drop(self, table: str) -> None:
        """Delete a table."""
        self._place.clear(*self.folder(table))
        if self._place.local and not self._place.names(*self.folder(table)[:-1]):
            self._place.clear(*self.folder(table)[:-1])

    def columns(self, table: str) -> dict[str, Column]:
        """Return the columns that the files have together, each as wide as the widest."""
        return widest([self._own(table, file) for file in self.listed(table)], dialect=DIALECT)

    def _own(self, table: str, file: StagedFile) -> dict[str, Column]:
        shape = self._shape(table, file)
        return {DIALECT.fold(f.name): DIALECT.column(f.name, f.type) for f in shape}

    def _shape(self, table: str, file: StagedFile) -> pa.Schema:
        path = self._place.file(*self.folder(table), file.name)
        if path not in self._shapes:
            self._shapes[path] = pq.read_schema(path, filesystem=self._place.files)
        return self._shapes[path]

    def batches(self, table: str) -> Iterator[pa.RecordBatch]:
        """Yield the rows in order, each file's with the columns that it has."""
        for file in self.listed(table):
            path = self._place.file(*self.folder(table), file.name)
            with self._place.files.open_input_file(path) as source:
                parquet = pq.ParquetFile(source)
                yield from parquet.iter_batches()

    def datasets(self, table: str) -> list[tuple[dict[str, Column], ds.Dataset]]:
        """Return the files as datasets, one for each shape, with its columns."""
        groups: dict[pa.Schema, list[StagedFile]] = {}
        for file in self.listed(table):
            groups.setdefault(self._shape(table, file), []).append(file)
        return [
            (
                self._own(table, files[0]),
                ds.dataset(
                    [self._place.file(*self.folder(table), file.name) for file in files],
                    schema=schema,
                    format="parquet",
                    filesystem=self._place.files,
                ),
            )
            for schema, files in groups.items()
        ]
