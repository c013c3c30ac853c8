"""Meta's long-lived tokens: sixty days, prolonged while they live, never renewed after."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from pydantic import SecretStr

from airflow_provider_spotify.core.clients.http.auth import Send
from airflow_provider_spotify.core.clients.http.messages import Request, with_params, without
from airflow_provider_spotify.core.clients.oauth.endpoint import TokenEndpoint, life
from airflow_provider_spotify.core.clients.oauth.providers import PROVIDERS
from airflow_provider_spotify.core.clients.oauth.seal import Tokens
from airflow_provider_spotify.core.clients.oauth.store import TokenStore
from airflow_provider_spotify.core.clients.oauth.tokens import RenewedAuth
from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    TransientError,
)

Grant = Literal["ig_refresh_token", "fb_exchange_token"]
DAY = 24 * 3600.0
LIVES = 60 * DAY
"""Seconds that Meta gives a token, where it does not say."""
_AGAIN = 3600.0
"""Seconds until a renewal is tried again that failed while the token was good."""


class LongLivedToken(RenewedAuth):
    """A long-lived token, prolonged once it is a day old and before it ends.

    Instagram login: ``ig_refresh_token`` at graph.instagram.com
    (https://developers.facebook.com/docs/instagram-platform/reference/refresh_access_token);
    Facebook login: ``fb_exchange_token`` at graph.facebook.com, with app id and secret
    (https://developers.facebook.com/docs/facebook-login/guides/access-tokens/get-long-lived).
    A prolonged token goes into the store, which workers share, and wins over the connection's.

    A token of unknown age is prolonged at once; Meta refuses that in its first day, and then it
    is used as it is. A token that ended cannot be prolonged: the error says to authorise again.

    :param app_secret: proves each request with ``appsecret_proof``
        (https://developers.facebook.com/docs/graph-api/guides/secure-requests), if given
    :param obtained: when the token was given, and ``expires`` when it ends (seconds since 1970)
    :param store: where workers share the tokens; None: this process keeps them
    """

    kind = "long_lived"

    def __init__(
        self,
        refresh_url: str,
        *,
        token: SecretStr,
        grant: Grant = "ig_refresh_token",
        app_id: str | None = None,
        app_secret: SecretStr | None = None,
        obtained: float | None = None,
        expires: float | None = None,
        where: Literal["header", "query"] = "header",
        store: TokenStore | None = None,
        title: str = "Instagram",
        remedy: str = PROVIDERS["instagram"].remedy,
    ) -> None:
        self._url = refresh_url
        self._token = token
        self._form = grant
        self._app_id = app_id
        self._app_secret = app_secret
        self._given = (obtained, expires)
        self._where = where
        self._remedy = remedy
        self._endpoint = TokenEndpoint(url=refresh_url, title=title, remedy=remedy)
        super().__init__(store=store)

    @property
    def fingerprint(self) -> str:
        """Sixteen hex digits that tell credentials apart and do not give them away."""
        parts = (self.kind, self._url, self._app_id or "", *self._identity())
        return hashlib.blake2b("\0".join(parts).encode(), digest_size=8).hexdigest()

    def _identity(self) -> tuple[str, ...]:
        secret = self._app_secret.get_secret_value() if self._app_secret else ""
        return (self._token.get_secret_value(), secret)

    async def renew(self, refused: Request, send: Send) -> bool:
        """Say that there is no other token: one that was refused cannot be prolonged."""
        raise AuthenticationError(
            f"{self._endpoint.title} no longer accepts the token: {self._remedy}"
        )

    def _with_token(self, request: Request, token: str) -> Request:
        if self._app_secret is not None:
            proof = {"appsecret_proof": appsecret_proof(token, app_secret=self._app_secret)}
            request = _with_query(request, proof)
        if self._where == "query":
            return _with_query(request, {"access_token": token})
        return super()._with_token(request, token)

    async def _obtain(self, held: Tokens | None, send: Send) -> Tokens:
        """Prolong the token if it is due; one that is younger, or refuses, is used as it is."""
        now = time.time()
        token = held.access_token if held else self._token.get_secret_value()
        obtained, ends = self._times(held)
        if obtained is not None and now - obtained < DAY and (ends is None or now < ends):
            return _until(token, obtained=obtained, ends=ends, due=obtained + DAY)
        try:
            return await self._prolonged(token, send)
        except (AuthenticationError, TransientError) as error:
            if ends is not None and now >= ends:
                raise _ended(error, self._remedy) from None
            due = now + (DAY if isinstance(error, AuthenticationError) else _AGAIN)
            return _until(token, obtained=obtained or now - DAY, ends=ends, due=due)

    def _times(self, held: Tokens | None) -> tuple[float | None, float | None]:
        """Return when the token was given and when it ends, where that is known."""
        if held is None:
            obtained, ends = self._given
            return obtained, ends or (obtained + LIVES if obtained is not None else None)
        return held.obtained, held.ends

    async def _prolonged(self, token: str, send: Send) -> Tokens:
        asked = time.time()
        request = Request("GET", with_params(self._url, self._query(token)), _HEADERS)
        body = self._endpoint.read(await send(request), secrets=(token, *self._identity()))
        ends = asked + life(body, otherwise=LIVES)
        return _until(str(body["access_token"]), obtained=asked, ends=ends, due=asked + DAY)

    def _query(self, token: str) -> Mapping[str, str]:
        if self._form == "ig_refresh_token":
            return {"grant_type": self._form, "access_token": token}
        secret = self._app_secret.get_secret_value() if self._app_secret else ""
        return {
            "grant_type": self._form,
            "client_id": self._app_id or "",
            "client_secret": secret,
            "fb_exchange_token": token,
        }


_HEADERS = {"Accept": "application/json"}


def appsecret_proof(token: str, *, app_secret: SecretStr) -> str:
    """Return the hexadecimal HMAC-SHA256 of a token under the app's secret."""
    secret = app_secret.get_secret_value().encode()
    return hmac.new(secret, token.encode(), hashlib.sha256).hexdigest()


def _with_query(request: Request, params: Mapping[str, str]) -> Request:
    bare = without(request.url, names=params.keys())
    return replace(request, url=with_params(bare, params))


def _until(token: str, *, obtained: float, ends: float | None, due: float) -> Tokens:
    """Return tokens that are looked at again when they are due, or end if that is sooner."""
    return Tokens(token, min(due, ends) if ends else due, obtained, ends=ends)


def _ended(error: Exception, remedy: str) -> Exception:
    if isinstance(error, TransientError):
        return error
    return AuthenticationError(f"the long-lived token has ended: {remedy} ({error})")
