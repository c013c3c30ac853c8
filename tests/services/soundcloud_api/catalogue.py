"""Invented users, tracks, playlists and comments: the same from the same seed, no person."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

Json = dict[str, Any]
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_WORDS = ("Tide", "Ember", "Glass", "Hafen ü", "夜", "Neon", "Salt", "Ñu", "Quiet", "Ash & Oak")
_ACCESS = ("playable", "playable", "playable", "preview", "blocked")


def written(time: datetime) -> str:
    """Write a time as SoundCloud does: with slashes."""
    return time.strftime("%Y/%m/%d %H:%M:%S +0000")


class Catalogue:
    """Everything that the server knows, as the API's own objects.

    :ivar tracks: by URN; ``uploads``, ``likes``, ``comments`` … hold URNs or objects, newest first
    """

    def __init__(self, *, seed: int, uploads: int) -> None:
        self._random = Random(seed)
        self._made = 0
        self.users = {u["urn"]: u for u in (self._user(n) for n in range(70))}
        self.tracks: dict[str, Json] = {}
        self.uploads: dict[str, list[str]] = {urn: [] for urn in self.users}
        self.names = list(self.users)
        for n in range(uploads):
            self.upload(self.names[0], at=BEGIN + timedelta(hours=n // 2))
        for n in range(40):
            self.upload(self.names[1], at=BEGIN + timedelta(days=n))
        known = list(self.tracks)
        self.likes = {self.names[0]: self._random.sample(known, 90), self.names[1]: known[:3]}
        self.followings = {self.names[0]: self.names[1:], self.names[1]: self.names[:1]}
        self.playlists = {p["urn"]: p for p in (self._playlist(n, known) for n in range(30))}
        self.comments = {known[0]: [self._comment(n, known[0]) for n in range(80)], known[1]: []}

    def _id(self) -> int:
        self._made += 1
        return 10_000 + 7 * self._made

    def _user(self, n: int) -> Json:
        number, word = self._id(), self._random.choice(_WORDS)
        return {
            "urn": f"soundcloud:users:{number}", "kind": "user", "username": f"{word} {n}",
            "permalink": f"user-{number}", "permalink_url": f"https://soundcloud.com/user-{number}",
            "uri": f"https://api.soundcloud.com/users/{number}", "avatar_url": "https://i1.x/a.jpg",
            "city": None if n % 3 else "Gävle", "country": "Sweden", "description": None,
            "discogs_name": None, "first_name": "", "last_name": "", "full_name": "",
            "followers_count": n, "followings_count": 3, "track_count": 5, "playlist_count": 1,
            "public_favorites_count": 2, "reposts_count": 0, "plan": "Free", "website": None,
            "website_title": None, "created_at": written(BEGIN - timedelta(days=n)),
            "last_modified": written(BEGIN + timedelta(days=n)),
        }  # fmt: skip

    def upload(self, user: str, *, at: datetime) -> str:
        """Let a user upload a track; return its URN."""
        number, quiet = self._id(), self._random.random() < 0.1
        count = self._random.randrange(5000)
        urn = f"soundcloud:tracks:{number}"
        self.tracks[urn] = {
            "kind": "track", "urn": urn, "title": f"{self._random.choice(_WORDS)} {number}",
            "created_at": written(at), "user": self.users[user], "duration": 1000 * (number % 400),
            "access": self._random.choice(_ACCESS), "genre": self._random.choice(["Dub", "", None]),
            "playback_count": None if quiet else count, "favoritings_count": count // 9,
            "reposts_count": 0, "comment_count": 0, "download_count": 0, "tag_list": '"dub tech"',
            "bpm": self._random.choice([None, 120.5]), "key_signature": None, "isrc": None,
            "label_name": None, "license": "cc-by", "sharing": "public", "streamable": True,
            "downloadable": False, "commentable": True, "description": None, "artwork_url": None,
            "release": None, "release_day": None, "release_month": None, "release_year": 2026,
            "metadata_artist": None, "reveal_stats": not quiet, "reveal_comments": True,
            "permalink_url": f"https://soundcloud.com/x/{number}", "user_favorite": False,
            "uri": f"https://api.soundcloud.com/tracks/{number}", "available_country_codes": None,
        }  # fmt: skip
        self.uploads[user].insert(0, urn)
        return urn

    def _playlist(self, n: int, known: list[str]) -> Json:
        number, owner = self._id(), self.users[self.names[n % 2]]
        chosen = self._random.sample(known, 60 if n == 0 else n % 4)
        return {
            "kind": "playlist", "urn": f"soundcloud:playlists:{number}", "title": f"Set {n}",
            "created_at": written(BEGIN + timedelta(days=n)), "user": owner,
            "last_modified": written(BEGIN + timedelta(days=n + 1)), "user_urn": owner["urn"],
            "playlist_type": "album" if n % 2 else "", "type": None, "track_count": len(chosen),
            "tracks": chosen, "duration": 9000, "likes_count": n, "genre": "", "tag_list": "",
            "label_name": None, "ean": None, "release_day": None, "release_month": None,
            "release_year": None, "license": "all-rights-reserved", "sharing": "public",
            "description": None, "artwork_url": None, "permalink": f"set-{n}",
            "permalink_url": f"https://soundcloud.com/x/sets/{number}", "streamable": True,
            "uri": f"https://api.soundcloud.com/playlists/{number}", "label": None,
        }  # fmt: skip

    def _comment(self, n: int, track: str) -> Json:
        number, by = self._id(), self.users[self.names[n % 70]]
        kept = ("urn", "kind", "permalink", "username", "last_modified", "uri", "permalink_url",
                "avatar_url", "followers_count", "followings_count", "reposts_count")  # fmt: skip
        return {
            "kind": "comment", "urn": f"soundcloud:comments:{number}", "body": f"ja! {n} 🎧",
            "created_at": written(BEGIN + timedelta(hours=n)), "track_urn": track,
            "timestamp": str(n * 100) if n % 5 else None, "user_urn": by["urn"],
            "user": {key: by[key] for key in kept},
            "uri": f"https://api.soundcloud.com/comments/{number}",
        }  # fmt: skip
