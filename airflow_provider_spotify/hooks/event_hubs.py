"""The hook of Azure Event Hubs, reached by its Kafka endpoint."""

from __future__ import annotations

import asyncio
from typing import Any

from airflow.sdk import BaseHook

from airflow_provider_spotify.core.model import Health
from airflow_provider_spotify.core.sources.base import Source
from airflow_provider_spotify.hooks.base import SourceHook


class EventHubsHook(SourceHook, BaseHook):
    """Read event hubs of one namespace, of the tier Standard or above.

    The official Azure provider has no hook for Event Hubs, so the connection type is ours: the
    connection string of a shared access policy with the right Listen is its password
    (https://learn.microsoft.com/azure/event-hubs/event-hubs-get-connection-string).

    :param event_hubs_conn_id: the Airflow connection
    :param tenant: whose data it is
    """

    conn_name_attr = "event_hubs_conn_id"
    default_conn_name = "event_hubs_default"
    conn_type = "azure_event_hubs"
    hook_name = "Azure Event Hubs"
    source_type = "event_hubs"

    def __init__(
        self, event_hubs_conn_id: str = default_conn_name, *, tenant: str = "default"
    ) -> None:
        super().__init__()
        self.event_hubs_conn_id = event_hubs_conn_id
        self.tenant = tenant

    def get_conn(self) -> Source[Any]:
        """Return the source that a connection test uses."""
        return self.get_source(event_hubs=["^."])

    def get_health(self) -> Health:
        """Ask the namespace which event hubs there are; there may be none yet."""
        source: Any = self.get_conn()
        health: Health = asyncio.run(source.answers())
        return health
