"""The hook of Elasticsearch: the official one, which also opens the source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from airflow.providers.elasticsearch.hooks.elasticsearch import ElasticsearchSQLHook

from airflow_provider_spotify.hooks.base import SourceHook


class ElasticsearchImportHook(SourceHook, ElasticsearchSQLHook):  # type: ignore[misc]
    """Everything that ElasticsearchSQLHook does, and reading documents in Arrow batches.

    The connection is an ordinary one of type ``elasticsearch``; its schema is ``http`` or
    ``https``, and its extra takes the official client's words ``api_key``, ``ca_certs`` and
    ``http_compress``. The official client needs a server of its own major; reading here does not.

    :param elasticsearch_conn_id: the Airflow connection
    :param tenant: whose data it is
    """

    source_type = "elasticsearch"
    test_options: ClassVar[Mapping[str, Any]] = {"index": "*"}

    def __init__(
        self,
        elasticsearch_conn_id: str = "elasticsearch_default",
        *,
        tenant: str = "default",
        **kwargs: Any,
    ) -> None:
        super().__init__(elasticsearch_conn_id=elasticsearch_conn_id, **kwargs)
        self.tenant = tenant
