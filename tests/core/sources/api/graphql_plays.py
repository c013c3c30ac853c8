"""Plays of a local GraphQL endpoint, and sources that read them, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import SecretStr

from airflow_provider_spotify.core.clients.http.limits import forget_limits
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sources.api._graphql_config import GraphqlConfig
from airflow_provider_spotify.core.sources.api.graphql import GraphqlSource
from tests.services.graphql_api.server import TOKEN, GraphqlApi

RELAY = {"kind": "relay", "size_variable": "first", "size": 20}
PLAYS = """query ($first: Int!, $after: String) {
  plays(first: $first, after: $after) {
    nodes { id note title }
    pageInfo { hasNextPage endCursor }
  }
}"""
PAGED: dict[str, Any] = {"query": PLAYS, "records": "plays.nodes", "pagination": RELAY}


def serving() -> Iterator[GraphqlApi]:
    """Give an endpoint of this test alone; a module's fixture ``api``."""
    with GraphqlApi() as server:
        yield server
    forget_limits()


def source(api: GraphqlApi, *, token: str = TOKEN, **options: Any) -> GraphqlSource:
    credentials = Credentials(host=f"{api.url}/graphql", password=SecretStr(token))
    config = GraphqlConfig.model_validate({"max_wait": "5s", **options})
    return GraphqlSource(config, credentials=credentials)
