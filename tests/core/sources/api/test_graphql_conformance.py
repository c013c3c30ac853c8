"""The source ``graphql`` keeps every promise of a source, by each kind of progress it has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from pydantic import SecretStr

from airflow_provider_spotify.core.clients.http.limits import forget_limits
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sources.api._graphql_config import GraphqlConfig
from airflow_provider_spotify.core.sources.api.graphql import GraphqlSource
from airflow_provider_spotify.core.testing.sources import SourceConformance
from tests.services.graphql_api.server import TOKEN, GraphqlApi

PLAYS = """
query Plays($first: Int!, $after: String, $since: DateTime, $until: DateTime) {
  plays(first: $first, after: $after, since: $since, until: $until) {
    nodes { id playedAt device score skipped title track { id seconds price tags } }
    pageInfo { hasNextPage endCursor }
  }
}
"""
RELAY = {"kind": "relay", "size_variable": "first", "size": 10}
INCREMENTAL = {"variable": "since", "end_variable": "until", "field": "playedAt"}


class _Graphql(SourceConformance):
    libraries = ("pandas", "aiohttp", "graphql", "gql")
    options: ClassVar[dict[str, Any]]

    @pytest.fixture(autouse=True)
    def _serve(self) -> Iterator[None]:
        with GraphqlApi() as self.server:
            yield
        forget_limits()

    def source(self, *, token: str = TOKEN, **options: Any) -> GraphqlSource:
        given = {**self.options, "batch_size": 10, **options}
        credentials = Credentials(host=f"{self.server.url}/graphql", password=SecretStr(token))
        return GraphqlSource(GraphqlConfig.model_validate(given), credentials=credentials)

    def make_source(self) -> GraphqlSource:
        return self.source()

    def make_bad_credentials(self) -> GraphqlSource:
        return self.source(token="wrong-token-31c4")


class TestIncremental(_Graphql):
    """A connection that takes the time of the last play."""

    options: ClassVar[dict[str, Any]] = {
        "query": PLAYS,
        "records": "plays.nodes",
        "pagination": RELAY,
        "incremental": INCREMENTAL,
    }
    expected_rows = 95

    def make_empty(self) -> GraphqlSource:
        self.server.plays.clear()
        return self.source()

    def add_more(self) -> int:
        return self.server.add(4)


class TestKeyed(_Graphql):
    """A connection under each of some artists, by edges; who is unknown is rejected."""

    options: ClassVar[dict[str, Any]] = {
        "query": """query ($id: ID!, $first: Int!, $after: String) {
          artist(id: $id) { plays(first: $first, after: $after) {
            edges { node { id number of { name ... on Artist { country } } } }
            pageInfo { hasNextPage endCursor } } } }""",
        "records": "artist.plays.edges.node", "pagination": RELAY,
        "key": "id", "keys": ["0", "1", "2", "77"], "key_column": "artist_id",
    }  # fmt: skip
    expected_rows = 95


class TestOffsets(_Graphql):
    """A list by offset and limit, without introspection."""

    options: ClassVar[dict[str, Any]] = {
        "query": """query ($offset: Int, $limit: Int) {
          tracks(offset: $offset, limit: $limit) { total items { id name price tags } } }""",
        "records": "tracks.items", "introspect": False,
        "pagination": {"kind": "offset", "limit": 10, "total": "tracks.total"},
    }  # fmt: skip
    expected_rows = 37
