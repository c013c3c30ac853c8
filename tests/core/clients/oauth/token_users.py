"""Users of one credential in this process and in others, for tests of shared tokens."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from airflow_provider_spotify.core.clients.http.auth import Auth
from airflow_provider_spotify.core.clients.http.client import HttpClient, HttpSettings
from airflow_provider_spotify.core.clients.oauth.grants import OAuth2
from airflow_provider_spotify.core.clients.oauth.store import token_store
from airflow_provider_spotify.core.model import Credentials
from tests.services.oauth_server import OAuthServer

REPOSITORY = Path(__file__).parents[4]


def redis_url(redis: Credentials) -> str:
    """Write a Redis as the address of a token store."""
    return f"redis://{redis.login}:{redis.secret()}@{redis.host}:{redis.port}/{redis.database}"


def user(server: OAuthServer, store_url: str | None = None, **options: Any) -> OAuth2:
    words = {"client_secret": SecretStr("app-secret"), "refresh_token": SecretStr("seed")}
    store = token_store({"token_store": store_url}, environment={})
    return OAuth2(server.token_url, client_id="app", store=store, **{**words, **options})


def client(server: OAuthServer, auth: Auth, **options: Any) -> HttpClient:
    settings = {"base_url": server.url, "timeout": "60s", "redis_url": "", **options}
    return HttpClient(HttpSettings.model_validate(settings), auth=auth)


async def ask(server: OAuthServer, auth: Auth) -> str:
    async with client(server, auth) as http:
        return str((await http.get_json("items"))["token"])


WORKER = """
    import asyncio, sys
    from pydantic import SecretStr
    from airflow_provider_spotify.core.clients.http.client import HttpClient, HttpSettings
    from airflow_provider_spotify.core.clients.oauth.grants import OAuth2
    from airflow_provider_spotify.core.clients.oauth.store import token_store

    url, store, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])

    async def main():
        auth = OAuth2(
            f"{url}/token",
            client_id="app",
            client_secret=SecretStr("app-secret"),
            refresh_token=SecretStr("seed"),
            store=token_store({"token_store": store}, environment={}),
        )
        settings = HttpSettings.model_validate({"base_url": url, "redis_url": ""})
        async with HttpClient(settings, auth=auth) as http:
            for _ in range(rounds):
                await asyncio.gather(*[http.get_json("items") for _ in range(5)])
                await asyncio.sleep(0.11)

    asyncio.run(main())
"""


def worker(server: OAuthServer, store_url: str, *, rounds: int) -> subprocess.Popen[str]:
    """Start another process that uses the same credentials and the same store."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WORKER), server.url, store_url, str(rounds)],
        cwd=REPOSITORY,
        stderr=subprocess.PIPE,
        text=True,
    )
