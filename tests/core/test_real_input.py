"""A real, messy file lands typed in both warehouses, and every row of it is accounted for."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from airflow_provider_spotify.core.model import LOAD_ID, Credentials, LoadReport, Run
from airflow_provider_spotify.core.pipeline import run_import
from airflow_provider_spotify.core.sinks.base import Sink
from airflow_provider_spotify.core.sinks.postgres import PostgresConfig, PostgresSink
from airflow_provider_spotify.core.sources.files.csv import CsvConfig, CsvSource
from tests.core.imports import duckdb_sink, plan, records

NAME = Path("shared") / "data" / "spotify_songs.csv"
PARTIAL = 1_880
"""Rows whose album_release is a year, or a year and a month."""
COLUMNS = {
    "track_name": ("VARCHAR", "text"),
    "album": ("VARCHAR", "text"),
    "album_release": ("VARCHAR", "text"),
    "artist": ("VARCHAR", "text"),
    "popularity": ("BIGINT", "bigint"),
    "genres": ("VARCHAR", "text"),
    "playlist": ("VARCHAR", "text"),
    "duration_sec": ("DOUBLE", "double precision"),
    LOAD_ID: ("BIGINT", "bigint"),
}
DATED = {"columns": {"album_release": {"type": "date", "format": "%d-%m-%Y"}}}

Row = tuple[Any, ...]


@pytest.fixture(scope="module")
def file() -> Path:
    """Find the file beside the repository."""
    for folder in Path(__file__).resolve().parents:
        if (folder / NAME).exists():
            return folder / NAME
    pytest.skip(f"{NAME} is not beside the repository")


@pytest.fixture(scope="module")
def songs(file: Path) -> list[dict[str, str]]:
    """Read the file as Python's csv module does."""
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.fixture(params=["duckdb", "postgres"])
def sink(request: pytest.FixtureRequest, tmp_path: Path) -> Sink[Any]:
    if request.param == "duckdb":
        return duckdb_sink(tmp_path)
    return postgres_sink(request.getfixturevalue("postgres_database"))


def postgres_sink(server: Credentials) -> Sink[Any]:
    return PostgresSink(PostgresConfig(schema="acme"), credentials=server, tenant="acme")


def load(file: Path, sink: Sink[Any], **settings: Any) -> LoadReport:
    source = CsvSource(CsvConfig(path=str(file)))
    return run_import(plan(table="songs", **settings), source=source, sink=sink, run=RUN)


RUN = Run(run_id="run")


def kinds(sink: Sink[Any]) -> dict[str, str]:
    """Return the columns of the table with their types in the warehouse's own words."""
    found = sink.query(
        "SELECT column_name, data_type FROM information_schema.columns "
        "WHERE table_schema = 'acme' AND table_name = 'songs' ORDER BY ordinal_position"
    ).to_pylist()
    return {row["column_name"]: row["data_type"] for row in found}


def stored(sink: Sink[Any]) -> Iterator[Row]:
    """Yield the rows of the table, the column that names their load left out."""
    names = ", ".join(name for name in COLUMNS if name != LOAD_ID)
    table = sink.query(f"SELECT {names} FROM songs")
    yield from zip(*(column.to_pylist() for column in table.columns), strict=True)


def typed(song: dict[str, str], *, release: Any) -> Row:
    """Return what a row of the file is as a row of the table."""
    texts = {name: value or None for name, value in song.items()}
    popularity, seconds = int(song["popularity"]), float(song["duration_sec"])
    return tuple(
        (texts | {"popularity": popularity, "duration_sec": seconds, "album_release": release})[c]
        for c in COLUMNS
        if c != LOAD_ID
    )


def test_undeclared_it_lands_whole_and_the_mixed_dates_are_text(
    file: Path, songs: list[dict[str, str]], sink: Sink[Any]
) -> None:
    """Every value equals the csv module's: quotes, commas and all."""
    report = load(file, sink)
    assert (report.rows, report.rejected) == (len(songs), 0)
    assert kinds(sink) == {name: _of(sink, native) for name, native in COLUMNS.items()}
    expected = Counter(typed(song, release=song["album_release"]) for song in songs)
    assert Counter(stored(sink)) == expected
    assert sum('"' in value for song in songs for value in song.values()) > 300
    assert report.undeclared_pii == {}


def test_declared_as_a_date_it_lands_typed_and_what_is_no_date_is_kept_apart(
    file: Path, songs: list[dict[str, str]], sink: Sink[Any]
) -> None:
    report = load(file, sink, contract=DATED)
    assert (report.rows, report.rejected) == (len(songs) - PARTIAL, PARTIAL)
    assert kinds(sink)["album_release"] in ("DATE", "date")
    whole = [song for song in songs if len(song["album_release"]) == 10]
    assert Counter(stored(sink)) == Counter(typed(song, release=_day(song)) for song in whole)
    partial = [song for song in songs if len(song["album_release"]) != 10]
    aside = [json.loads(record) for record in records(sink, "songs")]
    assert Counter(map(_frozen, aside)) == Counter(map(_frozen, partial))
    reasons = {r for b in sink.rejected("songs") for r in b.column("column_name").to_pylist()}
    assert reasons == {"album_release"}


def test_both_warehouses_hold_the_same_rows(
    file: Path, tmp_path: Path, postgres_database: Credentials
) -> None:
    tables = []
    for sink in (duckdb_sink(tmp_path), postgres_sink(postgres_database)):
        load(file, sink, contract=DATED, checkpoint={"rows": 10_000})
        names = [name for name in COLUMNS if name != LOAD_ID]
        found = sink.query(f"SELECT {', '.join(names)} FROM songs")
        tables.append(found.sort_by([(name, "ascending") for name in names]))
    one, other = tables
    assert one.num_rows == other.num_rows > 0
    for name in one.column_names:
        assert one[name].cast(other[name].type).equals(other[name]), name
    assert pa.types.is_date(one["album_release"].type)


def _of(sink: Sink[Any], natives: tuple[str, str]) -> str:
    return natives[isinstance(sink, PostgresSink)]


def _day(song: dict[str, str]) -> date:
    return datetime.strptime(song["album_release"], "%d-%m-%Y").date()


def _frozen(song: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(song.items()))
