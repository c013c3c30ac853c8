"""A server of some items, and clients that ask for them, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from airflow_provider_spotify.core.clients.http.client import HttpClient, HttpSettings
from airflow_provider_spotify.core.clients.http.limits import forget_limits
from tests.services.http_server import HttpServer


def serving() -> Iterator[HttpServer]:
    """Give a server of three items; a module's fixture ``server``."""
    forget_limits()
    with HttpServer() as server:
        server.answers["/v1/items"] = {"items": [1, 2, 3]}
        yield server


def client(server: HttpServer, **options: Any) -> HttpClient:
    extra = {k: options.pop(k) for k in ("auth", "tenant", "classify") if k in options}
    settings = {"base_url": f"{server.url}/v1", "timeout": "60s", **options}
    return HttpClient(HttpSettings.model_validate(settings), **extra)
