"""The cache: what it keeps, for how long, and for whom."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from airflow_provider_spotify.core.clients.http import HttpClient, HttpSettings
from airflow_provider_spotify.core.clients.http_auth import ApiKeyAuth
from airflow_provider_spotify.core.clients.http_cache import database, erase
from airflow_provider_spotify.core.clients.http_limits import forget_limits
from airflow_provider_spotify.core.errors import ConfigurationError, TransientError
from tests.services.http_server import Fault, HttpServer, too_many


@pytest.fixture
def server() -> Iterator[HttpServer]:
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


async def test_an_answer_is_kept_for_its_time_and_over_clients(server, tmp_path):
    for _ in range(3):
        async with client(server, tmp_path) as http:
            response = await http.request("GET", "items")
            assert response.json() == {"n": 1}
    assert response.from_cache
    assert http.usage.cache_hits == 1
    assert len(server.seen) == 1


async def test_without_a_ttl_nothing_is_kept(server, tmp_path):
    async with client(server, tmp_path, cache_ttl=None) as http:
        await http.get_json("items")
        await http.get_json("items")
    assert len(server.seen) == 2
    assert list(tmp_path.iterdir()) == []


async def test_an_answer_is_asked_for_again_after_its_time(server, tmp_path):
    async with client(server, tmp_path, cache_ttl="1s") as http:
        await http.get_json("items")
        await asyncio.sleep(2.1)
        await http.get_json("items")
    assert len(server.seen) == 2


async def test_the_ttl_overrides_what_the_answer_says_of_itself(server, tmp_path):
    headers = {"Cache-Control": "private, max-age=0", "Expires": "0", "Pragma": "no-cache"}
    server.answers["/items"] = lambda request: web.json_response({}, headers=headers)
    async with client(server, tmp_path) as http:
        await http.get_json("items")
        await http.get_json("items")
    assert len(server.seen) == 1


async def test_an_answer_marked_no_store_is_never_kept(server, tmp_path):
    headers = {"Cache-Control": "no-store"}
    server.answers["/items"] = lambda request: web.json_response({"x": 1}, headers=headers)
    async with client(server, tmp_path) as http:
        await http.get_json("items")
        await http.get_json("items")
    assert len(server.seen) == 2


async def test_tenants_and_credentials_do_not_see_each_others_answers(server, tmp_path):
    def key(value: str) -> ApiKeyAuth:
        return ApiKeyAuth(SecretStr(value))

    for tenant, auth in (("a", key("1")), ("b", key("1")), ("a", key("2")), ("a", key("1"))):
        async with client(server, tmp_path, tenant=tenant, auth=auth) as http:
            await http.get_json("items")
    assert len(server.seen) == 3
    assert http.usage.cache_hits == 1


async def test_parameters_are_part_of_what_is_kept(server, tmp_path):
    server.answers["/items"] = lambda request: web.json_response(dict(request.query))
    async with client(server, tmp_path) as http:
        for n in (1, 2, 1):
            assert await http.get_json("items", params={"n": n}) == {"n": str(n)}
    assert len(server.seen) == 2


async def test_errors_are_not_kept(server, tmp_path):
    server.plan("/items", too_many(0.2), Fault(500), Fault(500))
    async with client(server, tmp_path) as http:
        with pytest.raises(TransientError):
            await http.get_json("items")
        assert await http.get_json("items") == {"n": 1}
        assert await http.get_json("gone", missing_ok=True) is None


async def test_posts_are_not_kept(server, tmp_path):
    async with client(server, tmp_path) as http:
        await http.post_json("items", json={})
        await http.post_json("items", json={})
    assert len(server.seen) == 2


async def test_a_stale_answer_with_an_etag_is_only_confirmed(server, tmp_path):
    def answer(request: web.Request) -> web.Response:
        if request.headers.get("If-None-Match") == '"v1"':
            return web.Response(status=304, headers={"ETag": '"v1"'})
        return web.json_response({"n": 1}, headers={"ETag": '"v1"'})

    server.answers["/items"] = answer
    async with client(server, tmp_path, cache_ttl="1s") as http:
        await http.get_json("items")
        await asyncio.sleep(1.1)
        assert await http.get_json("items") == {"n": 1}
        assert await http.get_json("items") == {"n": 1}
    assert len(server.seen) == 2
    assert server.seen[1].headers["If-None-Match"] == '"v1"'


async def test_no_secret_is_written_to_the_disk(server, tmp_path):
    auth = ApiKeyAuth(SecretStr("s3cr3t-key"), name="api_key", where="query")
    async with client(server, tmp_path, auth=auth) as http:
        await http.get_json("items")
    assert server.seen[0].query == {"api_key": "s3cr3t-key"}
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"s3cr3t-key" not in written


async def test_what_was_kept_of_a_tenant_can_be_erased(server, tmp_path):
    for tenant in "ab":
        async with client(server, tmp_path, tenant=tenant) as http:
            await http.get_json("items")
    path = database(tmp_path, tenant="a")
    assert path.stat().st_mode & 0o077 == 0
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT count(*) FROM entries").fetchone() == (1,)
    db.close()
    erase(tmp_path, tenant="a")
    assert not path.exists()
    assert database(tmp_path, tenant="b").exists()


async def test_a_folder_that_cannot_be_made_is_named(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cache_dir"):
        async with client(server, tmp_path / "file" / "cache"):
            pass
