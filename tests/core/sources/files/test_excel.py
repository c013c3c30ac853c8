"""Workbooks: the conformance suite, sheets, headers, and what is no workbook."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from airflow_provider_spotify.core.errors import ConfigurationError, DataError
from airflow_provider_spotify.core.sources.files.excel import ExcelSource
from airflow_provider_spotify.core.testing.sources import SourceConformance, read
from tests.core.sources.files.workbooks import ALL, ods, rows, source, xls, xlsx


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


BOOK: dict[str, list[list[Any]]] = {
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
    lines: list[list[Any]] = [["Report of May"], [], ["made by", "Ann"], []]
    lines += [[None, "id", 2026], [None, 1, "x"]]
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
