"""The columns of SoundCloud's tracks, users, playlists and comments.

Fields: https://developers.soundcloud.com/docs/api/explorer/open-api. Ids are URNs; numeric ids are
deprecated. Counts are null where the uploader hides them.
"""

from __future__ import annotations

from airflow_provider_spotify.core.sources.web.columns import Column

_URL = Column("permalink_url", "string", "permalink_url", "page on soundcloud.com")
_CREATED = Column("created_at", "timestamp", "created_at", "when, UTC")
_DESCRIPTION = Column("description", "string", "description", "text by its author")
_GENRE = Column("genre", "string", "genre", "genre, as its author wrote it")
_TAGS = Column("tag_list", "string", "tag_list", "tags with spaces between, longer ones quoted")
_RELEASED = (
    Column("release_year", "bigint", "release_year", "year of the release"),
    Column("release_month", "bigint", "release_month", "month of the release, from 1"),
    Column("release_day", "bigint", "release_day", "day of the release, from 1"),
)
_OWNER = (
    Column("user_urn", "string", "user.urn|user_urn", "URN of the user whose it is"),
    Column("username", "string", "user.username", "that user's name"),
)
_MODIFIED = Column("last_modified", "timestamp", "last_modified", "last change, UTC")
_DURATION = Column("duration_ms", "bigint", "duration", "length, milliseconds")
_LICENSE = Column("license", "string", "license", "all-rights-reserved, cc-by …")
_SHARING = Column("sharing", "string", "sharing", "public or private")
_ARTWORK = Column("artwork_url", "string", "artwork_url", "picture")
_LABEL = Column("label_name", "string", "label_name", "name of the label")

TRACK = (
    Column("urn", "string", "urn", "URN: soundcloud:tracks:123"),
    Column("title", "string", "title", "title"),
    _CREATED,
    *_OWNER,
    Column("metadata_artist", "string", "metadata_artist", "artist, if another than the user"),
    _DURATION,
    Column("access", "string", "access", "playable, preview (a snippet) or blocked, for this app"),
    Column("playback_count", "bigint", "playback_count", "plays; null if hidden"),
    Column("favoritings_count", "bigint", "favoritings_count", "likes; null if hidden"),
    Column("reposts_count", "bigint", "reposts_count", "reposts; null if hidden"),
    Column("comment_count", "bigint", "comment_count", "comments; null if hidden"),
    Column("download_count", "bigint", "download_count", "downloads; null if hidden"),
    _GENRE,
    _TAGS,
    Column("bpm", "double", "bpm", "tempo, beats a minute"),
    Column("key_signature", "string", "key_signature", "key, as its author wrote it"),
    Column("isrc", "string", "isrc", "International Standard Recording Code"),
    _LABEL,
    *_RELEASED,
    _LICENSE,
    _SHARING,
    Column("streamable", "boolean", "streamable", "may be streamed"),
    Column("downloadable", "boolean", "downloadable", "may be downloaded"),
    Column("commentable", "boolean", "commentable", "may be commented"),
    _DESCRIPTION,
    _ARTWORK,
    _URL,
)
USER = (
    Column("urn", "string", "urn", "URN: soundcloud:users:123"),
    Column("username", "string", "username", "name on SoundCloud"),
    Column("permalink", "string", "permalink", "name in addresses"),
    Column("full_name", "string", "full_name", "first and last name, as the user gave them"),
    Column("city", "string", "city", "city, as the user gave it"),
    Column("country", "string", "country", "country, as the user gave it"),
    _CREATED,
    _MODIFIED,
    Column("followers_count", "bigint", "followers_count", "users that follow"),
    Column("followings_count", "bigint", "followings_count", "users that are followed"),
    Column("track_count", "bigint", "track_count", "public tracks"),
    Column("playlist_count", "bigint", "playlist_count", "public playlists"),
    Column("likes_count", "bigint", "public_favorites_count", "public tracks that are liked"),
    Column("reposts_count", "bigint", "reposts_count", "reposts"),
    Column("plan", "string", "plan", "subscription"),
    _DESCRIPTION,
    Column("website", "string", "website", "address of the user's own pages"),
    Column("avatar_url", "string", "avatar_url", "picture"),
    _URL,
)
PLAYLIST = (
    Column("urn", "string", "urn", "URN: soundcloud:playlists:123"),
    Column("title", "string", "title", "title"),
    _CREATED,
    _MODIFIED,
    *_OWNER,
    Column("playlist_type", "string", "playlist_type|type", "album, ep, single, compilation …"),
    Column("track_count", "bigint", "track_count", "tracks in it"),
    _DURATION,
    Column("likes_count", "bigint", "likes_count", "likes"),
    _GENRE,
    _TAGS,
    _LABEL,
    Column("ean", "string", "ean", "European Article Number"),
    *_RELEASED,
    _LICENSE,
    _SHARING,
    _DESCRIPTION,
    _ARTWORK,
    _URL,
)
TRACK_URNS = Column("track_urns", "list<string>", "track_urns", "its tracks, in order")
COMMENT = (
    Column("urn", "string", "urn", "URN: soundcloud:comments:123"),
    Column("track_urn", "string", "track_urn", "URN of the track"),
    *_OWNER,
    _CREATED,
    Column("at_ms", "bigint", "timestamp", "place in the track, milliseconds; null if none"),
    Column("body", "string", "body", "what it says"),
)
