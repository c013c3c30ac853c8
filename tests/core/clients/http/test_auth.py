"""Credentials over real HTTP: fixed ones, and OAuth 2 tokens that end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from airflow_provider_spotify.core.clients.http.auth import (
    ApiKeyAuth,
    Auth,
    BasicAuth,
    BearerAuth,
)
from airflow_provider_spotify.core.clients.http.client import HttpClient, HttpSettings
from airflow_provider_spotify.core.clients.oauth.grants import OAuth2, forget_tokens
from airflow_provider_spotify.core.errors import AuthenticationError, TransientError
from tests.services.http_server import Fault, HttpServer


@pytest.fixture
def server() -> Iterator[HttpServer]:
    forget_tokens()
    with HttpServer() as server:
        server.answers["/items"] = {"ok": True}
        server.protected.add("/items")
        yield server


def client(server: HttpServer, auth: Auth, **options: Any) -> HttpClient:
    settings = {"base_url": server.url, "timeout": "60s", **options}
    return HttpClient(HttpSettings.model_validate(settings), auth=auth)


def credentials(server: HttpServer, **options: Any) -> OAuth2:
    return OAuth2(
        f"{server.url}/token", client_id="me", client_secret=SecretStr("hush-hush"), **options
    )


def refreshing(server: HttpServer, token: str = "refresh-0", **options: Any) -> OAuth2:
    return credentials(server, refresh_token=SecretStr(token), **options)


@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [
        (BasicAuth("me", SecretStr("påss:word")), "Authorization", "Basic bWU6cMOlc3M6d29yZA=="),
        (BearerAuth(SecretStr("abc")), "Authorization", "Bearer abc"),
        (ApiKeyAuth(SecretStr("abc"), name="X-Key"), "X-Key", "abc"),
    ],
)
async def test_fixed_credentials_go_into_their_header(server, auth, header, value):
    server.protected.clear()
    async with client(server, auth) as http:
        await http.get_json("items")
    assert server.seen[0].headers[header] == value


async def test_one_token_serves_all_concurrent_requests(server):
    async with client(server, credentials(server)) as http:
        await asyncio.gather(*[http.get_json("items") for _ in range(20)])
    assert server.tokens == ["token-1"]


async def test_one_token_serves_clients_in_several_threads(server):
    async def one():
        async with client(server, credentials(server)) as http:
            await asyncio.gather(*[http.get_json("items") for _ in range(5)])

    threads = [threading.Thread(target=lambda: asyncio.run(one())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    assert server.tokens == ["token-1"]


async def test_a_token_is_renewed_a_minute_before_it_ends(server, monkeypatch):
    server.token_life = 61
    auth = credentials(server)
    async with client(server, auth) as http:
        await http.get_json("items")
        await http.get_json("items")
        assert len(server.tokens) == 1
        auth._grant.expires -= 31
        await http.get_json("items")
        assert len(server.tokens) == 2


async def test_a_refused_token_is_renewed_once_for_all_and_the_requests_repeated(server):
    async with client(server, credentials(server)) as http:
        await http.get_json("items")
        server.expire_tokens()
        found = await asyncio.gather(*[http.get_json("items") for _ in range(10)])
    assert found == [{"ok": True}] * 10
    assert len(server.tokens) == 2


async def test_a_401_that_a_new_token_does_not_mend_is_an_authentication_error(server):
    server.plan("/items", Fault(401), Fault(401))
    async with client(server, credentials(server)) as http:
        with pytest.raises(AuthenticationError, match="check the connection's credentials"):
            await http.get_json("items")
    assert len(server.asked("/items")) == 2


async def test_an_ended_refresh_token_says_reauthorise_and_is_not_repeated(server):
    async with client(server, refreshing(server)) as http:
        with pytest.raises(AuthenticationError, match="re-authorise") as caught:
            await http.get_json("items")
    assert "refresh-0" not in str(caught.value)
    assert len(server.asked("/token")) == 1


async def test_a_rotated_refresh_token_is_handed_over_before_it_is_used(server):
    server.refresh_tokens, server.rotate = {"refresh-0"}, True
    kept: list[tuple[str, int]] = []

    async def keep(token: str) -> None:
        kept.append((token, len(server.asked("/items"))))

    async with client(server, refreshing(server, on_rotate=keep)) as http:
        await http.get_json("items")
        server.expire_tokens()
        await http.get_json("items")
    assert kept == [("refresh-1", 0), ("refresh-2", 2)]
    assert b"refresh_token=refresh-1" in server.asked("/token")[1].body


async def test_another_client_of_the_process_goes_on_with_the_rotated_token(server):
    server.refresh_tokens, server.rotate = {"refresh-0"}, True
    for _ in range(2):
        async with client(server, refreshing(server)) as http:
            await http.get_json("items")
        server.expire_tokens()
    assert len(server.tokens) == 2


async def test_a_token_endpoint_that_fails_is_asked_again_even_for_a_post(server):
    server.plan("/token", Fault(503))
    async with client(server, credentials(server)) as http:
        await http.post_json("items", json={})
    assert len(server.asked("/token")) == 2


async def test_a_token_endpoint_that_stays_down_is_transient(server):
    server.plan("/token", *[Fault(503)] * 2)
    async with client(server, credentials(server), retry_attempts=2) as http:
        with pytest.raises(TransientError, match="token endpoint"):
            await http.get_json("items")


@pytest.mark.parametrize(
    "fault",
    [
        Fault(400, body={"error": "invalid_client"}),
        Fault(200, body={"nothing": 1}),
        Fault(200, {"Content-Type": "text/html"}, b"<html>"),
    ],
)
async def test_a_token_endpoint_that_refuses_is_an_authentication_error(server, fault):
    server.plan("/token", fault)
    async with client(server, credentials(server)) as http:
        with pytest.raises(AuthenticationError, match="check") as caught:
            await http.get_json("items")
    assert "hush" not in str(caught.value)


async def test_the_client_secret_goes_where_the_endpoint_wants_it(server):
    for style in ("basic", "body"):
        forget_tokens()
        async with client(server, credentials(server, client_auth=style)) as http:
            await http.get_json("items")
    first, second = server.asked("/token")
    assert first.headers["Authorization"] == "Basic bWU6aHVzaC1odXNo"
    assert b"client_secret" not in first.body
    assert "Authorization" not in second.headers
    assert b"client_secret=hush-hush" in second.body


def test_printing_credentials_shows_no_secret():
    for auth in (
        BasicAuth("me", SecretStr("hush")),
        BearerAuth(SecretStr("hush")),
        ApiKeyAuth(SecretStr("hush")),
        OAuth2("https://x/token", client_id="me", client_secret=SecretStr("hush")),
    ):
        assert "hush" not in repr(auth) + str(vars(auth))


def test_fingerprints_tell_credentials_apart():
    one, same, other = (BearerAuth(SecretStr(token)) for token in ("a", "a", "b"))
    assert one.fingerprint == same.fingerprint != other.fingerprint
    assert ApiKeyAuth(SecretStr("a")).fingerprint != one.fingerprint
