"""The lastfm source meets faults in a listing that takes no bounds: loved tracks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_spotify.core.sources.audio.lastfm import LastfmSource
from airflow_provider_spotify.core.testing.web_faults import WebFaults
from tests.services.lastfm_api.fixtures import reader
from tests.services.lastfm_api.server import LastfmApi


class TestLovedTracks(WebFaults):
    """Loved tracks of two users, page by page."""

    data = r"^/2\.0"
    error_bodies = ({"error": 16, "message": "There was a temporary error, try again"},)

    @pytest.fixture(autouse=True)
    def _serve(self) -> Iterator[None]:
        with LastfmApi(plays=210) as self.server:
            yield

    def upstream(self) -> str:
        return self.server.url

    def make_source(self, url: str) -> LastfmSource:
        how: dict[str, Any] = {"timeout": "3s", "retry_attempts": 2, "batch_size": 20}
        return reader(url, resource="loved_tracks", users=["rj", "mo-1"], **how)

    def insert(self) -> int:
        return self.server.love()

    def delete(self) -> int:
        with self.server.lock:
            self.server.library.users["rj"].loved.pop(0)
        return 1
