"""The hook of SoundCloud's API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from airflow.sdk import BaseHook

from airflow_provider_spotify.core.sources.base import Source
from airflow_provider_spotify.hooks.base import SourceHook


class SoundcloudHook(SourceHook, BaseHook):
    """Reach SoundCloud's API as one app, or as one of its users.

    The connection holds the app's client id as login and its client secret as password; a
    ``refresh_token`` in extra makes the app act for a user, and ``token_store`` there names where
    workers share tokens, because each refresh token works once
    (https://developers.soundcloud.com/docs/api/guide#authentication).

    :param soundcloud_conn_id: the Airflow connection
    :param tenant: whose requests they are; rate limits and caches are kept apart by it
    """

    conn_name_attr = "soundcloud_conn_id"
    default_conn_name = "soundcloud_default"
    conn_type = "soundcloud"
    hook_name = "SoundCloud"
    source_type = "soundcloud"
    test_options: ClassVar[Mapping[str, Any]] = {"resource": "search_tracks", "queries": ["a"]}

    def __init__(
        self, soundcloud_conn_id: str = default_conn_name, *, tenant: str = "default"
    ) -> None:
        super().__init__()
        self.soundcloud_conn_id = soundcloud_conn_id
        self.tenant = tenant

    def get_conn(self) -> Source[Any]:
        """Return the source that a connection test uses."""
        return self.get_source(**self.test_options)
