"""The lastfm source keeps the contract of every source, for each kind of progress."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import pytest

from airflow_provider_spotify.core.sources.audio.lastfm import LastfmSource
from airflow_provider_spotify.core.testing.sources import SourceConformance
from tests.services.lastfm_api.fixtures import reader
from tests.services.lastfm_api.server import LastfmApi

WRONG = "wrong-key-of-nobody-77e0"


class _OnServer(SourceConformance):
    resource: str
    options: Mapping[str, Any] = MappingProxyType({"users": ["rj", "mo-1", "solo", "mute"]})
    empty: Mapping[str, Any] = MappingProxyType({"users": ["mute"]})

    @pytest.fixture(autouse=True)
    def _serve(self) -> Iterator[None]:
        with LastfmApi() as self.server:
            yield

    def make_source(self) -> LastfmSource:
        return reader(self.server.url, resource=self.resource, **self.options)

    def make_empty(self) -> LastfmSource:
        return reader(self.server.url, resource=self.resource, **{**self.options, **self.empty})

    def make_bad_credentials(self) -> LastfmSource:
        return reader(self.server.url, key=WRONG, resource=self.resource, **self.options)


class TestRecentTracks(_OnServer):
    """Newest first, with bounds, and a lookback for plays that come late."""

    resource = "recent_tracks"
    expected_rows = 430 + 143 + 1

    def add_more(self) -> int:
        now = int(time.time())
        added = self.server.scrobble("rj", 40, uts=now) + self.server.scrobble("mute", 2, uts=now)
        time.sleep(1.1)  # a second is read once it has passed
        return added


class TestLovedTracks(_OnServer):
    """Newest first, and the API takes no bounds."""

    resource = "loved_tracks"
    expected_rows = 45 + 45 + 1

    def add_more(self) -> int:
        return self.server.love("rj", 7)


class TestTopTracks(_OnServer):
    """A ranking, read as a whole each day."""

    resource = "top_tracks"


class TestWeeklyArtists(_OnServer):
    """Spans of a week."""

    resource = "weekly_artists"
    options = MappingProxyType(
        {
            "users": ["rj", "mo-1"],
            "start": "2025-12-29T00:00:00Z",
            "end": "2026-02-20T00:00:00Z",
            "batch_size": 15,
        }
    )


class TestSimilarTracks(_OnServer):
    """Lists without pages about tracks."""

    resource = "similar_tracks"

    @pytest.fixture(autouse=True)
    def _tracks(self, _serve: None) -> None:
        known = self.server.library.tracks
        self.options = {"tracks": [{"artist": t.artist.name, "name": t.name} for t in known[:12]]}
        self.empty = {"tracks": [{"artist": "Nobody", "name": "Nothing"}]}

    def make_empty(self) -> None:  # type: ignore[override]
        return None
