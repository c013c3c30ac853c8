"""A server, and a client that asks it many times at once, for tests of limits."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from airflow_provider_spotify.core.clients.http.client import HttpClient, HttpSettings
from tests.services.http_server import HttpServer


def serving() -> Iterator[HttpServer]:
    """Give a server without an answer; a module's fixture ``server``."""
    with HttpServer() as server:
        yield server


def settings(server: HttpServer, **more: object) -> HttpSettings:
    return HttpSettings.model_validate({"base_url": server.url, **more})


async def ask(client: HttpClient, times: int, path: str = "items", workers: int = 8) -> None:
    """Ask so many times, several at once."""
    left = iter(range(times))

    async def work() -> None:
        for _ in left:
            await client.get_json(path)

    await asyncio.gather(*(work() for _ in range(workers)))
