"""Long-lived tokens: prolonged when they are a day old, kept for all, and proven."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from airflow_provider_spotify.core.clients.http.client import HttpClient, HttpSettings
from airflow_provider_spotify.core.clients.oauth.grants import forget_tokens
from airflow_provider_spotify.core.clients.oauth.long_lived import LongLivedToken
from airflow_provider_spotify.core.clients.oauth.store import token_store
from airflow_provider_spotify.core.errors import AuthenticationError
from tests.services.oauth_server import OAuthServer

DAY = 24 * 3600.0


@pytest.fixture
def server() -> Iterator[OAuthServer]:
    forget_tokens()
    with OAuthServer() as server:
        yield server


def given(server: OAuthServer, *, age: float, told: bool = True, **options: Any) -> LongLivedToken:
    """Have a token of some age (seconds); ``told``: the connection says how old."""
    obtained = time.time() - age
    server.prolongable["mine"] = obtained
    server.access_tokens["mine"] = obtained + 60 * DAY
    return LongLivedToken(
        f"{server.url}/prolong",
        token=SecretStr("mine"),
        obtained=obtained if told else None,
        **options,
    )


async def ask(server: OAuthServer, auth: LongLivedToken) -> dict[str, Any]:
    settings = HttpSettings.model_validate(
        {"base_url": server.url, "redis_url": "", "retry_attempts": 1}
    )
    async with HttpClient(settings, auth=auth) as http:
        found: dict[str, Any] = await http.get_json("items")
        return found


async def test_a_token_of_an_hour_is_used_as_it_is(server: OAuthServer) -> None:
    assert (await ask(server, given(server, age=3600)))["token"] == "mine"
    assert server.asked["/prolong"] == 0


@pytest.mark.parametrize("told", [True, False])
async def test_a_token_of_two_days_is_prolonged_once_for_every_worker(
    server: OAuthServer, tmp_path: Path, told: bool
) -> None:
    """Also where the connection does not say how old it is."""
    store = token_store({"token_store": f"file://{tmp_path}"}, environment={})
    for _ in range(2):
        auth = given(server, age=2 * DAY, told=told, store=store)
        assert (await ask(server, auth))["token"] == "long-1"
        forget_tokens()  # as if the next were another process
    assert server.asked["/prolong"] == 1


async def test_a_young_token_of_unknown_age_is_used_although_it_cannot_be_prolonged(
    server: OAuthServer,
) -> None:
    auth = given(server, age=3600, told=False)
    for _ in range(3):
        assert (await ask(server, auth))["token"] == "mine"
    assert server.asked["/prolong"] == 1


async def test_a_token_that_cannot_be_prolonged_now_is_used_while_it_lives(
    server: OAuthServer,
) -> None:
    auth = given(server, age=2 * DAY)
    auth._url = f"{server.url}/down"
    assert (await ask(server, auth))["token"] == "mine"


async def test_a_token_that_ended_says_authorise_again_and_is_not_retried(
    server: OAuthServer,
) -> None:
    with pytest.raises(AuthenticationError, match="spotify-imports authorize instagram") as caught:
        await ask(server, given(server, age=61 * DAY))
    assert "mine" not in str(caught.value)
    assert server.asked["/prolong"] == 1


async def test_a_token_that_was_withdrawn_says_authorise_again(server: OAuthServer) -> None:
    auth = given(server, age=3600)
    server.access_tokens.clear()
    with pytest.raises(AuthenticationError, match="spotify-imports authorize instagram"):
        await ask(server, auth)
    assert server.asked["/items"] == 1


async def test_facebooks_grant_names_the_app(server: OAuthServer) -> None:
    auth = given(
        server,
        age=2 * DAY,
        grant="fb_exchange_token",
        app_id="app",
        app_secret=SecretStr("app-secret"),
    )
    assert (await ask(server, auth))["token"] == "long-1"


@pytest.mark.parametrize("where", ["header", "query"])
async def test_each_request_proves_that_it_knows_the_apps_secret(
    server: OAuthServer, where: str
) -> None:
    """appsecret_proof is the hexadecimal HMAC-SHA256 of the token under the secret."""
    auth = given(server, age=3600, app_secret=SecretStr("app-secret"), where=where)
    proof = hmac.new(b"app-secret", b"mine", hashlib.sha256).hexdigest()
    assert await ask(server, auth) == {"token": "mine", "proof": proof}
