"""The hook of the Instagram Graph API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from airflow.sdk import BaseHook

from airflow_provider_spotify.core.sources.base import Source
from airflow_provider_spotify.hooks.base import SourceHook


class InstagramHook(SourceHook, BaseHook):
    """Reach the Instagram Graph API as one professional account.

    The connection holds the app's id as login, its secret as password and the long-lived token as
    ``access_token`` in extra; without an app, the token alone as password. ``login_type`` in extra
    says which login gave it: ``instagram`` (default) or ``facebook``, which needs ``account_id``
    (https://developers.facebook.com/docs/instagram-platform/overview).

    :param instagram_conn_id: the Airflow connection
    :param tenant: whose requests they are; rate limits and caches are kept apart by it
    """

    conn_name_attr = "instagram_conn_id"
    default_conn_name = "instagram_default"
    conn_type = "instagram"
    hook_name = "Instagram"
    source_type = "instagram"
    test_options: ClassVar[Mapping[str, Any]] = {"resource": "account"}

    def __init__(
        self, instagram_conn_id: str = default_conn_name, *, tenant: str = "default"
    ) -> None:
        super().__init__()
        self.instagram_conn_id = instagram_conn_id
        self.tenant = tenant

    def get_conn(self) -> Source[Any]:
        """Return the source that a connection test uses."""
        return self.get_source(**self.test_options)
