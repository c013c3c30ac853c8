"""Sensors that wait for rows of a database."""

from __future__ import annotations

from airflow_provider_spotify.sensors.base import SourceReadySensor


class PostgresqlReadySensor(SourceReadySensor):
    """Wait for rows of a PostgreSQL table or query that are new since the last import."""

    source_type = "postgresql"
    default_conn_id = "postgres_default"
