"""The tiktok source keeps the contract of every source, and what is special to TikTok's APIs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from airflow_provider_spotify.core.clients.http.limits import forget_limits
from airflow_provider_spotify.core.clients.oauth.tokens import forget_tokens
from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    DataError,
    ForbiddenError,
    QuotaExhausted,
    TransientError,
)
from airflow_provider_spotify.core.model import Chunk, Credentials, Window
from airflow_provider_spotify.core.sources.api._tiktok_paging import CursorPages
from airflow_provider_spotify.core.sources.api.tiktok import TiktokConfig, TiktokSource
from airflow_provider_spotify.core.sources.web.pages import Page
from airflow_provider_spotify.core.testing.sources import SourceConformance, read
from tests.core.chunks import rows
from tests.services.tiktok_api.server import KEY, REFRESH, SECRET, TiktokApi
from tests.services.tiktok_api.state import BEGAN, HOUR
from tests.services.web_api.limits import Room

WRONG = "wrong-secret-of-nobody-5be1"
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
HELLO = {"and": [{"operation": "IN", "field_name": "region_code", "field_values": ["SE", "US"]}]}


def tiktok(
    api: TiktokApi, resource: str, *, secret: str = SECRET, user: bool = True, **config: Any
) -> TiktokSource:
    """Return a source of a server, with small chunks."""
    extra = {"api_url": f"{api.url}/v2", "token_url": f"{api.url}/v2/oauth/token/"}
    extra |= {"refresh_token": REFRESH} if user else {}
    credentials = Credentials(login=KEY, password=SecretStr(secret), extra=extra)
    given = {"resource": resource, "batch_size": 15, **config}
    if resource.startswith("research_"):
        given["research"] = True
    return TiktokSource(TiktokConfig.model_validate(given), credentials=credentials)


@pytest.fixture
def api() -> Iterator[TiktokApi]:
    """Run TikTok's APIs."""
    with TiktokApi() as server:
        yield server
    forget_tokens()
    forget_limits()


class _OnServer(SourceConformance):
    api: TiktokApi

    @pytest.fixture(autouse=True)
    def _start(self, api: TiktokApi) -> None:
        self.api = api


class TestVideos(_OnServer):
    """A listing newest first, from a time back."""

    expected_rows = 95

    def make_source(self) -> TiktokSource:
        return tiktok(self.api, "videos")

    def make_bad_credentials(self) -> TiktokSource:
        return tiktok(self.api, "videos", secret=WRONG)

    def make_empty(self) -> TiktokSource:
        self.api.data.videos.clear()
        return self.make_source()

    def add_more(self) -> int:
        return self.api.data.add(3)


class TestResearchVideos(_OnServer):
    """Spans of thirty days each."""

    expected_rows = 300

    def make_source(self) -> TiktokSource:
        # Between two readings no day may end.
        end = BEGIN + timedelta(days=110)
        return tiktok(self.api, "research_videos", start=BEGIN, end=end, query=HELLO)

    def make_bad_credentials(self) -> TiktokSource:
        return tiktok(self.api, "research_videos", secret=WRONG, start=BEGIN, query=HELLO)

    def make_empty(self) -> TiktokSource:
        self.api.data.found.clear()
        return self.make_source()


class TestResearchComments(_OnServer):
    """Comments of one video after the other."""

    expected_rows = 7 + 120

    def make_source(self) -> TiktokSource:
        ids = [str(each["id"]) for each in self.api.data.found]
        return tiktok(self.api, "research_comments", video_ids=[*ids[:2], ids[3]], batch_size=5)


async def until_error(source: TiktokSource, since: Any = None) -> tuple[list[Chunk], Exception]:
    """Return the chunks that came before an error, and the error."""
    chunks = []
    with pytest.raises(Exception) as caught:  # noqa: PT011 - told apart by the caller
        async for chunk in source.read(since):
            chunks.append(chunk)
    return chunks, caught.value


def test_pages_that_are_short_or_empty_do_not_end_the_listing(api: TiktokApi) -> None:
    """Where ``has_more`` says so, what follows an empty page is read too."""
    api.data.hidden = {each["id"] for each in api.data.videos[20:40]} | {api.data.videos[3]["id"]}
    assert len(rows(read(tiktok(api, "videos")))) == 95 - 21


def test_a_run_ends_where_the_last_one_began(api: TiktokApi) -> None:
    """Although the API takes no lower bound, only the first page is asked for again."""
    last = read(tiktok(api, "videos"))[-1].cursor
    api.data.add(2)
    before = len(api.asked("/v2/video/list"))
    assert len(rows(read(tiktok(api, "videos"), last))) == 2
    # One page of new and known ones, and one that is known as a whole.
    assert len(api.asked("/v2/video/list")) - before == 2


async def test_a_window_is_read_from_its_end_downwards(api: TiktokApi) -> None:
    """Exactly the videos of the window come, and no newer page is asked for."""
    low, high = BEGIN + timedelta(hours=40), BEGIN + timedelta(hours=50)
    source = tiktok(api, "videos")
    found = rows([chunk async for chunk in source.read(None, Window(start=low, end=high))])
    assert sorted(row["create_time"] for row in found) == [
        low + timedelta(hours=n) for n in range(10)
    ]
    assert len(api.asked("/v2/video/list")) == 2


def test_within_a_lookback_what_has_changed_comes_again(api: TiktokApi) -> None:
    """Of the videos of the last days only those come again whose figures have changed."""
    source = tiktok(api, "videos", lookback="2d")
    last = read(source)[-1].cursor
    assert source.rereads()
    api.data.videos[3]["like_count"] += 1
    api.data.videos[80]["like_count"] += 1
    assert [row["id"] for row in rows(read(source, last))] == [api.data.videos[3]["id"]]


def test_missing_figures_are_null(api: TiktokApi) -> None:
    """A video without a count has a null there."""
    found = rows(read(tiktok(api, "videos")))
    assert sum(row["view_count"] is None for row in found) == 19


def test_videos_by_id_are_asked_for_twenty_at_once(api: TiktokApi) -> None:
    """Sixty ids cost three requests, and one that is not there is rejected."""
    ids = [each["id"] for each in api.data.videos[:59]]
    chunks = read(tiktok(api, "videos_by_id", video_ids=["999", *ids]))
    assert [row["id"] for row in rows(chunks)] != []
    assert {row["id"] for row in rows(chunks)} == set(ids)
    assert len(api.asked("/v2/video/query")) == 3
    rejected = [r for c in chunks if c.rejected for r in c.rejected.to_pylist()]
    assert [(each["record"], each["reason"]) for each in rejected] == [
        ('{"id":"999"}', "not found")
    ]


def test_user_info_is_one_row(api: TiktokApi) -> None:
    """A count above 2^31 fits, too."""
    found = rows(read(tiktok(api, "user_info")))
    assert [row["likes_count"] for row in found] == [3_000_000_000]


def test_a_replaced_refresh_token_serves_the_next_renewal(api: TiktokApi) -> None:
    """Tokens that end while pages are read are renewed by the refresh token that came last."""
    source = tiktok(api, "videos", batch_size=20)
    first = read(source, limit=1)
    for _ in range(2):
        api.expire_tokens()
        assert len(rows(read(source, first[-1].cursor))) == 75
    assert REFRESH not in api.tokens.refresh


def test_a_scope_that_was_not_granted_is_said(api: TiktokApi) -> None:
    """Although TikTok says 401, it is access that is missing, not a token."""
    api.scopes.discard("video.list")
    with pytest.raises(ForbiddenError, match=r"video.list.*authorise again"):
        read(tiktok(api, "videos"))


def test_the_display_api_needs_a_user(api: TiktokApi) -> None:
    """Without a refresh token it is said how to get one."""
    with pytest.raises(ConfigurationError, match=r"refresh_token in extra.*authorize tiktok"):
        read(tiktok(api, "videos", user=False))


@pytest.mark.parametrize(
    "wrong",
    [
        {"resource": "research_users", "usernames": ["joe123"]},
        {"resource": "videos", "research": True},
        {"resource": "research_videos", "research": True, "query": HELLO},
        {"resource": "research_videos", "research": True, "start": BEGIN},
        {"resource": "videos_by_id"},
    ],
)
def test_what_cannot_work_is_refused_before_it_is_tried(wrong: dict[str, Any]) -> None:
    """Research needs its acknowledgement, a start and a query; ids must be given."""
    with pytest.raises(ValidationError, match=r"research|needs"):
        TiktokConfig.model_validate(wrong)


def test_a_client_without_a_project_may_not_research(api: TiktokApi) -> None:
    """TikTok's refusal is passed on."""
    api.eligible = False
    with pytest.raises(ForbiddenError):
        read(tiktok(api, "research_users", usernames=["joe123"]))


def test_research_signs_in_as_the_client_itself(api: TiktokApi) -> None:
    """The connection's refresh token is not used; ids, which are numbers there, are text."""
    api.tokens.refresh.clear()
    found = rows(read(tiktok(api, "research_videos", start=BEGIN, query=HELLO)))
    assert found[0]["id"] == str(api.data.found[0]["id"])
    assert found[0]["music_id"] == str(api.data.found[0]["music_id"])


def test_an_unknown_account_is_rejected_and_the_others_are_read(api: TiktokApi) -> None:
    """The reason stands with the rejected name."""
    chunks = read(tiktok(api, "research_users", usernames=["nobody", "joe123"]))
    assert [row["username"] for row in rows(chunks)] == ["joe123"]
    rejected = [r for c in chunks if c.rejected for r in c.rejected.to_pylist()]
    assert [each["reason"] for each in rejected] == ["not found"]


def test_comments_end_at_a_thousand(api: TiktokApi) -> None:
    """TikTok has no more of them, and refuses to be asked."""
    video = str(api.data.found[2]["id"])
    assert len(rows(read(tiktok(api, "research_comments", video_ids=[video])))) == 1000


async def test_a_used_up_day_is_waited_for_until_midnight(api: TiktokApi) -> None:
    """What came before is given, and the next day goes on there."""
    api.quota = 2
    config: dict[str, Any] = {"start": BEGIN, "batch_size": 50, "concurrency": 1}
    source = tiktok(api, "research_videos", query=HELLO, **config)
    chunks, error = await until_error(source)
    assert isinstance(error, QuotaExhausted)
    assert 0 < (error.retry_after or 0) <= 24 * 3600
    api.quota = 1000
    forget_limits()
    rest = [chunk async for chunk in source.read(chunks[-1].cursor)]
    assert len(rows(chunks) + rows(rest)) == 300


async def test_a_forgotten_search_is_begun_anew_by_the_next_run(api: TiktokApi) -> None:
    """This run ends with an error that is tried again; the next one loses no row."""
    many = api.data.found[0] | {"create_time": BEGAN + HOUR}
    api.data.found[:] = [many | {"id": 7_000 + n} for n in range(250)]
    source = tiktok(api, "research_videos", start=BEGIN, query=HELLO, batch_size=100)
    api.remembers = 2
    chunks, error = await until_error(source)
    assert isinstance(error, TransientError)
    assert "begun again" in str(error)
    assert {row["id"] for row in rows(chunks)} == {str(7_000 + n) for n in range(200)}
    api.remembers = 3
    again = tiktok(api, "research_videos", start=BEGIN, query=HELLO, batch_size=100)
    rest = [chunk async for chunk in again.read(chunks[-1].cursor)]
    assert {row["id"] for row in rows(chunks + rest)} == {str(7_000 + n) for n in range(250)}
    assert again.rereads()


def test_ids_come_from_a_table_of_the_destination(api: TiktokApi) -> None:
    """A source that wants them names the column, and reads what it is given."""
    place = {"table": "videos", "column": "id"}
    source = tiktok(api, "videos_by_id", video_ids_from=place)
    wanted = source.wants()
    assert wanted is not None
    assert (wanted.table, wanted.column) == ("videos", "id")
    with pytest.raises(ConfigurationError, match="'videos' has not been read"):
        read(source)
    ids = [each["id"] for each in api.data.videos[:3]]
    assert {row["id"] for row in rows(read(source.given([*ids, None])))} == set(ids)
    assert read(source.given([])) == []


def test_what_is_no_id_in_a_table_fails_no_other(api: TiktokApi) -> None:
    """It is rejected, whether it stands alone or among ids."""
    place = {"table": "videos", "column": "id"}
    ids = [each["id"] for each in api.data.videos[:3]]
    for given in ([*ids, "n/a"], ["n/a"]):
        chunks = read(tiktok(api, "videos_by_id", video_ids_from=place).given(given))
        rejected = [r for c in chunks if c.rejected for r in c.rejected.to_pylist()]
        assert [each["reason"] for each in rejected] == ["not found"]
        assert len(rows(chunks)) == len(given) - 1


def test_more_without_a_cursor_is_an_error() -> None:
    """The listing would seem to end there."""
    body = {"data": {"videos": [], "has_more": True, "cursor": 0}}
    with pytest.raises(DataError, match="gives no cursor"):
        CursorPages().following({}, Page("", body, {}, [], 0))


def test_a_full_minute_is_waited_for(api: TiktokApi) -> None:
    """429 without Retry-After costs time, and no row."""

    def over(room: Room) -> Mapping[str, str]:
        api.limits[0].count = 600
        return {}

    api.limits[0].count, api.limits[0].refused = 3, over
    source = tiktok(api, "videos")
    assert len(rows(read(source))) == 95
    assert [call.status for call in api.calls].count(429) == 1
    assert source.usage.waited > 0


def test_a_wrong_client_is_said_without_its_secret(api: TiktokApi) -> None:
    """The token endpoint's refusal names what to check."""
    with pytest.raises(AuthenticationError, match="TikTok") as caught:
        read(tiktok(api, "user_info", secret=WRONG))
    assert WRONG not in str(caught.value)
