"""The source ``rest`` pages in every usual way, and resumes from any page."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import orjson
import pytest
from aiohttp import web

from airflow_provider_spotify.core.clients.http.limits import forget_limits
from airflow_provider_spotify.core.errors import ConfigurationError, DataError, QuotaExhausted
from airflow_provider_spotify.core.model import Chunk
from tests.core.sources.api.rest_sources import ROWS, chunks, ids, rows, serving, source
from tests.services.http_server import Fault, HttpServer, too_many

server = pytest.fixture(serving)


def pages(request: web.Request) -> web.Response:
    """Serve ROWS in tens, however the page is asked for; never more than ten, whatever is asked."""
    query = request.query
    start = int(query.get("offset", query.get("cursor", 0)) or 0)
    if "page" in query:
        start = (int(query["page"]) - 1) * 10
    size = min(10, int(query.get("limit", 10)))
    found, end = ROWS[start : start + size], start + size
    more = end < len(ROWS)
    body = {
        "data": {"items": found},
        "meta": {"total": len(ROWS), "pages": 3, "cursor": str(end) if more else None},
        "next": f"{request.path}?cursor={end}" if more else None,
        "more": more,
    }
    link = f'</prev>; rel="prev", <{request.path}?cursor={end}>; rel="next"' if more else ""
    return web.json_response(body, headers={"Link": link} if link else {})


PAGINATIONS = [
    {"kind": "page"},
    {"kind": "page", "pages": "meta.pages"},
    {"kind": "page", "total": "meta.total", "size_param": "limit", "size": 100},
    {"kind": "offset", "limit": 10},
    {"kind": "offset", "limit": 100},
    {"kind": "offset", "limit": 10, "total": "meta.total"},
    {"kind": "offset", "limit": 7, "total": "meta.total"},
    {"kind": "cursor", "next": "meta.cursor"},
    {"kind": "cursor", "next": "meta.cursor", "params_once": True},
    {"kind": "cursor", "last": "id", "has_more": "more"},
    {"kind": "link_header"},
    {"kind": "next_url"},
]


@pytest.mark.parametrize("pagination", PAGINATIONS, ids=str)
async def test_every_row_is_read_once_and_in_order_however_the_api_pages(
    server: HttpServer, pagination: dict[str, Any]
) -> None:
    server.answers["/items"] = pages
    rest = source(server, records="data.items", pagination=pagination)
    assert ids(await rows(rest)) == [row["id"] for row in ROWS]


@pytest.mark.parametrize("pagination", PAGINATIONS, ids=str)
async def test_reading_resumes_from_any_cursor_it_gave(
    server: HttpServer, pagination: dict[str, Any]
) -> None:
    server.answers["/items"] = pages
    rest = source(server, records="data.items", pagination=pagination)
    given = await chunks(rest)
    assert len(given) >= 3
    seen: list[int] = []
    for chunk in given:
        seen += ids(chunk.batch.to_pylist())
        cursor = orjson.loads(orjson.dumps(chunk.cursor))
        assert seen + ids(await rows(rest, cursor)) == [row["id"] for row in ROWS]


class Meeting(HttpServer):
    """Answers each page but the first only when four of them have been asked for."""

    def __init__(self) -> None:
        super().__init__()
        self._met = asyncio.Event()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.query["offset"] != "0":
            if self.at_once == 4:
                self._met.set()
            await asyncio.wait_for(self._met.wait(), 30)
        return await super()._answer(request)


async def test_pages_that_are_known_are_read_together() -> None:
    pagination = {"kind": "offset", "limit": 5, "total": "meta.total"}
    with Meeting() as server:
        server.answers["/items"] = pages
        found = await rows(source(server, records="data.items", pagination=pagination))
    assert server.most_at_once == 4
    assert ids(found) == [row["id"] for row in ROWS]


async def test_a_null_among_the_records_is_no_row_but_keeps_its_place(server: HttpServer) -> None:
    """A page by offset with a hole in it neither shifts nor repeats what comes after."""
    holed = [*ROWS[:3], None, *ROWS[4:]]

    def answer(request: web.Request) -> web.Response:
        start, size = int(request.query["offset"]), int(request.query["limit"])
        return web.json_response(holed[start : start + size])

    server.answers["/items"] = answer
    found = await rows(source(server, pagination={"kind": "offset", "limit": 10}))
    assert ids(found) == [row["id"] for row in ROWS if row["id"] != 4]


async def test_a_first_page_cut_short_does_not_make_the_later_ones_overlap(
    server: HttpServer,
) -> None:
    def answer(request: web.Request) -> web.Response:
        start, size = int(request.query["offset"]), int(request.query["limit"])
        return web.json_response(ROWS[start : start + (size if start else min(size, 7))])

    server.answers["/items"] = answer
    found = await rows(source(server, pagination={"kind": "offset", "limit": 10}))
    assert ids(found) == [row["id"] for row in ROWS]


async def test_a_position_in_another_listing_is_not_resumed(server: HttpServer) -> None:
    server.answers["/items"] = pages
    options = {"records": "data.items", "pagination": {"kind": "offset", "limit": 10}}
    cursor = (await chunks(source(server, **options)))[0].cursor
    changed = source(server, **options, params={"other": 1})
    assert len(await rows(changed, cursor)) == len(ROWS)


async def test_stopping_early_leaves_nothing_running(server: HttpServer) -> None:
    server.answers["/items"] = pages
    pagination = {"kind": "offset", "limit": 1, "total": "meta.total"}
    rest = source(server, records="data.items", pagination=pagination, concurrency=2)
    async with aclosing(rest.read(None)) as reading:  # type: ignore[type-var]
        first = await anext(reading)
    assert first.batch.num_rows == 1
    assert len(server.seen) < 10


async def test_a_page_that_names_itself_as_next_is_an_error(server: HttpServer) -> None:
    server.answers["/items"] = {"items": [{"id": 1}], "next": "/items?cursor=1"}
    rest = source(server, records="items", pagination={"kind": "next_url"})
    with pytest.raises(DataError, match="names itself"):
        await rows(rest)


async def test_a_next_page_on_another_host_is_refused_unless_allowed(server: HttpServer) -> None:
    with HttpServer() as other:
        other.answers["/more"] = {"items": [{"id": 2}]}
        server.answers["/items"] = {"items": [{"id": 1}], "next": f"{other.url}/more"}
        options = {"records": "items", "pagination": {"kind": "next_url"}}
        with pytest.raises(ConfigurationError, match="allowed_hosts"):
            await rows(source(server, **options))
        assert other.seen == []
        allowed = [f"127.0.0.1:{other.port}"]
        assert ids(await rows(source(server, **options, allowed_hosts=allowed))) == [1, 2]


async def test_a_page_token_that_ended_meanwhile_starts_the_listing_again(
    server: HttpServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.answers["/items"] = pages
    rest = source(server, records="data.items", pagination={"kind": "next_url"})
    cursor = (await chunks(rest))[0].cursor
    server.plan("/items", Fault(400, body={"message": "token expired"}))
    assert len(await rows(rest, cursor)) == len(ROWS)
    assert "token expired" in caplog.text


async def test_an_error_comes_after_what_was_read_before_it(server: HttpServer) -> None:
    server.answers["/items"] = pages
    server.plan("/items", Fault(body={"data": {"items": ROWS[:10]}, "next": "/items?cursor=10"}))
    server.plan("/items", too_many(80_000))
    rest = source(server, records="data.items", pagination={"kind": "next_url"}, batch_size=1000)
    found: list[Chunk] = []

    async def read() -> None:
        async for chunk in rest.read(None):
            found.append(chunk)

    with pytest.raises(QuotaExhausted) as caught:
        await read()
    assert caught.value.retry_after == 80_000
    forget_limits()
    rest_of_it = await rows(rest, found[-1].cursor)
    assert ids(found[0].batch.to_pylist()) + ids(rest_of_it) == [row["id"] for row in ROWS]
