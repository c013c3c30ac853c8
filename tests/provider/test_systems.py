"""Imports between real servers through Airflow's connections."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator

from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.hooks.duckdb import DuckDBHook
from airflow_provider_spotify.hooks.postgres import PostgresImportHook
from airflow_provider_spotify.operators.audio import SpotifyImportOperator
from airflow_provider_spotify.operators.database import PostgresqlImportOperator
from airflow_provider_spotify.operators.files import CsvImportOperator
from tests.services.spotify_api.fixtures import EXTENDED_APP, spotify
from tests.services.spotify_api.server import SpotifyServer

__all__ = ["spotify"]

Define = Callable[..., str]


@pytest.fixture
def run(run_dag: Callable[..., Any]) -> Callable[..., str]:
    """Return a function that runs one operator as a DAG of its own, and gives the run's state."""

    def run_operator(build: Callable[[], BaseOperator]) -> str:
        with DAG("one", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
            build()
        return str(run_dag(dag).state.value)

    return run_operator


@pytest.fixture
def database(postgres_database: Credentials, connection: Define) -> str:
    """Define a connection to a PostgreSQL database of this test; give its id."""
    return connection(
        "database",
        conn_type="postgres",
        host=postgres_database.host,
        port=postgres_database.port,
        login=postgres_database.login,
        password=postgres_database.secret(),
        schema=postgres_database.database,
    )


@pytest.fixture
def warehouse(tmp_path: Path, connection: Define) -> str:
    """Define a connection to a DuckDB file of this test; give its id."""
    return connection("warehouse", conn_type="duckdb", host=str(tmp_path / "w.duckdb"))


def test_connection_of_type_postgres_alone_is_a_destination(
    run: Callable[..., str], database: str, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("id,name\n1,Ann\n2,Bo\n")
    state = run(
        lambda: CsvImportOperator(
            task_id="people",
            path=str(tmp_path / "a.csv"),
            destination=database,
            table="people",
            write={"mode": "merge", "key": ["id"]},
        )
    )
    assert state == "success"
    found = PostgresImportHook(database).get_records("select name from people order by name")
    assert found == [("Ann",), ("Bo",)]


def test_postgres_table_is_read_with_its_connection(
    run: Callable[..., str], database: str, warehouse: str
) -> None:
    PostgresImportHook(database).run(
        "create table plays as select n as id from generate_series(1, 9) n"
    )
    state = run(
        lambda: PostgresqlImportOperator(
            task_id="plays",
            postgres_conn_id=database,
            postgresql_table="plays",
            destination=warehouse,
            table="plays",
        )
    )
    assert state == "success"
    assert DuckDBHook(warehouse).get_arrow("select count(*) as n from plays").to_pylist() == [
        {"n": 9}
    ]


def test_spotify_is_read_with_its_connection(
    run: Callable[..., str], spotify: SpotifyServer, warehouse: str, connection: Define
) -> None:
    addresses = {"api_url": f"{spotify.url}/v1", "token_url": f"{spotify.url}/api/token"}
    connection(
        "music",
        conn_type="spotify",
        login=EXTENDED_APP.client_id,
        password=EXTENDED_APP.secret,
        extra=json.dumps(addresses),
    )
    state = run(
        lambda: SpotifyImportOperator(
            task_id="found",
            spotify_conn_id="music",
            resource="search",
            query="a",
            destination=warehouse,
            table="found",
            write={"mode": "replace"},
        )
    )
    assert state == "success"
    assert DuckDBHook(warehouse).get_arrow("select 1 from found").num_rows > 0
