"""OAuth 2 for HTTP clients: the client credentials and the refresh token grant (RFC 6749)."""

from __future__ import annotations

import hashlib
import inspect
import time
from collections.abc import Awaitable, Callable, Mapping

from pydantic import SecretStr

from airflow_provider_spotify.core.clients.http.auth import Send, basic
from airflow_provider_spotify.core.clients.oauth.endpoint import (
    ClientAuth,
    GrantRefused,
    TokenEndpoint,
    life,
)
from airflow_provider_spotify.core.clients.oauth.providers import PROVIDERS, OAuthProvider
from airflow_provider_spotify.core.clients.oauth.seal import Tokens
from airflow_provider_spotify.core.clients.oauth.store import TokenStore, token_store
from airflow_provider_spotify.core.clients.oauth.tokens import (
    EARLY,
    RenewedAuth,
    forget_tokens,
    lasting,
)
from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Credentials

__all__ = ["EARLY", "OAuth2", "Rotate", "forget_tokens", "signed_in"]

Rotate = Callable[[str], Awaitable[None] | None]


class OAuth2(RenewedAuth):
    """A token from a token endpoint (RFC 6749), renewed before it ends.

    One renewal serves all concurrent requests, of every client of these credentials in this
    process and, with a store, of all workers that share it. With ``refresh_token`` the grant is
    ``refresh_token``, else ``client_credentials``.

    A refresh token that the store has wins over the connection's, which is older; a connection
    with another refresh token is another credential and starts anew.

    :param client_auth: where the endpoint expects the client's secret: ``basic`` or ``body``
    :param extra: parameters that every token request gets
    :param on_rotate: takes a new refresh token, before anything uses it
    :param scheme: the word before the token in the Authorization header
    :param client_id_name: the parameter that holds the client id
    :param app_auth: where the secret goes for client credentials, if elsewhere
    :param refreshes_app: renew an app's token, too, by the refresh token that comes with it
    :param store: where workers share the tokens; None: this process keeps them
    :param title: the system's name, for messages
    :param remedy: what to do when the endpoint refuses the refresh token, for messages
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
        client_auth: ClientAuth = "basic",
        extra: Mapping[str, str] | None = None,
        on_rotate: Rotate | None = None,
        scheme: str = "Bearer",
        client_id_name: str = "client_id",
        app_auth: ClientAuth | None = None,
        refreshes_app: bool = False,
        store: TokenStore | None = None,
        title: str | None = None,
        remedy: str | None = None,
    ) -> None:
        self.token_url = token_url
        self._client_id = client_id
        self._client_secret = client_secret
        self._refresh_token = refresh_token
        self._scope = scope
        self._extra = dict(extra or {})
        self._on_rotate = on_rotate
        self._app_auth = app_auth or client_auth
        self._refreshes_app = refreshes_app
        self._endpoint = TokenEndpoint(
            url=token_url,
            client_id=client_id,
            client_secret=client_secret,
            client_auth=client_auth,
            client_id_name=client_id_name,
            title=title,
            **({"remedy": remedy} if remedy else {}),
        )
        super().__init__(scheme=scheme, store=store)

    @property
    def fingerprint(self) -> str:
        """Sixteen hex digits that tell credentials apart and do not give them away."""
        parts = (self.kind, self.token_url, self._client_id, self._scope or "", *self._identity())
        return hashlib.blake2b("\0".join(parts).encode(), digest_size=8).hexdigest()

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not appear in any message, the current tokens included."""
        secret = self._client_secret
        coded = (basic(self._client_id, secret),) if secret else ()
        return (*super().secrets, *coded)

    def _identity(self) -> tuple[str, ...]:
        kept = (self._client_secret, self._refresh_token)
        return tuple(s.get_secret_value() if s else "" for s in kept)

    async def _obtain(self, held: Tokens | None, send: Send) -> Tokens:
        given = self._refresh_token.get_secret_value() if self._refresh_token else None
        refresh_token = (held.refresh_token if held else None) or given
        if refresh_token is None:
            return await self._for_app(send)
        try:
            return await self._refreshed(refresh_token, send)
        except GrantRefused:
            if given is not None:
                raise
            return await self._for_app(send)  # an app can begin again by itself

    async def _for_app(self, send: Send) -> Tokens:
        form = {**self._extra, "grant_type": "client_credentials"}
        tokens = await self._ask(form, send, client_auth=self._app_auth)
        return tokens if self._refreshes_app else _without_refresh(tokens)

    async def _refreshed(self, refresh_token: str, send: Send) -> Tokens:
        dead = self._grant.dead
        if dead and dead[0] == refresh_token:
            raise GrantRefused(dead[1])
        form = {**self._extra, "grant_type": "refresh_token", "refresh_token": refresh_token}
        try:
            tokens = await self._ask(form, send)
        except GrantRefused as error:
            # Every request that waited would ask the same again.
            self._grant.dead = (refresh_token, str(error))
            raise
        return Tokens(
            tokens.access_token,
            tokens.expires,
            tokens.obtained,
            tokens.refresh_token or refresh_token,
        )

    async def _ask(
        self, form: dict[str, str], send: Send, *, client_auth: ClientAuth | None = None
    ) -> Tokens:
        asked = time.time()
        if self._scope:
            form["scope"] = self._scope
        body = await self._endpoint.ask(form, send=send, client_auth=client_auth)
        rotated = body.get("refresh_token")
        return Tokens(
            str(body["access_token"]),
            expires=lasting(life(body), asked=asked),
            obtained=asked,
            refresh_token=str(rotated) if rotated else None,
        )

    async def _kept(self, before: Tokens | None, tokens: Tokens) -> None:
        given = self._refresh_token.get_secret_value() if self._refresh_token else None
        known = (before.refresh_token if before else None) or given
        new = tokens.refresh_token
        if self._on_rotate and given and new and new != known:
            kept = self._on_rotate(new)
            if inspect.isawaitable(kept):
                await kept


def signed_in(
    credentials: Credentials,
    *,
    provider: OAuthProvider | str,
    token_url: str | None = None,
    scope: str | None = None,
) -> OAuth2:
    """Return the authorisation of a connection: its refresh token's user, else the app itself.

    The connection has the client id as login and its secret as password; ``refresh_token`` and
    ``token_store`` stand in extra.

    :param token_url: another address than the provider's, such as one for tests
    :raises ConfigurationError: if client id or secret are missing
    """
    known = PROVIDERS[provider] if isinstance(provider, str) else provider
    refresh_token = credentials.secret("refresh_token")
    if not credentials.login or not (credentials.password or refresh_token):
        raise ConfigurationError(
            f"a {known.title} connection needs the app's {known.client_id_name} as login and its "
            "client secret as password (or, for an app without a secret, refresh_token in extra)"
        )
    endpoint = known.token_url if refresh_token else known.app_url or known.token_url
    return OAuth2(
        token_url or endpoint,
        client_id=credentials.login,
        client_secret=credentials.password,
        refresh_token=SecretStr(refresh_token) if refresh_token else None,
        scope=scope,
        client_auth=known.client_auth,
        scheme=known.scheme,
        client_id_name=known.client_id_name,
        app_auth=known.app_auth,
        refreshes_app=known.refreshes_app,
        store=token_store(credentials.extra),
        title=known.title,
        remedy=f"re-authorise the application; {known.remedy}. Where a refresh token works once, "
        "a run that was killed while it renewed one, or workers without a common token_store, use "
        "it up, too",
    )


def _without_refresh(tokens: Tokens) -> Tokens:
    return Tokens(tokens.access_token, tokens.expires, tokens.obtained)
