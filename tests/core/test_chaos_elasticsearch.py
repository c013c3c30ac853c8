"""Imports from Elasticsearch that are killed and tried again lose and double nothing."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_spotify.core.config.plans import ImportPlan
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.opening import open_plan
from airflow_provider_spotify.core.sinks.base import Sink
from airflow_provider_spotify.core.sinks.duckdb import DuckDBConfig
from airflow_provider_spotify.core.sources.database.elasticsearch import ElasticsearchConfig
from tests.core.victims import Order, moments, story
from tests.services.elasticsearch import call

KILLS = int(os.environ.get("SPOTIFY_IMPORTS_KILLS", "6"))
SEED = int(os.environ.get("SPOTIFY_IMPORTS_SEED", "2026"))
DOCUMENTS, BATCH = 4_000, 250
WAYS: dict[str, dict[str, Any]] = {
    "append": {"write": {"mode": "append"}},
    "merge": {"write": {"mode": "merge", "key": ["n"]}},
}


@pytest.fixture(scope="module")
def index(elasticsearch: Credentials) -> Iterator[str]:
    """Give an index in which many documents share each time, and some have none."""
    name = "chaos-plays"
    fields = {"at": {"type": "date"}, "n": {"type": "long"}, "kind": {"type": "keyword"}}
    settings = {"number_of_replicas": 0, "number_of_shards": 2}
    call(elasticsearch, "PUT", name, {"settings": settings, "mappings": {"properties": fields}})
    lines: list[Any] = []
    for n in range(DOCUMENTS):
        at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(milliseconds=n // 30)
        timed = {"at": at.isoformat(timespec="milliseconds")} if n % 101 else {}
        lines += [{"index": {"_id": str(n)}}, {"n": n, "kind": ["a", "b"], **timed}]
    call(elasticsearch, "POST", f"{name}/_bulk?refresh=true", lines)
    yield name
    call(elasticsearch, "DELETE", name)


class Place:
    """A warehouse, and the index that imports bring there."""

    def __init__(self, folder: Path, index: str, credentials: Credentials) -> None:
        self._config = DuckDBConfig(path=str(folder / "acme.duckdb"), **{"schema": "acme"})
        self._source = ElasticsearchConfig(
            index=index, cursor={"field": "at"}, batch_size=BATCH, lists=["kind"]
        )
        self._credentials = credentials

    def order(self, table: str, run_id: str, settings: dict[str, Any]) -> Order:
        """Describe a load of the index into a table."""
        plan = {
            "tenant": "acme",
            "name": table,
            "source": {
                "type": "elasticsearch",
                "connection": "acme__search",
                "config": self._source,
            },
            "destination": {"type": "duckdb", "config": self._config},
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
    index: str, elasticsearch: Credentials, tmp_path: Path, way: str
) -> None:
    """Kill reading, staging and publishing; the documents arrive once each, lists and all."""
    place = Place(tmp_path, index, elasticsearch)
    settings, dice = WAYS[way], random.Random(f"{SEED} {way}")
    undisturbed = story(place.order("whole", "once", settings))
    assert not undisturbed.error, undisturbed.error
    wanted, hits = -(-KILLS // 2), 0
    for moment in islice(moments(dice, undisturbed), 10 * wanted):
        said = story(place.order("killed", "again and again", settings), until=moment)
        assert not said.error, said.error
        hits += said.stages[-1][0] != "end"
        print(f"seed {SEED}, {way}: kill at {moment}; reached {said.stages[-1][0]}")
        if hits == wanted:
            break
    assert hits >= wanted / 2, "most loads had ended before they were to be killed"
    assert not (last := story(place.order("killed", "again and again", settings))).error, last.error
    for one, other in (("whole", "killed"), ("killed", "whole")):
        columns = 'n, "at", kind, _id'
        differ = f"SELECT {columns} FROM {one} EXCEPT ALL SELECT {columns} FROM {other}"
        assert place.sink.query(differ).num_rows == 0, (one, other)
    (counted,) = place.sink.query("SELECT count(*) AS n FROM killed").to_pylist()
    assert counted["n"] == DOCUMENTS
    assert place.sink.cursor("killed") == place.sink.cursor("whole")
