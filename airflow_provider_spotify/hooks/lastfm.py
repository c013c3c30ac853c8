"""The hook of Last.fm's API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from airflow.sdk import BaseHook

from airflow_provider_spotify.core.sources.base import Source
from airflow_provider_spotify.hooks.base import SourceHook


class LastfmHook(SourceHook, BaseHook):
    """Reach Last.fm's API with the key of an account.

    The connection holds the API key as password (https://www.last.fm/api/account/create). What is
    read needs no more than that; the shared secret signs writing only.

    :param lastfm_conn_id: the Airflow connection
    :param tenant: whose requests they are; caches are kept apart by it
    """

    conn_name_attr = "lastfm_conn_id"
    default_conn_name = "lastfm_default"
    conn_type = "lastfm"
    hook_name = "Last.fm"
    source_type = "lastfm"
    test_options: ClassVar[Mapping[str, Any]] = {"resource": "chart_top_artists"}

    def __init__(self, lastfm_conn_id: str = default_conn_name, *, tenant: str = "default") -> None:
        super().__init__()
        self.lastfm_conn_id = lastfm_conn_id
        self.tenant = tenant

    def get_conn(self) -> Source[Any]:
        """Return the source that a connection test uses."""
        return self.get_source(**self.test_options)
