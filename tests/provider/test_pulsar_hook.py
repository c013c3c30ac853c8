"""Pulsar through Airflow's connections: the hook, the Test button, a sensor and an import."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.hooks.duckdb import DuckDBHook
from airflow_provider_spotify.hooks.pulsar import PulsarHook
from airflow_provider_spotify.operators.streaming import PulsarImportOperator
from airflow_provider_spotify.sensors.streaming import PulsarReadySensor
from tests.services.pulsar import produce

Define = Callable[..., str]


@pytest.fixture
def cluster(pulsar: Credentials, connection: Define) -> Callable[..., str]:
    """Return a function that defines a connection to the broker."""

    def define(password: str | None = None) -> str:
        return connection(
            "cluster",
            conn_type="pulsar",
            host=pulsar.host,
            port=pulsar.port,
            password=password or pulsar.secret(),
            schema=pulsar.database,
            extra=json.dumps({"admin_url": pulsar.extra["admin_url"]}),
        )

    return define


def test_pulsar_test_button_signs_in(cluster: Callable[..., str]) -> None:
    """The Test button asks the broker for a topic of the connection's namespace."""
    ok, message = PulsarHook(cluster()).test_connection()
    assert ok, message
    assert "pulsar://" in message


def test_pulsar_test_button_shows_no_secret(cluster: Callable[..., str]) -> None:
    """A refused token is said, and not shown."""
    ok, message = PulsarHook(cluster("wr0ng.wr0ng.wr0ng")).test_connection()
    assert not ok
    assert "refuses the credentials" in message
    assert "wr0ng" not in message


@pytest.mark.filterwarnings("ignore:ProvidersManager.hooks is deprecated")  # Airflow's own use
def test_test_button_works_as_airflow_presses_it(
    cluster: Callable[..., str], airflow_db: Path
) -> None:
    """Airflow finds the hook by the connection type."""
    from airflow.models.connection import Connection

    pressed = Connection(conn_id=cluster(), conn_type="pulsar")
    ok, message = pressed.test_connection()
    assert ok, message


def test_messages_are_waited_for_and_imported(
    pulsar: Credentials,
    pulsar_topic: str,
    cluster: Callable[..., str],
    connection: Define,
    tmp_path: Path,
    run_dag: Callable[..., Any],
) -> None:
    """A sensor sees messages, and the operator beside it imports them, in a hand-written DAG."""
    warehouse = connection("warehouse", conn_type="duckdb", host=str(tmp_path / "w.duckdb"))
    produce(pulsar, pulsar_topic, [json.dumps({"id": n}).encode() for n in range(5)])
    conn_id = cluster()
    with DAG("pulsar_plays", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        words: dict[str, Any] = {"pulsar_conn_id": conn_id, "topics": [pulsar_topic]}
        wait = PulsarReadySensor(task_id="wait", timeout=30, **words)
        load = PulsarImportOperator(task_id="load", destination=warehouse, table="plays", **words)
        wait >> load
    assert str(run_dag(dag).state.value) == "success"
    sql = "SELECT count(*) AS n, count(DISTINCT id) AS d FROM plays"
    assert DuckDBHook(warehouse).get_arrow(sql).to_pylist() == [{"n": 5, "d": 5}]
