"""Connecting to PostgreSQL: what is refused is told apart, and no secret is shown."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from airflow_provider_spotify.core.clients.postgres import connect, uri
from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    ForbiddenError,
    TransientError,
)
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sinks.postgres import PostgresConfig, PostgresSink
from tests.core.sinks.postgres_acme import inside

pytestmark = pytest.mark.service("postgres")
server = pytest.fixture(inside)


def test_a_wrong_password_is_not_repeated(postgres: Credentials) -> None:
    """The error says that the login failed, and holds no secret; nor does the check."""
    wrong = postgres.model_copy(update={"password": SecretStr("hunter2-wrong")})
    sink = PostgresSink(PostgresConfig(), credentials=wrong, tenant="acme")
    with pytest.raises(AuthenticationError) as caught:
        sink.cursor("plays")
    health = sink.check()
    assert not health.ok
    assert "hunter2" not in f"{caught.value} {health.message} {sink.config} {wrong}"


def test_an_absent_server_is_transient() -> None:
    """A refused connection may be tried again."""
    nowhere = Credentials(host="127.0.0.1", port=1, login="x", database="x")
    with pytest.raises(TransientError, match=r"127\.0\.0\.1:1"):
        connect(nowhere)


def test_an_absent_database_is_a_configuration_error(postgres: Credentials) -> None:
    """A database that is not there does not appear by trying again."""
    with pytest.raises(ConfigurationError, match="nope"):
        connect(postgres.model_copy(update={"database": "nope"}))


def test_check_wants_the_right_to_create(
    postgres_database: Credentials, server: psycopg.Connection[Any]
) -> None:
    """A login that may not create tables is found by the check, not by the first load."""
    server.execute(b"DROP ROLE IF EXISTS reader")
    server.execute(b"CREATE ROLE reader LOGIN PASSWORD 'reader'")
    words = {"login": "reader", "password": SecretStr("reader")}
    reader = postgres_database.model_copy(update=words)
    sink = PostgresSink(
        PostgresConfig.model_validate({"schema": "acme"}), credentials=reader, tenant="acme"
    )
    health = sink.check()
    assert (health.ok, "may not create" in health.message) == (False, True)
    with pytest.raises(ForbiddenError, match="permission denied"):
        sink.cursor("plays")


def test_the_uri_quotes_what_it_holds() -> None:
    """A login or password of any characters survives a connection string."""
    given = Credentials(
        host="::1", port=5433, login="a@b", password=SecretStr("p/w:?#"), database="d b"
    )
    words = psycopg.conninfo.conninfo_to_dict(uri(given))
    found = [words[name] for name in ("host", "port", "user", "password", "dbname")]
    assert [str(word) for word in found] == ["::1", "5433", "a@b", "p/w:?#", "d b"]
