"""The quota of a Google Analytics property: counted in requests, and never overdrawn."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from functools import partial
from typing import Any

import orjson
import pytest

from airflow_provider_spotify.core.clients.http.limits import forget_limits
from airflow_provider_spotify.core.clients.http.messages import Response
from airflow_provider_spotify.core.errors import QuotaExhausted, TransientError
from airflow_provider_spotify.core.sources.analytics import _google_analytics_quota as quotas
from airflow_provider_spotify.core.testing.sources import read
from tests.core.chunks import rows as listed
from tests.core.sources.analytics.report_calls import asked, serving
from tests.core.sources.analytics.reports import analytics
from tests.services.google_analytics_api.server import PROPERTY, GoogleAnalyticsApi

api = pytest.fixture(serving)
NOW = datetime(2026, 11, 22, 23, 15, tzinfo=UTC)  # 15:15 in California


def told(**quota: Any) -> Response:
    body = orjson.dumps({"kind": "analyticsData#runReport", "propertyQuota": quota})
    return Response(200, {"content-type": "application/json"}, body, "https://x/y")


def test_tokens_are_counted_in_requests_like_the_last_one() -> None:
    """4,000 tokens are good for 40 requests of 100; the hour's end renews them."""
    found = quotas.quota(told(tokensPerHour={"consumed": 100, "remaining": 4000}), NOW)
    assert found is not None
    assert (found.remaining, found.reset) == (40, 45 * 60)
    day = quotas.quota(
        told(
            tokensPerDay={"consumed": 100},  # 0 remaining is left out of the JSON
            tokensPerHour={"consumed": 100, "remaining": 4000},
        ),
        NOW,
    )
    assert day is not None
    assert (day.remaining, day.reset) == (0, (8 * 60 + 45) * 60)


def test_asking_stops_before_server_errors_block_the_property() -> None:
    """With two of ten errors left, nothing more is asked in this hour."""
    tokens = {"consumed": 1, "remaining": 4000}
    for left, remaining in ((3, 4000), (2, 0), (0, 0)):
        errors = {"remaining": left} if left else {}
        found = quotas.quota(told(tokensPerHour=tokens, serverErrorsPerProjectPerHour=errors), NOW)
        assert found is not None
        assert found.remaining == remaining


def test_requests_that_may_be_thresholded_have_a_quota_of_their_own() -> None:
    """It counts where this request used it."""
    tokens = {"consumed": 1, "remaining": 4000}
    for consumed, remaining in ((1, 7), (0, 4000)):
        used = {"consumed": consumed, "remaining": 7} if consumed else {"remaining": 7}
        found = quotas.quota(
            told(tokensPerHour=tokens, potentiallyThresholdedRequestsPerHour=used), NOW
        )
        assert found is not None
        assert found.remaining == remaining


@pytest.mark.parametrize(
    ("message", "wait"),
    [
        ("Exhausted property tokens for a project per hour. These quota tokens will return in"
         " under an hour.", 45 * 60),
        ("Exhausted property tokens per day. These quota tokens will return in under 24 hours.",
         (8 * 60 + 45) * 60),
    ],
)  # fmt: skip
def test_spent_tokens_free_the_worker_until_they_return(message: str, wait: float) -> None:
    """The wait is until the hour or the day, by Pacific time, turns."""
    error = {"code": 429, "message": message, "status": "RESOURCE_EXHAUSTED"}
    found = quotas.exhausted(_refusal(error), NOW)
    assert isinstance(found, QuotaExhausted)
    assert found.retry_after == wait


@pytest.mark.parametrize(
    "error",
    [
        {"message": "Exhausted concurrent requests quota."},
        {"message": "Quota exceeded", "details": [{"reason": "RATE_LIMIT_EXCEEDED"}]},
    ],
)
def test_too_many_at_once_are_asked_again(error: dict[str, Any]) -> None:
    """That is no spent quota: it passes within a minute."""
    found = quotas.exhausted(_refusal({**error, "status": "RESOURCE_EXHAUSTED"}), NOW)
    assert isinstance(found, TransientError)
    assert not isinstance(found, QuotaExhausted)
    assert quotas.exhausted(_refusal({"message": "no", "status": "PERMISSION_DENIED"})) is None


def _refusal(error: dict[str, Any]) -> Response:
    body = orjson.dumps({"error": error})
    return Response(429, {"content-type": "application/json"}, body, "https://x/y")


def test_a_spent_quota_ends_the_run_with_a_cursor(
    api: GoogleAnalyticsApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With no token left the next request is not even sent; the rest comes later."""
    source = analytics(api, concurrency=1, days_per_request=3, max_wait="100ms")
    # At the very end of an hour there would be nothing to wait for.
    monkeypatch.setattr(source, "learn", partial(quotas.quota, now=NOW))
    whole = len(listed(read(analytics(api, days_per_request=3))))
    forget_limits()
    api.properties[PROPERTY].tokens["tokensPerHour"] = 10
    chunks: list[Any] = []

    async def collect() -> None:
        async for chunk in source.read(None):
            chunks.append(chunk)

    sent = len(asked(api))
    with pytest.raises(QuotaExhausted) as caught:
        asyncio.run(collect())
    assert 0 < (caught.value.retry_after or 0) <= 45 * 60
    assert len(asked(api)) - sent == 2
    api.properties[PROPERTY].tokens.clear()
    forget_limits()
    rest = listed(read(analytics(api, days_per_request=3), chunks[-1].cursor))
    assert len(listed(chunks)) + len(rest) == whole


def test_a_server_error_is_tried_twice_and_no_more(api: GoogleAnalyticsApi) -> None:
    """Ten of them in an hour would block the property."""
    api.fault("unavailable", ":runReport", times=100)
    with pytest.raises(TransientError):
        read(analytics(api, concurrency=1, retry_attempts=5))
    assert len([c for c in api.asked("/v1beta") if c.path.endswith(":runReport")]) == 2
