"""Imports from MongoDB that are killed and tried again lose and double nothing."""

from __future__ import annotations

import os
import random
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_spotify.core.config.plans import ImportPlan
from airflow_provider_spotify.core.opening import open_plan
from airflow_provider_spotify.core.sinks.base import Sink
from airflow_provider_spotify.core.sinks.duckdb import DuckDBConfig
from airflow_provider_spotify.core.sources.database.mongodb import MongodbConfig
from tests.core.victims import Order, moments, story
from tests.services.mongodb import MongoDatabase

KILLS = int(os.environ.get("SPOTIFY_IMPORTS_KILLS", "6"))
SEED = int(os.environ.get("SPOTIFY_IMPORTS_SEED", "2026"))
DOCUMENTS, BATCH = 4_000, 250
WAYS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "append by time": ({"cursor": {"field": "at"}}, {"write": {"mode": "append"}}),
    "merge by id": ({"cursor": {"field": "_id"}}, {"write": {"mode": "merge", "key": ["_id"]}}),
}


def documents() -> Any:
    """Yield documents of which thirty share a time and some have none, of types that change."""
    for n in range(DOCUMENTS):
        at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(milliseconds=n // 30)
        timed = {"at": at} if n % 101 else {}
        grown = n if n < DOCUMENTS // 2 else str(n) if n % 7 else n + 0.5
        yield {"_id": n, "grown": grown, "tags": ["a"] * (n % 3), "device": {"v": n % 5}} | timed


class Place:
    """A warehouse, and the collection that imports bring there."""

    def __init__(self, folder: Path, server: MongoDatabase, source: dict[str, Any]) -> None:
        self._destination = DuckDBConfig(path=str(folder / "acme.duckdb"), schema="acme")
        self._credentials = server.credentials
        words = {"collection": "plays", "database": server.database.name, "batch_size": BATCH}
        self._source = MongodbConfig(**words, **source)

    def order(self, table: str, run_id: str, settings: dict[str, Any]) -> Order:
        """Describe a load of the collection into a table."""
        plan = {
            "tenant": "acme",
            "name": table,
            "source": {"type": "mongodb", "connection": "acme__shop", "config": self._source},
            "destination": {"type": "duckdb", "config": self._destination},
            "table": table,
            "checkpoint": {"rows": 2 * BATCH},
            **settings,
        }
        return Order(ImportPlan.model_validate(plan), self._credentials, run_id)

    @property
    def sink(self) -> Sink[Any]:
        """The warehouse."""
        plan = self.order("any", "any", {}).plan
        return open_plan(plan, resolve=lambda _: self._credentials).sink


@pytest.mark.chaos
@pytest.mark.parametrize("way", WAYS)
def test_killed_imports_of_documents_equal_an_undisturbed_one(
    mongodb_database: MongoDatabase, tmp_path: Path, way: str
) -> None:
    """Kill reading, staging and publishing; the documents arrive once each, of any types."""
    mongodb_database.database.plays.insert_many(documents())
    (source, settings), dice = WAYS[way], random.Random(f"{SEED} {way}")
    place = Place(tmp_path, mongodb_database, source)
    undisturbed = story(place.order("whole", "once", settings))
    assert not undisturbed.error, undisturbed.error
    wanted, hits = -(-KILLS // len(WAYS)), 0
    for moment in islice(moments(dice, undisturbed), 10 * wanted):
        said = story(place.order("killed", "again and again", settings), until=moment)
        assert not said.error, said.error
        hits += said.stages[-1][0] != "end"
        print(f"seed {SEED}, {way}: kill at {moment}; reached {said.stages[-1][0]}")
        if hits == wanted:
            break
    assert hits >= wanted / 2, "most loads had ended before they were to be killed"
    assert not (last := story(place.order("killed", "again and again", settings))).error, last.error
    columns = '_id, grown, "at", CAST(tags AS text) AS tags, CAST(device AS text) AS device'
    for one, other in (("whole", "killed"), ("killed", "whole")):
        differ = f"SELECT {columns} FROM {one} EXCEPT ALL SELECT {columns} FROM {other}"
        assert place.sink.query(differ).num_rows == 0, (one, other)
    counted = place.sink.query("SELECT count(*), count(DISTINCT _id), count(grown) FROM killed")
    assert [column[0].as_py() for column in counted.columns] == [DOCUMENTS] * 3
    assert place.sink.cursor("killed") == place.sink.cursor("whole")
