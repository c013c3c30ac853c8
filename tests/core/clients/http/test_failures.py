"""The HTTP client against a real server that misbehaves: what it waits for, repeats or says."""

from __future__ import annotations

import asyncio
import time

import pytest

from airflow_provider_spotify.core.clients.http.client import NotFound
from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    ForbiddenError,
    QuotaExhausted,
    TransientError,
)
from tests.core.clients.http.items import client, serving
from tests.services.http_server import Fault, too_many

server = pytest.fixture(serving)


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
