"""The hook of Mixpanel's APIs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from airflow.sdk import BaseHook

from airflow_provider_spotify.core.sources.base import Source
from airflow_provider_spotify.hooks.base import SourceHook


class MixpanelHook(SourceHook, BaseHook):
    """Reach Mixpanel as a service account of the project.

    The connection holds the account's username as login and its secret as password (Organization
    settings, Service accounts); in extra ``project_id`` and, unless the data live in the United
    States, ``region``: ``eu`` or ``in``.

    :param mixpanel_conn_id: the Airflow connection
    :param tenant: whose requests they are; rate limits and caches are kept apart by it
    """

    conn_name_attr = "mixpanel_conn_id"
    default_conn_name = "mixpanel_default"
    conn_type = "mixpanel"
    hook_name = "Mixpanel"
    source_type = "mixpanel"
    test_options: ClassVar[Mapping[str, Any]] = {"resource": "cohorts"}

    def __init__(
        self, mixpanel_conn_id: str = default_conn_name, *, tenant: str = "default"
    ) -> None:
        super().__init__()
        self.mixpanel_conn_id = mixpanel_conn_id
        self.tenant = tenant

    def get_conn(self) -> Source[Any]:
        """Return the source that a connection test uses: the project's cohorts."""
        return self.get_source(**self.test_options)
