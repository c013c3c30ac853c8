"""Source ``soundcloud``: tracks, users, playlists, comments, likes, followings and searches.

Guide: https://developers.soundcloud.com/docs/api/guide.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from airflow_provider_spotify.core.errors import ConfigurationError, DataError
from airflow_provider_spotify.core.sources.audio._soundcloud_resources import (
    KEYS,
    RESOURCES,
    ResourceName,
)
from airflow_provider_spotify.core.sources.web.config import WebConfig
from airflow_provider_spotify.core.sources.web.keys import KeyedSource, KeysFrom
from airflow_provider_spotify.core.sources.web.pages import dig
from airflow_provider_spotify.core.sources.web.resource import Call, Resource

if TYPE_CHECKING:
    from airflow_provider_spotify.core.clients.http.auth import Auth
    from airflow_provider_spotify.core.sources.web.pages import Position
    from airflow_provider_spotify.core.sources.web.progress import Slice

Access = Literal["playable", "preview", "blocked"]
_URN = re.compile(r"soundcloud:(?P<kind>[a-z-]+):\d+")


class SoundcloudConfig(WebConfig):
    """The keys of ``source: {type: soundcloud, …}``."""

    resource: ResourceName = Field(description="what is read; decides the columns")
    users: tuple[str, ...] = Field((), description="users by URN: soundcloud:users:123, or 123")
    users_from: KeysFrom | None = Field(
        None, description="take the users' URNs from a table of the destination instead"
    )
    tracks: tuple[str, ...] = Field((), description="tracks by URN: soundcloud:tracks:123, or 123")
    tracks_from: KeysFrom | None = Field(
        None, description="take the tracks' URNs from a table of the destination instead"
    )
    playlists: tuple[str, ...] = Field(
        (), description="playlists by URN: soundcloud:playlists:123, or 123"
    )
    playlists_from: KeysFrom | None = Field(
        None, description="take the playlists' URNs from a table of the destination instead"
    )
    queries: tuple[str, ...] = Field((), description="texts to search for, one after the other")
    access: tuple[Access, ...] = Field(
        ("playable", "preview", "blocked"),
        min_length=1,
        description="which tracks, by what this app may do with them; by default all there are",
    )

    @field_validator("users", "tracks", "playlists", mode="after")
    @classmethod
    def _urns(cls, value: tuple[str, ...], info: Any) -> tuple[str, ...]:
        return tuple(_urn(each.strip(), kind=str(info.field_name)) for each in value)

    @model_validator(mode="after")
    def _keyed(self) -> Self:
        needed = RESOURCES[self.resource].key
        for key in KEYS:
            given, place = getattr(self, key), getattr(self, f"{key}_from", None)
            if given and place:
                raise ValueError(f"give {key} or {key}_from, not both")
            if bool(given or place) != (key == needed):
                or_from = f" or {key}_from" if hasattr(self, f"{key}_from") else ""
                wrong = (
                    f"needs {key}{or_from}"
                    if key == needed
                    else f"is not read by {key}; take it away"
                )
                raise ValueError(f"{self.resource} {wrong}")
        if not all(each.strip() for each in self.queries):
            raise ValueError("queries holds an empty text")
        return self


def _urn(text: str, *, kind: str) -> str:
    """Return the URN of an id.

    :raises ValueError: if it is neither an id nor a URN of that kind
    """
    if text.isdigit():
        return f"soundcloud:{kind}:{text}"
    found = _URN.fullmatch(text)
    if found is None or found["kind"] != kind:
        raise ValueError(
            f"{text[:60]!r} is no URN such as soundcloud:{kind}:123; the API's /resolve finds that"
            " of a page's address"
        )
    return text


class SoundcloudSource(KeyedSource[SoundcloudConfig]):
    """Reads one resource of SoundCloud's API."""

    Config = SoundcloudConfig
    conn_type: ClassVar[str | None] = "soundcloud"
    extra: ClassVar[str | None] = "http"
    resources: ClassVar[Mapping[str, Resource]] = RESOURCES
    api_url = "https://api.soundcloud.com"
    ping = "tracks?q=a&limit=1&linked_partitioning=true"

    def sign_in(self) -> Auth:
        """Return the app's authorisation, or that of its user.

        :raises ConfigurationError: if client id or secret are missing, or nobody is "me"
        """
        from airflow_provider_spotify.core.clients.oauth.grants import signed_in

        credentials = self.credentials
        if self.config.resource.startswith("my_") and not credentials.secret("refresh_token"):
            raise ConfigurationError(
                f"{self.config.resource} is about a user: the SoundCloud connection needs"
                " refresh_token in extra (run: spotify-imports authorize soundcloud)"
            )
        return signed_in(
            credentials, provider="soundcloud", token_url=credentials.extra.get("token_url")
        )

    def call(self, now: Slice, position: Position, *, asked: Any, room: int | None) -> Call:
        """Write the tracks that are wanted, and the text that is searched for."""
        call = super().call(now, position, asked=asked, room=room)
        params = dict(call.params)
        if "access" in self.resource.params:
            params["access"] = ",".join(self.config.access)
        if self.resource.key == "queries":
            params["q"] = now.key
        return call._replace(params=params)

    def records(self, body: Any, now: Slice) -> Sequence[Mapping[str, Any] | None]:
        """Return the records, a playlist with the order of its tracks.

        :raises DataError: if the body holds something else than was asked for
        """
        if self.resource.records is None and not dig(body, "urn"):
            raise DataError(
                f"{self.config.resource}: SoundCloud's answer has no 'urn', so it is another object"
                " than was asked for; try again, and check api_url"
            )
        found = super().records(body, now)
        if self.config.resource != "playlists":
            return found
        return [each and {**each, "track_urns": _urns_of(each)} for each in found]


def _urns_of(playlist: Mapping[str, Any]) -> list[str | None] | None:
    tracks = playlist.get("tracks")
    if not isinstance(tracks, list):
        return None
    return [track.get("urn") for track in tracks if isinstance(track, dict)]


SOURCE = SoundcloudSource
