"""What the rows of X's API hold: posts with what they refer to, users, and counts.

Fields: https://docs.x.com/x-api/fundamentals/data-dictionary. Since August 2026 the API's OpenAPI
document (https://api.x.com/2/openapi.json, 2.167) says ``post`` where the guides say ``tweet``;
both names are read. Names that begin with ``_`` are joined by ``_twitter_joins``.
"""

from __future__ import annotations

from airflow_provider_spotify.core.sources.web.columns import Column

_METRICS = "public_metrics"

POST: tuple[Column, ...] = (
    Column("id", "string", "id", "the post's id; rises with time"),
    Column("text", "string", "note_tweet.text|note_post.text|text", "its text, long ones in full"),
    Column("created_at", "timestamp", "created_at", "when it was published, UTC"),
    Column("author_id", "string", "author_id", "user id of its author"),
    Column("author_username", "string", "_author.username", "the author's handle, without @"),
    Column("author_name", "string", "_author.name", "the author's display name"),
    Column("author_verified", "boolean", "_author.verified", "the author is verified"),
    Column(
        "author_followers",
        "bigint",
        "_author.public_metrics.followers_count",
        "followers of the author when it was read",
    ),
    Column("lang", "string", "lang", "language as BCP 47; und: not known"),
    Column("conversation_id", "string", "conversation_id", "id of the post that began the thread"),
    Column("in_reply_to_user_id", "string", "in_reply_to_user_id", "user that it answers"),
    Column("replied_to_id", "string", "_replied_to", "post that it answers"),
    Column("quoted_id", "string", "_quoted", "post that it quotes"),
    Column("reposted_id", "string", "_retweeted", "post that it repeats; then text is cut short"),
    Column(
        "referenced_posts",
        "json",
        "_referenced",
        "those posts: type, id, and where they may be seen text, author_id and created_at",
    ),
    Column("likes", "bigint", f"{_METRICS}.like_count", "likes"),
    Column("replies", "bigint", f"{_METRICS}.reply_count", "replies"),
    Column(
        "reposts",
        "bigint",
        f"{_METRICS}.retweet_count|{_METRICS}.repost_count",
        "reposts without comment",
    ),
    Column("quotes", "bigint", f"{_METRICS}.quote_count", "reposts with comment"),
    Column("bookmarks", "bigint", f"{_METRICS}.bookmark_count", "times it was bookmarked"),
    Column("impressions", "bigint", f"{_METRICS}.impression_count", "times it was seen"),
    Column("hashtags", "list<string>", "_hashtags", "hashtags in it, without #"),
    Column("mentions", "list<string>", "_mentions", "handles in it, without @"),
    Column(
        "urls", "list<string>", "_urls", "addresses that it links to, as far as X followed them"
    ),
    Column("media", "json", "_media", "its pictures and videos: media_key, type, url, size in px"),
    Column("place_id", "string", "geo.place_id", "id of the place that it is tagged with"),
    Column("place_name", "string", "_place.full_name", "name of that place"),
    Column("place_country", "string", "_place.country_code", "its country, ISO 3166-1 alpha-2"),
    Column("context_annotations", "json", "context_annotations", "topics that X sees in it"),
    Column("possibly_sensitive", "boolean", "possibly_sensitive", "links to what may offend"),
    Column("reply_settings", "string", "reply_settings", "who may answer"),
    Column(
        "edit_history_ids",
        "list<string>",
        "edit_history_tweet_ids|edit_history_post_ids",
        "ids of its versions, oldest first",
    ),
    Column("withheld", "json", "withheld", "countries where it is not shown, and why"),
    Column("unavailable", "json", "_unavailable", "what it refers to and the API would not show"),
)
USER: tuple[Column, ...] = (
    Column("id", "string", "id", "the user's id"),
    Column("username", "string", "username", "handle, without @; may change"),
    Column("name", "string", "name", "display name"),
    Column("created_at", "timestamp", "created_at", "when the account was made, UTC"),
    Column("description", "string", "description", "what the profile says"),
    Column("location", "string", "location", "where the user claims to be, free text"),
    Column("url", "string", "url", "address in the profile, shortened by X"),
    Column("profile_image_url", "string", "profile_image_url", "address of the picture"),
    Column("verified", "boolean", "verified", "is verified"),
    Column("verified_type", "string", "verified_type", "blue, business, government or none"),
    Column("protected", "boolean", "protected", "posts are for followers only"),
    Column("followers", "bigint", f"{_METRICS}.followers_count", "followers"),
    Column("following", "bigint", f"{_METRICS}.following_count", "users that it follows"),
    Column("posts", "bigint", f"{_METRICS}.tweet_count|{_METRICS}.post_count", "posts and reposts"),
    Column("listed", "bigint", f"{_METRICS}.listed_count", "lists that it is on"),
    Column("likes", "bigint", f"{_METRICS}.like_count", "posts that it liked"),
    Column(
        "pinned_post_id", "string", "pinned_tweet_id|pinned_post_id", "post at the profile's top"
    ),
    Column("withheld", "json", "withheld", "countries where it is not shown"),
)
COUNT: tuple[Column, ...] = (
    Column("query", "string", "@key", "the query that was counted"),
    Column("start", "timestamp", "start", "first instant of the span, UTC"),
    Column("end", "timestamp", "end", "first instant after it, UTC"),
    Column("posts", "bigint", "tweet_count|post_count", "posts that match"),
)
