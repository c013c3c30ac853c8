"""Workbooks: the conformance suite, and what is special to sheets and cells."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pyarrow as pa
import pytest
import xlsxwriter
import xlwt
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from airflow_provider_spotify.core.errors import ConfigurationError, DataError
from airflow_provider_spotify.core.sources.files.excel import ExcelConfig, ExcelSource
from airflow_provider_spotify.core.testing.sources import SourceConformance, read

Sheets = Mapping[str, Sequence[Sequence[Any]]]
MANIFEST = '<m:manifest xmlns:m="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>'
FORMATS = {date: "yyyy-mm-dd", datetime: "yyyy-mm-dd hh:mm:ss", time: "hh:mm:ss"}


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


class TestConformance(SourceConformance):
    """Workbooks of several sheets with gaps, in batches that end inside of sheets."""

    expected_rows = 2 * 2 * 500
    libraries = (*SourceConformance.libraries, "python_calamine")

    @pytest.fixture(autouse=True)
    def _files(self, tmp_path: Path) -> None:
        self.folder = tmp_path
        for name in ("a", "b"):
            sheets = {}
            for title in ("one", "two"):
                lines: list[list[Any]] = [["id", "n", "x"]]
                for i in range(500):
                    lines += [[f"{name} {title} {i}", i, i / 2 if i % 3 else "text"]]
                    lines += [[]] if i % 100 == 50 else []
                sheets[title] = lines
            xlsx(tmp_path / f"{name}.xlsx", sheets)

    def make_source(self) -> ExcelSource:
        return source(self.folder / "*.xlsx", sheet="*", sheet_as="sheet", batch_size=170)

    def make_empty(self) -> ExcelSource:
        return source(self.folder / "nothing*.xlsx")

    def add_more(self) -> int:
        xlsx(self.folder / "c.xlsx", {"one": [["id"], ["c1"], ["c2"]]})
        return 2


MOMENT = datetime(2026, 3, 29, 1, 30, 5)
ALL = [
    ["id", "name", "share", "ok", "day", "at"],
    [1, "007", 0.5, True, date(2026, 1, 2), MOMENT],
    [],
    [2, "grün & <b>", 1, False, date(1999, 12, 31), datetime(2026, 1, 1)],
    [None, None, None, None, None, None],
    [3, None, -2.25, None, None, None],
]


@pytest.mark.parametrize("write", [xlsx, xls, ods], ids=lambda write: write.__name__)
def test_cells_have_their_types_in_every_format(tmp_path: Path, write: Callable[..., Path]) -> None:
    """Whole numbers, numbers, truth values, dates, moments and text; empty rows are nothing."""
    (chunk,) = read(source(write(tmp_path / "a.bin", {"first": ALL})))
    types = dict(zip(chunk.batch.schema.names, chunk.batch.schema.types, strict=True))
    assert types == {
        "id": pa.int64(),
        "name": pa.string(),
        "share": pa.float64(),
        "ok": pa.bool_(),
        "day": pa.date32(),
        "at": pa.timestamp("us"),
    }
    expected = [line for line in ALL[1:] if any(line)]
    assert [list(row.values()) for row in chunk.batch.to_pylist()] == expected


def test_times_and_durations_are_kept(tmp_path: Path) -> None:
    """A time of day and a span of more than a day are what they are."""
    path = xlsx(tmp_path / "a.xlsx", {"s": [["t", "d"], [time(23, 59), timedelta(hours=49)]]})
    assert rows(path) == [{"t": time(23, 59), "d": timedelta(hours=49)}]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([1, 2.0, -3], [1, 2, -3]),
        ([1, 2.5], [1.0, 2.5]),
        ([1, "n/a", 2.5], ["1", "n/a", "2.5"]),
        ([date(2026, 1, 2), "soon"], ["2026-01-02", "soon"]),
        ([True, 1], ["true", "1"]),
        (["007", "8"], ["007", "8"]),
        ([1e300, 2**53], [1e300, 2.0**53]),
    ],
)
def test_cells_that_differ_become_what_holds_them(
    tmp_path: Path, cells: list[Any], expected: list[Any]
) -> None:
    """Numbers become integers if all are whole; kinds that differ become text."""
    path = xlsx(tmp_path / "a.xlsx", {"s": [["x"], *([cell] for cell in cells)]})
    found = [row["x"] for row in rows(path)]
    assert found == expected
    assert [type(value) for value in found] == [type(value) for value in expected]


def test_a_formula_is_its_last_result(tmp_path: Path) -> None:
    """Formulas give the value that was saved with them; one that failed gives none."""

    def edit(book: Any) -> None:
        sheet = book.get_worksheet_by_name("s")
        sheet.write_formula("A2", "=1+1", value=2)
        sheet.write_formula("B2", '=UPPER("a")', value="A")
        sheet.write_formula("C2", "=1/0", value="#DIV/0!")

    path = xlsx(tmp_path / "a.xlsx", {"s": [["n", "t", "bad"]]}, edit)
    assert rows(path) == [{"n": 2, "t": "A", "bad": None}]


def test_a_merged_cell_is_its_first_cell_or_all_of_them(tmp_path: Path) -> None:
    """A merged value stands in the first of its cells, and with ``fill_merged`` in all."""

    def edit(book: Any) -> None:
        book.get_worksheet_by_name("s").merge_range("B3:C5", "north")

    lines = [["id", "region", "zone"], [1, "east", "e"], [2], [3], [4], [5, "west", "w"]]
    path = xlsx(tmp_path / "a.xlsx", {"s": lines}, edit)
    plain = [tuple(row.values()) for row in rows(path)]
    assert plain == [
        (1, "east", "e"),
        (2, "north", None),
        (3, None, None),
        (4, None, None),
        (5, "west", "w"),
    ]
    filled = [tuple(row.values())[1:] for row in rows(path, fill_merged=True, batch_size=2)]
    assert filled == [("east", "e"), *[("north", "north")] * 3, ("west", "w")]


def test_resuming_inside_of_a_merged_cell_fills_it(tmp_path: Path) -> None:
    """What a batch ended within goes on in the next one, also after a stop."""

    def edit(book: Any) -> None:
        book.get_worksheet_by_name("s").merge_range("B2:B4", "north")

    path = xlsx(tmp_path / "a.xlsx", {"s": [["id", "region"], [1], [2], [3]]}, edit)
    made = source(path, fill_merged=True, batch_size=2)
    first = read(made, limit=1)[0]
    (rest,) = read(made, first.cursor)
    assert rest.batch.to_pylist() == [{"id": 3, "region": "north"}]


BOOK = {
    "2026-01": [["id"], [1]],
    "2026-02": [["id", "x"], [2, "b"]],
    "notes": [["what"], ["text"]],
    "empty": [],
}


@pytest.mark.parametrize(
    ("sheet", "found"),
    [
        (None, ["2026-01"]),
        ("notes", ["notes"]),
        ("2026-*", ["2026-01", "2026-02"]),
        ("*", ["2026-01", "2026-02", "notes"]),
        ("secret", ["secret"]),
    ],
)
def test_sheets_are_chosen_by_name_or_glob(
    tmp_path: Path, sheet: str | None, found: list[str]
) -> None:
    """The first, one, some or all; a hidden one by its full name only, and never a chart."""

    def edit(book: Any) -> None:
        book.get_worksheet_by_name("secret").hide()
        chart = book.add_chart({"type": "line"})
        chart.add_series({"values": "='2026-01'!$A$2:$A$2"})
        book.add_chartsheet("chart").set_chart(chart)

    path = xlsx(tmp_path / "a.xlsx", BOOK | {"secret": [["id"], [9]]}, edit)
    assert [row["from"] for row in rows(path, sheet=sheet, sheet_as="from")] == found


def test_no_such_sheet_offers_the_nearest(tmp_path: Path) -> None:
    """A sheet that is not there is a mistake, with a suggestion or what there is."""
    path = xlsx(tmp_path / "a.xlsx", BOOK)
    with pytest.raises(ConfigurationError, match=r"a\.xlsx.*did you mean 'notes'"):
        rows(path, sheet="note")
    with pytest.raises(ConfigurationError, match=r"it has '2026-01', '2026-02', 'notes', 'empty'"):
        rows(path, sheet="zz*")


def test_rows_above_the_header_are_skipped(tmp_path: Path) -> None:
    """``skip_rows`` counts the sheet's own rows; empty ones before the header are passed over."""
    lines = [["Report of May"], [], ["made by", "Ann"], [], [None, "id", 2026], [None, 1, "x"]]
    path = xlsx(tmp_path / "a.xlsx", {"s": lines})
    assert rows(path, skip_rows=3) == [{"id": 1, "2026": "x"}]


def test_columns_without_a_name_go_by_number(tmp_path: Path) -> None:
    """A column that has values and no header is kept; one without either is not there."""
    path = xlsx(tmp_path / "a.xlsx", {"s": [["id", None, "b", None], [1, None, None, "extra"]]})
    assert rows(path) == [{"id": 1, "b": None, "column_4": "extra"}]


@pytest.mark.parametrize("write", [xlsx, xls, ods], ids=lambda write: write.__name__)
def test_names_may_be_given(tmp_path: Path, write: Callable[..., Path]) -> None:
    """Without a header the names count from column A, also where A is empty."""
    path = write(tmp_path / "a.bin", {"s": [[], [None, 1], [None, 2]]})
    found = rows(path, header=False, columns=["a", "b", "c"])
    assert found == [{"a": None, "b": 1, "c": None}, {"a": None, "b": 2, "c": None}]
    for wrong in ({"header": False}, {"columns": ["a"]}):
        with pytest.raises(ValidationError):
            source(path, **wrong)


def test_two_columns_of_one_name_are_named(tmp_path: Path) -> None:
    """A header that says a name twice is an error that says which."""
    path = xlsx(tmp_path / "a.xlsx", {"s": [["id", "id"], [1, 2]]})
    with pytest.raises(DataError, match=r"a\.xlsx: sheet 's' has two columns 'id'"):
        rows(path)
    with pytest.raises(DataError, match="two columns 'x'"):
        rows(xlsx(path, {"s": [["x"], [1]]}), sheet_as="x")


def test_nothing_gives_no_chunk(tmp_path: Path) -> None:
    """An empty sheet, a header alone and a file of no bytes are no error and no chunk."""
    xlsx(tmp_path / "a.xlsx", {"s": []})
    xlsx(tmp_path / "b.xlsx", {"s": [["id", "x"]]})
    (tmp_path / "c.xlsx").touch()
    assert read(source(tmp_path / "*.xlsx")) == []


@pytest.mark.parametrize("write", [xlsx, xls, ods], ids=lambda write: write.__name__)
def test_what_is_no_workbook_is_named(tmp_path: Path, write: Callable[..., Path]) -> None:
    """Another format, or a workbook that was cut off, is an error of the data, with its path."""
    path = tmp_path / "a.xlsx"
    path.write_text("a,b\n1,2\n" * 100)
    with pytest.raises(DataError, match=r"a\.xlsx: is no workbook"):
        rows(path)
    data = write(path, {"s": [["id"], *([i] for i in range(500))]}).read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match=r"a\.xlsx"):
        rows(path)


@settings(max_examples=60, deadline=None, derandomize=True)  # see _excel_sheets: Rust may abort
@given(
    damage=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=8),
    write=st.sampled_from([xlsx, xls, ods]),
)
def test_damage_is_an_error_of_the_data(
    tmp_path_factory: pytest.TempPathFactory,
    damage: list[tuple[float, int]],
    write: Callable[..., Path],
) -> None:
    """Bytes that went bad give other values or an error of the data; nothing else."""
    path = write(tmp_path_factory.mktemp("d") / "a.bin", {"s": ALL * 3})
    raw = bytearray(path.read_bytes())
    for place, byte in damage:
        raw[int(place * len(raw))] = byte
    path.write_bytes(raw)
    with suppress(DataError):
        rows(path, header=False, columns=["a"])
