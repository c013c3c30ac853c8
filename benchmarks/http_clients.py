"""HTTP clients side by side: pages per second at 16 and 64 requests at once, and what ours adds.

Run ``python -m benchmarks.http_clients [--pages N] [--latency-ms N]``. The server is a process of
its own that answers 50 items of a page after a latency. Clients that are not installed are left
out. Prints pages per second, the ratio to aiohttp, client CPU per page, and the median time that
HttpClient adds to one call, without and with its cache.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

Get = Callable[[], Awaitable[Any]]


class Result(NamedTuple):
    """What one client reached at one concurrency."""

    client: str
    concurrency: int
    pages_per_second: float
    cpu_ms_per_page: float


def serve(ready: Connection, latency: float) -> None:
    """Answer every request with the same page of 50 tracks."""
    from aiohttp import web

    artist = {"id": "4Z8W4fKeB5YxbusRsdQVPb", "name": "Radiohead", "type": "artist"}
    item = {"id": "63OQupATfueTdZMWTxW03A", "name": "Karma Police", "artists": [artist] * 2}
    body = json.dumps({"items": [item] * 50, "next": None}).encode()

    async def answer(request: web.Request) -> web.Response:
        if latency and request.path != "/v1/quick":
            await asyncio.sleep(latency)
        return web.Response(body=body, content_type="application/json")

    async def run() -> None:
        app = web.Application()
        app.router.add_get("/{path:.*}", answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
        ready.send(runner.addresses[0][1])
        await asyncio.Event().wait()

    asyncio.run(run())


async def pages(get: Get, *, count: int, concurrency: int) -> tuple[float, float]:
    """Return pages per second and CPU milliseconds per page of ``count`` calls."""
    left = iter(range(count))

    async def work() -> None:
        for _ in left:
            await get()

    for _ in range(3):
        await get()
    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*[work() for _ in range(concurrency)])
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return count / wall, 1000 * cpu / count


async def with_ours(url: str, run: Callable[[Get], Awaitable[Any]], concurrency: int) -> Any:
    """Run with this package's HttpClient."""
    from airflow_provider_spotify.core.clients.http.client import HttpClient, HttpSettings

    settings = HttpSettings(base_url=url, concurrency=concurrency)
    async with HttpClient(settings) as http:
        return await run(lambda: http.get_json("page"))


async def with_aiohttp(url: str, run: Callable[[Get], Awaitable[Any]], concurrency: int) -> Any:
    """Run with bare aiohttp."""
    import aiohttp
    import orjson

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=concurrency)) as session:

        async def get() -> Any:
            async with session.get(f"{url}/page") as response:
                return orjson.loads(await response.read())

        return await run(get)


def with_httpx(name: str) -> Callable[..., Awaitable[Any]]:
    """Return what runs with httpx or its successor httpx2."""

    async def run_it(url: str, run: Callable[[Get], Awaitable[Any]], concurrency: int) -> Any:
        import orjson

        httpx = importlib.import_module(name)
        limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
        async with httpx.AsyncClient(limits=limits, timeout=30) as client:

            async def get() -> Any:
                return orjson.loads((await client.get(f"{url}/page")).content)

            return await run(get)

    return run_it


def clients() -> dict[str, Callable[..., Awaitable[Any]]]:
    """Return the clients that are installed."""
    found: dict[str, Callable[..., Awaitable[Any]]] = {"aiohttp": with_aiohttp}
    found["HttpClient"] = with_ours
    for name in ("httpx2", "httpx"):
        if importlib.util.find_spec(name):
            found[name] = with_httpx(name)
    return found


def throughput(url: str, *, count: int) -> list[Result]:
    """Measure every client at every concurrency."""
    results = []
    for concurrency in (16, 64):
        for name, client in clients().items():

            async def run(get: Get, concurrency: int = concurrency) -> tuple[float, float]:
                return await pages(get, count=count, concurrency=concurrency)

            rate, cpu = asyncio.run(client(url, run, concurrency))  # type: ignore[arg-type]
            results.append(Result(name, concurrency, rate, cpu))
    return results


async def medians(url: str, *, calls: int) -> dict[str, float]:
    """Return the median milliseconds of one call: bare aiohttp, ours, ours from the cache.

    The three are called in turn, so that what else the machine does meets all of them alike.
    """
    import aiohttp
    import orjson

    from airflow_provider_spotify.core.clients.http.client import HttpClient, HttpSettings

    times: dict[str, list[float]] = {"aiohttp": [], "HttpClient": [], "cache hit": []}
    with tempfile.TemporaryDirectory() as folder:
        cached = HttpSettings.model_validate(
            {"base_url": url, "cache_ttl": "1h", "cache_dir": folder}
        )
        async with (
            aiohttp.ClientSession() as session,
            HttpClient(HttpSettings(base_url=url)) as plain,
            HttpClient(cached) as kept,
        ):

            async def bare() -> Any:
                async with session.get(f"{url}/quick") as response:
                    return orjson.loads(await response.read())

            calls_of: dict[str, Get] = {
                "aiohttp": bare,
                "HttpClient": lambda: plain.get_json("quick"),
                "cache hit": lambda: kept.get_json("quick"),
            }
            for number in range(calls + 20):
                for name, call in calls_of.items():
                    began = time.perf_counter()
                    await call()
                    if number >= 20:
                        times[name].append(1000 * (time.perf_counter() - began))
    return {name: statistics.median(each) for name, each in times.items()}


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=600)
    parser.add_argument("--latency-ms", type=float, default=50)
    options = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    server = context.Process(target=serve, args=(theirs, options.latency_ms / 1000), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{ours.recv()}/v1"
    try:
        results = throughput(url, count=options.pages)
        base = {r.concurrency: r.pages_per_second for r in results if r.client == "aiohttp"}
        print(f"{'client':12}{'at once':>8}{'pages/s':>10}{'ratio':>8}{'CPU ms/page':>13}")
        for r in results:
            ratio = r.pages_per_second / base[r.concurrency]
            print(
                f"{r.client:12}{r.concurrency:8}{r.pages_per_second:10.0f}{ratio:8.2f}"
                f"{r.cpu_ms_per_page:13.2f}"
            )
        for name, median in asyncio.run(medians(url, calls=300)).items():
            print(f"median of one call, no latency: {name:12}{median:7.2f} ms")
    finally:
        server.terminate()
        server.join()


if __name__ == "__main__":
    main()
