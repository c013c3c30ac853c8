"""The hook of Amplitude's APIs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from airflow.sdk import BaseHook

from airflow_provider_spotify.core.sources.base import Source
from airflow_provider_spotify.hooks.base import SourceHook


class AmplitudeHook(SourceHook, BaseHook):
    """Reach one project of Amplitude by its keys.

    The connection holds the project's API key as login and its secret key as password (Organization
    settings, Projects); in extra ``region``: ``eu``, if that is where the data live.

    :param amplitude_conn_id: the Airflow connection
    :param tenant: whose requests they are; rate limits and caches are kept apart by it
    """

    conn_name_attr = "amplitude_conn_id"
    default_conn_name = "amplitude_default"
    conn_type = "amplitude"
    hook_name = "Amplitude"
    source_type = "amplitude"
    test_options: ClassVar[Mapping[str, Any]] = {"resource": "event_types"}

    def __init__(
        self, amplitude_conn_id: str = default_conn_name, *, tenant: str = "default"
    ) -> None:
        super().__init__()
        self.amplitude_conn_id = amplitude_conn_id
        self.tenant = tenant

    def get_conn(self) -> Source[Any]:
        """Return the source that a connection test uses: the types of events."""
        return self.get_source(**self.test_options)
