"""The transforms on a real, messy file: day-first dates, some only a year, quotes and commas."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as csv
import pytest

from airflow_provider_spotify.core.config.rules import ColumnPlan, ContractPlan
from airflow_provider_spotify.core.transforms.arrow_types import type_name
from airflow_provider_spotify.core.transforms.contract import Contract
from airflow_provider_spotify.core.transforms.detect import Detector

ROWS, PARTIAL_DATES = 32_505, 1_880


def songs(size: int) -> Iterator[pa.RecordBatch]:
    """Yield the file as text; skip where it is not there."""
    name = Path("shared") / "data" / "spotify_songs.csv"
    found = [p / name for p in Path(__file__).resolve().parents if (p / name).exists()]
    if not found:
        pytest.skip(f"{name} is not beside the repository")
    with found[0].open(encoding="utf-8") as file:
        kinds = dict.fromkeys(file.readline().strip().split(","), pa.string())
    options = csv.ConvertOptions(column_types=kinds, strings_can_be_null=False)
    parsing = csv.ParseOptions(newlines_in_values=True)
    table = csv.read_csv(found[0], convert_options=options, parse_options=parsing)
    yield from table.combine_chunks().to_batches(max_chunksize=size)


@pytest.mark.parametrize("size", [100, 5_000, 40_000])
def test_every_song_lands_typed_and_the_mixed_dates_stay_text(size: int) -> None:
    agreed = Contract(ContractPlan(), known=None, textual=True)
    detector = Detector(set())
    rows = 0
    for batch in songs(size):
        applied = agreed.apply(batch)
        detector.observe(applied.batch)
        assert applied.rejected is None
        rows += applied.batch.num_rows
    assert rows == ROWS
    assert {f.name: type_name(f.type) for f in agreed.schema if f.type != pa.string()} == {
        "popularity": "bigint",
        "duration_sec": "double",
    }
    assert detector.found == {}


@pytest.mark.parametrize("size", [100, 40_000])
@pytest.mark.parametrize("format", ["%d-%m-%Y", None])
def test_with_a_declared_date_the_partial_dates_are_rejected_and_all_are_accounted_for(
    size: int, format: str | None
) -> None:
    columns = {"album_release": ColumnPlan(type="date", format=format)}
    agreed = Contract(ContractPlan(columns=columns), known=None, textual=True)
    first: date | None = None
    rows = aside = 0
    for batch in songs(size):
        applied = agreed.apply(batch)
        first = first or applied.batch["album_release"][0].as_py()
        rows += applied.batch.num_rows
        for row in applied.rejected.to_pylist() if applied.rejected else ():
            aside += 1
            assert row["column_name"] == "album_release"
            assert len(json.loads(row["record"])["album_release"]) in (4, 7)
    assert (rows, aside) == (ROWS - PARTIAL_DATES, PARTIAL_DATES)
    assert first == date(2019, 6, 14)
