"""Streams, whose bodies are not held in memory, and the bounds of every body."""

from __future__ import annotations

import gzip
import threading
import zlib
from collections.abc import Iterator

import psutil
import pytest

from airflow_provider_spotify.core.clients.http.body import BLOCK
from airflow_provider_spotify.core.errors import DataError, TransientError
from tests.core.clients.http.bodies import BODY, GZIP, MIB, client, serving, streamed
from tests.services.raw_http import RawHttp, cut, head, whole

server = pytest.fixture(serving)


def chunked(*parts: bytes, end: bool = True) -> bytes:
    """Return parts as HTTP chunks, with or without the last one."""
    sent = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    return sent + (b"0\r\n\r\n" if end else b"")


async def test_a_stream_gives_blocks_while_they_come():
    gate = threading.Event()

    def script(asked: dict[str, str]) -> Iterator[bytes]:
        yield head("Transfer-Encoding: chunked", "X-Kind: export") + chunked(b"one", end=False)
        gate.wait(60)
        yield chunked(b"two")

    with RawHttp(script) as server:
        async with client(server) as http, http.stream("GET", "file") as body:
            assert (body.status, body.headers["x-kind"]) == (200, "export")
            blocks = body.blocks()
            assert await anext(blocks) == b"one"
            gate.set()
            assert [block async for block in blocks] == [b"two"]
    assert body.bytes == 6


async def test_a_stream_is_asked_for_again_until_its_body_begins():
    lost = lambda _: [head("Content-Length: 10")]  # noqa: E731
    with RawHttp(lost, whole(b"0123456789")) as server:
        async with client(server) as http:
            assert await streamed(http) == b"0123456789"


async def test_a_stream_that_is_lost_later_says_how_much_came():
    with RawHttp(cut(BODY, 2 * MIB)) as server:
        async with client(server) as http:
            with pytest.raises(TransientError, match=r"ended early.*2,097,152 bytes of it had"):
                await streamed(http)
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(
            head("Transfer-Encoding: chunked") + chunked(BODY[:1000], end=False), id="chunked"
        ),
        pytest.param(
            head("Transfer-Encoding: chunked", GZIP) + chunked(gzip.compress(BODY)[:1000]),
            id="gzip in whole chunks",
        ),
        pytest.param(
            head("Content-Length: 1000", GZIP) + gzip.compress(BODY)[:1000], id="gzip of a length"
        ),
        pytest.param(head(GZIP) + gzip.compress(BODY)[:1000], id="gzip until the close"),
        pytest.param(head(GZIP), id="gzip that never began"),
        pytest.param(
            head("Content-Length: 1000", "Content-Encoding: deflate") + zlib.compress(BODY)[:1000],
            id="deflate",
        ),
    ],
)
async def test_a_cut_body_is_never_a_silent_end(tmp_path, sent):
    with RawHttp(lambda _: [sent]) as server:
        async with client(server) as http:
            for read in (
                lambda: streamed(http),
                lambda: http.request("GET", "file"),
                lambda: http.download("file", to=tmp_path / "file"),
            ):
                with pytest.raises(TransientError, match="early"):
                    await read()


async def test_a_stream_left_early_gives_its_connection_up_and_the_client_goes_on():
    with RawHttp(whole(BODY), whole(b"{}")) as server:
        async with client(server) as http:
            async with http.stream("GET", "file") as body:
                async for _ in body.blocks():
                    break
            assert await http.get_json("other") == {}


async def test_no_more_bodies_are_open_than_concurrency_allows(server):
    server.answers["/file"] = {"n": 1}
    async with client(server, concurrency=1) as http, http.stream("GET", "file") as body:
        assert await http.get_json("file") == {"n": 1}, "a request beside it needs no body's slot"
        assert [block async for block in body.blocks()] == [b'{"n":1}']


# bounds


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
@pytest.mark.parametrize("way", ["request", "stream", "download"])
async def test_a_bomb_is_stopped_at_its_bound_and_costs_little_memory(tmp_path, coding, way):
    coder = zlib.compressobj(9, zlib.DEFLATED, 31 if coding == "gzip" else 15)
    bomb = b"".join(coder.compress(bytes(MIB)) for _ in range(400)) + coder.flush()
    process = psutil.Process()
    with RawHttp(whole(bomb, f"Content-Encoding: {coding}")) as server:
        async with client(server, max_bytes=8 * MIB, max_download_bytes=8 * MIB) as http:
            before = process.memory_info().rss
            with pytest.raises(DataError, match="longer than"):
                if way == "request":
                    await http.request("GET", "file")
                elif way == "stream":
                    await streamed(http)
                else:
                    await http.download("file", to=tmp_path / "file")
            grown = process.memory_info().rss - before
    assert len(bomb) < MIB
    assert grown < 64 * MIB
    assert list(tmp_path.iterdir()) == []


async def test_a_length_above_the_bound_is_refused_before_it_comes(tmp_path):
    with RawHttp(lambda _: [head(f"Content-Length: {10**12}")]) as server:
        async with client(server) as http:
            with pytest.raises(DataError, match="longer than"):
                await http.download("file", to=tmp_path / "file")


async def test_a_long_download_and_a_long_stream_keep_memory_flat(tmp_path):
    size = 200

    def script(asked: dict[str, str]) -> Iterator[bytes]:
        yield head(f"Content-Length: {size * MIB}")
        for _ in range(size):
            yield BODY[:MIB]

    process, most = psutil.Process(), 0
    with RawHttp(script) as server:
        async with client(server) as http:
            before = process.memory_info().rss
            async with http.stream("GET", "file") as body:
                async for _ in body.blocks():
                    if body.bytes % (8 * MIB) < BLOCK:
                        most = max(most, process.memory_info().rss - before)
            done = await http.download("file", to=tmp_path / "file")
            most = max(most, process.memory_info().rss - before)
    assert (body.bytes, done.bytes) == (size * MIB, size * MIB)
    assert most < 48 * MIB


async def test_what_follows_a_gzip_body_and_is_none_is_damage():
    with RawHttp(whole(gzip.compress(b"{}") + b"junk", GZIP)) as server:
        async with client(server) as http:
            with pytest.raises(TransientError, match="damaged"):
                await http.request("GET", "file")
