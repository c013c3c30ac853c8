"""More rows of one moment than most listings ever hold: each comes once, or an error says why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from airflow_provider_spotify.core.clients.http.limits import forget_limits
from airflow_provider_spotify.core.errors import DataError
from airflow_provider_spotify.core.sources.web.boundary import MOST_SEEN, MOST_TIMELESS, digest
from airflow_provider_spotify.core.sources.web.newest import NewestOrder, News
from airflow_provider_spotify.core.sources.web.resource import Newest
from tests.core.imports import duckdb_sink, rows
from tests.core.sources.web.radio import RadioSource
from tests.core.sources.web.radio_api import RadioApi
from tests.core.sources.web.radio_loads import Place, load

MANY = 3000
MOMENT = "2026-03-02T12:{:02d}:{:02d}+00:00"
APPEND: dict[str, Any] = {"checkpoint": {"rows": 1000}}
MERGE: dict[str, Any] = {**APPEND, "write": {"mode": "merge", "key": ["channel", "id"]}}


@pytest.fixture
def api() -> Iterator[RadioApi]:
    """Run the API; its channels are silent."""
    forget_limits()
    with RadioApi(plays=0) as api:
        yield api


def crowd(api: RadioApi, count: int, at: str = MOMENT.format(30, 0)) -> None:
    """Let the first channel begin many plays at one moment."""
    with api.lock:
        plays = api.plays["one"]
        for n in range(len(plays), len(plays) + count):
            plays.insert(0, {"id": str(n), "at": at, "title": f"one {n}"})


def into(place: Place, resource: str, run: str, **more: Any) -> Counter[int]:
    """Load what is new, and return how often each play is in the table."""
    settings = more.pop("settings", None)
    how = {"channels": ["one"], "batch_size": 1000, "clock": None, **more}
    load(place, resource, run, settings=settings, **how)
    return Counter(row["id"] for row in rows(duckdb_sink(Path(place.folder))))


def every(api: RadioApi) -> Counter[int]:
    """Return each play of the API, once."""
    return Counter(int(play["id"]) for play in api.plays["one"])


@pytest.mark.parametrize(
    ("resource", "settings"), [("plays", APPEND), ("all", APPEND), ("plays", MERGE)]
)
def test_thousands_of_rows_of_one_moment_come_once(
    api: RadioApi, tmp_path: Path, resource: str, settings: dict[str, Any]
) -> None:
    """Also those that are added at that moment between two runs, and after newer ones."""
    place = Place(api.url, str(tmp_path))
    for number, more in enumerate((MANY - 100, 100, 0)):
        crowd(api, more)
        assert into(place, resource, f"run {number}", settings=settings) == every(api)
    crowd(api, 3, at=MOMENT.format(31, 5))
    for run in ("newer", "last"):
        assert into(place, resource, run, settings=settings) == every(api)


def test_rows_below_the_highest_of_a_minute_need_not_be_remembered(
    api: RadioApi, tmp_path: Path
) -> None:
    """The API is asked by the minute; of a full one, all below the highest moment was read."""
    place = Place(api.url, str(tmp_path))
    for second in range(51):
        crowd(api, MOST_SEEN // 50, at=MOMENT.format(30, second))
    assert into(place, "plays", "first", settings=APPEND) == every(api)
    crowd(api, 2, at=MOMENT.format(30, 50))
    crowd(api, 3, at=MOMENT.format(30, 55))
    for run in ("second", "last"):
        assert into(place, "plays", run, settings=APPEND) == every(api)


def test_more_rows_of_one_moment_than_can_be_told_apart_are_an_error(
    api: RadioApi, tmp_path: Path
) -> None:
    """Nothing is written twice and nothing is lost: by merge all come."""
    place = Place(api.url, str(tmp_path))
    crowd(api, MOST_SEEN + 1)
    before = into(place, "plays", "first", settings=APPEND)
    assert before == every(api)
    crowd(api, 1)
    crowd(api, 2, at=MOMENT.format(31, 5))
    for run in ("second", "third"):
        with pytest.raises(DataError, match=r"^plays one: more than 5,000 rows .*12:30.*merge"):
            into(place, "plays", run, settings=APPEND)
        assert Counter(row["id"] for row in rows(duckdb_sink(tmp_path))) == before
    for run in ("fourth", "last"):
        assert into(place, "plays", run, settings=MERGE) == every(api)


def news(mark: dict[str, Any], begun: dict[str, Any] | None = None, *, once: bool = True) -> News:
    """Tell the plays of the radio apart, from what a cursor says."""
    progress = RadioSource.resources["plays"].progress
    assert isinstance(progress, Newest)
    order = NewestOrder(progress, identity=("id",), lookback=timedelta(0))
    return News(order, mark=mark, begun=begun or {}, once=once)


def plays(*numbers: int, at: str | None = MOMENT.format(30, 0)) -> list[dict[str, Any]]:
    """Return plays of one moment."""
    return [{"id": str(n), "at": at} for n in numbers]


def test_the_mark_of_a_full_moment_fits_into_64_kb() -> None:
    """Also with all the rows without a time that it remembers; and it tells all of them."""
    first, found = news({}), plays(*range(MOST_SEEN))
    found += plays(*range(MOST_SEEN, MOST_SEEN + MOST_TIMELESS), at=None)
    assert all(first.take(play) for play in found)
    stored = orjson.dumps(first.mark())
    assert len(stored) < 64 * 1024
    mark = orjson.loads(stored)
    second = news(mark)
    assert not any(second.take(play) for play in found[:-1])
    begun = orjson.dumps(second.passed())
    assert len(stored) + len(begun) < 64 * 1024
    third = news(mark, orjson.loads(begun))
    assert [play["id"] for play in [*found[-1:], *plays(9999)] if third.take(play)] == ["9999"]


def test_what_is_below_the_highest_is_asked_again_once_a_lookback_is_given() -> None:
    """A mark that says only that it was read does not hide the rows that come late."""
    first = news({})
    for second in range(51):
        number = second * MOST_SEEN
        for play in plays(*range(number, number + MOST_SEEN // 50), at=MOMENT.format(30, second)):
            assert first.take(play)
    mark = orjson.loads(orjson.dumps(first.mark()))
    late, known = plays(1, at=MOMENT.format(30, 7)), plays(number, at=MOMENT.format(30, 50))
    assert [news(mark).take(play) for play in late + known] == [False, False]
    assert [news(mark, once=False).take(play) for play in late + known] == [True, False]


def test_a_mark_that_names_each_row_by_itself_is_understood() -> None:
    """Cursors were stored so before many rows were written as one text."""
    known = [digest({"id": str(n)}) for n in range(3)]
    old = {"high": MOMENT.format(30, 0), "seen": [*known, "-" + digest({"id": "7"})]}
    listed = [*plays(7, at=None), *plays(0, 1, 2, 3)]
    found = news(old)
    assert [play["id"] for play in listed if found.take(play)] == ["3"]


@pytest.mark.parametrize("at", [MOMENT.format(30, 0), None])
def test_a_pass_that_begins_anew_gives_no_row_twice_that_it_cannot_tell(at: str | None) -> None:
    """Where more were given than it remembers, it is an error, unless they may come again."""
    first = news({})
    for play in plays(*range(MOST_SEEN + 1)):
        first.take(play)
    begun = orjson.loads(orjson.dumps(first.passed()))
    resumed = news({}, begun)
    resumed.restart()
    with pytest.raises(DataError, match="too many to tell"):
        resumed.take(plays(0, at=at)[0])
    again = news({}, begun, once=False)
    again.restart()
    assert again.take(plays(0, at=at)[0])
