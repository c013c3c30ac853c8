"""A long body, and clients that take it in parts, for tests."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from airflow_provider_spotify.core.clients.http.client import HttpClient, HttpSettings
from airflow_provider_spotify.core.clients.http.limits import forget_limits
from tests.services.http_server import HttpServer

MIB = 1024 * 1024
BODY = random.Random(4).randbytes(3 * MIB)
GZIP = "Content-Encoding: gzip"


def serving() -> Iterator[HttpServer]:
    """Give a server without an answer; a module's fixture ``server``."""
    forget_limits()
    with HttpServer() as server:
        yield server


def client(server: Any, **options: Any) -> HttpClient:
    extra = {k: options.pop(k) for k in ("auth", "classify") if k in options}
    settings = {"base_url": server.url, "retry_attempts": 2, "timeout": "60s", **options}
    return HttpClient(HttpSettings.model_validate(settings), **extra)


async def streamed(http: HttpClient, url: str = "file", **options: Any) -> bytes:
    async with http.stream("GET", url, **options) as body:
        return b"".join([block async for block in body.blocks()])
