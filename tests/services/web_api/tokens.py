"""Access tokens of a contract server: given, renewed, ended, and refused when they are."""

from __future__ import annotations

import base64
import binascii
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.services.web_api.errors import ApiError


@dataclass(frozen=True)
class Token:
    """Whose a token is, what it may do, and when it ends (monotonic seconds)."""

    who: str
    scopes: frozenset[str]
    ends: float


class Unknown(Exception):
    """This text is no token."""


class Ended(Exception):
    """This token is over."""


@dataclass
class Tokens:
    """The tokens of one server, and its OAuth 2 token endpoint (RFC 6749).

    :param life: seconds that an access token lives
    :param clients: the secret of each client id
    :param refresh: whose each refresh token is
    :param rotate: a refresh token serves once and is replaced
    """

    life: float = 3600.0
    clients: dict[str, str] = field(default_factory=dict)
    refresh: dict[str, str] = field(default_factory=dict)
    rotate: bool = False
    given: dict[str, Token] = field(default_factory=dict)

    def grant(self, who: str, *, scopes: frozenset[str] = frozenset()) -> str:
        """Make an access token."""
        text = f"at-{secrets.token_urlsafe(24)}"
        self.given[text] = Token(who, scopes, time.monotonic() + self.life)
        return text

    def fixed(self, text: str, who: str, *, scopes: frozenset[str] = frozenset()) -> None:
        """Make a given text a token that does not end by itself."""
        self.given[text] = Token(who, scopes, float("inf"))

    def find(self, text: str) -> Token:
        """Return what a text is a token for.

        :raises Unknown: if it is none; Ended: if it is over
        """
        token = self.given.get(text)
        if token is None:
            raise Unknown
        if token.ends <= time.monotonic():
            raise Ended
        return token

    def expire(self) -> None:
        """End every access token now."""
        self.given = {t: Token(k.who, k.scopes, 0.0) for t, k in self.given.items()}

    def endpoint(self, form: Mapping[str, Any], authorization: str = "") -> dict[str, Any]:
        """Answer a token request: client credentials or refresh token.

        :raises ApiError: in the shape of RFC 6749, 5.2
        """
        client, secret = _client(form, authorization)
        if client not in self.clients or self.clients[client] != secret:
            raise ApiError(401, {"error": "invalid_client"})
        kind = form.get("grant_type")
        if kind == "client_credentials":
            return self._answer(client)
        if kind != "refresh_token":
            raise ApiError(400, {"error": "unsupported_grant_type"})
        old = str(form.get("refresh_token", ""))
        if old not in self.refresh:
            raise ApiError(400, {"error": "invalid_grant"})
        who = self.refresh[old]
        if not self.rotate:
            return self._answer(who)
        del self.refresh[old]
        new = f"rt-{secrets.token_urlsafe(24)}"
        self.refresh[new] = who
        return self._answer(who, refresh_token=new)

    def _answer(self, who: str, **more: str) -> dict[str, Any]:
        seconds = max(1, int(self.life))
        return {"access_token": self.grant(who), "token_type": "Bearer", "expires_in": seconds,
                **more}  # fmt: skip


def _client(form: Mapping[str, Any], authorization: str) -> tuple[str, str]:
    kind, _, coded = authorization.partition(" ")
    if kind.lower() != "basic":
        return str(form.get("client_id", "")), str(form.get("client_secret", ""))
    try:
        login, _, secret = base64.b64decode(coded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return login, secret
