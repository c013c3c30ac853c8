"""What Spotify's Web API offers: each resource's address, limits and columns, as data.

Addresses, limits and fields: https://developer.spotify.com/documentation/web-api/reference and, for
apps in development mode, the migration guide of February 2026
(https://developer.spotify.com/documentation/web-api/tutorials/february-2026-migration-guide).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from airflow_provider_spotify.core.sources.audio._spotify_columns import (
    ALBUM,
    ARTIST,
    AUDIO_FEATURES,
    PLAYLIST,
    PLAYLIST_ITEM,
    POSITION,
    SEARCH,
    SIMPLE_ALBUM,
    SIMPLE_TRACK,
    TRACK,
)
from airflow_provider_spotify.core.sources.audio._spotify_spoken import (
    AUDIOBOOK,
    CHAPTER,
    EPISODE,
    SHOW,
    SIMPLE_EPISODE,
)
from airflow_provider_spotify.core.sources.audio._spotify_users import USERS
from airflow_provider_spotify.core.sources.web.columns import Column

ResourceName = Literal[
    "tracks",
    "albums",
    "artists",
    "playlists",
    "playlist_items",
    "album_tracks",
    "artist_albums",
    "search",
    "new_releases",
    "audio_features",
    "shows",
    "show_episodes",
    "episodes",
    "audiobooks",
    "audiobook_chapters",
    "saved_tracks",
    "saved_albums",
    "saved_shows",
    "saved_episodes",
    "saved_audiobooks",
    "followed_artists",
    "top_tracks",
    "top_artists",
    "recently_played",
    "user_playlists",
    "markets",
]
Shape = Literal["objects", "pages", "playlists", "listing", "kit"]


class Resource(NamedTuple):
    """One resource.

    :param shape: objects: one row for each id, in batches where the app may; pages: each id has
        pages of rows; playlists: ids with a version, unchanged ones are skipped; listing: pages
        without ids; kit: as the kit of web sources reads the resource of this name in ``USERS``
    :param path: the address below ``/v1``
    :param most: the most ids of a batch, or rows of a page, that one request may ask for
    :param id_type: the word before an id in its URI
    """

    shape: Shape
    path: str
    most: int
    columns: tuple[Column, ...]
    id_type: str = ""

    @property
    def by_id(self) -> bool:
        """It is read by ids."""
        return self.shape in ("objects", "pages", "playlists")

    @property
    def asked_by(self) -> str | None:
        """The column that tells which ids were read; None where a version tells it better."""
        if self.shape == "objects":
            return "requested_id" if self.path == "tracks" else "id"
        return f"{self.id_type}_id" if self.shape == "pages" else None


RESOURCES: dict[ResourceName, Resource] = {
    "tracks": Resource(
        "objects",
        "tracks",
        50,
        (
            *TRACK,
            Column("requested_id", "string", "@key", "id asked for; market may give another"),
        ),
        "track",
    ),
    "albums": Resource("objects", "albums", 20, ALBUM, "album"),
    "artists": Resource("objects", "artists", 50, ARTIST, "artist"),
    "audio_features": Resource("objects", "audio-features", 100, AUDIO_FEATURES, "track"),
    "playlists": Resource("playlists", "playlists/{id}", 1, PLAYLIST, "playlist"),
    "playlist_items": Resource("playlists", "playlists/{id}/items", 50, PLAYLIST_ITEM, "playlist"),
    "album_tracks": Resource(
        "pages",
        "albums/{id}/tracks",
        50,
        (Column("album_id", "string", "@key", "album asked for"), POSITION, *SIMPLE_TRACK),
        "album",
    ),
    "artist_albums": Resource(
        "pages",
        "artists/{id}/albums",
        50,
        (
            Column("artist_id", "string", "@key", "artist asked for"),
            POSITION,
            *SIMPLE_ALBUM,
            Column("album_group", "string", "album_group", "how the artist takes part; extended"),
        ),
        "artist",
    ),
    "shows": Resource("objects", "shows", 50, SHOW, "show"),
    "episodes": Resource("objects", "episodes", 50, EPISODE, "episode"),
    "audiobooks": Resource("objects", "audiobooks", 50, AUDIOBOOK, "audiobook"),
    "show_episodes": Resource(
        "pages",
        "shows/{id}/episodes",
        50,
        (Column("show_id", "string", "@key", "show asked for"), POSITION, *SIMPLE_EPISODE),
        "show",
    ),
    "audiobook_chapters": Resource(
        "pages",
        "audiobooks/{id}/chapters",
        50,
        (Column("audiobook_id", "string", "@key", "audiobook asked for"), POSITION, *CHAPTER),
        "audiobook",
    ),
    "search": Resource("listing", "search", 50, SEARCH),
    "new_releases": Resource("listing", "browse/new-releases", 50, (POSITION, *SIMPLE_ALBUM)),
    **{name: Resource("kit", each.path, 50, tuple(each.columns)) for name, each in USERS.items()},  # type: ignore[misc]
}
"""Every resource by its YAML name. Limits are those of extended mode; in development mode there are
no batches (since February 2026) and a search page has ten rows."""

SEARCH_PAGE_IN_DEVELOPMENT = 10
SEARCH_DEPTH = 1000
"""A search gives no more than its first thousand results."""
PLAYLIST_FIELDS = (
    "id,uri,name,description,owner(id,display_name),public,collaborative,followers.total,"
    "snapshot_id,items.total,tracks.total,images"
)
"""What is asked of a playlist: everything but its items, which have a resource of their own."""
