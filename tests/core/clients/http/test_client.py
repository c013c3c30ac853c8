"""The HTTP client against a real server that misbehaves."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from airflow_provider_spotify.core.clients.http.auth import ApiKeyAuth, BearerAuth
from airflow_provider_spotify.core.clients.http.client import HttpClient, HttpSettings, NotFound
from airflow_provider_spotify.core.clients.http.limits import forget_limits
from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    DataError,
    ForbiddenError,
    QuotaExhausted,
    TransientError,
)
from tests.services.http_server import Fault, HttpServer, redirect, too_many

SECRET = "s3cr3t/key+value"


@pytest.fixture
def server() -> Iterator[HttpServer]:
    forget_limits()
    with HttpServer() as server:
        server.answers["/v1/items"] = {"items": [1, 2, 3]}
        yield server


def client(server: HttpServer, **options: Any) -> HttpClient:
    extra = {k: options.pop(k) for k in ("auth", "tenant", "classify") if k in options}
    settings = {"base_url": f"{server.url}/v1", "timeout": "60s", **options}
    return HttpClient(HttpSettings.model_validate(settings), **extra)


async def test_a_path_is_appended_to_the_base_url_with_escaped_parameters(server):
    server.answers["/v1/items"] = lambda request: dict(request.query)
    async with client(server) as http:
        found = await http.get_json("/items", params={"q": "é &=+", "on": True, "none": None})
    assert found == {"q": "é &=+", "on": "true"}


async def test_a_next_url_keeps_its_own_escapes(server):
    async with client(server) as http:
        await http.request("GET", f"{server.url}/v1/items?cursor=a%2Fb%3D%3D&x=%2B")
    assert server.seen[0].query == {"cursor": "a/b==", "x": "+"}


@pytest.mark.parametrize("status", [408, 425, 500, 502, 503, 504])
async def test_a_passing_server_error_is_tried_again(server, status):
    server.plan("/v1/items", Fault(status))
    async with client(server) as http:
        assert await http.get_json("items") == {"items": [1, 2, 3]}
        assert http.usage.retries == 1
        assert http.usage.requests == 2


@pytest.mark.parametrize("how", ["truncated", "drop"])
async def test_a_body_or_connection_that_breaks_off_is_asked_for_again(server, how):
    # aiohttp itself repeats an idempotent request once when the connection drops.
    times = 2 if how == "drop" else 1
    server.plan("/v1/items", *[Fault(body={"items": [1, 2, 3]}, how=how)] * times)
    async with client(server) as http:
        assert await http.get_json("items") == {"items": [1, 2, 3]}
        assert http.usage.retries == 1


async def test_json_that_is_cut_inside_a_whole_body_is_asked_for_again(server):
    server.plan("/v1/items", Fault(body=b'{"items": [1, 2'))
    async with client(server) as http:
        assert await http.get_json("items") == {"items": [1, 2, 3]}


async def test_a_server_that_drips_bytes_does_not_hold_the_client(server):
    server.plan("/v1/items", Fault(body={"items": list(range(2000))}, how="drip"))
    started = time.monotonic()
    async with client(server, timeout="500ms", retry_attempts=1) as http:
        with pytest.raises(TransientError, match=r"no whole answer within 0\.5 s"):
            await http.get_json("items")
    assert time.monotonic() - started < 60  # the whole body would take seven minutes


async def test_a_gzipped_body_is_read(server):
    server.plan("/v1/items", Fault(body={"zipped": True}, how="gzip"))
    async with client(server) as http:
        assert await http.get_json("items") == {"zipped": True}


async def test_a_body_above_the_limit_is_refused(server):
    server.plan("/v1/items", Fault(body=b"0" * 5000, how="gzip"))
    async with client(server, max_bytes=1000) as http:
        with pytest.raises(DataError, match="max_bytes"):
            await http.get_json("items")


async def test_a_page_that_is_not_json_is_named_with_its_type_and_start(server):
    html = Fault(headers={"Content-Type": "text/html; charset=utf-8"}, body=b"<h1>Log in\n</h1>")
    server.plan("/v1/items", html)
    async with client(server) as http:
        with pytest.raises(DataError, match=r"text/html instead of JSON: '<h1>Log in </h1>'"):
            await http.get_json("items")
    assert len(server.seen) == 1


async def test_a_refused_connection_names_the_address_and_is_transient(server):
    async with client(server, base_url="http://127.0.0.1:9", retry_attempts=2) as http:
        with pytest.raises(TransientError, match=r"127\.0\.0\.1:9/items: cannot connect"):
            await http.get_json("items")
        assert http.usage.retries == 1


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, ConfigurationError),
        (401, AuthenticationError),
        (403, ForbiddenError),
        (404, NotFound),
        (410, NotFound),
        (422, ConfigurationError),
    ],
)
async def test_a_client_error_is_not_repeated_and_says_what_the_api_said(server, status, error):
    server.plan("/v1/items", Fault(status, body={"error": {"message": "no such market"}}))
    async with client(server) as http:
        with pytest.raises(error, match=f"answered {status} .no such market."):
            await http.get_json("items")
    assert len(server.seen) == 1


async def test_what_is_missing_may_be_missing(server):
    async with client(server) as http:
        assert await http.get_json("nowhere", missing_ok=True) is None


# ── 429 ──────────────────────────────────────────────────────────────────────────────────────


async def test_a_short_retry_after_is_waited_for(server):
    server.plan("/v1/items", too_many(0.5))
    started = time.monotonic()
    async with client(server) as http:
        await http.get_json("items")
        assert http.usage.waited >= 0.5
    assert time.monotonic() - started >= 0.5


async def test_a_429_holds_back_every_request_of_the_same_credentials(server):
    server.plan("/v1/items", too_many(2))
    server.answers["/v1/other"] = {}
    async with client(server) as http, client(server) as second:
        first = asyncio.create_task(http.get_json("items"))
        async with asyncio.timeout(60):
            while not http.usage.retries:  # noqa: ASYNC110  (the 429 has come when it is counted)
                await asyncio.sleep(0.01)
        await second.get_json("other")
        await first
    assert server.asked("/v1/other")[0].at - server.asked("/v1/items")[0].at >= 2


async def test_waits_the_system_asks_for_do_not_use_up_the_attempts(server):
    server.plan("/v1/items", *[too_many(0.2)] * 4)
    async with client(server, retry_attempts=2) as http:
        assert await http.get_json("items") == {"items": [1, 2, 3]}


async def test_short_waits_that_add_up_become_an_exhausted_quota(server):
    server.plan("/v1/items", *[too_many(0.4)] * 9)
    async with client(server, max_wait="1s") as http:
        with pytest.raises(QuotaExhausted) as caught:
            await http.get_json("items")
    assert caught.value.retry_after == 0.4
    assert len(server.seen) == 3


async def test_a_429_without_retry_after_backs_off(server):
    server.plan("/v1/items", too_many())
    async with client(server) as http:
        await http.get_json("items")
        assert http.usage.retries == 1


async def test_a_long_retry_after_frees_the_caller_and_holds_back_the_others(server):
    server.plan("/v1/items", too_many(80_000))
    async with client(server) as http:
        with pytest.raises(QuotaExhausted, match="80000 s") as caught:
            await http.get_json("items")
        assert caught.value.retry_after == 80_000
        with pytest.raises(QuotaExhausted) as again:
            await http.get_json("items")
    assert again.value.retry_after == pytest.approx(80_000, abs=60)
    assert len(server.seen) == 1


async def test_a_quota_reason_in_the_body_is_a_quota_however_short_the_wait(server):
    body = {"error": {"status": 429, "message": "slow", "reason": "QUOTA_EXCEEDED"}}
    server.plan("/v1/items", too_many(5, body))
    async with client(server) as http:
        with pytest.raises(QuotaExhausted) as caught:
            await http.get_json("items")
    assert caught.value.retry_after == 5


async def test_a_retry_after_may_be_a_date(server):
    server.plan("/v1/items", too_many("Fri, 31 Dec 2100 23:59:59 GMT"))
    async with client(server) as http:
        with pytest.raises(QuotaExhausted) as caught:
            await http.get_json("items")
    assert caught.value.retry_after is not None
    assert caught.value.retry_after > 1e9


async def test_an_api_may_say_that_its_429_means_forbidden(server):
    server.plan("/v1/items", too_many(80_000))

    def classify(response):
        return ForbiddenError("not for this app") if response.status == 429 else None

    async with client(server, classify=classify) as http:
        with pytest.raises(ForbiddenError, match="not for this app"):
            await http.get_json("items")


async def test_an_error_inside_a_200_is_told_by_classify_and_repeated(server):
    server.plan("/v1/items", Fault(body={"error": 11, "message": "Service Offline"}))

    def classify(response):
        body = response.json()
        return TransientError(body["message"]) if "error" in body else None

    async with client(server, classify=classify) as http:
        assert await http.get_json("items") == {"items": [1, 2, 3]}


# ── what may be repeated ─────────────────────────────────────────────────────────────────────


async def test_a_post_that_may_have_arrived_is_not_repeated(server):
    server.plan("/v1/items", Fault(502))
    async with client(server) as http:
        with pytest.raises(TransientError):
            await http.post_json("items", json={"a": 1})
    assert len(server.seen) == 1


async def test_a_post_that_only_reads_is_repeated(server):
    server.plan("/v1/items", Fault(502))
    async with client(server) as http:
        await http.post_json("items", json={"a": 1}, idempotent=True)
    assert [seen.body for seen in server.seen] == [b'{"a":1}'] * 2


async def test_a_post_that_was_told_to_slow_down_is_repeated(server):
    server.plan("/v1/items", too_many(0.1))
    async with client(server) as http:
        await http.post_json("items", json={})
    assert len(server.seen) == 2


# ── redirects and secrets ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("where", ["header", "query"])
async def test_a_redirect_to_another_host_carries_no_credentials(server, where):
    with HttpServer() as other:
        other.answers["/take"] = {"ok": True}
        server.plan("/v1/items", redirect(f"{other.url}/take?from=here"))
        auth = ApiKeyAuth(SecretStr(SECRET), name="api_key", where=where)
        async with client(server, auth=auth) as http:
            given = {"X-Custom-Secret": "also"}
            response = await http.request("GET", "items", headers=given)
            assert response.json() == {"ok": True}
        assert SECRET in str(server.seen[0])
        assert SECRET not in str(other.seen[0])
        assert "also" not in str(other.seen[0])
        assert other.seen[0].query == {"from": "here"}


async def test_a_redirect_that_repeats_the_key_for_another_host_loses_it(server):
    with HttpServer() as other:
        other.answers["/take"] = {}

        def leak(request):
            query = request.query_string
            return web.Response(status=307, headers={"Location": f"{other.url}/take?{query}&a=1"})

        server.answers["/v1/items"] = leak
        auth = ApiKeyAuth(SecretStr(SECRET), name="api_key", where="query")
        async with client(server, auth=auth) as http:
            await http.get_json("items")
        assert other.seen[0].query == {"a": "1"}


async def test_a_redirect_on_the_same_host_keeps_the_credentials(server):
    server.plan("/v1/items", redirect("/v1/moved", 308))
    server.answers["/v1/moved"] = {"ok": True}
    async with client(server, auth=BearerAuth(SecretStr(SECRET))) as http:
        assert await http.get_json("items") == {"ok": True}
    assert server.asked("/v1/moved")[0].headers["Authorization"] == f"Bearer {SECRET}"


async def test_an_absolute_url_of_another_host_gets_no_credentials_unless_allowed(server):
    with HttpServer() as other:
        other.answers["/page"] = {}
        for allowed in ([], [f"127.0.0.1:{other.port}"]):
            auth = BearerAuth(SecretStr(SECRET))
            async with client(server, auth=auth, allowed_hosts=allowed) as http:
                await http.get_json(f"{other.url}/page")
        assert ["Authorization" in seen.headers for seen in other.seen] == [False, True]


async def test_redirects_in_a_circle_end(server):
    server.plan("/v1/items", *[redirect("/v1/items")] * 10)
    async with client(server) as http:
        with pytest.raises(ConfigurationError, match="more than 5 redirects"):
            await http.get_json("items")
    assert len(server.seen) == 6


async def test_a_body_is_not_carried_to_another_host(server):
    with HttpServer() as other:
        server.plan("/v1/items", redirect(f"{other.url}/take", 307))
        async with client(server) as http:
            with pytest.raises(ConfigurationError, match="allowed_hosts"):
                await http.post_json("items", json={"personal": 1})
        assert other.seen == []


@pytest.mark.parametrize(
    "fault",
    [
        Fault(400, body={"message": f"bad key {SECRET}"}),
        Fault(401, body={"message": "bad key s3cr3t%2Fkey%2Bvalue"}),
        Fault(403, body={"message": f"bad key {SECRET}"}),
        Fault(500, body={"message": f"bad key {SECRET}"}),
        Fault(200, {"Content-Type": "text/plain"}, f"bad key {SECRET}".encode()),
        Fault(how="drop"),
        Fault(body={"a": 1}, how="truncated"),
        redirect("ftp://elsewhere/?k=" + SECRET),
    ],
)
async def test_no_error_shows_a_secret(server, fault):
    server.plan("/v1/items", fault, fault)
    auth = ApiKeyAuth(SecretStr(SECRET), name="api_key", where="query")
    async with client(server, auth=auth, retry_attempts=1) as http:
        with pytest.raises(Exception) as caught:  # noqa: PT011
            await http.get_json("items", params={"q": "s"})
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(http)
    assert SECRET not in shown
    assert "s3cr3t%2Fkey" not in shown


async def test_no_more_requests_run_at_once_than_allowed(server):
    server.delay = 0.1
    server.meet(4)
    async with client(server, concurrency=4) as http:
        await asyncio.gather(*[http.get_json("items") for _ in range(16)])
    assert server.most_at_once == 4


async def test_a_cancelled_request_leaves_the_client_usable(server):
    server.plan("/v1/items", Fault(how="hang"))
    async with client(server, concurrency=1) as http:
        hanging = asyncio.create_task(http.get_json("items"))
        await server.arrived("/v1/items")
        hanging.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hanging
        assert await http.get_json("items") == {"items": [1, 2, 3]}


async def test_a_client_outside_its_context_says_how_to_use_it(server):
    with pytest.raises(ConfigurationError, match="async with"):
        await client(server).get_json("items")
