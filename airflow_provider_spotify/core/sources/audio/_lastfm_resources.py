"""What Last.fm's API offers: each resource's method, pages and columns, as data.

Methods and fields: https://www.last.fm/api (``user.getRecentTracks`` and so on). Numbers come as
text, and a name stands under ``#text`` or ``name``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal

from airflow_provider_spotify.core.sources.web.columns import Column
from airflow_provider_spotify.core.sources.web.pages import NoPages, PageNumbers
from airflow_provider_spotify.core.sources.web.resource import Bounds, Newest, Resource, Whole

ResourceName = Literal[
    "recent_tracks",
    "loved_tracks",
    "top_tracks",
    "top_artists",
    "top_albums",
    "similar_artists",
    "artist_info",
    "chart_top_artists",
    "chart_top_tracks",
]

_USER = Column("user", "string", "@key", "Last.fm user name")
_RANK = Column("rank", "bigint", "@attr.rank", "place in the list, from 1")
_PLAYS = Column("playcount", "bigint", "playcount", "number of plays")
_LISTENERS = Column("listeners", "bigint", "listeners", "number of people who listened")
_MBID = Column("mbid", "string", "mbid", "MusicBrainz id; empty if unknown")
_URL = Column("url", "string", "url", "page on last.fm")
_NAME = Column("name", "string", "name", "name or title")
_ARTIST = (
    Column("artist", "string", "artist.#text|artist.name", "artist's name"),
    Column("artist_mbid", "string", "artist.mbid", "artist's MusicBrainz id; empty if unknown"),
)


def _pages(inside: str, *, size: int) -> PageNumbers:
    return PageNumbers(
        kind="page",
        size_param="limit",
        size=size,
        pages=f"{inside}.@attr.totalPages",
        total=f"{inside}.@attr.total",
    )


def _listing(
    method: str, inside: str, records: str, columns: Sequence[Column], doc: str, **more: Any
) -> Resource:
    return Resource(
        "",
        columns,
        doc,
        records=f"{inside}.{records}",
        **{"pages": _pages(inside, size=1000), "params": {"method": method}, **more},
    )


RESOURCES: Mapping[str, Resource] = {
    "recent_tracks": _listing(
        "user.getrecenttracks",
        "recenttracks",
        "track",
        (
            _USER,
            Column("played_at", "timestamp[s]", "date.uts", "when the play began, UTC"),
            _NAME,
            _MBID,
            _URL,
            *_ARTIST,
            Column("album", "string", "album.#text", "album's title; empty if unknown"),
            Column("album_mbid", "string", "album.mbid", "album's MusicBrainz id"),
            Column("loved", "boolean", "loved", "the user loves the track"),
        ),
        "plays of a user, newest first; the one that is on now is not a play yet",
        key="users",
        params={"method": "user.getrecenttracks", "extended": 1},
        progress=Newest(Bounds("date.uts", "from", "to", "epoch")),
        identity=("date.uts", "name", "artist.name", "album.#text"),
    ),
    "similar_artists": _listing(
        "artist.getsimilar",
        "similarartists",
        "artist",
        (
            Column("of_artist", "string", "@key", "the artist that was asked about"),
            _NAME,
            _MBID,
            _URL,
            Column("match", "double", "match", "likeness, 0 to 1"),
        ),
        "artists that are like another one, likest first",
        key="artists",
        pages=NoPages(kind="none"),
        progress=Whole(timedelta(days=30)),
    ),
}
