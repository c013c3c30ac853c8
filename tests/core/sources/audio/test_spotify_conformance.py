"""The spotify source keeps the contract of every source, in either mode."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_spotify.core.sources.audio.spotify import SpotifySource
from airflow_provider_spotify.core.testing.sources import SourceConformance
from tests.services.spotify_api.fixtures import DEVELOPMENT_APP, EXTENDED_APP, reader
from tests.services.spotify_api.server import SpotifyServer

WRONG = "wrong-secret-of-nobody-93c1"


class _OnServer(SourceConformance):
    server: SpotifyServer

    @pytest.fixture(autouse=True)
    def _start(self, spotify: SpotifyServer) -> None:
        self.server = spotify
        self.count = 90

    def make_empty(self) -> SpotifySource:
        place = {"table": "nothing_yet", "column": "id"}
        return reader(self.server, EXTENDED_APP, resource="tracks", ids_from=place).given([])


class TestTracks(_OnServer):
    """Ids one by one, as in development mode."""

    expected_rows = 90

    def make_source(self) -> SpotifySource:
        ids = list(self.server.state.catalogue.tracks)[: self.count]
        return reader(
            self.server, DEVELOPMENT_APP, resource="tracks", ids=[*ids[:4], "bad", *ids[4:]]
        )

    def make_bad_credentials(self) -> SpotifySource:
        ids = ["0" * 22]
        return reader(self.server, DEVELOPMENT_APP, secret=WRONG, resource="tracks", ids=ids)

    def add_more(self) -> int:
        self.count += 25
        return 25


class TestAlbumsInBatches(_OnServer):
    """Ids in batches, as in extended mode."""

    expected_rows = 90

    def make_source(self) -> SpotifySource:
        ids = list(self.server.state.catalogue.albums)[: self.count]
        return reader(self.server, EXTENDED_APP, resource="albums", ids=ids, batch_size=15)

    def add_more(self) -> int:
        self.count += 1
        return 1


class TestPlaylistItems(_OnServer):
    """Playlists by version; a changed one is read as a whole, so nothing is added here."""

    def make_source(self) -> SpotifySource:
        ids = [p.id for p in self.server.state.catalogue.owned_by("listener_1") if p.entries][:6]
        config: dict[str, Any] = {"resource": "playlist_items", "ids": ids, "batch_size": 10}
        return reader(self.server, DEVELOPMENT_APP, user=True, **config)

    def make_bad_credentials(self) -> SpotifySource:
        config: dict[str, Any] = {"resource": "playlist_items", "ids": ["0" * 22]}
        return reader(self.server, DEVELOPMENT_APP, user=True, secret=WRONG, **config)


class TestSearch(_OnServer):
    """Pages of a listing."""

    def make_source(self) -> SpotifySource:
        kinds = ["artist", "album", "track"]
        return reader(self.server, EXTENDED_APP, resource="search", query="ka", search_types=kinds)
