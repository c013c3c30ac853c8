"""The sink of the tenant ``acme`` on a real PostgreSQL, and a connection beside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg

from airflow_provider_spotify.core.clients.postgres import connect
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sinks.postgres import PostgresConfig, PostgresSink


def acme(postgres_database: Credentials) -> PostgresSink:
    """Give the sink of this test's database; a module's fixture ``sink``."""
    config = PostgresConfig.model_validate({"schema": "acme"})
    return PostgresSink(config, credentials=postgres_database, tenant="acme")


def inside(postgres_database: Credentials) -> Iterator[psycopg.Connection[Any]]:
    """Give a connection to the sink's schema; a module's fixture ``server``."""
    with connect(postgres_database) as connection:
        connection.execute(b"CREATE SCHEMA acme")
        connection.execute(b"SET search_path = acme")
        yield connection
