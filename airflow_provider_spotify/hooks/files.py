"""The hook of files in S3: the official one, which also opens the file sources."""

from __future__ import annotations

from typing import Any

from airflow.providers.amazon.aws.hooks.s3 import S3Hook

from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.opening import open_source
from airflow_provider_spotify.core.sources.base import Source
from airflow_provider_spotify.hooks.credentials import credentials
from airflow_provider_spotify.hooks.plans import source_plan


class S3ImportHook(S3Hook):
    """Everything that S3Hook does, and reading any of the file sources in Arrow batches.

    The connection is an ordinary one of type ``aws``: a key pair, a role, or what the machine has.

    :param aws_conn_id: the Airflow connection
    :param tenant: whose data it is
    """

    def __init__(
        self, aws_conn_id: str | None = "aws_default", *, tenant: str = "default", **kwargs: Any
    ) -> None:
        super().__init__(aws_conn_id=aws_conn_id, **kwargs)
        self.tenant = tenant

    def get_import_credentials(self) -> Credentials:
        """Return the key pair, region and endpoint that the connection leads to."""
        return credentials(self.aws_conn_id) if self.aws_conn_id else Credentials()

    def get_source(self, source_type: str, **options: Any) -> Source[Any]:
        """Return a file source: ``csv``, ``jsonl`` or ``parquet``; nothing is connected.

        :raises ConfigurationError: if an option is unknown or wrong
        """
        where = f"{type(self).__name__}({self.aws_conn_id!r})"
        plan = source_plan(source_type, options, connection=self.aws_conn_id, where=where)
        return open_source(
            plan, tenant=self.tenant, resolve=lambda _: self.get_import_credentials()
        )
