"""What SoundCloud's API offers: each resource's path, pages, order of time and columns, as data.

Paths and parameters: https://developers.soundcloud.com/docs/api/explorer/open-api, and
https://github.com/soundcloud/api/blob/master/openapi/api.yaml.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal

from airflow_provider_spotify.core.sources.audio._soundcloud_columns import (
    COMMENT,
    PLAYLIST,
    TRACK,
    TRACK_URNS,
    USER,
)
from airflow_provider_spotify.core.sources.audio._soundcloud_pages import LinkedPartitions
from airflow_provider_spotify.core.sources.web.columns import Column
from airflow_provider_spotify.core.sources.web.pages import NoPages
from airflow_provider_spotify.core.sources.web.resource import Bounds, Newest, Resource, Whole

ResourceName = Literal[
    "tracks", "users", "playlists", "user_tracks", "user_playlists", "liked_tracks",
    "liked_playlists", "followings", "followers", "playlist_tracks", "comments", "related_tracks",
    "search_tracks", "search_users", "search_playlists", "my_tracks", "my_playlists",
    "my_liked_tracks", "my_followings", "my_followers",
]  # fmt: skip
_PAGES = LinkedPartitions(kind="linked_partitions")
_DAILY = Whole(timedelta(days=1))
_LINKED: Mapping[str, Any] = {"linked_partitioning": True}
ACCESS: Mapping[str, Any] = {"access": ""}
"""The parameter whose value the configuration has."""
_FORTNIGHT = timedelta(days=14)
"""Tracks are ordered by when they were uploaded, and often made public days later."""
_UPLOADED = Newest(Bounds("created_at"), lookback=_FORTNIGHT)
_OF_USER = Column("of_user", "string", "@key", "URN of the user that was asked about")
_OF_TRACK = Column("of_track", "string", "@key", "URN of the track that was asked about")
_IN_PLAYLIST = Column("playlist_urn", "string", "@key", "URN of the playlist that it is in")
_QUERY = Column("query", "string", "@key", "the text that was searched for")


def _one(path: str, columns: Sequence[Column], doc: str, *, key: str, **params: Any) -> Resource:
    """Return a resource whose every key is one object."""
    return Resource(
        path, columns, doc, pages=NoPages(kind="none"), progress=_DAILY, key=key, params=params
    )


def _list(
    path: str, columns: Sequence[Column], doc: str, *, key: str | None = None, **more: Any
) -> Resource:
    """Return a listing with linked partitions."""
    known = {"pages": _PAGES, "progress": _DAILY, "params": _LINKED, **more}
    return Resource(path, columns, doc, records="collection", key=key, identity=("urn",), **known)


RESOURCES: Mapping[str, Resource] = {
    "tracks": _one("tracks/{key}", TRACK, "tracks by URN, with their counts", key="tracks"),
    "users": _one("users/{key}", USER, "users by URN, with their counts", key="users"),
    "playlists": _one(
        "playlists/{key}",
        (*PLAYLIST, TRACK_URNS),
        "playlists by URN, with the order of their tracks",
        key="playlists",
        **ACCESS,
        show_tracks=True,
    ),
    "user_tracks": _list(
        "users/{key}/tracks",
        TRACK,
        "tracks that a user uploaded, the latest first",
        key="users",
        progress=_UPLOADED,
        params={**_LINKED, **ACCESS, "sort": "desc"},
    ),
    "user_playlists": _list(
        "users/{key}/playlists",
        PLAYLIST,
        "a user's playlists",
        key="users",
        params={**_LINKED, **ACCESS, "show_tracks": False},
    ),
    "liked_tracks": _list(
        "users/{key}/likes/tracks",
        (_OF_USER, *TRACK),
        "tracks that a user likes; the API does not say since when",
        key="users",
        params={**_LINKED, **ACCESS},
    ),
    "liked_playlists": _list(
        "users/{key}/likes/playlists",
        (_OF_USER, *PLAYLIST),
        "playlists that a user likes; the API does not say since when",
        key="users",
    ),
    "followings": _list(
        "users/{key}/followings",
        (_OF_USER, *USER),
        "users that a user follows",
        key="users",
        params={},
    ),
    "followers": _list(
        "users/{key}/followers",
        (_OF_USER, *USER),
        "users that follow a user",
        key="users",
        params={},
    ),
    "playlist_tracks": _list(
        "playlists/{key}/tracks",
        (_IN_PLAYLIST, *TRACK),
        "tracks of a playlist, in order",
        key="playlists",
        pages=LinkedPartitions(kind="linked_partitions", size=None),
        params={**_LINKED, **ACCESS},
    ),
    "comments": _list("tracks/{key}/comments", COMMENT, "comments on a track", key="tracks"),
    "related_tracks": _list(
        "tracks/{key}/related",
        (_OF_TRACK, *TRACK),
        "tracks that SoundCloud relates to one",
        key="tracks",
        progress=Whole(timedelta(days=7)),
        params={**_LINKED, **ACCESS},
    ),
    "search_tracks": _list(
        "tracks",
        (_QUERY, *TRACK),
        "tracks that a search finds; later runs ask for what was uploaded since",
        key="queries",
        progress=Newest(
            Bounds("created_at", "created_at[from]", "created_at[to]", "%Y-%m-%d %H:%M:%S"),
            lookback=_FORTNIGHT,
        ),
        params={**_LINKED, **ACCESS},
    ),
    "search_users": _list("users", (_QUERY, *USER), "users that a search finds", key="queries"),
    "search_playlists": _list(
        "playlists",
        (_QUERY, *PLAYLIST),
        "playlists that a search finds",
        key="queries",
        params={**_LINKED, **ACCESS, "show_tracks": False},
    ),
    "my_tracks": _list(
        "me/tracks",
        TRACK,
        "tracks that the connection's user uploaded, private ones too, the latest first",
        progress=_UPLOADED,
        params={**_LINKED, "sort": "desc"},
    ),
    "my_playlists": _list(
        "me/playlists",
        PLAYLIST,
        "playlists of the connection's user, private ones too",
        params={**_LINKED, "show_tracks": False},
    ),
    "my_liked_tracks": _list(
        "me/likes/tracks",
        TRACK,
        "tracks that the connection's user likes",
        params={**_LINKED, **ACCESS},
    ),
    "my_followings": _list(
        "me/followings", USER, "users that the connection's user follows", params={}
    ),
    "my_followers": _list(
        "me/followers", USER, "users that follow the connection's user", params={}
    ),
}
KEYS = ("users", "tracks", "playlists", "queries")
