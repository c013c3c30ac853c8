"""Which fields and expansions a request asked for, and the bodies that hold exactly those.

https://docs.x.com/x-api/fundamentals/fields and https://docs.x.com/x-api/fundamentals/expansions
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from tests.services.twitter_api.data import Json, World
from tests.services.web_api.params import Query

POST_FIELDS = (
    "article", "attachments", "author_id", "card_uri", "community_id", "context_annotations",
    "conversation_id", "created_at", "display_text_range", "edit_controls",
    "edit_history_tweet_ids", "entities", "geo", "id", "in_reply_to_user_id", "lang",
    "matched_media_notes", "media_metadata", "non_public_metrics", "note_tweet",
    "organic_metrics", "possibly_sensitive", "promoted_metrics", "public_metrics",
    "referenced_tweets", "reply_settings", "scopes", "source", "text", "withheld",
)  # fmt: skip
_ONLY_TWEET = {"author_id", "edit_history_tweet_ids", "in_reply_to_user_id", "referenced_tweets",
               "note_tweet"}  # fmt: skip
USER_FIELDS = (
    "confirmed_email", "connection_status", "created_at", "description", "entities", "id",
    "location", "name", "parody", "profile_banner_url", "profile_image_url", "protected",
    "public_metrics", "url", "username", "verified", "verified_type", "withheld",
)  # fmt: skip
_EXPANSIONS = {
    "tweet": {"author_id", "referenced_tweets.id", "attachments.media_keys", "geo.place_id",
              "in_reply_to_user_id", "edit_history_tweet_ids"},
    "post": {"author_id", "referenced_posts", "attachments.media_keys", "geo.place_id",
             "in_reply_to_user_id", "edit_history_post_ids"},
}  # fmt: skip


class Wanted(NamedTuple):
    """What a request asked for, in the words of the older vocabulary."""

    vocabulary: str
    fields: Sequence[str]
    expansions: Sequence[str]
    user_fields: Sequence[str]


def wanted(query: Query, vocabularies: set[str]) -> Wanted:
    """Read fields and expansions; another vocabulary's parameters are unknown ones."""
    newer = vocabularies == {"post"} or ("post" in vocabularies and query.text("post.fields"))
    vocabulary = "post" if newer else "tweet"
    known = list(POST_FIELDS)
    if newer:
        known = [each for each in POST_FIELDS if each not in _ONLY_TWEET] + ["note_post"]
    fields = query.several(f"{vocabulary}.fields", known)
    expansions = query.several("expansions", _EXPANSIONS[vocabulary])
    user_fields = query.several("user.fields", USER_FIELDS)
    for name in ("media.fields", "place.fields", "poll.fields"):
        query.several(name)
    old = {"note_post": "note_tweet", "referenced_posts": "referenced_tweets.id",
           "edit_history_post_ids": "edit_history_tweet_ids"}  # fmt: skip
    return Wanted(
        vocabulary,
        [old.get(each, each) for each in fields],
        [old.get(each, each) for each in expansions],
        user_fields,
    )


def trimmed(thing: Json, default: Sequence[str], fields: Sequence[str]) -> Json:
    """Return the default fields and those that were asked for."""
    return {key: value for key, value in thing.items() if key in default or key in fields}


def joined(world: World, posts: Sequence[Json], asked: Wanted) -> Json:
    """Return ``data``, ``includes`` and the ``errors`` of what cannot be included."""
    default = ["id", "text", "edit_history_tweet_ids"]
    brought = {"author_id": "author_id", "referenced_tweets.id": "referenced_tweets"}
    if asked.vocabulary == "post":
        default = ["id", "text"]
    fields = [*asked.fields, *(brought.get(each, each) for each in asked.expansions)]
    body: Json = {"data": [trimmed(each, default, fields) for each in posts]}
    included: dict[str, list[Json]] = {}
    errors: list[Json] = []
    if "referenced_tweets.id" in asked.expansions:
        included["tweets"], errors = _referenced(world, posts, [*default, *fields])
    if "author_id" in asked.expansions:
        ids = dict.fromkeys(each["author_id"] for each in posts)
        basic = ("id", "name", "username")
        included["users"] = [trimmed(world.users[i], basic, asked.user_fields) for i in ids]
    if "attachments.media_keys" in asked.expansions:
        keys = [k for each in posts for k in each.get("attachments", {}).get("media_keys", ())]
        included["media"] = [world.media[key] for key in keys]
    if "geo.place_id" in asked.expansions and any("geo" in each for each in posts):
        included["places"] = list(world.places.values())
    if included := {name: each for name, each in included.items() if each}:
        body["includes"] = included
    return body | ({"errors": errors} if errors else {})


def _referenced(world: World, posts: Sequence[Json], fields: Sequence[str]) -> tuple[Any, Any]:
    ids = dict.fromkeys(r["id"] for each in posts for r in each.get("referenced_tweets", ()))
    found = {each["id"]: each for each in world.of(ids)}
    errors = [
        {"value": id_, "resource_id": id_, "resource_type": "tweet", "section": "includes",
         "parameter": "referenced_tweets.id", "title": "Not Found Error",
         "detail": f"Could not find tweet with referenced_tweets.id: [{id_}].",
         "type": "https://api.x.com/2/problems/resource-not-found"}
        for id_ in ids if id_ not in found
    ]  # fmt: skip
    return [trimmed(each, (), fields) for each in found.values()], errors
