"""The source ``rest`` reads what is new: bounds, windows, looking back, and being ready."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from airflow_provider_spotify.core.errors import ConfigurationError, DataError, ForbiddenError
from airflow_provider_spotify.core.model import Chunk
from airflow_provider_spotify.core.sources.web.boundary import MOST_SEEN
from tests.core.sources.api.rest_sources import DAY, ROWS, chunks, ids, rows, serving, source
from tests.services.http_server import HttpServer

server = pytest.fixture(serving)


class Feed:
    """An API that answers the rows at or above ``since``, and below ``until``."""

    def __init__(self, server: HttpServer, *, size: int = 10) -> None:
        self.rows: list[dict[str, Any]] = []
        self.size = size
        server.answers["/items"] = self.answer

    def answer(self, request: web.Request) -> web.Response:
        since, until = request.query.get("since", ""), request.query.get("until", "9")
        found = [row for row in self.rows if since <= row["at"] < until]
        start = int(request.query.get("offset", 0))
        return web.json_response(found[start : start + self.size])


INCREMENTAL = {"param": "since", "field": "at", "end_param": "until"}


async def test_the_next_run_reads_only_what_is_new(server: HttpServer) -> None:
    feed = Feed(server)
    feed.rows = ROWS[:5]
    rest = source(server, incremental=INCREMENTAL)
    first = await chunks(rest)
    feed.rows = ROWS[:8]
    assert ids(await rows(rest, first[-1].cursor)) == [6, 7, 8]
    assert server.seen[1].query == {"since": "2026-01-01T00:00:05Z"}


async def test_rows_of_the_same_time_that_come_later_are_not_lost_nor_read_twice(
    server: HttpServer,
) -> None:
    """Two equal rows are two rows: one more of them is told from those that were read."""
    feed = Feed(server)
    at = "2026-01-01T00:00:01Z"
    feed.rows = [{"id": 1, "at": at}, {"id": 2, "at": at}]
    rest = source(server, incremental=INCREMENTAL)
    cursor = (await chunks(rest))[-1].cursor
    feed.rows += [{"id": 2, "at": at}, {"id": 3, "at": at}]
    later = await chunks(rest, cursor)
    assert ids(later[0].batch.to_pylist()) == [2, 3]
    assert await chunks(rest, later[-1].cursor) == []


@pytest.mark.parametrize("order", [1, -1])
async def test_reading_resumes_within_a_pass_whatever_the_order(
    server: HttpServer, order: int
) -> None:
    feed = Feed(server)
    feed.rows = ROWS[::order]
    rest = source(server, incremental=INCREMENTAL, pagination={"kind": "offset", "limit": 10})
    given = await chunks(rest)
    expected = [row["id"] for row in ROWS[::order]]
    seen: list[int] = []
    for chunk in given:
        seen += ids(chunk.batch.to_pylist())
        assert seen + ids(await rows(rest, chunk.cursor)) == expected
    assert given[-1].cursor["after"] == "2026-01-01T00:00:25+00:00"


async def test_an_empty_last_page_still_moves_the_cursor(server: HttpServer) -> None:
    feed = Feed(server)
    feed.rows = ROWS[:10]
    rest = source(server, incremental=INCREMENTAL, pagination={"kind": "offset", "limit": 10})
    given = await chunks(rest)
    assert [chunk.batch.num_rows for chunk in given] == [10]
    assert "pass" not in given[-1].cursor


async def test_a_resumed_pass_without_more_rows_still_ends(server: HttpServer) -> None:
    """A failure on the empty last page leaves a cursor within the pass; the next run closes it."""
    feed = Feed(server)
    feed.rows = ROWS[:10]
    rest = source(server, incremental=INCREMENTAL, pagination={"kind": "offset", "limit": 10})
    found: list[Chunk] = []

    async def read() -> None:
        async for chunk in rest.read(None):
            found.append(chunk)

    server.answers["/items"] = lambda r: (
        web.Response(status=403) if r.query["offset"] == "10" else feed.answer(r)
    )
    with pytest.raises(ForbiddenError):
        await read()
    assert "pass" in found[-1].cursor
    assert await rest.is_ready(found[-1].cursor)
    server.answers["/items"] = feed.answer
    ended = await chunks(rest, found[-1].cursor)
    assert [chunk.batch.num_rows for chunk in ended] == [0]
    feed.rows = ROWS[:12]
    assert ids(await rows(rest, ended[-1].cursor)) == [11, 12]


async def test_a_window_reads_exactly_its_rows_and_ignores_the_cursor(server: HttpServer) -> None:
    feed = Feed(server)
    feed.rows = [
        {"id": 1, "at": "2025-12-31T23:59:59Z"},
        {"id": 2, "at": "2026-01-01T00:00:00Z"},
        {"id": 3, "at": "2026-01-01T23:59:59Z"},
        {"id": 4, "at": "2026-01-02T00:00:00Z"},
    ]
    rest = source(server, incremental=INCREMENTAL)
    cursor = (await chunks(rest))[-1].cursor
    assert ids(await rows(rest, cursor, DAY)) == [2, 3]
    unbounded = source(server, incremental={"param": "nothing", "field": "at"})
    assert ids(await rows(unbounded, None, DAY)) == [2, 3]


@pytest.mark.parametrize(
    ("form", "value", "sent"),
    [
        ("iso", "2026-01-01T10:00:00.5+02:00", "2026-01-01T08:00:00.500000Z"),
        ("date", "2026-01-01T10:00:00Z", "2026-01-01"),
        ("epoch", "2026-01-01T00:00:00.9Z", "1767225600"),
        ("epoch", 1767225600, "1767225600"),
        ("epoch_ms", 1767225600123, "1767225600123"),
        ("epoch_ms", "1767225600123", "1767225600123"),
        ("%Y%m%dT%H", "2026-01-01T10:59:59", "20260101T10"),
        ("iso", "Thu, 01 Jan 2026 00:00:00 GMT", "2026-01-01T00:00:00Z"),
        ("value", 41, "41"),
        ("value", "b", "b"),
    ],
)
async def test_the_bound_is_sent_as_the_api_wants_it(
    server: HttpServer, form: str, value: Any, sent: str
) -> None:
    server.answers["/items"] = [{"id": 1, "at": value}]
    rest = source(server, incremental={"param": "since", "field": "at", "format": form})
    cursor = (await chunks(rest))[-1].cursor
    assert await rows(rest, cursor) == []
    assert server.seen[1].query == {"since": sent}


@pytest.mark.parametrize(("lookback", "late"), [("6s", [4, 6, 7, 8, 9]), ("5s", [6, 7, 8, 9])])
async def test_looking_back_finds_late_rows_and_leaves_out_those_read(
    server: HttpServer, lookback: str, late: list[int]
) -> None:
    feed = Feed(server)
    feed.rows = [ROWS[0], ROWS[4], ROWS[9]]
    rest = source(server, incremental={**INCREMENTAL, "lookback": lookback})
    cursor = (await chunks(rest))[-1].cursor
    feed.rows = ROWS[:10]
    assert ids(await rows(rest, cursor)) == late


async def test_more_rows_of_one_moment_than_are_remembered_come_again_or_are_an_error(
    server: HttpServer,
) -> None:
    """Under append the run after them fails; where rows may come again, they do."""
    moment = "2026-01-01T00:00:00Z"
    feed = Feed(server, size=2 * MOST_SEEN)
    feed.rows = [{"id": number, "at": moment} for number in range(MOST_SEEN + 1)]
    rest = source(server, incremental=INCREMENTAL)
    found = await chunks(rest)
    assert sum(chunk.batch.num_rows for chunk in found) == MOST_SEEN + 1
    feed.rows = [*feed.rows, {"id": MOST_SEEN + 1, "at": moment}]
    with pytest.raises(DataError, match=r"^rest items: more than 5,000 .*2026-01-01T.* merge"):
        await rows(rest, found[-1].cursor)
    rest.repeatable = True
    assert ids(await rows(rest, found[-1].cursor)) == list(range(MOST_SEEN + 2))


async def test_values_that_cannot_be_compared_are_an_error(server: HttpServer) -> None:
    server.answers["/items"] = [{"at": 1}, {"at": "b"}]
    rest = source(server, incremental={"param": "s", "field": "at", "format": "value"})
    with pytest.raises(DataError, match="'at'"):
        await rows(rest)


async def test_a_whole_listing_is_read_again_only_after_refresh(server: HttpServer) -> None:
    server.answers["/items"] = [{"id": 1}]
    cursor = (await chunks(source(server)))[-1].cursor
    assert await rows(source(server), cursor) == []
    assert not await source(server).is_ready(cursor)
    assert await rows(source(server, refresh="0s"), cursor) == [{"id": 1}]


async def test_it_is_ready_when_there_is_something_new(server: HttpServer) -> None:
    feed = Feed(server)
    rest = source(server, incremental=INCREMENTAL)
    assert not await rest.is_ready(None)
    assert await chunks(rest) == []
    feed.rows = ROWS[:5]
    assert await rest.is_ready(None)
    cursor = (await chunks(rest))[-1].cursor
    assert not await rest.is_ready(cursor)
    feed.rows = ROWS[:6]
    assert await rest.is_ready(cursor)
    assert await rest.is_ready(None, DAY)


async def test_a_window_needs_a_time_to_select_by(server: HttpServer) -> None:
    with pytest.raises(ConfigurationError, match="incremental"):
        await rows(source(server), None, DAY)
