"""What belongs to the user who consented, as data of the kit: library, plays, favourites.

Endpoints and limits: https://developer.spotify.com/documentation/web-api/reference (Users, Player
and the ``/me`` endpoints of each kind); scopes:
https://developer.spotify.com/documentation/web-api/concepts/scopes.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from airflow_provider_spotify.core.sources.audio._spotify_columns import (
    ALBUM,
    ARTIST,
    PLAYLIST,
    TRACK,
)
from airflow_provider_spotify.core.sources.audio._spotify_spoken import AUDIOBOOK, EPISODE, SHOW
from airflow_provider_spotify.core.sources.web.columns import Column
from airflow_provider_spotify.core.sources.web.pages import Offsets, Tokens
from airflow_provider_spotify.core.sources.web.resource import (
    NOTHING,
    Bounds,
    Newest,
    Resource,
    Whole,
)

LAST_PLAYS = 50
"""Spotify tells no more than a user's last fifty plays, however they are asked for
(https://github.com/spotify/web-api/issues/764)."""
_PAGES = Offsets(kind="offset", limit=50, total="total")
_MARKET: Mapping[str, Any] = MappingProxyType({"market": None})
"""The endpoint takes a market; which one, the import says."""


def inside(name: str, columns: tuple[Column, ...]) -> tuple[Column, ...]:
    """Return the columns of an object that stands below a name."""
    return tuple(
        each._replace(path="|".join(f"{name}.{way}" for way in each.path.split("|")))
        for each in columns
    )


def _saved(kind: str, columns: tuple[Column, ...], *, params: Mapping[str, Any]) -> Resource:
    added = Column("added_at", "timestamp", "added_at", "when the user saved it, UTC")
    return Resource(
        f"me/{kind}s",
        (added, *inside(kind, columns)),
        f"{kind}s that the user saved, the latest first; what is taken out leaves no trace",
        records="items",
        pages=_PAGES,
        progress=Newest(Bounds("added_at")),
        params=params,
        identity=("added_at", f"{kind}.id"),
    )


def _top(kind: str, columns: tuple[Column, ...]) -> Resource:
    return Resource(
        f"me/top/{kind}s",
        (
            Column("time_range", "string", "@key", "long_term, medium_term or short_term"),
            Column("rank", "bigint", "rank", "place in the list, from 1"),
            *columns,
        ),
        f"{kind}s that the user likes most, by how much they are played",
        records="items",
        pages=_PAGES,
        key="time_ranges",
        progress=Whole(timedelta(days=1)),
        identity=("id",),
    )


USERS: Mapping[str, Resource] = {
    "saved_tracks": _saved("track", TRACK, params=_MARKET),
    "saved_albums": _saved("album", ALBUM, params=_MARKET),
    "saved_shows": _saved("show", SHOW, params=NOTHING),
    "saved_episodes": _saved("episode", EPISODE, params=_MARKET),
    "saved_audiobooks": _saved("audiobook", AUDIOBOOK, params=NOTHING),
    "followed_artists": Resource(
        "me/following",
        ARTIST,
        "artists that the user follows",
        records="artists.items",
        pages=Tokens(
            kind="cursor", param="after", next="artists.cursors.after", size_param="limit", size=50
        ),
        params={"type": "artist"},
        identity=("id",),
    ),
    "top_tracks": _top("track", TRACK),
    "top_artists": _top("artist", ARTIST),
    "recently_played": Resource(
        "me/player/recently-played",
        (
            Column("played_at", "timestamp", "played_at", "when the play ended, UTC"),
            Column(
                "context_type",
                "string",
                "context.type",
                "album, artist, playlist, show or collection",
            ),
            Column("context_uri", "string", "context.uri", "URI of what was played from"),
            *inside("track", TRACK),
        ),
        "the user's last fifty plays of music, of at least 30 seconds; none of private sessions",
        records="items",
        params={"limit": LAST_PLAYS},
        progress=Newest(Bounds("played_at", "after", form="epoch_ms"), upper=False),
        identity=("played_at", "track.id"),
    ),
    "user_playlists": Resource(
        "me/playlists",
        tuple(each for each in PLAYLIST if each.name != "followers"),
        "playlists that the user owns or follows; `playlists` and `playlist_items` read them",
        records="items",
        pages=_PAGES,
        identity=("id",),
    ),
    "markets": Resource(
        "markets",
        (Column("market", "string", "market", "country where Spotify is (ISO 3166-1 alpha-2)"),),
        "countries where Spotify is available",
        records="markets",
        progress=Whole(timedelta(days=30)),
    ),
}
SCOPES: Mapping[str, str] = {
    **dict.fromkeys((name for name in USERS if name.startswith("saved_")), "user-library-read"),
    "followed_artists": "user-follow-read",
    "top_tracks": "user-top-read",
    "top_artists": "user-top-read",
    "recently_played": "user-read-recently-played",
    "user_playlists": "playlist-read-private",
}
"""What the user must have consented to; whatever is not here needs no user."""
