"""What is special to GraphQL: progress by variables, and queries that cannot work."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from airflow_provider_spotify.core.config.problems import InvalidConfig
from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Chunk, Window
from airflow_provider_spotify.core.sources.api._graphql_config import GraphqlConfig
from airflow_provider_spotify.core.testing.sources import read
from tests.core.chunks import rows
from tests.core.config.tenants import compiled
from tests.core.sources.api.graphql_plays import PAGED, PLAYS, serving, source
from tests.services.graphql_api.server import GraphqlApi

api = pytest.fixture(serving)


def test_a_rising_number_is_gone_on_from(api: GraphqlApi) -> None:
    """``format: value`` sends the highest number; a window needs a time."""
    query = PLAYS.replace("$after: String)", "$after: String, $above: Int)")
    query = query.replace("after: $after)", "after: $after, above: $above)")
    query = query.replace("nodes { id", "nodes { number id")
    new = {"variable": "above", "field": "number", "format": "value"}
    options: dict[str, Any] = {**PAGED, "query": query, "incremental": new}
    last = read(source(api, **options))[-1].cursor
    api.add(2)
    assert [row["number"] for row in rows(read(source(api, **options), last))] == [95, 96]
    window = Window(start=datetime(2026, 1, 1, tzinfo=UTC), end=datetime(2026, 1, 2, tzinfo=UTC))
    with pytest.raises(ConfigurationError, match="no time"):
        asyncio.run(source(api, **options).is_ready(None, window))


def test_a_window_reads_its_rows_alone(api: GraphqlApi) -> None:
    """A window's bounds are the two variables, and hold whatever the cursor says."""
    query = """query ($first: Int!, $after: String, $since: DateTime, $until: DateTime) {
      plays(first: $first, after: $after, since: $since, until: $until) {
        nodes { id playedAt } pageInfo { hasNextPage endCursor } } }"""
    new = {"variable": "since", "end_variable": "until", "field": "playedAt"}
    one = source(api, **{**PAGED, "query": query, "incremental": new})
    start = datetime(2026, 1, 1, 0, 10, tzinfo=UTC)

    async def within() -> list[Chunk]:
        window = Window(start=start, end=start + timedelta(minutes=30))
        return [chunk async for chunk in one.read(None, window)]

    assert [row["id"] for row in rows(asyncio.run(within()))] == [
        f"p{n:04d}" for n in range(10, 40)
    ]


def test_get_asks_in_the_query(api: GraphqlApi) -> None:
    """With GET, query and variables stand in the address."""
    found = rows(read(source(api, method="GET", introspect=False, **PAGED)))
    assert len(found) == 95
    assert {call.method for call in api.calls} == {"GET"}


def test_the_test_button_asks_for_a_type_s_name(api: GraphqlApi) -> None:
    """check() sends ``{__typename}`` and says whether the token is accepted."""
    good = asyncio.run(source(api, **PAGED).check())
    bad = asyncio.run(source(api, token="nope-token-1", **PAGED).check())
    assert (good.ok, bad.ok) == (True, False)
    assert "credentials" in bad.message


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"query": "query {\n  plays(first: ) { nodes { id } }\n}"}, "line 2, column 16"),
        ({"query": "mutation { plays { nodes { id } } }"}, "is a mutation"),
        ({"query": "query A { a } query B { b }"}, "holds 2 operations"),
        ({"records": "plays.items"}, "records: query does not select plays.items"),
        ({"query": PLAYS.replace("endCursor", "")}, "does not select plays.pageInfo.endCursor"),
        ({"variables": {"frist": 3}}, r"no variable \$frist"),
        ({"query": PLAYS.replace("$after: String", "$after: String!")}, "declare it without !"),
        ({"pagination": {"kind": "none"}}, r"\$first needs a value"),
        ({"key": "id"}, "go together"),
        ({"headers": {"X-Api-Key": "k"}}, "looks like a secret"),
        ({"identity": ["uuid"]}, "does not select plays.nodes.uuid"),
        ({"query": PLAYS.replace("note", "...Gone")}, "no fragment 'Gone'"),
    ],
)
def test_a_query_that_cannot_work_is_refused_early(options: dict[str, Any], said: str) -> None:
    """Syntax, operation, variables, records, pages and fields are checked with the config."""
    with pytest.raises(ValidationError, match=said):
        GraphqlConfig.model_validate({**PAGED, **options})


def test_a_field_the_schema_lacks_is_named(api: GraphqlApi) -> None:
    """The endpoint's own schema says so before a page is asked for."""
    with pytest.raises(ConfigurationError, match=r"selects colour.*type Play"):
        read(source(api, **{**PAGED, "query": PLAYS.replace("note", "colour")}))
    assert len(api.calls) == 1


def test_a_syntax_error_is_placed_in_the_yaml() -> None:
    """The problem's line and column are those of the file, within the block of the query."""
    text = (
        "tenant: acme\nowner: data\ndestination: {type: duckdb, path: a.duckdb}\nimports:\n"
        "  plays:\n    source:\n      type: graphql\n      connection: acme__graphql\n"
        "      records: plays\n      query: |\n        query {\n          plays(first: ) { id }\n"
        "        }\n    table: plays\n"
    )
    with pytest.raises(InvalidConfig) as refused:
        compiled(text)
    problem = next(each for each in refused.value.problems if "query line" in each.message)
    assert (problem.line, problem.column) == (12, 24)
    assert "Unexpected ')'" in problem.message
