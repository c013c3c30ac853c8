"""MongoDB through Airflow's own connection type: hook, operator, sensor, and the Test button."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_spotify.core.errors import AuthenticationError
from airflow_provider_spotify.core.testing.sources import read
from airflow_provider_spotify.hooks.duckdb import DuckDBHook
from airflow_provider_spotify.hooks.mongo import MongoImportHook
from airflow_provider_spotify.operators.database import MongodbImportOperator
from airflow_provider_spotify.sensors.database import MongodbReadySensor
from tests.services.mongodb import MongoDatabase

Define = Callable[..., str]


@pytest.fixture
def shop(mongodb_database: MongoDatabase, connection: Define) -> Callable[..., str]:
    """Give a function that defines a connection to the server of this test."""
    known = mongodb_database.credentials
    mongodb_database.database.plays.insert_many({"_id": n, "n": n * 2} for n in range(50))

    def define(**changes: Any) -> str:
        fields = {
            "conn_type": "mongo",
            "host": known.host,
            "port": known.port,
            "login": known.login,
            "password": known.secret(),
            "schema": known.database,
        }
        return connection("shop", **{**fields, **changes})

    return define


def test_the_hook_is_the_official_one_and_opens_the_source(
    shop: Callable[..., str], mongodb_database: MongoDatabase
) -> None:
    """One connection serves MongoHook's methods and the source; options are the source's."""
    hook, name = MongoImportHook(shop()), mongodb_database.database.name
    assert hook.find("plays", {"n": 4}, find_one=True, mongo_db=name) == {"_id": 2, "n": 4}
    hook.close()
    chunks = read(hook.get_source(collection="plays", database=name, filter={"n": {"$lt": 6}}))
    assert [row for chunk in chunks for row in chunk.batch.to_pylist()] == [
        {"_id": 0, "n": 0},
        {"_id": 1, "n": 2},
        {"_id": 2, "n": 4},
    ]
    assert len(hook.get_partitions(3, collection="plays", database=name)) == 3


def test_options_of_the_connection_reach_the_driver(
    shop: Callable[..., str], mongodb_database: MongoDatabase
) -> None:
    """What the form leaves empty is left out; read preference and concern are the driver's own."""
    extra = {"srv": False, "ssl": "false", "allow_insecure": "", "readPreference": "nearest"}
    extra |= {"authSource": "test", "readConcernLevel": "local"}
    source = MongoImportHook(shop(extra=extra)).get_source(
        collection="plays", database=mongodb_database.database.name
    )
    assert sum(chunk.batch.num_rows for chunk in read(source)) == 50


def test_the_test_button_answers(shop: Callable[..., str]) -> None:
    """The version of the server, or why it is not reached; never the password."""
    ok, said = MongoImportHook(shop()).test_connection()
    assert ok, said
    assert said.startswith("MongoDB 7.0")
    ok, said = MongoImportHook(shop(password="wrong-but-unmistakable")).test_connection()
    assert not ok
    assert "Authentication failed" in said
    assert "unmistakable" not in said


def test_a_wrong_password_is_an_authentication_error(
    shop: Callable[..., str], mongodb_database: MongoDatabase
) -> None:
    """No retry follows it."""
    hook = MongoImportHook(shop(password="wrong"))
    with pytest.raises(AuthenticationError):
        read(hook.get_source(collection="plays", database=mongodb_database.database.name))


def test_operator_and_sensor_run_in_a_dag(
    shop: Callable[..., str],
    mongodb_database: MongoDatabase,
    connection: Define,
    tmp_path: Any,
    run_dag: Callable[..., Any],
) -> None:
    """The sensor finds documents, the operator brings them to the warehouse."""
    warehouse = connection("warehouse", conn_type="duckdb", host=str(tmp_path / "w.duckdb"))
    words = {"mongo_conn_id": shop(), "database": mongodb_database.database.name}
    words["collection"] = "plays"
    with DAG("one", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        there = MongodbReadySensor(task_id="there", **words)
        bring = MongodbImportOperator(
            task_id="bring",
            **words,
            cursor={"field": "_id"},
            destination=warehouse,
            table="plays",
            write={"mode": "merge", "key": ["_id"]},
        )
        there >> bring
    assert str(run_dag(dag).state.value) == "success"
    found = DuckDBHook(warehouse).get_arrow("select count(*) as rows, sum(n) as n from plays")
    assert found.to_pylist() == [{"rows": 50, "n": 2450}]
