"""The source ``spotify`` under the fault plan: objects, batches, listings and playlists."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from airflow_provider_spotify.core.sources.audio.spotify import SpotifySource
from airflow_provider_spotify.core.testing.web_faults import WebFaults
from tests.services.spotify_api.fixtures import DEVELOPMENT_APP, EXTENDED_APP, reader
from tests.services.spotify_api.server import SpotifyServer
from tests.services.spotify_api.state import App


class Behind:
    """A server's address as a source sees it: the proxy's."""

    def __init__(self, url: str) -> None:
        self.url = url


class _OnServer(WebFaults):
    server: SpotifyServer
    app: ClassVar[App] = EXTENDED_APP
    user: ClassVar[bool] = False

    @pytest.fixture(autouse=True)
    def _start(self, spotify: SpotifyServer) -> None:
        self.server = spotify

    def upstream(self) -> str:
        return self.server.url

    def config(self) -> dict[str, Any]:
        raise AssertionError("each test class has its own")

    def make_source(self, url: str) -> SpotifySource:
        few = {"timeout": "3s", "retry_attempts": 2, "app_mode": self.app.mode, "concurrency": 3}
        return reader(Behind(url), self.app, user=self.user, **{**few, **self.config()})  # type: ignore[arg-type]


class TestTracks(_OnServer):
    """Ids one by one, as in development mode."""

    data = r"^/v1/tracks/"
    app = DEVELOPMENT_APP
    excused: ClassVar[dict[str, str]] = {
        "duplicate": "a track may come under another id: it is replaced by one that plays"
    }

    def config(self) -> dict[str, Any]:
        return {"resource": "tracks", "ids": list(self.server.state.catalogue.tracks)[:24]}


class TestAlbumsInBatches(_OnServer):
    """Ids in batches, as in extended mode."""

    data = r"^/v1/albums"
    excused: ClassVar[dict[str, str]] = {
        "rate": "a batch answered 429 without Retry-After is closed to the app (ForbiddenError)"
    }

    def config(self) -> dict[str, Any]:
        ids = list(self.server.state.catalogue.albums)[:40]
        return {"resource": "albums", "ids": ids, "batch_size": 10}


class TestPlaylistItems(_OnServer):
    """Playlists by version, with the items of each in pages."""

    data = r"^/v1/playlists/[^/]+/(items|tracks)"
    app = DEVELOPMENT_APP
    user = True

    def config(self) -> dict[str, Any]:
        ids = [p.id for p in self.server.state.catalogue.owned_by("listener_1") if p.entries][:2]
        return {"resource": "playlist_items", "ids": ids, "batch_size": 10}


class TestSearch(_OnServer):
    """Pages of a listing."""

    data = r"^/v1/search"

    def config(self) -> dict[str, Any]:
        kinds = ["artist", "track"]
        return {"resource": "search", "query": "ka", "search_types": kinds}
