"""Recording: the files give the same import without network, and hold no secret."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from airflow_provider_spotify.cli import main
from airflow_provider_spotify.core.clients.http.auth import ApiKeyAuth, BasicAuth, BearerAuth
from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sources.api.rest import SOURCE, RestConfig
from airflow_provider_spotify.core.testing.exchanges import recorded, replayed
from tests.core.clients.http.recordings import (
    REFRESH,
    SECRET,
    client,
    oauth,
    own_cache,
    serving,
    written,
)
from tests.core.config.tenants import yaml
from tests.services.http_server import HttpServer

_own_cache = pytest.fixture(autouse=True)(own_cache)
server = pytest.fixture(serving)


def pages(request: web.Request) -> web.Response:
    """Serve thirty people in three pages, whose links repeat the caller's token."""
    at = int(request.query.get("cursor", 0))
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    rows = [{"id": n, "email": f"user{n % 5}@example.com", "at": 1.50} for n in range(at, at + 10)]
    link = f"{request.url.origin()}/items?cursor={at + 10}&access_token={token}"
    return web.json_response(
        {"items": rows, "next": link if at < 20 else None}, headers={"Set-Cookie": "sid=c00kie"}
    )


async def imported(server: HttpServer) -> list[dict[str, Any]]:
    config = {
        "path": "items",
        "records": "items",
        "pagination": {"kind": "next_url"},
        "auth": {
            "kind": "oauth2_client_credentials",
            "token_url": f"{server.url}/token",
        },
        "cache_ttl": "1h",
    }
    credentials = Credentials(host=server.url, login="app", password=SecretStr(SECRET))
    rest = SOURCE(RestConfig.model_validate(config), credentials=credentials, tenant="acme")
    return [row async for chunk in rest.read(None) for row in chunk.batch.to_pylist()]


async def test_an_import_is_replayed_without_its_server_and_without_its_secrets(tmp_path):
    with HttpServer() as server:
        server.answers["/items"] = pages
        server.protected.add("/items")
        plain = await imported(server)
        with recorded(tmp_path / "it"):
            first = await imported(server)
        tokens = list(server.tokens)
    with replayed(tmp_path / "it"):
        second = await imported(server)
    assert plain == first
    assert [row["id"] for row in second] == list(range(30))
    assert [row["at"] for row in second] == [1.5] * 30
    people = [row["email"] for row in second]
    assert people[:5] == people[5:10], "the same person has the same stand-in"
    assert len(set(people)) == 5
    files = written(tmp_path / "it")
    assert tokens
    for secret in (SECRET, *tokens, "c00kie", "@example.com"):
        assert secret.encode() not in files


async def test_with_nothing_to_scrub_the_rows_are_the_same(tmp_path):
    with HttpServer() as server:
        server.answers["/items"] = pages
        with recorded(tmp_path / "it", personal=()):
            first = await imported(server)
    with replayed(tmp_path / "it"):
        assert await imported(server) == first


async def test_a_token_that_ended_meanwhile_is_renewed_in_the_replay_too(server, tmp_path):
    server.answers["/items"] = {"n": 1}
    server.protected.add("/items")
    server.rotate = True

    async def twice() -> list[Any]:
        async with client(server.url, auth=oauth(server.url)) as http:
            first = await http.get_json("items")
            server.expire_tokens()
            return [first, await http.get_json("items")]

    with recorded(tmp_path / "it"):
        assert await twice() == [{"n": 1}] * 2
    before = len(server.seen)
    with replayed(tmp_path / "it"):
        assert await twice() == [{"n": 1}] * 2
    assert len(server.seen) == before
    statuses = [
        json.loads(path.read_text())["response"]["status"]
        for path in sorted((tmp_path / "it").glob("0*.json"))
    ]
    assert statuses == [200, 200, 401, 200, 200]
    files = written(tmp_path / "it")
    for secret in (SECRET, *server.tokens, REFRESH, "refresh-1", "refresh-2"):
        assert secret.encode() not in files


@pytest.mark.parametrize(
    "auth",
    [
        ApiKeyAuth(SecretStr("k3y-of-mine"), name="api_key", where="query"),
        ApiKeyAuth(SecretStr("k3y-of-mine"), name="q", where="query"),
        ApiKeyAuth(SecretStr("k3y-of-mine"), name="X-Thing"),
        BasicAuth("me", SecretStr("k3y-of-mine")),
        BearerAuth(SecretStr("k3y-of-mine")),
    ],
    ids=lambda auth: auth.kind,
)
async def test_whatever_carries_the_credential_it_is_not_written(server, tmp_path, auth):
    def echo(request: web.Request) -> web.Response:
        return web.json_response({"you": str(request.url), "head": dict(request.headers)})

    server.answers["/items"] = echo
    with recorded(tmp_path / "it"):
        async with client(server.url, auth=auth) as http:
            await http.get_json("items", params={"n": 1})
    assert b"k3y-of-mine" not in written(tmp_path / "it")
    assert b"n=1" in written(tmp_path / "it")
    with replayed(tmp_path / "it"):
        async with client(server.url, auth=auth) as http:
            assert (await http.get_json("items", params={"n": 1}))["head"]


async def test_files_are_their_owners_alone(server, tmp_path):
    server.answers["/items"] = {"n": 1}
    with recorded(tmp_path / "it"):
        async with client(server.url) as http:
            await http.download("items", to=tmp_path / "file")
    assert [path.stat().st_mode & 0o077 for path in (tmp_path / "it").iterdir()] == [0, 0, 0]
    assert (tmp_path / "it").stat().st_mode & 0o077 == 0


def test_a_recording_goes_to_a_folder_of_its_own_and_comes_from_one(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="not empty"), recorded(tmp_path):
        pass
    with pytest.raises(ConfigurationError, match="no recording"), replayed(tmp_path):
        pass
    twice = pytest.raises(ConfigurationError, match="already")
    with twice, recorded(tmp_path / "a"), recorded(tmp_path / "b"):
        pass


# the command line


def test_run_records_and_replays(server, tmp_path, monkeypatch, capsys):
    imports = (
        "  people:\n    source: {type: rest, connection: acme__api, path: items, records: items,\n"
        "      pagination: {kind: next_url}}\n"
    )
    (tmp_path / "acme.yaml").write_text(yaml(imports))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AIRFLOW_CONN_ACME__API", json.dumps({"host": server.url}))
    server.answers["/items"] = pages
    run = ["run", "acme", "people", "--folder", ".", "--format", "json"]
    assert main([*run, "--record", "it"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["rows"] == 30
    assert "3 exchanges recorded in it" in said.err
    before = len(server.seen)
    assert main([*run, "--full-refresh", "--replay", "it"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 30
    assert len(server.seen) == before
    assert main([*run, "--record", "a", "--replay", "it"]) != 0
    assert "exclude each other" in capsys.readouterr().err
    check = ["check", "acme", "people", "--folder", "."]
    assert main([*check, "--record", "checked"]) == 0
    assert main([*check, "--replay", "checked"]) == 0
    assert main([*check, "--replay", "it", "--format", "json"]) in (0, 2)
