"""A load that outgrows one machine: Celery workers share it, and one of them is killed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from airflow_provider_spotify.core.clients.postgres import connect
from airflow_provider_spotify.core.model import Credentials
from tests.services.airflow_celery import Cluster, cluster
from tests.services.redis import redis_server

ROWS = 200_000
GATE = 4_711
HELD = f"id % 2500 <> 1250 OR pg_advisory_xact_lock_shared({GATE}) IS NOT NULL"
"""Holds each reader of a quarter of the table in the middle of it while a test has the lock."""
TENANT = f"""
tenant: acme
owner: data
start_date: 2026-01-01
destination: {{type: postgres, connection: acme__warehouse, schema: landed}}
defaults: {{retries: {{attempts: 3, delay: 1s, max_delay: 2s}}}}
imports:
  plays:
    source: {{type: postgresql, connection: acme__source, table: plays, where: "{HELD}"}}
    table: plays
    partitions: 4
    quality: [{{check: unique, columns: [id]}}]
"""
PLAYS = f"""
CREATE TABLE plays AS
SELECT id, md5(id::text) AS track, now() - id * interval '1 second' AS played_at
FROM generate_series(1, {ROWS}) AS id
"""
HASH = "SELECT count(*), md5(string_agg(id || track || played_at, '' ORDER BY id)) FROM {}"


@pytest.fixture
def systems(postgres_database: Credentials) -> Credentials:
    """Give a database with the table to import, and one for Airflow beside it."""
    with connect(postgres_database) as connection:
        connection.execute(PLAYS.encode())
        connection.execute(b"ALTER TABLE plays ADD PRIMARY KEY (id)")
        connection.execute(b"ANALYZE plays")
    return postgres_database


@pytest.fixture
def airflow(tmp_path: Path, systems: Credentials) -> Iterator[Cluster]:
    """Run an Airflow on CeleryExecutor with two workers of two slots each."""
    tenants = tmp_path / "tenants"
    tenants.mkdir()
    (tenants / "acme.yaml").write_text(TENANT)
    database = systems.model_copy(update={"database": f"{systems.database}_airflow"})
    with connect(systems) as connection:
        connection.execute(f'CREATE DATABASE "{database.database}"'.encode())
    place = {
        "conn_type": "postgres",
        "host": systems.host,
        "port": systems.port,
        "login": systems.login,
        "password": systems.secret(),
        "schema": systems.database,
    }
    env = {f"AIRFLOW_CONN_ACME__{name}": json.dumps(place) for name in ("SOURCE", "WAREHOUSE")}
    home = tmp_path / "airflow"
    home.mkdir()
    try:
        with (
            redis_server() as broker,
            cluster(home, tenants=tenants, database=database, broker=broker, env=env) as made,
        ):
            made.add_worker("one", concurrency=2)
            made.add_worker("two", concurrency=2)
            yield made
    finally:
        with connect(systems) as connection:
            connection.execute(f'DROP DATABASE "{database.database}" WITH (FORCE)'.encode())


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_worker_killed_in_the_middle_costs_its_parts_alone(
    airflow: Cluster, systems: Credentials
) -> None:
    """Four parts, two workers, one killed: nothing lost, nothing twice, the others read once."""
    dag = "acme__plays"
    airflow.wait(lambda: dag in _dags(airflow), seconds=300)
    airflow.call("PATCH", f"/api/v2/dags/{dag}", {"is_paused": False})

    with _gate(systems):
        started = airflow.call("POST", f"/api/v2/dags/{dag}/dagRuns", {"logical_date": None})
        run = started["dag_run_id"]

        def held() -> bool:
            tasks = [t for t in airflow.task_instances(dag, run) if t["task_id"] == "import"]
            running = [t for t in tasks if t["state"] == "running"]
            return len(running) == 4 and _at_the_gate(systems) >= 4

        airflow.wait(held, seconds=300)
        assert _seen(systems) is None
        assert airflow.kill_worker("one") > 1
    path = f"/api/v2/dags/{dag}/dagRuns/{run}"
    ends = ("success", "failed")
    airflow.wait(lambda: airflow.ask(path)["state"] in ends, seconds=300)

    tasks = airflow.task_instances(dag, run)
    assert {t["task_id"]: t["state"] for t in tasks if t["map_index"] < 0} == {
        "import_split": "success",
        "import_publish": "success",
    }
    tries = sorted(t["try_number"] for t in tasks if t["task_id"] == "import")
    assert tries[0] == 1, "a part that nobody killed was read again"
    assert tries[-1] > 1, "no part was killed"
    with connect(systems) as connection:
        landed = connection.execute(HASH.format("landed.plays").encode()).fetchone()
        assert landed == connection.execute(HASH.format("plays").encode()).fetchone()


def _dags(airflow: Cluster) -> set[str]:
    return {dag["dag_id"] for dag in airflow.ask("/api/v2/dags")["dags"]}


@contextmanager
def _gate(systems: Credentials) -> Iterator[None]:
    """Let no reader pass meanwhile."""
    with connect(systems) as connection:
        connection.execute(f"SELECT pg_advisory_lock({GATE})".encode())
        yield


def _at_the_gate(systems: Credentials) -> int:
    """Count the sessions that wait to pass."""
    with connect(systems) as connection:
        found = connection.execute(
            b"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted "
            b"AND objid = $1",
            [GATE],
        ).fetchone()
    assert found
    return int(found[0])


def _seen(systems: Credentials) -> object:
    """Return the table that readers see, or None."""
    with connect(systems) as connection:
        found = connection.execute(b"SELECT to_regclass('landed.plays')").fetchone()
    assert found
    return found[0]
