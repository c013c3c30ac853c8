"""Speaks to the Web API for one app: signs in, knows its mode, gets objects and pages."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Literal
from urllib.parse import urlsplit

from airflow_provider_spotify.core.clients.http.client import (
    HttpClient,
    HttpSettings,
    NotFound,
    Response,
)
from airflow_provider_spotify.core.clients.http.tape import forgets
from airflow_provider_spotify.core.clients.oauth.grants import OAuth2, signed_in
from airflow_provider_spotify.core.errors import (
    ConfigurationError,
    DataError,
    ForbiddenError,
    ImporterError,
    TransientError,
)
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sources.audio._spotify_resources import (
    SEARCH_DEPTH,
    Resource,
)
from airflow_provider_spotify.core.usage import Usage

Json = dict[str, Any]
Mode = Literal["development", "extended"]

_MODES: dict[str, tuple[Mode, float]] = {}
"""The mode of each credential, and when (monotonic seconds) it was found."""
_MODE_LASTS = 24 * 3600.0
"""Seconds; an app may be moved to extended mode while a worker lives."""
_PROBE = "11dFghVXANMlKmJXsNCbNl"
"""The track that Spotify's own documentation uses as its example; it need not exist."""
_EXTENDED_ONLY = ("/audio-features", "/browse/new-releases", "/markets")


def forget_modes() -> None:
    """Drop the modes that this process found out; the next request that needs one asks again."""
    _MODES.clear()


forgets(forget_modes)


def sign_in(credentials: Credentials, *, token_url: str) -> OAuth2:
    """Return the authorisation of a connection: its refresh token's, else the app's own.

    Spotify's consents end six months after they were given; then only the user can help
    (https://developer.spotify.com/documentation/web-api/tutorials/refreshing-tokens).

    :raises ConfigurationError: if client id or secret are missing
    """
    return signed_in(credentials, provider="spotify", token_url=token_url)


def encrypted(url: str) -> str:
    """Return an address that secrets may be sent to: https, or a host that has no dot or is local.

    :raises ConfigurationError: if it is another
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https" or "." not in host or host.startswith("127."):
        return url
    raise ConfigurationError(
        f"{parts.scheme}://{host}: tokens and secrets go only to https addresses; use https"
    )


def misleading(response: Response) -> ImporterError | None:
    """Name the answers whose status does not say what they mean.

    An unknown address is a 404 like a missing object; an endpoint that is closed to an app may
    answer 429 without a time to wait (seen in the wild: Spotty-Plugin issue 213).
    """
    path = response.url.partition("?")[0]
    if response.status == 404 and message_of(response) in (None, "Service not found"):
        return NotFound(f"{path} is no address of the Web API; check api_url (it ends in /v1)")
    if response.status == 429 and "retry-after" not in response.headers:
        closed = path.endswith(_EXTENDED_ONLY) or "?ids=" in response.url
        if closed:
            return ForbiddenError(f"{path} answered 429 without Retry-After: closed to this app")
    return None


def message_of(response: Response) -> str | None:
    """Return what the error object of an answer says, if it holds one."""
    try:
        body = response.json()
    except ValueError:
        return None
    error = body.get("error") if isinstance(body, dict) else None
    return str(error.get("message")) if isinstance(error, dict) else None


class SpotifyApi:
    """The Web API for one app and market; an async context manager.

    :param mode: the app's mode; None: find out with one call, remembered for a day
    """

    def __init__(
        self,
        settings: HttpSettings,
        *,
        auth: OAuth2,
        tenant: str,
        market: str | None,
        mode: Mode | None,
        usage: Usage,
    ) -> None:
        self._client = HttpClient(
            settings, auth=auth, tenant=tenant, classify=misleading, usage=usage
        )
        self._usage = usage
        self._key = f"{auth.fingerprint} {settings.base_url}"
        self._market = market
        self._mode = mode
        # With a budget of records, what is asked for must be known to fit in.
        self.width = 1 if usage.budget.records is not None else settings.concurrency

    async def __aenter__(self) -> SpotifyApi:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *exit_: Any) -> None:
        await self._client.__aexit__(*exit_)

    @property
    def known_mode(self) -> Mode | None:
        """The app's mode, if it has been found out or told."""
        known = _MODES.get(self._key)
        lasts = known is not None and time.monotonic() - known[1] <= _MODE_LASTS
        return self._mode or (known[0] if known and lasts else None)

    async def mode(self) -> Mode:
        """Return the app's mode: batches are open in extended mode only (since February 2026)."""
        if self.known_mode is None:
            _MODES[self._key] = (await self._probe(), time.monotonic())
        self._mode = self.known_mode or "development"
        return self._mode

    async def _probe(self) -> Mode:
        try:
            await self._client.get_json("tracks", params={"ids": _PROBE})
        except (ForbiddenError, NotFound):
            return "development"
        return "extended"

    async def ping(self) -> None:
        """Make the cheapest call that is open to every app."""
        await self._client.get_json("search", params={"q": "a", "type": "track", "limit": 1})

    async def get(self, path: str, **params: Any) -> Json | None:
        """Get one object; None where there is none (404).

        :raises DataError: if the answer is not an object
        """
        params = {"market": self._market, **params}
        response = await self._client.request(
            "GET", path, params=params, missing_ok=True, is_json=True
        )
        if response.status in (404, 410):
            return None
        body = response.json()
        if not isinstance(body, dict):
            raise DataError(f"{path}: the Web API answered with no JSON object")
        return body

    async def objects(
        self, resource: Resource, ids: Sequence[str], *, batch: bool
    ) -> list[Json | None]:
        """Get one object for each id, None where there is none."""
        self._usage.room()
        if not batch:
            single = [await self.get(f"{resource.path}/{each}") for each in ids]
            return self._charged(_as_asked(single, ids, resource))
        if not ids:
            return []
        try:
            body = await self.get(resource.path, ids=",".join(ids)) or {}
        except ForbiddenError as error:
            raise ForbiddenError(
                f"{error}. Batches are open to apps in extended mode only, audio features to those "
                "from before 2024-11-27; leave app_mode at auto"
            ) from error
        found = body.get(resource.path.replace("-", "_"))
        if not isinstance(found, list) or len(found) != len(ids):
            raise DataError(f"{resource.path}: asked for {len(ids)} ids and got another number")
        return self._charged(_as_asked(found, ids, resource))

    def _charged(self, found: list[Json | None]) -> list[Json | None]:
        self._usage.charge(sum(each is not None for each in found))
        return found

    async def page(
        self, path: str, *, limit: int, offset: int, inside: str | None = None, **params: Any
    ) -> Json | None:
        """Get a paging object; None where there is nothing at this path.

        :param inside: the key that holds the paging object
        :raises DataError: if the answer is none
        """
        self._usage.room()
        body = await self.get(path, limit=limit, offset=offset, **params)
        page = body.get(inside) if body is not None and inside else body
        if body is None:
            return None
        if not isinstance(page, dict) or not isinstance(page.get("items"), list):
            raise DataError(f"{path}: the Web API answered without a page of items")
        if page.get("offset", offset) != offset:
            raise TransientError(
                f"{path}: asked for the page at {offset}, got the one at {page['offset']}"
            )
        self._usage.charge(len(page["items"]))
        return {**page, "offset": offset, "limit": page.get("limit") or limit}

    async def found(self, kind: str, *, query: str, limit: int, offset: int) -> Json:
        """Get a page of a search; it ends at the depth where searches end."""
        page = await self.page(
            "search", limit=limit, offset=offset, inside=f"{kind}s", q=query, type=kind
        )
        if page is None:  # a search that finds nothing is an empty page
            raise NotFound("search: the Web API has no such address; check api_url")
        if offset + 2 * limit > SEARCH_DEPTH:
            page["next"] = None
        return {**page, "total": min(page.get("total") or 0, SEARCH_DEPTH)}


def _as_asked(
    found: list[Json | None], ids: Sequence[str], resource: Resource
) -> list[Json | None]:
    """Return objects that are those asked for.

    A track may come under another id: Spotify replaces it by one that plays in the market
    (https://developer.spotify.com/documentation/web-api/concepts/track-relinking).

    :raises DataError: if one has no id, or another's
    """
    for asked, body in zip(ids, found, strict=True):
        if body is None:
            continue
        if not isinstance(body, dict) or not body.get("id"):
            raise DataError(f"{resource.path} {asked}: the Web API answered without an id")
        if body["id"] != asked and resource.id_type != "track":
            raise DataError(f"{resource.path} {asked}: the Web API answered with another id")
    return found
