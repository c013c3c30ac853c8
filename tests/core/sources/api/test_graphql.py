"""What is special to GraphQL: types by introspection, errors in answers, costs, checked queries."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pyarrow as pa
import pytest
from pydantic import SecretStr, ValidationError

from airflow_provider_spotify.core.clients.http.errors import NotFound, RateLimited
from airflow_provider_spotify.core.clients.http.limits import forget_limits
from airflow_provider_spotify.core.config.problems import InvalidConfig
from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    DataError,
    ForbiddenError,
    ImporterError,
    QuotaExhausted,
    TransientError,
)
from airflow_provider_spotify.core.model import Chunk, Credentials, Cursor, Window
from airflow_provider_spotify.core.sources.api._graphql_config import GraphqlConfig
from airflow_provider_spotify.core.sources.api._graphql_errors import learned, named
from airflow_provider_spotify.core.sources.api.graphql import GraphqlSource
from airflow_provider_spotify.core.testing.sources import read
from airflow_provider_spotify.core.usage import Budget, Usage
from tests.core.config.tenants import compiled
from tests.services.graphql_api.server import TOKEN, GraphqlApi

RELAY = {"kind": "relay", "size_variable": "first", "size": 20}
PLAYS = """query ($first: Int!, $after: String) {
  plays(first: $first, after: $after) {
    nodes { id note title }
    pageInfo { hasNextPage endCursor }
  }
}"""
PAGED: dict[str, Any] = {"query": PLAYS, "records": "plays.nodes", "pagination": RELAY}


@pytest.fixture
def api() -> Iterator[GraphqlApi]:
    with GraphqlApi() as server:
        yield server
    forget_limits()


def source(api: GraphqlApi, *, token: str = TOKEN, **options: Any) -> GraphqlSource:
    credentials = Credentials(host=f"{api.url}/graphql", password=SecretStr(token))
    config = GraphqlConfig.model_validate({"max_wait": "5s", **options})
    return GraphqlSource(config, credentials=credentials)


def rows(chunks: list[Chunk]) -> list[dict[str, Any]]:
    return [row for chunk in chunks for row in chunk.batch.to_pylist()]


def rejects(chunks: list[Chunk]) -> list[dict[str, Any]]:
    return [row for chunk in chunks if chunk.rejected for row in chunk.rejected.to_pylist()]


def until_error(
    one: GraphqlSource, since: Cursor | None = None
) -> tuple[list[Chunk], ImporterError | None]:
    """Read until the end or an error; return both."""

    async def collect() -> tuple[list[Chunk], ImporterError | None]:
        chunks: list[Chunk] = []
        try:
            async with aclosing(one.read(since)) as stream:  # type: ignore[type-var]
                async for chunk in stream:
                    chunks.append(chunk)
        except ImporterError as error:
            return chunks, error
        return chunks, None

    return asyncio.run(collect())


# ---- types -------------------------------------------------------------------------------------

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
    assert {each["column_name"] for each in rejects(chunks)} == {"price"}
    assert len(rejects(chunks)) == 27


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


# ---- errors ------------------------------------------------------------------------------------


def test_an_error_in_a_record_fails_or_rejects_it(api: GraphqlApi) -> None:
    """By default the run fails; with ``reject`` the record alone is missing, and says why."""
    api.broken = {"p0003", "p0040"}
    with pytest.raises(DataError, match=r"note is locked.*FORBIDDEN.*partial_errors"):
        read(source(api, **PAGED))
    chunks = read(source(api, partial_errors="reject", **PAGED))
    assert len(rows(chunks)) == 93
    gone = rejects(chunks)
    assert [orjson.loads(each["record"])["id"] for each in gone] == ["p0003", "p0040"]
    assert gone[0]["location"] == "records at plays.nodes.3.note"


@pytest.mark.parametrize("way", ["nodes { id title }", "edges { node { id title } }"])
def test_a_record_that_an_error_made_null_is_rejected(api: GraphqlApi, way: str) -> None:
    """A field that is never null takes its record with it; the place is told."""
    api.lost = {"p0005"}
    query = PLAYS.replace("nodes { id note title }", way)
    path = "plays.nodes" if way.startswith("nodes") else "plays.edges.node"
    chunks = read(source(api, query=query, records=path, pagination=RELAY, partial_errors="reject"))
    assert len(rows(chunks)) == 94
    (gone,) = rejects(chunks)
    assert "title is gone" in gone["reason"]
    assert orjson.loads(gone["record"])["path"][2] == 5


def test_an_unknown_key_is_rejected(api: GraphqlApi) -> None:
    """An object that is null under one key hides no other; without a key it is an error."""
    query = "query ($id: ID!) { artist(id: $id) { plays(first: 3) { nodes { id } } } }"
    options: dict[str, Any] = {"query": query, "records": "artist.plays.nodes"}
    chunks = read(source(api, key="id", keys=["9", "1"], key_column="of", **options))
    assert len(rows(chunks)) == 3
    assert [each["reason"] for each in rejects(chunks)] == ["not found"]
    with pytest.raises(ConfigurationError, match="artist is null"):
        read(source(api, variables={"id": "9"}, **options))


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("UNAUTHENTICATED", AuthenticationError),
        ("FORBIDDEN", ForbiddenError),
        ("THROTTLED", RateLimited),
        ("RATE_LIMITED", RateLimited),
        ("BAD_USER_INPUT", ConfigurationError),
        ("MAX_NODE_LIMIT_EXCEEDED", ConfigurationError),
        ("INTERNAL_SERVER_ERROR", TransientError),
        ("SOMETHING_ELSE", None),
    ],
)
def test_codes_say_what_to_do(code: str, kind: type[ImporterError] | None) -> None:
    """``extensions.code`` of Apollo and ``type`` of GitHub become the house's errors."""
    for error in ({"extensions": {"code": code}}, {"type": code}):
        found = named({"errors": [{"message": "no", **error}]}, root="plays")
        assert (type(found) if found else None) in (kind, *(kind.__subclasses__() if kind else ()))


def test_what_stands_beside_the_records_is_no_data() -> None:
    """A repository that is not found is that, though rateLimit was answered."""
    error = {"message": "no", "type": "NOT_FOUND", "path": ["repository"]}
    body = {"data": {"repository": None, "rateLimit": {"cost": 1}}, "errors": [error]}
    assert isinstance(named(body, root="repository"), NotFound)
    assert named(body, root="rateLimit") is None


def test_a_rate_limit_with_status_200_waits_for_its_header(api: GraphqlApi) -> None:
    """GitHub says RATE_LIMITED in the body, and when it ends in a header."""
    body = {"errors": [{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}]}
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(time.time()) + 900)}
    api.fault("object", "/graphql", after=1, body=body, headers=headers)
    chunks, error = until_error(source(api, introspect=False, **PAGED))
    assert isinstance(error, QuotaExhausted)
    assert error.retry_after is not None
    assert 850 < error.retry_after <= 901
    assert len(rows(chunks)) == 20


def test_a_timeout_without_a_code_is_tried_again() -> None:
    """GitHub says it in words only."""
    body = {"errors": [{"message": "Something went wrong while executing your query. …"}]}
    assert isinstance(named(body, root="plays"), TransientError)


# ---- costs -------------------------------------------------------------------------------------


def test_a_bucket_of_points_is_waited_for(api: GraphqlApi) -> None:
    """Shopify's throttle status tells how long; everything is read, once."""
    api.points, api.most_points, api.rate = 45.0, 60.0, 200.0
    one = source(api, introspect=False, **PAGED)
    assert len(rows(read(one))) == 95
    assert one.usage.waited > 0


def test_what_a_body_tells_of_its_limit() -> None:
    """Points become requests like this one; the time is when one more is paid for."""
    status = {"maximumAvailable": 1000, "currentlyAvailable": 40, "restoreRate": 50}
    cost = {"requestedQueryCost": 100, "throttleStatus": status}
    told = learned({"extensions": {"cost": cost}}, quota=None)
    assert told is not None
    assert (told.remaining, told.limit) == (0, 10)
    assert told.reset == pytest.approx(1.2)
    until = (datetime.now(UTC) + timedelta(seconds=90)).isoformat()
    body = {"data": {"rateLimit": {"cost": 5, "limit": 5000, "remaining": 23, "resetAt": until}}}
    told = learned(body, quota="rateLimit")
    assert told is not None
    assert (told.remaining, told.limit) == (4, 1000)
    assert 85 < (told.reset or 0) <= 90
    assert learned(body, quota=None) is None


def test_a_quota_that_is_used_up_ends_the_run(api: GraphqlApi) -> None:
    """At nothing left the next request is not sent; what came is kept."""
    api.remaining = 2
    query = PLAYS.replace("pageInfo", "x: __typename pageInfo").rstrip()[:-1]
    query += "  rateLimit { cost limit remaining resetAt } }"
    options: dict[str, Any] = {**PAGED, "query": query, "quota": "rateLimit", "introspect": False}
    chunks, error = until_error(source(api, **options))
    assert isinstance(error, QuotaExhausted)
    assert len(rows(chunks)) == 40
    assert len(api.calls) == 2


def test_a_budget_stops_the_pages(api: GraphqlApi) -> None:
    """Fifty records are not exceeded, and the next run goes on."""
    one = source(api, introspect=False, **PAGED)
    one.usage = Usage(budget=Budget(records=50))
    chunks, _ = until_error(one)
    assert len(rows(chunks)) == 50
    rest = read(source(api, introspect=False, **PAGED), chunks[-1].cursor)
    assert len(rows(chunks + rest)) == 95


# ---- progress ----------------------------------------------------------------------------------


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


# ---- queries that cannot work -----------------------------------------------------------------


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
