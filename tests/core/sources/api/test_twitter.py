"""What is special to X: joins, errors beside data, caps, prices, seven days, two vocabularies."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from pydantic import SecretStr, ValidationError

from airflow_provider_spotify.core.clients.http.limits import forget_limits
from airflow_provider_spotify.core.errors import (
    BudgetSpent,
    ConfigurationError,
    ForbiddenError,
    ImporterError,
    QuotaExhausted,
)
from airflow_provider_spotify.core.model import Chunk, Credentials, Cursor, Window
from airflow_provider_spotify.core.sources.api.twitter import TwitterConfig, TwitterSource, id_time
from airflow_provider_spotify.core.testing.sources import read
from airflow_provider_spotify.core.usage import Budget, Usage
from tests.services.twitter_api.data import post_id
from tests.services.twitter_api.server import BEARER, CLIENT, REFRESH, SECRET, TwitterApi
from tests.services.web_api.openapi import check

APP = Credentials(password=SecretStr(BEARER))
LIVE: dict[str, Any] = {"resource": "search_recent", "queries": ["#live"]}


@pytest.fixture
def x() -> Iterator[TwitterApi]:
    with TwitterApi(posts=120) as server:
        yield server
    forget_limits()


def source(x: TwitterApi, *, credentials: Credentials = APP, **options: Any) -> TwitterSource:
    given = {"api_url": f"{x.url}/2", "max_wait": "1s", **options}
    return TwitterSource(TwitterConfig.model_validate(given), credentials=credentials)


def rows(chunks: list[Chunk]) -> list[dict[str, Any]]:
    return [row for chunk in chunks for row in chunk.batch.to_pylist()]


def rejects(chunks: list[Chunk]) -> list[dict[str, Any]]:
    return [row for chunk in chunks if chunk.rejected for row in chunk.rejected.to_pylist()]


def until_error(
    one: TwitterSource, since: Cursor | None = None
) -> tuple[list[Chunk], ImporterError | None]:
    """Read until the end or an error; return both."""

    async def collect() -> tuple[list[Chunk], ImporterError | None]:
        chunks: list[Chunk] = []
        try:
            async with aclosing(one.read(since)) as stream:  # type: ignore[type-var]
                async for chunk in stream:
                    chunks.append(chunk)
        except ImporterError as error:
            return chunks, error
        return chunks, None

    return asyncio.run(collect())


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
    assert not rejects(chunks)
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
    gone = rejects(chunks)
    assert [orjson.loads(each["record"])["resource_id"] for each in gone] == ["12", "34"]
    assert "Could not find user" in gone[0]["reason"]


def test_a_protected_or_unknown_user_hides_no_other(x: TwitterApi) -> None:
    """Their timelines are 200 with errors alone: rejected, and the others are read."""
    protected = next(id_ for id_, user in x.world.users.items() if user["protected"])
    chunks = read(source(x, resource="user_posts", ids=["5", protected, "1001"]))
    assert {row["of_user_id"] for row in rows(chunks)} == {"1001"}
    assert ["not authorized" in each["reason"] for each in rejects(chunks)] == [False, True]


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


# ---- limits, caps and prices -------------------------------------------------------------------


def test_a_used_up_cap_is_a_quota(x: TwitterApi) -> None:
    """429 usage-capped ends the run at once; a rate that is too high is waited for."""
    cap = {"title": "UsageCapExceeded", "period": "Monthly", "scope": "Product", "status": 429,
           "type": "https://api.x.com/2/problems/usage-capped",
           "detail": "Usage cap exceeded: Monthly product cap"}  # fmt: skip
    x.fault("rate", "/search", after=1, body=cap)
    chunks, error = until_error(source(x, **LIVE))
    assert isinstance(error, QuotaExhausted)
    assert error.retry_after == 86400
    assert len(x.calls) == 2
    assert len(rows(chunks)) == 100
    forget_limits()
    rest = read(source(x, **LIVE), chunks[-1].cursor)
    assert len(rows(chunks + rest)) == 120


def test_spent_credits_are_a_quota(x: TwitterApi) -> None:
    """402 says that the app's credits are used up, and what to do."""
    body = {"title": "CreditsDepleted", "detail": "no credits", "type": "about:blank"}
    x.fault("unavailable", "/search", status=402, body=body)
    _, error = until_error(source(x, **LIVE))
    assert isinstance(error, QuotaExhausted)
    assert "console.x.com" in str(error)


def test_the_rate_header_says_how_long_to_wait(x: TwitterApi) -> None:
    """Without Retry-After the reset header counts, and what came before is kept."""
    x.limits[0].count = 1
    chunks, error = until_error(source(x, **LIVE))
    assert isinstance(error, QuotaExhausted)
    assert error.retry_after is not None
    assert 800 < error.retry_after <= 902
    assert len(rows(chunks)) == 100


def test_each_endpoint_has_a_limit_of_its_own(x: TwitterApi) -> None:
    """Where a search is at its limit, another endpoint is read all the same."""
    x.limits[0].count = 1
    until_error(source(x, **LIVE))
    assert len(rows(read(source(x, resource="list_posts", ids=["7"])))) == 120


def test_a_budget_stops_before_it_is_overdrawn(x: TwitterApi) -> None:
    """Twenty cents read what they pay for; the next run goes on there, until all came once."""
    found: list[dict[str, Any]] = []
    since, runs = None, 0
    while runs < 20:
        one = source(x, expand=[], **LIVE)
        one.usage = Usage(budget=Budget(cost=0.2))
        chunks, error = until_error(one, since)
        found += rows(chunks)
        runs += 1
        assert one.usage.cost <= 0.2 + 9 * 0.005  # a search gives no fewer than ten
        if error is None:
            break
        assert isinstance(error, BudgetSpent)
        since = chunks[-1].cursor
    assert runs == 3
    assert sorted(row["id"] for row in found) == sorted(post["id"] for post in x.world.posts)


def test_a_budget_covers_what_is_joined_in(x: TwitterApi) -> None:
    """A page is so small that its authors, posts and media are paid for, too."""
    one = source(x, **LIVE)
    one.usage = Usage(budget=Budget(cost=0.6))
    chunks, error = until_error(one)
    assert isinstance(error, BudgetSpent)
    assert 0.5 < one.usage.cost <= 0.6 + 10 * 0.025
    assert 24 <= len(rows(chunks)) < 100


def test_what_is_joined_in_costs_too(x: TwitterApi) -> None:
    """Users and media are billed once; posts alone cost half a cent, owned ones a tenth."""
    bare, whole = source(x, expand=[], **LIVE), source(x, **LIVE)
    own = source(x, resource="user_posts", ids=["1001"], owned=True, expand=[])
    found = rows(read(bare))
    read(whole)
    count = len(rows(read(own)))
    authors = len({row["author_id"] for row in found})
    media = len(x.world.media)
    assert bare.usage.cost == pytest.approx(120 * 0.005)
    assert whole.usage.cost == pytest.approx(120 * 0.005 + authors * 0.010 + media * 0.005)
    assert own.usage.cost == pytest.approx(count * 0.001)


def test_counts_cost_a_request(x: TwitterApi) -> None:
    """A week by hour is one request of half a cent; its sum is what there is."""
    one = source(x, resource="counts_recent_by_hour", queries=["#live"])
    found = rows(read(one))
    assert one.usage.cost == pytest.approx(0.005)
    assert 160 <= len(found) <= 168
    settled = found[-1]["end"]
    posts = [p for p in x.world.posts if datetime.fromisoformat(p["created_at"]) < settled]
    assert sum(row["posts"] for row in found) == len(posts)
    assert found[0]["query"] == "#live"


def test_counts_stop_at_the_budget(x: TwitterApi) -> None:
    """A request that the budget does not cover is not sent."""
    one = source(x, resource="counts_recent_by_day", queries=["a", "b", "c"], concurrency=1)
    one.usage = Usage(budget=Budget(cost=0.01))
    chunks, error = until_error(one)
    assert isinstance(error, BudgetSpent)
    assert len(x.calls) == 2
    assert {row["query"] for row in rows(chunks)} == {"a", "b"}


def test_estimates_ask_nothing_that_is_billed(x: TwitterApi) -> None:
    """Lookups are known, timelines bounded, searches unknown: unless counting is allowed."""
    lookup = asyncio.run(source(x, resource="users", ids=["1", "2"]).estimate(None))
    timeline = asyncio.run(source(x, resource="user_posts", ids=["1"]).estimate(None))
    search = asyncio.run(source(x, **LIVE).estimate(None))
    assert lookup is not None
    assert (lookup.requests, lookup.records) == (1, 2)
    assert lookup.cost == pytest.approx(0.02)
    assert timeline is not None
    assert timeline.records == 3200
    assert timeline.cost == pytest.approx(16.0)
    assert search is None
    assert x.calls == []
    counted = asyncio.run(source(x, estimate_by_counts=True, **LIVE).estimate(None))
    assert counted is not None
    assert (counted.records, counted.requests, counted.exact) == (120, 2, True)


def test_looking_for_something_new_reads_little(x: TwitterApi) -> None:
    """is_ready asks for the fewest posts that a search gives, and counts them nowhere."""
    one = source(x, resource="search_recent", queries=["#live", "rain", "bass"])
    assert asyncio.run(one.is_ready(None)) is True
    assert [call.query["max_results"] for call in x.calls] == ["10"]
    assert one.usage.records == 0


# ---- who may read ------------------------------------------------------------------------------


def test_the_archive_needs_entitlement(x: TwitterApi) -> None:
    """403 client-forbidden says so; with it a page has 500 posts, without topics."""
    options: dict[str, Any] = {"resource": "search_all", "queries": ["#live"]}
    read(source(x, **options))
    assert x.calls[0].query["max_results"] == "500"
    assert "context_annotations" not in x.calls[0].query["tweet.fields"]
    x.entitled = False
    with pytest.raises(ForbiddenError, match="enrol"):
        read(source(x, **options))


def test_liked_posts_need_a_user(x: TwitterApi) -> None:
    """The app's own token is refused; the user's is renewed by its refresh token, once."""
    options: dict[str, Any] = {"resource": "liked_posts", "ids": ["1000"]}
    with pytest.raises(ForbiddenError):
        read(source(x, **options))
    user = Credentials(
        login=CLIENT,
        password=SecretStr(SECRET),
        extra={"refresh_token": REFRESH, "token_url": f"{x.url}/2/oauth2/token"},
    )
    found = rows(read(source(x, credentials=user, **options)))
    assert len(found) == 40
    assert {row["liked_by"] for row in found} == {"1000"}
    assert REFRESH not in x.tokens.refresh
    health = asyncio.run(source(x, credentials=user, **options).check())
    assert health.ok, health.message


def test_the_test_button_is_free(x: TwitterApi) -> None:
    """check() asks for the app's usage, and says it."""
    health = asyncio.run(source(x, **LIVE).check())
    assert (health.ok, "125 of 3000000" in health.message) == (True, True)
    assert [call.path for call in x.calls] == ["/2/usage/tweets"]


def test_a_refused_parameter_is_named(x: TwitterApi) -> None:
    """400 tells what was wrong, and where fields were renamed what to set."""
    x.vocabularies = {"post"}
    with pytest.raises(ConfigurationError, match=r"referenced_tweets\.id.*set vocabulary"):
        read(source(x, **LIVE))


def test_a_connection_without_a_token_is_refused(x: TwitterApi) -> None:
    """The message names the fields of the connection."""
    with pytest.raises(ConfigurationError, match="bearer token as password"):
        read(source(x, credentials=Credentials(login="a", password=SecretStr("b")), **LIVE))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"resource": "search_recent"}, "needs queries"),
        ({"resource": "user_posts", "ids": ["acme"]}, "ids: 'acme'"),
        ({"resource": "users_by_username", "usernames": ["@acme"]}, "usernames"),
        ({"resource": "counts_all_by_day", "queries": ["a"]}, "needs start"),
        ({**LIVE, "exclude": ["replies"]}, "-is:retweet"),
    ],
)
def test_wrong_keys_are_refused_early(options: dict[str, Any], said: str) -> None:
    """A config that cannot be read says so before anything is billed."""
    with pytest.raises(ValidationError, match=said):
        TwitterConfig.model_validate(options)
