"""The spotify source keeps the contract of every source for what belongs to a user."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_spotify.core.sources.audio.spotify import SpotifySource
from airflow_provider_spotify.core.testing.sources import SourceConformance
from tests.services.spotify_api.fixtures import DEVELOPMENT_APP, EXTENDED_APP, reader
from tests.services.spotify_api.library import Library
from tests.services.spotify_api.server import SpotifyServer

WRONG = "wrong-secret-of-nobody-93c1"


class _OfUser(SourceConformance):
    server: SpotifyServer
    config: dict[str, Any]

    @pytest.fixture(autouse=True)
    def _start(self, spotify: SpotifyServer) -> None:
        self.server = spotify

    @property
    def library(self) -> Library:
        return self.server.state.library(DEVELOPMENT_APP.user)

    def make_source(self) -> SpotifySource:
        return reader(self.server, DEVELOPMENT_APP, user=True, batch_size=25, **self.config)

    def make_bad_credentials(self) -> SpotifySource:
        return reader(self.server, DEVELOPMENT_APP, user=True, secret=WRONG, **self.config)


class TestSavedTracks(_OfUser):
    """The latest first, some of them saved at the same second."""

    expected_rows = 230
    config = {"resource": "saved_tracks"}  # noqa: RUF012

    def add_more(self) -> int:
        tracks = list(self.server.state.catalogue.tracks)
        self.library.save("track", *tracks[-3:], seconds=0)
        self.library.save("track", *tracks[-8:-3])
        return 8


class TestTopArtists(_OfUser):
    """Rankings of several ranges of time, each read as a whole."""

    expected_rows = 120
    config = {"resource": "top_artists", "time_ranges": ["short_term", "long_term"]}  # noqa: RUF012


class TestFollowedArtists(_OfUser):
    """Pages by the last artist's id."""

    expected_rows = 120
    config = {"resource": "followed_artists"}  # noqa: RUF012


class TestShowEpisodes(_OfUser):
    """The spoken word, below ids."""

    def make_source(self) -> SpotifySource:
        ids = list(self.server.state.spoken.shows)[: getattr(self, "count", 8)]
        config: dict[str, Any] = {
            "resource": "show_episodes",
            "ids": ids,
            "market": "SE",
            "batch_size": 20,
        }
        return reader(self.server, EXTENDED_APP, **config)

    def make_bad_credentials(self) -> SpotifySource:
        config: dict[str, Any] = {"resource": "show_episodes", "ids": ["0" * 22]}
        return reader(self.server, EXTENDED_APP, secret=WRONG, **config)

    def add_more(self) -> int:
        self.count = 9
        return len(list(self.server.state.spoken.shows.values())[8].episodes)
