"""Imports that are killed, at any point, and tried again leave what one undisturbed run leaves."""

from __future__ import annotations

import json
import os
import random
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_spotify.core.config.plans import ImportPlan
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.opening import open_plan
from airflow_provider_spotify.core.sinks.base import Sink
from airflow_provider_spotify.core.sinks.duckdb import DuckDBConfig
from airflow_provider_spotify.core.sinks.postgres import PostgresConfig
from airflow_provider_spotify.core.sources.files.csv import CsvConfig
from tests.core.imports import records, tables
from tests.core.victims import FILES, ROWS, Order, moments, story, write_files

KILLS = int(os.environ.get("SPOTIFY_IMPORTS_KILLS", "20"))
SEED = int(os.environ.get("SPOTIFY_IMPORTS_SEED", "2026"))
UNIQUE = {"check": "unique", "columns": ["id", "score", "said"], "severity": "error"}
WAYS: dict[str, dict[str, Any]] = {
    "append": {"write": {"mode": "append"}},
    "staged": {"write": {"mode": "append"}, "quality": [UNIQUE]},
    "merge": {"write": {"mode": "merge", "key": ["id"]}},
}


class Place:
    """A warehouse, and the files that imports bring there."""

    def __init__(self, folder: Path, destination: dict[str, Any], credentials: Credentials) -> None:
        self.folder = folder
        self._destination = destination
        self._credentials = credentials
        write_files(folder / "in")

    def order(self, table: str, run_id: str, settings: dict[str, Any]) -> Order:
        """Describe a load of the files into a table."""
        files = CsvConfig(path=str(self.folder / "in" / "*.csv"))
        plan = {
            "tenant": "acme",
            "name": table,
            "source": {"type": "csv", "config": files},
            "destination": self._destination,
            "table": table,
            "contract": {"columns": {"n": {"type": "bigint"}}},
            "checkpoint": {"rows": ROWS // 2},
            **settings,
        }
        return Order(ImportPlan.model_validate(plan), self._credentials, run_id)

    @property
    def sink(self) -> Sink[Any]:
        """The warehouse."""
        plan = self.order("any", "any", {}).plan
        return open_plan(plan, resolve=lambda _: self._credentials).sink


@pytest.fixture(params=["duckdb", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "duckdb":
        config = DuckDBConfig(path=str(tmp_path / "acme.duckdb"), schema="acme")
        return Place(tmp_path, {"type": "duckdb", "config": config}, Credentials())
    server: Credentials = request.getfixturevalue("postgres_database")
    config = PostgresConfig(schema="acme")
    words = {"type": "postgres", "connection": "acme__warehouse", "config": config}
    return Place(tmp_path, words, server)


@pytest.mark.chaos
@pytest.mark.parametrize("way", WAYS)
def test_killed_imports_tried_again_equal_an_undisturbed_one(place: Place, way: str) -> None:
    """Kill reading, staging and publishing; nothing is lost, doubled or left lying about."""
    settings, dice = WAYS[way], random.Random(f"{SEED} {way}")
    undisturbed = story(place.order("whole", "once", settings))
    assert not undisturbed.error, undisturbed.error
    run, hits, wanted, published = 0, 0, -(-KILLS // 6), False
    for moment in islice(moments(dice, undisturbed), 10 * wanted):
        said = story(place.order("killed", f"run {run}", settings), until=moment)
        assert not said.error, said.error
        reached = said.stages[-1][0]
        print(f"seed {SEED}, {way}: kill at {moment}; reached {reached}")
        hits += reached != "end"
        if hits == wanted:
            break
        # Now and then a run is given up and the next takes over; once one may have committed, it
        # is run again, because there would be nothing new for another.
        published |= "publish" in dict(said.stages)
        run += not published and dice.random() < 0.25
    assert hits >= wanted / 2, "most loads had ended before they were to be killed"
    final = f"run {run}"
    assert not (last := story(place.order("killed", final, settings))).error, last.error
    compare(place.sink, final=final)


def compare(sink: Sink[Any], *, final: str) -> None:
    """Assert that the two tables, their rejects and their cursors are the same."""
    columns = "id, said, score, played, n"
    for one, other in (("whole", "killed"), ("killed", "whole")):
        differ = f"SELECT {columns} FROM {one} EXCEPT ALL SELECT {columns} FROM {other}"
        assert sink.query(differ).num_rows == 0, (one, other)
    whole, killed = (count(sink, f"SELECT count(*) FROM {table}") for table in ("whole", "killed"))
    assert whole == killed > 0
    aside = records(sink, "whole")
    assert records(sink, "killed") == aside
    assert all(json.loads(record)["n"] == "many" for record in aside)
    ledger(sink, final=final, aside=len(aside))
    assert {"whole", "killed", "whole__rejected", "killed__rejected", "_imports"} == tables(sink)


def ledger(sink: Sink[Any], *, final: str, aside: int) -> None:
    """Assert that the ledger accounts for every row, and that nothing is under way in it."""
    assert sink.cursor("killed") == sink.cursor("whole")
    assert sink.schema("killed") == sink.schema("whole")
    entries = sink.history("killed", limit=1_000)
    assert entries[0].run_id == final
    assert {entry.status for entry in entries} <= {"committed", "superseded"}
    counted = [entry for entry in entries if entry.status == "committed"]
    assert sum(entry.rows + entry.rejected for entry in counted) == FILES * ROWS
    assert sum(entry.rejected for entry in counted) == aside
    assert count(sink, "SELECT count(*) FROM _imports WHERE progress IS NOT NULL") == 0


def count(sink: Sink[Any], sql: str) -> int:
    return int(sink.query(sql).column(0)[0].as_py())
