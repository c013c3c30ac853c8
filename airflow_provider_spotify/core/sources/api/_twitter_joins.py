"""Joins what X sends beside the posts (``includes``) into them: authors, posts, media, places.

https://docs.x.com/x-api/fundamentals/expansions; both vocabularies are read, as in
``_twitter_columns``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from airflow_provider_spotify.core.sources.web.pages import dig

Json = Mapping[str, Any]

_POST_FIELDS = {
    "tweet": "attachments,author_id,conversation_id,created_at,edit_history_tweet_ids,entities,geo,"
    "id,in_reply_to_user_id,lang,note_tweet,possibly_sensitive,public_metrics,referenced_tweets,"
    "reply_settings,text,withheld",
    "post": "attachments,conversation_id,created_at,entities,geo,id,lang,note_post,"
    "possibly_sensitive,public_metrics,reply_settings,text,withheld",
}
_EXPANSIONS = {
    "tweet": {"author": ["author_id"], "referenced": ["referenced_tweets.id"]},
    "post": {
        "author": ["author_id", "in_reply_to_user_id"],
        "referenced": ["referenced_posts", "edit_history_post_ids"],
    },
}
"""In the newer vocabulary an expansion brings its ids, too."""
_MORE = {"media": ["attachments.media_keys"], "place": ["geo.place_id"]}
USER_FIELDS = (
    "created_at,description,id,location,name,profile_image_url,protected,public_metrics,url,"
    "username,verified,verified_type,withheld"
)
_FIELDS = {
    "user.fields": USER_FIELDS,
    "media.fields": "alt_text,duration_ms,height,media_key,preview_image_url,public_metrics,type,"
    "url,width",
    "place.fields": "country,country_code,full_name,id,place_type",
}


def post_params(vocabulary: str, parts: Sequence[str], *, topics: bool) -> dict[str, str]:
    """Return the parameters that ask for posts with these parts.

    :param topics: ask for ``context_annotations``, with which a page holds at most 100 posts
    """
    known = {**_EXPANSIONS[vocabulary], **_MORE}
    expansions = [each for part in parts for each in known[part]]
    fields = _POST_FIELDS[vocabulary] + (",context_annotations" if topics else "")
    params = {f"{vocabulary}.fields": fields}
    if expansions:
        params["expansions"] = ",".join(expansions)
    asked = {"author": "user.fields", "media": "media.fields", "place": "place.fields"}
    return params | {name: _FIELDS[name] for part, name in asked.items() if part in parts}


def joined(body: Json) -> list[Json]:
    """Return the posts of a body, each with what it refers to."""
    included = body.get("includes") or {}
    users = _by(included.get("users"), "id")
    posts = _by([*_either(included, "tweets", "posts"), *body["data"]], "id")
    media = _by(included.get("media"), "media_key")
    places = _by(included.get("places"), "id")
    refused = _refused(body)
    return [
        {**post, **_texts(post), **_references(post, posts, refused),
         "_author": users.get(post.get("author_id")),
         "_media": [media.get(key, {"media_key": key}) for key in _media_keys(post)] or None,
         "_place": places.get(dig(post, "geo.place_id"))}
        for post in body["data"]
    ]  # fmt: skip


def included(body: Json) -> Iterable[tuple[str, str]]:
    """Yield kind and id of what came beside the records."""
    found = body.get("includes") or {}
    for kind, id_ in (("users", "id"), ("tweets", "id"), ("posts", "id"), ("media", "media_key")):
        for each in found.get(kind) or ():
            yield ("tweets" if kind == "posts" else kind), str(each.get(id_))


def is_reference(error: Json) -> bool:
    """Say whether an error is about what a record refers to, so that the record itself came."""
    parameter = str(error.get("parameter") or "")
    asked = ("id", "ids", "username", "usernames", "")
    return error.get("section") == "includes" or parameter not in asked


def _refused(body: Json) -> dict[str, Json]:
    about = [each for each in body.get("errors") or () if is_reference(each)]
    return {
        str(each.get("resource_id") or each.get("value")): {
            "id": each.get("resource_id") or each.get("value"),
            "resource_type": each.get("resource_type"),
            "title": each.get("title"),
        }
        for each in about
    }


def _references(post: Json, posts: Mapping[Any, Json], refused: Mapping[str, Json]) -> Json:
    listed = _either(post, "referenced_tweets", "referenced_posts")
    kept = ("text", "author_id", "created_at")
    full = [
        {"type": each.get("type"), "id": each.get("id")}
        | {key: value for key in kept if (value := _known(posts, each, key)) is not None}
        for each in listed
    ]
    ids = {each.get("type"): each.get("id") for each in reversed(listed)}
    names = [*(str(each["id"]) for each in full), str(post.get("author_id")), *_media_keys(post)]
    gone = [refused[name] for name in dict.fromkeys(names) if name in refused]
    return {
        "_referenced": full or None,
        "_replied_to": ids.get("replied_to"),
        "_quoted": ids.get("quoted"),
        "_retweeted": ids.get("retweeted"),
        "_unavailable": gone or None,
    }


def _known(posts: Mapping[Any, Json], reference: Json, key: str) -> Any:
    post = posts.get(reference.get("id")) or {}
    long = dig(post, "note_tweet.text") or dig(post, "note_post.text")
    return long if key == "text" and long else post.get(key)


def _texts(post: Json) -> Json:
    entities = dig(post, "note_tweet.entities") or dig(post, "note_post.entities") or {}
    entities = {**(post.get("entities") or {}), **entities}
    urls = entities.get("urls") or ()
    return {
        "_hashtags": [each.get("tag") for each in entities.get("hashtags") or ()] or None,
        "_mentions": [each.get("username") for each in entities.get("mentions") or ()] or None,
        "_urls": [e.get("unwound_url") or e.get("expanded_url") or e.get("url") for e in urls]
        or None,
    }


def _media_keys(post: Json) -> Sequence[str]:
    return dig(post, "attachments.media_keys") or ()


def _by(items: Iterable[Json] | None, key: str) -> dict[Any, Json]:
    return {each.get(key): each for each in items or ()}


def _either(found: Json, *names: str) -> Sequence[Json]:
    return next((value for name in names if (value := found.get(name))), ())
