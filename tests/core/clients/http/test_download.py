"""Bodies that are not held in memory: what is cut, resumed, compressed or too long."""

from __future__ import annotations

import gzip
import io
import random
import threading
import time
import zlib
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from pydantic import SecretStr

from airflow_provider_spotify.core.clients.http.auth import BearerAuth
from airflow_provider_spotify.core.clients.http.body import BLOCK
from airflow_provider_spotify.core.clients.http.client import HttpClient, HttpSettings, NotFound
from airflow_provider_spotify.core.clients.http.limits import forget_limits
from airflow_provider_spotify.core.clients.oauth.grants import OAuth2
from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    DataError,
    TransientError,
)
from tests.services.http_server import Fault, HttpServer, too_many
from tests.services.raw_http import RawHttp, cut, head, whole

MIB = 1024 * 1024
BODY = random.Random(4).randbytes(3 * MIB)
STRONG = ('ETag: "v1"', "Accept-Ranges: bytes")
GZIP = "Content-Encoding: gzip"


@pytest.fixture
def server() -> Iterator[HttpServer]:
    forget_limits()
    with HttpServer() as server:
        yield server


def client(server: Any, **options: Any) -> HttpClient:
    extra = {k: options.pop(k) for k in ("auth", "classify") if k in options}
    settings = {"base_url": server.url, "retry_attempts": 2, "timeout": "60s", **options}
    return HttpClient(HttpSettings.model_validate(settings), **extra)


def chunked(*parts: bytes, end: bool = True) -> bytes:
    """Return parts as HTTP chunks, with or without the last one."""
    sent = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    return sent + (b"0\r\n\r\n" if end else b"")


async def streamed(http: HttpClient, url: str = "file", **options: Any) -> bytes:
    async with http.stream("GET", url, **options) as body:
        return b"".join([block async for block in body.blocks()])


# downloads


async def test_a_body_is_written_and_counted(tmp_path):
    with RawHttp(whole(BODY, "X-Kind: export")) as server:
        async with client(server) as http:
            done = await http.download("file", to=tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == BODY
    assert (done.status, done.headers["x-kind"], done.bytes) == (200, "export", len(BODY))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


async def test_a_compressed_body_is_written_as_it_is_meant(tmp_path):
    with RawHttp(whole(gzip.compress(BODY), GZIP)) as server:
        async with client(server) as http:
            done = await http.download("file", to=tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == BODY
    assert done.bytes == len(BODY)
    assert server.seen[0]["accept-encoding"] == "gzip, deflate"


async def test_a_cut_body_without_an_etag_begins_again(tmp_path):
    with RawHttp(cut(b"x" * len(BODY), 2 * MIB), whole(BODY)) as server:
        async with client(server) as http:
            await http.download("file", to=tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == BODY
    assert "range" not in server.seen[1]
    assert http.usage.requests == 2
    assert http.usage.retries == 1


@pytest.mark.parametrize("coded", [False, True])
async def test_a_cut_body_with_a_strong_etag_is_resumed(tmp_path, coded):
    sent = gzip.compress(BODY) if coded else BODY
    more = (GZIP,) if coded else ()

    def rest(headers: dict[str, str]) -> tuple[bytes, bytes]:
        at = int(headers["range"].removeprefix("bytes=").removesuffix("-"))
        span = f"Content-Range: bytes {at}-{len(sent) - 1}/{len(sent)}"
        length = f"Content-Length: {len(sent) - at}"
        return head(span, length, *STRONG, *more, status="206 Partial Content"), sent[at:]

    with RawHttp(cut(sent, 2 * MIB, *STRONG, *more), rest) as server:
        async with client(server) as http:
            done = await http.download("file", to=tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == BODY
    assert done.bytes == len(BODY)
    assert server.seen[1]["range"] == f"bytes={2 * MIB}-"
    assert server.seen[1]["if-range"] == '"v1"'


async def test_a_body_that_changed_meanwhile_is_taken_from_its_start(tmp_path):
    with RawHttp(cut(b"x" * len(BODY), 2 * MIB, *STRONG), whole(BODY, *STRONG)) as server:
        async with client(server) as http:
            await http.download("file", to=tmp_path / "file")
    assert "range" in server.seen[1]
    assert (tmp_path / "file").read_bytes() == BODY


async def test_another_range_than_asked_for_is_not_glued_on(tmp_path):
    wrong = whole(BODY[:10], "Content-Range: bytes 5-14/20", status="206 Partial Content")
    with RawHttp(cut(BODY, 2 * MIB, *STRONG), wrong, whole(BODY)) as server:
        async with client(server, retry_attempts=3) as http:
            await http.download("file", to=tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == BODY
    assert "range" not in server.seen[2]


@pytest.mark.parametrize("weak", [('ETag: W/"v1"', "Accept-Ranges: bytes"), ('ETag: "v1"',)])
async def test_a_weak_etag_or_none_for_ranges_is_not_resumed(tmp_path, weak):
    with RawHttp(cut(BODY, MIB, *weak), whole(BODY)) as server:
        async with client(server) as http:
            await http.download("file", to=tmp_path / "file")
    assert "range" not in server.seen[1]


async def test_a_body_that_stays_cut_is_an_error_and_leaves_no_file(tmp_path):
    with RawHttp(cut(BODY, MIB)) as server:
        async with client(server) as http:
            with pytest.raises(TransientError, match="ended early"):
                await http.download("file", to=tmp_path / "file")
    assert list(tmp_path.iterdir()) == []
    assert len(server.seen) == 2


async def test_a_gzip_body_whose_end_was_never_sent_begins_again(tmp_path):
    short = gzip.compress(BODY)[:-MIB]
    whole_again = whole(gzip.compress(BODY), GZIP, *STRONG)
    with RawHttp(whole(short, GZIP, *STRONG), whole_again) as server:
        async with client(server) as http:
            await http.download("file", to=tmp_path / "file")
    assert "range" not in server.seen[1]
    assert (tmp_path / "file").read_bytes() == BODY


async def test_a_file_object_is_written_from_where_it_stands():
    file = io.BytesIO(b"head old old old")
    file.seek(5)
    with RawHttp(cut(b"x" * MIB, 1000), whole(b"new")) as server:
        async with client(server) as http:
            await http.download("file", to=file)
    assert file.getvalue() == b"head new"


async def test_an_error_is_judged_by_its_body(server, tmp_path):
    server.plan("/file", Fault(403, body={"error": {"message": "not in your plan"}}))
    async with client(server) as http:
        with pytest.raises(Exception, match="not in your plan"):
            await http.download("file", to=tmp_path / "file")
        with pytest.raises(NotFound):
            await http.download("file", to=tmp_path / "file")
        done = await http.download("file", to=tmp_path / "file", missing_ok=True)
    assert (done.status, done.bytes) == (404, 0)
    assert list(tmp_path.iterdir()) == []


async def test_waits_and_renewals_are_those_of_any_request(server, tmp_path):
    server.answers["/file"] = {"n": 1}
    server.protected.add("/file")
    server.plan("/file", too_many(0.2), Fault(500))
    auth = OAuth2(f"{server.url}/token", client_id="id", client_secret=SecretStr("waits-secret"))
    async with client(server, auth=auth) as http:
        await http.download("file", to=tmp_path / "file")
        server.expire_tokens()
        await http.download("file", to=tmp_path / "file")
        assert await streamed(http) == b'{"n":1}'
    assert (tmp_path / "file").read_bytes() == b'{"n":1}'
    assert len(server.tokens) == 2
    assert http.usage.retries == 2


async def test_a_refused_credential_is_said_as_ever(server, tmp_path):
    server.protected.add("/file")
    async with client(server, auth=BearerAuth(SecretStr("no-good-token"))) as http:
        with pytest.raises(AuthenticationError):
            await http.download("file", to=tmp_path / "file")


async def test_classify_sees_the_status_of_a_body_that_is_not_read_yet(server, tmp_path):
    server.answers["/file"] = {"n": 1}
    seen = []

    def classify(response: Any) -> None:
        seen.append((response.status, response.body))

    async with client(server, classify=classify) as http:
        await http.download("file", to=tmp_path / "file")
    assert seen == [(200, b"")]


async def test_a_folder_that_is_not_there_is_named(server, tmp_path):
    async with client(server) as http:
        with pytest.raises(ConfigurationError, match="cannot be written"):
            await http.download("file", to=tmp_path / "none" / "file")


async def test_a_download_that_goes_on_outlasts_the_timeout_and_a_silent_one_does_not(tmp_path):
    gone = threading.Event()

    def slow(asked: dict[str, str]) -> Iterator[bytes]:
        yield head("Content-Length: 22")
        for _ in range(22):
            time.sleep(0.1)
            yield b"x"

    def silent(asked: dict[str, str]) -> Iterator[bytes]:
        yield head("Content-Length: 22")
        yield b"x"
        gone.wait(60)

    with RawHttp(slow, silent) as server:
        async with client(server, timeout="2s", retry_attempts=1) as http:
            assert (await http.download("file", to=tmp_path / "file")).bytes == 22
            with pytest.raises(TransientError, match="nothing came for 2 s"):
                await http.download("file", to=tmp_path / "file")
        gone.set()


# streams


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
