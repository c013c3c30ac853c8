"""What TikTok's Display and Research APIs offer: each resource's address, pages and columns.

https://developers.tiktok.com/doc/tiktok-api-v2-video-object,
https://developers.tiktok.com/doc/tiktok-api-v2-get-user-info and
https://developers.tiktok.com/doc/research-api-codebook. Fields are asked for by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal

from airflow_provider_spotify.core.sources.api._tiktok_paging import CursorPages
from airflow_provider_spotify.core.sources.web.columns import Column
from airflow_provider_spotify.core.sources.web.resource import (
    Bounds,
    Newest,
    Resource,
    Spans,
    Whole,
)

ResourceName = Literal[
    "user_info",
    "videos",
    "videos_by_id",
    "research_videos",
    "research_comments",
    "research_users",
]
RESEARCH = frozenset({"research_videos", "research_comments", "research_users"})
"""What only an approved research project may ask for."""
AT_ONCE = 20
"""Ids of one request for videos."""
_ID = Column("id", "string", "id", "id of the video")
_AT = Column("create_time", "timestamp[s]", "create_time", "when it was posted, UTC")
_FIGURES = (
    Column("like_count", "bigint", "like_count", "likes"),
    Column("comment_count", "bigint", "comment_count", "comments"),
    Column("share_count", "bigint", "share_count", "times it was shared"),
    Column("view_count", "bigint", "view_count", "times it was played"),
)
_PEOPLE = (
    Column("display_name", "string", "display_name", "displayed name"),
    Column("avatar_url", "string", "avatar_url", "picture; the address ends"),
    Column("bio_description", "string", "bio_description", "text of the profile"),
    Column("is_verified", "boolean", "is_verified", "TikTok has verified the account"),
    Column("follower_count", "bigint", "follower_count", "accounts that follow it"),
    Column("following_count", "bigint", "following_count", "accounts that it follows"),
    Column("likes_count", "bigint", "likes_count", "likes of all its videos"),
    Column("video_count", "bigint", "video_count", "its public videos"),
)
_VIDEO = (
    _ID,
    _AT,
    Column("title", "string", "title", "title"),
    Column("video_description", "string", "video_description", "text below it"),
    Column("duration", "bigint", "duration", "seconds"),
    Column("height", "bigint", "height", "pixels"),
    Column("width", "bigint", "width", "pixels"),
    *_FIGURES,
    Column("share_url", "string", "share_url", "address to share"),
    Column("embed_link", "string", "embed_link", "address of its player"),
    Column("cover_image_url", "string", "cover_image_url", "picture; the address ends in 6 hours"),
)
_USER = (
    Column("open_id", "string", "open_id", "id of the user, for this app"),
    Column("union_id", "string", "union_id", "id of the user, for all apps of a developer"),
    Column("username", "string", "username", "name on TikTok"),
    Column("profile_deep_link", "string", "profile_deep_link", "address of the profile"),
    *_PEOPLE,
)
_FOUND = (
    _ID,
    _AT,
    Column("username", "string", "username", "who posted it"),
    Column("region_code", "string", "region_code", "country of the poster, ISO 3166-1 alpha-2"),
    Column("video_description", "string", "video_description", "text below it"),
    Column("video_duration", "bigint", "video_duration", "seconds"),
    Column("music_id", "string", "music_id", "id of its music"),
    *_FIGURES,
    Column("favorites_count", "bigint", "favorites_count|favourites_count", "times it was saved"),
    Column("playlist_id", "string", "playlist_id", "id of the playlist it is in"),
    Column("voice_to_text", "string", "voice_to_text", "what is said in it"),
    Column("is_stem_verified", "boolean", "is_stem_verified", "it is in the STEM feed"),
    Column("hashtag_names", "list<string>", "hashtag_names", "its hashtags"),
    Column("effect_ids", "json", "effect_ids", "ids of its effects"),
    Column("video_mention_list", "json", "video_mention_list", "who is mentioned"),
    Column("video_label", "json", "video_label", "labels that TikTok has put on it"),
)
_COMMENT = (
    Column("video_id", "string", "@key", "id of the video"),
    Column("id", "string", "id", "id of the comment"),
    Column("parent_comment_id", "string", "parent_comment_id", "comment that it answers, or video"),
    Column("text", "string", "text", "what it says"),
    Column("like_count", "bigint", "like_count", "likes"),
    Column("reply_count", "bigint", "reply_count", "answers"),
    Column("create_time", "timestamp[s]", "create_time", "when it was written, UTC"),
)


def _fields(cells: Sequence[Column]) -> str:
    names = (cell.path.partition("|")[0] for cell in cells if not cell.path.startswith("@"))
    return ",".join(names)


def _resource(path: str, cells: Sequence[Column], doc: str, **more: Any) -> Resource:
    return Resource(path, cells, doc, method="POST", **more)


RESOURCES: Mapping[str, Resource] = {
    "user_info": Resource("user/info/", _USER, "the user who gave the token", records="data.user"),
    "videos": _resource(
        "video/list/",
        _VIDEO,
        "public videos of the user who gave the token, newest first",
        records="data.videos",
        pages=CursorPages(size=20),
        progress=Newest(Bounds("create_time", upper="cursor", form="epoch_ms")),
        identity=("id",),
    ),
    "videos_by_id": _resource(
        "video/query/",
        _VIDEO,
        "videos of the user who gave the token, by id; for their figures as they are now",
        records="data.videos",
        key="video_ids",
        identity=("id",),
    ),
    "research_videos": _resource(
        "research/video/query/",
        _FOUND,
        "public videos that a query finds, by the day they were posted; complete after two days",
        records="data.videos",
        pages=CursorPages(size=100),
        progress=Spans(
            by=Bounds("create_time", "start_date", "end_date", "%Y%m%d"),
            step=timedelta(days=30),
            settles=timedelta(days=2),
        ),
        identity=("id",),
    ),
    "research_comments": _resource(
        "research/video/comment/list/",
        _COMMENT,
        "comments on videos, the first thousand of each",
        records="data.comments",
        pages=CursorPages(size=100, most=1000),
        progress=Whole(timedelta(days=1)),
        key="video_ids",
        identity=("id",),
    ),
    "research_users": _resource(
        "research/user/info/",
        (
            Column("username", "string", "@key", "name on TikTok"),
            *_PEOPLE,
            Column("bio_url", "string", "bio_url", "address in the profile"),
        ),
        "public accounts by name",
        records="data",
        key="usernames",
    ),
}
FIELDS: Mapping[str, str] = {name: _fields(each.columns) for name, each in RESOURCES.items()}
"""What each resource asks for."""
_IDS = frozenset({"id", "video_id", "parent_comment_id", "music_id", "playlist_id"})


def with_texts(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a record whose ids are text; they have 19 digits, and some are numbers in JSON."""
    numbers = {name: str(record[name]) for name in _IDS if isinstance(record.get(name), int)}
    return {**record, **numbers}
