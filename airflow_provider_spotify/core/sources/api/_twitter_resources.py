"""What X's API offers: each resource's path, pages, order, columns and price, as data.

Endpoints: https://docs.x.com/x-api/introduction. Limits of pages and times are those of the API's
OpenAPI document (2.167).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

from airflow_provider_spotify.core.sources.api._twitter_columns import COUNT, POST, USER
from airflow_provider_spotify.core.sources.api._twitter_pages import TokenPages
from airflow_provider_spotify.core.sources.web.columns import Column
from airflow_provider_spotify.core.sources.web.pages import NoPages, Pagination
from airflow_provider_spotify.core.sources.web.resource import (
    Bounds,
    Newest,
    Progress,
    Resource,
    Spans,
    Whole,
)

ResourceName = Literal[
    "search_recent",
    "search_all",
    "user_posts",
    "user_mentions",
    "list_posts",
    "liked_posts",
    "posts",
    "users",
    "users_by_username",
    "followers",
    "following",
    "list_members",
    "counts_recent_by_hour",
    "counts_recent_by_day",
    "counts_all_by_hour",
    "counts_all_by_day",
]

POST_PRICE = 0.005
USER_PRICE = 0.010
MEDIA_PRICE = 0.005
OWNED_PRICE = 0.001
COUNTS_PRICE = {"counts/recent": 0.005, "counts/all": 0.010}
"""US dollars of a record, and of a request for counts, on 2026-08-22:
https://docs.x.com/x-api/getting-started/pricing."""

SECONDS = "%Y-%m-%dT%H:%M:%SZ"
BATCH = 100
"""Posts or users of one lookup."""
RECENT = timedelta(days=7)
"""How far back the recent endpoints reach."""
DEEPEST = {"user_posts": 3200, "user_mentions": 800}
"""Posts that a timeline gives at most (https://docs.x.com/x-api/posts/timelines/introduction)."""

_LIKED = Column("liked_by", "string", "@key", "id of the user who liked it")
_LIST = Column("list_id", "string", "@key", "id of the list")
_OF = Column("of_user_id", "string", "@key", "id of the user whose list it is")
_QUERY = Column("query", "string", "@key", "the query that found it")
_TIMELINE = Column("of_user_id", "string", "@key", "id of the user whose timeline it is")


def _timed() -> Newest:
    return Newest(
        Bounds("created_at", "start_time", "end_time", SECONDS), id="id", since_id="since_id"
    )


def _posts(
    path: str,
    key: Column,
    doc: str,
    *,
    field: str,
    progress: Progress,
    pages: Pagination,
    **more: Any,
) -> Resource:
    return Resource(
        path,
        (key, *POST),
        doc,
        records="data",
        pages=pages,
        progress=progress,
        key=field,
        identity=("id",),
        price=POST_PRICE,
        **more,
    )


def _search(path: str, *, size: int, doc: str) -> Resource:
    pages = TokenPages(param="next_token", size=size, least=10, by_id=True)
    return _posts(
        path,
        _QUERY,
        doc,
        field="queries",
        progress=_timed(),
        pages=pages,
        params={"query": "{key}", "sort_order": "recency"},
    )


def _timeline(path: str, doc: str) -> Resource:
    pages = TokenPages(least=5, by_id=True)
    return _posts(path, _TIMELINE, doc, field="ids", progress=_timed(), pages=pages)


def _users(path: str, key: Column, doc: str, *, size: int) -> Resource:
    pages = TokenPages(size=size)
    more: dict[str, Any] = {"records": "data", "key": "ids", "identity": ("id",)}
    return Resource(path, (key, *USER), doc, pages=pages, price=USER_PRICE, **more)


def _lookup(path: str, param: str, columns: tuple[Column, ...], doc: str) -> Resource:
    return Resource(
        path,
        columns,
        doc,
        records="data",
        pages=NoPages(kind="none"),
        params={param: "{key}"},
        key=param,
        identity=("id",),
        price=POST_PRICE if columns is POST else USER_PRICE,
    )


def _counts(path: str, granularity: str, *, step: timedelta) -> Resource:
    unit = timedelta(hours=1) if granularity == "hour" else timedelta(days=1)
    return Resource(
        f"tweets/{path}",
        COUNT,
        f"number of posts that match a query, by {granularity}",
        records="data",
        pages=TokenPages(param="next_token", sized=False),
        progress=Spans(
            unit=unit,
            step=step,
            settles=timedelta(minutes=1),
            by=Bounds("start", "start_time", "end_time", SECONDS),
            inclusive=False,
        ),
        params={"query": "{key}", "granularity": granularity},
        key="queries",
    )


RESOURCES: Mapping[str, Resource] = {
    "search_recent": _search(
        "tweets/search/recent", size=100, doc="posts of the last seven days that match a query"
    ),
    "search_all": _search(
        "tweets/search/all", size=500, doc="posts since 2006 that match a query; by entitlement"
    ),
    "user_posts": _timeline("users/{key}/tweets", "posts of a user, at most the last 3,200"),
    "user_mentions": _timeline(
        "users/{key}/mentions", "posts that mention a user, at most the last 800"
    ),
    "list_posts": _posts(
        "lists/{key}/tweets",
        _LIST,
        "posts of a list's members",
        field="ids",
        progress=Newest(Bounds("created_at"), id="id"),
        pages=TokenPages(),
    ),
    "liked_posts": _posts(
        "users/{key}/liked_tweets",
        _LIKED,
        "posts that a user liked, last liked first; when is not told. Needs a user's token",
        field="ids",
        progress=Whole(timedelta(days=1)),
        pages=TokenPages(least=5),
    ),
    "posts": _lookup("tweets", "ids", POST, "posts by id"),
    "users": _lookup("users", "ids", USER, "users by id"),
    "users_by_username": _lookup("users/by", "usernames", USER, "users by handle"),
    "followers": _users("users/{key}/followers", _OF, "users who follow a user", size=1000),
    "following": _users("users/{key}/following", _OF, "users whom a user follows", size=1000),
    "list_members": _users("lists/{key}/members", _LIST, "members of a list", size=100),
    "counts_recent_by_hour": _counts("counts/recent", "hour", step=RECENT),
    "counts_recent_by_day": _counts("counts/recent", "day", step=RECENT),
    "counts_all_by_hour": _counts("counts/all", "hour", step=timedelta(days=30)),
    "counts_all_by_day": _counts("counts/all", "day", step=timedelta(days=30)),
}
LOOKUPS = frozenset({"posts", "users", "users_by_username"})
