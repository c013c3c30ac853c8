"""What Last.fm tells of its users: plays, loved tracks, rankings and weekly charts.

Methods and fields: https://www.last.fm/api and, measured, https://lastfm-docs.github.io/api-docs.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from airflow_provider_spotify.core.sources.audio._lastfm_columns import (
    ALBUM,
    ARTIST,
    ARTIST_MBID,
    IMAGE,
    MBID,
    NAME,
    PERIOD,
    PERSON,
    RANK,
    SECONDS,
    THEIR_PLAYS,
    TRACK,
    URL,
    USER,
)
from airflow_provider_spotify.core.sources.audio._lastfm_lists import pages
from airflow_provider_spotify.core.sources.web.columns import Column
from airflow_provider_spotify.core.sources.web.resource import (
    Bounds,
    Newest,
    Resource,
    Spans,
    Whole,
)

WEEK = timedelta(days=7)
SUNDAY_NOON = timedelta(days=3, hours=12)
"""Last.fm's weeks begin on Sundays at 12:00 UTC; those since 1970 on Thursdays at 00:00
(https://lastfm-docs.github.io/api-docs/user/getWeeklyChartList)."""


def _ranking(method: str, inside: str, one: str, columns: tuple[Column, ...]) -> Resource:
    return Resource(
        "",
        (USER, PERIOD, RANK, *columns, THEIR_PLAYS),
        f"{one}s that a user played most within a period",
        records=f"{inside}.{one}",
        pages=pages(inside),
        params={"method": method, "period": "overall"},
        key="users",
        identity=("name", "artist.name"),
    )


def _weekly(method: str, inside: str, one: str, columns: tuple[Column, ...]) -> Resource:
    return Resource(
        "",
        (
            USER,
            Column("week_start", "timestamp", "@start", "Sunday 12:00 UTC"),
            Column("week_end", "timestamp", "@end", "the next one, exclusive"),
            RANK,
            *columns,
            THEIR_PLAYS,
        ),
        f"{one}s that a user played most in a week, at most 1,000",
        records=f"{inside}.{one}",
        # A week changes after its end: players that were offline tell of it later.
        progress=Spans(
            unit=WEEK,
            step=WEEK,
            offset=SUNDAY_NOON,
            lookback=WEEK,
            by=Bounds("", "from", "to", "epoch"),
            inclusive=False,
        ),
        params={"method": method, "limit": 1000},
        key="users",
    )


USERS: Mapping[str, Resource] = {
    "recent_tracks": Resource(
        "",
        (
            USER,
            Column("played_at", "timestamp[s]", "date.uts", "when the play began, UTC"),
            NAME,
            ARTIST,
            Column("album", "string", "album.#text", "the album's title; empty if unknown"),
            MBID,
            ARTIST_MBID,
            Column("album_mbid", "string", "album.mbid", "the album's MusicBrainz id"),
            Column("loved", "boolean", "loved", "the user loves the track, when it is read"),
            URL,
            IMAGE,
        ),
        "plays of a user, newest first; the one that is on now is no play yet",
        records="recenttracks.track",
        pages=pages("recenttracks"),
        # Players that were offline tell of plays later; most of them within a day.
        progress=Newest(Bounds("date.uts", "from", "to", "epoch"), lookback=timedelta(days=1)),
        params={"method": "user.getrecenttracks", "extended": 1},
        key="users",
        identity=("date.uts", "name", "artist.name", "album.#text"),
    ),
    "loved_tracks": Resource(
        "",
        (USER, Column("loved_at", "timestamp[s]", "date.uts", "when, UTC"), *TRACK),
        "tracks that a user loves, the latest first",
        records="lovedtracks.track",
        pages=pages("lovedtracks"),
        progress=Newest(Bounds("date.uts")),
        params={"method": "user.getlovedtracks"},
        key="users",
        identity=("date.uts", "name", "artist.name"),
    ),
    "top_tracks": _ranking("user.gettoptracks", "toptracks", "track", (*TRACK, SECONDS)),
    "top_artists": _ranking("user.gettopartists", "topartists", "artist", PERSON),
    "top_albums": _ranking("user.gettopalbums", "topalbums", "album", ALBUM),
    "weekly_tracks": _weekly("user.getweeklytrackchart", "weeklytrackchart", "track", TRACK),
    "weekly_artists": _weekly("user.getweeklyartistchart", "weeklyartistchart", "artist", PERSON),
    "weekly_albums": _weekly(
        "user.getweeklyalbumchart",
        "weeklyalbumchart",
        "album",
        (NAME, ARTIST, MBID, ARTIST_MBID, URL),
    ),
    "user_info": Resource(
        "",
        (
            Column("user", "string", "name", "Last.fm user name"),
            Column("real_name", "string", "realname", "name that the user gave; often empty"),
            Column("country", "string", "country", "country that the user gave; None if none"),
            Column("registered_at", "timestamp[s]", "registered.unixtime", "since when, UTC"),
            Column("playcount", "bigint", "playcount", "number of plays so far"),
            Column("artist_count", "bigint", "artist_count", "different artists played so far"),
            Column("track_count", "bigint", "track_count", "different tracks played so far"),
            Column("album_count", "bigint", "album_count", "different albums played so far"),
            Column("subscriber", "boolean", "subscriber", "the user pays Last.fm"),
            URL,
        ),
        "profiles of users",
        records="user",
        progress=Whole(timedelta(days=1)),
        params={"method": "user.getinfo"},
        key="users",
    ),
}
