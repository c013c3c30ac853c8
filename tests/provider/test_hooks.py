"""Airflow's connections as the core's credentials, and the Test button of each hook."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.hooks.credentials import acredentials, credentials
from airflow_provider_spotify.hooks.duckdb import DuckDBHook
from airflow_provider_spotify.hooks.files import S3ImportHook
from airflow_provider_spotify.hooks.http import HttpImportHook
from airflow_provider_spotify.hooks.postgres import PostgresImportHook
from airflow_provider_spotify.hooks.spotify import SpotifyHook
from tests.services.spotify_api.fixtures import EXTENDED_APP, spotify
from tests.services.spotify_api.server import SpotifyServer

__all__ = ["spotify"]

Define = Callable[..., str]


@pytest.fixture
def postgres_connection(postgres_database: Credentials, connection: Define) -> str:
    """Define a connection to an empty database of this test; give its id."""
    return connection(
        "source_db",
        conn_type="postgres",
        host=postgres_database.host,
        port=postgres_database.port,
        login=postgres_database.login,
        password=postgres_database.secret(),
        schema=postgres_database.database,
    )


@pytest.fixture
def spotify_connection(spotify: SpotifyServer, connection: Define) -> Callable[..., str]:
    """Return a function that defines a connection to the local Web API."""

    def define(secret: str = EXTENDED_APP.secret) -> str:
        extra = {"api_url": f"{spotify.url}/v1", "token_url": f"{spotify.url}/api/token"}
        return connection(
            "music",
            conn_type="spotify",
            login=EXTENDED_APP.client_id,
            password=secret,
            extra=json.dumps(extra),
        )

    return define


def test_connection_becomes_credentials_that_print_no_secret(connection: Define) -> None:
    connection(
        "db",
        conn_type="mysql",
        host="h",
        port=3306,
        login="me",
        password="hunter2-hunter2",
        schema="shop",
        extra=json.dumps({"token": "s3cret-s3cret"}),
    )
    found = credentials("db")
    assert (found.host, found.port, found.login, found.database) == ("h", 3306, "me", "shop")
    assert (found.secret(), found.secret("token")) == ("hunter2-hunter2", "s3cret-s3cret")
    assert "hunter2" not in repr(found)
    assert "s3cret" not in repr(found)


async def test_connection_is_read_in_an_event_loop_too(connection: Define) -> None:
    connection("db", conn_type="mysql", login="me")
    assert (await acredentials("db")).login == "me"


def test_missing_connection_says_where_to_make_it(airflow_db: Path) -> None:
    with pytest.raises(ConfigurationError, match="Admin, Connections, or set AIRFLOW_CONN_NOWHERE"):
        credentials("nowhere")


@pytest.mark.parametrize(
    ("fields", "address"),
    [
        ({"host": "api.example.com"}, "http://api.example.com"),
        ({"host": "api.example.com", "schema": "https"}, "https://api.example.com"),
        ({"host": "https://api.example.com/v1"}, "https://api.example.com/v1"),
        (
            {"host": "api.example.com", "schema": "https", "port": 8443},
            "https://api.example.com:8443",
        ),
    ],
)
def test_http_connection_is_an_address_as_httphook_reads_it(
    connection: Define, fields: dict[str, Any], address: str
) -> None:
    connection("web", conn_type="http", **fields)
    found = credentials("web")
    assert (found.host, found.port, found.database) == (address, None, None)
    official = HttpImportHook("web")
    official.get_conn()
    assert official.base_url == address


def test_aws_connection_gives_key_region_and_endpoint(connection: Define) -> None:
    extra = {"region_name": "eu-north-1", "endpoint_url": "http://127.0.0.1:9"}
    connection("lake", conn_type="aws", login="AKIA", password="shhh-shhh", extra=json.dumps(extra))
    found = S3ImportHook("lake").get_import_credentials()
    assert (found.login, found.secret()) == ("AKIA", "shhh-shhh")
    assert found.extra["region_name"] == "eu-north-1"
    assert found.extra["endpoint_url"] == "http://127.0.0.1:9"


def test_file_hook_opens_each_kind_of_file(connection: Define) -> None:
    connection("lake", conn_type="aws", login="AKIA", password="shhh-shhh")
    source = S3ImportHook("lake", tenant="acme").get_source("csv", path="s3://b/*.csv")
    assert (source.dataset().namespace, source.tenant) == ("s3://b", "acme")


def test_duckdb_test_button_opens_the_file(tmp_path: Path, connection: Define) -> None:
    connection("warehouse", conn_type="duckdb", host=str(tmp_path / "a.duckdb"))
    ok, message = DuckDBHook("warehouse").test_connection()
    assert ok, message
    assert "DuckDB" in message


def test_duckdb_test_button_says_what_is_wrong(tmp_path: Path, connection: Define) -> None:
    (tmp_path / "a.duckdb").write_text("this is no database")
    connection("warehouse", conn_type="duckdb", host=str(tmp_path / "a.duckdb"))
    ok, message = DuckDBHook("warehouse").test_connection()
    assert not ok
    assert "a.duckdb" in message


def test_spotify_test_button_signs_in(spotify_connection: Callable[..., str]) -> None:
    ok, message = SpotifyHook(spotify_connection()).test_connection()
    assert ok, message


def test_spotify_test_button_refuses_a_wrong_secret_without_showing_it(
    spotify_connection: Callable[..., str],
) -> None:
    ok, message = SpotifyHook(spotify_connection("not-the-secret")).test_connection()
    assert not ok
    assert "not-the-secret" not in message


@pytest.mark.filterwarnings("ignore:ProvidersManager.hooks is deprecated")  # Airflow's own use
def test_test_button_works_as_airflow_presses_it(
    spotify_connection: Callable[..., str], airflow_db: Path
) -> None:
    from airflow.models.connection import Connection

    pressed = Connection(conn_id=spotify_connection(), conn_type="spotify")
    ok, message = pressed.test_connection()
    assert ok, message


def test_postgres_hook_is_the_official_one_and_tests_as_a_source(postgres_connection: str) -> None:
    hook = PostgresImportHook(postgres_connection)
    assert hook.get_first("select 1") == (1,)
    ok, message = hook.test_connection()
    assert ok, message


def test_postgres_hook_splits_a_table_into_parts_for_a_fan_out(postgres_connection: str) -> None:
    hook = PostgresImportHook(postgres_connection)
    hook.run("create table plays (id bigint primary key)")
    hook.run("insert into plays select n from generate_series(1, 1000) n; analyze plays")
    parts = hook.get_partitions(4, table="plays", cursor={"column": "id"})
    assert 1 < len(parts) <= 4
    assert all(part["postgresql_table"] == "plays" for part in parts)
    assert all(part["partition"]["column"] == "id" for part in parts)


def test_unknown_option_of_a_hook_names_the_nearest(connection: Define) -> None:
    connection("music", conn_type="spotify", login="id", password="shhh-shhh")
    with pytest.raises(ConfigurationError, match="did you mean 'market'"):
        SpotifyHook("music").get_source(resource="tracks", ids=["x"], markt="SE")
