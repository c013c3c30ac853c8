"""The source ``rest`` signs in as its config says, and keeps what it signs in with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web
from pydantic import SecretStr

from airflow_provider_spotify.core.clients.oauth.grants import forget_tokens
from airflow_provider_spotify.core.errors import AuthenticationError, ConfigurationError
from airflow_provider_spotify.core.model import Credentials
from tests.core.sources.api.rest_sources import chunks, rows, serving, source
from tests.services.http_server import Fault, HttpServer

server = pytest.fixture(serving)
SECRETS = Credentials(
    login="me",
    password=SecretStr("hush-hush"),
    extra={"refresh_token": "refresh-0"},
)


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        (None, "Basic bWU6aHVzaC1odXNo"),
        ({"kind": "basic"}, "Basic bWU6aHVzaC1odXNo"),
        ({"kind": "bearer"}, "Bearer hush-hush"),
        ({"kind": "bearer", "scheme": "Token"}, "Token hush-hush"),
        ({"kind": "none"}, None),
        ({"kind": "api_key", "name": "Authorization"}, "hush-hush"),
        ({"kind": "oauth2_client_credentials"}, "Bearer token-1"),
        ({"kind": "oauth2_refresh_token"}, "Bearer token-1"),
    ],
)
async def test_it_signs_in_as_the_config_says(
    server: HttpServer, auth: dict[str, Any] | None, header: str | None
) -> None:
    server.answers["/items"] = [{"id": 1}]
    server.refresh_tokens = {"refresh-0"}
    if auth and auth["kind"].startswith("oauth2"):
        auth = {**auth, "token_url": f"{server.url}/token"}
    rest = source(server, auth=auth, credentials=SECRETS.model_copy(update={"host": server.url}))
    assert await rows(rest) == [{"id": 1}]
    assert server.asked("/items")[0].headers.get("Authorization") == header
    assert "hush" not in repr(rest.config) + repr(rest.credentials)


async def test_a_rotated_refresh_token_is_kept_in_the_store_that_the_connection_names(
    server: HttpServer, tmp_path: Path
) -> None:
    """Another process, which only knows the first token, signs in with the one kept."""
    server.answers["/items"] = [{"id": 1}]
    server.refresh_tokens, server.rotate = {"refresh-0"}, True
    extra = {**SECRETS.extra, "token_store": f"file://{tmp_path}/tokens"}
    credentials = SECRETS.model_copy(update={"host": server.url, "extra": extra})
    auth = {"kind": "oauth2_refresh_token", "token_url": f"{server.url}/token"}
    for _ in range(2):
        forget_tokens()
        server.valid.clear()  # the access token has ended meanwhile
        assert await rows(source(server, auth=auth, credentials=credentials)) == [{"id": 1}]


async def test_a_key_that_the_api_repeats_in_its_links_is_not_kept_in_the_cursor(
    server: HttpServer,
) -> None:
    def answer(request: web.Request) -> web.Response:
        more = "page=2" not in request.query_string
        url = f"{server.url}/items?{request.query_string}&page=2"
        return web.json_response({"items": [{"id": 1}], "next": url if more else None})

    server.answers["/items"] = answer
    rest = source(
        server,
        records="items",
        pagination={"kind": "next_url"},
        auth={"kind": "api_key", "name": "key", "place": "query"},
        credentials=Credentials(host=server.url, password=SecretStr("hush hush")),
    )
    given = await chunks(rest)
    assert "hush" not in orjson.dumps([chunk.cursor for chunk in given]).decode()
    assert [seen.query["key"] for seen in server.seen] == ["hush hush"] * 2


@pytest.mark.parametrize(
    ("auth", "named"),
    [
        ({"kind": "basic"}, "login"),
        ({"kind": "bearer"}, r"extra\['token'\] or password"),
        ({"kind": "api_key"}, r"extra\['api_key'\] or password"),
        ({"kind": "oauth2_client_credentials", "token_url": "https://x/t"}, "client_secret"),
        ({"kind": "oauth2_refresh_token", "token_url": "https://x/t"}, "login"),
        ({"kind": "service_account", "scopes": ["x"]}, "keyfile_dict"),
        ({"kind": "long_lived", "refresh_url": "https://x/t"}, r"extra\['access_token'\]"),
    ],
)
async def test_a_connection_without_the_secret_is_named(
    server: HttpServer, auth: dict[str, Any], named: str
) -> None:
    with pytest.raises(ConfigurationError, match=named):
        await rows(source(server, auth=auth))


async def test_bad_credentials_are_an_authentication_error(server: HttpServer) -> None:
    server.plan("/items", Fault(401))
    with pytest.raises(AuthenticationError):
        await rows(source(server))
