"""What the spotify source reads of users under the fault plan: offsets and cursors."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_spotify.core.sources.audio.spotify import SpotifySource
from airflow_provider_spotify.core.testing.web_faults import WebFaults
from tests.services.spotify_api.fixtures import DEVELOPMENT_APP, reader
from tests.services.spotify_api.library import Library
from tests.services.spotify_api.server import SpotifyServer


class Behind:
    """A server's address as a source sees it: the proxy's."""

    def __init__(self, url: str) -> None:
        self.url = url


class _OfUser(WebFaults):
    server: SpotifyServer
    data = r"^/v1/me/"

    @pytest.fixture(autouse=True)
    def _start(self, spotify: SpotifyServer) -> None:
        self.server = spotify

    def upstream(self) -> str:
        return self.server.url

    @property
    def library(self) -> Library:
        return self.server.state.library(DEVELOPMENT_APP.user)

    def source(self, url: str, **config: Any) -> SpotifySource:
        few = {"timeout": "3s", "retry_attempts": 2, "concurrency": 3}
        return reader(Behind(url), DEVELOPMENT_APP, user=True, **few, **config)  # type: ignore[arg-type]


class TestSavedAlbums(_OfUser):
    """Offsets of a listing that is newest first, and shifts."""

    def make_source(self, url: str) -> SpotifySource:
        return self.source(url, resource="saved_albums", batch_size=12)

    def insert(self) -> int:
        saved = {each for _, each in self.library.saved["album"]}
        self.library.save("album", next(a for a in self.server.state.catalogue.albums
                                        if a not in saved))  # fmt: skip
        return 1

    def delete(self) -> int:
        self.library.remove("album", 0)
        return 1


class TestFollowedArtists(_OfUser):
    """Pages by the last artist's id."""

    def make_source(self, url: str) -> SpotifySource:
        return self.source(url, resource="followed_artists", batch_size=25)

    def insert(self) -> int:
        follows = self.library.follows
        follows.insert(0, next(a for a in self.server.state.catalogue.artists if a not in follows))
        return 1
