"""The hook of Apache Pulsar."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from airflow.sdk import BaseHook

from airflow_provider_spotify.core.sources.base import Source
from airflow_provider_spotify.hooks.base import SourceHook


class PulsarHook(SourceHook, BaseHook):
    """Read topics of one Pulsar cluster.

    A password alone is a token, with a login it is one of basic authentication; OAuth 2 and
    certificates are in the extra (https://pulsar.apache.org/docs/next/security-overview/).

    :param pulsar_conn_id: the Airflow connection
    :param tenant: whose data it is
    """

    conn_name_attr = "pulsar_conn_id"
    default_conn_name = "pulsar_default"
    conn_type = "pulsar"
    hook_name = "Apache Pulsar"
    source_type = "pulsar"
    test_options: ClassVar[Mapping[str, Any]] = {"topics": ["connection-test"]}

    def __init__(self, pulsar_conn_id: str = default_conn_name, *, tenant: str = "default") -> None:
        super().__init__()
        self.pulsar_conn_id = pulsar_conn_id
        self.tenant = tenant

    def get_conn(self) -> Source[Any]:
        """Return the source that a connection test uses."""
        return self.get_source(**self.test_options)
