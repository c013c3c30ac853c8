"""The command authorize: a user consents in the browser, and a connection keeps what that gives."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import os
import sys
import webbrowser
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from pydantic import SecretStr

from airflow_provider_spotify.cli.exits import OK
from airflow_provider_spotify.cli.loopback import HOST, PATH, listening
from airflow_provider_spotify.cli.storing import save, shown
from airflow_provider_spotify.core.clients.http.auth import Send
from airflow_provider_spotify.core.clients.http.settings import HttpSettings
from airflow_provider_spotify.core.clients.http.transport import Transport
from airflow_provider_spotify.core.clients.oauth.consent import Consent, Granted, granted
from airflow_provider_spotify.core.clients.oauth.providers import PROVIDERS, OAuthProvider
from airflow_provider_spotify.core.environment import connection
from airflow_provider_spotify.core.errors import Cancelled, ConfigurationError
from airflow_provider_spotify.core.model import Credentials

SECRET_SETTING = "SPOTIFY_IMPORTS_CLIENT_SECRET"  # noqa: S105  (a name)
_ADDRESSES = ("authorize_url", "token_url", "exchange_url")
"""What a connection's extra may name instead of the provider's own, such as a server for tests."""


class App(NamedTuple):
    """Who asks for consent: the app, and the connection that its tokens go to."""

    provider: OAuthProvider
    conn_id: str
    credentials: Credentials
    client_id: str
    secret: SecretStr | None


def authorize(arguments: argparse.Namespace) -> int:
    """Open the consent page, wait for the answer, and keep or print the connection."""
    if not (arguments.save or arguments.output):
        raise ConfigurationError(
            "say where the connection goes: --save puts it into Airflow, --output uri, env or json "
            "prints it, with its secrets"
        )
    app = _app(arguments)
    scopes = arguments.scope or list(app.provider.scopes)
    try:
        consent, code = _answer(arguments, app, scopes)
    except KeyboardInterrupt:
        raise Cancelled("stopped before anybody consented") from None
    found = asyncio.run(_exchanged(consent, code, secret=app.secret))
    fields = _fields(app, found)
    if arguments.save:
        save(app.conn_id, fields)
    print(f"{app.provider.title} authorised the application: {app.conn_id}", file=sys.stderr)
    if arguments.output:
        print(shown(app.conn_id, fields, form=arguments.output))
    return OK


def _app(arguments: argparse.Namespace) -> App:
    provider = PROVIDERS[arguments.system]
    conn_id = arguments.connection or f"{provider.conn_type}_default"
    given = Credentials()
    if not arguments.client_id:
        resolve: Callable[[str], Credentials] = getattr(arguments, "resolve", None) or connection
        given = resolve(conn_id)
    client_id = arguments.client_id or given.login
    if not client_id:
        raise ConfigurationError(
            f"connection {conn_id!r} has no login: it is the app's {provider.client_id_name}"
        )
    secret = given.password or _secret(provider)
    return App(_addressed(provider, given), conn_id, given, client_id, secret)


def _addressed(provider: OAuthProvider, given: Credentials) -> OAuthProvider:
    """Return the provider at the addresses that a connection names for those it has."""
    named: dict[str, Any] = {
        name: str(given.extra[name])
        for name in _ADDRESSES
        if given.extra.get(name) and getattr(provider, name)
    }
    return replace(provider, **named)


def _secret(provider: OAuthProvider) -> SecretStr | None:
    """Return the app's secret from the environment or the keyboard, never from an argument."""
    secret = os.environ.get(SECRET_SETTING, "")
    if not secret and sys.stdin.isatty():
        may = "" if provider.needs_secret else " (empty, if the app has none)"
        secret = getpass.getpass(f"{provider.title} client secret{may}: ").strip()
    if not secret and provider.needs_secret:
        raise ConfigurationError(
            f"{provider.title} exchanges a code only with the client secret: set {SECRET_SETTING}, "
            "or put it into the connection's password"
        )
    return SecretStr(secret) if secret else None


def _answer(arguments: argparse.Namespace, app: App, scopes: list[str]) -> tuple[Consent, str]:
    """Have the user consent; return what was asked and the code that came back."""
    provider = app.provider
    if arguments.redirect_uri or provider.redirect == "https":
        address = arguments.redirect_uri or f"https://localhost:{arguments.port}{PATH}"
        consent = _consent(app, address, scopes)
        _open(consent, arguments)
        print("Paste the address that the page led to, as a whole:", file=sys.stderr)
        return consent, consent.code(sys.stdin.readline())
    with listening(arguments.port) as listener:
        consent = _consent(app, f"http://{HOST}:{listener.server_port}{PATH}", scopes)
        _open(consent, arguments)
        return consent, listener.wait(consent, seconds=arguments.timeout)


def _consent(app: App, address: str, scopes: list[str]) -> Consent:
    return Consent(
        provider=app.provider, client_id=app.client_id, redirect_uri=address, scopes=scopes
    )


def _open(consent: Consent, arguments: argparse.Namespace) -> None:
    """Open the page, or say where it is; the address holds no secret."""
    print(
        f"Register {consent.redirect_uri} with the app as a redirect address "
        f"({consent.provider.docs}), then consent here:\n{consent.url}",
        file=sys.stderr,
        flush=True,
    )
    if not arguments.no_browser:
        webbrowser.open(consent.url)


async def _exchanged(consent: Consent, code: str, *, secret: SecretStr | None) -> Granted:
    transport = Transport(HttpSettings(base_url=consent.provider.token_url.rstrip("/")))
    await transport.open()
    try:
        send: Send = transport.send
        return await granted(consent, code, client_secret=secret, send=send)
    finally:
        await transport.close()


def _fields(app: App, found: Granted) -> dict[str, Any]:
    """Return the connection in Airflow's words: what it was, and the new token."""
    extra = {k: v for k, v in app.credentials.extra.items() if k != "refresh_token"}
    if found.refresh_token:
        extra["refresh_token"] = found.refresh_token
    if found.access_token:
        extra |= {"access_token": found.access_token, "access_token_obtained": found.obtained}
    fields = {
        "conn_type": app.provider.conn_type,
        "host": app.credentials.host,
        "port": app.credentials.port,
        "schema": app.credentials.database,
        "login": app.client_id,
        "password": app.secret.get_secret_value() if app.secret else None,
        "extra": extra,
    }
    return {name: value for name, value in fields.items() if value is not None}
