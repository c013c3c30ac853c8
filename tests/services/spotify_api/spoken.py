"""The synthetic spoken word: shows with episodes, audiobooks with chapters, made from a seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from random import Random

from tests.services.spotify_api import names
from tests.services.spotify_api.catalogue import make_id

SHOWS = 60
AUDIOBOOKS = 60
AUDIOBOOK_MARKETS = ("GB", "US")
"""Of the server's markets those where audiobooks are sold."""


@dataclass(frozen=True, slots=True)
class Episode:
    """An episode of a show, or a chapter of an audiobook."""

    id: str
    name: str
    number: int
    duration_ms: int
    release_date: str


@dataclass(frozen=True, slots=True)
class Show:
    """A show with its episodes, or an audiobook with its chapters."""

    id: str
    name: str
    publisher: str
    people: tuple[str, ...]
    episodes: list[Episode] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Spoken:
    """Everything that is spoken, by id."""

    shows: dict[str, Show]
    audiobooks: dict[str, Show]

    @property
    def episodes(self) -> dict[str, tuple[Show, Episode]]:
        """Every episode with its show."""
        return _by_id(self.shows)

    @property
    def chapters(self) -> dict[str, tuple[Show, Episode]]:
        """Every chapter with its audiobook."""
        return _by_id(self.audiobooks)


def _by_id(shows: dict[str, Show]) -> dict[str, tuple[Show, Episode]]:
    return {each.id: (show, each) for show in shows.values() for each in show.episodes}


@cache
def build(seed: int = 7) -> Spoken:
    """Make the spoken word; it does not change."""
    random = Random(seed)
    shows = [_show("show", "episode", n, random, seed=seed) for n in range(SHOWS)]
    books = [_show("audiobook", "chapter", n, random, seed=seed) for n in range(AUDIOBOOKS)]
    return Spoken({each.id: each for each in shows}, {each.id: each for each in books})


def _show(kind: str, below: str, number: int, random: Random, *, seed: int) -> Show:
    count = random.choice((1, 5, 20, 60))
    return Show(
        id=make_id(kind, number, seed=seed),
        name=names.title(random),
        publisher=f"{names.word(random)} House",
        people=tuple(names.artist_name(random) for _ in range(random.randint(1, 2))),
        episodes=[
            Episode(
                id=make_id(below, number * 100 + n, seed=seed),
                name=names.title(random),
                number=n,
                duration_ms=random.randint(600_000, 5_400_000),
                release_date=f"2025-{1 + (count - n) % 12:02d}-{1 + n % 28:02d}",
            )
            for n in range(count)
        ],
    )
