"""The hook of WebSocket servers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from airflow.sdk import BaseHook

from airflow_provider_spotify.core.sources.base import Source
from airflow_provider_spotify.hooks.base import SourceHook


class WebsocketHook(SourceHook, BaseHook):
    """Receive from one WebSocket server.

    A password alone is a bearer token, with a login it is one of basic authentication; ``auth`` of
    the source says otherwise.

    :param websocket_conn_id: the Airflow connection
    :param tenant: whose data it is
    """

    conn_name_attr = "websocket_conn_id"
    default_conn_name = "websocket_default"
    conn_type = "websocket"
    hook_name = "WebSocket"
    source_type = "websocket"
    test_options: ClassVar[Mapping[str, Any]] = {}

    def __init__(
        self, websocket_conn_id: str = default_conn_name, *, tenant: str = "default"
    ) -> None:
        super().__init__()
        self.websocket_conn_id = websocket_conn_id
        self.tenant = tenant

    def get_conn(self) -> Source[Any]:
        """Return the source that a connection test uses."""
        return self.get_source(**self.test_options)
