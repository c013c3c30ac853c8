"""Imports of changes that are killed while the table is written: in the end both are equal."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import psycopg
import pytest

from airflow_provider_spotify.core.clients.postgres import connect
from airflow_provider_spotify.core.config.plans import ImportPlan
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.opening import open_plan
from airflow_provider_spotify.core.sinks.base import Sink
from airflow_provider_spotify.core.sinks.duckdb import DuckDBConfig
from airflow_provider_spotify.core.sources.database.postgresql import PostgresqlConfig
from tests.core.sources.database.plays import Run
from tests.core.victims import Order, moments, story

KILLS = -(-int(os.environ.get("SPOTIFY_IMPORTS_KILLS", "20")) // 5)
SEED = int(os.environ.get("SPOTIFY_IMPORTS_SEED", "2026"))
WAYS: dict[str, dict[str, Any]] = {
    "merge": {"write": {"mode": "merge", "key": ["id"], "deleted": "_deleted"}},
    "append": {"write": {"mode": "append"}},
}
HASH = "SELECT count(*), md5(string_agg(concat_ws('|', id, v, n), ',' ORDER BY id)) FROM {}"
FOLDED = """(SELECT * FROM (SELECT DISTINCT ON (id) id, v, n, _deleted FROM plays
    ORDER BY id, _lsn DESC, _index DESC) WHERE NOT _deleted)"""


class Writer:
    """Inserts, updates and deletes at random, in transactions of several statements."""

    def __init__(self, credentials: Credentials, dice: random.Random) -> None:
        self._credentials = credentials
        self._dice = dice
        self._next = 10_000
        self._ended = threading.Event()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Write until the block ends."""
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def _run(self) -> None:
        with connect(self._credentials) as connection:
            while not self._ended.wait(0.05):
                with connection.transaction():
                    for _ in range(self._dice.randint(1, 4)):
                        self._change(connection)

    def _change(self, connection: psycopg.Connection[Any]) -> None:
        dice = self._dice
        some = "(SELECT id FROM plays ORDER BY id OFFSET $1 LIMIT $2)"
        at = [dice.randint(0, 400), dice.randint(1, 5)]
        kind = dice.choice(("insert", "insert", "update", "update", "delete", "key"))
        if kind == "insert":
            self._next += 10
            said = "SELECT i, 'new ' || i, 0 FROM generate_series($1, $1 + 4) i"
            connection.execute(f"INSERT INTO plays {said}".encode(), [self._next])
        elif kind == "update":
            change = f"UPDATE plays SET n = n + 1, v = v || '.' WHERE id IN {some}"
            connection.execute(change.encode(), at)
        elif kind == "delete":
            connection.execute(f"DELETE FROM plays WHERE id IN {some}".encode(), at)
        else:
            change = f"UPDATE plays SET id = -id WHERE id IN {some} AND NOT EXISTS "
            change += "(SELECT 1 FROM plays p WHERE p.id = -plays.id)"
            connection.execute(change.encode(), at)


class Place:
    """A table, and the warehouse that its changes go to."""

    def __init__(self, folder: Path, credentials: Credentials, settings: dict[str, Any]) -> None:
        self._credentials = credentials
        slot = f"killed_{credentials.database}"
        source = PostgresqlConfig(table="plays", mode="cdc", batch_size=40, cdc={"slot": slot})
        sink = DuckDBConfig.model_validate({"path": str(folder / "acme.duckdb"), "schema": "acme"})
        words = {
            "tenant": "acme",
            "name": "plays",
            "source": {"type": "postgresql", "connection": "acme__shop", "config": source},
            "destination": {"type": "duckdb", "config": sink},
            "table": "plays",
            "checkpoint": {"rows": 100},
        }
        self._plan = ImportPlan.model_validate(words | settings)

    def order(self, run_id: str) -> Order:
        """Describe a load."""
        return Order(self._plan, self._credentials, run_id)

    @property
    def sink(self) -> Sink[Any]:
        """The warehouse."""
        return open_plan(self._plan, resolve=lambda _: self._credentials).sink

    def source(self) -> tuple[int, str]:
        """Return what the table holds."""
        with connect(self._credentials) as connection:
            row = connection.execute(HASH.format("plays").encode()).fetchone()
        assert row is not None
        return row[0], row[1]

    def arrived(self, what: str) -> tuple[int, str]:
        """Return what the warehouse holds."""
        (row,) = self.sink.query(HASH.format(what)).to_pylist()
        count, digest = row.values()
        return count, digest


@pytest.mark.chaos
@pytest.mark.parametrize("way", WAYS)
def test_killed_imports_of_changes_end_with_the_table(
    postgres_database: Credentials, run: Run, tmp_path: Path, way: str
) -> None:
    """Killed while reading, staging and publishing, beside a writer: nothing is lost or doubled."""
    run("CREATE TABLE plays (id bigint PRIMARY KEY, v text, n int)")
    run("INSERT INTO plays SELECT i, 'v' || i, 0 FROM generate_series(1, 600) i")
    place, dice = Place(tmp_path, postgres_database, WAYS[way]), random.Random(f"{SEED} {way}")
    number, hits, share = 0, 0, 1.0
    with Writer(postgres_database, random.Random(SEED)).writing():
        undisturbed = story(place.order("run 0"))
        assert not undisturbed.error, undisturbed.error
        for moment in islice(moments(dice, undisturbed), 6 * KILLS):
            number += dice.random() < 0.5  # else the same run is tried again
            soon = moment._replace(seconds=moment.seconds * share)
            said = story(place.order(f"run {number}"), until=soon)
            assert not said.error, said.error
            print(f"seed {SEED}, {way}: run {number}, kill at {soon}; {said.stages[-1][0]}")
            killed = said.stages[-1][0] != "end"
            hits += killed
            share = 1.0 if killed else share / 4  # the first load may have been a slow one
            if hits == KILLS:
                break
    assert hits >= KILLS / 2, "most loads had ended before they were to be killed"
    for last in (f"run {number}", "run of what is left"):
        said = story(place.order(last))
        assert not said.error, said.error
    wanted = place.source()
    assert wanted[0] > 100
    if way == "merge":
        assert place.arrived("plays") == wanted
        return
    assert place.arrived(FOLDED) == wanted
    twice = (
        "SELECT _lsn, _index FROM plays WHERE _op <> 'snapshot' GROUP BY ALL HAVING count(*) > 1"
    )
    assert place.sink.query(twice).num_rows == 0
