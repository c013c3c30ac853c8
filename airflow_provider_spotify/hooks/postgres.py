"""The hook of PostgreSQL: the official one, which also opens the source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from airflow.providers.postgres.hooks.postgres import PostgresHook

from airflow_provider_spotify.hooks.base import SourceHook


class PostgresImportHook(SourceHook, PostgresHook):  # type: ignore[misc]
    """Everything that PostgresHook does, and reading a table, query or changes in Arrow batches.

    The connection is an ordinary one of type ``postgres``; ``iam`` in its extra works too, as do
    libpq's ``sslmode``, ``sslrootcert``, ``sslcert`` and ``sslkey``
    (https://www.postgresql.org/docs/current/libpq-ssl.html).

    :param postgres_conn_id: the Airflow connection
    :param tenant: whose data it is
    """

    source_type = "postgresql"
    test_options: ClassVar[Mapping[str, Any]] = {"query": "select 1"}

    def __init__(
        self, postgres_conn_id: str = "postgres_default", *, tenant: str = "default", **kwargs: Any
    ) -> None:
        super().__init__(postgres_conn_id=postgres_conn_id, **kwargs)
        self.tenant = tenant
