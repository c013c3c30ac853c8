"""Loads of a web API that are killed, bounded, windowed, split or refused leave each row once."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from airflow_provider_spotify.core.clients.http.limits import forget_limits
from airflow_provider_spotify.core.errors import QuotaExhausted
from airflow_provider_spotify.core.model import LoadReport, Run, Window
from airflow_provider_spotify.core.parts import part_of, publish_parts, split
from airflow_provider_spotify.core.pipeline import run_import
from tests.core.imports import duckdb_sink, plan, rows, tables
from tests.core.sources.web.radio import BEGIN, LATER, NOW, RadioConfig, radio
from tests.core.sources.web.radio_api import RadioApi
from tests.core.sources.web.radio_loads import SETTINGS, Place, killed, load

KILLS = int(os.environ.get("SPOTIFY_IMPORTS_KILLS", "6"))
LINES = 150


@pytest.fixture
def api() -> Iterator[RadioApi]:
    """Run the API; its log ends before ``NOW``."""
    forget_limits()
    with RadioApi(plays=60) as api:
        del api.logged[LINES:]
        yield api


@pytest.fixture
def place(api: RadioApi, tmp_path: Path) -> Place:
    """Name the API and a folder."""
    return Place(api.url, str(tmp_path))


def expected(api: RadioApi, resource: str) -> Counter[tuple[str | None, int]]:
    """Return what the source has."""
    if resource == "log":
        return Counter((None, int(line["id"])) for line in api.logged)
    return Counter((name, int(row["id"])) for name, found in api.plays.items() for row in found)


def found(place: Place) -> Counter[tuple[str | None, int]]:
    """Return what the table has."""
    sink = duckdb_sink(Path(place.folder))
    if not sink.database().exists() or "plays" not in tables(sink):
        return Counter()
    return Counter((row.get("channel"), row["id"]) for row in rows(sink))


@pytest.mark.parametrize("resource", ["plays", "all", "by_id", "log"])
def test_loads_that_are_killed_leave_each_row_once(
    api: RadioApi, place: Place, resource: str
) -> None:
    """Killed at random and tried again by the same run or a later one: nothing lost or twice."""
    dice = random.Random(f"{resource} 2026")
    api.latency = 0.01
    clock = NOW if resource == "log" else None
    run = 0
    for _ in range(KILLS):
        if killed(place, resource, f"run {run}", after=dice.uniform(0.1, 1.2), clock=clock):
            run += 1
            if resource != "log":
                api.play("one", 7)
    load(place, resource, f"run {run}", clock=clock)
    load(place, resource, "last", clock=clock)
    assert found(place) == expected(api, resource)


@pytest.mark.parametrize("resource", ["plays", "all", "log"])
def test_a_budget_over_several_runs_leaves_each_row_once(
    api: RadioApi, place: Place, resource: str
) -> None:
    """Each run goes on where the last one's budget ended, also past spans without rows."""
    with api.lock:
        api.logged[:60] = []
    for number in range(60):
        report = load(place, resource, f"{number}", settings={"budget": {"requests": 2}})
        if report.stopped is None:
            break
    assert report.stopped is None
    assert number > 2
    assert found(place) == expected(api, resource)


@pytest.mark.parametrize("resource", ["plays", "all", "log"])
def test_windows_that_meet_hold_each_row_once(api: RadioApi, place: Place, resource: str) -> None:
    """Windows that are killed, repeated, and end within a unit, together are the whole."""
    api.latency = 0.005
    width = timedelta(hours=7, minutes=20)
    starts = [BEGIN + width * n for n in range(10)]
    for n, start in enumerate(starts):
        window = Window(start=start, end=start + width)
        if n < 2:
            killed(place, resource, "window", after=0.5, window=window)
            load(place, resource, "again", window=window)
        load(place, resource, "window", window=window)
    assert found(place) == expected(api, resource)


@pytest.mark.parametrize("resource", ["plays", "log"])
def test_parts_leave_each_row_once_while_more_comes(
    api: RadioApi, tmp_path: Path, place: Place, resource: str
) -> None:
    """Rows that come between the parts are there after the next load, and none twice."""
    made, sink = plan(**SETTINGS, partitions=3), duckdb_sink(tmp_path)
    load(place, resource, "first", settings={"budget": {"requests": 4}})
    for turn, clock in enumerate((NOW, LATER)):
        run = Run(run_id=f"parts {turn}")
        whole = radio(api, resource, clock=clock)
        reports: list[LoadReport] = []
        options = split(made, source=whole, sink=sink, run=run)
        for number, each in enumerate(options, 1):
            api.play("one", 5)
            part = type(whole)(RadioConfig.model_validate(each), credentials=whole.credentials)
            own = part_of(run, number=number, of=len(options))
            reports.append(run_import(made, source=part, sink=sink, run=own))
        publish_parts(made, source=whole, sink=sink, run=run, reports=reports)
        if clock == NOW:
            api.log(NOW, 2)
    load(place, resource, "last")
    assert found(place) == expected(api, resource)


@pytest.mark.parametrize("resource", ["plays", "all", "log"])
def test_a_quota_that_ends_in_the_middle_is_resumed(
    api: RadioApi, place: Place, resource: str
) -> None:
    """A long Retry-After frees the worker; the same run tried again goes on, each row once."""
    api.fault("rate_after", after=3, times=1, headers={"Retry-After": "7200"})
    with pytest.raises(QuotaExhausted):
        load(place, resource, "one", concurrency=1)
    forget_limits()
    load(place, resource, "one", concurrency=1)
    assert found(place) == expected(api, resource)
