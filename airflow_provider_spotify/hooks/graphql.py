"""The hook of GraphQL APIs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from airflow.sdk import BaseHook

from airflow_provider_spotify.core.sources.base import Source
from airflow_provider_spotify.hooks.base import SourceHook


class GraphqlHook(SourceHook, BaseHook):
    """Reach one GraphQL endpoint.

    The connection's host is the endpoint's address, its password a bearer token; a login beside it
    makes both basic credentials. Other ways to sign in are named by the source's ``auth``, as for
    REST, with their secrets in extra.

    :param graphql_conn_id: the Airflow connection
    :param tenant: whose requests they are; rate limits and caches are kept apart by it
    """

    conn_name_attr = "graphql_conn_id"
    default_conn_name = "graphql_default"
    conn_type = "graphql"
    hook_name = "GraphQL"
    source_type = "graphql"
    test_options: ClassVar[Mapping[str, Any]] = {
        "query": "{ __typename }",
        "records": "__typename",
    }

    def __init__(
        self, graphql_conn_id: str = default_conn_name, *, tenant: str = "default"
    ) -> None:
        super().__init__()
        self.graphql_conn_id = graphql_conn_id
        self.tenant = tenant

    def get_conn(self) -> Source[Any]:
        """Return the source that a connection test uses."""
        return self.get_source(**self.test_options)
