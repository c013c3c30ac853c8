"""Bodies that name a limit, whatever status they come with."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from airflow_provider_spotify.core.clients.http.client import RateLimited, Request, Response, Told
from airflow_provider_spotify.core.clients.http.errors import judge
from airflow_provider_spotify.core.clients.http.quota import exceeded
from airflow_provider_spotify.core.errors import (
    ConfigurationError,
    ForbiddenError,
    ImporterError,
    QuotaExhausted,
)

REQUEST = Request("GET", "https://api.example.com/items")


def answer(status: int, body: Any, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, named, orjson.dumps(body), REQUEST.url)


def google(reason: str, code: int = 403) -> dict[str, Any]:
    """Return an error of Google's older APIs."""
    item = {"domain": "usageLimits", "reason": reason, "message": "said in full"}
    return {"error": {"errors": [item], "code": code, "message": "said in full"}}


def newer(status: str, *details: dict[str, Any]) -> dict[str, Any]:
    """Return an error of Google's newer APIs."""
    return {"error": {"code": 429, "status": status, "message": "said", "details": [*details]}}


def meta(code: int, **more: Any) -> dict[str, Any]:
    error = {"message": "Application request limit reached", "type": "OAuthException"}
    return {"error": {**error, "code": code, "fbtrace_id": "AbC", **more}}


RATE = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "RATE_LIMIT_EXCEEDED"}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (403, google("rateLimitExceeded"), RateLimited),
        (403, google("userRateLimitExceeded"), RateLimited),
        (403, google("quotaExceeded"), QuotaExhausted),
        (403, google("dailyLimitExceeded"), QuotaExhausted),
        (403, google("insufficientPermissions"), ForbiddenError),
        (429, google("rateLimitExceeded", 429), RateLimited),
        (429, newer("RESOURCE_EXHAUSTED"), QuotaExhausted),
        (429, newer("RESOURCE_EXHAUSTED", RATE), RateLimited),
        (403, newer("PERMISSION_DENIED"), ForbiddenError),
        (400, meta(4), QuotaExhausted),
        (403, meta(17), QuotaExhausted),
        (400, meta(32), QuotaExhausted),
        (400, meta(613), QuotaExhausted),
        (400, meta(100), ConfigurationError),
        (400, {"error": {"code": 4, "message": "no such field"}}, ConfigurationError),
        (429, {"error": {"reason": "quota_exceeded"}}, QuotaExhausted),
        (429, {"reason": "QUOTA_EXCEEDED"}, QuotaExhausted),
        (403, ["rateLimitExceeded"], ForbiddenError),
    ],
)
def test_a_limit_is_never_taken_for_a_missing_permission(
    status: int, body: Any, kind: type[ImporterError]
) -> None:
    """Google and Meta say with 403 or 400 what others say with 429; the body tells."""
    error = judge(REQUEST, answer(status, body), max_wait=60, secrets=())
    assert type(error) is kind


def test_a_good_answer_about_quotas_is_no_error() -> None:
    """Only a refusal's body is read."""
    assert exceeded(answer(200, google("rateLimitExceeded"))) is None


@pytest.mark.parametrize(("reset", "kind"), [(30.0, RateLimited), (3600.0, QuotaExhausted)])
def test_a_refusal_without_retry_after_waits_for_the_reset_it_tells(
    reset: float, kind: type[ImporterError]
) -> None:
    """X sends no Retry-After, but when its window is renewed."""
    told = Told(remaining=0, reset=reset)
    error = judge(REQUEST, answer(429, {}), max_wait=60, secrets=(), told=told)
    assert type(error) is kind
    assert getattr(error, "retry_after", None) == reset
    given = answer(429, {}, retry_after="7")
    kept = judge(REQUEST, given, max_wait=60, secrets=(), told=told)
    assert getattr(kept, "retry_after", None) == 7
