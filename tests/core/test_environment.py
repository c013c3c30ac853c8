"""Connections in environment variables are read in both of Airflow's forms."""

from __future__ import annotations

import json

import pytest

from airflow_provider_spotify.core.environment import connection
from airflow_provider_spotify.core.errors import ConfigurationError


def read(monkeypatch: pytest.MonkeyPatch, value: object) -> object:
    text = value if isinstance(value, str) else json.dumps(value)
    monkeypatch.setenv("AIRFLOW_CONN_ACME__DB", text)
    return connection("acme__db")


def test_a_uri_gives_host_port_login_password_database_and_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    uri = "postgresql://ada:p%40ss%2Fword@db.example.com:5433/music?sslmode=require"
    found = read(monkeypatch, uri)
    assert found.model_dump(exclude={"password"}) == {  # type: ignore[attr-defined]
        "host": "db.example.com",
        "port": 5433,
        "login": "ada",
        "database": "music",
        "extra": {"sslmode": "require"},
    }
    assert found.secret() == "p@ss/word"  # type: ignore[attr-defined]
    assert "p@ss" not in repr(found)


def test_json_gives_the_same_and_takes_extra_as_text_or_mapping(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fields = {"conn_type": "postgres", "host": "h", "login": "ada", "schema": "s", "port": 1}
    one = read(monkeypatch, {**fields, "extra": {"a": 1}})
    two = read(monkeypatch, {**fields, "extra": '{"a": 1}'})
    assert one == two
    assert one.database == "s"  # type: ignore[attr-defined]
    assert one.extra == {"a": 1}  # type: ignore[attr-defined]


def test_extra_that_is_no_plain_query_is_read_from_dunder_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = read(
        monkeypatch, "spotify://id:secret@/?__extra__=%7B%22refresh_token%22%3A%20%22r%22%7D"
    )
    assert found.secret("refresh_token") == "r"  # type: ignore[attr-defined]
    assert found.login == "id"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("value", "host"),
    [
        ("http://api.example.com:8080/https", "https://api.example.com:8080"),
        ("http://api.example.com", "http://api.example.com"),
        ("http://https%3A%2F%2Fapi.example.com%2Fv1/", "https://api.example.com/v1"),
        ({"conn_type": "http", "host": "https://api.example.com"}, "https://api.example.com"),
    ],
)
def test_an_http_connection_becomes_one_address(
    monkeypatch: pytest.MonkeyPatch, value: object, host: str
) -> None:
    found = read(monkeypatch, value)
    assert (found.host, found.port, found.database) == (host, None, None)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "value", ["swordfish", "{swordfish", "x://[swordfish", '{"port": "swordfish"}']
)
def test_what_is_no_connection_is_an_error_that_does_not_repeat_it(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    with pytest.raises(ConfigurationError, match="AIRFLOW_CONN_ACME__DB is neither") as caught:
        read(monkeypatch, value)
    assert "swordfish" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_variable_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_ACME__DB", raising=False)
    with pytest.raises(ConfigurationError, match="set AIRFLOW_CONN_ACME__DB to a URI"):
        connection("acme__db")
