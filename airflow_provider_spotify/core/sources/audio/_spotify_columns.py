"""The columns of what Spotify's Web API tells of music.

A column marked *extended* is null for apps in development mode: the migration guide of February
2026 (https://developer.spotify.com/documentation/web-api/tutorials/february-2026-migration-guide).
"""

from __future__ import annotations

from airflow_provider_spotify.core.sources.web.columns import Column

POSITION = Column("position", "bigint", "@position", "place in the list, from 0")
NAMED = (
    Column("id", "string", "id", "Spotify id: 22 letters and digits"),
    Column("uri", "string", "uri", "Spotify URI, such as spotify:track:…"),
    Column("name", "string", "name", "name or title"),
)
ARTISTS = Column("artists", "list<named>", "artists", "credited artists, in order: id and name")
MARKETS = Column(
    "available_markets",
    "list<string>",
    "available_markets",
    "countries (ISO 3166-1 alpha-2) where it plays; null when market is set; extended",
)
IMAGE = Column("image_url", "string", "images.0.url", "widest cover image")
POPULARITY = Column("popularity", "bigint", "popularity", "0 to 100, by recent plays; extended")
RELEASE = (
    Column("release_date", "string", "release_date", "YYYY, YYYY-MM or YYYY-MM-DD"),
    Column("release_date_precision", "string", "release_date_precision", "year, month or day"),
)

SIMPLE_TRACK = (
    *NAMED,
    ARTISTS,
    Column("duration_ms", "bigint", "duration_ms", "length in milliseconds"),
    Column("explicit", "boolean", "explicit", "has explicit lyrics; false also if unknown"),
    Column("disc_number", "bigint", "disc_number", "disc of the album, from 1"),
    Column("track_number", "bigint", "track_number", "place on its disc, from 1"),
    Column("is_playable", "boolean", "is_playable", "plays in market; null when market is not set"),
    MARKETS,
)
TRACK = (
    *SIMPLE_TRACK,
    Column("isrc", "string", "external_ids.isrc", "International Standard Recording Code"),
    POPULARITY,
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
SIMPLE_ALBUM = (
    *NAMED,
    Column("album_type", "string", "album_type", "album, single or compilation"),
    ARTISTS,
    *RELEASE,
    Column("total_tracks", "bigint", "total_tracks", "number of tracks"),
    MARKETS,
    IMAGE,
)
ALBUM = (
    *SIMPLE_ALBUM,
    Column("label", "string", "label", "record label; extended"),
    POPULARITY,
    Column("upc", "string", "external_ids.upc", "Universal Product Code"),
    Column("genres", "list<string>", "genres", "genres; mostly empty"),
)
ARTIST = (
    *NAMED,
    Column("genres", "list<string>", "genres", "genres, lower case"),
    POPULARITY,
    Column("followers", "bigint", "followers.total", "number of followers; extended"),
    IMAGE,
)
PLAYLIST = (
    *NAMED,
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
    IMAGE,
)
PLAYLIST_ITEM = (
    Column("playlist_id", "string", "@key", "Spotify id of the playlist"),
    POSITION,
    Column("snapshot_id", "string", "@snapshot_id", "version of the playlist that was read"),
    Column("added_at", "timestamp", "@added_at", "when it was added; null in very old playlists"),
    Column("added_by_id", "string", "@added_by_id", "user who added it"),
    Column("type", "string", "type", "track or episode"),
    *TRACK,
)
SEARCH = (
    Column("query", "string", "@query", "what was searched for"),
    Column("type", "string", "@key", "track, album, artist or playlist"),
    POSITION,
    *NAMED,
    ARTISTS,
    Column("album_id", "string", "album.id", "tracks: id of the album"),
    Column("album_name", "string", "album.name", "tracks: title of the album"),
    Column("release_date", "string", "release_date|album.release_date", "YYYY[-MM[-DD]]"),
    Column("duration_ms", "bigint", "duration_ms", "tracks: length in milliseconds"),
    Column("explicit", "boolean", "explicit", "tracks: has explicit lyrics"),
    Column("isrc", "string", "external_ids.isrc", "tracks: recording code"),
    Column("genres", "list<string>", "genres", "artists: genres"),
    Column("owner_id", "string", "owner.id", "playlists: user who owns it"),
    Column("total", "bigint", "total_tracks|items.total|tracks.total", "number of its tracks"),
    POPULARITY,
)


def _ratio(name: str, doc: str) -> Column:
    return Column(name, "double", name, f"0 to 1: {doc}")


AUDIO_FEATURES = (
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
