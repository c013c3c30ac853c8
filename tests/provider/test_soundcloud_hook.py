"""SoundCloud through Airflow's connections: the hook, the Test button, an import and a sensor."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_spotify.core.clients.oauth.grants import forget_tokens
from airflow_provider_spotify.hooks.duckdb import DuckDBHook
from airflow_provider_spotify.hooks.soundcloud import SoundcloudHook
from airflow_provider_spotify.operators.audio import SoundcloudImportOperator
from airflow_provider_spotify.sensors.audio import SoundcloudReadySensor
from tests.services.soundcloud_api.server import CLIENT, REFRESH, SECRET, SoundcloudApi

Define = Callable[..., str]


@pytest.fixture
def api() -> Iterator[SoundcloudApi]:
    forget_tokens()
    with SoundcloudApi(uploads=60) as server:
        yield server


@pytest.fixture
def cloud(api: SoundcloudApi, connection: Define) -> Callable[..., str]:
    """Return a function that defines a connection to the server."""

    def define(secret: str = SECRET, **more: str) -> str:
        extra = {"api_url": api.url, "token_url": f"{api.url}/oauth/token", **more}
        return connection(
            "cloud",
            conn_type="soundcloud",
            login=CLIENT,
            password=secret,
            extra=json.dumps(extra),
        )

    return define


def test_the_test_button_searches_for_one_track(
    api: SoundcloudApi, cloud: Callable[..., str]
) -> None:
    """Good credentials are said to be, after a token and one small call."""
    ok, message = SoundcloudHook(cloud()).test_connection()
    assert ok, message
    assert [call.path for call in api.calls] == ["/oauth/token", "/tracks"]


def test_the_test_button_shows_no_secret(cloud: Callable[..., str]) -> None:
    """A refused secret is said, and not shown."""
    ok, message = SoundcloudHook(cloud("wr0ng-wr0ng")).test_connection()
    assert not ok
    assert "invalid_client" in message
    assert "wr0ng" not in message


def test_tracks_of_a_user_are_imported(
    api: SoundcloudApi,
    cloud: Callable[..., str],
    connection: Define,
    tmp_path: Path,
    run_dag: Callable[..., Any],
) -> None:
    """Sensor and operators share the tokens of one consent, whose refresh tokens work once."""
    warehouse = connection("warehouse", conn_type="duckdb", host=str(tmp_path / "w.duckdb"))
    conn_id = cloud(refresh_token=REFRESH, token_store=f"file://{tmp_path}/tokens")
    words: dict[str, Any] = {"soundcloud_conn_id": conn_id, "resource": "my_tracks"}
    with DAG("uploads", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        ready = SoundcloudReadySensor(task_id="ready", **words)
        tracks = SoundcloudImportOperator(
            task_id="tracks",
            destination=warehouse,
            table="tracks",
            write={"mode": "merge", "key": ["urn"]},
            **words,
        )
        ready >> tracks
    assert str(run_dag(dag).state.value) == "success"
    assert DuckDBHook(warehouse).get_arrow("select 1 from tracks").num_rows == 60
