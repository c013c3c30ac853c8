"""Tokens that are shared: renewed once, stored before first use, and lost only with a reason."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from airflow_provider_spotify.core.clients.http.client import HttpClient, HttpSettings
from airflow_provider_spotify.core.clients.oauth.grants import OAuth2, forget_tokens, signed_in
from airflow_provider_spotify.core.clients.oauth.store_files import FileStore
from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    TransientError,
)
from airflow_provider_spotify.core.model import Credentials
from tests.core.clients.oauth.token_users import ask, client, redis_url, user, worker
from tests.services.http_server import Fault, HttpServer
from tests.services.oauth_server import OAuthServer

REPOSITORY = Path(__file__).parents[4]


@pytest.fixture
def server() -> Iterator[OAuthServer]:
    forget_tokens()
    with OAuthServer(refresh_tokens={"seed"}) as server:
        yield server


@pytest.fixture(params=["file", "redis"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the address of a store that processes share."""
    if request.param == "file":
        return f"file://{tmp_path}/tokens"
    return redis_url(request.getfixturevalue("redis_database"))


def test_processes_that_share_a_store_spend_each_refresh_token_once(
    server: OAuthServer, store_url: str
) -> None:
    """Three processes, a token that lives a fifth of a second: no token is presented twice."""
    server.life, server.grace = 0.2, 3600  # a slow machine may bring it later
    workers = [worker(server, store_url, rounds=6) for _ in range(3)]
    said = [one.communicate(timeout=240)[1] for one in workers]
    assert [one.returncode for one in workers] == [0, 0, 0], said
    assert len(server.spent) >= 3
    assert set(server.spent.values()) == {1}


def test_a_process_that_comes_later_needs_no_new_token(server: OAuthServer, store_url: str) -> None:
    for _ in range(2):
        with worker(server, store_url, rounds=1) as one:
            assert one.communicate(timeout=240)[1] == ""
    assert server.asked["/token"] == 1


async def test_fifty_concurrent_requests_renew_once(server: OAuthServer, store_url: str) -> None:
    server.slow = 0.05
    async with client(server, user(server, store_url), concurrency=50) as http:
        await asyncio.gather(*[http.get_json("items") for _ in range(50)])
        server.expire()
        await asyncio.gather(*[http.get_json("items") for _ in range(50)])
    assert server.asked["/token"] == 2
    assert server.spent == {"seed": 1, "refresh-1": 1}


async def test_the_stored_refresh_token_wins_over_the_older_one_of_the_connection(
    server: OAuthServer, store_url: str
) -> None:
    await ask(server, user(server, store_url))
    server.expire()
    forget_tokens()  # as if this were another process
    assert await ask(server, user(server, store_url)) == "access-2"
    assert server.spent == {"seed": 1, "refresh-1": 1}


async def test_a_connection_with_a_new_refresh_token_begins_anew(
    server: OAuthServer, store_url: str
) -> None:
    await ask(server, user(server, store_url))
    server.refresh_tokens = {"consented-again"}
    renewed = user(server, store_url, refresh_token=SecretStr("consented-again"))
    await ask(server, renewed)
    assert server.spent == {"seed": 1, "consented-again": 1}


async def test_a_refused_token_is_not_renewed_where_another_worker_did_it_meanwhile(
    server: OAuthServer, store_url: str
) -> None:
    async with client(server, user(server, store_url)) as http:
        await http.get_json("items")
        server.expire()
        one = worker(server, store_url, rounds=1)
        await asyncio.to_thread(one.communicate, timeout=240)
        assert (await http.get_json("items"))["token"] == "access-2"
    assert server.asked["/token"] == 2


async def test_the_new_refresh_token_is_stored_before_its_access_token_is_used(
    server: OAuthServer, tmp_path: Path
) -> None:
    """A store that cannot be written to keeps every request back."""
    folder = tmp_path / "tokens"
    auth = user(server, f"file://{folder}")
    (folder / f"{auth.fingerprint}/in-the-way").mkdir(parents=True)
    with pytest.raises(ConfigurationError, match="token store"):
        await ask(server, auth)
    assert server.seen == []


async def test_what_the_store_could_not_take_is_stored_before_anything_else(
    server: OAuthServer, tmp_path: Path
) -> None:
    class Failing(FileStore):
        fails = True

        async def save(self, key: str, value: bytes) -> None:
            if self.fails:
                raise TransientError("the disk is full")
            await super().save(key, value)

    store = Failing(tmp_path)
    auth = user(server)
    auth._store = store
    async with client(server, auth, retry_attempts=1) as http:
        with pytest.raises(TransientError, match="full"):
            await http.get_json("items")
        store.fails = False
        assert (await http.get_json("items"))["token"] == "access-1"
    forget_tokens()
    server.expire()
    later = user(server)
    later._store = store
    await ask(server, later)
    assert server.spent == {"seed": 1, "refresh-1": 1}


async def test_a_cancelled_request_does_not_lose_the_refresh_token(
    server: OAuthServer, store_url: str
) -> None:
    server.may_renew.clear()
    async with client(server, user(server, store_url)) as http:
        task = asyncio.create_task(http.get_json("items"))
        assert await asyncio.to_thread(server.renewing.wait, 60), "the refresh token is on its way"
        task.cancel()
        server.may_renew.set()
        with pytest.raises(asyncio.CancelledError):
            await task
    forget_tokens()
    assert await ask(server, user(server, store_url)) == "access-1"
    assert server.spent == {"seed": 1}


async def test_an_ended_consent_is_asked_about_once_and_says_what_to_do(
    server: OAuthServer,
) -> None:
    """However many requests wait, the endpoint is not asked again for what it refused."""
    server.refresh_tokens.clear()
    given = Credentials(
        login="app", password=SecretStr("app-secret"), extra={"refresh_token": "seed"}
    )
    auth = signed_in(given, provider="spotify", token_url=server.token_url)
    async with client(server, auth) as http:
        found = await asyncio.gather(
            *[http.get_json("items") for _ in range(20)], return_exceptions=True
        )
    assert server.asked["/token"] == 1
    for error in found:
        assert isinstance(error, AuthenticationError)
        assert "spotify-imports authorize spotify" in str(error)
        assert "six months" in str(error)
        assert "was killed while it renewed" in str(error)
        assert "seed" not in str(error)


@pytest.mark.parametrize(
    ("system", "options"),
    [
        ("soundcloud", {"scheme": "OAuth", "client_auth": {"refresh_token": "body"}}),
        ("tiktok", {"client_id_name": "client_key", "client_auth": {"refresh_token": "body"}}),
        ("twitter", {"client_auth": {"refresh_token": "basic"}}),
        ("spotify", {"client_auth": {"refresh_token": "basic"}}),
    ],
)
async def test_each_system_is_spoken_to_in_its_own_words(
    server: OAuthServer, system: str, options: dict[str, Any]
) -> None:
    for name, value in options.items():
        setattr(server, name, value)
    given = Credentials(
        login="app", password=SecretStr("app-secret"), extra={"refresh_token": "seed"}
    )
    auth = signed_in(given, provider=system, token_url=server.token_url)
    assert await ask(server, auth) == "access-1"


async def test_a_public_client_renews_without_a_secret(server: OAuthServer, store_url: str) -> None:
    server.client_secret = None
    auth = user(server, store_url, client_secret=None)
    assert await ask(server, auth) == "access-1"
    assert "client_secret" not in server.forms[0]


async def test_an_apps_own_token_is_renewed_by_its_refresh_token_and_begun_again_without(
    server: OAuthServer,
) -> None:
    """SoundCloud gives 50 tokens in 12 hours for client credentials, so refreshing comes first."""
    server.app_refreshes, server.scheme = True, "OAuth"
    server.client_auth = {"client_credentials": "basic", "refresh_token": "body"}
    given = Credentials(login="app", password=SecretStr("app-secret"))
    async with client(
        server, signed_in(given, provider="soundcloud", token_url=server.token_url)
    ) as http:
        await http.get_json("items")
        server.expire()
        await http.get_json("items")
        server.expire()
        server.refresh_tokens.clear()
        await http.get_json("items")
    grants = [form["grant_type"] for form in server.forms]
    first, again = "client_credentials", "refresh_token"
    assert grants == [first, again, again, first]


async def test_no_printed_form_shows_a_token(server: OAuthServer, store_url: str) -> None:
    auth = user(server, store_url)
    await ask(server, auth)
    things: list[object] = [auth, auth._grant, vars(auth), auth._store, auth._endpoint]
    for secret in ("access-1", "refresh-1", "seed", "app-secret"):
        assert secret not in "".join(map(repr, things))
    assert {"access-1", "refresh-1"} <= set(auth.secrets)


async def test_errors_of_a_token_endpoint_repeat_no_secret() -> None:
    """An endpoint that puts what it was sent into its error is not quoted with it."""
    forget_tokens()
    with HttpServer() as server:
        server.plan("/token", Fault(400, body={"error": "bad app-secret seed"}))
        auth = OAuth2(
            f"{server.url}/token",
            client_id="app",
            client_secret=SecretStr("app-secret"),
            refresh_token=SecretStr("seed"),
        )
        with pytest.raises(AuthenticationError, match="answered 400 bad") as caught:
            async with HttpClient(HttpSettings(base_url=server.url), auth=auth) as http:
                await http.get_json("items")
    assert "app-secret" not in str(caught.value)
    assert "seed" not in str(caught.value)
