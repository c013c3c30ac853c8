"""WebSockets through Airflow's connections: the hook, the Test button and an import."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_spotify.hooks.duckdb import DuckDBHook
from airflow_provider_spotify.hooks.websocket import WebsocketHook
from airflow_provider_spotify.operators.streaming import WebsocketImportOperator
from tests.services.websocket_server import TOKEN, Feed

Define = Callable[..., str]


@pytest.fixture
def stream(websocket_server: Feed, connection: Define) -> Callable[..., str]:
    """Return a function that defines a connection to the server."""

    def define(password: str = TOKEN) -> str:
        host = f"ws://127.0.0.1:{websocket_server.port}/feed"
        return connection("stream", conn_type="websocket", host=host, password=password)

    return define


def test_websocket_test_button_connects(stream: Callable[..., str]) -> None:
    """The Test button makes the handshake, and names the address."""
    ok, message = WebsocketHook(stream()).test_connection()
    assert ok, message
    assert "/feed: connected" in message


def test_websocket_test_button_shows_no_secret(stream: Callable[..., str]) -> None:
    """A refused token is said, and not shown."""
    ok, message = WebsocketHook(stream("wr0ng-wr0ng")).test_connection()
    assert not ok
    assert "refuses the credentials" in message
    assert "wr0ng" not in message


def test_messages_are_imported(
    websocket_server: Feed,
    stream: Callable[..., str],
    connection: Define,
    tmp_path: Path,
    run_dag: Callable[..., Any],
) -> None:
    """The operator imports what the server sends until its end, in a hand-written DAG."""
    warehouse = connection("warehouse", conn_type="duckdb", host=str(tmp_path / "w.duckdb"))
    websocket_server.publish(*({"track": f"t{n}"} for n in range(5)))
    conn_id = stream()
    with DAG("feed", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        WebsocketImportOperator(
            task_id="load",
            websocket_conn_id=conn_id,
            subscribe=[{"op": "subscribe"}],
            until={"rows": 5},
            destination=warehouse,
            table="plays",
        )
    assert str(run_dag(dag).state.value) == "success"
    sql = "SELECT count(*) AS n, count(DISTINCT seq) AS d FROM plays"
    assert DuckDBHook(warehouse).get_arrow(sql).to_pylist() == [{"n": 5, "d": 5}]
