"""What is special to the Graph API's data: insights, comments, hashtags, others' accounts."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from pydantic import ValidationError

from airflow_provider_spotify.core.errors import (
    BudgetSpent,
    ConfigurationError,
    DataError,
    QuotaExhausted,
    TransientError,
)
from airflow_provider_spotify.core.model import Chunk
from airflow_provider_spotify.core.sources.api._instagram_paging import GraphPages
from airflow_provider_spotify.core.sources.api.instagram import InstagramConfig
from airflow_provider_spotify.core.sources.web.pages import Page
from airflow_provider_spotify.core.testing.sources import read
from airflow_provider_spotify.core.usage import Budget, Usage
from tests.services.instagram_api.fixtures import api, facebook, instagram, reasons, rows
from tests.services.instagram_api.server import TOKEN, InstagramApi
from tests.services.instagram_api.state import ACCOUNT, OTHER

__all__ = ["api", "facebook"]


# ---- accounts and media --------------------------------------------------------------------


def test_an_account_is_asked_for_the_fields_of_its_login(
    api: InstagramApi, facebook: InstagramApi
) -> None:
    """A field of the other login would fail the request; its column is null."""
    [one] = rows(read(instagram(api, "account", accounts=["me"])))
    assert (one["id"], one["account_type"], one["biography"]) == (ACCOUNT, "BUSINESS", None)
    [two] = rows(read(instagram(facebook, "account")))
    assert (two["id"], two["account_type"], two["biography"]) == (ACCOUNT, None, "tunes")
    assert two["profile_picture_url"] is None


def test_what_meta_leaves_out_of_media_is_null(api: InstagramApi) -> None:
    """Hidden likes, captions that are none, and addresses of protected media."""
    found = rows(read(instagram(api, "media")))
    for name in ("like_count", "caption", "media_url"):
        assert 0 < sum(row[name] is None for row in found) < 95
    albums = [row for row in found if row["media_type"] == "CAROUSEL_ALBUM"]
    assert all(len(json.loads(row["children"])) == 2 for row in albums)


def test_a_run_ends_where_the_last_one_began(api: InstagramApi) -> None:
    """Although no lower bound is sent, only the pages with something new are asked for."""
    last = read(instagram(api, "media"))[-1].cursor
    api.data.add(2)
    before = len(api.asked(f"/v26.0/{ACCOUNT}/media"))
    assert len(rows(read(instagram(api, "media"), last))) == 2
    assert len(api.asked(f"/v26.0/{ACCOUNT}/media")) - before == 2


def test_no_cursor_holds_the_token_of_the_next_link(api: InstagramApi) -> None:
    """The link repeats the access token; only the page's cursor is kept."""
    for chunk in read(instagram(api, "media", app=True)):
        assert TOKEN not in json.dumps(chunk.cursor)


def test_a_page_that_is_too_much_is_asked_for_in_smaller_ones(api: InstagramApi) -> None:
    """Meta answers 500 with code 1; with fewer rows a page it works."""
    api.too_many = 4
    assert len(rows(read(instagram(api, "media")))) == 95


async def test_a_cursor_that_ends_in_the_middle_is_gone_on_with_by_the_next_run(
    api: InstagramApi,
) -> None:
    """This run ends with an error that is tried again; the next one gives each other row once."""
    chunks: list[Chunk] = []
    with pytest.raises(TransientError, match="cursor has ended"):
        async for chunk in instagram(api, "media").read(None):
            chunks.append(chunk)
            api.end_cursors()
    rest = [chunk async for chunk in instagram(api, "media").read(chunks[-1].cursor)]
    ids = [row["id"] for row in rows(chunks + rest)]
    assert len(ids) == len(set(ids)) == 95


def test_tagged_media_is_read_as_a_whole(facebook: InstagramApi) -> None:
    """Its order is not promised, so it comes again each day."""
    source = instagram(facebook, "tagged_media")
    assert len(rows(read(source))) == 30
    assert source.rereads()


# ---- comments ------------------------------------------------------------------------------


def test_comments_are_new_since_the_last_time(api: InstagramApi) -> None:
    """Each media has a mark of its own; one that is gone is rejected."""
    media = [each["id"] for each in api.data.media[:2]]
    source = instagram(api, "comments", media=[*media, "1"])
    first = read(source)
    assert len(rows(first)) == 80
    assert reasons(first) == ["not found"]
    api.data.comment(media[1], 3)
    again = rows(read(source, first[-1].cursor))
    assert [row["media"] for row in again] == [media[1]] * 3


def test_every_reply_is_read(api: InstagramApi) -> None:
    """An answer holds the first two replies of a comment; the others are asked for."""
    media = api.data.media[0]["id"]
    found = rows(read(instagram(api, "replies", media=[media])))
    wanted = {each["id"] for said in api.data.comments[media]
              for each in api.data.replies.get(said["id"], ())}  # fmt: skip
    assert {row["id"] for row in found} == wanted
    assert len(found) == 5 * 14
    assert all(row["id"].startswith(row["parent_id"]) for row in found)


# ---- insights ------------------------------------------------------------------------------


def test_a_metric_that_a_kind_does_not_have_is_null(api: InstagramApi) -> None:
    """Reels have watch times, posts have visits, and each has its reach."""
    found = rows(read(instagram(api, "media_insights")))
    assert len(found) == 95
    for row in found:
        reel = row["media_product_type"] == "REELS"
        assert row["reach"] is not None
        assert (row["avg_watch_time_ms"] is not None) is reel
        assert (row["profile_visits"] is None) is reel
        assert row["unavailable"] is None


def test_a_metric_that_is_refused_is_left_out_once_for_its_kind(api: InstagramApi) -> None:
    """The other metrics come; the API is not asked in vain for each media."""
    long = "ig_reels_video_view_total_time"
    api.insights.refused = {("FEED", "views"), ("REELS", "shares"), ("REELS", long)}
    api.insights.known -= {"reposts"}
    found = rows(read(instagram(api, "media_insights", concurrency=1)))
    for row in found:
        reel = row["media_product_type"] == "REELS"
        assert (row["views"] is None) is not reel
        assert (row["shares"] is None) is reel
        assert row["reposts"] is None
        assert row["total_watch_time_ms"] is None
        assert (row["avg_watch_time_ms"] is not None) is reel
        assert row["total_interactions"] is not None
    asked = [call for call in api.calls if call.path.endswith("/insights")]
    kinds = {(each["media_product_type"], each["media_type"]) for each in api.data.media}
    assert 1 < sum(call.status == 400 for call in asked) <= 1 + 2 * len(kinds)


def test_media_from_before_the_account_was_a_business_say_so(api: InstagramApi) -> None:
    """They have no figures, and the reason stands in the row."""
    old = api.data.media[50]["id"]
    api.data.converted = {old}
    found = {row["id"]: row for row in rows(read(instagram(api, "media_insights")))}
    assert len(found) == 95
    assert "business account" in found[old]["unavailable"]
    assert found[old]["reach"] is None


def test_a_story_that_few_have_seen_has_no_figures(api: InstagramApi) -> None:
    """Code 10 is a lack of viewers there, not of a permission."""
    api.insights.few = {api.data.stories[2]["id"]}
    found = rows(read(instagram(api, "story_insights")))
    assert [row["unavailable"] is not None for row in found].count(True) == 1
    assert all(row["navigation"] is not None for row in found if not row["unavailable"])


def test_figures_that_changed_come_again(api: InstagramApi) -> None:
    """Media of the last thirty days are asked for again; what is as it was is left out."""
    source = instagram(api, "media_insights")
    last = read(source)[-1].cursor
    assert source.rereads()
    assert read(source, last) == []
    api.insights.bonus = 1
    assert len(rows(read(source, last))) == 95


def test_waiting_for_figures_asks_for_few(api: InstagramApi) -> None:
    """A sensor that looks each minute does not use up the limit."""
    source = instagram(api, "media_insights", page_size=50)
    last = read(source)[-1].cursor
    api.insights.bonus = 1
    before = len(api.calls)
    assert asyncio.run(source.is_ready(last)) is True
    assert len(api.calls) - before <= 1 + 5


async def test_a_budget_of_requests_ends_between_two_pages(api: InstagramApi) -> None:
    """Requests for figures count, too; what came before is given, and the next run goes on."""
    chunks: list[Chunk] = []
    source = instagram(api, "media_insights", batch_size=10)
    source.usage = Usage(budget=Budget(requests=30))
    with pytest.raises(BudgetSpent):
        async for chunk in source.read(None):
            chunks.append(chunk)
    assert 10 <= len(rows(chunks)) <= 30
    again = instagram(api, "media_insights")
    rest = [chunk async for chunk in again.read(chunks[-1].cursor)]
    ids = [row["id"] for row in rows(chunks + rest)]
    assert len(ids) == len(set(ids)) == 95


def test_a_metric_that_is_no_series_is_an_error(api: InstagramApi) -> None:
    """It says which one, and nothing is silently missing."""
    with pytest.raises(ConfigurationError, match="likes"):
        read(instagram(api, "account_series", metrics=["likes"]))


def test_demographics_are_by_country_unless_told_otherwise(api: InstagramApi) -> None:
    """Each group is a row."""
    found = rows(read(instagram(api, "account_demographics")))
    assert [(row["breakdown"], row["value_of"], row["value"]) for row in found] == [
        ("country", "SE", 700),
        ("country", "DE", 5),
    ]


def page(body: dict[str, Any], *ids: str) -> Page:
    """Return an answer as it was read."""
    return Page("", body, {}, [{"id": each} for each in ids], len(ids))


def test_a_next_link_without_cursors_leads_on_by_its_own() -> None:
    """What the link says after ``after`` is the cursor; a link without one is an error."""
    link = "https://graph.instagram.com/v26.0/1/media?access_token=s3cret&limit=2&after=QVF%3D"
    following = GraphPages().following({}, page({"paging": {"next": link}}, "1"))
    assert following is not None
    assert following["token"] == "QVF="
    assert "s3cret" not in json.dumps(following)
    with pytest.raises(DataError, match="without a cursor"):
        GraphPages().following({}, page({"paging": {"next": "https://graph.instagram.com/"}}))


def test_pages_that_lead_in_a_circle_are_an_error() -> None:
    """One cursor may lead on, as long as it leads to other rows."""
    body = {"paging": {"next": "x", "cursors": {"after": "same"}}}
    position: Any = {}
    for n in range(9):
        position = GraphPages().following(position, page(body, str(n)))
    with pytest.raises(DataError, match="again and again"):
        for _ in range(9):
            position = GraphPages().following(position, page(body, "8"))


# ---- of others -----------------------------------------------------------------------------


@pytest.mark.parametrize("resource", ["hashtag_top_media", "hashtag_recent_media"])
def test_a_hashtag_is_found_and_its_pages_have_one_cursor(
    facebook: InstagramApi, resource: str
) -> None:
    """The cursor is the same on each page and still leads on; an unknown hashtag is rejected."""
    chunks = read(instagram(facebook, resource, hashtags=["coke", "nosuchtag"]))
    ids = [row["id"] for row in rows(chunks)]
    assert len(ids) == len(set(ids)) == 25
    assert {row["hashtag"] for row in rows(chunks)} == {"coke"}
    assert reasons(chunks) == ["not found"]


def test_the_thirty_first_hashtag_has_to_wait(facebook: InstagramApi) -> None:
    """What counts against the limit is known to Meta alone."""
    facebook.hashtags_asked = {f"tag{n}" for n in range(30)}
    with pytest.raises(QuotaExhausted) as caught:
        read(instagram(facebook, "hashtag_top_media", hashtags=["coke"]))
    assert caught.value.retry_after == 24 * 3600


def test_hashtags_need_facebook_login(api: InstagramApi) -> None:
    """It is said before anything is asked."""
    with pytest.raises(ConfigurationError, match="needs Facebook login"):
        read(instagram(api, "hashtag_top_media", hashtags=["coke"]))
    assert api.calls == []


def test_somebody_elses_account_and_media_are_read(facebook: InstagramApi) -> None:
    """Media within the account's answer are paged by their own cursors."""
    [one] = rows(read(instagram(facebook, "business_discovery", usernames=[OTHER])))
    assert one["username"] == OTHER
    found = read(instagram(facebook, "business_discovery_media", usernames=[OTHER, "nobody"]))
    assert len({row["id"] for row in rows(found)}) == 35
    assert reasons(found) == ["not found"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"resource": "comments"},
        {"resource": "hashtag_top_media"},
        {"resource": "hashtag_top_media", "hashtags": [f"tag{n}" for n in range(31)]},
        {"resource": "business_discovery", "usernames": ["a){id,email}"]},
        {"resource": "media", "metrics": ["reach"]},
        {"resource": "account", "accounts": ["me/../1"]},
    ],
)
def test_what_cannot_work_is_refused_before_it_is_tried(wrong: dict[str, Any]) -> None:
    """Keys that are missing, too many, or would be something else in a request."""
    with pytest.raises(ValidationError):
        InstagramConfig.model_validate(wrong)


def test_ids_of_media_come_from_a_table(api: InstagramApi) -> None:
    """A source that wants them names the column, and reads what it is given."""
    source = instagram(api, "comments", media_from={"table": "media", "column": "id"})
    wanted = source.wants()
    assert wanted is not None
    assert (wanted.table, wanted.column) == ("media", "id")
    given = source.given(each["id"] for each in api.data.media[:2])
    assert len(rows(read(given))) == 80
