"""Errors inside of GraphQL's answers: of a record, of a request, and of a limit."""

from __future__ import annotations

import time
from typing import Any

import orjson
import pytest

from airflow_provider_spotify.core.clients.http.errors import NotFound, RateLimited
from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    DataError,
    ForbiddenError,
    ImporterError,
    QuotaExhausted,
    TransientError,
)
from airflow_provider_spotify.core.sources.api._graphql_errors import named
from airflow_provider_spotify.core.testing.sources import read
from tests.core.chunks import rejected, rows, until_error
from tests.core.sources.api.graphql_plays import PAGED, PLAYS, RELAY, serving, source
from tests.services.graphql_api.server import GraphqlApi

api = pytest.fixture(serving)


def test_an_error_in_a_record_fails_or_rejects_it(api: GraphqlApi) -> None:
    """By default the run fails; with ``reject`` the record alone is missing, and says why."""
    api.broken = {"p0003", "p0040"}
    with pytest.raises(DataError, match=r"note is locked.*FORBIDDEN.*partial_errors"):
        read(source(api, **PAGED))
    chunks = read(source(api, partial_errors="reject", **PAGED))
    assert len(rows(chunks)) == 93
    gone = rejected(chunks)
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
    (gone,) = rejected(chunks)
    assert "title is gone" in gone["reason"]
    assert orjson.loads(gone["record"])["path"][2] == 5


def test_an_unknown_key_is_rejected(api: GraphqlApi) -> None:
    """An object that is null under one key hides no other; without a key it is an error."""
    query = "query ($id: ID!) { artist(id: $id) { plays(first: 3) { nodes { id } } } }"
    options: dict[str, Any] = {"query": query, "records": "artist.plays.nodes"}
    chunks = read(source(api, key="id", keys=["9", "1"], key_column="of", **options))
    assert len(rows(chunks)) == 3
    assert [each["reason"] for each in rejected(chunks)] == ["not found"]
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
