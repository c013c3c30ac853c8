"""Downloads: bodies that are cut, resumed, compressed or refused on their way to a file."""

from __future__ import annotations

import gzip
import io
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from airflow_provider_spotify.core.clients.http.auth import BearerAuth
from airflow_provider_spotify.core.clients.http.client import NotFound
from airflow_provider_spotify.core.clients.oauth.grants import OAuth2
from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    TransientError,
)
from tests.core.clients.http.bodies import BODY, GZIP, MIB, client, serving, streamed
from tests.services.http_server import Fault, too_many
from tests.services.raw_http import RawHttp, cut, head, whole

STRONG = ('ETag: "v1"', "Accept-Ranges: bytes")

server = pytest.fixture(serving)


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
