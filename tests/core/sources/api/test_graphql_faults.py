"""The source ``graphql`` under the fault plan: a Relay connection, typed by the schema."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sources.api._graphql_config import GraphqlConfig
from airflow_provider_spotify.core.sources.api.graphql import GraphqlSource
from airflow_provider_spotify.core.testing.web_faults import WebFaults
from tests.services.graphql_api.server import TOKEN, GraphqlApi

QUERY = """query ($first: Int!, $after: String, $since: DateTime) {
  plays(first: $first, after: $after, since: $since) {
    edges { node { id playedAt device track { name } } }
    pageInfo { hasNextPage endCursor }
  }
}"""


class TestConnection(WebFaults):
    """Pages by cursor, what is new by time."""

    error_bodies = (
        {"errors": [{"message": "backend failed"}]},
        {"data": None, "errors": [{"message": "x", "extensions": {"code": "TIMEOUT"}}]},
        {"data": {"plays": None}, "errors": [{"message": "x", "path": ["plays"]}]},
    )
    identity = ("id",)

    @pytest.fixture(autouse=True)
    def _serve(self) -> Iterator[None]:
        with GraphqlApi(count=60) as self.server:
            yield

    def upstream(self) -> str:
        return self.server.url

    def make_source(self, url: str) -> GraphqlSource:
        config = GraphqlConfig.model_validate(
            {
                "query": QUERY,
                "records": "plays.edges.node",
                "pagination": {"kind": "relay", "size_variable": "first", "size": 12},
                "incremental": {"variable": "since", "field": "playedAt"},
                "introspect": True,
                "timeout": "3s",
                "retry_attempts": 2,
                "batch_size": 15,
            }
        )
        credentials = Credentials(host=f"{url}/graphql", password=SecretStr(TOKEN))
        return GraphqlSource(config, credentials=credentials)

    def insert(self) -> object:
        return self.server.add(1)

    def delete(self) -> object:
        with self.server.lock:
            return self.server.plays.pop(3)
