"""The hook of TikTok's Display and Research APIs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar

from airflow.sdk import BaseHook

from airflow_provider_spotify.core.model import Health
from airflow_provider_spotify.core.sources.base import Source
from airflow_provider_spotify.hooks.base import SourceHook


class TiktokHook(SourceHook, BaseHook):
    """Reach TikTok as one of an app's users, or as an approved research project.

    The connection holds the app's client key as login and its client secret as password; for a
    user's own videos also ``refresh_token`` in extra
    (https://developers.tiktok.com/doc/oauth-user-access-token-management). TikTok may replace that
    token when it is used: name a ``token_store`` in extra that all workers share.

    :param tiktok_conn_id: the Airflow connection
    :param tenant: whose requests they are; rate limits and caches are kept apart by it
    """

    conn_name_attr = "tiktok_conn_id"
    default_conn_name = "tiktok_default"
    conn_type = "tiktok"
    hook_name = "TikTok"
    source_type = "tiktok"
    test_options: ClassVar[Mapping[str, Any]] = {"resource": "user_info"}
    research_options: ClassVar[Mapping[str, Any]] = {
        "resource": "research_users",
        "research": True,
        "usernames": ["tiktok"],
    }

    def __init__(self, tiktok_conn_id: str = default_conn_name, *, tenant: str = "default") -> None:
        super().__init__()
        self.tiktok_conn_id = tiktok_conn_id
        self.tenant = tenant

    def get_conn(self) -> Source[Any]:
        """Return the source that a connection test uses: without a user's token, for research."""
        has_user = self.get_credentials().secret("refresh_token")
        return self.get_source(**(self.test_options if has_user else self.research_options))

    def get_health(self) -> Health:
        """Try the connection with the cheapest call there is."""
        return asyncio.run(self.get_conn().check())
