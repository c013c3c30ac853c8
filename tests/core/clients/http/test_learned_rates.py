"""What the client learns of an API that tells nothing, from what it refuses and fails."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Iterator

import pytest
from aiohttp import web
from pydantic import SecretStr

from airflow_provider_spotify.core.clients.http.client import HttpClient, ServerError
from airflow_provider_spotify.core.clients.http.limits import forget_limits
from airflow_provider_spotify.core.clients.http.settings import REDIS_SETTING
from airflow_provider_spotify.core.errors import QuotaExhausted, TransientError
from tests.core.clients.http.asking import ask, serving, settings
from tests.core.clients.http.simulated import World
from tests.services.http_server import Fault, HttpServer
from tests.services.redis import redis_server

_fresh = pytest.fixture(autouse=True)(forget_limits)
server = pytest.fixture(serving)


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with redis_server() as url:
        yield url


class Rolling:
    """An API that holds ``count`` requests in any ``window`` seconds, and says so to nobody.

    :param asks: seconds that it asks to wait; by default for as long as it needs
    """

    def __init__(self, count: int, window: float, *, asks: int | None = None) -> None:
        self._count = count
        self._window = window
        self._asks = asks
        self._recent: deque[float] = deque()
        self.good: list[float] = []
        self.refused: list[float] = []

    def __call__(self, _: web.Request) -> web.Response:
        now = time.monotonic()
        while self._recent and self._recent[0] <= now - self._window:
            self._recent.popleft()
        if len(self._recent) < self._count:
            self._recent.append(now)
            self.good.append(now)
            return web.json_response({})
        self.refused.append(now)
        wait = self._asks or max(1, math.ceil(self._recent[0] + self._window - now))
        return web.json_response({}, status=429, headers={"Retry-After": str(wait)})

    def share(self) -> float:
        """Return what was used of the rate after the first refusals, up to the last window."""
        since = [moment for moment in self.good if moment > max(self.refused)]
        spans = int((since[-1] - since[0]) / self._window)
        used = sum(moment <= since[0] + spans * self._window for moment in since)
        return used / (spans * self._count)


@pytest.fixture
def world() -> World:
    """Give a server, which is begun later, with a clock that does not depend on the machine."""
    server = HttpServer()
    server.delay = 0.005
    return World(server)


async def asked(world: World, times: int) -> None:
    """Ask so many times with a client of its own."""
    async with HttpClient(settings(world.server)) as client:
        world.clients.append(client)
        await ask(client, times)


async def drained(server: HttpServer, path: str) -> None:
    """Wait until a path's faults have all been served."""
    async with asyncio.timeout(120):
        while server.faults[path]:  # noqa: ASYNC110  (the server lives in another thread)
            await asyncio.sleep(0.01)


def test_the_rate_of_an_api_that_tells_nothing_is_learned_from_its_first_refusals(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rolling window is used to 95 %, and after the first round of 429 none follows."""
    api = world.server.answers["/items"] = Rolling(150, 2)
    world.run(lambda: asked(world, 750), monkeypatch)
    assert max(api.refused) - min(api.refused) < 0.5
    assert len(api.refused) <= 8
    assert 0.95 <= api.share() <= 1


def test_a_learned_rate_is_the_next_clients_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the same host and credentials, in this process; another credential learns by itself."""
    api = world.server.answers["/items"] = Rolling(40, 2)
    refused = []

    async def twice() -> None:
        for _ in range(2):
            await asked(world, 60)
            refused.append(len(api.refused))

    world.run(twice, monkeypatch)
    assert refused[0]
    assert refused[1] == refused[0]


async def test_workers_learn_one_rate_through_redis(server: HttpServer, redis_url: str) -> None:
    """What one client was refused for, another one, which forgot all, does not try again.

    The API asks for a second more than it needs, which is what a slow machine may take to send.
    What is left of the learned rate shows in the waits that the client imposed on itself: 30
    requests after the others are two windows of 19 each.
    """
    api = server.answers["/items"] = Rolling(20, 2, asks=3)
    shared = settings(server, redis_url=SecretStr(redis_url))
    async with HttpClient(shared) as one, HttpClient(shared) as other:
        await asyncio.gather(ask(one, 15, workers=4), ask(other, 15, workers=4))
    refused = len(api.refused)
    assert 0 < refused <= 16
    forget_limits()
    async with HttpClient(shared) as fresh:
        await ask(fresh, 30)
    assert len(api.refused) == refused
    assert fresh.usage.waited <= 2 * 3.02 / 0.9


async def test_the_deployments_redis_shares_limits_where_a_connection_names_none(
    server: HttpServer, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pause that one worker was asked for holds back another one; an empty URL stays alone."""
    monkeypatch.setenv(REDIS_SETTING, redis_url)
    server.answers["/items"] = {}
    server.plan("/items", Fault(429, {"Retry-After": "80"}))
    async with HttpClient(settings(server)) as one:
        with pytest.raises(QuotaExhausted):
            await one.get_json("items")
    forget_limits()
    async with HttpClient(settings(server)) as other:
        with pytest.raises(QuotaExhausted):
            await other.get_json("items")
    async with HttpClient(settings(server, redis_url="")) as alone:
        assert await alone.get_json("items") == {}
    assert settings(server, redis_url="redis://own:1/0").redis_url == SecretStr("redis://own:1/0")


async def test_an_api_that_slows_down_gets_fewer_requests_at_once(server: HttpServer) -> None:
    """Sixteen at once become one or two under a run of 503, and many again when it is over."""
    server.answers["/items"] = {}
    server.delay = 0.02
    async with HttpClient(settings(server, retry_attempts=12)) as client:
        server.plan("/items", *[Fault(503)] * 40)
        under_way = asyncio.create_task(ask(client, 60, workers=16))
        await drained(server, "/items")
        narrow = client._slots.width
        await under_way
        assert narrow <= 4
        await ask(client, 200, workers=16)
        server.meet(16)
        await ask(client, 16, workers=16)
    assert server.most_at_once == 16


async def test_an_api_that_blocks_after_server_errors_is_asked_less_often(
    server: HttpServer,
) -> None:
    """The count of 5xx is its own: other failures are still tried as often as ever."""
    server.plan("/items", *[Fault(500)] * 9)
    few = settings(server, server_error_attempts=2, retry_attempts=4)
    async with HttpClient(few) as client:
        with pytest.raises(ServerError):
            await client.get_json("items")
        assert len(server.asked("/items")) == 2
        server.plan("/lost", *[Fault(408)] * 9)
        with pytest.raises(TransientError):
            await client.get_json("lost")
        assert len(server.asked("/lost")) == 4
