"""The source ``rest`` with a list in its path: each value goes on where it was left itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson
import pytest
from aiohttp import web

from airflow_provider_spotify.core.clients.http.limits import forget_limits
from airflow_provider_spotify.core.errors import BudgetSpent
from airflow_provider_spotify.core.model import Chunk, Credentials, Cursor
from airflow_provider_spotify.core.sources.api.rest import SOURCE, RestConfig, RestSource
from airflow_provider_spotify.core.usage import Budget, Estimate, Usage
from tests.services.http_server import HttpServer


class Events:
    """The events of users, oldest first, ten a page."""

    def __init__(self) -> None:
        self.of = {user: [f"{user}{n:02d}" for n in range(1, 26)] for user in "abcd"}

    def answer(self, request: web.Request) -> web.Response:
        user, since = request.path.rpartition("/")[2], request.query.get("since", "")
        found: list[dict[str, Any]]
        found = [{"id": key, "at": int(key[1:])} for key in self.of[user]]
        found = [row for row in found if row["at"] >= int(since or 0)]
        start = int(request.query.get("offset", 0))
        size = int(request.query["limit"])
        return web.json_response({"items": found[start : start + size], "total": len(found)})


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def server(events: Events) -> Iterator[HttpServer]:
    forget_limits()
    with HttpServer() as server:
        for user in events.of:
            server.answers[f"/users/{user}"] = events.answer
        yield server


def source(server: HttpServer, users: str, **config: Any) -> RestSource:
    settings = {
        "path": "users/{user}",
        "params": {"user": list(users)},
        "records": "items",
        "pagination": {"kind": "offset", "limit": 10, "total": "total"},
        "incremental": {"param": "since", "field": "at", "format": "value"},
        "batch_size": 1,
        **config,
    }
    return SOURCE(RestConfig.model_validate(settings), credentials=Credentials(host=server.url))


async def read(rest: RestSource, since: Cursor | None = None) -> list[Chunk]:
    found = [chunk async for chunk in rest.read(since)]
    assert not any("user" in orjson.dumps(chunk.cursor).decode() for chunk in found)
    return found


def ids(chunks: list[Chunk]) -> list[str]:
    return [row["id"] for chunk in chunks for row in chunk.batch.to_pylist()]


def stored(chunks: list[Chunk]) -> Cursor:
    """Return the last cursor as the destination keeps it."""
    found: Cursor = orjson.loads(orjson.dumps(chunks[-1].cursor))
    return found


async def test_a_value_that_lags_behind_is_not_skipped(server, events):
    """What is new of one user is found although another's newest is far above it."""
    events.of["a"] = events.of["a"][:3]
    cursor = stored(await read(source(server, "ab")))
    events.of["a"] += ["a04", "a05"]
    events.of["b"] += ["b26"]
    assert ids(await read(source(server, "ab"), cursor)) == ["a04", "a05", "b26"]


async def test_a_new_value_is_read_from_its_start(server, events):
    """A user who joins the list brings all events, and the others only what is new."""
    cursor = stored(await read(source(server, "ab")))
    assert ids(await read(source(server, "cab"), cursor)) == events.of["c"]


async def test_reading_goes_on_from_any_cursor_in_the_middle(server, events):
    """Every event comes once, wherever reading stopped between users and pages."""
    chunks = await read(source(server, "abc"))
    assert len(chunks) == 9
    whole = ids(chunks)
    for at in range(1, 10):
        rest = await read(source(server, "abc"), stored(chunks[:at]))
        assert ids(chunks[:at]) + ids(rest) == whole


async def test_another_list_keeps_what_was_read_of_the_values_that_stay(server, events):
    """A pass that was left is none of another list, but users whose end was reached go on."""
    chunks = await read(source(server, "ab"))
    cursor = stored(chunks[:4])  # all of a, one page of b
    assert ids(await read(source(server, "ac"), cursor)) == events.of["c"]


async def test_a_cursor_with_one_bound_for_all_is_understood(server, events):
    """Cursors that were stored before each value had its own bound still hold for all of them."""
    old = {"after": 25, "seen": [], "finished": "2026-11-01T00:00:00+00:00"}
    found = ids(await read(source(server, "ab"), old))
    assert found == ["a25", "b25"]
    assert {seen.query["since"] for seen in server.seen} == {"25"}


async def test_a_pass_of_a_cursor_with_one_bound_goes_on(server, events):
    """Users whom its pass had read go on from that pass, the others from its bound."""
    begun = source(server, "ab")
    of = begun._task(None).digest
    page = {"offset": 10, "rows": 10}
    passed = {"of": of, "target": 1, "page": page, "high": 25, "seen": []}
    old: Cursor = {"after": None, "seen": [], "pass": passed}
    chunks = await read(begun, old)
    assert ids(chunks) == events.of["b"][10:]
    marks = stored(chunks)["marks"]
    assert [mark["after"] for mark in marks.values()] == [25, 25]


async def test_parts_together_leave_the_cursor_of_the_whole(server, events):
    """What the parts read is read by nobody again, also where a part had nothing new."""
    rest = source(server, "abc")
    parts = await rest.partitions(3)
    first = [await read(part) for part in parts]
    assert sorted(key for chunks in first for key in ids(chunks)) == sorted(
        key for user in "abc" for key in events.of[user]
    )
    cursor = rest.joined([stored(chunks) for chunks in first])
    assert cursor is not None
    events.of["b"] += ["b26"]
    second = [await read(part, cursor) for part in await rest.partitions(3, cursor)]
    assert [ids(chunks) for chunks in second] == [[], ["b26"], []]
    cursor = rest.joined([stored(chunks) if chunks else None for chunks in second])
    assert await read(rest, cursor) == []
    assert rest.joined([None, None]) is None


async def test_parts_of_whole_listings_have_ended_when_all_have(server):
    """The whole is due again when its first part is; one that was broken off counts as unread."""
    rest = source(server, "ab", incremental=None)
    early, late = {"finished": "2026-11-22T10:00:00+00:00"}, {"finished": "2026-11-22T10:05:00Z"}
    assert rest.joined([late, early]) == early
    assert rest.joined([late, {"pass": {"of": "x", "target": 0}}]) is None
    assert rest.joined([None, late]) == late


# ── what reading costs ───────────────────────────────────────────────────────────────────────


async def test_a_budget_of_records_is_kept_and_the_next_run_goes_on(server, events):
    """No more pages are asked for than the records that are left, and none is lost between."""
    found: list[str] = []
    cursor: Mapping[str, Any] | None = None
    for _ in range(10):
        rest = source(server, "ab")
        rest.usage = Usage(budget=Budget(records=20))
        chunks: list[Chunk] = []
        try:
            async for chunk in rest.read(cursor):
                chunks.append(chunk)
        except BudgetSpent:
            assert 20 <= rest.usage.records < 30
        else:
            break
        finally:
            found += ids(chunks)
            cursor = stored(chunks) if chunks else cursor
    assert found == events.of["a"] + events.of["b"]


async def test_an_estimate_is_what_the_first_page_says(server, events):
    """The total of one listing tells requests and records; of several nothing is asked."""
    rest = source(server, "a", path="users/a", params={})
    assert await rest.estimate(None) == Estimate(requests=3, records=25, exact=True)
    assert len(server.seen) == 1
    cursor = stored(await read(rest))
    assert await rest.estimate(cursor) == Estimate(requests=1, records=1, exact=True)
    server.seen.clear()
    assert await source(server, "ab").estimate(None) is None
    whole = source(server, "ab", pagination={"kind": "none"})
    assert await whole.estimate(None) == Estimate(requests=2)
    assert not server.seen


def test_a_whole_listing_that_is_to_be_refreshed_says_that_rows_come_again(server):
    """Who sets ``refresh`` reads everything again, which must not be appended."""
    said = source(server, "ab", incremental=None, refresh="1h").rereads()
    assert said
    assert "as a whole" in said
    assert source(server, "ab", refresh="1h").rereads() is None
    assert source(server, "ab", incremental=None).rereads() is None
