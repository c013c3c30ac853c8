"""A pass over a listing that changes, is closed in part, or costs more than it may."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import aclosing
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_spotify.core.errors import BudgetSpent, ConfigurationError, ForbiddenError
from airflow_provider_spotify.core.model import Chunk, Cursor, Window
from airflow_provider_spotify.core.testing.sources import read, rows_of
from airflow_provider_spotify.core.usage import Budget, Usage
from tests.core.sources.web.radio import BEGIN, LATER, NOW, RadioSource, radio
from tests.core.sources.web.radio_api import RadioApi


@pytest.fixture
def api() -> Iterator[RadioApi]:
    """Run the API."""
    with RadioApi() as api:
        yield api


def numbers(chunks: list[Chunk]) -> list[int]:
    """Return the numbers of the plays, in order."""
    return [number for chunk in chunks for number in chunk.batch.column("id").to_pylist()]


def reading(
    source: RadioSource,
    since: Cursor | None = None,
    *,
    window: Window | None = None,
    between: Any = None,
) -> tuple[list[Chunk], Exception | None]:
    """Read to the end or to an error; call ``between`` after each chunk."""

    async def collect() -> tuple[list[Chunk], Exception | None]:
        chunks: list[Chunk] = []
        async with aclosing(source.read(since, window)) as stream:  # type: ignore[type-var]
            try:
                async for chunk in stream:
                    chunks.append(chunk)
                    if between:
                        between(len(chunks))
            except (BudgetSpent, ForbiddenError, ConfigurationError) as error:
                return chunks, error
        return chunks, None

    return asyncio.run(collect())


def test_rows_that_come_while_it_is_read_push_none_in_twice(api: RadioApi) -> None:
    """Rows inserted at the top shift the pages behind them; each row still comes once."""
    source = radio(api, "plays", channels=["one"], concurrency=1)
    chunks, _ = reading(source, between=lambda n: api.play("one", 5) if n == 2 else None)
    found = Counter(numbers(chunks))
    assert set(range(90)) <= set(found)
    assert max(found.values()) == 1


def test_rows_that_go_while_it_is_read_take_none_with_them(api: RadioApi) -> None:
    """Rows deleted at the top would hide others between two pages: the listing is read again."""

    def delete(count: int) -> None:
        if count == 2:
            with api.lock:
                del api.plays["one"][:5]

    chunks, _ = reading(radio(api, "plays", channels=["one"], concurrency=1), between=delete)
    assert sorted(numbers(chunks)) == list(range(90))


def test_a_resumed_listing_that_was_shifted_gives_each_row_once(api: RadioApi) -> None:
    """What was pushed behind the place to resume from is known by the rows before it."""
    first = read(radio(api, "plays", channels=["one"], concurrency=1), limit=1)
    api.play("one", 8)
    since = json.loads(json.dumps(first[-1].cursor))
    rest = read(radio(api, "plays", channels=["one"]), since)
    assert max(Counter(numbers([*first, *rest])).values()) == 1
    assert set(range(90)) <= set(numbers([*first, *rest]))


def test_what_came_above_a_resumed_listing_comes_with_the_next_pass(api: RadioApi) -> None:
    """Rows that were inserted above the place to resume from are not forgotten."""
    first = read(radio(api, "all", channels=["one"]), limit=1)
    api.play("one", 8)
    rest = read(radio(api, "all", channels=["one"]), first[-1].cursor)
    later = read(radio(api, "all", channels=["one"]), rest[-1].cursor)
    assert sorted(numbers([*first, *rest, *later])) == list(range(98))


def test_a_closed_key_is_rejected_and_the_others_are_read(api: RadioApi) -> None:
    """A key that is private or gone becomes a rejected record, with the reason."""
    api.closed.add("two")
    chunks = read(radio(api, "plays", channels=["two", "none", "one"]))
    rejected = [row for c in chunks if c.rejected for row in c.rejected.to_pylist()]
    assert len(numbers(chunks)) == 90
    assert {row["record"] for row in rejected} == {'{"key":"two"}', '{"key":"none"}'}
    assert any("this channel is private" in row["reason"] for row in rejected)


def test_a_key_that_closes_while_it_is_read_is_not_taken_for_read(api: RadioApi) -> None:
    """What is refused after the first page is an error: the rest of the key is still to come."""
    api.closes_after = 40
    chunks, error = reading(radio(api, "plays", channels=["one"], concurrency=1))
    assert isinstance(error, ForbiddenError)
    api.closes_after = None
    rest = read(radio(api, "plays", channels=["one"]), chunks[-1].cursor)
    assert sorted(numbers([*chunks, *rest])) == list(range(90))


def test_if_every_key_is_closed_the_credentials_are(api: RadioApi) -> None:
    """Where nothing at all can be read, it is an error."""
    api.closed |= {"one", "two"}
    with pytest.raises(ForbiddenError, match="this channel is private"):
        read(radio(api, "plays"))


def test_a_window_gives_exactly_its_rows(api: RadioApi) -> None:
    """A window includes its start and not its end, whatever the cursor says."""
    window = Window(start=BEGIN + timedelta(minutes=12), end=BEGIN + timedelta(minutes=30))
    for resource in ("plays", "all", "by_id"):
        last = read(radio(api, resource))[-1].cursor
        chunks, _ = reading(radio(api, resource), last, window=window)
        assert sorted(numbers(chunks)) == sorted([*range(12, 30), *range(12, 30)]), resource


def test_a_window_of_a_listing_without_time_is_refused(api: RadioApi) -> None:
    """What has no time says so."""
    window = Window(start=BEGIN, end=NOW)
    _, error = reading(radio(api, "chart"), window=window)
    assert isinstance(error, ConfigurationError)


def test_a_budget_of_records_ends_the_run_where_the_next_goes_on(api: RadioApi) -> None:
    """Run after run asks for no more than its budget, and together they read all, once each."""
    since: Cursor | None = None
    found: list[int] = []
    for _ in range(20):
        source = radio(api, "all")
        source.usage = Usage(budget=Budget(records=25))
        chunks, error = reading(source, since)
        assert source.usage.records <= 25
        found += numbers(chunks)
        if error is None:
            break
        assert isinstance(error, BudgetSpent)
        since = chunks[-1].cursor
    assert sorted(found) == sorted([*range(90), *range(90)])


def test_a_budget_of_money_counts_the_price_of_a_record(api: RadioApi) -> None:
    """Ten cents buy twenty records of half a cent."""
    source = radio(api, "all")
    source.usage = Usage(budget=Budget(cost=0.1))
    chunks, error = reading(source)
    assert isinstance(error, BudgetSpent)
    assert len(numbers(chunks)) == source.usage.records == 20
    assert source.usage.cost == pytest.approx(0.1)


def test_a_new_key_is_read_from_the_start(api: RadioApi) -> None:
    """Each key has a mark of its own: one that is added later misses nothing."""
    last = read(radio(api, "plays", channels=["one"]))[-1].cursor
    assert sorted(numbers(read(radio(api, "plays"), last))) == list(range(90))


def test_a_cursor_does_not_name_its_keys(api: RadioApi) -> None:
    """Names of users are no part of a cursor."""
    cursors = [chunk.cursor for chunk in read(radio(api, "plays"))]
    assert not any("one" in json.dumps(cursor) for cursor in cursors)


def test_a_lookback_reads_spans_again_when_time_has_moved(api: RadioApi) -> None:
    """Late rows are found, and nothing is asked again before a whole unit has passed."""
    source = radio(api, "log", clock=NOW, lookback="3h")
    last = read(source)[-1].cursor
    assert read(source, last) == []
    api.log(NOW - timedelta(hours=2), 2)
    later = radio(api, "log", clock=LATER, lookback="3h")
    again = numbers(read(later, last))
    assert set(again) >= {200, 201}
    assert source.rereads() is not None
    assert radio(api, "log", clock=NOW).rereads() is None


def test_spans_in_parts_are_the_whole(api: RadioApi) -> None:
    """Parts of a span of time meet where one ends and the next begins."""
    source = radio(api, "log", clock=NOW)
    for n in (2, 3, 7, 100):
        parts = asyncio.run(source.partitions(n))
        assert len(parts) == min(n, 15)
        assert sum((rows_of(read(p)) for p in parts), Counter()) == rows_of(read(source)), n


@pytest.mark.parametrize("resource", ["all", "by_id"])
def test_a_page_that_is_no_more_begins_the_listing_anew(api: RadioApi, resource: str) -> None:
    """Where a token has ended, the listing is read again, and each row comes once all the same."""
    first = read(radio(api, resource, channels=["one"]), limit=2)
    cursor = json.loads(json.dumps(first[-1].cursor))
    cursor["pass"]["page"]["token"] = "ended"
    api.play("one", 4)
    rest = read(radio(api, resource, channels=["one"]), cursor)
    later = read(radio(api, resource, channels=["one"]), rest[-1].cursor)
    assert sorted(numbers([*first, *rest, *later])) == list(range(94))
