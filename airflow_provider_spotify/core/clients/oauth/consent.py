"""A user's consent: the page to open, the answer that comes back, and the tokens it is worth.

The authorization code grant (RFC 6749, 4.1) with PKCE (RFC 7636) for an app on the user's machine
(RFC 8252): the answer comes to a port of 127.0.0.1, or is pasted where a system wants https.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pydantic import SecretStr

from airflow_provider_spotify.core.clients.http.auth import Send
from airflow_provider_spotify.core.clients.http.messages import Request, with_params
from airflow_provider_spotify.core.clients.oauth.endpoint import TokenEndpoint, life
from airflow_provider_spotify.core.clients.oauth.providers import OAuthProvider
from airflow_provider_spotify.core.errors import AuthenticationError


class StateMismatch(AuthenticationError):
    """An answer that this consent did not ask for."""


def _random() -> str:
    return secrets.token_urlsafe(48)


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """One attempt to have a user consent.

    :param redirect_uri: where the answer goes; registered with the app
    :param state: returns with the answer and shows that it is ours (RFC 6749, 10.12)
    :param verifier: shows the token endpoint who asked; 64 characters (RFC 7636, 4.1)
    """

    provider: OAuthProvider
    client_id: str
    redirect_uri: str
    scopes: Sequence[str] = ()
    state: str = field(default_factory=_random, repr=False)
    verifier: str = field(default_factory=_random, repr=False)

    @property
    def url(self) -> str:
        """The page on which the user consents; it holds no secret."""
        provider = self.provider
        form = challenge(self.verifier, form=provider.challenge)
        return with_params(
            provider.authorize_url,
            {
                "response_type": "code",
                provider.client_id_name: self.client_id,
                "redirect_uri": self.redirect_uri,
                "scope": provider.scope_separator.join(self.scopes) or None,
                "state": self.state,
                "code_challenge": form,
                "code_challenge_method": "S256" if form else None,
            },
        )

    def code(self, answer: str) -> str:
        """Return the code of an answer, the address that the page led to.

        :raises StateMismatch: if it is no answer to this consent
        :raises AuthenticationError: if the user or the system refused
        """
        given = parse_qs(urlsplit(answer.strip()).query)
        state = given.get("state", [""])[0]
        if not hmac.compare_digest(state.encode(), self.state.encode()):
            raise StateMismatch("the answer's state is not the one that was sent: start again")
        if error := given.get("error", [""])[0]:
            raise AuthenticationError(
                f"{self.provider.title} did not authorise the application ({_printable(error)}); "
                "start again and accept, or check the scopes"
            )
        code = given.get("code", [""])[0]
        if not code:
            raise StateMismatch("the answer holds no code: paste the whole address")
        return code


@dataclass(frozen=True, slots=True)
class Granted:
    """What a consent is worth; its printed form shows no token.

    :param refresh_token: what gives access tokens from now on, or
    :param access_token: a long-lived token, and when it was given (seconds since 1970)
    """

    refresh_token: str | None = field(default=None, repr=False)
    access_token: str | None = field(default=None, repr=False)
    obtained: int = 0
    scope: str = ""


async def granted(
    consent: Consent, code: str, *, client_secret: SecretStr | None, send: Send
) -> Granted:
    """Exchange a code; where a system has long-lived tokens, exchange that again.

    :raises AuthenticationError: if it is refused, or no refresh token comes with it
    :raises TransientError: if the system cannot answer now
    """
    provider = consent.provider
    endpoint = TokenEndpoint(
        url=provider.token_url,
        client_id=consent.client_id,
        client_secret=client_secret,
        client_auth=provider.client_auth,
        client_id_name=provider.client_id_name,
        title=provider.title,
        remedy="a code works once and for some minutes: start again",
    )
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": consent.redirect_uri,
    }
    if provider.challenge:
        form["code_verifier"] = consent.verifier
    if client_secret and provider.client_auth == "basic":
        form[provider.client_id_name] = consent.client_id  # harmless, and some ask for both
    body = await endpoint.ask(form, send=send)
    scope = _scope(body)
    if provider.exchange_url:
        return await _long_lived(body, provider, client_secret=client_secret, send=send)
    if not body.get("refresh_token"):
        raise AuthenticationError(
            f"{provider.title} gave no refresh token; check the app's settings and the scopes"
            f" ({', '.join(consent.scopes) or 'none'})"
        )
    return Granted(refresh_token=str(body["refresh_token"]), scope=scope)


async def _long_lived(
    short: dict[str, Any],
    provider: OAuthProvider,
    *,
    client_secret: SecretStr | None,
    send: Send,
) -> Granted:
    """Trade a token of one hour for one of sixty days.

    https://developers.facebook.com/docs/instagram-platform/reference/access_token
    """
    asked, token = int(time.time()), str(short["access_token"])
    secret = client_secret.get_secret_value() if client_secret else ""
    words = {"grant_type": "ig_exchange_token", "client_secret": secret, "access_token": token}
    url = provider.exchange_url or ""
    response = await send(Request("GET", with_params(url, words), {"Accept": "application/json"}))
    body = TokenEndpoint(url=url, title=provider.title).read(response, secrets=(secret, token))
    ends = asked + life(body, otherwise=0)
    if ends < asked + 24 * 3600:
        raise AuthenticationError(f"{provider.title} gave no long-lived token; start again")
    return Granted(access_token=str(body["access_token"]), obtained=asked, scope=_scope(short))


def challenge(verifier: str, *, form: str | None) -> str | None:
    """Return the S256 challenge of a verifier (RFC 7636, 4.2); TikTok wants its digest in hex.

    https://developers.tiktok.com/doc/login-kit-desktop
    """
    digest = hashlib.sha256(verifier.encode())
    if form == "hex":
        return digest.hexdigest()
    return base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode() if form else None


def _scope(body: dict[str, Any]) -> str:
    """Return what was granted, in whichever of the shapes: text, or Instagram's list."""
    scope = body.get("scope") or body.get("permissions") or ""
    return " ".join(map(str, scope)) if isinstance(scope, list) else str(scope)


def _printable(text: str) -> str:
    return "".join(c for c in text if c.isprintable())[:80]
