"""Last.fm through Airflow's connections: the hook, the Test button, an import and a sensor."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_spotify.hooks.duckdb import DuckDBHook
from airflow_provider_spotify.hooks.lastfm import LastfmHook
from airflow_provider_spotify.operators.audio import LastfmImportOperator
from airflow_provider_spotify.sensors.audio import LastfmReadySensor
from tests.services.lastfm_api.server import KEY, LastfmApi

Define = Callable[..., str]


@pytest.fixture
def api() -> Iterator[LastfmApi]:
    with LastfmApi(plays=60) as server:
        yield server


@pytest.fixture
def music(api: LastfmApi, connection: Define) -> Callable[..., str]:
    """Return a function that defines a connection to the server."""

    def define(key: str = KEY) -> str:
        extra = json.dumps({"api_url": f"{api.url}/2.0"})
        return connection("music", conn_type="lastfm", password=key, extra=extra)

    return define


def test_the_test_button_asks_for_one_artist(api: LastfmApi, music: Callable[..., str]) -> None:
    """A good key is said to be one, after one small call."""
    ok, message = LastfmHook(music()).test_connection()
    assert ok, message
    assert [call.query["limit"] for call in api.calls] == ["1"]


def test_the_test_button_shows_no_key(music: Callable[..., str]) -> None:
    """A refused key is said, with what to check, and not shown."""
    ok, message = LastfmHook(music("wr0ng-wr0ng")).test_connection()
    assert not ok
    assert "check the API key" in message
    assert "wr0ng" not in message


def test_plays_and_tracks_are_imported(
    api: LastfmApi,
    music: Callable[..., str],
    connection: Define,
    tmp_path: Path,
    run_dag: Callable[..., Any],
) -> None:
    """In a hand-written DAG a sensor waits for plays, and operators import them and a track."""
    warehouse = connection("warehouse", conn_type="duckdb", host=str(tmp_path / "w.duckdb"))
    conn_id, track = music(), api.library.tracks[10]
    with DAG("plays", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        ready = LastfmReadySensor(
            task_id="ready", lastfm_conn_id=conn_id, resource="recent_tracks", users=["rj"]
        )
        plays = LastfmImportOperator(
            task_id="plays",
            lastfm_conn_id=conn_id,
            resource="recent_tracks",
            users=["rj"],
            destination=warehouse,
            table="plays",
            write={"mode": "merge", "key": ["user", "played_at", "artist", "name"]},
        )
        about = LastfmImportOperator(
            task_id="about",
            lastfm_conn_id=conn_id,
            resource="track_info",
            tracks=[{"artist": track.artist.name, "name": track.name}],
            destination=warehouse,
            table="about",
            write={"mode": "merge", "key": ["of_artist", "of_track"]},
        )
        ready >> plays >> about
    assert str(run_dag(dag).state.value) == "success"
    assert DuckDBHook(warehouse).get_arrow("select 1 from plays").num_rows == 60
    found = DuckDBHook(warehouse).get_arrow("select of_artist, name from about").to_pylist()
    assert found == [{"of_artist": track.artist.name, "name": track.name}]
