"""What moves under a listing between two runs: rows, keys, clocks, tokens; each row comes once."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from airflow_provider_spotify.core.errors import DataError
from airflow_provider_spotify.core.model import Chunk, Cursor, Window
from airflow_provider_spotify.core.sources.web.pages import Offsets, Page, PageNumbers, Tokens
from airflow_provider_spotify.core.sources.web.passed import TAIL
from airflow_provider_spotify.core.sources.web.progress import Extent, slices
from airflow_provider_spotify.core.sources.web.resource import Spans
from airflow_provider_spotify.core.sources.web.times import parse_time
from airflow_provider_spotify.core.testing.sources import read
from tests.core.sources.web.journal import BEGIN, JournalSource, journal
from tests.core.sources.web.journal_api import Entry, JournalApi
from tests.core.sources.web.radio import LATER, NOW, radio
from tests.core.sources.web.radio_api import RadioApi


@pytest.fixture
def api() -> Iterator[RadioApi]:
    """Run the radio."""
    with RadioApi() as api:
        yield api


@pytest.fixture
def written() -> Iterator[JournalApi]:
    """Run the journal."""
    with JournalApi() as api:
        yield api


def numbers(*readings: list[Chunk]) -> list[int]:
    """Return the numbers of all rows."""
    return [n for chunks in readings for each in chunks for n in each.batch["id"].to_pylist()]


def ended(chunks: list[Chunk]) -> Cursor:
    """Return the last cursor, with a page token that the API knows no more."""
    cursor: Cursor = json.loads(json.dumps(chunks[-1].cursor))
    cursor["pass"]["page"]["token"] = "ended"
    return cursor


def source(api: JournalApi, resource: str, *, hours: int = 1) -> JournalSource:
    """Return a source that reads so long after the beginning."""
    moment = BEGIN + timedelta(hours=hours)
    return journal(api.url, resource, moment=moment, concurrency=1, batch_size=5)


def test_a_token_that_ends_twice_loses_no_row_in_between(api: RadioApi) -> None:
    """What is added above a listing that is read anew waits for the next pass, as a whole."""
    one = read(radio(api, "all", channels=["one"]), limit=2)
    api.play("one", 40)
    two = read(radio(api, "all", channels=["one"]), ended(one), limit=1)
    rest = read(radio(api, "all", channels=["one"]), ended(two))
    later = read(radio(api, "all", channels=["one"]), rest[-1].cursor)
    assert sorted(numbers(one, two, rest, later)) == list(range(130))


def test_more_rows_than_are_remembered_may_come_while_it_is_paused(api: RadioApi) -> None:
    """A counted listing that was pushed on by 250 rows gives none of them twice."""
    api.play("one", 200)
    one = read(radio(api, "plays", channels=["one"]), limit=9)
    api.play("one", 250)
    rest = read(radio(api, "plays", channels=["one"]), one[-1].cursor)
    later = read(radio(api, "plays", channels=["one"]), rest[-1].cursor)
    assert sorted(numbers(one, rest, later)) == list(range(540))


def test_a_key_that_comes_before_the_one_that_was_begun_doubles_nothing(api: RadioApi) -> None:
    """Keys may be added, or given in another order, while a key is half read."""
    one = read(radio(api, "all", channels=["one"]), limit=2)
    rest = read(radio(api, "all", channels=["two", "one"]), one[-1].cursor)
    assert sorted(numbers(one, rest)) == sorted([*range(90), *range(90)])


def test_a_clock_that_is_behind_leaves_the_bound_of_a_pass(api: RadioApi) -> None:
    """The pages of a pass belong to its bound, whichever worker reads them."""
    one = read(radio(api, "plays", channels=["one"], clock=LATER), limit=1)
    rest = read(radio(api, "plays", channels=["one"], clock=NOW), one[-1].cursor)
    (mark,) = rest[-1].cursor["marks"].values()
    assert mark["to"] == LATER.isoformat()


def test_a_row_that_changes_keeps_its_number(api: RadioApi) -> None:
    """The newest row of a listing by number is known by the number, whatever else changes."""
    last = read(radio(api, "by_id"))[-1].cursor
    api.plays["one"][0]["title"] = "another"
    assert read(radio(api, "by_id"), last) == []


def test_a_row_of_this_moment_is_not_lost_below_a_higher_number(written: JournalApi) -> None:
    """Numbers need not rise with the time: a row a second too young is taken too."""
    young = Entry(1, BEGIN + timedelta(hours=1, seconds=1))
    written.entries += [young, Entry(2, BEGIN + timedelta(minutes=5))]
    one = read(source(written, "by_id_token"))
    assert sorted(numbers(one, read(source(written, "by_id_token", hours=2), one[-1].cursor))) == [
        1,
        2,
    ]


def test_a_row_without_a_time_comes_once(written: JournalApi) -> None:
    """No bound leaves it out, so it is remembered."""
    written.begin(random.Random(1))
    times = (BEGIN + timedelta(minutes=n) for n in range(9))
    written.entries += [Entry(n, at, timeless=n % 2 == 0) for n, at in enumerate(times, 1)]
    one = read(source(written, "open_token"))
    written.entries.append(Entry(10, BEGIN + timedelta(minutes=9)))
    two = read(source(written, "open_token", hours=2), one[-1].cursor)
    three = read(source(written, "open_token", hours=3), two[-1].cursor)
    assert sorted(numbers(one, two, three)) == list(range(1, 11))


def test_windows_that_meet_within_a_unit_read_it_once() -> None:
    """Each unit is of the window that it begins in; a window without such a one reads nothing."""
    found: list[tuple[datetime | None, datetime | None]] = []
    for minutes in range(0, 360, 40):
        start = BEGIN + timedelta(minutes=minutes)
        window = Window(start=start, end=start + timedelta(minutes=40))
        spans = slices(
            Spans(unit=timedelta(hours=1)),
            [""],
            marks={},
            until=BEGIN + timedelta(days=1),
            extent=Extent(),
            window=window,
        )
        found += [(each.start, each.end) for each in spans]
    hours = [BEGIN + timedelta(hours=n) for n in range(7)]
    assert found == list(pairwise(hours))


def test_an_empty_first_page_is_not_the_end_of_a_listing_that_has_rows() -> None:
    """Where the body says how many rows there are, pages go on behind one that shows none."""
    page = Page("http://api.example", {"total": 25}, {}, [], 0)
    offsets = Offsets(kind="offset", limit=10, total="total")
    assert [each["offset"] for each in offsets.ahead(offsets.first(), page)] == [10, 20]
    assert offsets.following({"offset": 10}, page) == {"offset": 20, "rows": 10}
    counted = PageNumbers(kind="page", size_param="size", size=10, total="total")
    assert [each["page"] for each in counted.ahead(counted.first(), page)] == [2, 3]
    nothing = page._replace(body={"total": 0})
    assert offsets.following({"offset": 0}, nothing) is None


def test_a_page_of_nulls_without_a_token_is_an_error() -> None:
    """Where the next page is asked for by the last record, the rest would be lost."""
    with pytest.raises(DataError, match="only nulls"):
        Tokens(kind="cursor", last="id").following({}, Page("", {}, {}, [], 3))


def test_a_number_that_is_none_is_an_error_of_the_house(written: JournalApi) -> None:
    """The message names the field."""
    value = source(written, "by_id_token").order.value
    with pytest.raises(DataError, match="'id' holds 'abc'"):
        value({"id": "abc"})


@pytest.mark.parametrize("raw", ["0001-01-01T00:00:00+14:00", "²", 1e300, float("nan")])
def test_what_no_calendar_knows_is_no_time(raw: object) -> None:
    """It is null, not a crash."""
    assert parse_time(raw) is None


def written_each_second(api: JournalApi, count: int) -> None:
    """Write entries 1 to ``count``, each a second after the one before."""
    api.begin(random.Random(1))
    api.entries += [Entry(n, BEGIN + timedelta(seconds=n)) for n in range(1, count + 1)]


def test_what_is_deleted_unseen_hides_as_many_rows_and_no_more(written: JournalApi) -> None:
    """The documented bound of a counted listing that does not tell the number of its rows."""
    written_each_second(written, 40)
    one = read(source(written, "open_blind"), limit=2)
    del written.entries[-3:]
    rest = read(source(written, "open_blind"), one[-1].cursor)
    assert sorted(numbers(one, rest)) == [n for n in range(1, 41) if n not in (24, 25, 26)]


def test_a_span_that_is_read_anew_after_a_pause_knows_its_last_rows(written: JournalApi) -> None:
    """The documented bound of spans: what came before the last hundred rows comes twice."""
    written_each_second(written, 200)
    one = read(source(written, "spans_offset"), limit=20)
    del written.entries[0]
    rest = read(source(written, "spans_offset"), one[-1].cursor)
    given = len(numbers(one))
    twice = [n for n, times in Counter(numbers(one, rest)).items() if times > 1]
    assert set(numbers(one, rest)) == set(range(1, 201))
    assert sorted(twice) == list(range(2, given - TAIL + 1))
