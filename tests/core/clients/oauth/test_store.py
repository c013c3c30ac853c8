"""What keeps tokens for many workers: sealed, locked, and named by the connection."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_spotify.core.clients.oauth.grants import forget_tokens
from airflow_provider_spotify.core.clients.oauth.store import token_store
from airflow_provider_spotify.core.clients.redis import Link
from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    TransientError,
)
from airflow_provider_spotify.core.model import Credentials
from tests.core.clients.oauth.token_users import ask, client, redis_url, user
from tests.services.oauth_server import OAuthServer


@pytest.fixture
def server() -> Iterator[OAuthServer]:
    forget_tokens()
    with OAuthServer(refresh_tokens={"seed"}) as server:
        yield server


async def test_a_store_shows_no_token_to_who_lacks_the_secret(
    server: OAuthServer, tmp_path: Path
) -> None:
    auth = user(server, f"file://{tmp_path}/tokens")
    await ask(server, auth)
    (kept,) = [f for f in (tmp_path / "tokens").iterdir() if f.suffix != ".lock"]
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    for secret in (b"access-1", b"refresh-1", b"seed", b"app-secret"):
        assert secret not in kept.read_bytes()


async def test_redis_holds_no_token_in_clear_and_no_lock_afterwards(
    server: OAuthServer, redis_database: Credentials
) -> None:
    url = redis_url(redis_database)
    await ask(server, user(server, url))
    with Link(redis_database) as link:
        (key,) = link.do("KEYS", "*")
        value = link.do("GET", key)
    assert b"access-1" not in value
    assert b"refresh-1" not in value


async def test_a_lock_in_redis_ends_by_itself_and_belongs_to_who_took_it(
    redis_database: Credentials,
) -> None:
    """A dead worker's lock ends after half a minute; giving one back leaves another's alone."""
    url = redis_url(redis_database)
    store = token_store({"token_store": url}, environment={})
    assert store is not None
    with Link(redis_database) as link:
        async with store.lock("key"):
            (name,) = link.do("KEYS", "*")
            assert 0 < link.do("PTTL", name) <= 30_000
            link.do("SET", name, "another")
        assert link.do("GET", name) == b"another"


async def test_a_damaged_entry_says_what_to_do(server: OAuthServer, tmp_path: Path) -> None:
    auth = user(server, f"file://{tmp_path}/tokens")
    await ask(server, auth)
    file = tmp_path / "tokens" / auth.fingerprint
    sealed = bytearray(file.read_bytes())
    sealed[len(sealed) // 2] ^= 1
    file.write_bytes(sealed)
    forget_tokens()
    with pytest.raises(ConfigurationError, match="damaged; delete it"):
        await ask(server, user(server, f"file://{tmp_path}/tokens"))


def test_the_store_is_the_connections_then_the_environments(tmp_path: Path) -> None:
    def kind(extra: dict[str, Any], **environment: str) -> str:
        return type(token_store(extra, environment=environment)).__name__

    file, redis = f"file://{tmp_path}", "redis://localhost"
    assert kind({}) == "NoneType"
    assert kind({"token_store": file}, SPOTIFY_IMPORTS_TOKEN_STORE=redis) == "FileStore"
    assert kind({}, SPOTIFY_IMPORTS_TOKEN_STORE=file, SPOTIFY_IMPORTS_REDIS_URL=redis) == (
        "FileStore"
    )
    assert kind({}, SPOTIFY_IMPORTS_REDIS_URL=redis) == "RedisStore"
    for wrong in ("ftp://hush", "file://hush", "file:///", "hush"):
        with pytest.raises(ConfigurationError) as caught:
            token_store({"token_store": wrong}, environment={})
        assert "hush" not in str(caught.value)


async def test_a_store_that_does_not_answer_spends_no_token(server: OAuthServer) -> None:
    auth = user(server, "redis://:hush@127.0.0.1:1/0")
    async with client(server, auth, retry_attempts=1) as http:
        with pytest.raises(TransientError, match="token store's Redis does not answer") as caught:
            await http.get_json("items")
    assert "hush" not in str(caught.value)
    assert server.asked["/token"] == 0


async def test_a_lock_of_a_dead_process_does_not_last(server: OAuthServer, tmp_path: Path) -> None:
    """A process that is killed while it holds the lock leaves it free."""
    auth = user(server, f"file://{tmp_path}")
    code = """
        import fcntl, os, sys, time
        number = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
        fcntl.flock(number, fcntl.LOCK_EX)
        print("held", flush=True)
        time.sleep(60)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    holder = await asyncio.create_subprocess_exec(
        *command, str(tmp_path / f"{auth.fingerprint}.lock"), stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"held\n"
    waiting = asyncio.create_task(ask(server, auth))
    await asyncio.sleep(0.3)
    assert server.asked["/token"] == 0
    holder.kill()
    await holder.communicate()
    assert await waiting == "access-1"


async def test_an_apps_own_token_is_shared_too(server: OAuthServer, tmp_path: Path) -> None:
    """SoundCloud gives an app 50 tokens in 12 hours, however many workers there are."""
    for _ in range(3):
        auth = user(server, f"file://{tmp_path}", refresh_token=None)
        assert await ask(server, auth) == "access-1"
        forget_tokens()  # as if the next were another process
    assert server.asked["/token"] == 1


async def test_a_client_that_has_no_secret_at_all_keeps_nothing(
    server: OAuthServer, tmp_path: Path
) -> None:
    """Its tokens could not be sealed."""
    auth = user(server, f"file://{tmp_path}", client_secret=None, refresh_token=None)
    with pytest.raises(AuthenticationError):
        await ask(server, auth)
    assert os.listdir(tmp_path) == []  # noqa: PTH208  (pathlib's is blocking to ruff)
