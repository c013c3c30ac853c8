"""What the server of the Instagram Graph API knows: invented accounts, media and comments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

Json = dict[str, Any]
ACCOUNT = "17841400000000001"
OTHER = "somebody.else"
HASHTAGS = {"coke": "17873440459141021", "tea": "17873440459141022"}
_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


class Data:
    """The data of one account, and what it may see of others; newest first.

    :ivar hidden: ids that a listing leaves out, so that pages are short or empty
    :ivar converted: ids of media from before the account was a professional one
    """

    def __init__(self, *, media: int, comments: int, seed: int) -> None:
        self._random = Random(seed)
        self.media: list[Json] = []
        self.comments: dict[str, list[Json]] = {}
        self.replies: dict[str, list[Json]] = {}
        self.hidden: set[str] = set()
        self.converted: set[str] = set()
        self.add(media)
        self.stories = [self._medium(n, at=_BEGAN, product="STORY", base=500) for n in range(7)]
        self.tagged = [self._medium(n, at=_BEGAN, base=600) for n in range(30)]
        self.tops = {tag: [self._medium(n, at=_BEGAN, base=700) for n in range(25)]
                     for tag in HASHTAGS}  # fmt: skip
        self.others = {OTHER: [self._medium(n, at=_BEGAN, base=800) for n in range(35)][::-1]}
        for each in self.media[:3]:
            self.comment(each["id"], comments)
        self.account = {
            "id": ACCOUNT,
            "user_id": ACCOUNT,
            "username": "acme.music",
            "name": "Acme Müsic",
            "account_type": "BUSINESS",
            "followers_count": 1200,
            "follows_count": 12,
            "media_count": media,
            "biography": "tunes",
            "website": "https://acme.example",
            "ig_id": 1,
        }  # a profile without a picture has no profile_picture_url

    def add(self, count: int = 1) -> int:
        """Publish media."""
        for n in range(len(self.media), len(self.media) + count):
            self.media.insert(0, self._medium(n, at=_BEGAN + timedelta(hours=n)))
        return count

    def comment(self, media: str, count: int = 1) -> int:
        """Write comments, every third with answers."""
        known = self.comments.setdefault(media, [])
        for n in range(len(known), len(known) + count):
            at = _BEGAN + timedelta(minutes=n)
            one = self._said(f"1785{media[-4:]}{n:06d}", at)
            known.insert(0, one)
            if n % 3 == 0:
                said = [self._said(f"{one['id']}{r}", at, parent=one["id"]) for r in range(5)]
                self.replies[one["id"]] = said
        return count

    def _said(self, id_: str, at: datetime, *, parent: str | None = None) -> Json:
        who = self._random.choice([{"id": "901", "username": "ann"}, None])
        comment = {"id": id_, "text": "schön 🎵", "timestamp": _time(at), "like_count": 2,
                   "hidden": False, "username": "ann" if who else "bo"}  # fmt: skip
        more = {"from": who} if who else {}
        return {**comment, **more, **({"parent_id": parent} if parent else {})}

    def _medium(self, n: int, *, at: datetime, product: str | None = None, base: int = 0) -> Json:
        kind = self._random.choice(["IMAGE", "VIDEO", "CAROUSEL_ALBUM"])
        medium: Json = {
            "id": f"1789{base:04d}{n:09d}",
            "media_type": kind,
            "media_product_type": product or ("REELS" if kind == "VIDEO" else "FEED"),
            "timestamp": _time(at),
            "permalink": f"https://www.instagram.com/p/{base}x{n}/",
            "shortcode": f"{base}x{n}",
            "username": "acme.music",
            "owner": {"id": ACCOUNT},
            "comments_count": self._random.randrange(9),
            "is_comment_enabled": True,
        }
        if self._random.random() < 0.8:
            medium["caption"] = f"nº {n}"
        if self._random.random() < 0.7:  # left out where the owner hides it
            medium["like_count"] = self._random.randrange(999)
        if self._random.random() < 0.9:  # left out where the sound is protected
            medium["media_url"] = f"https://cdn.example/{n}.jpg"
        if kind == "CAROUSEL_ALBUM":
            medium["children"] = {"data": [{"id": f"1790{n}{c}", "media_type": "IMAGE",
                                            "media_url": f"https://cdn.example/{n}-{c}.jpg",
                                            "permalink": "https://www.instagram.com/p/c/"}
                                           for c in range(2)]}  # fmt: skip
        return medium


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S+0000")
