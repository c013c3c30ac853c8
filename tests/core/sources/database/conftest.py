"""Gives the tests of databases what several of their modules share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_spotify.core.clients.postgres import connect
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sources.database.postgresql import (
    PostgresqlConfig,
    PostgresqlSource,
)
from tests.core.sources.database.plays import Database, Make, Run


@pytest.fixture
def database(postgres_database: Credentials) -> Iterator[Database]:
    """Give a PostgreSQL database of this test, and a connection to it."""
    with connect(postgres_database) as connection:
        yield postgres_database, connection


@pytest.fixture
def make(database: Database) -> Make:
    """Give a function from a Config's keys to a source of this test's database."""

    def source(**config: Any) -> PostgresqlSource:
        return PostgresqlSource(PostgresqlConfig(**config), credentials=database[0])

    return source


@pytest.fixture
def run(database: Database) -> Run:
    """Give a function that runs SQL in this test's database."""

    def execute(statements: str) -> None:
        for statement in statements.split(";\n"):
            database[1].execute(statement.encode())

    return execute
