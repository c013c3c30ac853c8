"""Invented music and listeners for the Last.fm server: the same from the same seed, no person."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any
from urllib.parse import quote_plus
from uuid import UUID

BEGIN = int(datetime(2026, 1, 4, 12, tzinfo=UTC).timestamp())
"""A Sunday at noon, when Last.fm's weeks begin."""
_ARTISTS = ("Nils & the Fjord", "AC/Sea", "Søster Ünder", "東京の波", "R+R", "Plain Jane",
            "The 100% Band", "Ñandú", "Low Tide", "Ochre", "Kite?", "Vera / Viola")  # fmt: skip
_WORDS = ("Tide", "Ember", "Glass", "Harbour", "Ívy", "Neon", "Salt", "Winter's", "Quiet", "Ash")


@dataclass(frozen=True)
class Artist:
    """An artist; ``mbid`` is empty for some, as at Last.fm."""

    name: str
    mbid: str
    playcount: int
    listeners: int

    @property
    def url(self) -> str:
        """Its page."""
        return f"https://www.last.fm/music/{quote_plus(self.name)}"


@dataclass(frozen=True)
class Track:
    """A track with its album; some have none."""

    name: str
    artist: Artist
    album: str
    mbid: str
    seconds: int
    playcount: int

    @property
    def url(self) -> str:
        """Its page."""
        return f"{self.artist.url}/_/{quote_plus(self.name)}"


@dataclass
class Listener:
    """A user.

    :ivar plays: (uts, track), newest first; ``loved`` likewise
    :ivar playing: what is on now
    """

    name: str
    private: bool = False
    plays: list[tuple[int, Track]] = field(default_factory=list)
    loved: list[tuple[int, Track]] = field(default_factory=list)
    playing: Track | None = None


class Library:
    """Everything that the server knows."""

    def __init__(self, *, seed: int, plays: int) -> None:
        self._random = Random(seed)
        self.artists = {name: self._artist(name) for name in _ARTISTS}
        self.tracks = [t for artist in self.artists.values() for t in self._tracks(artist)]
        self.tags = {word.lower(): self._random.randint(5, 90_000) for word in _WORDS}
        self.users: dict[str, Listener] = {}
        for name, count in (("RJ", plays), ("Mo-1", plays // 3), ("solo", 1), ("mute", 0)):
            self._listener(name, count)
        self._listener("hush", 3).private = True

    def play(self, listener: Listener, uts: int, track: Track | None = None) -> None:
        """Let a listener have played a track, at its place in time."""
        chosen = track or self._random.choice(self.tracks)
        while (uts, chosen) in listener.plays:  # Last.fm takes a play once
            chosen = self._random.choice(self.tracks)
        listener.plays.append((uts, chosen))
        listener.plays.sort(key=lambda each: -each[0])

    def love(self, listener: Listener, uts: int) -> None:
        """Let a listener love a track that it does not love yet."""
        known = {track for _, track in listener.loved}
        listener.loved.insert(0, (uts, next(t for t in self.tracks if t not in known)))

    def _listener(self, name: str, count: int) -> Listener:
        listener = self.users[name.lower()] = Listener(name)
        for n in range(count):
            # Two plays of one second happen: a phone and a computer.
            self.play(listener, BEGIN + (n // 10 * 10 + max(n % 10, 1)) * 5_000)
        for n in range(min(count, 45)):
            self.love(listener, BEGIN + n * 86_400)
        return listener

    def _artist(self, name: str) -> Artist:
        plays = self._random.randint(1_000, 9_000_000)
        return Artist(name, self._mbid(), plays, plays // 7)

    def _tracks(self, artist: Artist) -> list[Track]:
        words = self._random.sample(_WORDS, 9)
        return [
            Track(
                f"{word} {n}",
                artist,
                f"{word} LP" if n % 3 else "",
                self._mbid(),
                self._random.choice([0, 187, 205, 341]),
                self._random.randint(2, 400_000),
            )
            for n, word in enumerate(words)
        ]

    def _mbid(self) -> str:
        bits = self._random.getrandbits(128)
        return str(UUID(int=bits)) if self._random.random() < 0.7 else ""

    def counted(self, plays: list[tuple[int, Track]]) -> list[tuple[Track, int]]:
        """Return tracks by how often they were played, most first."""
        counts: dict[Track, int] = {}
        for _, track in plays:
            counts[track] = counts.get(track, 0) + 1
        return sorted(counts.items(), key=lambda each: (-each[1], each[0].name, each[0].url))

    def by(self, found: list[tuple[Track, int]], what: str) -> list[tuple[Any, int]]:
        """Return artists, or albums as (artist, title), by plays of their tracks."""
        counts: dict[Any, int] = {}
        for track, count in found:
            one = track.artist if what == "artist" else (track.artist, track.album)
            if what == "artist" or track.album:
                counts[one] = counts.get(one, 0) + count
        return sorted(counts.items(), key=lambda each: (-each[1], str(each[0])))
