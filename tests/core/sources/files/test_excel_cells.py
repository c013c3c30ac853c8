"""The cells of workbooks: their types in every format, formulas and merged cells."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, time, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from airflow_provider_spotify.core.testing.sources import read
from tests.core.sources.files.workbooks import ALL, ods, rows, source, xls, xlsx


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

    lines: list[list[Any]] = [["id", "region", "zone"], [1, "east", "e"], [2], [3], [4]]
    lines += [[5, "west", "w"]]
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
