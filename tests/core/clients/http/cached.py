"""A server whose answers may be kept, and clients that keep them, for tests."""

from __future__ import annotations

import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

from aiohttp import web

from airflow_provider_spotify.core.clients.http.client import HttpClient, HttpSettings
from airflow_provider_spotify.core.clients.http.limits import forget_limits
from tests.services.http_server import HttpServer


def serving() -> Iterator[HttpServer]:
    """Give a server of one item; a module's fixture ``server``."""
    forget_limits()
    with HttpServer() as server:
        server.answers["/items"] = {"n": 1}
        yield server


def client(server: HttpServer, folder: Path, **options: Any) -> HttpClient:
    extra = {k: options.pop(k) for k in ("auth", "tenant") if k in options}
    settings = {
        "base_url": server.url,
        "cache_ttl": "1h",
        "cache_dir": folder,
        "retry_attempts": 2,
        **options,
    }
    return HttpClient(HttpSettings.model_validate(settings), **extra)


def stale() -> dict[str, str]:
    """Return the headers of an answer with an ETag that was given 90 minutes ago."""
    return {"ETag": '"v1"', "Date": formatdate(time.time() - 90 * 60, usegmt=True)}


def confirming(request: web.Request) -> web.Response:
    """Give a stale answer, and confirm it from then on."""
    if request.headers.get("If-None-Match") == '"v1"':
        return web.Response(status=304, headers={"ETag": '"v1"'})
    return web.json_response({"n": 1}, headers=stale())
