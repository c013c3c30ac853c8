"""ClickHouse through Airflow's connections: hook, operator, sensor, destination, Test button."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_spotify.core.clients.clickhouse import connect
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.testing.sources import read
from airflow_provider_spotify.hooks.clickhouse import ClickHouseHook
from airflow_provider_spotify.operators.database import ClickhouseImportOperator
from airflow_provider_spotify.sensors.database import ClickhouseReadySensor

Define = Callable[..., str]

pytestmark = pytest.mark.service("clickhouse")


@pytest.fixture
def shop(clickhouse_database: Credentials, connection: Define) -> Callable[..., str]:
    """Give a function that defines a connection to a database with fifty plays."""
    known = clickhouse_database
    with connect(known) as client:
        client.command("CREATE TABLE plays (id UInt64) ENGINE = MergeTree ORDER BY id")
        client.command("INSERT INTO plays SELECT number FROM numbers(50)")

    def define(**changes: Any) -> str:
        fields = {
            "conn_type": "clickhouse",
            "host": known.host,
            "port": known.port,
            "login": known.login,
            "password": known.secret(),
            "schema": known.database,
        }
        return connection("shop", **{**fields, **changes})

    return define


def test_the_hook_opens_source_and_destination(shop: Callable[..., str]) -> None:
    """One connection is read from, split into parts, and asked."""
    hook = ClickHouseHook(shop())
    chunks = read(hook.get_source(table="plays", where="id < 3"))
    assert [row["id"] for chunk in chunks for row in chunk.batch.to_pylist()] == [0, 1, 2]
    parts = hook.get_partitions(3, table="plays", cursor={"column": "id"})
    assert [part["clickhouse_table"] for part in parts] == ["plays"] * 3
    assert hook.get_arrow("SELECT count() AS n FROM plays WHERE id > $1", [9]).to_pylist() == [
        {"n": 40}
    ]


def test_the_database_may_be_named_in_extra(
    shop: Callable[..., str], clickhouse_database: Credentials
) -> None:
    """``database`` of extra comes before the connection's schema."""
    extra = json.dumps({"database": clickhouse_database.database})
    hook = ClickHouseHook(shop(schema="default", extra=extra))
    assert hook.get_arrow("SELECT count() AS n FROM plays").to_pylist() == [{"n": 50}]


@pytest.mark.filterwarnings("ignore:ProvidersManager.hooks is deprecated")  # Airflow's own use
def test_the_test_button_signs_in_as_airflow_presses_it(
    shop: Callable[..., str], airflow_db: object, clickhouse_database: Credentials
) -> None:
    """Airflow's own way of pressing it finds the hook by the connection's type."""
    from airflow.models.connection import Connection

    known = clickhouse_database
    pressed = Connection(
        conn_id=shop(),
        conn_type="clickhouse",
        host=known.host,
        port=known.port,
        login=known.login,
        password=known.secret(),
    )
    ok, message = pressed.test_connection()
    assert ok, message


def test_the_test_button_refuses_a_wrong_password_without_showing_it(
    shop: Callable[..., str],
) -> None:
    """The message says that the login failed, and not with which password."""
    ok, message = ClickHouseHook(shop(password="hunter2-hunter2")).test_connection()
    assert not ok
    assert "Authentication" in message
    assert "hunter2" not in message


def test_a_table_is_imported_into_the_same_server(
    shop: Callable[..., str], run_dag: Callable[..., Any]
) -> None:
    """A connection of type clickhouse alone is a destination, and a sensor sees what is new."""
    name = shop()
    with DAG("copies", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        ready = ClickhouseReadySensor(
            task_id="ready", clickhouse_conn_id=name, clickhouse_table="plays"
        )
        ready >> ClickhouseImportOperator(
            task_id="copy",
            clickhouse_conn_id=name,
            clickhouse_table="plays",
            cursor={"column": "id"},
            destination=name,
            table="copied",
            write={"mode": "merge", "key": ["id"]},
        )
    assert str(run_dag(dag).state.value) == "success"
    found = ClickHouseHook(name).get_arrow("SELECT uniqExact(id) AS n FROM copied")
    assert found.to_pylist() == [{"n": 50}]
