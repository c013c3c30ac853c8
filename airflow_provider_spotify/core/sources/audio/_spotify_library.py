"""Reads what belongs to a user by the kit of web sources: only what is new, or lists as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from airflow_provider_spotify.core.errors import (
    ConfigurationError,
    ForbiddenError,
    ImporterError,
    TransientError,
)
from airflow_provider_spotify.core.sources.audio._spotify_api import (
    encrypted,
    message_of,
    misleading,
    sign_in,
)
from airflow_provider_spotify.core.sources.audio._spotify_config import CLOSED, TOKEN_URL
from airflow_provider_spotify.core.sources.audio._spotify_users import LAST_PLAYS, SCOPES, USERS
from airflow_provider_spotify.core.sources.web.base import WebSource
from airflow_provider_spotify.core.sources.web.bodies import require_page
from airflow_provider_spotify.core.sources.web.config import WebConfig
from airflow_provider_spotify.core.sources.web.pages import Offsets, Tokens
from airflow_provider_spotify.core.sources.web.resource import Call, Resource
from airflow_provider_spotify.core.sources.web.rows import Reject
from airflow_provider_spotify.core.sources.web.times import parse_time, write_time

if TYPE_CHECKING:
    from airflow_provider_spotify.core.clients.http.auth import Auth
    from airflow_provider_spotify.core.clients.http.client import HttpClient, Response
    from airflow_provider_spotify.core.sources.web.pages import Position
    from airflow_provider_spotify.core.sources.web.progress import Slice

_MILLISECOND = timedelta(milliseconds=1)
_GAP = (
    f"gap: all of the last {LAST_PLAYS} plays are new, so there may have been more before them,"
    " which Spotify tells no longer; read more often: so many plays of 30 seconds, the shortest"
    " that count, take 25 minutes"
)
_ASKED = "asked_after"
"""What is written into a body beside Spotify's own words: the lower bound that was asked for."""


class LibraryConfig(WebConfig):
    """What the kit must know of a spotify import."""

    time_ranges: tuple[str, ...] = Field(description="rankings: what they span")
    market: str | None = Field(description="country to answer for")
    page_size: int | None = Field(description="rows of a page; None: as many as the API allows")
    token_url: str = Field(TOKEN_URL, description="address of the token service")


class Library(WebSource[LibraryConfig]):
    """Reads a user's library, plays or favourites; and markets, which need no user."""

    Config = LibraryConfig
    resources: ClassVar[Mapping[str, Resource]] = USERS
    api_url = ""

    @cached_property
    def resource(self) -> Resource:
        """The resource that is read, in pages of the size that was asked for."""
        found, size = USERS[self.config.resource], self.config.page_size
        if size is None or not isinstance(found.pages, Offsets | Tokens):
            return found
        name = "limit" if isinstance(found.pages, Offsets) else "size"
        return found._replace(pages=found.pages.model_copy(update={name: min(size, 50)}))

    @property
    def base_url(self) -> str:
        """The address that paths are below, if secrets may go there."""
        return encrypted(super().base_url)

    def sign_in(self) -> Auth:
        """Return the user's authorisation.

        :raises ConfigurationError: if the connection is of an app without a user
        """
        name = self.config.resource
        if name in SCOPES and not self.credentials.secret("refresh_token"):
            raise ConfigurationError(
                f"spotify {name} belongs to a user, and the connection has no refresh_token in"
                f" extra; run: spotify-imports authorize spotify (scope {SCOPES[name]})"
            )
        return sign_in(self.credentials, token_url=encrypted(self.config.token_url))

    def classify(self, response: Response) -> ImporterError | None:
        """Name the scope that a consent lacks, and what is closed to the app."""
        name = self.config.resource
        if response.status == 403 and name in SCOPES:
            return ForbiddenError(
                f"spotify {name}: {message_of(response) or 'Forbidden'}; it needs a consent with"
                f" the scope {SCOPES[name]}, and a user who is on the list of an app in development"
                " mode. Run: spotify-imports authorize spotify"
            )
        if response.status == 403 and name in CLOSED:
            return ForbiddenError(f"spotify {name}: {CLOSED[name]}")
        return misleading(response)

    def call(self, now: Slice, position: Position, *, asked: Any, room: int | None) -> Call:
        """Name the market, and the list that is ranked."""
        call = super().call(now, position, asked=asked, room=room)
        params = dict(call.params)
        if "market" in params:
            params["market"] = self.config.market
        if self.resource.key:
            params["time_range"] = now.key
        return call._replace(params={k: v for k, v in params.items() if v is not None})

    def bounds(self, now: Slice, asked: Any) -> Mapping[str, Any]:
        """Ask from a millisecond before: Spotify leaves out what is at ``after`` itself."""
        lower = asked and asked - _MILLISECOND
        return super().bounds(now, lower)

    async def ask(self, http: HttpClient, call: Call, now: Slice) -> tuple[Response, Any]:
        """Remember in the body what was asked for, for the answer does not say.

        :raises DataError: if the answer is no page
        :raises TransientError: if it is another page than the one that was asked for
        """
        response, body = await super().ask(http, call, now)
        require_page(body, self.resource.records, always=None, name=f"spotify {call.url}")
        asked = call.params.get("offset")
        if asked is not None and body.get("offset", asked) != asked:
            got = body["offset"]
            raise TransientError(f"{call.url}: asked for the page at {asked}, got the one at {got}")
        return response, {**body, _ASKED: call.params.get("after")}

    def records(self, body: Any, now: Slice) -> Sequence[Mapping[str, Any] | None]:
        """Return the records, each with its place where the list is a ranking."""
        if self.config.resource == "markets":
            return [{"market": each} for each in body["markets"]]
        found: Sequence[Any] = self._pick(body)
        if self.resource.key:
            first = int(body.get("offset") or 0) + 1
            return [each and {**each, "rank": first + at} for at, each in enumerate(found)]
        return found

    def rejected(self, body: Any, now: Slice) -> Sequence[Reject]:
        """Say which places hold nothing, and where plays may be missing."""
        if self.config.resource == "recently_played":
            return self._gap(body)
        first, where = int(body.get("offset") or 0), f"spotify {self.config.resource}"
        return [
            Reject({"position": place}, "not shown to this app (null)", f"{where} position {place}")
            for place, each in enumerate(self.records(body, now), first)
            if each is None
        ]

    def _gap(self, body: Any) -> Sequence[Reject]:
        """Report that all the plays that Spotify tells of are new: it tells only the last fifty."""
        found, asked = body.get("items") or (), parse_time(body[_ASKED])
        if asked is None or len(found) < LAST_PLAYS:
            return ()
        oldest = min(filter(None, (parse_time(each.get("played_at")) for each in found)))
        if oldest <= asked + _MILLISECOND:
            return ()
        record = {
            "after": write_time(asked + _MILLISECOND, "iso"),
            "before": write_time(oldest, "iso"),
        }
        return [Reject(record, _GAP, "spotify recently_played")]
