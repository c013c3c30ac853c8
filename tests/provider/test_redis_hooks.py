"""Redis through Airflow's connections: hooks, the Test button, imports, a sensor."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator

from airflow_provider_spotify.core.clients.redis import Link
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.hooks.duckdb import DuckDBHook
from airflow_provider_spotify.hooks.redis import RedisImportHook, RedisStreamsImportHook
from airflow_provider_spotify.operators.database import RedisImportOperator
from airflow_provider_spotify.operators.streaming import RedisStreamsImportOperator
from airflow_provider_spotify.sensors.streaming import RedisStreamsReadySensor

Define = Callable[..., str]


@pytest.fixture
def cache(redis_database: Credentials, connection: Define) -> Callable[..., str]:
    """Return a function that defines a connection as the official provider keeps it."""

    def define(**changes: Any) -> str:
        fields = {
            "conn_type": "redis",
            "host": redis_database.host,
            "port": redis_database.port,
            "login": redis_database.login,
            "password": redis_database.secret(),
            "extra": json.dumps({"db": int(redis_database.database or 0)}),
        }
        return connection("cache", **{**fields, **changes})

    return define


@pytest.fixture
def run(run_dag: Callable[..., Any]) -> Callable[..., str]:
    """Return a function that runs operators one after the other, and gives the run's state."""

    def run_operators(build: Callable[[], BaseOperator]) -> str:
        with DAG("one", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
            build()
        return str(run_dag(dag).state.value)

    return run_operators


@pytest.fixture
def warehouse(tmp_path: Path, connection: Define) -> str:
    """Define a connection to a DuckDB file of this test; give its id."""
    return connection("warehouse", conn_type="duckdb", host=str(tmp_path / "w.duckdb"))


def test_redis_hook_is_the_official_one_and_tests_as_a_source(cache: Callable[..., str]) -> None:
    """The Test button counts the keys; the official client works beside it."""
    hook = RedisImportHook(cache())
    hook.get_conn().set("a", 1)
    for each in (hook, RedisStreamsImportHook("cache")):
        ok, message = each.test_connection()
        assert ok, message
        assert message.endswith("1 keys")


def test_redis_test_button_shows_no_secret(cache: Callable[..., str]) -> None:
    """A refused password is said, and not shown."""
    ok, message = RedisImportHook(cache(password="wr0ng-wr0ng")).test_connection()
    assert not ok
    assert "password of the connection" in message
    assert "wr0ng-wr0ng" not in message


def test_streams_split_into_parts_for_a_fan_out(
    cache: Callable[..., str], redis_database: Credentials
) -> None:
    """Each part is given as the arguments of the operator."""
    with Link(redis_database) as link:
        for n in range(1, 100):
            link.do("XADD", "plays", f"{n}-0", "n", n)
    parts = RedisStreamsImportHook(cache()).get_partitions(3, streams=["plays"])
    assert len(parts) == 3
    assert all(part["slices"]["plays"]["upto"] for part in parts)


def test_streams_are_imported_by_a_dag(
    run: Callable[..., str],
    cache: Callable[..., str],
    warehouse: str,
    redis_database: Credentials,
) -> None:
    """The sensor sees entries, the operator imports them, and the group has nothing pending."""
    with Link(redis_database) as link:
        for n in range(20):
            link.do("XADD", "plays", "*", "n", n)
        words: dict[str, Any] = {"redis_conn_id": cache(), "streams": ["plays"], "group": "w"}

        def build() -> BaseOperator:
            ready = RedisStreamsReadySensor(task_id="ready", timeout=30, **words)
            load = RedisStreamsImportOperator(
                task_id="load", destination=warehouse, table="plays", **words
            )
            return ready >> load

        assert run(build) == "success"
        found = DuckDBHook(warehouse).get_arrow("select count(*) as n, sum(n) as s from plays")
        assert found.to_pylist() == [{"n": 20, "s": 190}]
        assert link.do("XPENDING", "plays", "w")[0] == 0


def test_keys_are_imported_by_a_dag(
    run: Callable[..., str],
    cache: Callable[..., str],
    warehouse: str,
    redis_database: Credentials,
) -> None:
    """Hashes become rows of a table that is replaced."""
    with Link(redis_database) as link:
        for n in range(20):
            link.do("HSET", f"user:{n}", "name", f"n{n}", "age", n)

    def build() -> BaseOperator:
        return RedisImportOperator(
            task_id="users",
            redis_conn_id=cache(),
            match="user:*",
            data_type="hash",
            destination=warehouse,
            table="users",
            write={"mode": "replace"},
        )

    assert run(build) == "success"
    found = DuckDBHook(warehouse).get_arrow("select sum(age) as s, min(name) as m from users")
    assert found.to_pylist() == [{"s": 190, "m": "n0"}]
