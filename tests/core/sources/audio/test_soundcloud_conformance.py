"""The soundcloud source keeps the contract of every source, for each kind of progress."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_spotify.core.clients.oauth.grants import forget_tokens
from airflow_provider_spotify.core.sources.audio.soundcloud import SoundcloudSource
from airflow_provider_spotify.core.testing.sources import SourceConformance
from tests.services.soundcloud_api.fixtures import reader
from tests.services.soundcloud_api.server import SoundcloudApi

WRONG = "wrong-secret-of-nobody-41bc"


class _OnServer(SourceConformance):
    resource: str
    who = 2

    @pytest.fixture(autouse=True)
    def _serve(self) -> Iterator[None]:
        forget_tokens()
        with SoundcloudApi() as self.server:
            yield

    def make_source(self) -> SoundcloudSource:
        users = self.server.catalogue.names[: self.who]
        return reader(self.server, resource=self.resource, users=users)

    def make_empty(self) -> SoundcloudSource:
        users = self.server.catalogue.names[9:11]
        return reader(self.server, resource=self.resource, users=users)

    def make_bad_credentials(self) -> SoundcloudSource:
        users = self.server.catalogue.names[:1]
        return reader(self.server, secret=WRONG, resource=self.resource, users=users)


class TestUserTracks(_OnServer):
    """Newest first, and the API takes no bounds."""

    resource = "user_tracks"
    expected_rows = 130 + 40

    def add_more(self) -> int:
        return self.server.upload(33)


class TestLikedTracks(_OnServer):
    """A listing without an order of time, read as a whole each day."""

    resource = "liked_tracks"
    expected_rows = 90 + 3


class TestTracks(_OnServer):
    """Tracks by URN, one that is gone among them."""

    resource = "tracks"
    expected_rows = 70

    def make_source(self) -> SoundcloudSource:
        tracks = [*list(self.server.catalogue.tracks)[:70], "soundcloud:tracks:3"]
        return reader(self.server, resource="tracks", tracks=tracks)

    def make_empty(self) -> None:  # type: ignore[override]
        return None

    def make_bad_credentials(self) -> SoundcloudSource:
        return reader(self.server, secret=WRONG, resource="tracks", tracks=["7"])


class TestSearchTracks(_OnServer):
    """A search, later runs of which ask for what was uploaded since."""

    resource = "search_tracks"

    def make_source(self) -> SoundcloudSource:
        return reader(self.server, resource="search_tracks", queries=["e", "ash"])

    def make_empty(self) -> SoundcloudSource:
        return reader(self.server, resource="search_tracks", queries=["zz no such title"])

    def make_bad_credentials(self) -> SoundcloudSource:
        return reader(self.server, secret=WRONG, resource="search_tracks", queries=["e"])
