"""The lastfm source when the API is slow, broken or refuses, and while its lists change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_spotify.core.sources.audio.lastfm import LastfmSource
from airflow_provider_spotify.core.testing.web_faults import WebFaults
from tests.services.lastfm_api.fixtures import reader
from tests.services.lastfm_api.server import LastfmApi

ERRORS = (
    {"error": 8, "message": "Operation failed - Something else went wrong"},
    {"error": 11, "message": "Service Offline - This service is temporarily offline."},
    {"error": 29, "message": "Rate limit exceeded - Your IP has made too many requests"},
    {"error": {"code": 500, "message": "backend failed"}},
)
"""Errors as Last.fm sends them with status 200, and one that it never sent so far."""


class TestRecentTracks(WebFaults):
    """Plays of two users, page by page."""

    data = r"^/2\.0"
    error_bodies = ERRORS

    @pytest.fixture(autouse=True)
    def _serve(self) -> Iterator[None]:
        with LastfmApi(plays=210) as self.server:
            yield

    def upstream(self) -> str:
        return self.server.url

    def make_source(self, url: str) -> LastfmSource:
        how: dict[str, Any] = {"timeout": "3s", "retry_attempts": 2, "lookback": "0s"}
        return reader(url, resource="recent_tracks", users=["rj", "mo-1"], **how)

    def insert(self) -> int:
        return self.server.scrobble(uts=self.server.library.users["rj"].plays[5][0] - 7)

    def delete(self) -> int:
        return self.server.unscrobble()
