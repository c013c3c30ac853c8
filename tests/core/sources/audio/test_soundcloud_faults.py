"""The soundcloud source when the API is slow, broken or refuses, and while its lists change."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType

import pytest

from airflow_provider_spotify.core.clients.oauth.grants import forget_tokens
from airflow_provider_spotify.core.errors import ImporterError
from airflow_provider_spotify.core.sources.audio.soundcloud import SoundcloudSource
from airflow_provider_spotify.core.testing.web_faults import WebFaults
from airflow_provider_spotify.core.testing.web_proxy import FaultProxy
from airflow_provider_spotify.core.testing.web_readings import attempt
from tests.services.soundcloud_api.fixtures import reader
from tests.services.soundcloud_api.server import SoundcloudApi

ERROR = {
    "code": 500,
    "message": "Internal Server Error",
    "link": "https://developers.soundcloud.com",
}


class TestUserTracks(WebFaults):
    """Uploads of two users, page by page."""

    data = r"^/users/"
    identity = ("urn",)
    excused = MappingProxyType({"duplicate": "a page does not say which one it is, or whose"})
    error_bodies = (ERROR, {"errors": [{"error_message": "500 - Internal Server Error"}]})

    @pytest.fixture(autouse=True)
    def _serve(self) -> Iterator[None]:
        forget_tokens()
        with SoundcloudApi() as self.server:
            yield

    def upstream(self) -> str:
        return self.server.url

    def make_source(self, url: str) -> SoundcloudSource:
        users = self.server.catalogue.names[:2]
        return reader(
            self.server,
            url=url,
            timeout="3s",
            retry_attempts=2,
            resource="user_tracks",
            users=users,
        )

    def insert(self) -> int:
        return self.server.upload()

    def delete(self) -> int:
        return self.server.withdraw()

    @pytest.mark.parametrize("after", [1, 3, 5])
    def test_a_page_of_one_user_served_twice_is_told(self, after: int) -> None:
        """Within a listing it is noticed, and the cursor brings the missing rows."""
        users = self.server.catalogue.names[:1]
        with FaultProxy(self.upstream(), data=self.data) as proxy:
            proxy.fault("duplicate", after=after)
            source = reader(self.server, url=proxy.url, resource="user_tracks", users=users)
            found = attempt(source)
        assert isinstance(found.error, ImporterError)
        later = attempt(reader(self.server, resource="user_tracks", users=users), found.cursor)
        chunks = [*found.chunks, *later.chunks]
        urns = [urn for chunk in chunks for urn in chunk.batch.column("urn").to_pylist()]
        assert sorted(urns) == sorted(self.server.catalogue.uploads[users[0]])
