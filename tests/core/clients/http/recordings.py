"""A server, clients and credentials whose exchanges are recorded, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from airflow_provider_spotify.core.clients.http.auth import Auth
from airflow_provider_spotify.core.clients.http.client import HttpClient, HttpSettings
from airflow_provider_spotify.core.clients.oauth.grants import OAuth2
from tests.services.http_server import HttpServer

SECRET, REFRESH = "client-s3cr3t", "refresh-0"


def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep answers apart from those that other tests, and the user, keep under the same names."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def serving() -> Iterator[HttpServer]:
    """Give a server that takes one refresh token; a module's fixture ``server``."""
    with HttpServer() as server:
        server.refresh_tokens = {REFRESH}
        yield server


def client(url: str, *, auth: Auth | None = None, **settings: Any) -> HttpClient:
    given = {"base_url": url, "retry_attempts": 2, "timeout": "60s", **settings}
    return HttpClient(HttpSettings.model_validate(given), auth=auth)


def oauth(url: str) -> OAuth2:
    return OAuth2(
        f"{url}/token",
        client_id="app",
        client_secret=SecretStr(SECRET),
        refresh_token=SecretStr(REFRESH),
    )


def written(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in sorted(folder.iterdir()))
