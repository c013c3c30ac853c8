"""An API for benchmarks: pages of the benchmark's rows as JSON, made once and sent as they are."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

import orjson

from airflow_provider_spotify.core.model import Credentials

PAGE = 500
RESULTS = 200_000
"""Rows that the listing has."""


def _row(number: int) -> dict[str, object]:
    return {
        "event_id": number,
        "user_id": number % 5003,
        "user_name": f"listener-{number % 5003}",
        "track": f"Track {number % 997} of an album whose name is of a usual length",
        "duration_s": 30 + number % 400,
        "volume": (number % 1000) / 1000,
        "skipped": number % 7 == 0,
        "played_at": f"2026-01-{1 + number % 28:02d}T{number % 24:02d}:30:00Z",
    }


def _bodies() -> list[bytes]:
    """Return the pages as JSON; the last one names no next."""
    starts = range(0, RESULTS, PAGE)
    return [
        orjson.dumps(
            {
                "items": [_row(n) for n in range(start, min(start + PAGE, RESULTS))],
                "total": RESULTS,
                "offset": start,
            }
        )
        for start in starts
    ]


def _serve(ready: Connection) -> None:
    from aiohttp import web

    bodies = _bodies()

    async def page(request: web.Request) -> web.Response:
        body = bodies[int(request.query["offset"]) // PAGE]
        return web.Response(body=body, content_type="application/json")

    async def run() -> None:
        app = web.Application()
        app.router.add_get("/v1/plays", page)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
        ready.send(runner.addresses[0][1])
        await asyncio.Event().wait()

    asyncio.run(run())


@contextmanager
def web_api() -> Iterator[Credentials]:
    """Run the API in a process of its own."""
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,))
    server.start()
    try:
        yield Credentials(host=f"http://127.0.0.1:{ours.recv()}/v1")
    finally:
        server.terminate()
        server.join()
