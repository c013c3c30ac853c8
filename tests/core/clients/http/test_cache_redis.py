"""The cache in Redis: what workers share, its bound, and what breaks."""

from __future__ import annotations

import logging
import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hishel
import pytest
from pydantic import SecretStr
from redis import Redis

from airflow_provider_spotify.core.clients.http.auth import ApiKeyAuth
from airflow_provider_spotify.core.clients.http.cache import erase
from airflow_provider_spotify.core.clients.http.cache_redis import PREFIX, RedisStorage
from airflow_provider_spotify.core.clients.http.client import HttpClient
from airflow_provider_spotify.core.errors import ConfigurationError
from tests.core.clients.http.cached import client, confirming, serving
from tests.services.http_server import Fault, HttpServer
from tests.services.redis import redis_process, redis_server

_OWN = (b"index", b"bytes")

server = pytest.fixture(serving)


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
        seconds = []
        for _ in range(50):
            since = time.perf_counter()
            assert (await http.request("GET", "items")).from_cache
            seconds.append(time.perf_counter() - since)
    assert statistics.median(seconds) < 0.005
