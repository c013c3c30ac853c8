"""Invented users and posts of the X contract server, from a seed, in both of X's vocabularies."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

Json = dict[str, Any]
FIRST_ID_AT = 1_288_834_974_657
WORDS = ("rain", "vinyl", "bass", "mañana", "東京", "encore")
_RENAMED = {
    "edit_history_tweet_ids": "edit_history_post_ids",
    "note_tweet": "note_post",
    "referenced_tweets": "referenced_posts",
    "retweet_count": "repost_count",
    "tweet_count": "post_count",
    "pinned_tweet_id": "pinned_post_id",
    "tweets": "posts",
    "total_tweet_count": "total_post_count",
}


def post_id(at: datetime, *, sequence: int = 0) -> str:
    """Return the id of a post made at a time (https://docs.x.com/fundamentals/x-ids)."""
    ms = int(at.timestamp() * 1000) - FIRST_ID_AT
    return str((ms << 22) | (sequence & 0xFFF))


def stamp(at: datetime) -> str:
    """Write a time as X does, with milliseconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def renamed(value: Any) -> Any:
    """Return a body in the newer vocabulary."""
    if isinstance(value, dict):
        return {_RENAMED.get(key, key): renamed(each) for key, each in value.items()}
    return [renamed(each) for each in value] if isinstance(value, list) else value


class World:
    """The users, posts, lists and follows of one server."""

    def __init__(self, *, posts: int, users: int, seed: int, now: datetime) -> None:
        self._random = Random(seed)
        self._made = 0
        self.users = {str(1000 + n): self._user(1000 + n) for n in range(users)}
        self.posts: list[Json] = []  # newest first
        self.media: dict[str, Json] = {}
        self.gone: set[str] = set()
        self.places = {"p1": {"id": "p1", "full_name": "Malmö, Skåne", "country_code": "SE",
                              "country": "Sweden", "place_type": "city"}}  # fmt: skip
        for n in range(posts):
            age = timedelta(days=6) * (posts - n) / posts
            self.post(now - age - timedelta(minutes=2))

    def _user(self, number: int) -> Json:
        user: Json = {
            "id": str(number), "username": f"band_{number}", "name": f"Band {number} ♫",
            "created_at": f"2015-03-{number % 28 + 1:02d}T08:00:00.000Z",
            "verified": number % 3 == 0, "protected": number % 10 == 9,
            "public_metrics": {"followers_count": number * 3, "following_count": 7,
                               "tweet_count": 55, "listed_count": 1},
        }  # fmt: skip
        if number % 4:
            user["description"] = "touring"
        return user

    def post(self, at: datetime, *, author: str | None = None) -> Json:
        """Publish a post; it comes at the top of listings if it is the newest."""
        n, choose = self._made, self._random
        self._made += 1
        id_ = post_id(at, sequence=n)
        text = f"{choose.choice(WORDS)} no {n} #live @band_1001 https://t.co/{n}"
        made: Json = {
            "id": id_, "text": text, "edit_history_tweet_ids": [id_], "created_at": stamp(at),
            "author_id": author or choose.choice(list(self.users)), "lang": "en",
            "conversation_id": id_, "possibly_sensitive": False, "reply_settings": "everyone",
            "public_metrics": {"retweet_count": n % 5, "reply_count": 1, "like_count": n,
                               "quote_count": 0, "bookmark_count": 0, "impression_count": 10 * n},
            "entities": {"hashtags": [{"start": 0, "end": 5, "tag": "live"}],
                         "mentions": [{"start": 6, "end": 15, "id": "1001",
                                       "username": "band_1001"}],
                         "urls": [{"start": 1, "end": 2, "url": f"https://t.co/{n}",
                                   "expanded_url": f"https://example.com/{n}"}]},
        }  # fmt: skip
        self._odd(made, n)
        self.posts.append(made)
        self.posts.sort(key=lambda each: int(each["id"]), reverse=True)
        return made

    def _odd(self, made: Json, n: int) -> None:
        if n % 7 == 3 and self.posts:
            made["referenced_tweets"] = [{"type": "retweeted", "id": self.posts[0]["id"]}]
        if n % 11 == 5:
            made["referenced_tweets"] = [{"type": "quoted", "id": "999"}]  # deleted long ago
        if n % 9 == 4:
            made["note_tweet"] = {"text": made["text"] + " …" + "long" * 80}
        if n % 6 == 1:
            key = f"3_{n}"
            made["attachments"] = {"media_keys": [key]}
            self.media[key] = {"media_key": key, "type": "photo", "width": 640, "height": 480,
                               "url": f"https://pbs.example.com/{n}.jpg"}  # fmt: skip
        if n % 8 == 2:
            made["geo"] = {"place_id": "p1"}
        if n % 5 == 0:
            del made["entities"]

    def matching(self, query: str) -> list[Json]:
        """Return the posts that match a query of words, ``from:`` and ``-is:retweet``."""
        names = {user["username"]: id_ for id_, user in self.users.items()}
        return [each for each in self.posts if all(_fits(each, t, names) for t in query.split())]

    def of(self, ids: Iterable[str]) -> list[Json]:
        """Return the posts with these ids."""
        wanted = set(ids)
        return [each for each in self.posts if each["id"] in wanted]


def _fits(post: Json, term: str, names: dict[str, str]) -> bool:
    if term.startswith("from:"):
        return bool(post["author_id"] == names.get(term[5:]))
    if term == "-is:retweet":
        return all(each["type"] != "retweeted" for each in post.get("referenced_tweets", ()))
    return term.lower() in post["text"].lower()
