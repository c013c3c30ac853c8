"""What Spotify's Web API offers: each resource's address, limits and columns, as data.

Addresses, limits and fields: https://developer.spotify.com/documentation/web-api/reference and, for
apps in development mode, the migration guide of February 2026
(https://developer.spotify.com/documentation/web-api/tutorials/february-2026-migration-guide).
A column marked *extended* is null for apps in development mode.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

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
]
Shape = Literal["objects", "pages", "playlists", "listing"]


class Resource(NamedTuple):
    """One resource.

    :param shape: objects: one row for each id, in batches where the app may; pages: each id has
        pages of rows; playlists: ids with a version, unchanged ones are skipped; listing: pages
        without ids
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
    def asked_by(self) -> str | None:
        """The column that tells which ids were read; None where a version tells it better."""
        if self.shape == "objects":
            return "requested_id" if self.path == "tracks" else "id"
        return f"{self.id_type}_id" if self.shape == "pages" else None


_POSITION = Column("position", "bigint", "@position", "place in the list, from 0")
_NAMED = (
    Column("id", "string", "id", "Spotify id: 22 letters and digits"),
    Column("uri", "string", "uri", "Spotify URI, such as spotify:track:…"),
    Column("name", "string", "name", "name or title"),
)
_ARTISTS = Column("artists", "list<named>", "artists", "credited artists, in order: id and name")
_MARKETS = Column(
    "available_markets",
    "list<string>",
    "available_markets",
    "countries (ISO 3166-1 alpha-2) where it plays; null when market is set; extended",
)
_IMAGE = Column("image_url", "string", "images.0.url", "widest cover image")
_POPULARITY = Column("popularity", "bigint", "popularity", "0 to 100, by recent plays; extended")
_RELEASE = (
    Column("release_date", "string", "release_date", "YYYY, YYYY-MM or YYYY-MM-DD"),
    Column("release_date_precision", "string", "release_date_precision", "year, month or day"),
)

_SIMPLE_TRACK = (
    *_NAMED,
    _ARTISTS,
    Column("duration_ms", "bigint", "duration_ms", "length in milliseconds"),
    Column("explicit", "boolean", "explicit", "has explicit lyrics; false also if unknown"),
    Column("disc_number", "bigint", "disc_number", "disc of the album, from 1"),
    Column("track_number", "bigint", "track_number", "place on its disc, from 1"),
    Column("is_playable", "boolean", "is_playable", "plays in market; null when market is not set"),
    _MARKETS,
)
_TRACK = (
    *_SIMPLE_TRACK,
    Column("isrc", "string", "external_ids.isrc", "International Standard Recording Code"),
    _POPULARITY,
    Column("linked_from_id", "string", "linked_from.id", "id it replaces in market; extended"),
    Column("album_id", "string", "album.id", "Spotify id of its album"),
    Column("album_name", "string", "album.name", "title of its album"),
    Column("album_type", "string", "album.album_type", "album, single or compilation"),
    Column("album_artists", "list<named>", "album.artists", "artists of its album: id and name"),
    Column("album_release_date", "string", "album.release_date", "YYYY, YYYY-MM or YYYY-MM-DD"),
    Column(
        "album_release_date_precision",
        "string",
        "album.release_date_precision",
        "year, month or day",
    ),
    Column("album_total_tracks", "bigint", "album.total_tracks", "number of tracks of its album"),
)
_SIMPLE_ALBUM = (
    *_NAMED,
    Column("album_type", "string", "album_type", "album, single or compilation"),
    _ARTISTS,
    *_RELEASE,
    Column("total_tracks", "bigint", "total_tracks", "number of tracks"),
    _MARKETS,
    _IMAGE,
)
_ALBUM = (
    *_SIMPLE_ALBUM,
    Column("label", "string", "label", "record label; extended"),
    _POPULARITY,
    Column("upc", "string", "external_ids.upc", "Universal Product Code"),
    Column("genres", "list<string>", "genres", "genres; mostly empty"),
)
_ARTIST = (
    *_NAMED,
    Column("genres", "list<string>", "genres", "genres, lower case"),
    _POPULARITY,
    Column("followers", "bigint", "followers.total", "number of followers; extended"),
    _IMAGE,
)
_PLAYLIST = (
    *_NAMED,
    Column("description", "string", "description", "the owner's text, as HTML"),
    Column("owner_id", "string", "owner.id", "user who owns it"),
    Column("owner_name", "string", "owner.display_name", "the owner's public name"),
    Column("public", "boolean", "public", "shown on the owner's profile; null if unknown"),
    Column("collaborative", "boolean", "collaborative", "others may change it"),
    Column("followers", "bigint", "followers.total", "number of followers"),
    Column("snapshot_id", "string", "snapshot_id", "its version; other after every change"),
    Column(
        "items_total",
        "bigint",
        "items.total|tracks.total",
        "number of items; null where they are not open to this app",
    ),
    _IMAGE,
)
_PLAYLIST_ITEM = (
    Column("playlist_id", "string", "@key", "Spotify id of the playlist"),
    _POSITION,
    Column("snapshot_id", "string", "@snapshot_id", "version of the playlist that was read"),
    Column("added_at", "timestamp", "@added_at", "when it was added; null in very old playlists"),
    Column("added_by_id", "string", "@added_by_id", "user who added it"),
    Column("type", "string", "type", "track or episode"),
    *_TRACK,
)
_SEARCH = (
    Column("query", "string", "@query", "what was searched for"),
    Column("type", "string", "@key", "track, album, artist or playlist"),
    _POSITION,
    *_NAMED,
    _ARTISTS,
    Column("album_id", "string", "album.id", "tracks: id of the album"),
    Column("album_name", "string", "album.name", "tracks: title of the album"),
    Column("release_date", "string", "release_date|album.release_date", "YYYY[-MM[-DD]]"),
    Column("duration_ms", "bigint", "duration_ms", "tracks: length in milliseconds"),
    Column("explicit", "boolean", "explicit", "tracks: has explicit lyrics"),
    Column("isrc", "string", "external_ids.isrc", "tracks: recording code"),
    Column("genres", "list<string>", "genres", "artists: genres"),
    Column("owner_id", "string", "owner.id", "playlists: user who owns it"),
    Column("total", "bigint", "total_tracks|items.total|tracks.total", "number of its tracks"),
    _POPULARITY,
)


def _ratio(name: str, doc: str) -> Column:
    return Column(name, "double", name, f"0 to 1: {doc}")


_AUDIO_FEATURES = (
    Column("id", "string", "id", "Spotify id of the track"),
    Column("uri", "string", "uri", "Spotify URI of the track"),
    Column("duration_ms", "bigint", "duration_ms", "length in milliseconds"),
    _ratio("acousticness", "confidence that it is acoustic"),
    _ratio("danceability", "fit for dancing"),
    _ratio("energy", "intensity and activity"),
    _ratio("instrumentalness", "likelihood that nobody sings"),
    _ratio("liveness", "likelihood of an audience"),
    _ratio("speechiness", "share of spoken words"),
    _ratio("valence", "from sad to cheerful"),
    Column("loudness", "double", "loudness", "mean loudness in dB, about -60 to 0"),
    Column("tempo", "double", "tempo", "beats per minute"),
    Column("key", "bigint", "key", "pitch class, 0 = C; -1 if none was found"),
    Column("mode", "bigint", "mode", "1 major, 0 minor"),
    Column("time_signature", "bigint", "time_signature", "beats in a bar, 3 to 7"),
)

RESOURCES: dict[ResourceName, Resource] = {
    "tracks": Resource(
        "objects",
        "tracks",
        50,
        (
            *_TRACK,
            Column("requested_id", "string", "@key", "id asked for; market may give another"),
        ),
        "track",
    ),
    "albums": Resource("objects", "albums", 20, _ALBUM, "album"),
    "artists": Resource("objects", "artists", 50, _ARTIST, "artist"),
    "audio_features": Resource("objects", "audio-features", 100, _AUDIO_FEATURES, "track"),
    "playlists": Resource("playlists", "playlists/{id}", 1, _PLAYLIST, "playlist"),
    "playlist_items": Resource("playlists", "playlists/{id}/items", 50, _PLAYLIST_ITEM, "playlist"),
    "album_tracks": Resource(
        "pages",
        "albums/{id}/tracks",
        50,
        (Column("album_id", "string", "@key", "album asked for"), _POSITION, *_SIMPLE_TRACK),
        "album",
    ),
    "artist_albums": Resource(
        "pages",
        "artists/{id}/albums",
        50,
        (
            Column("artist_id", "string", "@key", "artist asked for"),
            _POSITION,
            *_SIMPLE_ALBUM,
            Column("album_group", "string", "album_group", "how the artist takes part; extended"),
        ),
        "artist",
    ),
    "search": Resource("listing", "search", 50, _SEARCH),
    "new_releases": Resource("listing", "browse/new-releases", 50, (_POSITION, *_SIMPLE_ALBUM)),
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
