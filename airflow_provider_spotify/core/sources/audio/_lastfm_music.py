"""What Last.fm tells of music: charts, countries, tags, what is similar, and what a thing is.

Methods and fields: https://www.last.fm/api and, measured, https://lastfm-docs.github.io/api-docs.
Lists that rank all of Last.fm's music have millions of rows; their first thousand are read unless
``most`` says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from airflow_provider_spotify.core.sources.audio._lastfm_columns import (
    ALBUM,
    ARTIST,
    IMAGE,
    LISTENERS,
    MBID,
    NAME,
    PERSON,
    PLAYS,
    RANK,
    SECONDS,
    TRACK,
    URL,
)
from airflow_provider_spotify.core.sources.audio._lastfm_lists import MOST, pages
from airflow_provider_spotify.core.sources.web.columns import Column
from airflow_provider_spotify.core.sources.web.pages import NoPages
from airflow_provider_spotify.core.sources.web.resource import Resource, Whole

_COUNTRY = Column("country", "string", "@key", "the country, as configured")
_TAG = Column("tag", "string", "@key", "the tag, as configured")
_OF_ARTIST = Column("of_artist", "string", "@artist", "the artist that was asked about")
_OF_TRACK = Column("of_track", "string", "@name", "the title that was asked about")
_OF_ALBUM = Column("of_album", "string", "@name", "the album that was asked about")
_MATCH = Column("match", "double", "match", "likeness, 0 to 1")
_WEIGHT = Column("weight", "bigint", "count", "how often it was given, 100 for the first")
_TAGS = Column("tags", "list<string>", "tag_names", "its first tags, at most five")
_WIKI = (
    Column("wiki_published", "string", "wiki.published|bio.published", "when; as Last.fm writes"),
    Column("wiki_summary", "string", "wiki.summary|bio.summary", "begin of its text, HTML"),
)
_MONTH = Whole(timedelta(days=30))
_CORRECT: Mapping[str, Any] = {"autocorrect": 0}


def _ranked(method: str, at: str, columns: Sequence[Column], doc: str, **more: Any) -> Resource:
    """Return a list with pages that ranks music; ``at`` is where its rows stand."""
    named = {"params": {"method": method, **more.pop("params", {})}, **more}
    paging = pages(at.partition(".")[0], most=MOST)
    return Resource(
        "", columns, doc, records=at, pages=paging, identity=("name", "artist.name"), **named
    )


def _listed(method: str, at: str, columns: Sequence[Column], doc: str, **more: Any) -> Resource:
    """Return a list without pages about an artist, a track or an album."""
    params = {"method": method, **_CORRECT, **more.pop("params", {})}
    paging, progress = NoPages(kind="none"), more.pop("progress", _MONTH)
    return Resource(
        "", columns, doc, records=at, pages=paging, progress=progress, params=params, **more
    )


CHARTS: Mapping[str, Resource] = {
    "chart_top_artists": _ranked(
        "chart.gettopartists",
        "artists.artist",
        (RANK, *PERSON, PLAYS, LISTENERS),
        "artists that are played most everywhere",
    ),
    "chart_top_tracks": _ranked(
        "chart.gettoptracks",
        "tracks.track",
        (RANK, *TRACK, SECONDS, PLAYS, LISTENERS),
        "tracks that are played most everywhere",
    ),
    "chart_top_tags": _ranked(
        "chart.gettoptags",
        "tags.tag",
        (
            RANK,
            NAME,
            URL,
            Column("reach", "bigint", "reach", "number of people who gave it"),
            Column("taggings", "bigint", "taggings", "how often it was given"),
        ),
        "tags that are given most",
    ),
    "geo_top_artists": _ranked(
        "geo.gettopartists",
        "topartists.artist",
        (_COUNTRY, RANK, *PERSON, LISTENERS),
        "artists that are played most in a country",
        key="countries",
    ),
    "geo_top_tracks": _ranked(
        "geo.gettoptracks",
        "tracks.track",
        (_COUNTRY, RANK, *TRACK, SECONDS, LISTENERS),
        "tracks that are played most in a country",
        key="countries",
    ),
    "tag_top_artists": _ranked(
        "tag.gettopartists",
        "topartists.artist",
        (_TAG, RANK, *PERSON),
        "artists that a tag is given to most",
        key="tags",
    ),
    "tag_top_tracks": _ranked(
        "tag.gettoptracks",
        "tracks.track",
        (_TAG, RANK, *TRACK, SECONDS),
        "tracks that a tag is given to most",
        key="tags",
    ),
    "tag_top_albums": _ranked(
        "tag.gettopalbums",
        "albums.album",
        (_TAG, RANK, *ALBUM),
        "albums that a tag is given to most",
        key="tags",
    ),
    "artist_top_tracks": _ranked(
        "artist.gettoptracks",
        "toptracks.track",
        (_OF_ARTIST, RANK, *TRACK, PLAYS, LISTENERS),
        "an artist's tracks that are played most",
        key="artists",
        params=_CORRECT,
    ),
    "artist_top_albums": _ranked(
        "artist.gettopalbums",
        "topalbums.album",
        (_OF_ARTIST, RANK, *ALBUM, PLAYS),
        "an artist's albums that are played most",
        key="artists",
        params=_CORRECT,
    ),
}
WORKS: Mapping[str, Resource] = {
    "similar_artists": _listed(
        "artist.getsimilar",
        "similarartists.artist",
        (_OF_ARTIST, RANK, *PERSON, _MATCH),
        "artists that are like another one, likest first",
        key="artists",
        params={"limit": 100},
    ),
    "similar_tracks": _listed(
        "track.getsimilar",
        "similartracks.track",
        (_OF_ARTIST, _OF_TRACK, RANK, *TRACK, SECONDS, _MATCH, PLAYS),
        "tracks that are like another one, likest first",
        key="tracks",
        params={"limit": 100},
    ),
    "artist_top_tags": _listed(
        "artist.gettoptags",
        "toptags.tag",
        (_OF_ARTIST, RANK, NAME, _WEIGHT, URL),
        "tags that an artist was given most",
        key="artists",
    ),
    "track_top_tags": _listed(
        "track.gettoptags",
        "toptags.tag",
        (_OF_ARTIST, _OF_TRACK, RANK, NAME, _WEIGHT, URL),
        "tags that a track was given most",
        key="tracks",
    ),
    "album_top_tags": _listed(
        "album.gettoptags",
        "toptags.tag",
        (_OF_ARTIST, _OF_ALBUM, RANK, NAME, _WEIGHT, URL),
        "tags that an album was given most",
        key="albums",
    ),
    "artist_info": _listed(
        "artist.getinfo",
        "artist",
        (
            _OF_ARTIST,
            *PERSON,
            Column("playcount", "bigint", "stats.playcount", "number of plays, by everyone"),
            Column("listeners", "bigint", "stats.listeners", "number of people who listened"),
            Column("on_tour", "boolean", "ontour", "has concerts to come"),
            _TAGS,
            Column("similar", "list<string>", "similar_names", "artists like it, at most five"),
            *_WIKI,
        ),
        "what Last.fm knows of an artist",
        key="artists",
    ),
    "track_info": _listed(
        "track.getinfo",
        "track",
        (
            _OF_ARTIST,
            _OF_TRACK,
            *TRACK,
            Column("duration_ms", "bigint", "duration", "length, milliseconds; 0 if unknown"),
            PLAYS,
            LISTENERS,
            Column("album", "string", "album.title", "an album that it is on"),
            Column("album_mbid", "string", "album.mbid", "that album's MusicBrainz id"),
            _TAGS,
            *_WIKI,
        ),
        "what Last.fm knows of a track",
        key="tracks",
    ),
    "album_info": _listed(
        "album.getinfo",
        "album",
        (
            _OF_ARTIST,
            _OF_ALBUM,
            NAME,
            ARTIST,
            MBID,
            URL,
            IMAGE,
            PLAYS,
            LISTENERS,
            Column("tracks", "json", "track_list", "its tracks, in order, as Last.fm gives them"),
            _TAGS,
            *_WIKI,
        ),
        "what Last.fm knows of an album",
        key="albums",
    ),
}
