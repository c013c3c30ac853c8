"""The columns that several resources of Last.fm share."""

from __future__ import annotations

from airflow_provider_spotify.core.sources.web.columns import Column

USER = Column("user", "string", "@key", "Last.fm user name, as configured")
PERIOD = Column("period", "string", "@period", "what the ranking spans: overall, 7day …")
RANK = Column("rank", "bigint", "rank", "place in the list, from 1")
NAME = Column("name", "string", "name", "name or title")
MBID = Column("mbid", "string", "mbid", "MusicBrainz id; empty or null if unknown")
URL = Column("url", "string", "url", "page on last.fm")
ARTIST = Column("artist", "string", "artist.#text|artist.name|artist", "the artist's name")
ARTIST_MBID = Column(
    "artist_mbid", "string", "artist.mbid", "the artist's MusicBrainz id; empty if unknown"
)
PLAYS = Column("playcount", "bigint", "playcount", "number of plays, by everyone")
THEIR_PLAYS = Column("playcount", "bigint", "playcount", "number of the user's plays")
LISTENERS = Column("listeners", "bigint", "listeners", "number of people who listened, worldwide")
SECONDS = Column("duration_s", "bigint", "duration", "length, seconds; 0 if unknown")
IMAGE = Column(
    "image_url", "string", "image.3.#text|image.2.#text|image.1.#text", "picture, at most 300 px"
)
TRACK = (NAME, ARTIST, MBID, ARTIST_MBID, URL)
ALBUM = (NAME, ARTIST, MBID, ARTIST_MBID, URL, IMAGE)
PERSON = (NAME, MBID, URL)
"""An artist."""
