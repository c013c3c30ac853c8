"""What GraphQL requests cost: points are waited for, quotas and budgets kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_spotify.core.errors import QuotaExhausted
from airflow_provider_spotify.core.sources.api._graphql_errors import learned
from airflow_provider_spotify.core.testing.sources import read
from airflow_provider_spotify.core.usage import Budget, Usage
from tests.core.chunks import rows, until_error
from tests.core.sources.api.graphql_plays import PAGED, PLAYS, serving, source
from tests.services.graphql_api.server import GraphqlApi

api = pytest.fixture(serving)


def test_a_bucket_of_points_is_waited_for(api: GraphqlApi) -> None:
    """Shopify's throttle status tells how long; everything is read, once, and refused once."""
    api.points, api.most_points, api.rate = 0.0, 60.0, 200.0
    one = source(api, introspect=False, **PAGED)
    assert len(rows(read(one))) == 95
    assert one.usage.waited > 0
    assert one.usage.retries == 1


def test_what_a_body_tells_of_its_limit() -> None:
    """Points become requests like this one; the time is when one more is paid for."""
    status = {"maximumAvailable": 1000, "currentlyAvailable": 40, "restoreRate": 50}
    cost = {"requestedQueryCost": 100, "throttleStatus": status}
    told = learned({"extensions": {"cost": cost}}, quota=None)
    assert told is not None
    assert (told.remaining, told.limit) == (0, 10)
    assert told.reset == pytest.approx(1.2)
    now = datetime.now(UTC)
    until = (now + timedelta(seconds=90)).isoformat()
    body = {"data": {"rateLimit": {"cost": 5, "limit": 5000, "remaining": 23, "resetAt": until}}}
    told = learned(body, quota="rateLimit")
    assert told is not None
    assert (told.remaining, told.limit) == (4, 1000)
    passed = (datetime.now(UTC) - now).total_seconds()
    assert told.reset is not None
    assert 90 - passed <= told.reset <= 90
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
