"""The hook of Google Analytics' Data API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from airflow.sdk import BaseHook

from airflow_provider_spotify.core.sources.base import Source
from airflow_provider_spotify.hooks.base import SourceHook


class GoogleAnalyticsHook(SourceHook, BaseHook):
    """Reach Google Analytics 4 as a service account that may read the properties.

    The connection holds the key file in extra, in the words of Airflow's Google provider: its
    content as ``keyfile_dict``, or its path on the workers as ``key_path``. The account's address
    must be a viewer of each property (Admin, Property access management).

    :param google_analytics_conn_id: the Airflow connection
    :param tenant: whose requests they are; rate limits and caches are kept apart by it
    """

    conn_name_attr = "google_analytics_conn_id"
    default_conn_name = "google_analytics_default"
    conn_type = "google_analytics"
    hook_name = "Google Analytics 4"
    source_type = "google_analytics"
    test_options: ClassVar[Mapping[str, Any]] = {"resource": "metadata", "properties": ["0"]}

    def __init__(
        self, google_analytics_conn_id: str = default_conn_name, *, tenant: str = "default"
    ) -> None:
        super().__init__()
        self.google_analytics_conn_id = google_analytics_conn_id
        self.tenant = tenant

    def get_conn(self) -> Source[Any]:
        """Return the source that a connection test uses: what all properties have in common."""
        return self.get_source(**self.test_options)
