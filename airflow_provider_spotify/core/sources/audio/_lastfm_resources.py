"""The resources of Last.fm's API: each one's method, pages, order of time and columns, as data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from airflow_provider_spotify.core.sources.audio._lastfm_music import CHARTS, WORKS
from airflow_provider_spotify.core.sources.audio._lastfm_users import USERS
from airflow_provider_spotify.core.sources.web.resource import Resource

ResourceName = Literal[
    "recent_tracks", "loved_tracks", "top_tracks", "top_artists", "top_albums", "weekly_tracks",
    "weekly_artists", "weekly_albums", "user_info", "chart_top_artists", "chart_top_tracks",
    "chart_top_tags", "geo_top_artists", "geo_top_tracks", "tag_top_artists", "tag_top_tracks",
    "tag_top_albums", "artist_top_tracks", "artist_top_albums", "artist_top_tags",
    "track_top_tags", "album_top_tags", "similar_artists", "similar_tracks", "artist_info",
    "track_info", "album_info",
]  # fmt: skip
RESOURCES: Mapping[str, Resource] = {
    # An empty list may be missing, since XML has no element for it; what holds it is there.
    name: resource._replace(always=str(resource.records).partition(".")[0])
    for name, resource in {**USERS, **CHARTS, **WORKS}.items()
}
KEYS: Mapping[str, str] = {
    "users": "user",
    "artists": "artist",
    "tags": "tag",
    "countries": "country",
    "tracks": "track",
    "albums": "album",
}
"""The parameter that each key of the configuration becomes; the last two come with ``artist``."""
