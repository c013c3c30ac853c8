"""Sensors that wait for audio and music services."""

from __future__ import annotations

from airflow_provider_spotify.sensors.base import SourceReadySensor


class SpotifyReadySensor(SourceReadySensor):
    """Wait for something new in Spotify since the last import."""

    source_type = "spotify"
    default_conn_id = "spotify_default"


class LastfmReadySensor(SourceReadySensor):
    """Wait for something new at Last.fm since the last import."""

    source_type = "lastfm"
    default_conn_id = "lastfm_default"


class SoundcloudReadySensor(SourceReadySensor):
    """Wait for something new at SoundCloud since the last import."""

    source_type = "soundcloud"
    default_conn_id = "soundcloud_default"
