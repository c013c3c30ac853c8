"""Workbooks of every format that tests write, and sources that read them."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import xlsxwriter  # type: ignore[import-untyped]
import xlwt  # type: ignore[import-untyped]

from airflow_provider_spotify.core.sources.files.excel import ExcelConfig, ExcelSource
from airflow_provider_spotify.core.testing.sources import read

Sheets = Mapping[str, Sequence[Sequence[Any]]]
MANIFEST = '<m:manifest xmlns:m="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>'
FORMATS = {date: "yyyy-mm-dd", datetime: "yyyy-mm-dd hh:mm:ss", time: "hh:mm:ss"}
MOMENT = datetime(2026, 3, 29, 1, 30, 5)
ALL: list[list[Any]] = [
    ["id", "name", "share", "ok", "day", "at"],
    [1, "007", 0.5, True, date(2026, 1, 2), MOMENT],
    [],
    [2, "grün & <b>", 1, False, date(1999, 12, 31), datetime(2026, 1, 1)],
    [None, None, None, None, None, None],
    [3, None, -2.25, None, None, None],
]


def source(path: Path, **config: Any) -> ExcelSource:
    return ExcelSource(ExcelConfig(path=str(path), **config))


def rows(path: Path, **config: Any) -> list[dict[str, Any]]:
    return [row for c in read(source(path, **config)) for row in c.batch.to_pylist()]


def xlsx(path: Path, sheets: Sheets, edit: Callable[[Any], None] = lambda book: None) -> Path:
    """Write a workbook; ``edit`` may do more to it."""
    with xlsxwriter.Workbook(str(path)) as book:
        formats = {kind: book.add_format({"num_format": f}) for kind, f in FORMATS.items()}
        formats[timedelta] = book.add_format({"num_format": "[h]:mm:ss"})
        for title, lines in sheets.items():
            sheet = book.add_worksheet(title)
            for y, line in enumerate(lines):
                for x, cell in enumerate(line):
                    if cell is not None:
                        sheet.write(y, x, cell, formats.get(type(cell)))
        edit(book)
    return path


def xls(path: Path, sheets: Sheets) -> Path:
    """Write a workbook of Excel 97."""
    book = xlwt.Workbook()
    for title, lines in sheets.items():
        sheet = book.add_sheet(title)
        for y, line in enumerate(lines):
            for x, cell in enumerate(line):
                style = xlwt.easyxf(num_format_str=FORMATS.get(type(cell), "General"))
                if cell is not None:
                    sheet.write(y, x, cell, style)
    book.save(str(path))
    return path


def ods(path: Path, sheets: Sheets) -> Path:
    """Write an OpenDocument spreadsheet, as little of it as the format asks for."""
    spaces = "".join(
        f' xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "table", "text")
    )
    tables = "".join(
        f'<table:table table:name="{title}">{"".join(map(_ods_row, lines))}</table:table>'
        for title, lines in sheets.items()
    )
    body = f"<office:body><office:spreadsheet>{tables}</office:spreadsheet></office:body>"
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("mimetype", kind)
        file.writestr("META-INF/manifest.xml", MANIFEST)
        file.writestr(
            "content.xml", f"<office:document-content{spaces}>{body}</office:document-content>"
        )
    return path


def _ods_row(line: Sequence[Any]) -> str:
    return f"<table:table-row>{''.join(map(_ods_cell, line))}</table:table-row>"


def _ods_cell(cell: Any) -> str:
    if cell is None:
        return "<table:table-cell/>"
    kind, value = "string", f"<text:p>{escape(str(cell))}</text:p>"
    said = ""
    if isinstance(cell, bool):
        kind, said = "boolean", f'office:boolean-value="{str(cell).lower()}"'
    elif isinstance(cell, int | float):
        kind, said = "float", f'office:value="{cell}"'
    elif isinstance(cell, date):
        kind, said = "date", f'office:date-value="{cell.isoformat()}"'
    return f'<table:table-cell office:value-type="{kind}" {said}>{value}</table:table-cell>'
