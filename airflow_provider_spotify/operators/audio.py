"""Operators that import from audio and music services."""

from __future__ import annotations

from airflow_provider_spotify.operators.base import ImportOperator


class SpotifyImportOperator(ImportOperator):
    """Import from Spotify's Web API: its catalogue, and users' libraries, plays and favourites."""

    source_type = "spotify"
    default_conn_id = "spotify_default"


class LastfmImportOperator(ImportOperator):
    """Import from Last.fm: users' plays, loved tracks and rankings, charts, tags, similar music."""

    source_type = "lastfm"
    default_conn_id = "lastfm_default"


class SoundcloudImportOperator(ImportOperator):
    """Import from SoundCloud: tracks, users, playlists, comments, likes and followings."""

    source_type = "soundcloud"
    default_conn_id = "soundcloud_default"
