"""Replaying: the same answers and failures, what was not recorded, and long bodies."""

from __future__ import annotations

import gzip
import json
import logging
from typing import Any

import pytest
from aiohttp import web

from airflow_provider_spotify.core.errors import TransientError
from airflow_provider_spotify.core.testing.exchanges import NotRecorded, recorded, replayed
from tests.core.clients.http.recordings import client, oauth, own_cache, serving, written
from tests.services.http_server import Fault
from tests.services.raw_http import RawHttp, cut, whole

LINES = b"".join(b'{"id":%d,"$email":"user%d@example.com"}\n' % (n, n) for n in range(20_000))

_own_cache = pytest.fixture(autouse=True)(own_cache)
server = pytest.fixture(serving)


async def test_a_replay_leaves_no_token_behind(server, tmp_path):
    server.answers["/items"] = {"n": 1}
    server.protected.add("/items")
    auth = {"auth": oauth(server.url)}
    with recorded(tmp_path / "it"):
        async with client(server.url, **auth) as http:
            await http.get_json("items")
    with replayed(tmp_path / "it"):
        async with client(server.url, auth=oauth(server.url)) as http:
            await http.get_json("items")
    async with client(server.url, auth=oauth(server.url)) as http:
        assert await http.get_json("items") == {"n": 1}


async def test_a_token_from_before_the_recording_needs_no_exchange_in_it(tmp_path):
    (tmp_path / "it").mkdir()
    (tmp_path / "it" / "recording.json").write_text('{"version": 1, "scrubbed": []}')
    (tmp_path / "it" / "0001-GET-items.json").write_text(
        '{"request": {"method": "GET", "url": "http://x.invalid/items", "headers": {}, "body": '
        'null}, "response": {"status": 200, "headers": {}, "body": {"json": [1]}}}'
    )
    with replayed(tmp_path / "it"):
        async with client("http://x.invalid", auth=oauth("http://x.invalid")) as http:
            assert await http.get_json("items") == [1]


async def test_a_request_that_was_not_recorded_is_named_with_what_is_near(server, tmp_path):
    server.answers["/items"] = {"n": 1}
    with recorded(tmp_path / "it"):
        async with client(server.url) as http:
            await http.get_json("items", params={"from": "2026-01-01", "page": 1})
            await http.post_json("items", json={"q": 1})
    with replayed(tmp_path / "it"):
        async with client(server.url) as http:
            with pytest.raises(NotRecorded, match="from=2026-01-01 instead of 2026-02-01"):
                await http.get_json("items", params={"from": "2026-02-01", "page": 1})
            with pytest.raises(NotRecorded, match=r"nearest is GET .*/items"):
                await http.get_json("itemz")
            with pytest.raises(NotRecorded, match="with another body"):
                await http.post_json("items", json={"q": 2})
            await http.post_json("items", json={"q": 1})
            with pytest.raises(NotRecorded, match=r"recorded 1 times.*once more"):
                await http.post_json("items", json={"q": 1})
    with replayed(tmp_path / "it", ignore=["from"]):
        async with client(server.url) as http:
            assert await http.get_json("items", params={"from": "later", "page": 1}) == {"n": 1}


async def test_failures_are_replayed_as_they_came(server, tmp_path):
    server.answers["/items"] = {"n": 1}
    drop = Fault(how="drop")
    server.plan("/items", drop, drop, Fault(500))  # the pool asks again once by itself
    usages = []

    async def asked() -> Any:
        async with client(server.url, retry_attempts=4) as http:
            usages.append(http.usage)
            return await http.get_json("items")

    with recorded(tmp_path / "it"):
        assert await asked() == {"n": 1}
    with replayed(tmp_path / "it"):
        assert await asked() == {"n": 1}
    assert [usage.retries for usage in usages] == [2, 2]


async def test_streams_and_downloads_are_replayed_line_by_line_scrubbed(tmp_path):
    async def both(url: str) -> tuple[bytes, bytes]:
        async with client(url) as http:
            await http.download("export", to=tmp_path / "file")
            async with http.stream("GET", "export") as body:
                streamed = b"".join([block async for block in body.blocks()])
        return (tmp_path / "file").read_bytes(), streamed

    script = whole(gzip.compress(LINES), "Content-Encoding: gzip")
    with RawHttp(script) as server, recorded(tmp_path / "it"):
        assert await both(server.url) == (LINES, LINES)
    with replayed(tmp_path / "it"):
        got = await both(server.url)
    assert got[0] == got[1]
    ids = [json.loads(line)["id"] for line in got[0].splitlines()]
    assert ids == list(range(20_000))
    assert b"@example.com" not in written(tmp_path / "it")
    assert sorted(path.suffix for path in (tmp_path / "it").iterdir()) == [
        *[".body"] * 2,
        *[".json"] * 3,
    ]


async def test_a_stream_that_broke_off_breaks_off_again(tmp_path):
    async def read(url: str) -> None:
        async with client(url) as http, http.stream("GET", "export") as body:
            async for _ in body.blocks():
                pass

    broken = pytest.raises(TransientError, match="ended early")
    with RawHttp(cut(LINES, 300_000)) as server, recorded(tmp_path / "it"), broken:
        await read(server.url)
    with replayed(tmp_path / "it"), pytest.raises(TransientError, match="ended early"):
        await read(server.url)


async def test_a_download_that_was_cut_is_recorded_from_its_start_and_replayed(tmp_path):
    async def read(url: str) -> bytes:
        async with client(url) as http:
            await http.download("export", to=tmp_path / "file")
        return (tmp_path / "file").read_bytes()

    strong = ('ETag: "v1"', "Accept-Ranges: bytes")
    scripts = (cut(LINES, 300_000, *strong), whole(LINES, *strong))
    with RawHttp(*scripts) as server, recorded(tmp_path / "it"):
        assert await read(server.url) == LINES
    assert "range" not in server.seen[1]
    with replayed(tmp_path / "it"):
        assert (await read(server.url)).count(b"\n") == 20_000


async def test_a_body_that_is_no_text_is_kept_and_warned_of(server, tmp_path, caplog):
    zipped = gzip.compress(LINES)
    server.answers["/zip"] = lambda request: web.Response(body=zipped)
    with recorded(tmp_path / "it"), caplog.at_level(logging.WARNING):
        async with client(server.url) as http:
            assert (await http.request("GET", "zip")).body == zipped
            await http.download("zip", to=tmp_path / "file")
    assert len([r for r in caplog.records if "no text" in r.message]) == 2
    with replayed(tmp_path / "it"):
        async with client(server.url) as http:
            assert (await http.request("GET", "zip")).body == zipped
            await http.download("zip", to=tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == zipped
