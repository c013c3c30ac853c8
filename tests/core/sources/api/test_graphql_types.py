"""GraphQL's columns are typed by the endpoint's schema, where it shows one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from airflow_provider_spotify.core.errors import ConfigurationError, TransientError
from airflow_provider_spotify.core.testing.sources import read
from tests.core.chunks import rejected, rows, until_error
from tests.core.sources.api.graphql_plays import PAGED, RELAY, serving, source
from tests.services.graphql_api.server import GraphqlApi

api = pytest.fixture(serving)
TYPED = """query ($first: Int!, $after: String) {
  plays(first: $first, after: $after) {
    nodes {
      ...Basics
      who: of { __typename name ... on Artist { country } }
      track { seconds price tags }
    }
    pageInfo { hasNextPage endCursor }
  }
}
fragment Basics on Play { id number playedAt device score skipped }"""


def test_columns_are_typed_by_the_schema(api: GraphqlApi) -> None:
    """Scalars, enums, lists and objects through fragments and aliases get the schema's types."""
    one = source(
        api, query=TYPED, records="plays.nodes", pagination=RELAY, scalars={"Money": "double"}
    )
    schema = read(one)[0].batch.schema
    who = pa.struct([("__typename", pa.string()), ("name", pa.string()), ("country", pa.string())])
    track = pa.struct(
        [("seconds", pa.int64()), ("price", pa.float64()), ("tags", pa.list_(pa.string()))]
    )
    assert schema == pa.schema(
        [
            ("id", pa.string()),
            ("number", pa.int64()),
            ("playedAt", pa.timestamp("us", "UTC")),
            ("device", pa.string()),
            ("score", pa.float64()),
            ("skipped", pa.bool_()),
            ("who", who),
            ("track", track),
        ]
    )


def test_typed_values_are_the_server_s(api: GraphqlApi) -> None:
    """Times are instants, money text becomes numbers, what is null stays null."""
    one = source(
        api, query=TYPED, records="plays.nodes", pagination=RELAY, scalars={"Money": "double"}
    )
    found = rows(read(one))
    assert len(found) == 95
    assert found[1]["playedAt"] == datetime(2026, 1, 1, 0, 1, 0, 1, tzinfo=UTC)
    assert found[1]["track"] == {"seconds": 101, "price": 1.5, "tags": ["live"]}
    assert found[9]["track"] is None
    assert found[0]["who"] == {"__typename": "Artist", "name": "Artist 0 ♫", "country": None}


def test_an_endpoint_that_hides_its_schema_is_read_by_values(api: GraphqlApi) -> None:
    """By default types are then inferred; where introspection is demanded it is an error."""
    api.introspection = False
    options: dict[str, Any] = {"query": TYPED, "records": "plays.nodes", "pagination": RELAY}
    first = read(source(api, **options))[0].batch
    assert first.schema.field("playedAt").type == pa.string()
    assert first.schema.field("number").type == pa.int64()
    with pytest.raises(ConfigurationError, match="introspection"):
        read(source(api, introspect=True, **options))


def test_a_failing_schema_is_no_hidden_one(api: GraphqlApi) -> None:
    """Where introspection fails for a moment, columns do not change their types: it is an error."""
    api.fault("unavailable", "/graphql", times=9)
    _, error = until_error(source(api, retry_attempts=1, **PAGED))
    assert isinstance(error, TransientError)


def test_a_value_against_the_schema_rejects_its_record(api: GraphqlApi) -> None:
    """A scalar that is not what the config says is rejected with its column."""
    query = "query ($offset: Int, $limit: Int) { tracks(offset: $offset, limit: $limit) {"
    query += " items { id price } total } }"
    one = source(
        api,
        query=query,
        records="tracks.items",
        scalars={"Money": "bigint"},
        pagination={"kind": "offset", "limit": 10, "total": "tracks.total"},
    )
    chunks = read(one)
    assert len(rows(chunks)) == 10
    assert {each["column_name"] for each in rejected(chunks)} == {"price"}
    assert len(rejected(chunks)) == 27


def test_keys_are_typed_as_their_variable(api: GraphqlApi) -> None:
    """An Int variable gets numbers, and the key stands in a column of its own."""
    one = source(
        api,
        query="query ($year: Int!) { chart(year: $year) { id } }",
        records="chart",
        key="year",
        keys=["2024", "2025"],
    )
    found = rows(read(one))
    assert [(row["year"], row["id"]) for row in found[4:6]] == [(2024, "t4"), (2025, "t0")]
    with pytest.raises(ConfigurationError, match="'soon' is no Int"):
        read(one.narrowed(keys=["soon"]))
