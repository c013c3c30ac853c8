"""X and GraphQL through Airflow's connections: hooks, Test buttons, sensors, imports."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator

from airflow_provider_spotify.core.clients.http.limits import forget_limits
from airflow_provider_spotify.hooks.duckdb import DuckDBHook
from airflow_provider_spotify.hooks.graphql import GraphqlHook
from airflow_provider_spotify.hooks.twitter import TwitterHook
from airflow_provider_spotify.operators.api import GraphqlImportOperator, TwitterImportOperator
from airflow_provider_spotify.sensors.api import GraphqlReadySensor
from tests.services.graphql_api.server import TOKEN, GraphqlApi
from tests.services.twitter_api.server import BEARER, TwitterApi

Define = Callable[..., str]
QUERY = """query ($first: Int!, $after: String, $since: DateTime) {
  plays(first: $first, after: $after, since: $since) {
    nodes { id playedAt device } pageInfo { hasNextPage endCursor }
  }
}"""
PLAYS: dict[str, Any] = {
    "query": QUERY,
    "records": "plays.nodes",
    "pagination": {"kind": "relay", "size_variable": "first", "size": 20},
    "graphql_incremental": {"variable": "since", "field": "playedAt"},
}


@pytest.fixture
def x() -> Iterator[TwitterApi]:
    """Run X."""
    with TwitterApi(posts=60) as server:
        yield server
    forget_limits()


@pytest.fixture
def api() -> Iterator[GraphqlApi]:
    """Run a GraphQL endpoint."""
    with GraphqlApi(count=50) as server:
        yield server
    forget_limits()


@pytest.fixture
def twitter(x: TwitterApi, connection: Define) -> Callable[..., str]:
    """Return a function that defines a connection to X."""

    def define(token: str = BEARER) -> str:
        extra = json.dumps({"api_url": f"{x.url}/2"})
        return connection("posts", conn_type="twitter", password=token, extra=extra)

    return define


@pytest.fixture
def graphql(api: GraphqlApi, connection: Define) -> Callable[..., str]:
    """Return a function that defines a connection to the endpoint."""

    def define(token: str = TOKEN) -> str:
        host = f"{api.url}/graphql"
        return connection("plays", conn_type="graphql", host=host, password=token)

    return define


@pytest.fixture
def warehouse(tmp_path: Path, connection: Define) -> str:
    """Define a connection to a DuckDB file of this test; give its id."""
    return connection("warehouse", conn_type="duckdb", host=str(tmp_path / "w.duckdb"))


@pytest.fixture
def run(run_dag: Callable[..., Any]) -> Callable[..., str]:
    """Return a function that runs one operator as a DAG of its own, and gives the run's state."""

    def run_operator(build: Callable[[], BaseOperator]) -> str:
        with DAG("one", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
            build()
        return str(run_dag(dag).state.value)

    return run_operator


def test_test_buttons_sign_in(twitter: Callable[..., str], graphql: Callable[..., str]) -> None:
    """X tells the app's usage, which costs nothing; GraphQL answers with a type's name."""
    ok, message = TwitterHook(twitter()).test_connection()
    assert (ok, "posts of this month" in message) == (True, True), message
    ok, message = GraphqlHook(graphql()).test_connection()
    assert ok, message


def test_test_buttons_show_no_secret(
    twitter: Callable[..., str], graphql: Callable[..., str]
) -> None:
    """What is refused is said, and not shown."""
    for ok, message in (
        TwitterHook(twitter("wr0ng-wr0ng")).test_connection(),
        GraphqlHook(graphql("wr0ng-wr0ng")).test_connection(),
    ):
        assert not ok
        assert "credentials" in message
        assert "wr0ng" not in message


def test_a_budget_parts_a_search_into_runs(
    twitter: Callable[..., str], warehouse: str, run: Callable[..., str]
) -> None:
    """Each run ends well where its money does, and the next goes on: in the end all came once."""
    conn_id = twitter()

    def load() -> BaseOperator:
        return TwitterImportOperator(
            task_id="load",
            twitter_conn_id=conn_id,
            resource="search_recent",
            queries=["#live"],
            expand=[],
            budget={"cost": 0.2},
            destination=warehouse,
            table="posts",
        )

    counts = []
    for _ in range(2):
        assert run(load) == "success"
        sql = "SELECT count(*) AS n, count(DISTINCT id) AS d FROM posts"
        counts.append(DuckDBHook(warehouse).get_arrow(sql).to_pylist())
    assert counts == [[{"n": 40, "d": 40}], [{"n": 60, "d": 60}]]


def test_a_query_is_imported_and_waited_for(
    api: GraphqlApi, graphql: Callable[..., str], warehouse: str, run: Callable[..., str]
) -> None:
    """The operator imports typed rows; the sensor passes while there is something new."""
    conn_id = graphql()

    def wait() -> BaseOperator:
        return GraphqlReadySensor(
            task_id="wait", graphql_conn_id=conn_id, deferrable=False, **PLAYS
        )

    def load() -> BaseOperator:
        return GraphqlImportOperator(
            task_id="load", graphql_conn_id=conn_id, destination=warehouse, table="plays", **PLAYS
        )

    assert run(wait) == "success"
    assert run(load) == "success"
    api.add(3)
    assert run(load) == "success"
    sql = "SELECT count(*) AS n, typeof(any_value(played_at)) AS kind FROM plays"
    (found,) = DuckDBHook(warehouse).get_arrow(sql).to_pylist()
    assert found == {"n": 53, "kind": "TIMESTAMP WITH TIME ZONE"}
