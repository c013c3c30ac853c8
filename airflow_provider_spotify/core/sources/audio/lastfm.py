"""Source ``lastfm``: plays, loved and top tracks of users, charts, tags and what is similar.

Methods and errors: https://www.last.fm/api. Errors often come with status 200; numbers come as
text; a list of one is given as the one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import Field, SecretStr, model_validator

from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    DataError,
    ForbiddenError,
    ImporterError,
    TransientError,
)
from airflow_provider_spotify.core.sources.audio._lastfm_resources import RESOURCES, ResourceName
from airflow_provider_spotify.core.sources.web.base import WebConfig, WebSource
from airflow_provider_spotify.core.sources.web.progress import Slice
from airflow_provider_spotify.core.sources.web.resource import Call, Resource

if TYPE_CHECKING:
    from airflow_provider_spotify.core.clients.http import Response
    from airflow_provider_spotify.core.clients.http_auth import Auth


class LastfmConfig(WebConfig):
    """The keys of ``source: {type: lastfm, …}``."""

    resource: ResourceName = Field(description="what is read; decides the columns")
    users: tuple[str, ...] = Field((), description="names of the users whose data is read")
    artists: tuple[str, ...] = Field((), description="names of the artists to read about")

    @model_validator(mode="after")
    def _keyed(self) -> Self:
        key = RESOURCES[self.resource].key
        if key and not getattr(self, key):
            raise ValueError(f"{self.resource} needs {key}")
        return self


class LastfmSource(WebSource[LastfmConfig]):
    """Reads one resource of Last.fm's API."""

    Config = LastfmConfig
    conn_type: ClassVar[str | None] = "lastfm"
    extra: ClassVar[str | None] = "audio"
    resources: ClassVar[Mapping[str, Resource]] = RESOURCES
    api_url = "https://ws.audioscrobbler.com/2.0"
    ping = "?method=chart.gettopartists&limit=1&format=json"

    def sign_in(self) -> Auth:
        """Return the API key, which stands in the query.

        :raises ConfigurationError: if the connection has none
        """
        from airflow_provider_spotify.core.clients.http_auth import ApiKeyAuth

        key = self.credentials.secret()
        if not key:
            raise ConfigurationError("a Last.fm connection needs the API key as password")
        return ApiKeyAuth(SecretStr(key), name="api_key", where="query")

    def call(self, now: Slice, position: Any, *, asked: Any, room: int | None) -> Call:
        """Name the user or the artist as a parameter; the path is the same for all methods."""
        call = super().call(now, position, asked=asked, room=room)
        key = {"users": "user", "artists": "artist"}.get(self.resource.key or "")
        named = {key: now.key} if key else {}
        return call._replace(params={**call.params, **named, "format": "json"})

    def records(self, body: Any, now: Slice) -> Sequence[Mapping[str, Any] | None]:
        """Leave out the track that is on now: it is on every page, and it is no play yet."""
        found = super().records(body, now)
        return [each for each in found if not (each or {}).get("@attr", {}).get("nowplaying")]

    def classify(self, response: Response) -> ImporterError | None:
        """Name the error that a body holds, whatever its status (https://www.last.fm/api/errorcodes)."""
        try:
            body = response.json()
        except ValueError:
            return None
        if not isinstance(body, dict) or "error" not in body:
            return None
        code, said = body["error"], f"Last.fm: {body.get('message')} (error {body['error']})"
        if code in (8, 11, 16):
            return TransientError(said)
        if code in (4, 9, 10, 13, 14, 26):
            return AuthenticationError(f"{said}; check the connection's API key")
        if code in (15, 17):
            return ForbiddenError(said)
        return DataError(said) if code == 7 else ConfigurationError(said)


SOURCE = LastfmSource
