"""The hook of Segment."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar

from airflow.sdk import BaseHook

from airflow_provider_spotify.core.model import Health
from airflow_provider_spotify.core.sources.base import Source
from airflow_provider_spotify.hooks.base import SourceHook


class SegmentHook(SourceHook, BaseHook):
    """Reach Segment's Public API or its Profile API, each by a token of its own.

    The connection holds the token as password: of the Public API (workspace settings, access
    management) for tracking plans, of the Profile API (Unify settings, API access) for profiles.
    A connection with the latter has its space in extra, as ``space``. Events are read from a
    bucket: by an ``aws`` connection, or one of this type whose login and password are a key pair.

    :param segment_conn_id: the Airflow connection
    :param tenant: whose requests they are; rate limits and caches are kept apart by it
    """

    conn_name_attr = "segment_conn_id"
    default_conn_name = "segment_default"
    conn_type = "segment"
    hook_name = "Segment"
    source_type = "segment"
    test_options: ClassVar[Mapping[str, Any]] = {"resource": "tracking_plans"}

    def __init__(
        self, segment_conn_id: str = default_conn_name, *, tenant: str = "default"
    ) -> None:
        super().__init__()
        self.segment_conn_id = segment_conn_id
        self.tenant = tenant

    def get_conn(self) -> Source[Any]:
        """Return the source that a connection test uses."""
        return self.get_source(**self.test_options)

    def get_health(self) -> Health:
        """Try the token with the API that it is for: a connection with a space has profiles'."""
        options = self.test_options
        if self.get_credentials().extra.get("space"):
            options = {"resource": "profile_metadata", "profiles": ["user_id:0"]}
        return asyncio.run(self.get_source(**options).check())
