"""Rates and pauses, in one process and over several through a real Redis."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from pydantic import SecretStr, TypeAdapter, ValidationError

from airflow_provider_spotify.core.clients.http.client import HttpClient, HttpSettings
from airflow_provider_spotify.core.clients.http.limits import Limiter, forget_limits
from airflow_provider_spotify.core.clients.http.settings import Rate, RateLimit
from airflow_provider_spotify.core.errors import QuotaExhausted, TransientError
from airflow_provider_spotify.core.usage import Usage
from tests.services.http_server import HttpServer, too_many
from tests.services.process import free_port
from tests.services.redis import redis_server

RATE: TypeAdapter[Rate] = TypeAdapter(RateLimit)


@pytest.fixture(autouse=True)
def _fresh() -> None:
    forget_limits()


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with redis_server() as url:
        yield url


@pytest.mark.parametrize(
    ("text", "count", "seconds"),
    [
        (5, 5, 1),
        ("5", 5, 1),
        (0.5, 1, 2),
        ("2.5", 25, 10),
        ("100/30s", 100, 30),
        ("1000/d", 1000, 86400),
        ("3 / 500ms", 3, 0.5),
    ],
)
def test_a_rate_is_a_number_each_second_or_a_number_in_a_time(text, count, seconds):
    rate = RATE.validate_python(text)
    assert (rate.count, rate.per.total_seconds()) == (count, seconds)
    assert RATE.validate_python(RATE.dump_python(rate)) == rate


@pytest.mark.parametrize("text", [0, -1, True, "fast", "5/", "/s", "5/fortnight", "0/s", "1.5/s"])
def test_what_is_no_rate_is_refused(text):
    with pytest.raises(ValidationError):
        RATE.validate_python(text)


def limiter(rate: str | None, *, url: str | None = None, key: str = "k") -> Limiter:
    return Limiter(
        key,
        rate=RATE.validate_python(rate) if rate else None,
        max_wait=5,
        usage=Usage(),
        redis_url=SecretStr(url) if url else None,
    )


async def sprint(*limiters: Limiter, seconds: float) -> int:
    """Return how many requests the limiters let through together in a time."""
    passed = 0

    async def run(limiter: Limiter) -> None:
        nonlocal passed
        while True:
            await limiter.acquire()
            passed += 1

    runs = [asyncio.create_task(run(each)) for each in limiters for _ in range(4)]
    await asyncio.sleep(seconds)
    for each in runs:
        each.cancel()
    await asyncio.gather(*runs, return_exceptions=True)
    return passed


async def test_clients_of_one_key_share_one_rate():
    """Each alone would let 30 through: ten at once, and ten after each half second."""
    assert 20 <= await sprint(limiter("10/500ms"), limiter("10/500ms"), seconds=1.2) <= 30


async def test_clients_of_other_keys_do_not():
    assert await sprint(limiter("5/s"), limiter("5/s", key="other"), seconds=0.5) == 10


async def test_waiting_for_a_rate_leaves_the_loop_free():
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticking = asyncio.create_task(tick())
    await sprint(limiter("5/s"), seconds=0.5)
    ticking.cancel()
    assert ticks > 5


async def test_a_pause_that_is_too_long_to_wait_for_is_an_exhausted_quota():
    await limiter(None).pause(100)
    with pytest.raises(QuotaExhausted) as caught:
        await limiter(None).acquire()
    assert caught.value.retry_after == pytest.approx(100, abs=1)


async def test_a_shorter_pause_does_not_end_a_longer_one():
    one = limiter(None)
    await one.pause(0.5)
    await one.pause(0.1)
    started = time.monotonic()
    await one.acquire()
    assert time.monotonic() - started >= 0.45


_WORKER = """
import asyncio, sys
from tests.core.clients.http.test_limits import limiter, sprint

async def main():
    one = limiter("20/s", url=sys.argv[1], key="workers")
    await one.open()
    print(await sprint(one, seconds=2.5))
    await one.close()

asyncio.run(main())
"""


def test_workers_in_several_processes_share_one_rate_through_redis(redis_url):
    """Two processes of 2.5 s each at 20/s pass at least 40 and, with their starts apart, <= 100."""
    command = [sys.executable, "-c", _WORKER, redis_url]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    passed = [int(worker.communicate(timeout=60)[0]) for worker in workers]
    assert 40 <= sum(passed) <= 100
    assert sum(passed) < 2 * 60


async def test_a_429_of_one_worker_holds_back_another_through_redis(redis_url):
    with HttpServer() as server:
        server.answers["/items"] = {}
        server.plan("/items", too_many(2))
        settings = HttpSettings(base_url=server.url, redis_url=SecretStr(redis_url))
        async with HttpClient(settings) as one, HttpClient(settings) as other:
            first = asyncio.create_task(one.get_json("items"))
            await asyncio.sleep(0.3)
            forget_limits()
            started = time.monotonic()
            await other.get_json("items")
            assert time.monotonic() - started > 0.5
            await first


async def test_the_limiter_goes_on_after_redis_lost_its_scripts(redis_url):
    import redis.asyncio

    one = limiter("100/s", url=redis_url, key="scripts")
    await one.open()
    await one.acquire()
    async with redis.asyncio.from_url(redis_url) as link:
        await link.script_flush()
    await one.acquire()
    await one.close()


async def test_a_redis_that_does_not_answer_is_a_clear_transient_error():
    one = limiter("1/s", url=f"redis://:hush-hush@127.0.0.1:{free_port()}/0")
    with pytest.raises(TransientError, match="shared rate limiter's Redis") as caught:
        await one.open()
    await one.close()
    assert "hush" not in str(caught.value)
