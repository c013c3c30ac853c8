"""What headers tell of a limit, and what the client does with it, against a real server."""

from __future__ import annotations

import math
import time
from email.utils import formatdate

import pytest
from aiohttp import web
from pydantic import SecretStr

from airflow_provider_spotify.core.clients.http.client import (
    HttpClient,
    RateLimited,
    Response,
    Told,
    rate_headers,
)
from airflow_provider_spotify.core.clients.http.limits import forget_limits
from airflow_provider_spotify.core.errors import QuotaExhausted
from tests.core.clients.http.asking import ask, serving, settings
from tests.services.http_server import HttpServer

_fresh = pytest.fixture(autouse=True)(forget_limits)
server = pytest.fixture(serving)


def told(**headers: str) -> Told | None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return rate_headers(Response(200, named, b"", "https://api.example.com/"))


NOW = 1_800_000_000
DATE = formatdate(NOW, usegmt=True)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"ratelimit": '"default";r=50;t=30'}, Told(50, None, 30)),
        (
            {"ratelimit": '"day";r=9;t=3600, "burst";r=0;t=2', "ratelimit_policy": '"burst";q=5'},
            Told(0, 5, 2),
        ),
        ({"ratelimit": "limit=100, remaining=50, reset=7"}, Told(50, 100, 7)),
        (
            {
                "ratelimit_limit": "100, 100;w=60",
                "ratelimit_remaining": "3",
                "ratelimit_reset": "5",
            },
            Told(3, 100, 5),
        ),
        (
            {"x_ratelimit_limit": "60", "x_ratelimit_remaining": "0", "x_ratelimit_reset": "12"},
            Told(0, 60, 12),
        ),
        (
            {
                "x_rate_limit_limit": "900",
                "x_rate_limit_remaining": "1",
                "x_rate_limit_reset": str(NOW + 600),
                "date": DATE,
            },
            Told(1, 900, 600),
        ),
        (
            {
                "x_ratelimit_remaining": "1",
                "x_ratelimit_reset": str((NOW + 5) * 1000),
                "date": DATE,
            },
            Told(1, None, 5),
        ),
        (
            {
                "x_ratelimit_remaining": "1",
                "x_ratelimit_reset": "2027-01-15T08:00:09Z",
                "date": DATE,
            },
            Told(1, None, 9),
        ),
        ({"x_ratelimit_remaining": "many", "x_ratelimit_reset": "soon"}, Told()),
        ({"content_type": "application/json"}, None),
    ],
)
def test_the_headers_in_common_use_are_read(headers: dict[str, str], expected: Told | None) -> None:
    """Epochs, times from now, lists of limits and nonsense; of several the nearest bound."""
    assert told(**headers) == expected


def test_a_reset_counts_on_the_servers_clock() -> None:
    """A server whose clock is an hour ahead is not waited for an hour longer."""
    now = int(time.time()) + 3600
    headers = {"x_rate_limit_remaining": "0", "x_rate_limit_reset": str(now + 10)}
    assert told(**headers, date=formatdate(now, usegmt=True)) == Told(0, None, 10)


class Quota:
    """An API with ``count`` requests in each period of ``seconds``, which it tells; X's headers."""

    def __init__(self, count: int, seconds: float) -> None:
        self._count = count
        self._seconds = seconds
        self._ends = 0.0
        self._used = 0
        self.refused = 0

    def __call__(self, _: web.Request) -> web.Response:
        now = time.time()
        if now >= self._ends:
            self._ends, self._used = math.ceil(now + self._seconds), 0
        self._used += 1
        headers = {
            "x-rate-limit-limit": str(self._count),
            "x-rate-limit-remaining": str(max(0, self._count - self._used)),
            "x-rate-limit-reset": str(int(self._ends)),
        }
        if self._used > self._count:
            self.refused += 1
            return web.json_response({"title": "Too Many Requests"}, status=429, headers=headers)
        return web.json_response({}, headers=headers)


async def test_requests_wait_for_the_reset_before_the_api_refuses_one(server: HttpServer) -> None:
    """With eight requests at once, and fifteen allowed, none of forty is refused."""
    quota = server.answers["/items"] = Quota(15, 1)
    async with HttpClient(settings(server)) as client:
        await ask(client, 40)
    assert quota.refused == 0
    assert len(server.asked("/items")) == 40


async def test_a_client_that_is_told_not_to_learn_is_refused(server: HttpServer) -> None:
    """Without ``learn`` the same API answers 429: the headers are what prevents it."""
    quota = server.answers["/items"] = Quota(15, 900)
    async with HttpClient(settings(server, retry_attempts=1), learn=None) as client:
        await ask(client, 15)
        with pytest.raises(RateLimited):
            await client.get_json("items")
    assert quota.refused == 1


async def test_a_reset_that_is_far_away_is_an_exhausted_quota_before_it_is_asked_for(
    server: HttpServer,
) -> None:
    """The wait is the reset's, and the request that would be refused is not sent."""
    server.answers["/items"] = Quota(2, 900)
    async with HttpClient(settings(server)) as client:
        await ask(client, 2, workers=1)
        with pytest.raises(QuotaExhausted) as caught:
            await client.get_json("items")
    assert caught.value.retry_after == pytest.approx(900, abs=60)
    assert len(server.asked("/items")) == 2


async def test_each_bucket_has_a_limit_of_its_own(server: HttpServer) -> None:
    """One endpoint's spent limit holds back its own requests and no other's."""
    server.answers["/tweets"] = Quota(1, 900)
    server.answers["/users"] = Quota(5, 900)

    def endpoint(request: object) -> str:
        return str(getattr(request, "url", "")).rpartition("/")[2]

    async with HttpClient(settings(server), bucket=endpoint) as client:
        await client.get_json("tweets")
        await ask(client, 5, "users", workers=1)
        for path in ("tweets", "users"):
            with pytest.raises(QuotaExhausted):
                await client.get_json(path)
        server.answers["/lists"] = {}
        await client.get_json("lists", bucket="mine")
        with pytest.raises(QuotaExhausted):
            await client.get_json("lists", bucket="tweets")


async def test_credentials_of_one_quota_group_share_its_limit(server: HttpServer) -> None:
    """Two credentials of one developer account are limited together, where the account is."""
    from airflow_provider_spotify.core.clients.http.auth import BearerAuth

    server.answers["/items"] = Quota(1, 900)
    first, second = BearerAuth(SecretStr("one-token")), BearerAuth(SecretStr("another-token"))
    grouped = settings(server, quota_group="our-developer-account")
    async with HttpClient(grouped, auth=first) as one, HttpClient(grouped, auth=second) as other:
        await one.get_json("items")
        with pytest.raises(QuotaExhausted):
            await other.get_json("items")
    async with HttpClient(settings(server), auth=second) as alone:
        server.answers["/items"] = {}
        assert await alone.get_json("items") == {}
