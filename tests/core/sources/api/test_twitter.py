"""What is special to X: joins, errors beside data, seven days, two vocabularies."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Window
from airflow_provider_spotify.core.sources.api.twitter import id_time
from airflow_provider_spotify.core.testing.sources import read
from tests.core.chunks import rejected, rows
from tests.core.sources.api.twitter_live import LIVE, serving, source
from tests.services.twitter_api.data import post_id
from tests.services.twitter_api.server import TwitterApi
from tests.services.web_api.openapi import check

x = pytest.fixture(serving)


@pytest.mark.parametrize("vocabulary", ["tweet", "post"])
def test_what_comes_beside_is_joined_in(x: TwitterApi, vocabulary: str) -> None:
    """Author, referenced posts, media and place stand in the row, in either vocabulary."""
    x.vocabularies = {vocabulary}
    found = {row["id"]: row for row in rows(read(source(x, vocabulary=vocabulary, **LIVE)))}
    assert len(found) == 120
    raw = {post["id"]: post for post in x.world.posts}
    for id_, row in found.items():
        author = x.world.users[row["author_id"]]
        assert (row["author_username"], row["author_name"]) == (author["username"], author["name"])
        assert row["reposts"] == raw[id_]["public_metrics"]["retweet_count"]
        assert row["edit_history_ids"] == [id_]
    repost = next(row for row in found.values() if row["reposted_id"])
    (referenced,) = orjson.loads(repost["referenced_posts"])
    first = raw[repost["reposted_id"]]
    assert referenced["text"] == first.get("note_tweet", first)["text"]
    pictured = next(row for row in found.values() if row["media"])
    assert orjson.loads(pictured["media"])[0]["url"].startswith("https://pbs.example.com/")
    assert {row["place_name"] for row in found.values()} == {None, "Malmö, Skåne"}
    long = next(row for row in found.values() if "note_tweet" in raw[row["id"]])
    assert long["text"] == raw[long["id"]]["note_tweet"]["text"]


def test_a_reference_that_is_gone_is_no_rejected_post(x: TwitterApi) -> None:
    """A quoted post that was deleted is told in the row that quotes it."""
    chunks = read(source(x, **LIVE))
    quoting = [row for row in rows(chunks) if row["quoted_id"] == "999"]
    assert quoting
    assert not rejected(chunks)
    assert {orjson.loads(row["unavailable"])[0]["title"] for row in quoting} == {"Not Found Error"}


def test_the_newer_vocabulary_is_as_published(x: TwitterApi) -> None:
    """What the server takes and answers is what the API's OpenAPI document allows."""
    x.recording = True
    x.vocabularies = {"post"}
    for options in (
        LIVE,
        {"resource": "search_all", "queries": ["rain"]},
        {"resource": "user_posts", "ids": ["1001", "1009", "5"], "exclude": ["replies"]},
        {"resource": "user_mentions", "ids": ["1001"]},
        {"resource": "list_posts", "ids": ["7"]},
        {"resource": "posts", "ids": [x.world.posts[0]["id"], "12"]},
        {"resource": "users", "ids": ["1001", "12"]},
        {"resource": "users_by_username", "usernames": ["band_1001", "nobody"]},
        {"resource": "followers", "ids": ["1001"]},
        {"resource": "following", "ids": ["1001"]},
        {"resource": "list_members", "ids": ["7"]},
        {"resource": "counts_recent_by_hour", "queries": ["rain"]},
        {"resource": "counts_all_by_day", "queries": ["rain"], "start": "2026-09-01T00:00:00Z"},
    ):
        read(source(x, vocabulary="post", **options))
    assert {call.status for call in x.calls} == {200}
    assert check("twitter", x.exchanges) == []


def test_errors_beside_data_are_rejected_records(x: TwitterApi) -> None:
    """A lookup gives those it has, and rejects those it has not."""
    chunks = read(source(x, resource="users", ids=["1000", "12", "1001", "34"]))
    assert [row["id"] for row in rows(chunks)] == ["1000", "1001"]
    gone = rejected(chunks)
    assert [orjson.loads(each["record"])["resource_id"] for each in gone] == ["12", "34"]
    assert "Could not find user" in gone[0]["reason"]


def test_a_protected_or_unknown_user_hides_no_other(x: TwitterApi) -> None:
    """Their timelines are 200 with errors alone: rejected, and the others are read."""
    protected = next(id_ for id_, user in x.world.users.items() if user["protected"])
    chunks = read(source(x, resource="user_posts", ids=["5", protected, "1001"]))
    assert {row["of_user_id"] for row in rows(chunks)} == {"1001"}
    assert ["not authorized" in each["reason"] for each in rejected(chunks)] == [False, True]


def test_lookups_ask_for_a_hundred_at_once(x: TwitterApi) -> None:
    """250 ids are three requests."""
    read(source(x, resource="users", ids=[str(n) for n in range(900, 1150)]))
    sizes = [call.query["ids"].count(",") + 1 for call in x.asked("/2/users")]
    assert sorted(sizes) == [50, 100, 100]


def test_a_token_that_has_ended_is_gone_on_from_by_id(x: TwitterApi) -> None:
    """Resuming where the page token has ended reads below the last post, and nothing twice."""
    one = source(x, batch_size=1, resource="list_posts", ids=["7"])
    timeline = source(x, batch_size=1, **LIVE)
    whole = [row["id"] for row in rows(read(timeline))]
    first = read(source(x, batch_size=1, **LIVE), limit=1)
    x.end_page_tokens()
    x.calls.clear()
    rest = read(source(x, batch_size=1, **LIVE), first[-1].cursor)
    assert [row["id"] for row in rows(first + rest)] == whole
    assert [call.status for call in x.calls] == [400, 200]
    assert "until_id" in x.calls[1].query
    assert "end_time" not in x.calls[1].query
    assert one.config.resource == "list_posts"


def test_what_is_older_than_a_week_is_not_asked_for(x: TwitterApi) -> None:
    """After a pause of weeks the bound is left out, for the API would refuse it."""
    last = read(source(x, **LIVE))[-1].cursor
    (name, mark), *_ = last["marks"].items()
    long_ago = datetime.now(UTC) - timedelta(days=20)
    old = {"marks": {name: {**mark, "high": int(post_id(long_ago)), "seen": []}}}
    x.calls.clear()
    assert len(rows(read(source(x, **LIVE), old))) == 120
    assert "since_id" not in x.calls[0].query
    with pytest.raises(ConfigurationError, match=r"seven days only.*search_all"):
        window = Window(start=long_ago, end=long_ago + timedelta(days=1))
        asyncio.run(source(x, **LIVE).is_ready(None, window))


def test_increments_ask_above_the_highest_id(x: TwitterApi) -> None:
    """The second run sends since_id, and no start_time."""
    last = read(source(x, **LIVE))[-1].cursor
    x.calls.clear()
    assert read(source(x, **LIVE), last) == []
    assert x.calls[0].query["since_id"] == x.world.posts[0]["id"]
    assert "start_time" not in x.calls[0].query


def test_the_time_is_in_the_id() -> None:
    """An id tells when its post was made, to the millisecond."""
    at = datetime(2026, 11, 22, 12, 0, 0, 123000, tzinfo=UTC)
    assert id_time(int(post_id(at, sequence=77))) == at
