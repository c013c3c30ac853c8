"""What is special to the amplitude source: hours, halves, damaged archives, computed cohorts."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from airflow_provider_spotify.core.errors import (
    ConfigurationError,
    DataError,
    TransientError,
)
from airflow_provider_spotify.core.model import Chunk, Window
from airflow_provider_spotify.core.testing.sources import read, rows_of
from airflow_provider_spotify.core.testing.web_readings import attempt, peak
from tests.core.chunks import rows
from tests.core.sources.analytics.amplitudes import amplitude
from tests.services.amplitude_api import events
from tests.services.amplitude_api.server import AmplitudeApi

_MEMORY = 300 * 2**20


@pytest.fixture
def api() -> Iterator[AmplitudeApi]:
    with AmplitudeApi() as server:
        yield server


def exports(api: AmplitudeApi) -> list[tuple[str, str, int]]:
    calls = api.asked("/api/2/export")
    return [(c.query["start"][-5:], c.query["end"][-5:], c.status) for c in calls]


def test_an_event_is_typed_and_nested_values_are_json(api: AmplitudeApi) -> None:
    """Times are UTC, ids text, -1 stays -1, and what is nested stays whole."""
    sent = {each["uuid"]: each for each in api.hours[events.FIRST]}
    found = rows(read(amplitude(api)))
    for row in found[:40]:
        given = sent[row["uuid"]]
        shown = datetime.fromisoformat(given["event_time"]).replace(tzinfo=UTC)
        assert row["event_time"] == shown
        assert row["amplitude_id"] == str(given["amplitude_id"])
        assert row["session_id"] == given["session_id"]
        assert row["location_lat"] == given.get("location_lat")
        assert row["user_id"] == given["user_id"]
        assert orjson.loads(row["event_properties"]) == given["event_properties"]


def test_hours_are_asked_for_once_and_both_ends_are_inside(api: AmplitudeApi) -> None:
    """Each span's last hour is its own."""
    read(amplitude(api, hours_per_request=6))
    assert exports(api) == [("01T00", "01T05", 200), ("01T06", "01T11", 200)]


def test_hours_without_events_are_no_error(api: AmplitudeApi) -> None:
    """404 says that there are none; the cursor goes past them."""
    quiet = events.FIRST + timedelta(hours=3)
    for hour in range(3):
        del api.hours[quiet + timedelta(hours=hour)]
    assert sum(chunk.batch.num_rows for chunk in read(amplitude(api))) == 360
    assert ("01T03", "01T05", 404) in exports(api)


def test_nothing_at_all_is_remembered(api: AmplitudeApi) -> None:
    """A later pass over hours without events gives its cursor, so that they are not asked again."""
    last = read(amplitude(api))[-1].cursor
    later = amplitude(api, end="2026-03-02T00:00:00Z")
    (chunk,) = read(later, last)
    assert chunk.batch.num_rows == 0
    assert read(amplitude(api, end="2026-03-02T00:00:00Z"), chunk.cursor) == []


@pytest.mark.parametrize(("limit", "value", "status"), [("most", 100, 400), ("slow", 3, 504)])
def test_what_is_too_much_is_asked_for_in_halves(
    api: AmplitudeApi, limit: str, value: int, status: int
) -> None:
    """Too large (400) and too slow (504) are split until they come; no row is lost or doubled."""
    whole = rows_of(read(amplitude(api)))
    setattr(api, limit, value)
    api.calls.clear()
    assert rows_of(read(amplitude(api, hours_per_request=12))) == whole
    assert ("01T00", "01T11", status) in exports(api)


def test_an_hour_that_is_too_much_says_what_to_do(api: AmplitudeApi) -> None:
    """An hour above 4 GB has to go another way; one that is too slow may come later."""
    api.most = 10
    with pytest.raises(ConfigurationError, match="S3"):
        read(amplitude(api))
    api.most, api.slow = 10**9, 0
    with pytest.raises(TransientError, match="504"):
        read(amplitude(api))


def test_a_damaged_archive_is_downloaded_again(api: AmplitudeApi) -> None:
    """A file in it with another checksum costs another download, and no row comes twice."""
    whole = rows_of(read(amplitude(api)))
    api.damaged = 2
    assert rows_of(read(amplitude(api))) == whole


def test_an_archive_that_stays_damaged_is_an_error(api: AmplitudeApi) -> None:
    """What came before the damage is given, with a cursor that goes on there."""
    whole = rows_of(read(amplitude(api)))
    api.damaged = 100
    found = attempt(amplitude(api, retry_attempts=2, batch_bytes=4000))
    assert isinstance(found.error, TransientError)
    assert "damaged" in str(found.error)
    api.damaged = 0
    rest = read(amplitude(api, batch_bytes=4000), found.cursor)
    assert rows_of(found.chunks) + rows_of(rest) == whole


def test_a_bomb_in_an_archive_is_refused(api: AmplitudeApi) -> None:
    """A file that unpacks to more than may be ends in an error at flat memory."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as into:
        into.writestr("187520/187520_2026-03-01_0#0.json.gz", gzip.compress(bytes(300 * 2**20), 9))
    api.odd = written.getvalue()
    with peak() as most, pytest.raises(DataError, match="max_export_bytes"):
        read(amplitude(api, max_export_bytes=100 * 2**20))
    assert most[0] < _MEMORY, f"{most[0] / 2**20:.0f} MiB"


def test_a_long_export_is_read_in_bounded_memory(api: AmplitudeApi) -> None:
    """200 MB of events in one archive cost a few batches, not the archive."""
    event = orjson.dumps(api.hours[events.FIRST][0]) + b"\n"
    packed = gzip.compress(event * (10 * 10**6 // len(event)), 1)
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as into:
        for number in range(20):
            into.writestr(f"187520/187520_2026-03-01_0#{number}.json.gz", packed)
    api.odd = written.getvalue()
    source = amplitude(api, end="2026-03-01T03:00:00Z", batch_bytes=4 * 2**20)

    async def count() -> int:
        return sum([chunk.batch.num_rows async for chunk in source.read(None)])

    with peak() as most:
        assert asyncio.run(count()) > 150_000
    assert most[0] < _MEMORY, f"{most[0] / 2**20:.0f} MiB"


def test_a_window_gives_exactly_its_rows(api: AmplitudeApi) -> None:
    """Bounds need not be whole hours: rows are those that came in between them."""
    start = datetime(2026, 3, 1, 4, 30, tzinfo=UTC)
    window = Window(start=start, end=start + timedelta(minutes=90))

    async def collect() -> list[Chunk]:
        return [chunk async for chunk in amplitude(api).read(None, window)]

    found = rows(asyncio.run(collect()))
    came = (e for hour in api.hours.values() for e in hour)
    low, high = f"{start:%Y-%m-%d %H:%M}", f"{window.end:%Y-%m-%d %H:%M}"
    wanted = {e["uuid"] for e in came if low <= e["server_upload_time"] < high}
    assert {row["uuid"] for row in found} == wanted
    assert wanted


def test_hours_that_are_not_complete_yet_are_left_for_later(api: AmplitudeApi) -> None:
    """Amplitude has an hour's data some two hours after it ended."""
    before = datetime.now(UTC)
    read(amplitude(api, start=before - timedelta(hours=8), end=None, hours_per_request=24))
    after = datetime.now(UTC)  # an hour may have ended meanwhile
    (asked,) = api.asked("/api/2/export")
    last = datetime.strptime(asked.query["end"], "%Y%m%dT%H").replace(tzinfo=UTC)
    assert timedelta(hours=3) <= after - last
    assert before - last < timedelta(hours=4)


def test_a_half_that_was_left_is_gone_on_with(api: AmplitudeApi) -> None:
    """A reader closed within a half asks for that half again, not for the whole."""
    api.most = 100
    whole = rows_of(read(amplitude(api, hours_per_request=12, batch_bytes=4000)))
    left = read(amplitude(api, hours_per_request=12, batch_bytes=4000), limit=2)
    api.calls.clear()
    rest = read(amplitude(api, hours_per_request=12, batch_bytes=4000), left[-1].cursor)
    assert rows_of(left) + rows_of(rest) == whole
    assert ("01T00", "01T11", 400) not in exports(api)


@pytest.mark.parametrize("large", [False, True])
def test_members_of_a_cohort_are_computed_and_fetched(api: AmplitudeApi, large: bool) -> None:
    """Request, wait, download; a large cohort's file lies elsewhere and gets no credentials."""
    api.polls, api.large_cohorts = 1, large
    found = rows(read(amplitude(api, resource="cohort_members", cohorts=["c1"])))
    assert [(row["amplitude_id"], row["user_id"] or "") for row in found] == api.members["c1"]
    assert {row["cohort_id"] for row in found} == {"c1"}
    assert [c.status for c in api.asked("/api/5/cohorts/request-status/")] == [202, 200]


def test_a_cohort_that_is_not_computed_in_time_is_asked_for_later(api: AmplitudeApi) -> None:
    """Waiting ends after cohort_wait."""
    api.polls = 100
    source = amplitude(api, resource="cohort_members", cohorts=["c1"], cohort_wait="1s")
    with pytest.raises(TransientError, match="not computed"):
        read(source)


def test_cohorts_and_event_types_are_rows(api: AmplitudeApi) -> None:
    """Lists come whole, typed, with their odd parts as JSON."""
    (cohort,) = rows(read(amplitude(api, resource="cohorts")))
    assert (cohort["id"], cohort["size"], cohort["app_id"]) == ("c1", 30, str(events.APP))
    assert cohort["computed_at"] == datetime.fromtimestamp(1_679_440_233, UTC)
    assert json.loads(cohort["definition"])["version"] == 10
    types = rows(read(amplitude(api, resource="event_types")))
    assert [(t["name"], t["totals"], t["deleted"]) for t in types][2] == ("söka", 24, True)
