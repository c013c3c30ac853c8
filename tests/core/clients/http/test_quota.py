"""Bodies that name a limit, whatever status they come with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from airflow_provider_spotify.core.clients.http.client import (
    HttpClient,
    HttpSettings,
    RateLimited,
    Request,
    Response,
    Told,
)
from airflow_provider_spotify.core.clients.http.errors import judge
from airflow_provider_spotify.core.clients.http.limits import forget_limits
from airflow_provider_spotify.core.clients.http.quota import exceeded
from airflow_provider_spotify.core.errors import (
    ConfigurationError,
    ForbiddenError,
    ImporterError,
    QuotaExhausted,
)
from tests.services.http_server import Fault, HttpServer

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


DAILY = Fault(403, body=google("dailyLimitExceeded"))


@pytest.fixture
def server() -> Iterator[HttpServer]:
    forget_limits()
    with HttpServer() as server:
        server.answers["/items"] = server.answers["/others"] = {"items": []}
        yield server


def settings(server: HttpServer, **more: Any) -> HttpSettings:
    return HttpSettings.model_validate({"base_url": server.url, **more})


@pytest.mark.parametrize(("more", "wait"), [({}, 3600), ({"quota_wait": "20m"}, 1200)])
async def test_a_quota_that_says_no_end_is_asked_again_after_a_time(
    server: HttpServer, more: dict[str, Any], wait: int
) -> None:
    """Without a time the task could not be put off; it would fail, or ask again at once."""
    server.plan("/items", DAILY)
    async with HttpClient(settings(server, **more)) as http:
        with pytest.raises(QuotaExhausted) as caught:
            await http.get_json("items")
    assert caught.value.retry_after == wait
    assert "403 (said in full); the quota is used up; the API does not say" in str(caught.value)
    assert f"asked again in {wait} s" in str(caught.value)
    assert len(server.asked("/items")) == 1


async def test_a_guessed_end_holds_back_no_other_request(server: HttpServer) -> None:
    """What else the credential may still ask for, and what is free again earlier, is asked for."""
    server.plan("/items", DAILY)
    async with HttpClient(settings(server)) as http:
        with pytest.raises(QuotaExhausted):
            await http.get_json("items")
        assert await http.get_json("others") == {"items": []}
        assert await http.get_json("items") == {"items": []}


async def test_an_end_that_was_told_is_kept_and_holds_back_the_others(server: HttpServer) -> None:
    """No guess replaces what the API knows."""
    server.plan("/items", Fault(403, {"Retry-After": "7200"}, google("dailyLimitExceeded")))
    async with HttpClient(settings(server)) as http:
        for path in ("items", "others"):
            with pytest.raises(QuotaExhausted) as caught:
                await http.get_json(path)
            assert caught.value.retry_after == pytest.approx(7200, abs=60)
            assert "does not say" not in str(caught.value)
    assert server.asked("/others") == []


async def test_a_quota_that_classify_names_without_an_end_gets_one_too(server: HttpServer) -> None:
    """So no source can forget it."""
    server.answers["/items"] = {"error": "no more today"}

    def classify(response: Response) -> ImporterError | None:
        return QuotaExhausted("no more today") if b"no more" in response.body else None

    async with HttpClient(settings(server), classify=classify) as http:
        with pytest.raises(QuotaExhausted, match="no more today; the API does not say") as caught:
            await http.get_json("items")
    assert caught.value.retry_after == 3600
