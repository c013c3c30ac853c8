"""Rates and pauses, in one process and over several through a real Redis."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr, TypeAdapter, ValidationError

from airflow_provider_spotify.core.clients.http.client import HttpClient, HttpSettings
from airflow_provider_spotify.core.clients.http.limits import Limiter, forget_limits
from airflow_provider_spotify.core.clients.http.limits_redis import Link
from airflow_provider_spotify.core.clients.http.settings import Rate, RateLimit
from airflow_provider_spotify.core.errors import QuotaExhausted, TransientError
from airflow_provider_spotify.core.usage import Usage
from tests.services.http_server import HttpServer, too_many
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


async def sprint(*limiters: Limiter, each: int) -> float:
    """Return the seconds in which every limiter lets so many requests through."""
    left = [iter(range(each)) for _ in limiters]

    async def run(limiter: Limiter, numbers: Iterator[int]) -> None:
        for _ in numbers:
            await limiter.acquire()

    pairs = list(zip(limiters, left, strict=True)) * 4
    started = time.monotonic()
    await asyncio.gather(*(run(*pair) for pair in pairs))
    return time.monotonic() - started


async def test_clients_of_one_key_share_one_rate():
    """Of 30 together ten go at once, and ten after each half second; each alone is done in one."""
    assert await sprint(limiter("10/500ms"), limiter("10/500ms"), each=15) >= 0.99


async def test_clients_of_other_keys_do_not():
    async with asyncio.timeout(60):
        await sprint(limiter("5/h"), limiter("5/h", key="other"), each=5)


async def test_waiting_for_a_rate_leaves_the_loop_free():
    one = limiter("5/h")
    await sprint(one, each=5)
    waiting = asyncio.create_task(one.acquire())
    for _ in range(50):
        await asyncio.sleep(0)
    assert not waiting.done()
    assert one._usage.waited > 0, "it waits already"
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


async def test_a_pause_that_is_too_long_to_wait_for_is_an_exhausted_quota():
    started = time.monotonic()
    await limiter(None).pause(100)
    with pytest.raises(QuotaExhausted) as caught:
        await limiter(None).acquire()
    assert caught.value.retry_after is not None
    assert 100 - (time.monotonic() - started) <= caught.value.retry_after <= 100


async def test_a_shorter_pause_does_not_end_a_longer_one():
    one = limiter(None)
    started = time.monotonic()
    await one.pause(0.5)
    await one.pause(0.1)
    await one.acquire()
    assert time.monotonic() - started >= 0.5


_WORKER = """
import asyncio, sys, time
from tests.core.clients.http.test_limits import limiter, sprint

async def main():
    one = limiter("20/s", url=sys.argv[1], key="workers")
    await one.open()
    print("ready", flush=True)
    sys.stdin.readline()
    started = time.monotonic()
    print(started, started + await sprint(one, each=40))
    await one.close()

asyncio.run(main())
"""


def test_workers_in_several_processes_share_one_rate_through_redis(redis_url):
    """Forty requests at 20/s take one process a second, and two that begin together three."""
    command = [sys.executable, "-c", _WORKER, redis_url]
    workers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [worker.stdout.readline() for worker in workers] == ["ready\n"] * 2
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    said = [worker.communicate(timeout=240)[0] for worker in workers]
    starts, ends = zip(*[map(float, each.split()) for each in said], strict=True)
    assert max(ends) - min(starts) > 2.5


async def test_a_429_of_one_worker_holds_back_another_through_redis(redis_url):
    with HttpServer() as server:
        server.answers["/items"] = {}
        server.plan("/items", too_many(2))
        settings = HttpSettings(base_url=server.url, redis_url=SecretStr(redis_url))
        async with HttpClient(settings) as one, HttpClient(settings) as other:
            first = asyncio.create_task(one.get_json("items"))
            async with asyncio.timeout(60):
                while not one.usage.retries:  # noqa: ASYNC110  (the 429 has come when it counts)
                    await asyncio.sleep(0.01)
            forget_limits()
            await other.get_json("items")
            await first
        refused, *later = server.asked("/items")
        assert len(later) == 2
        assert min(each.at for each in later) - refused.at >= 1.9


async def test_an_answer_that_is_late_does_not_set_the_clock_wrong(redis_url):
    """By a clock that is behind, requests would count as older than they are, and more go out."""
    asked, over = asyncio.Event(), asyncio.Event()

    async def piped(reader, writer, *, late: bool) -> None:
        while data := await reader.read(65536):
            if late and asked.is_set():
                late = False
                await asyncio.sleep(1)
            if b"TIME" in data:
                asked.set()
            writer.write(data)
        writer.close()
        await writer.wait_closed()

    async def between(reader, writer) -> None:
        server = await asyncio.open_connection(to.hostname, to.port)
        back = asyncio.create_task(piped(server[0], writer, late=True))
        await piped(reader, server[1], late=False)
        await back
        over.set()

    to = urlsplit(redis_url)
    async with await asyncio.start_server(between, "127.0.0.1", 0) as proxy:
        port = proxy.sockets[0].getsockname()[1]
        link = Link(SecretStr(redis_url.replace(f":{to.port}", f":{port}")))
        await link.open()
        await link.close()
        await over.wait()
    assert asked.is_set()
    assert abs(link.ahead) < 400


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
    with socket.socket() as taken:  # who has a port and does not listen refuses
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        one = limiter("1/s", url=f"redis://:hush-hush@127.0.0.1:{port}/0")
        with pytest.raises(TransientError, match="shared rate limiter's Redis") as caught:
            await one.open()
    await one.close()
    assert "hush" not in str(caught.value)
