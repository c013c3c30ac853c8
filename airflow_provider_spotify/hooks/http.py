"""The hook of HTTP APIs: the official one, which also opens the source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from airflow.providers.http.hooks.http import HttpHook

from airflow_provider_spotify.hooks.base import SourceHook


class HttpImportHook(SourceHook, HttpHook):
    """Everything that HttpHook does, and reading the records of a REST API page by page.

    The connection is an ordinary one of type ``http``: schema, host and port are the base URL.

    :param http_conn_id: the Airflow connection
    :param tenant: whose requests they are; rate limits and caches are kept apart by it
    """

    source_type = "rest"
    test_options: ClassVar[Mapping[str, Any]] = {"path": "/"}

    def __init__(
        self, http_conn_id: str = "http_default", *, tenant: str = "default", **kwargs: Any
    ) -> None:
        super().__init__(http_conn_id=http_conn_id, **kwargs)
        self.tenant = tenant
