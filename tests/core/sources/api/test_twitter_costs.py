"""What reading X costs: limits, caps, prices, budgets and estimates."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import pytest

from airflow_provider_spotify.core.clients.http.limits import forget_limits
from airflow_provider_spotify.core.errors import BudgetSpent, QuotaExhausted
from airflow_provider_spotify.core.testing.sources import read
from airflow_provider_spotify.core.usage import Budget, Usage
from tests.core.chunks import rows, until_error
from tests.core.sources.api.twitter_live import LIVE, serving, source
from tests.services.twitter_api.server import TwitterApi

x = pytest.fixture(serving)


def test_a_used_up_cap_is_a_quota(x: TwitterApi) -> None:
    """429 usage-capped ends the run at once; a rate that is too high is waited for."""
    cap = {"title": "UsageCapExceeded", "period": "Monthly", "scope": "Product", "status": 429,
           "type": "https://api.x.com/2/problems/usage-capped",
           "detail": "Usage cap exceeded: Monthly product cap"}  # fmt: skip
    x.fault("rate", "/search", after=1, body=cap)
    chunks, error = until_error(source(x, **LIVE))
    assert isinstance(error, QuotaExhausted)
    assert error.retry_after == 86400
    assert len(x.calls) == 2
    assert len(rows(chunks)) == 100
    forget_limits()
    rest = read(source(x, **LIVE), chunks[-1].cursor)
    assert len(rows(chunks + rest)) == 120


def test_spent_credits_are_a_quota(x: TwitterApi) -> None:
    """402 says that the app's credits are used up, and what to do."""
    body = {"title": "CreditsDepleted", "detail": "no credits", "type": "about:blank"}
    x.fault("unavailable", "/search", status=402, body=body)
    _, error = until_error(source(x, **LIVE))
    assert isinstance(error, QuotaExhausted)
    assert "console.x.com" in str(error)


def test_the_rate_header_says_how_long_to_wait(x: TwitterApi) -> None:
    """Without Retry-After the reset header counts, and what came before is kept."""
    x.limits[0].count = 1
    chunks, error = until_error(source(x, **LIVE))
    assert isinstance(error, QuotaExhausted)
    assert error.retry_after is not None
    assert 800 < error.retry_after <= 902
    assert len(rows(chunks)) == 100


def test_each_endpoint_has_a_limit_of_its_own(x: TwitterApi) -> None:
    """Where a search is at its limit, another endpoint is read all the same."""
    x.limits[0].count = 1
    until_error(source(x, **LIVE))
    assert len(rows(read(source(x, resource="list_posts", ids=["7"])))) == 120


def test_a_budget_stops_before_it_is_overdrawn(x: TwitterApi) -> None:
    """Twenty cents read what they pay for; the next run goes on there, until all came once."""
    found: list[dict[str, Any]] = []
    since, runs = None, 0
    while runs < 20:
        one = source(x, expand=[], **LIVE)
        one.usage = Usage(budget=Budget(cost=0.2))
        chunks, error = until_error(one, since)
        found += rows(chunks)
        runs += 1
        assert one.usage.cost <= 0.2 + 9 * 0.005  # a search gives no fewer than ten
        if error is None:
            break
        assert isinstance(error, BudgetSpent)
        since = chunks[-1].cursor
    assert runs == 3
    assert sorted(row["id"] for row in found) == sorted(post["id"] for post in x.world.posts)


def test_a_budget_covers_what_is_joined_in(x: TwitterApi) -> None:
    """A page is so small that its authors, posts and media are paid for, too."""
    one = source(x, **LIVE)
    one.usage = Usage(budget=Budget(cost=0.6))
    chunks, error = until_error(one)
    assert isinstance(error, BudgetSpent)
    assert 0.5 < one.usage.cost <= 0.6 + 10 * 0.025
    assert 24 <= len(rows(chunks)) < 100


def test_what_is_joined_in_costs_too(x: TwitterApi) -> None:
    """Users and media are billed once; posts alone cost half a cent, owned ones a tenth."""
    bare, whole = source(x, expand=[], **LIVE), source(x, **LIVE)
    own = source(x, resource="user_posts", ids=["1001"], owned=True, expand=[])
    found = rows(read(bare))
    read(whole)
    count = len(rows(read(own)))
    authors = len({row["author_id"] for row in found})
    media = len(x.world.media)
    assert bare.usage.cost == pytest.approx(120 * 0.005)
    assert whole.usage.cost == pytest.approx(120 * 0.005 + authors * 0.010 + media * 0.005)
    assert own.usage.cost == pytest.approx(count * 0.001)


def test_counts_cost_a_request(x: TwitterApi) -> None:
    """A week by hour is one request of half a cent; its sum is what there is."""
    one = source(x, resource="counts_recent_by_hour", queries=["#live"])
    found = rows(read(one))
    assert one.usage.cost == pytest.approx(0.005)
    assert 160 <= len(found) <= 168
    settled = found[-1]["end"]
    posts = [p for p in x.world.posts if datetime.fromisoformat(p["created_at"]) < settled]
    assert sum(row["posts"] for row in found) == len(posts)
    assert found[0]["query"] == "#live"


def test_counts_stop_at_the_budget(x: TwitterApi) -> None:
    """A request that the budget does not cover is not sent."""
    one = source(x, resource="counts_recent_by_day", queries=["a", "b", "c"], concurrency=1)
    one.usage = Usage(budget=Budget(cost=0.01))
    chunks, error = until_error(one)
    assert isinstance(error, BudgetSpent)
    assert len(x.calls) == 2
    assert {row["query"] for row in rows(chunks)} == {"a", "b"}


def test_estimates_ask_nothing_that_is_billed(x: TwitterApi) -> None:
    """Lookups are known, timelines bounded, searches unknown: unless counting is allowed."""
    lookup = asyncio.run(source(x, resource="users", ids=["1", "2"]).estimate(None))
    timeline = asyncio.run(source(x, resource="user_posts", ids=["1"]).estimate(None))
    search = asyncio.run(source(x, **LIVE).estimate(None))
    assert lookup is not None
    assert (lookup.requests, lookup.records) == (1, 2)
    assert lookup.cost == pytest.approx(0.02)
    assert timeline is not None
    assert timeline.records == 3200
    assert timeline.cost == pytest.approx(16.0)
    assert search is None
    assert x.calls == []
    counted = asyncio.run(source(x, estimate_by_counts=True, **LIVE).estimate(None))
    assert counted is not None
    assert (counted.records, counted.requests, counted.exact) == (120, 2, True)


def test_looking_for_something_new_reads_little(x: TwitterApi) -> None:
    """is_ready asks for the fewest posts that a search gives, and counts them nowhere."""
    one = source(x, resource="search_recent", queries=["#live", "rain", "bass"])
    assert asyncio.run(one.is_ready(None)) is True
    assert [call.query["max_results"] for call in x.calls] == ["10"]
    assert one.usage.records == 0
