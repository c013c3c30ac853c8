"""The hooks of Redis: the official one, which also opens the sources."""

from __future__ import annotations

from typing import Any

from airflow.providers.redis.hooks.redis import RedisHook

from airflow_provider_spotify.core.model import Health
from airflow_provider_spotify.hooks.base import SourceHook


class RedisImportHook(SourceHook, RedisHook):
    """Everything that RedisHook does, and reading keys and their values in Arrow batches.

    The connection is an ordinary one of type ``redis``; ``db``, TLS and cluster are in its extra.

    :param redis_conn_id: the Airflow connection
    :param tenant: whose data it is
    """

    source_type = "redis"

    def __init__(
        self, redis_conn_id: str = "redis_default", *, tenant: str = "default", **kwargs: Any
    ) -> None:
        super().__init__(redis_conn_id=redis_conn_id, **kwargs)
        self.tenant = tenant


class RedisStreamsImportHook(RedisImportHook):
    """The same connection; its source reads streams."""

    source_type = "redis_streams"

    def get_health(self) -> Health:
        """Try the connection alone: which streams are meant is the import's to say."""
        return RedisImportHook(self.redis_conn_id, tenant=self.tenant).get_health()
