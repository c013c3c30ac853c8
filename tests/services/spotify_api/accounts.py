"""The accounts service: ``POST /api/token`` for client credentials and refresh tokens."""

from __future__ import annotations

import base64
import binascii

from aiohttp import web

from tests.services.spotify_api.replies import reply
from tests.services.spotify_api.state import STATE, App, Call, State


async def token(request: web.Request) -> web.Response:
    """Give an access token, or an error of RFC 6749."""
    state: State = request.app[STATE]
    response = _answer(state, dict(await request.post()), request.headers.get("Authorization", ""))
    state.calls.append(Call("POST", request.path, "", response.status, None))
    return response


def _answer(state: State, form: dict[str, object], header: str) -> web.Response:
    client_id, secret = _client(form, header)
    app = state.app(client_id, secret)
    if app is None:
        known = any(client_id == each.client_id for each in state.apps)
        return _error("invalid_client", "Invalid client secret" if known else "Invalid client")
    if form.get("grant_type") == "client_credentials":
        return _granted(state, app, user=None)
    if form.get("grant_type") != "refresh_token":
        return _error("unsupported_grant_type", "grant_type must be client_credentials,"
                      " authorization_code or refresh_token")  # fmt: skip
    old = str(form.get("refresh_token", ""))
    if state.consents.get(old) != app:
        return _error("invalid_grant", "Invalid refresh token")
    if not state.rotate:
        return _granted(state, app, user=app.user)
    return _granted(state, app, user=app.user, refresh_token=state.rotated(app, old))


def _client(form: dict[str, object], header: str) -> tuple[str, str]:
    kind, _, coded = header.partition(" ")
    if kind.lower() != "basic":
        return str(form.get("client_id", "")), str(form.get("client_secret", ""))
    try:
        login, _, secret = base64.b64decode(coded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return login, secret


def _granted(state: State, app: App, *, user: str | None, **more: str) -> web.Response:
    seconds = max(1, int(state.token_seconds))
    body = {"access_token": state.grant(app, user=user), "token_type": "Bearer", **more}
    return reply({**body, "expires_in": seconds, **({"scope": ""} if user else {})})


def _error(code: str, description: str) -> web.Response:
    return reply({"error": code, "error_description": description}, status=400)
