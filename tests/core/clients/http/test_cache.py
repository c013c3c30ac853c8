"""The cache: what it keeps, for how long, and for whom."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys

import pytest
from aiohttp import web
from pydantic import SecretStr

from airflow_provider_spotify.core.clients.http.auth import ApiKeyAuth
from airflow_provider_spotify.core.clients.http.cache import database, erase
from airflow_provider_spotify.core.errors import ConfigurationError, TransientError
from tests.core.clients.http.cached import client, confirming, serving, stale
from tests.services.http_server import Fault, too_many

server = pytest.fixture(serving)


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
        for _ in range(2):
            assert await http.get_json("gone", missing_ok=True) is None
    assert len(server.asked("/gone")) == 2


async def test_what_is_gone_by_the_time_it_is_stale_is_gone(server, tmp_path):
    server.answers["/items"] = lambda request: web.json_response({"n": 1}, headers=stale())
    async with client(server, tmp_path) as http:
        await http.get_json("items")
        server.answers["/items"] = None
        for _ in range(2):
            assert await http.get_json("items", missing_ok=True) is None
    assert http.usage.cache_hits == 0


async def test_posts_are_not_kept(server, tmp_path):
    async with client(server, tmp_path) as http:
        await http.post_json("items", json={})
        await http.post_json("items", json={})
    assert len(server.seen) == 2


async def test_a_stale_answer_with_an_etag_is_only_confirmed(server, tmp_path):
    server.answers["/items"] = confirming
    async with client(server, tmp_path) as http:
        await http.get_json("items")
        assert await http.get_json("items") == {"n": 1}
        assert await http.get_json("items") == {"n": 1}
    assert len(server.seen) == 2
    assert server.seen[1].headers["If-None-Match"] == '"v1"'
    usage = http.usage
    assert (usage.requests, usage.revalidated, usage.cache_hits) == (2, 1, 1)


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


# what breaks


@pytest.mark.parametrize("damage", ["no database", "cut", "other tables", "overwritten"])
async def test_a_damaged_file_is_left_with_a_warning_and_the_import_goes_on(
    server, tmp_path, caplog, damage
):
    async with client(server, tmp_path) as http:
        for n in range(50):
            await http.request("GET", "items", params={"n": n})
    path = database(tmp_path, tenant="default")
    if damage == "no database":
        path.write_bytes(b"this is no database" * 1000)
    elif damage == "cut":
        os.truncate(path, path.stat().st_size // 2)
    elif damage == "overwritten":
        with path.open("r+b") as file:
            file.seek(4096)
            file.write(b"\xff" * (path.stat().st_size - 4096))
    else:
        path.unlink()
        with sqlite3.connect(path) as db:
            db.execute("CREATE TABLE entries (mine)")
        db.close()
    caplog.clear()
    async with client(server, tmp_path) as http:
        for _ in range(2):
            assert await http.get_json("items") == {"n": 1}
    (warning,) = caplog.records
    assert "is broken" in warning.getMessage()
    assert "delete the file" in warning.getMessage()
    assert warning.exc_info is None


async def test_two_processes_that_keep_answers_at_once_lose_none(server, tmp_path):
    script = f"""
import asyncio, pathlib, sys
from airflow_provider_spotify.core.clients.http.client import HttpClient, HttpSettings
async def main():
    settings = HttpSettings(
        base_url={server.url!r}, cache_ttl="1h", cache_dir=pathlib.Path({str(tmp_path)!r})
    )
    async with HttpClient(settings) as http:
        numbers = range(int(sys.argv[1]), 100 + int(sys.argv[1]))
        await asyncio.gather(*(http.get_json("items", params={{"n": n}}) for n in numbers))
asyncio.run(main())
"""
    command = [sys.executable, "-c", script]
    running = [
        await asyncio.create_subprocess_exec(*command, str(at), stderr=subprocess.PIPE)
        for at in (0, 50)
    ]
    assert [(await each.communicate())[1] for each in running] == [b"", b""]
    before = len(server.seen)
    async with client(server, tmp_path) as http:
        for n in range(150):
            await http.get_json("items", params={"n": n})
    assert http.usage.cache_hits == 150
    assert len(server.seen) == before
