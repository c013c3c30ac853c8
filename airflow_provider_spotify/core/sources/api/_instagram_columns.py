"""The columns of Instagram's objects, and the fields that are asked for to fill them.

https://developers.facebook.com/docs/instagram-platform/reference/instagram-media and
https://developers.facebook.com/docs/instagram-platform/instagram-graph-api/reference/ig-user and
its neighbours. A field that Meta leaves out for an object (hidden likes, media with copyrighted
sound) is null.
"""

from __future__ import annotations

from collections.abc import Sequence

from airflow_provider_spotify.core.sources.web.columns import Column

ACCOUNT_FIELDS = "id,username,name,profile_picture_url,followers_count,follows_count,media_count"
BY_LOGIN = {
    "instagram": f"user_id,account_type,{ACCOUNT_FIELDS}",
    "facebook": f"ig_id,biography,website,{ACCOUNT_FIELDS}",
}
"""An account's fields by kind of login: another login's field fails the request."""
DISCOVERED = f"biography,website,{ACCOUNT_FIELDS}"
_SEEN_BY_ALL = (
    "id,caption,media_type,media_product_type,permalink,timestamp,like_count,comments_count,"
    "media_url"
)
MEDIA_FIELDS = (
    f"{_SEEN_BY_ALL},shortcode,username,owner,thumbnail_url,alt_text,is_comment_enabled,"
    "is_shared_to_feed,children{id,media_type,media_url,permalink}"
)
TAGGED_FIELDS = f"{_SEEN_BY_ALL},username,children{{id,media_type,media_url,permalink}}"
HASHTAG_FIELDS = (
    "id,caption,media_type,permalink,timestamp,like_count,comments_count,media_url,"
    "children{id,media_type,media_url}"
)
DISCOVERED_MEDIA = f"{_SEEN_BY_ALL},username,children{{id,media_type,media_url}}"
STORY_FIELDS = (
    "id,caption,media_type,media_product_type,permalink,timestamp,media_url,shortcode,username,"
    "owner,thumbnail_url,like_count,comments_count"
)
INSIGHTS_FIELDS = "id,media_type,media_product_type,permalink,timestamp"
COMMENT_FIELDS = "id,text,timestamp,username,like_count,hidden,from,parent_id"

OWN = Column("account", "string", "@key", "the account that was read, as named: its id, or me")
_ID = Column("id", "string", "id", "id of the media")
_TYPE = Column("media_type", "string", "media_type", "IMAGE, VIDEO or CAROUSEL_ALBUM")
_PRODUCT = Column("media_product_type", "string", "media_product_type", "FEED, REELS, STORY or AD")
_LINK = Column("permalink", "string", "permalink", "lasting address on instagram.com")
_AT = Column("timestamp", "timestamp", "timestamp", "when it was published, UTC")

ACCOUNT: Sequence[Column] = (
    Column("id", "string", "user_id|id", "id of the professional account"),
    Column("app_scoped_id", "string", "id", "with Instagram login: the id as this app sees it"),
    Column("username", "string", "username", "name on Instagram"),
    Column("name", "string", "name", "displayed name"),
    Column("account_type", "string", "account_type", "with Instagram login: kind of account"),
    Column("biography", "string", "biography", "with Facebook login: text of the profile"),
    Column("website", "string", "website", "with Facebook login: address in the profile"),
    Column("profile_picture_url", "string", "profile_picture_url", "picture; the address ends"),
    Column("followers_count", "bigint", "followers_count", "accounts that follow it"),
    Column("follows_count", "bigint", "follows_count", "accounts that it follows"),
    Column("media_count", "bigint", "media_count", "its published media"),
)


def found(key: Column) -> Sequence[Column]:
    """Return the columns of media that others may see, too."""
    return (
        key,
        _ID,
        Column("caption", "string", "caption", "text below it"),
        _TYPE,
        _PRODUCT,
        _AT,
        _LINK,
        Column("username", "string", "username", "who published it"),
        Column("like_count", "bigint", "like_count", "likes; null where the owner hides them"),
        Column("comments_count", "bigint", "comments_count", "comments, answers not counted"),
        Column("media_url", "string", "media_url", "the file; the address ends after some days"),
        Column("children", "json", "children.data", "an album's media: id, media_type, media_url"),
    )


MEDIA: Sequence[Column] = (
    *found(OWN),
    Column("shortcode", "string", "shortcode", "its short name in addresses"),
    Column("owner_id", "string", "owner.id", "id of the account that published it"),
    Column("thumbnail_url", "string", "thumbnail_url", "picture of a video"),
    Column("alt_text", "string", "alt_text", "description for those who cannot see it"),
    Column("is_comment_enabled", "boolean", "is_comment_enabled", "it can be commented on"),
    Column("is_shared_to_feed", "boolean", "is_shared_to_feed", "a reel that is in the feed too"),
)


def _metric(name: str, doc: str, *, of: str | None = None) -> Column:
    return Column(name, "bigint", f"metrics.{of or name}", f"{doc}; null where its kind has none")


INSIGHTS: Sequence[Column] = (
    OWN,
    _ID,
    _TYPE,
    _PRODUCT,
    _AT,
    _LINK,
    _metric("views", "times it was played or shown"),
    _metric("reach", "accounts that saw it, each counted once; an estimate"),
    _metric("likes", "likes"),
    _metric("comments", "comments"),
    _metric("shares", "times it was shared"),
    _metric("saved", "times it was saved"),
    _metric("reposts", "times it was reposted"),
    _metric("total_interactions", "likes, saves, comments and shares less those taken back"),
    _metric("follows", "accounts that began to follow because of it"),
    _metric("profile_visits", "visits to the profile after it was seen"),
    _metric("replies", "story: answers"),
    _metric("navigation", "story: taps forward and back, exits and swipes"),
    _metric(
        "avg_watch_time_ms", "reel: mean play time, milliseconds", of="ig_reels_avg_watch_time"
    ),
    _metric(
        "total_watch_time_ms",
        "reel: play time with replays, milliseconds",
        of="ig_reels_video_view_total_time",
    ),
    Column(
        "skip_rate",
        "double",
        "metrics.reels_skip_rate",
        "reel: share of views that were skipped within three seconds; null for other kinds",
    ),
    Column("unavailable", "string", "unavailable", "why there are no figures; else null"),
)
COMMENT: Sequence[Column] = (
    Column("media", "string", "@key", "id of the media that is commented on"),
    Column("id", "string", "id", "id of the comment"),
    Column("parent_id", "string", "parent_id", "answer: id of the comment that is answered"),
    Column("text", "string", "text", "what it says"),
    Column("timestamp", "timestamp", "timestamp", "when it was written, UTC"),
    Column("username", "string", "username|from.username", "who wrote it"),
    Column("author_id", "string", "from.id", "id of who wrote it, as this app sees it"),
    Column("like_count", "bigint", "like_count", "likes"),
    Column("hidden", "boolean", "hidden", "the owner has hidden it"),
)
_METRIC = Column("metric", "string", "metric", "name of the metric")
ACCOUNT_INSIGHTS: Sequence[Column] = (
    OWN,
    Column("day", "date", "@day", "day of Meta's calendar, which is that of Los Angeles"),
    _METRIC,
    Column("breakdown", "string", "breakdown", "what it is broken down by; empty: all together"),
    Column("value_of", "string", "of", "which part of the breakdown; else empty"),
    Column("value", "bigint", "value", "figure of the day, in the metric's unit"),
)
SERIES: Sequence[Column] = (
    OWN,
    _METRIC,
    Column("end_time", "timestamp", "end_time", "when the day ended, UTC"),
    Column("value", "bigint", "value", "figure of the day, in the metric's unit"),
)
DEMOGRAPHICS: Sequence[Column] = (
    OWN,
    _METRIC,
    Column("breakdown", "string", "breakdown", "age, city, country or gender"),
    Column("value_of", "string", "of", "which age, city, country or gender"),
    Column("value", "bigint", "value", "accounts; only the 45 largest groups are given"),
)
