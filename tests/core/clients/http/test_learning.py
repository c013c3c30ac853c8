"""What headers tell of a limit, and what the client does with it, against a real server."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Iterator
from email.utils import formatdate

import pytest
from aiohttp import web
from pydantic import SecretStr

from airflow_provider_spotify.core.clients.http.client import (
    HttpClient,
    HttpSettings,
    RateLimited,
    Response,
    ServerError,
    Told,
    rate_headers,
)
from airflow_provider_spotify.core.clients.http.limits import forget_limits
from airflow_provider_spotify.core.clients.http.settings import REDIS_SETTING
from airflow_provider_spotify.core.errors import QuotaExhausted, TransientError
from tests.core.clients.http.simulated import World
from tests.services.http_server import Fault, HttpServer
from tests.services.redis import redis_server


@pytest.fixture(autouse=True)
def _fresh() -> None:
    forget_limits()


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with HttpServer() as server:
        yield server


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with redis_server() as url:
        yield url


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


def settings(server: HttpServer, **more: object) -> HttpSettings:
    return HttpSettings.model_validate({"base_url": server.url, **more})


async def ask(client: HttpClient, times: int, path: str = "items", workers: int = 8) -> None:
    """Ask so many times, several at once."""
    left = iter(range(times))

    async def work() -> None:
        for _ in left:
            await client.get_json(path)

    await asyncio.gather(*(work() for _ in range(workers)))


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
