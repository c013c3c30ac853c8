"""The hook of MongoDB: the official one, which also opens the source."""

from __future__ import annotations

from typing import Any

from airflow.providers.mongo.hooks.mongo import MongoHook

from airflow_provider_spotify.core.clients.mongo import greeted
from airflow_provider_spotify.core.model import Health
from airflow_provider_spotify.hooks.base import SourceHook


class MongoImportHook(SourceHook, MongoHook):
    """Everything that MongoHook does, and reading a collection or its changes in Arrow batches.

    The connection is an ordinary one of type ``mongo``; ``srv``, ``ssl`` and ``allow_insecure`` in
    its extra mean what they mean there, and any option of a connection string may stand there, too.

    :param mongo_conn_id: the Airflow connection
    :param tenant: whose data it is
    """

    source_type = "mongodb"

    def __init__(
        self, mongo_conn_id: str = "mongo_default", *, tenant: str = "default", **kwargs: Any
    ) -> None:
        super().__init__(mongo_conn_id=mongo_conn_id, **kwargs)
        self.tenant = tenant

    def get_health(self) -> Health:
        """Connect and log in; no collection needs to be there."""
        return greeted(self.get_credentials())
