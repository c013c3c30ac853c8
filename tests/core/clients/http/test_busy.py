"""A share of a limit that is used, which Meta's answers tell: what the client does with it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import orjson
import pytest
from aiohttp import web

from airflow_provider_spotify.core.clients.http.client import HttpClient, HttpSettings
from airflow_provider_spotify.core.clients.http.limits import forget_limits
from airflow_provider_spotify.core.errors import QuotaExhausted
from airflow_provider_spotify.core.sources.api._instagram_errors import learn
from tests.services.http_server import HttpServer

WIDE = 16


@pytest.fixture
def server() -> Iterator[HttpServer]:
    forget_limits()
    with HttpServer() as server:
        server.delay = 0.02
        yield server


class Used:
    """An API that tells in percent what is used of its limit, and never refuses.

    :ivar percent: what it tells
    :ivar minutes: when calls are free again
    """

    def __init__(self) -> None:
        self.percent = 10
        self.minutes = 0

    def __call__(self, _: web.Request) -> web.Response:
        app = {"call_count": self.percent, "total_time": 3, "total_cputime": 1}
        page = [{**app, "type": "pages", "estimated_time_to_regain_access": self.minutes}]
        headers = {
            "X-App-Usage": orjson.dumps(app).decode(),
            "X-Business-Use-Case-Usage": orjson.dumps({"178": page}).decode(),
        }
        return web.json_response({"data": []}, headers=headers)


def client(server: HttpServer) -> HttpClient:
    return HttpClient(HttpSettings(base_url=server.url, concurrency=WIDE), learn=learn)


async def ask(http: HttpClient, times: int) -> None:
    """Ask so many times, as many at once as the client lets."""
    await asyncio.gather(*[http.get_json("media") for _ in range(times)])


async def test_near_the_limit_fewer_are_sent_at_once_and_later_many_again(
    server: HttpServer,
) -> None:
    """At 89 % there may be sixteen, from 90 % on one or two, until the share falls again."""
    api = server.answers["/media"] = Used()
    async with client(server) as http:
        api.percent = 89
        await ask(http, 2 * WIDE)
        assert http._slots.width == WIDE
        api.percent = 90
        await ask(http, WIDE)
        assert http._slots.width == 1
        server.most_at_once = 0
        await ask(http, WIDE)
        assert http._slots.width == 1
        assert server.most_at_once <= 2
        api.percent = 50
        await ask(http, 4)
        assert 1 < http._slots.width < WIDE, "one more each round, not all at once"
        await ask(http, 150)
        assert http._slots.width == WIDE
        server.meet(WIDE)
        await ask(http, WIDE)
        assert server.most_at_once == WIDE


@pytest.mark.parametrize("percent", [20, 100])
async def test_a_limit_that_is_used_up_is_waited_for_before_it_refuses(
    server: HttpServer, percent: int
) -> None:
    """Meta tells when calls are free again; what is asked before that is not sent."""
    api = server.answers["/media"] = Used()
    async with client(server) as http:
        api.percent, api.minutes = percent, 25
        await http.get_json("media")
        with pytest.raises(QuotaExhausted) as caught:
            await http.get_json("media")
    assert caught.value.retry_after == pytest.approx(25 * 60, abs=60)
    assert len(server.asked("/media")) == 1


async def test_a_full_share_without_a_time_narrows_and_does_not_stop(server: HttpServer) -> None:
    """Only the API knows whether it still answers, so one at a time is sent."""
    api = server.answers["/media"] = Used()
    api.percent = 100
    async with client(server) as http:
        await ask(http, WIDE)
        server.most_at_once = 0
        await ask(http, WIDE)
        assert http._slots.width == 1
    assert server.most_at_once <= 2
    assert len(server.asked("/media")) == 2 * WIDE
