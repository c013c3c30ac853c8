"""What one user has saved, follows and plays; it changes while the server runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from tests.services.spotify_api.catalogue import Catalogue
from tests.services.spotify_api.spoken import Spoken

KINDS = ("track", "album", "show", "episode", "audiobook")
RANGES = ("long_term", "medium_term", "short_term")
LAST_PLAYS = 50
"""Plays that the API tells of, however it is asked."""
_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Play:
    """A track that was heard, when, and from what; None: by itself, which the answer says by null.

    (The published description lacks that null.)
    """

    played_at: datetime
    track: str
    album: str | None

    @property
    def stamp(self) -> int:
        """Milliseconds since 1970."""
        return round(self.played_at.timestamp() * 1000)


@dataclass(slots=True)
class Library:
    """One user's things; saved ones with the second they were saved, the latest first."""

    saved: dict[str, list[tuple[datetime, str]]]
    follows: list[str]
    top: dict[str, dict[str, list[str]]]
    plays: list[Play] = field(default_factory=list)

    def save(self, kind: str, *ids: str, seconds: int = 60) -> None:
        """Save things at the same second, so long after those saved before."""
        latest = self.saved[kind][0][0] if self.saved[kind] else _BEGAN
        moment = latest + timedelta(seconds=seconds)
        self.saved[kind][:0] = [(moment, each) for each in ids]

    def remove(self, kind: str, position: int) -> None:
        """Take a saved thing out."""
        del self.saved[kind][position]

    def play(self, *tracks: str, album: str | None = None, minutes: float = 3.5) -> None:
        """Hear tracks one after the other, after all those heard before."""
        for track in tracks:
            latest = self.plays[0].played_at if self.plays else _BEGAN
            heard = latest + timedelta(minutes=minutes, milliseconds=137)
            self.plays.insert(0, Play(heard, track, album))


def build(catalogue: Catalogue, spoken: Spoken, *, seed: int) -> Library:
    """Make a library: some tracks are saved at the same second, as albums are."""
    random = Random(seed)
    tracks, artists = list(catalogue.tracks), list(catalogue.artists)
    pools = {
        "track": tracks,
        "album": list(catalogue.albums),
        "show": list(spoken.shows),
        "episode": list(spoken.episodes),
        "audiobook": list(spoken.audiobooks),
    }
    sizes = {"track": 230, "album": 70, "show": 55, "episode": 60, "audiobook": 12}
    top = {
        "tracks": {name: random.sample(tracks, 120) for name in RANGES},
        "artists": {name: random.sample(artists, 60) for name in RANGES},
    }
    library = Library({kind: [] for kind in KINDS}, random.sample(artists, 120), top)
    for kind, size in sizes.items():
        left = random.sample(pools[kind], size)
        while left:
            count = random.choice((1, 1, 3))
            library.save(kind, *left[:count], seconds=random.randint(1, 10_000))
            left = left[count:]
    for track in random.choices(tracks, k=80):
        library.play(track, album=catalogue.tracks[track].album.id)
    return library
