"""OAuth 2 for HTTP clients: the client credentials and the refresh token grant (RFC 6749)."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlencode

from pydantic import SecretStr

from airflow_provider_spotify.core.clients.http_auth import Auth, Send, basic, with_header
from airflow_provider_spotify.core.clients.http_errors import retry_after
from airflow_provider_spotify.core.clients.http_messages import Request, Response, plain
from airflow_provider_spotify.core.errors import AuthenticationError, TransientError

Rotate = Callable[[str], Awaitable[None] | None]
EARLY = 60.0
"""Seconds before its end at which a token is renewed."""


@dataclass(slots=True)
class _Grant:
    """The token of one credential, shared by every client of this process."""

    token: str | None = None
    expires: float = 0.0
    refresh_token: str | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


_GRANTS: dict[str, _Grant] = {}
_GRANTS_LOCK = threading.Lock()


class OAuth2(Auth):
    """A token from a token endpoint (RFC 6749), renewed before it ends.

    One renewal serves all concurrent requests, of every client of these credentials in this
    process. With ``refresh_token`` the grant is ``refresh_token``, else ``client_credentials``.

    :param client_auth: where the endpoint expects the client's secret: ``basic`` or ``body``
    :param on_rotate: takes a new refresh token, before anything uses it
    """

    kind = "oauth2"

    def __init__(
        self,
        token_url: str,
        *,
        client_id: str,
        client_secret: SecretStr | None = None,
        refresh_token: SecretStr | None = None,
        scope: str | None = None,
        client_auth: Literal["basic", "body"] = "basic",
        extra: Mapping[str, str] | None = None,
        on_rotate: Rotate | None = None,
    ) -> None:
        self.token_url = token_url
        self._client_id = client_id
        self._client_secret = client_secret
        self._refresh_token = refresh_token
        self._scope = scope
        self._client_auth = client_auth
        self._extra = dict(extra or {})
        self._on_rotate = on_rotate
        with _GRANTS_LOCK:
            self._grant = _GRANTS.setdefault(self.fingerprint, _Grant())

    @property
    def fingerprint(self) -> str:
        """Sixteen hex digits that tell credentials apart and do not give them away."""
        parts = (self.kind, self.token_url, self._client_id, self._scope or "", *self._identity())
        return hashlib.blake2b("\0".join(parts).encode(), digest_size=8).hexdigest()

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not appear in any message, the current tokens included."""
        current = (self._grant.token or "", self._grant.refresh_token or "")
        secret = self._client_secret
        coded = basic(self._client_id, secret) if secret else ""
        return tuple(s for s in (*self._identity(), *current, coded) if s)

    def _identity(self) -> tuple[str, ...]:
        kept = (self._client_secret, self._refresh_token)
        return tuple(s.get_secret_value() if s else "" for s in kept)

    async def sign(self, request: Request, send: Send) -> Request:
        """Add a token that is good for another minute."""
        if not self._fresh():
            await self._renew(send, refused=None)
        return with_header(request, "Authorization", f"Bearer {self._grant.token}")

    async def renew(self, refused: Request, send: Send) -> bool:
        """Get a new token, unless another request already did since this one was signed."""
        token = refused.headers.get("Authorization", "").removeprefix("Bearer ")
        await self._renew(send, refused=token)
        return True

    def _fresh(self) -> bool:
        return self._grant.token is not None and time.monotonic() < self._grant.expires

    async def _renew(self, send: Send, *, refused: str | None) -> None:
        # Clients of other threads have loops of their own, so the lock is a thread's lock that
        # is tried, not waited for: a cancelled wait then cannot leave it held.
        while not self._grant.lock.acquire(blocking=False):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        try:
            if not self._fresh() or self._grant.token == refused:
                await self._fetch(send)
        finally:
            self._grant.lock.release()

    async def _fetch(self, send: Send) -> None:
        asked = time.monotonic()
        response = await send(self._token_request())
        body = self._token_body(response)
        rotated = body.get("refresh_token")
        if self._refresh_token and rotated and rotated != self._current_refresh_token():
            self._grant.refresh_token = str(rotated)
            if self._on_rotate:
                kept = self._on_rotate(str(rotated))
                if inspect.isawaitable(kept):
                    await kept
        life = float(body.get("expires_in") or 3600)
        # A token that lives two minutes or less is renewed at half its life.
        self._grant.expires = asked + max(life - EARLY, life / 2)
        self._grant.token = str(body["access_token"])

    def _current_refresh_token(self) -> str:
        given = self._refresh_token.get_secret_value() if self._refresh_token else ""
        return self._grant.refresh_token or given

    def _token_request(self) -> Request:
        form = dict(self._extra)
        form["grant_type"] = "refresh_token" if self._refresh_token else "client_credentials"
        if self._refresh_token:
            form["refresh_token"] = self._current_refresh_token()
        if self._scope:
            form["scope"] = self._scope
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        }
        if self._client_secret and self._client_auth == "basic":
            headers["Authorization"] = f"Basic {basic(self._client_id, self._client_secret)}"
        else:
            form["client_id"] = self._client_id
            if self._client_secret:
                form["client_secret"] = self._client_secret.get_secret_value()
        return Request("POST", self.token_url, headers, urlencode(form).encode())

    def _token_body(self, response: Response) -> dict[str, Any]:
        where = f"the token endpoint {plain(self.token_url)}"
        try:
            body = response.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            body = {}
        if response.status == 429 or response.status >= 500:
            wait = retry_after(response.headers)
            raise TransientError(f"{where} answered {response.status}", retry_after=wait)
        error = str(body.get("error", ""))
        if error == "invalid_grant":
            raise AuthenticationError(
                f"{where} no longer accepts the refresh token (invalid_grant): re-authorise the "
                "application and put the new refresh token into the connection"
            )
        if response.status >= 400 or error:
            raise AuthenticationError(
                f"{where} answered {response.status} {error[:60]}: "
                "check client id, secret and scope"
            )
        if not body.get("access_token"):
            raise AuthenticationError(
                f"{where} answered without an access_token: check its address"
            )
        return body


def forget_tokens() -> None:
    """Drop every token of this process; the next request asks for a new one."""
    with _GRANTS_LOCK:
        _GRANTS.clear()
