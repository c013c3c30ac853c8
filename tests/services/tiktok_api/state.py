"""What the server of TikTok's APIs knows: one user's videos, and what researchers may find."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from random import Random
from typing import Any

Json = dict[str, Any]
BEGAN = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
HOUR = 3600
VIDEO = frozenset(
    ["id", "create_time", "cover_image_url", "share_url", "video_description", "duration",
     "height", "width", "title", "embed_html", "embed_link", "like_count", "comment_count",
     "share_count", "view_count"]
)  # fmt: skip
USER = frozenset(
    ["open_id", "union_id", "avatar_url", "avatar_url_100", "avatar_large_url", "display_name",
     "bio_description", "profile_deep_link", "is_verified", "username", "follower_count",
     "following_count", "likes_count", "video_count"]
)  # fmt: skip
FOUND = frozenset(
    ["id", "video_description", "create_time", "region_code", "share_count", "view_count",
     "like_count", "comment_count", "music_id", "hashtag_names", "username", "effect_ids",
     "playlist_id", "voice_to_text", "is_stem_verified", "video_duration", "hashtag_info_list",
     "video_mention_list", "video_label", "favorites_count"]
)  # fmt: skip
COMMENT = frozenset(
    ["id", "video_id", "text", "like_count", "reply_count", "parent_comment_id", "create_time"]
)
PERSON = frozenset(
    ["display_name", "bio_description", "avatar_url", "is_verified", "follower_count",
     "following_count", "likes_count", "video_count", "bio_url"]
)  # fmt: skip


class Data:
    """The data, newest first.

    :ivar hidden: ids that listings leave out, so that pages are short or empty
    """

    def __init__(self, *, videos: int, found: int, seed: int) -> None:
        self._random = Random(seed)
        self.videos: list[Json] = []
        self.hidden: set[str] = set()
        self.add(videos)
        self.found = [self._found(n) for n in range(found)]
        counts = zip((each["id"] for each in self.found), (0, 7, 1350, 120), strict=False)
        self.comments = {
            str(video): [self._comment(video, n) for n in range(count)] for video, count in counts
        }
        self.user = {
            "open_id": "723f24d7-e717-40f8",
            "union_id": "c9c60f49-a28e-4c90",
            "display_name": "Acme Müsic",
            "avatar_url": "https://cdn.example/a.jpg",
            "bio_description": "",
            "profile_deep_link": "https://vm.tiktok.example/1",
            "is_verified": False,
            "username": "acme.music",
            "follower_count": 1200,
            "following_count": 12,
            "likes_count": 3_000_000_000,
            "video_count": videos,
        }
        self.people = {"joe123": {k: v for k, v in self.user.items() if k in PERSON}}

    def add(self, count: int = 1) -> int:
        """Post videos."""
        for n in range(len(self.videos), len(self.videos) + count):
            video: Json = {
                "id": f"72178997441{n:08d}",
                "create_time": BEGAN + n * HOUR,
                "title": "" if n % 4 else f"nº {n} 🎵",
                "video_description": f"nº {n}",
                "duration": self._random.randrange(5, 600),
                "height": 1024,
                "width": 576,
                "cover_image_url": f"https://cdn.example/{n}.jpg",
                "share_url": f"https://www.tiktok.example/v/{n}",
                "embed_link": f"https://www.tiktok.example/player/{n}",
                "like_count": self._random.randrange(9999),
                "comment_count": self._random.randrange(99),
                "share_count": 0,
            }
            if n % 5:  # missing for videos that are still being counted
                video["view_count"] = self._random.randrange(10**6)
            self.videos.insert(0, video)
        return count

    def _found(self, n: int) -> Json:
        """Return a video of the Research API, whose ids are numbers."""
        return {
            "id": 7_300_000_000_000_000_000 + n,
            "create_time": BEGAN + n * 6 * HOUR,
            "username": f"user{n % 7}",
            "region_code": self._random.choice(["SE", "US"]),
            "video_description": "hello" if n % 3 else "animal",
            "music_id": 7_100_000_000_000_000_000 + n,
            "like_count": n,
            "comment_count": 0,
            "share_count": 0,
            "view_count": n * 10,
            "hashtag_names": ["fyp", "müsic"] if n % 2 else [],
            "effect_ids": ["1"] if n % 4 else [],
        }

    def _comment(self, video: int, n: int) -> Json:
        return {
            "id": 7_400_000_000_000_000_000 + n,
            "video_id": video,
            "text": "schön",
            "like_count": 1,
            "reply_count": 0,
            "parent_comment_id": video,
            "create_time": BEGAN + n,
        }


def holds(video: Mapping[str, Any], query: Mapping[str, Any]) -> bool:
    """Say whether a video is what a query looks for."""

    def one(condition: Mapping[str, Any]) -> bool:
        return any(_test(video, condition, value) for value in condition["field_values"])

    either = query.get("or") or []
    return (
        all(one(each) for each in query.get("and") or [])
        and (not either or any(one(each) for each in either))
        and not any(one(each) for each in query.get("not") or [])
    )


def _test(video: Mapping[str, Any], condition: Mapping[str, Any], value: str) -> bool:
    values: Mapping[str, Callable[[], Any]] = {
        "keyword": lambda: value in video["video_description"],
        "hashtag_name": lambda: value in video["hashtag_names"],
        "username": lambda: value == video["username"],
        "region_code": lambda: value == video["region_code"],
    }
    return bool(values[condition["field_name"]]())
