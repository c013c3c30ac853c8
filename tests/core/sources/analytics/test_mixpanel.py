"""What is special to the mixpanel source: days, broken exports, another clock, gigabytes."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from airflow_provider_spotify.core.errors import (
    BudgetSpent,
    ConfigurationError,
    DataError,
    ForbiddenError,
    TransientError,
)
from airflow_provider_spotify.core.model import Chunk, Window
from airflow_provider_spotify.core.sources.analytics.mixpanel import MixpanelSource
from airflow_provider_spotify.core.testing.sources import read, rows_of
from airflow_provider_spotify.core.testing.web_readings import attempt, peak
from airflow_provider_spotify.core.usage import Budget, Usage
from tests.core.chunks import rows
from tests.core.sources.analytics.mixpanels import mixpanel
from tests.services.mixpanel_api import events
from tests.services.mixpanel_api.server import PROJECT, MixpanelApi

_MEMORY = 300 * 2**20


@pytest.fixture
def api() -> Iterator[MixpanelApi]:
    with MixpanelApi() as server:
        yield server


def windowed(source: MixpanelSource, window: Window) -> list[dict[str, Any]]:
    async def collect() -> list[Chunk]:
        return [chunk async for chunk in source.read(None, window)]

    return rows(asyncio.run(collect()))


def exports(api: MixpanelApi) -> list[tuple[str, str]]:
    return [(c.query["from_date"], c.query["to_date"]) for c in api.asked("/api/2.0/export")]


def test_an_event_is_typed_and_its_properties_are_kept_as_they_came(api: MixpanelApi) -> None:
    """Common properties have columns of their own; all of them are there as JSON."""
    sent = api.days[events.FIRST][0]
    row = rows(read(mixpanel(api)))[0]
    given = sent["properties"]
    assert row["event"] == sent["event"]
    assert row["time"] == datetime.fromtimestamp(given["time"], UTC)
    assert row["distinct_id"] == given["distinct_id"]
    assert row["processed_at"].microsecond == 250_000
    assert orjson.loads(row["properties"]) == given


def test_an_event_sent_without_an_id_gets_one(api: MixpanelApi) -> None:
    """It is part of the key, so it is never null, and the same whenever the event is read."""
    sent = [e["properties"] for day in api.days.values() for e in day]
    found = rows(read(mixpanel(api)))
    made = [row["insert_id"] for row in found if row["insert_id"].startswith("~")]
    assert len(made) == sum("$insert_id" not in each for each in sent) > 20
    assert len(set(made)) == len(made)
    assert found == rows(read(mixpanel(api, batch_bytes=500)))


def test_days_are_asked_for_once_and_both_ends_are_inside(api: MixpanelApi) -> None:
    """Each span's last day is its own, so that no day is asked for twice."""
    read(mixpanel(api, days_per_request=3))
    assert exports(api) == [("2026-03-01", "2026-03-03"), ("2026-03-04", "2026-03-04")]


def test_late_events_are_fetched_by_a_lookback(api: MixpanelApi) -> None:
    """The next run reads the last days again, which is why rows come twice and merge is needed."""
    source = mixpanel(api)
    assert source.rereads() is not None
    last = read(source)[-1].cursor
    late = {**api.days[events.FIRST][0]}
    then = late["properties"]["time"] + 2 * 86_400
    late["properties"] = {**late["properties"], "$insert_id": "came-late", "time": then}
    api.days[events.FIRST + timedelta(days=2)].append(late)
    api.days[events.FIRST + timedelta(days=4)] = []
    found = rows(read(mixpanel(api, end="2026-03-06T00:00:00Z"), last))
    assert "came-late" in {row["insert_id"] for row in found}


@pytest.mark.parametrize("end", ["terminated early\n", '{"error": "query timed out"}\n', '{"eve'])
def test_an_export_broken_off_below_200_is_asked_for_again(api: MixpanelApi, end: str) -> None:
    """What ends with no event is not the end: it comes again, and no row of it is given before."""
    whole = rows_of(read(mixpanel(api)))
    api.breaks = end
    assert rows_of(read(mixpanel(api))) == whole


def test_an_export_that_is_always_broken_off_is_an_error(api: MixpanelApi) -> None:
    """It gives no row of that day, says what Mixpanel said, and may be tried again."""
    day = api.days[events.FIRST + timedelta(days=1)]
    day.append({"error": "backend overloaded"})
    found = attempt(mixpanel(api, retry_attempts=2))
    assert isinstance(found.error, TransientError)
    assert "backend overloaded" in str(found.error)
    assert sum(chunk.batch.num_rows for chunk in found.chunks) == 120


def test_an_error_amidst_an_export_is_an_error(api: MixpanelApi) -> None:
    """An error that is not the last line ends the reading too."""
    api.days[events.FIRST].insert(60, {"error": "shard is gone"})
    found = attempt(mixpanel(api, retry_attempts=2))
    assert isinstance(found.error, TransientError)
    assert "shard is gone" in str(found.error)


def test_a_line_that_does_not_fit_is_rejected_alone(api: MixpanelApi) -> None:
    """Its neighbours are rows; the record, the column and the line's number are kept."""
    odd = {"event": "Play", "properties": {"time": "soon", "distinct_id": "x"}}
    api.days[events.FIRST].insert(7, odd)
    api.days[events.FIRST].insert(9, {"event": None, "properties": {}})
    chunks = read(mixpanel(api))
    bad = [row for c in chunks if c.rejected for row in c.rejected.to_pylist()]
    assert sum(chunk.batch.num_rows for chunk in chunks) == 480
    assert {row["column_name"] for row in bad} == {"time", None}
    assert [row["location"].rpartition(":")[2] for row in bad if row["column_name"] is None] == [
        "10"
    ]


def test_another_clock_is_turned_into_real_time(api: MixpanelApi) -> None:
    """A project on Pacific time shows its own clock in ``time`` and asks by its own days."""
    options = {"start": "2026-03-01T08:00:00Z", "end": "2026-03-02T08:00:00Z"}
    found = rows(read(mixpanel(api, timezone="America/Los_Angeles", **options)))
    shown = [each["properties"]["time"] for each in api.days[events.FIRST]]
    assert [row["time"].timestamp() - 8 * 3600 for row in found] == shown
    assert exports(api) == [("2026-03-01", "2026-03-01")]


def test_a_window_gives_exactly_its_rows(api: MixpanelApi) -> None:
    """Bounds need not be midnights; the cursor is not asked."""
    start = datetime(2026, 3, 1, 18, tzinfo=UTC)
    window = Window(start=start, end=start + timedelta(hours=12))
    found = windowed(mixpanel(api), window)
    times = [e["properties"]["time"] for day in api.days.values() for e in day]
    wanted = [t for t in times if start.timestamp() <= t < window.end.timestamp()]
    assert sorted(row["time"].timestamp() for row in found) == sorted(wanted)
    assert wanted


def test_filters_are_sent(api: MixpanelApi) -> None:
    """Names of events go as a JSON array, an expression as it is."""
    where = 'properties["mp_country_code"] == "SE"'
    found = rows(read(mixpanel(api, events=["Play", 'Quote "q"'], where=where)))
    assert {row["event"] for row in found} == {"Play", 'Quote "q"'}
    assert {row["country"] for row in found} == {"SE"}


def test_a_span_goes_on_where_it_was_left_if_the_export_is_the_same(api: MixpanelApi) -> None:
    """A reader closed in mid-span gives the rest, and only the rest, after a restart."""
    whole = rows_of(read(mixpanel(api)))
    first = read(mixpanel(api), limit=2)
    assert first[-1].cursor["pass"]["page"]["offset"] > 0
    again = read(mixpanel(api), json.loads(json.dumps(first[-1].cursor)))
    assert rows_of(first) + rows_of(again) == whole


def test_a_budget_ends_a_span_in_its_midst(api: MixpanelApi) -> None:
    """What came is kept, at most a batch above the budget, and the next run brings the rest."""
    whole = rows_of(read(mixpanel(api)))
    source = mixpanel(api)
    source.usage = Usage(budget=Budget(records=150))
    found = attempt(source)
    assert isinstance(found.error, BudgetSpent)
    given = sum(chunk.batch.num_rows for chunk in found.chunks)
    assert 150 <= given < 200
    assert source.usage.records == given
    assert rows_of(found.chunks) + rows_of(read(mixpanel(api), found.cursor)) == whole


def test_an_export_in_another_order_is_read_again_or_refused(api: MixpanelApi) -> None:
    """With a lookback the span begins anew; without one rows may not come twice: an error."""
    api.shuffles = True
    left = read(mixpanel(api), limit=2)
    again = rows_of(read(mixpanel(api), left[-1].cursor))
    assert again == rows_of(read(mixpanel(api)))
    left = read(mixpanel(api, lookback="0s"), limit=2)
    with pytest.raises(DataError, match="changed since a part of it"):
        read(mixpanel(api, lookback="0s"), left[-1].cursor)


_VICTIM = """
import asyncio, json, sys, time
sys.path.insert(0, {root!r})
from tests.core.sources.analytics.mixpanels import mixpanel
from airflow_provider_spotify.core.testing.sources import rows_of

class Api:
    url = {url!r}

async def main():
    async for chunk in mixpanel(Api, lookback="0s").read(None):
        print(json.dumps([dict(rows_of([chunk])), chunk.cursor]), flush=True)
        time.sleep(0.05)

asyncio.run(main())
"""


def test_a_killed_process_costs_no_row(api: MixpanelApi) -> None:
    """After a kill in mid-span, the last cursor brings exactly the rest; no file is left open."""
    whole = rows_of(read(mixpanel(api)))
    root = str(Path(__file__).parents[4])
    code = _VICTIM.format(root=root, url=api.url)
    given = whole - whole
    cursor: dict[str, Any] = {}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as victim:
        assert victim.stdout is not None
        while given.total() < 200 or "page" not in cursor["pass"]:
            found, cursor = json.loads(victim.stdout.readline())
            given.update(found)
        victim.kill()
    assert given + rows_of(read(mixpanel(api, lookback="0s"), cursor)) == whole


def test_a_long_export_is_read_in_bounded_memory(api: MixpanelApi) -> None:
    """200 MB of one day cost a few batches, not the file."""
    api.filler = 200 * 10**6

    async def count() -> int:
        found = 0
        source = mixpanel(api, end="2026-03-02T00:00:00Z", batch_bytes=4 * 2**20, timeout="4m")
        async with aclosing(source.read(None)) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                found += chunk.batch.num_rows
        return found

    with peak() as most:
        assert asyncio.run(count()) > 300_000
    assert most[0] < _MEMORY, f"{most[0] / 2**20:.0f} MiB"


def test_a_plan_without_exports_is_forbidden(api: MixpanelApi) -> None:
    """402 is no request that anything could mend but the plan."""
    api.plan = False
    with pytest.raises(ForbiddenError, match="402"):
        read(mixpanel(api))


def test_an_export_needs_a_first_day_and_a_project(api: MixpanelApi) -> None:
    """Without a start it would ask for every day since 1970; the errors name the keys."""
    with pytest.raises(ConfigurationError, match="start"):
        read(mixpanel(api, start=None))
    source = mixpanel(api)
    extra = {"api_url": api.url}
    source.credentials = source.credentials.model_copy(update={"extra": extra})
    with pytest.raises(ConfigurationError, match="project_id"):
        read(source)


def test_profiles_cohorts_and_annotations_are_rows(api: MixpanelApi) -> None:
    """The query API's lists come as typed rows, profiles through a session's pages."""
    people = rows(read(mixpanel(api, resource="profiles")))
    assert len(people) == 23
    assert people[1]["name"] == "Listener 1"
    assert people[0]["name"] is None
    assert people[0]["last_seen"] == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert json.loads(people[0]["properties"])["plan"] in ("free", "premium")
    cohorts = rows(read(mixpanel(api, resource="cohorts")))
    assert [(c["id"], c["count"], c["is_visible"]) for c in cohorts][:2] == [
        ("1000", 0, False),
        ("1001", 150, True),
    ]
    (note,) = rows(read(mixpanel(api, resource="annotations")))
    assert (note["description"], note["project_id"]) == ("New player", str(PROJECT))


def test_a_session_that_has_ended_is_begun_anew(api: MixpanelApi) -> None:
    """Profiles are read from their start again when Mixpanel has forgotten the query."""
    first = read(mixpanel(api, resource="profiles", batch_size=5), limit=1)
    api.forget_sessions()
    found = rows(read(mixpanel(api, resource="profiles", batch_size=5), first[-1].cursor))
    wanted = {each["$distinct_id"] for each in api.profiles}
    assert {row["distinct_id"] for row in [*rows(first), *found]} == wanted


def test_regions_have_hosts_of_their_own() -> None:
    """Exports and queries go to different hosts, and never to another region's."""
    for region, host in (("us", "data.mixpanel.com"), ("eu", "data-eu.mixpanel.com")):
        source = _of(region, "export")
        assert source.base_url == f"https://{host}"
    assert _of("in", "cohorts").base_url == "https://in.mixpanel.com"


def _of(region: str, resource: str) -> MixpanelSource:
    config = MixpanelSource.Config.model_validate({"resource": resource, "region": region})
    return MixpanelSource(config)
