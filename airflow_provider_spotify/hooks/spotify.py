"""The hook of Spotify's Web API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from airflow.sdk import BaseHook

from airflow_provider_spotify.core.sources.base import Source
from airflow_provider_spotify.hooks.base import SourceHook


class SpotifyHook(SourceHook, BaseHook):
    """Reach Spotify's Web API as one app, or as one of its users.

    The connection holds the app's client id as login and its client secret as password; a
    ``refresh_token`` in extra makes the app act for a user
    (https://developer.spotify.com/documentation/web-api/concepts/authorization), whose library and
    plays can then be read. ``quota_group`` there is the same in all connections of one developer
    account, whose requests Spotify counts together.

    :param spotify_conn_id: the Airflow connection
    :param tenant: whose requests they are; rate limits and caches are kept apart by it
    """

    conn_name_attr = "spotify_conn_id"
    default_conn_name = "spotify_default"
    conn_type = "spotify"
    hook_name = "Spotify"
    source_type = "spotify"
    test_options: ClassVar[Mapping[str, Any]] = {"resource": "tracks", "ids": ["0"]}

    def __init__(
        self, spotify_conn_id: str = default_conn_name, *, tenant: str = "default"
    ) -> None:
        super().__init__()
        self.spotify_conn_id = spotify_conn_id
        self.tenant = tenant

    def get_conn(self) -> Source[Any]:
        """Return the source that a connection test uses."""
        return self.get_source(**self.test_options)
