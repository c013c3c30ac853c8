"""What the Instagram Graph API offers: each resource's address, pages and columns, as data.

https://developers.facebook.com/docs/instagram-platform. Comments and an account's media come
newest first; no order is promised for the others, so they are read as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal

from airflow_provider_spotify.core.sources.api import _instagram_columns as columns
from airflow_provider_spotify.core.sources.api._instagram_paging import DiscoveryPages, GraphPages
from airflow_provider_spotify.core.sources.web.columns import Column
from airflow_provider_spotify.core.sources.web.resource import (
    Bounds,
    Newest,
    Resource,
    Spans,
    Whole,
)

ResourceName = Literal[
    "account",
    "media",
    "media_insights",
    "stories",
    "story_insights",
    "tagged_media",
    "comments",
    "replies",
    "account_insights",
    "account_series",
    "account_demographics",
    "hashtag_top_media",
    "hashtag_recent_media",
    "business_discovery",
    "business_discovery_media",
]
FACEBOOK_ONLY = frozenset(
    {
        "hashtag_top_media",
        "hashtag_recent_media",
        "business_discovery",
        "business_discovery_media",
        "tagged_media",
    }
)
"""What graph.instagram.com does not have."""
WITH_INSIGHTS = frozenset({"media_insights", "story_insights"})
OF_OTHERS = frozenset(FACEBOOK_ONLY - {"tagged_media"})
"""What is asked for in the name of an account, and is not of it."""
DEFAULT_METRICS: Mapping[str, tuple[str, ...]] = {
    "account_insights": (
        "views",
        "reach",
        "accounts_engaged",
        "total_interactions",
        "likes",
        "comments",
        "shares",
        "saves",
        "replies",
        "profile_links_taps",
    ),
    "account_series": ("reach", "follower_count"),
    "account_demographics": ("follower_demographics",),
}
"""https://developers.facebook.com/docs/instagram-platform/api-reference/instagram-user/insights"""
KEPT = timedelta(days=90)
"""How far back the first run reads insights, unless ``start`` says otherwise."""
SETTLED = timedelta(days=2)
"""Figures come up to 48 hours late (same page)."""
_AT_ONCE = timedelta(days=29)
"""A request takes 30 days of 24 hours; thirty of Los Angeles have one more when clocks go back."""
WATCHED = timedelta(days=30)
"""How old media may be whose insights are read again."""
_NEWEST = Newest(Bounds("timestamp"), upper=False)
_BY_TIME = Bounds("end_time", "since", "until", "epoch")


def _media(path: str, fields: str, cells: Sequence[Column], doc: str, **more: Any) -> Resource:
    given = {"records": "data", "pages": GraphPages(), "identity": ("id",), **more}
    return Resource(path, cells, doc, params={"fields": fields}, **given)


def _hashtag(edge: str, doc: str, *, every: timedelta) -> Resource:
    key = Column("hashtag", "string", "@key", "the hashtag, without its sign")
    return _media(
        f"{{hashtag}}/{edge}",
        columns.HASHTAG_FIELDS,
        columns.found(key),
        doc,
        key="hashtags",
        progress=Whole(every),
    )


def _insights(cells: Sequence[Column], doc: str, **more: Any) -> Resource:
    return Resource("{key}/insights", cells, doc, records="data", key="accounts", **more)


RESOURCES: Mapping[str, Resource] = {
    "account": Resource(
        "{key}", columns.ACCOUNT, "a professional account as it is now", key="accounts"
    ),
    "media": _media(
        "{key}/media",
        columns.MEDIA_FIELDS,
        columns.MEDIA,
        "posts, reels and albums of an account, newest first; the API has the last 10,000",
        key="accounts",
        progress=_NEWEST,
    ),
    "media_insights": _media(
        "{key}/media",
        columns.INSIGHTS_FIELDS,
        columns.INSIGHTS,
        "figures of an account's media since they were published; those of the last 30 days"
        " (lookback) are read again, and come again where they changed",
        key="accounts",
        progress=_NEWEST,
    ),
    "stories": _media(
        "{key}/stories",
        columns.STORY_FIELDS,
        columns.MEDIA,
        "stories of an account, each for the 24 hours that it is shown",
        key="accounts",
        progress=Whole(timedelta(hours=1)),
    ),
    "story_insights": _media(
        "{key}/stories",
        columns.INSIGHTS_FIELDS,
        columns.INSIGHTS,
        "figures of an account's stories, while they are shown",
        key="accounts",
        progress=Whole(timedelta(hours=1)),
    ),
    "tagged_media": _media(
        "{key}/tags",
        columns.TAGGED_FIELDS,
        columns.found(columns.OWN),
        "media of others that an account is tagged in",
        key="accounts",
        progress=Whole(timedelta(days=1)),
    ),
    "comments": _media(
        "{key}/comments",
        columns.COMMENT_FIELDS,
        columns.COMMENT,
        "comments on media, newest first; answers to them are replies",
        key="media",
        progress=_NEWEST,
    ),
    "replies": _media(
        "{key}/comments",
        f"id,replies{{{columns.COMMENT_FIELDS}}}",
        columns.COMMENT,
        "answers to the comments on media",
        key="media",
        progress=Whole(timedelta(days=1)),
    ),
    "account_insights": _insights(
        columns.ACCOUNT_INSIGHTS,
        "figures of an account by day and metric, one request a day",
        params={"period": "day", "metric_type": "total_value"},
        progress=Spans(by=_BY_TIME, inclusive=False, lookback=SETTLED),
    ),
    "account_series": _insights(
        columns.SERIES,
        "figures of an account by day, of the metrics that come as a series: 29 days a request",
        params={"period": "day", "metric_type": "time_series"},
        progress=Spans(by=_BY_TIME, inclusive=False, lookback=SETTLED, step=_AT_ONCE),
    ),
    "account_demographics": _insights(
        columns.DEMOGRAPHICS,
        "who follows an account, by age, city, country or gender",
        params={"period": "lifetime", "metric_type": "total_value"},
        progress=Whole(timedelta(days=1)),
    ),
    "hashtag_top_media": _hashtag(
        "top_media", "the most popular media of a hashtag", every=timedelta(days=1)
    ),
    "hashtag_recent_media": _hashtag(
        "recent_media", "media of a hashtag from the last 24 hours", every=timedelta(hours=1)
    ),
    "business_discovery": Resource(
        "{account}",
        columns.ACCOUNT,
        "a professional account of somebody else",
        records="business_discovery",
        key="usernames",
    ),
    "business_discovery_media": Resource(
        "{account}",
        columns.found(Column("account", "string", "@key", "user name that was read")),
        "media of somebody else's professional account, newest first",
        records="business_discovery.media.data",
        pages=DiscoveryPages(),
        key="usernames",
        progress=_NEWEST,
        identity=("id",),
    ),
}
