"""The fields that a request of the Graph API names: ``id,replies{id,text}``, and what they pick.

https://developers.facebook.com/docs/graph-api/guides/field-expansion
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

_FIELD = re.compile(r"(\w+)((?:\.\w+\([^)]*\))*)(?:\{(.*)\})?", re.DOTALL)
_CALL = re.compile(r"\.(\w+)\(([^)]*)\)")

MEDIA = frozenset(
    ["id", "caption", "media_type", "media_product_type", "permalink", "timestamp", "like_count",
     "comments_count", "media_url", "shortcode", "username", "owner", "thumbnail_url",
     "alt_text", "is_comment_enabled", "is_shared_to_feed", "children"]
)  # fmt: skip
HASHTAG_MEDIA = MEDIA - {"username", "owner", "shortcode", "media_product_type", "alt_text"}
DISCOVERED_MEDIA = MEDIA - {"alt_text", "is_comment_enabled", "shortcode"}
STORY = MEDIA - {"children", "is_shared_to_feed"}
COMMENT = frozenset(
    ["id", "text", "timestamp", "username", "like_count", "hidden", "from", "user", "media",
     "parent_id"]
)  # fmt: skip
_PROFILE = frozenset(
    ["id", "username", "name", "profile_picture_url", "followers_count", "follows_count",
     "media_count"]
)  # fmt: skip
ACCOUNT = {
    "instagram": _PROFILE | {"user_id", "account_type"},
    "facebook": _PROFILE | {"ig_id", "biography", "website", "business_discovery"},
}
DISCOVERED = _PROFILE | {"biography", "website", "ig_id", "media"}


class Unknown(Exception):
    """A field that is none of the object's."""


def parse(text: str) -> dict[str, tuple[dict[str, str], str]]:
    """Return each field with its modifiers and its own fields."""
    found = {}
    for part in _split(text):
        match = _FIELD.fullmatch(part.strip())
        if match is None:
            raise Unknown(part)
        found[match[1]] = (dict(_CALL.findall(match[2])), match[3] or "")
    return found


def _split(text: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for at, char in enumerate(text):
        depth += (char in "{(") - (char in "})")
        if char == "," and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    return [part for part in [*parts, text[start:]] if part]


def pick(row: Mapping[str, Any], text: str, *, known: Collection[str]) -> dict[str, Any]:
    """Return the fields of an object that were asked for, and always its id.

    :raises Unknown: if it has no such field
    """
    fields = parse(text or "id")
    if wrong := [name for name in fields if name not in known]:
        raise Unknown(wrong[0])
    return {name: row[name] for name in {"id", *fields} if name in row}
