"""The synthetic catalogue: artists, albums, tracks and playlists made from a seed."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random

from tests.services.spotify_api import names

ARTISTS = 240
PLAYLISTS = 200
USERS = tuple(f"listener_{n}" for n in range(1, 6))
HOUSE_USER = "spotify"
"""Owner of the editorial playlists that development-mode apps may not see."""
MARKETS = ("BR", "DE", "ES", "GB", "IN", "JP", "SE", "US")
_BASE62 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_EPOCH = datetime(2018, 1, 1, tzinfo=UTC)


def make_id(kind: str, number: int, *, seed: int = 0) -> str:
    """Return a 22-character base-62 id, the same for the same arguments."""
    digest = hashlib.blake2b(f"{seed}/{kind}/{number}".encode(), digest_size=16).digest()
    value, text = int.from_bytes(digest, "big"), ""
    for _ in range(22):
        value, rest = divmod(value, 62)
        text += _BASE62[rest]
    return text


@dataclass(frozen=True, slots=True)
class Artist:
    id: str
    name: str
    genres: tuple[str, ...]
    popularity: int
    followers: int


@dataclass(frozen=True, slots=True)
class Album:
    id: str
    name: str
    album_type: str
    artists: tuple[Artist, ...]
    release_date: str
    precision: str
    label: str
    upc: str
    popularity: int
    tracks: list[Track] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Track:
    id: str
    name: str
    album: Album
    artists: tuple[Artist, ...]
    disc_number: int
    track_number: int
    duration_ms: int
    explicit: bool
    isrc: str
    popularity: int
    markets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One position of a playlist. ``track`` is None for a removed, local or spoken entry."""

    track: Track | None
    added_at: str
    added_by: str
    kind: str = "track"
    """track, removed, local or episode."""


@dataclass(slots=True)
class Playlist:
    """A playlist; the only part of the catalogue that changes while the server runs."""

    id: str
    name: str
    description: str
    owner: str
    collaborators: tuple[str, ...]
    public: bool
    followers: int
    entries: list[Entry]
    revision: int = 1

    @property
    def snapshot_id(self) -> str:
        """The version: other after every change."""
        digest = hashlib.sha1(f"{self.id}/{self.revision}".encode()).hexdigest()  # not a secret
        return base64.b64encode(f"{self.revision},{digest}".encode()).decode()

    def add(self, *tracks: Track) -> None:
        """Append tracks and make a new version."""
        self.revision += 1
        added = _stamp(_EPOCH + timedelta(days=3000, minutes=self.revision))
        self.entries += [Entry(track, added, self.owner) for track in tracks]

    def remove(self, position: int) -> None:
        """Take one position out and make a new version."""
        self.revision += 1
        del self.entries[position]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything the server knows, by id, in the order it was made."""

    artists: dict[str, Artist]
    albums: dict[str, Album]
    tracks: dict[str, Track]
    playlists: dict[str, Playlist]
    discography: dict[str, list[Album]]
    by_isrc: dict[str, Track]

    def owned_by(self, user: str) -> list[Playlist]:
        """Return the playlists of one user."""
        return [playlist for playlist in self.playlists.values() if playlist.owner == user]


def build(seed: int = 7, *, artists: int = ARTISTS) -> Catalogue:
    """Make the catalogue: some hundred artists and playlists, some thousand tracks, in ~0.2 s.

    What cannot change is made once in a process; each call gives playlists of its own.

    :param artists: how many; there are some 15 tracks of each
    """
    made = _make(seed, artists)
    own = {k: replace(p, entries=list(p.entries)) for k, p in made.playlists.items()}
    return replace(made, playlists=own)


@cache
def _make(seed: int, count: int) -> Catalogue:
    random = Random(seed)
    artists = [_artist(n, random, seed=seed) for n in range(count)]
    albums: list[Album] = []
    discography: dict[str, list[Album]] = {artist.id: [] for artist in artists}
    for artist in artists:
        for _ in range(random.randint(1, 3)):
            album = _album(len(albums), artist, random, seed=seed)
            albums.append(album)
            discography[artist.id].append(album)
    tracks: list[Track] = []
    for album in albums:
        count = random.randint(1, 3) if album.album_type == "single" else random.randint(7, 14)
        for number in range(1, count + 1):
            tracks.append(_track(len(tracks), number, album, artists, random, seed=seed))
            album.tracks.append(tracks[-1])
    playlists = [_playlist(n, tracks, random, seed=seed) for n in range(PLAYLISTS)]
    return Catalogue(
        artists={a.id: a for a in artists},
        albums={a.id: a for a in albums},
        tracks={t.id: t for t in tracks},
        playlists={p.id: p for p in playlists},
        discography=discography,
        by_isrc={t.isrc: t for t in tracks},
    )


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _artist(number: int, random: Random, *, seed: int) -> Artist:
    return Artist(
        id=make_id("artist", number, seed=seed),
        name=names.artist_name(random),
        genres=tuple(random.sample(names.GENRES, random.randint(0, 3))),
        popularity=random.randint(0, 100),
        followers=int(random.paretovariate(0.7) * 100),
    )


def _album(number: int, artist: Artist, random: Random, *, seed: int) -> Album:
    released = _EPOCH - timedelta(days=random.randint(0, 9000))
    precision = random.choices(("day", "month", "year"), weights=(8, 1, 1))[0]
    return Album(
        id=make_id("album", number, seed=seed),
        name=names.title(random),
        album_type=random.choice(("album", "album", "single")),
        artists=(artist,),
        release_date=released.strftime({"day": "%Y-%m-%d", "month": "%Y-%m"}.get(precision, "%Y")),
        precision=precision,
        label=f"{names.word(random)} Records",
        upc=f"{random.randrange(10**12):012d}",
        popularity=random.randint(0, 100),
    )


def _track(
    number: int,
    position: int,
    album: Album,
    artists: Sequence[Artist],
    random: Random,
    *,
    seed: int,
) -> Track:
    guests = random.sample(artists, random.choices((0, 1, 2), weights=(7, 2, 1))[0])
    everywhere = random.random() < 0.9
    return Track(
        id=make_id("track", number, seed=seed),
        name=names.title(random),
        album=album,
        artists=(*album.artists, *(guest for guest in guests if guest not in album.artists)),
        disc_number=1 + position // 12,
        track_number=position,
        duration_ms=random.randint(61_000, 540_000),
        explicit=random.random() < 0.15,
        isrc=f"QZ{number // 90000:03d}{random.randint(10, 25):02d}{number % 90000:05d}",
        popularity=random.randint(0, 100),
        markets=MARKETS if everywhere else tuple(sorted(random.sample(MARKETS, 3))),
    )


def _playlist(number: int, tracks: Sequence[Track], random: Random, *, seed: int) -> Playlist:
    owner = HOUSE_USER if number % 25 == 24 else USERS[number % len(USERS)]
    size = random.choice((0, 7, 18, 30, 49, 50, 51, 80, 100, 130))
    started = _EPOCH + timedelta(days=random.randint(0, 2500))
    return Playlist(
        id=make_id("playlist", number, seed=seed),
        name=names.playlist_name(random),
        description=f"{names.word(random)} &amp; {names.word(random)}",
        owner=owner,
        collaborators=(USERS[(number + 1) % len(USERS)],) if number % 10 == 3 else (),
        public=number % 7 != 0,
        followers=int(random.paretovariate(0.9) * 3),
        entries=[
            _entry(started + timedelta(hours=7 * n), owner, random.choice(tracks), random)
            for n in range(size)
        ],
        revision=random.randint(1, 40),
    )


def _entry(moment: datetime, owner: str, track: Track, random: Random) -> Entry:
    kinds = ("track", "removed", "local", "episode")
    kind = random.choices(kinds, weights=(95, 2, 2, 1))[0]
    return Entry(track if kind == "track" else None, _stamp(moment), owner, kind)
