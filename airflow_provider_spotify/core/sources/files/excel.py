"""Imports Excel and OpenDocument sheets, one or many: xlsx, xlsm, xlsb, xls and ods."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from airflow_provider_spotify.core.clients.files import File
from airflow_provider_spotify.core.errors import MissingDependency
from airflow_provider_spotify.core.sources.files.base import FilesConfig, FileSource, Part


class ExcelConfig(FilesConfig):
    """Where the workbooks lie and which cells of them are rows.

    A column has the type of its cells: whole numbers, numbers, truth values, dates, times, text.
    Where they differ it becomes text. A formula is its last result, one that failed is missing,
    and so is an empty cell; rows without any value are passed over. A sheet is held in memory.
    """

    sheet: Annotated[str, Field(min_length=1)] | None = Field(
        None,
        description='name or glob such as "2026-*"; "*": all visible sheets; null: the first',
    )
    sheet_as: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="name of a column that says of which sheet a row is"
    )
    header: bool = Field(True, description="false: name the columns")
    columns: Annotated[Sequence[str], Field(min_length=1)] | None = Field(
        None, description="names of the columns from A on, of sheets without header"
    )
    skip_rows: int = Field(0, ge=0, description="rows before the header or the first row")
    fill_merged: bool = Field(
        False, description="true: a merged cell's value stands in all its cells (not of ods)"
    )
    batch_size: int = Field(8192, ge=1, description="rows per batch")

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.header and self.columns:
            raise ValueError("columns is for header: false; rename in the contract (source_name)")
        if not self.header and not self.columns:
            raise ValueError("header: false needs the names: columns: [id, name]")
        return self


class ExcelSource(FileSource[ExcelConfig]):
    """Reads sheets from top to bottom; columns go by name, so sheets and files may differ.

    It is not textual: a cell knows whether it is a text or a number, so ``007`` stays what it is.
    """

    Config = ExcelConfig
    suffix: ClassVar[str] = "xlsx"
    """How the names of its files end where that is not the source's own name."""

    def parts(self, file: File, *, at: Any) -> Generator[Part, None, None]:
        """Yield rows; ``at`` is ``[sheet, row]``, the row counted from 1 as the sheet shows it."""
        try:
            from airflow_provider_spotify.core.sources.files import _excel_sheets
        except ModuleNotFoundError as error:
            raise MissingDependency("python-calamine", extra="files") from error
        if not file.size:
            return
        config = self.config
        layout = _excel_sheets.Layout(
            columns=tuple(config.columns) if config.columns else None,
            skip_rows=config.skip_rows,
            fill_merged=config.fill_merged,
            sheet_as=config.sheet_as,
            batch_size=config.batch_size,
        )
        with self.store.open(file) as stream:
            found = _excel_sheets.read(stream, layout, name=file.name, wanted=config.sheet, at=at)
            for batch, reached in found:
                yield Part(batch, reached)


SOURCE = ExcelSource
