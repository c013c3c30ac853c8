"""Operators that import from audio and music services."""

from __future__ import annotations

from airflow_provider_spotify.operators.base import ImportOperator


class SpotifyImportOperator(ImportOperator):
    """Import from Spotify's Web API: tracks, albums, artists, playlists, searches and more."""

    source_type = "spotify"
    default_conn_id = "spotify_default"
