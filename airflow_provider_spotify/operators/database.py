"""Operators that import from databases."""

from __future__ import annotations

from airflow_provider_spotify.operators.base import ImportOperator


class PostgresqlImportOperator(ImportOperator):
    """Import a table or a query of a PostgreSQL database."""

    source_type = "postgresql"
    default_conn_id = "postgres_default"
