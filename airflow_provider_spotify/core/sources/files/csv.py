"""Imports delimited text: CSV, TSV and their kin, every column as text."""

from __future__ import annotations

import codecs
from collections.abc import Generator, Sequence
from functools import partial
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from airflow_provider_spotify.core.clients.files import File
from airflow_provider_spotify.core.sources.files.base import (
    Compression,
    FilesConfig,
    FileSource,
    Part,
)

Character = Annotated[str, StringConstraints(min_length=1, max_length=1, pattern=r"^[\x01-\x7f]$")]


def _known(encoding: str) -> str:
    try:
        return codecs.lookup(encoding).name
    except LookupError as error:
        raise ValueError(f"unknown encoding {encoding!r}; for example utf-8 or latin-1") from error


class CsvConfig(FilesConfig):
    """Where the text lies and how it is written.

    Rows with another number of fields than the header are rejected with file and line. An empty
    field arrives as empty text: which texts mean "missing" is the contract's to say.
    """

    delimiter: Character = ","
    quote: Character | None = Field('"', description="null: quotes are ordinary characters")
    escape: Character | None = Field(None, description="as well as a doubled quote; often \\")
    encoding: Annotated[str, AfterValidator(_known)] = "utf-8"
    header: bool = Field(True, description="false: name the columns")
    columns: Annotated[Sequence[str], Field(min_length=1)] | None = Field(
        None, description="names of the columns of a text without header"
    )
    skip_rows: int = Field(0, ge=0, description="lines before the header or the first row")
    compression: Compression = "auto"

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.header and self.columns:
            raise ValueError("columns is for header: false; rename in the contract (source_name)")
        if not self.header and not self.columns:
            raise ValueError("header: false needs the names: columns: [id, name]")
        return self


class CsvSource(FileSource[CsvConfig]):
    """Reads delimited text in the order of its rows; columns go by name, so files may differ."""

    Config = CsvConfig
    textual: ClassVar[bool] = True

    def parts(self, file: File, *, at: Any) -> Generator[Part, None, None]:
        """Yield rows as text; ``at`` is the number of the next record."""
        from airflow_provider_spotify.core.clients.csv_stream import Dialect, read_records

        config = self.config
        dialect = Dialect(
            delimiter=config.delimiter,
            quote=config.quote,
            escape=config.escape,
            encoding=config.encoding,
            columns=tuple(config.columns) if config.columns else None,
            skip_rows=config.skip_rows,
        )
        opener = partial(self.store.open, file, compression=config.compression)
        yield from map(
            Part._make, read_records(opener, dialect, name=file.name, start=int(at or 0))
        )


SOURCE = CsvSource
