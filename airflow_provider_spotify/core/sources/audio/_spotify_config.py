"""The keys of ``source: {type: spotify, …}``, and which of them go together."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, Self

from pydantic import Field, model_validator

from airflow_provider_spotify.core.clients.http.settings import BaseUrl, RateLimit
from airflow_provider_spotify.core.config.rules import Duration
from airflow_provider_spotify.core.sources.audio._spotify_ids import IdsFrom
from airflow_provider_spotify.core.sources.audio._spotify_resources import RESOURCES, ResourceName
from airflow_provider_spotify.core.sources.base import SourceConfig

API_URL = "https://api.spotify.com/v1"
TOKEN_URL = "https://accounts.spotify.com/api/token"  # noqa: S105 - an address
SearchType = Literal["track", "album", "artist", "playlist"]
TimeRange = Literal["long_term", "medium_term", "short_term"]
CLOSED: dict[ResourceName, str] = {
    "new_releases": "closed to apps in development mode since February 2026",
    "markets": "closed to apps in development mode since February 2026",
    "audio_features": "closed to apps in development mode, and to all from after 2024-11-27;"
    " compute them from audio files instead",
}


class SpotifyConfig(SourceConfig):
    """The keys of ``source: {type: spotify, …}``."""

    resource: ResourceName = Field(description="what is read; decides the columns")
    ids: tuple[str, ...] = Field(
        (), description="ids, spotify: URIs or open.spotify.com links, read in this order"
    )
    ids_from: IdsFrom | None = Field(None, description="read the ids from files or a table instead")
    first: int | None = Field(
        None, ge=0, description="place of the first id in the list of all parts; a fan-out sets it"
    )
    query: str | None = Field(None, min_length=1, description="search: what to look for")
    search_types: tuple[SearchType, ...] = Field(
        ("track",), min_length=1, description="search: the kinds of things to find"
    )
    time_ranges: tuple[TimeRange, ...] = Field(
        ("medium_term",),
        min_length=1,
        description="top_tracks and top_artists: about a year, six months, four weeks",
    )
    market: str | None = Field(
        None,
        pattern="^[A-Z]{2}$",
        description="country (ISO 3166-1 alpha-2) to answer for; without it, and without a user,"
        " shows, episodes and audiobooks are not found",
    )
    app_mode: Literal["auto", "development", "extended"] = Field(
        "auto", description="the app's quota mode; auto finds out with one request"
    )
    refresh: Duration | None = Field(
        None,
        description="read everything again once the last whole read is this old; by default"
        " never, but lists without an order of time after 1d. Playlists follow their versions"
        " instead, and what the user saves or plays is read as it comes",
    )
    rate_limit: RateLimit | None = Field(
        None, description="requests each second, or a text such as 100/30s; none: as answered"
    )
    concurrency: int = Field(8, ge=1, le=64, description="requests under way at once")
    batch_size: int | None = Field(
        None, ge=1, le=100, description="ids or rows of one request; at most, and by default, all"
        " that the API allows"
    )  # fmt: skip
    cache_ttl: Duration | None = Field(
        None,
        description="keep answers this long, except about playlists and users; none: no cache",
    )
    cache: Literal["sqlite", "redis"] = Field(
        "sqlite", description="where: a file of the worker, or Redis for all workers"
    )
    retry_attempts: int = Field(5, ge=1, le=20, description="how often a request is tried in all")
    timeout: Duration = Field(timedelta(seconds=30), description="longest time of one attempt")
    api_url: BaseUrl | None = Field(None, description=f"address of the Web API; {API_URL}")
    token_url: BaseUrl | None = Field(
        None, description=f"address of the token service; {TOKEN_URL}"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        needs_ids = RESOURCES[self.resource].by_id
        if needs_ids and bool(self.ids) == bool(self.ids_from):
            raise ValueError(f"{self.resource} needs either ids or ids_from")
        if not needs_ids and (self.ids or self.ids_from):
            raise ValueError(f"{self.resource} takes no ids")
        if (self.resource == "search") != (self.query is not None):
            raise ValueError("query belongs to resource: search, and search needs one")
        if self.resource in CLOSED and self.app_mode == "development":
            raise ValueError(f"{self.resource}: {CLOSED[self.resource]}")
        return self
