"""Pytest fixture and shorthands: a contract server in a thread, and sources that point at it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_spotify.core.model import Chunk, Credentials, Cursor, Window
from airflow_provider_spotify.core.sources.audio.spotify import SpotifyConfig, SpotifySource
from tests.services.spotify_api.server import DEVELOPMENT_APP, EXTENDED_APP, SpotifyServer, running
from tests.services.spotify_api.state import App

__all__ = ["DEVELOPMENT_APP", "EXTENDED_APP", "collect", "connection", "reader", "spotify"]


@pytest.fixture
def spotify() -> Iterator[SpotifyServer]:
    """Run a server with one app of each mode for one test."""
    with running() as server:
        yield server


def connection(app: App, *, user: bool = False, secret: str | None = None) -> Credentials:
    """Return the connection of an app; ``user``: with the refresh token of its user's consent."""
    extra = {"refresh_token": app.refresh_token} if user else {}
    return Credentials(login=app.client_id, password=secret or app.secret, extra=extra)


def reader(
    server: SpotifyServer, app: App, *, user: bool = False, secret: str | None = None, **config: Any
) -> SpotifySource:
    """Return a source of a server, with chunks so small that a short read has many cursors."""
    addresses = {"api_url": f"{server.url}/v1", "token_url": f"{server.url}/api/token"}
    source = SpotifySource(
        SpotifyConfig.model_validate({**addresses, **config}),
        credentials=connection(app, user=user, secret=secret),
    )
    source.chunk_rows = 20
    return source


async def collect(
    source: SpotifySource, since: Cursor | None = None, window: Window | None = None
) -> list[Chunk]:
    """Read everything."""
    return [chunk async for chunk in source.read(since, window)]
