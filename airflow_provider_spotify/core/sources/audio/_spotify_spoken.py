"""The columns of what Spotify's Web API tells of the spoken word: shows, episodes, audiobooks.

Fields: https://developer.spotify.com/documentation/web-api/reference/get-a-show and its neighbours.
A column marked *extended* is null for apps in development mode.
"""

from __future__ import annotations

from airflow_provider_spotify.core.sources.audio._spotify_columns import (
    IMAGE,
    MARKETS,
    NAMED,
    RELEASE,
)
from airflow_provider_spotify.core.sources.web.columns import Column

_DESCRIPTION = Column("description", "string", "description", "what it is about, without HTML")
_EXPLICIT = Column("explicit", "boolean", "explicit", "has explicit content; false also if unknown")
_LANGUAGES = Column("languages", "list<string>", "languages", "ISO 639-1 codes")
_PUBLISHER = Column("publisher", "string", "publisher", "who publishes it; extended")
_RESUME = (
    Column("fully_played", "boolean", "resume_point.fully_played", "the user heard all of it"),
    Column(
        "resume_position_ms",
        "bigint",
        "resume_point.resume_position_ms",
        "where the user stopped, in milliseconds; needs the scope user-read-playback-position",
    ),
)

SHOW = (
    *NAMED,
    _DESCRIPTION,
    _PUBLISHER,
    Column("media_type", "string", "media_type", "audio, video or mixed"),
    Column("total_episodes", "bigint", "total_episodes", "number of episodes"),
    _EXPLICIT,
    _LANGUAGES,
    Column("is_externally_hosted", "boolean", "is_externally_hosted", "hosted outside of Spotify"),
    MARKETS,
    IMAGE,
)
SIMPLE_EPISODE = (
    *NAMED,
    _DESCRIPTION,
    Column("duration_ms", "bigint", "duration_ms", "length in milliseconds"),
    _EXPLICIT,
    *RELEASE,
    _LANGUAGES,
    Column("is_playable", "boolean", "is_playable", "plays in market"),
    Column("is_externally_hosted", "boolean", "is_externally_hosted", "hosted outside of Spotify"),
    *_RESUME,
    IMAGE,
)
EPISODE = (
    *SIMPLE_EPISODE,
    Column("show_id", "string", "show.id", "Spotify id of its show"),
    Column("show_name", "string", "show.name", "title of its show"),
    Column("show_publisher", "string", "show.publisher", "who publishes its show; extended"),
)
AUDIOBOOK = (
    *NAMED,
    Column("authors", "list<named>", "authors", "authors: names, without ids"),
    Column("narrators", "list<named>", "narrators", "narrators: names, without ids"),
    _PUBLISHER,
    _DESCRIPTION,
    Column("edition", "string", "edition", "such as Unabridged"),
    _EXPLICIT,
    _LANGUAGES,
    Column("total_chapters", "bigint", "total_chapters", "number of chapters"),
    MARKETS,
    IMAGE,
)
CHAPTER = (
    *NAMED,
    Column("chapter_number", "bigint", "chapter_number", "place in the audiobook, from 0"),
    _DESCRIPTION,
    Column("duration_ms", "bigint", "duration_ms", "length in milliseconds"),
    _EXPLICIT,
    *RELEASE,
    _LANGUAGES,
    Column("is_playable", "boolean", "is_playable", "plays in market"),
    *_RESUME,
    MARKETS,
    IMAGE,
)
