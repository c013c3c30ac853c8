"""The systems behind the example tenants: local servers, and the connections that lead to them."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from demo import data, royalties_api
from tests.services.spotify_api.catalogue import USERS
from tests.services.spotify_api.server import DEVELOPMENT_APP, running

PLAYLISTS = 12
SPOTIFY_EXAMPLE = "3cEYpjA9oz9GiPac4AsH4n"  # the playlist of the Web API's own reference pages


@contextmanager
def systems(root: Path) -> Iterator[dict[str, str]]:
    """Start what the tenants import from and write their files below ``root``.

    With SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET set, playlists come from Spotify itself:
    those of SPOTIFY_PLAYLIST_IDS (by commas). A development-mode app may only read the playlists
    of its own user, and needs SPOTIFY_REFRESH_TOKEN for that.

    :return: the environment variables that define the Airflow connections
    """
    with ExitStack() as stack:
        spotify, playlists = _spotify(stack)
        token = secrets.token_urlsafe(24)
        royalties = stack.enter_context(royalties_api.serving(token))
        data.write(root, playlists=playlists)
        connections: dict[str, dict[str, object]] = {
            "aurora__spotify": spotify,
            "basalt__royalties_api": {
                "conn_type": "http",
                "host": royalties,
                "password": token,
            },
        }
        for tenant in ("aurora", "basalt", "cedar"):
            key = secrets.token_urlsafe(32)
            connections[f"{tenant}__privacy_key"] = {"conn_type": "generic", "password": key}
        yield {f"AIRFLOW_CONN_{k.upper()}": json.dumps(v) for k, v in connections.items()}


def _spotify(stack: ExitStack) -> tuple[dict[str, object], list[str]]:
    """Return the connection to Spotify, or to the local server that keeps its contract."""
    client, secret = os.environ.get("SPOTIFY_CLIENT_ID"), os.environ.get("SPOTIFY_CLIENT_SECRET")
    if client and secret:
        extra = (
            {"refresh_token": token} if (token := os.environ.get("SPOTIFY_REFRESH_TOKEN")) else {}
        )
        ids = os.environ.get("SPOTIFY_PLAYLIST_IDS", SPOTIFY_EXAMPLE).split(",")
        return _connection(client, secret, extra), ids
    server = stack.enter_context(running())
    extra = {
        "api_url": f"{server.url}/v1",
        "token_url": f"{server.url}/api/token",
        "refresh_token": DEVELOPMENT_APP.refresh_token,
    }
    app = _connection(DEVELOPMENT_APP.client_id, DEVELOPMENT_APP.secret, extra)
    return app, [p.id for p in server.state.catalogue.owned_by(USERS[0])[:PLAYLISTS]]


def _connection(client: str, secret: str, extra: dict[str, str]) -> dict[str, object]:
    return {"conn_type": "spotify", "login": client, "password": secret, "extra": extra}
