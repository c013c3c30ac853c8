"""The cache: what it keeps, for how long, and for whom."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import hishel
import pytest
from aiohttp import web
from pydantic import SecretStr
from redis import Redis

from airflow_provider_spotify.core.clients.http.auth import ApiKeyAuth
from airflow_provider_spotify.core.clients.http.cache import database, erase
from airflow_provider_spotify.core.clients.http.cache_redis import PREFIX, RedisStorage
from airflow_provider_spotify.core.clients.http.client import HttpClient, HttpSettings
from airflow_provider_spotify.core.clients.http.limits import forget_limits
from airflow_provider_spotify.core.errors import ConfigurationError, TransientError
from tests.services.http_server import Fault, HttpServer, too_many
from tests.services.redis import redis_process, redis_server


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


_OWN = (b"index", b"bytes")


def stale() -> dict[str, str]:
    """Return the headers of an answer with an ETag that was given 90 minutes ago."""
    return {"ETag": '"v1"', "Date": formatdate(time.time() - 90 * 60, usegmt=True)}


def confirming(request: web.Request) -> web.Response:
    """Give a stale answer, and confirm it from then on."""
    if request.headers.get("If-None-Match") == '"v1"':
        return web.Response(status=304, headers={"ETag": '"v1"'})
    return web.json_response({"n": 1}, headers=stale())


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with redis_server() as url:
        yield url


@pytest.fixture
def stored(redis_url: str) -> Iterator[Redis]:
    """Give a Redis without any answer in it."""
    redis = Redis.from_url(redis_url)
    yield redis
    for name in redis.scan_iter(f"{PREFIX}:*"):
        redis.delete(name)
    redis.close()


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


# Redis


def in_redis(server: HttpServer, url: str, **options: Any) -> HttpClient:
    return client(server, Path("/nowhere"), cache="redis", cache_url=url, **options)


async def test_workers_share_what_is_kept_in_redis(server, redis_url, stored):
    server.answers["/items"] = {"text": "long " * 10_000}
    for _ in range(2):
        async with in_redis(server, redis_url) as http:
            assert await http.get_json("items") == {"text": "long " * 10_000}
    assert len(server.seen) == 1
    (name,) = [n for n in stored.scan_iter(f"{PREFIX}:*") if len(n) > 60 and b"index" not in n]
    assert stored.strlen(name) < 5_000, "it is compressed"
    assert 0 < stored.pttl(name) <= 2 * 3600 * 1000


async def test_in_redis_too_each_tenant_and_credential_has_its_own(server, redis_url, stored):
    def key(value: str) -> ApiKeyAuth:
        return ApiKeyAuth(SecretStr(value))

    for tenant, auth in (("a", key("1")), ("b", key("1")), ("a", key("2")), ("a", key("1"))):
        async with in_redis(server, redis_url, tenant=tenant, auth=auth) as http:
            await http.get_json("items")
    assert len(server.seen) == 3
    assert http.usage.cache_hits == 1


async def test_in_redis_too_a_stale_answer_is_only_confirmed(server, redis_url, stored):
    server.answers["/items"] = confirming
    async with in_redis(server, redis_url) as http:
        await http.get_json("items")
        assert [await http.get_json("items") for _ in range(2)] == [{"n": 1}] * 2
    usage = http.usage
    assert (usage.requests, usage.revalidated, usage.cache_hits) == (2, 1, 1)


async def test_a_tenants_answers_are_erased_in_redis(server, tmp_path, redis_url, stored):
    for tenant in "ab":
        async with in_redis(server, redis_url, tenant=tenant) as http:
            await http.get_json("items")
    assert len(list(stored.scan_iter(f"{PREFIX}:*"))) == 6
    erase(tmp_path, tenant="a", redis_url=SecretStr(redis_url))
    assert len(list(stored.scan_iter(f"{PREFIX}:*"))) == 3


async def test_errors_are_not_kept_in_redis_and_no_secret_is(server, redis_url, stored):
    auth = ApiKeyAuth(SecretStr("s3cr3t-key"), name="api_key", where="query")
    server.plan("/items", Fault(500))
    async with in_redis(server, redis_url, auth=auth) as http:
        assert await http.get_json("gone", missing_ok=True) is None
        await http.get_json("items")
    kept = [stored.get(n) for n in stored.scan_iter(f"{PREFIX}:*") if stored.type(n) == b"string"]
    assert len(kept) == 2
    assert not any(b"s3cr3t-key" in value for value in kept if value)


def test_what_a_tenant_keeps_in_redis_has_a_bound(redis_url, stored):
    storage = RedisStorage(SecretStr(redis_url), tenant="t", ttl=60, most=20_000)
    for number in (*range(30), 29, 29):
        body = os.urandom(1000 + number)
        response = hishel.Response(200, hishel.Headers({}), iter([body]))
        request = hishel.Request("GET", f"http://x/{number}")
        storage.create_entry(request, response, str(number))
    kept = {n: storage.get_entries(str(n)) for n in range(30)}
    there = [n for n, found in kept.items() if found]
    assert 15 <= len(there) <= 20
    assert there == list(range(there[0], 30)), "the oldest made room"
    sizes = [stored.strlen(n) for n in stored.scan_iter(f"{PREFIX}:*") if n[-5:] not in _OWN]
    (total,) = [stored.get(n) for n in stored.scan_iter(f"{PREFIX}:*bytes")]
    assert int(total or 0) == sum(sizes) <= 20_000
    storage.remove_entry(kept[29][0].id)
    assert storage.get_entries("29") == []
    storage.close()


async def test_an_import_goes_on_when_redis_is_lost(server, caplog):
    with redis_process() as port:
        http = in_redis(server, f"redis://127.0.0.1:{port}/0")
        await http.__aenter__()
        await http.get_json("items")
        await http.get_json("items")
    for _ in range(3):
        assert await http.get_json("items") == {"n": 1}
    await http.__aexit__(None, None, None)
    (warning,) = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert "in Redis is broken (ConnectionError): going on without it" in warning.getMessage()
    assert http.usage.cache_hits == 1


@pytest.mark.parametrize("rubbish", [b"", b"{", b"{}\nx", b"\xff\n"])
async def test_rubbish_in_redis_is_left_with_a_warning(server, redis_url, stored, caplog, rubbish):
    async with in_redis(server, redis_url) as http:
        await http.get_json("items")
    for name in stored.scan_iter(f"{PREFIX}:*"):
        if name[-5:] not in _OWN:
            stored.set(name, rubbish)
    async with in_redis(server, redis_url) as http:
        assert await http.get_json("items") == {"n": 1}
    assert "is broken" in caplog.text


def test_a_redis_that_nobody_named_is_asked_for(server, monkeypatch):
    monkeypatch.delenv("SPOTIFY_IMPORTS_REDIS_URL", raising=False)
    with pytest.raises(ConfigurationError, match="cache_url or redis_url"):
        client(server, Path("/nowhere"), cache="redis")
    monkeypatch.setenv("SPOTIFY_IMPORTS_REDIS_URL", "redis://127.0.0.1:1/0")
    assert client(server, Path("/nowhere"), cache="redis").settings.cache_redis()


async def test_a_malformed_url_is_said_and_not_shown(server):
    with pytest.raises(ConfigurationError, match="malformed") as said:
        async with in_redis(server, "http://:hidden@host"):
            pass
    assert "hidden" not in str(said.value)


@pytest.mark.parametrize("store", ["sqlite", "redis"])
async def test_a_hit_takes_less_than_five_milliseconds(server, tmp_path, redis_url, stored, store):
    server.answers["/items"] = [{"id": n, "name": f"track {n}"} for n in range(3000)]
    settings = {"cache": store, "cache_url": redis_url}
    async with client(server, tmp_path, **settings) as http:
        await http.request("GET", "items")
        seconds, busy = [], []
        for _ in range(50):
            since, used = time.perf_counter(), time.process_time()
            assert (await http.request("GET", "items")).from_cache
            seconds.append(time.perf_counter() - since)
            busy.append(time.process_time() - used)
    assert statistics.median(busy) < 0.005
    assert min(seconds) < 0.005, "what other processes take of the machine is no time of a hit"
