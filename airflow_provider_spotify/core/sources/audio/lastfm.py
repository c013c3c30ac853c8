"""Source ``lastfm``: users' plays, loved tracks and rankings, charts, tags and what is similar.

Methods: https://www.last.fm/api. Errors often come with status 200, numbers come as text, and a
list of one is given as the one: ``_lastfm_answers`` sets that right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from airflow_provider_spotify.core.clients.http.settings import Rate, RateLimit
from airflow_provider_spotify.core.errors import ConfigurationError, ImporterError
from airflow_provider_spotify.core.model import DatasetName
from airflow_provider_spotify.core.sources.audio._lastfm_keys import Work
from airflow_provider_spotify.core.sources.audio._lastfm_resources import (
    KEYS,
    RESOURCES,
    ResourceName,
)
from airflow_provider_spotify.core.sources.web.config import WebConfig
from airflow_provider_spotify.core.sources.web.keys import KeyedSource, KeysFrom
from airflow_provider_spotify.core.sources.web.pages import PageNumbers, dig
from airflow_provider_spotify.core.sources.web.progress import Slice
from airflow_provider_spotify.core.sources.web.resource import Call, Newest, Resource, Spans

if TYPE_CHECKING:
    from airflow_provider_spotify.core.clients.http.auth import Auth
    from airflow_provider_spotify.core.clients.http.client import Response
    from airflow_provider_spotify.core.sources.web.pages import Page, Position

_FIVE_A_SECOND = Rate(count=5, per=timedelta(seconds=1))


class LastfmConfig(WebConfig):
    """The keys of ``source: {type: lastfm, …}``."""

    resource: ResourceName = Field(description="what is read; decides the columns")
    users: tuple[str, ...] = Field((), description="users whose data is read, by name")
    users_from: KeysFrom | None = Field(
        None, description="take the users from a table of the destination instead"
    )
    artists: tuple[str, ...] = Field((), description="artists to read about, by name")
    artists_from: KeysFrom | None = Field(
        None, description="take the artists from a table of the destination instead"
    )
    tracks: tuple[Work, ...] = Field((), description="tracks to read about, by artist and name")
    albums: tuple[Work, ...] = Field((), description="albums to read about, by artist and name")
    tags: tuple[str, ...] = Field((), description="tags to read about")
    countries: tuple[str, ...] = Field((), description="countries by their ISO 3166-1 names")
    period: Literal["overall", "7day", "1month", "3month", "6month", "12month"] = Field(
        "overall", description="what top_tracks, top_artists and top_albums span"
    )
    most: int | None = Field(
        None,
        ge=1,
        description="read no more rows of a ranking, rounded up to a page; by default all of a"
        " user's, and 1,000 of others",
    )
    autocorrect: bool = Field(False, description="let Last.fm correct names that are misspelled")
    rate_limit: RateLimit | None = Field(
        _FIVE_A_SECOND,
        description="requests each second, or a text such as 1500/5m; Last.fm's terms allow 5 a"
        " second from one address, and all its connections share them",
    )

    @model_validator(mode="after")
    def _keyed(self) -> Self:
        needed = RESOURCES[self.resource].key
        for key in KEYS:
            given = [str(each) for each in getattr(self, key)]
            place = getattr(self, f"{key}_from", None)
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
            if not all(each.strip() for each in given):
                raise ValueError(f"{key} holds an empty name")
        if self.resource.startswith("weekly_") and self.start is None:
            raise ValueError(f"{self.resource} needs start: the first week to read")
        return self


class LastfmSource(KeyedSource[LastfmConfig]):
    """Reads one resource of Last.fm's API."""

    Config = LastfmConfig
    conn_type: ClassVar[str | None] = "lastfm"
    extra: ClassVar[str | None] = "http"
    resources: ClassVar[Mapping[str, Resource]] = RESOURCES
    api_url = "https://ws.audioscrobbler.com/2.0"
    ping = "?method=chart.gettopartists&limit=1&page=1&format=json"
    quota_group = "lastfm"

    @cached_property
    def resource(self) -> Resource:
        """The resource that is read, as long as ``most`` lets it be."""
        found = RESOURCES[self.config.resource]
        if self.config.most is None or not isinstance(found.pages, PageNumbers):
            return found
        most = self.config.most
        size = min(found.pages.size, most)
        return found._replace(pages=found.pages.model_copy(update={"most": most, "size": size}))

    def sign_in(self) -> Auth:
        """Return the API key, which stands in the query.

        :raises ConfigurationError: if the connection has none
        """
        from airflow_provider_spotify.core.clients.http.auth import ApiKeyAuth

        key = self.credentials.secret()
        if not key:
            raise ConfigurationError("a Last.fm connection needs the API key as password")
        return ApiKeyAuth(SecretStr(key), name="api_key", where="query")

    def call(self, now: Slice, position: Position, *, asked: Any, room: int | None) -> Call:
        """Name method and key as parameters; the path is the same for all."""
        call = super().call(now, position, asked=asked, room=room)
        params = {**call.params, **self._named(now), "format": "json"}
        for name, value in (
            ("period", self.config.period),
            ("autocorrect", self.config.autocorrect),
        ):
            if name in params:
                params[name] = int(value) if isinstance(value, bool) else value
        return call._replace(params=params)

    def _named(self, now: Slice) -> Mapping[str, str]:
        key = self.resource.key
        if key in ("tracks", "albums"):
            work = Work.model_validate(now.key)
            return {"artist": work.artist, KEYS[key]: work.name}
        return {KEYS[key]: now.key} if key else {}

    def records(self, body: Any, now: Slice) -> Sequence[Mapping[str, Any] | None]:
        """Leave out the track that is on now: it is on every page, and it is no play yet."""
        from airflow_provider_spotify.core.sources.audio._lastfm_answers import first_place, tidied

        found = [each for each in super().records(body, now) if not _playing(each)]
        if isinstance(self.resource.progress, Newest):
            return found  # a place would change from run to run, and the play with it
        first = first_place(dig(body, f"{self.resource.always}.@attr"))
        counted = self.resource.key == "countries"
        return [
            each and tidied(each, place=first + at, counted=counted)
            for at, each in enumerate(found)
        ]

    def context(self, now: Slice, page: Page) -> Mapping[str, Any]:
        """Return what was asked about: an artist and perhaps a title, a period, a week."""
        known: dict[str, Any] = {"key": now.key, "period": self.config.period}
        if isinstance(self.resource.progress, Spans) and now.start and now.end:
            known |= {"start": now.start.isoformat(), "end": now.end.isoformat()}
        if self.resource.key in ("tracks", "albums"):
            work = Work.model_validate(now.key)
            return known | {"artist": work.artist, "name": work.name}
        return known | {"artist": now.key}

    def classify(self, response: Response) -> ImporterError | None:
        """Name the error that a body holds, whatever its status, and see that it was asked for."""
        from airflow_provider_spotify.core.sources.audio._lastfm_answers import mistaken, refusal

        try:
            body = response.json()
        except ValueError:
            return None
        found = refusal(response.status, body)
        return found or (mistaken(response.url, body) if response.status < 400 else None)

    def dataset(self) -> DatasetName:
        """Name the API's address and the method: the path is the same for all."""
        parts = urlsplit(self.config.api_url or self.api_url)
        return DatasetName(f"{parts.scheme}://{parts.netloc}", str(self.resource.params["method"]))


def _playing(record: Mapping[str, Any] | None) -> bool:
    return dig(record, "@attr.nowplaying") in ("true", True)


SOURCE = LastfmSource
