"""What is special to the segment source: files by day, profiles that are not there, two tokens."""

from __future__ import annotations

import asyncio
import gzip
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import SecretStr, ValidationError

from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    DataError,
)
from airflow_provider_spotify.core.model import Credentials, Window
from airflow_provider_spotify.core.sources.analytics._segment_config import SegmentConfig
from airflow_provider_spotify.core.sources.analytics.segment import SegmentSource
from airflow_provider_spotify.core.testing.sources import read
from tests.services.segment_api.logs import DAY, SOURCE, into, messages, name_of, packed
from tests.services.segment_api.server import BEGIN, PUBLIC, SPACE, TOKEN, USERS, SegmentApi

START = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def api() -> Iterator[SegmentApi]:
    with SegmentApi() as server:
        yield server


def listed(chunks: Any) -> list[dict[str, Any]]:
    return [row for chunk in chunks for row in chunk.batch.to_pylist()]


def refused(chunks: Any) -> list[dict[str, Any]]:
    return [row for c in chunks if c.rejected for row in c.rejected.to_pylist()]


def events(folder: Path, **config: Any) -> SegmentSource:
    return SegmentSource(SegmentConfig(resource="events", path=str(folder), **config))


def reader(api: SegmentApi, resource: str, *, token: str = TOKEN, **config: Any) -> SegmentSource:
    given = {"api_url": api.url, "space": SPACE, "resource": resource, **config}
    return SegmentSource(SegmentConfig(**given), credentials=Credentials(password=SecretStr(token)))


# ---- events ----------------------------------------------------------------------------------


def test_lines_become_rows_and_what_is_none_is_set_aside(tmp_path: Path) -> None:
    """A broken line and one that is no message are rejected with file and line."""
    put = into(tmp_path)
    put(name_of(DAY, "a"), packed([*messages(3), "{broken", "[1]", *messages(2, first=3)]))
    put("segment-logs/dummy-object.txt", b"the file that tests the bucket")
    chunks = read(events(tmp_path))
    rows = listed(chunks)
    assert [row["message_id"] for row in rows] == [f"msg-18-{n}" for n in range(5)]
    assert {row["source_id"] for row in rows} == {SOURCE}
    assert [each["location"].rpartition(":")[2] for each in refused(chunks)] == ["4", "5"]


def test_start_and_end_are_days_of_receipt(tmp_path: Path) -> None:
    """Folders outside the span are not read."""
    put = into(tmp_path)
    for number in range(4):
        day = DAY + timedelta(days=number)
        put(name_of(day, "a"), packed(messages(1, day=day)))
    source = events(tmp_path, start=DAY + timedelta(days=1), end=DAY + timedelta(days=3))
    assert [row["message_id"] for row in listed(read(source))] == ["msg-19-0", "msg-20-0"]


def test_a_window_is_the_time_of_receipt(tmp_path: Path) -> None:
    """Only rows received within it come, whatever was read before."""
    put = into(tmp_path)
    put(name_of(DAY, "a"), packed(messages(100)))
    window = Window(start=DAY + timedelta(seconds=10), end=DAY + timedelta(seconds=20))
    source = events(tmp_path)
    since = read(source)[-1].cursor

    async def rows() -> list[str]:
        return [
            row["message_id"]
            async for chunk in source.read(since, window)
            for row in chunk.batch.to_pylist()
        ]

    assert asyncio.run(rows()) == [f"msg-18-{n}" for n in range(10, 20)]


def test_a_copied_bucket_loses_no_day(tmp_path: Path) -> None:
    """All files of a copy are as new; stopping after the first day leaves the others for later."""
    put = into(tmp_path)
    for number in range(12):
        day = DAY - timedelta(days=number)
        put(name_of(day, "a"), packed(messages(2, day=day)))
    first = read(events(tmp_path, start=START), limit=1)
    rest = read(events(tmp_path, start=START), first[-1].cursor)
    assert len(listed(first)) + len(listed(rest)) == 24


def test_a_file_that_comes_late_is_read_if_its_day_is_listed_again(tmp_path: Path) -> None:
    """Days are listed again for three days after they were read, or as long as lookback says."""
    put = into(tmp_path)
    put(name_of(DAY, "a"), packed(messages(1)))
    end = DAY + timedelta(days=1)
    cursor = read(events(tmp_path, end=end))[-1].cursor
    put(name_of(DAY, "late"), packed(messages(1, first=7)))
    put(name_of(DAY - timedelta(days=5), "later"), packed(messages(1, first=9)))
    assert [r["message_id"] for r in listed(read(events(tmp_path, end=end), cursor))] == [
        "msg-18-7"
    ]
    longer = events(tmp_path, end=end, lookback="7d")
    assert {r["message_id"] for r in listed(read(longer, cursor))} == {"msg-18-7", "msg-18-9"}


def test_a_file_that_is_cut_is_an_error_after_what_came_before(tmp_path: Path) -> None:
    """Half of a gzip stream is not taken for all of it."""
    put = into(tmp_path)
    put(name_of(DAY, "a"), packed(messages(2)))
    put(name_of(DAY, "b"), packed(messages(2000))[:-500])
    chunks: list[Any] = []

    async def collect() -> None:
        async for chunk in events(tmp_path).read(None):
            chunks.append(chunk)

    with pytest.raises(DataError, match=r"b\.gz"):
        asyncio.run(collect())
    put(name_of(DAY, "b"), packed(messages(2000)))
    since = chunks[-1].cursor if chunks else None
    assert len(listed(chunks)) + len(listed(read(events(tmp_path), since))) == 2002


def test_two_members_in_one_gzip_file_are_both_read(tmp_path: Path) -> None:
    """Files that were joined, as gzip allows, are read to their end."""
    put = into(tmp_path)
    both = packed(messages(2)) + gzip.compress(b"")  # an empty member at the end
    put(name_of(DAY, "a"), both + packed(messages(3, first=2)))
    assert len(listed(read(events(tmp_path)))) == 5


def test_a_cursor_names_nobody_and_no_file(tmp_path: Path) -> None:
    """Paths are digests, and there is no message in it."""
    into(tmp_path)(name_of(DAY, "a"), packed(messages(3)))
    text = str(read(events(tmp_path))[-1].cursor)
    assert "segment-logs" not in text
    assert "u1" not in text


def test_events_are_read_once() -> None:
    """So append is allowed; the folder of the logs is the dataset."""
    source = SegmentSource(SegmentConfig(resource="events", path="s3://acme/x/"))
    assert source.rereads() is None
    assert source.dataset() == ("s3://acme", "x/segment-logs")


# ---- profiles --------------------------------------------------------------------------------


def test_a_profile_that_is_not_there_is_set_aside(api: SegmentApi) -> None:
    """The others are read; the id is in the rejected record, not in the cursor."""
    chunks = read(reader(api, "profile_metadata", profiles=["user_id:gone", USERS[0]]))
    assert [row["profile"] for row in listed(chunks)] == [USERS[0]]
    assert [each["reason"] for each in refused(chunks)] == ["not found"]
    assert "gone" not in str(chunks[-1].cursor)


def test_ids_with_signs_are_escaped(api: SegmentApi) -> None:
    """A plus stands in an address as %2B, or another profile would be asked for."""
    rows = listed(read(reader(api, "profile_metadata", profiles=[USERS[1], USERS[2]])))
    assert [row["profile"] for row in rows] == [USERS[1], USERS[2]]
    assert {row["space"] for row in rows} == {SPACE}


def test_traits_are_rows_with_any_value(api: SegmentApi) -> None:
    """Texts, numbers, objects and nothing are JSON; each says when it was set."""
    rows = listed(read(reader(api, "profile_traits", profiles=[USERS[0]])))
    assert len(rows) == 450
    wanted = api.traits[USERS[0]]
    for row in rows:
        told = wanted[row["trait"]]["value"]
        assert (None if row["value"] is None else orjson.loads(row["value"])) == told
        assert row["updated_at"] is not None
    assert [call.query["limit"] for call in api.asked("/v1")] == ["200"] * 3


def test_events_that_come_late_are_read_once(api: SegmentApi) -> None:
    """An hour is asked for again, since nobody says whether ``start`` is inclusive."""
    end = datetime(2026, 11, 20, tzinfo=UTC)
    given: dict[str, Any] = {"profiles": [USERS[0]], "end": end}
    since = read(reader(api, "profile_events", **given))[-1].cursor
    late = {**api.events[USERS[0]][0], "message_id": "late", "event": "Track Liked"}
    with api.lock:
        api.events[USERS[0]].insert(0, late)
    later = reader(api, "profile_events", **{**given, "end": end + timedelta(days=1)})
    assert [row["message_id"] for row in listed(read(later, since))] == ["late"]


def test_a_window_of_events_has_its_first_moment(api: SegmentApi) -> None:
    """``start`` is exclusive here; an event at the very begin of a window comes, one before not."""
    window = Window(start=BEGIN + timedelta(minutes=20), end=BEGIN + timedelta(minutes=26))
    source = reader(api, "profile_events", profiles=[USERS[0]])

    async def rows() -> set[int]:
        chunks = source.read(None, window)
        return {orjson.loads(r["properties"])["position"] async for c in chunks
                for r in c.batch.to_pylist()}  # fmt: skip

    assert asyncio.run(rows()) == {10, 11, 12}


def test_links_beyond_what_the_api_gives_are_said(
    api: SegmentApi, caplog: pytest.LogCaptureFixture
) -> None:
    """Twenty links may be all or not; the log says so."""
    assert len(listed(read(reader(api, "profile_links", profiles=[USERS[0]])))) == 2
    assert not caplog.records
    api.links = 25
    with caplog.at_level(logging.WARNING):
        rows = listed(read(reader(api, "profile_links", profiles=[USERS[0]])))
    assert len(rows) == 20
    assert "20 links or more" in caplog.text


def test_external_ids_are_read_page_by_page(api: SegmentApi) -> None:
    """130 ids take two pages of 100."""
    rows = listed(read(reader(api, "profile_external_ids", profiles=[USERS[0]])))
    assert len({row["id"] for row in rows}) == 130
    assert len(api.asked("/v1")) == 2


def test_the_token_of_the_one_api_is_none_of_the_other(api: SegmentApi) -> None:
    """Each refuses the other's, without showing it."""
    for resource, token in (("profile_metadata", PUBLIC), ("tracking_plans", TOKEN)):
        with pytest.raises(AuthenticationError) as caught:
            read(reader(api, resource, token=token, profiles=[USERS[0]]))
        assert token not in str(caught.value)


def test_the_space_may_stand_in_the_connection(api: SegmentApi) -> None:
    """Without it anywhere the message says where to find it."""
    config = SegmentConfig(resource="profile_metadata", profiles=(USERS[0],), api_url=api.url)
    secret = SecretStr(TOKEN)
    there = Credentials(password=secret, extra={"space": SPACE})
    assert len(listed(read(SegmentSource(config, credentials=there)))) == 1
    with pytest.raises(ConfigurationError, match="API access"):
        read(SegmentSource(config, credentials=Credentials(password=secret)))


# ---- tracking plans --------------------------------------------------------------------------


def test_tracking_plans_and_their_rules(api: SegmentApi) -> None:
    """Plans of the workspace, and the rules of one, page by page."""
    plans = listed(read(reader(api, "tracking_plans", token=PUBLIC)))
    assert [plan["id"] for plan in plans] == ["tp_0", "tp_1", "tp_2"]
    chunks = read(reader(api, "tracking_plan_rules", token=PUBLIC, plans=["tp_1", "tp_9"]))
    rules = listed(chunks)
    assert (len(rules), rules[0]["json_schema"]) == (450, '{"type":"object"}')
    assert [each["reason"] for each in refused(chunks)] == ["not found"]


@pytest.mark.parametrize(
    ("region", "resource", "host"),
    [
        ("us", "profile_traits", "https://profiles.segment.com"),
        ("eu", "profile_traits", "https://profiles.euw1.segment.com"),
        ("us", "tracking_plans", "https://api.segmentapis.com"),
        ("eu", "tracking_plans", "https://eu1.api.segmentapis.com"),
    ],
)
def test_each_api_has_its_host_in_each_region(region: Any, resource: Any, host: str) -> None:
    """A workspace in Europe is asked in Europe."""
    config = SegmentConfig(resource=resource, region=region, space="s", profiles=("user_id:1",))
    assert SegmentSource(config).dataset().namespace == host


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"resource": "events"}, "events needs path"),
        ({"resource": "profile_traits"}, "needs profiles"),
        ({"resource": "profile_traits", "profiles": ["1413639574"]}, "match pattern"),
        ({"resource": "tracking_plan_rules"}, "needs plans"),
    ],
)
def test_what_is_missing_is_found_in_the_yaml(config: dict[str, Any], said: str) -> None:
    """The message names the key."""
    with pytest.raises(ValidationError, match=said):
        SegmentConfig(**config)


def test_the_check_tries_the_api_or_lists_the_folder(api: SegmentApi, tmp_path: Path) -> None:
    """A profile that is not there is still an answer."""
    into(tmp_path)(name_of(datetime.now(UTC), "a"), packed(messages(1)))
    assert asyncio.run(events(tmp_path).check()).ok
    assert asyncio.run(reader(api, "profile_metadata", profiles=["user_id:0"]).check()).ok
    assert not asyncio.run(reader(api, "tracking_plans", token="wrong-1234").check()).ok
